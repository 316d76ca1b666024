// A text with Telegram's entities, as DOM nodes. Data becomes text nodes and attributes of known
// kinds only; nothing is ever parsed as HTML.

const TAGS = {
  bold: 'strong',
  italic: 'em',
  underline: 'u',
  strikethrough: 's',
  code: 'code',
};

/** The nodes of `text`; entity offsets count UTF-16 units, as JavaScript's strings do. */
export function nodesOf(text, entities) {
  const sorted = entities
    .filter((entity) => entity.length > 0 && entity.offset >= 0)
    .sort((a, b) => a.offset - b.offset || b.length - a.length);
  return range(text, 0, text.length, sorted, false);
}

function range(text, start, end, entities, verbatim) {
  const nodes = [];
  let at = start;
  let index = 0;
  while (index < entities.length) {
    const entity = entities[index];
    const from = Math.max(entity.offset, at);
    const to = Math.min(entity.offset + entity.length, end);
    index += 1;
    if (from >= to) continue;
    if (from > at) nodes.push(...plain(afterBlock(nodes, text.slice(at, from)), verbatim));
    const inner = [];
    while (index < entities.length && entities[index].offset < to) {
      inner.push(entities[index]);
      index += 1;
    }
    const isVerbatim = verbatim || ['code', 'pre', 'text_link'].includes(entity.type);
    nodes.push(wrap(entity, text.slice(from, to), range(text, from, to, inner, isVerbatim)));
    at = to;
  }
  if (at < end) nodes.push(...plain(afterBlock(nodes, text.slice(at, end)), verbatim));
  return nodes;
}

// A block ends its line by itself: the line feed behind it shows nothing.
function afterBlock(nodes, text) {
  const isBlock = ['PRE', 'BLOCKQUOTE'].includes(nodes.at(-1)?.tagName);
  return isBlock && text.startsWith('\n') ? text.slice(1) : text;
}

function wrap(entity, text, nodes) {
  switch (entity.type) {
    case 'pre': return preformatted(entity, nodes);
    case 'code': return code(text, nodes);
    case 'blockquote': return element('blockquote', '', nodes);
    case 'expandable_blockquote': return expandable(nodes);
    case 'spoiler': return spoiler(nodes);
    case 'text_link': return link(entity.url, nodes);
    case 'text_mention': return element('span', 'mention', nodes);
    case 'date_time': return dateTime(entity, nodes);
    default: return element(TAGS[entity.type] ?? 'span', '', nodes);
  }
}

export function element(tag, className, nodes = []) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...nodes);
  return made;
}

/** A link that opens beside the page, or its bare content when the address is of no known kind. */
export function link(address, nodes) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return element('span', '', nodes);
  }
  if (!['http:', 'https:', 'tg:', 'ton:', 'mailto:'].includes(url.protocol)) {
    return element('span', '', nodes);
  }
  const made = element('a', '', nodes);
  made.href = url.href;
  made.target = '_blank';
  made.rel = 'noopener noreferrer';
  made.title = url.href;
  return made;
}

function code(text, nodes) {
  const made = element('code', '', nodes);
  made.title = 'Copy';
  made.addEventListener('click', () => copy(text));
  return made;
}

function preformatted(entity, nodes) {
  const made = element('pre', '', [element('code', '', nodes)]);
  const name = element('span', 'language', [entity.language || 'code']);
  const button = element('button', 'copy', ['copy']);
  button.type = 'button';
  button.addEventListener('click', () => copy(made.querySelector('code').textContent));
  made.prepend(element('span', 'pre-head', [name, button]));
  return made;
}

function expandable(nodes) {
  const content = element('div', 'quote-content', nodes);
  const toggle = element('button', 'quote-toggle');
  toggle.type = 'button';
  toggle.setAttribute('aria-label', 'Show or hide the whole quote');
  toggle.setAttribute('aria-expanded', 'false');
  const made = element('blockquote', 'expandable collapsed', [content, toggle]);
  const flip = () => {
    const collapsed = made.classList.toggle('collapsed');
    toggle.setAttribute('aria-expanded', String(!collapsed));
  };
  toggle.addEventListener('click', (event) => {
    event.stopPropagation();
    flip();
  });
  made.addEventListener('click', (event) => {
    if (made.classList.contains('collapsed') && !event.target.closest('a')) flip();
  });
  return made;
}

function spoiler(nodes) {
  const made = element('span', 'spoiler', [element('span', 'spoiler-text', nodes)]);
  made.tabIndex = 0;
  made.setAttribute('role', 'button');
  made.setAttribute('aria-label', 'Hidden text, press to show');
  const reveal = () => {
    made.classList.add('shown');
    made.removeAttribute('role');
    made.removeAttribute('aria-label');
  };
  made.addEventListener('click', reveal);
  made.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' || event.key === ' ') reveal();
  });
  return made;
}

function dateTime(entity, nodes) {
  const made = element('time', '', nodes);
  const date = new Date(entity.unix_time * 1000);
  if (!Number.isNaN(date.getTime())) {
    made.dateTime = date.toISOString();
    made.title = date.toLocaleString();
  }
  return made;
}

// What Telegram finds by itself: addresses whose host has a dot, hashtags, mentions.
const FOUND = /(https?:\/\/[^\s<>"'«»]+)|((?<![\p{L}\p{N}_/&])[#@][\p{L}\p{N}_]*\p{L}[\p{L}\p{N}_]*)/giu;

function plain(text, verbatim) {
  if (verbatim) return [text];
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(FOUND)) {
    let found = match[0];
    if (match[1]) {
      found = found.replace(/[.,:;!?)\]}]+$/u, '');
      if (!/^https?:\/\/[^/?#]*\./iu.test(found)) continue;
    }
    if (match.index > at) nodes.push(text.slice(at, match.index));
    nodes.push(match[1] ? link(found, [found]) : element('span', 'mention', [found]));
    at = match.index + found.length;
  }
  if (at < text.length) nodes.push(text.slice(at));
  return nodes;
}

/** Puts `text` on the clipboard and says so. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast('Copied');
  } catch {
    toast('The browser did not let me copy');
  }
}

let toastTimer;
function toast(text) {
  const shown = document.getElementById('toast');
  shown.textContent = text;
  shown.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { shown.hidden = true; }, 1600);
}
