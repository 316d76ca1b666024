// The chat page: lists the sandbox's chats and shows one as a Telegram client would.

import { copy, element, link, nodesOf } from '/sandbox/text.js';
import { clock, day, exact } from '/sandbox/time.js';

const KEPT = 500; // messages of a chat that the page shows
const GROUPED_SECONDS = 600; // messages closer than this stand together
const AVATARS = ['#e17076', '#7bc862', '#e5a64e', '#65aadd', '#a695e7', '#ee7aae', '#6ec9cb'];

const $ = (id) => document.getElementById(id);
const state = { bot: 'Nabat', chats: new Map(), open: null, shown: new Map(), unread: new Map() };

// ── the list of chats ──────────────────────────────────────────────────────

// What happens while the chats are being read is kept and done afterwards: the answers may be
// older than it.
let waiting = null;

const unlessLoading = (act) => (event) => {
  const doing = () => act(JSON.parse(event.data));
  if (waiting) waiting.push(doing);
  else doing();
};

async function load() {
  if (waiting) return waiting.push(load);
  waiting = [];
  try {
    await read();
  } finally {
    const kept = waiting;
    waiting = null;
    kept.forEach((act) => act());
  }
}

async function read() {
  const answer = await fetch('/sandbox/chats');
  const { bot, chats } = await answer.json();
  state.bot = bot.name;
  state.chats = new Map(chats.map((chat) => [chat.id, chat]));
  const wanted = linkedChat();
  if (wanted !== null) {
    await open(wanted);
  } else if (state.open !== null && state.chats.has(state.open)) {
    await open(state.open);
  } else if (chats.length > 0 && (chats.length === 1 || wide())) {
    await open(newest(chats).id);
  }
  listChats();
}

function newest(chats) {
  return [...chats].sort((a, b) => (b.last?.date ?? 0) - (a.last?.date ?? 0))[0];
}

const wide = () => matchMedia('(min-width: 720px)').matches;

function linkedChat() {
  const id = Number(location.hash.slice(1).split('/')[0]);
  return state.chats.has(id) ? id : null;
}

function listChats() {
  document.body.classList.toggle('several', state.chats.size > 1);
  document.body.classList.toggle('inside', state.open !== null);
  const sorted = [...state.chats.values()].sort((a, b) => (b.last?.date ?? 0) - (a.last?.date ?? 0));
  $('chats').replaceChildren(...sorted.map(chatItem));
}

function chatItem(chat) {
  const face = element('span', 'avatar');
  dress(face, chat);
  const head = element('span', 'item-head', [element('b', '', [chat.title])]);
  if (chat.last) head.append(element('time', '', [clock(chat.last.date)]));
  const last = chat.last ? said(chat.last) : 'No messages yet';
  const foot = element('span', 'item-foot', [element('span', 'said', [last])]);
  const unread = state.unread.get(chat.id) ?? 0;
  if (unread > 0) foot.append(element('span', 'badge', [String(unread)]));
  const item = element('a', 'item', [face, element('span', 'item-text', [head, foot])]);
  item.href = `#${chat.id}`;
  if (chat.id === state.open) item.setAttribute('aria-current', 'true');
  return element('li', '', [item]);
}

function dress(face, chat) {
  const words = chat.title.split(/\s+/u).filter(Boolean);
  face.textContent = words.slice(0, 2).map((word) => [...word][0]).join('').toUpperCase();
  const mixed = [...chat.title].reduce((sum, letter) => sum * 31 + letter.codePointAt(0), 7);
  face.style.backgroundColor = AVATARS[mixed % 997 % AVATARS.length];
}

// ── the open chat ──────────────────────────────────────────────────────────

async function open(id) {
  const again = state.open === id;
  const away = $('scroller').scrollTop;
  const followed = atBottom();
  state.open = id;
  state.unread.delete(id);
  const answer = await fetch(`/sandbox/messages?chat=${id}&last=${KEPT}`);
  const messages = await answer.json();
  if (state.open !== id) return;
  state.shown = new Map(messages.map((message) => [message.id, message]));
  const chat = state.chats.get(id);
  $('title').textContent = chat.title;
  document.title = chat.title;
  dress($('avatar'), chat);
  describe();
  drawAll();
  if (again && !followed) $('scroller').scrollTop = away;
  else toBottom();
  showLinkedMessage();
}

function describe() {
  const chat = state.chats.get(state.open);
  if (!chat) return;
  const kinds = { private: 'bot', group: 'group', supergroup: 'group', channel: 'channel' };
  const kind = chat.topics.length > 0 ? 'forum' : kinds[chat.kind];
  const count = state.shown.size;
  $('subtitle').textContent = online
    ? `${kind} · ${count === 1 ? '1 message' : `${count} messages`}`
    : 'connecting…';
}

function drawAll() {
  const list = $('messages');
  list.replaceChildren();
  const sorted = [...state.shown.values()].sort((a, b) => a.id - b.id);
  list.append(...sorted.map(row));
  arrange();
  $('empty').hidden = sorted.length > 0;
  showPinned();
}

/** Day separators, and which messages stand together. */
function arrange() {
  const list = $('messages');
  list.querySelectorAll('.day').forEach((day) => day.remove());
  let before = null;
  for (const item of [...list.children]) {
    const message = state.shown.get(Number(item.dataset.id));
    const newDay = !before || day(before.date) !== day(message.date);
    if (newDay) item.before(element('li', 'day', [element('span', '', [day(message.date)])]));
    const together = !newDay && before.from_bot === message.from_bot
      && before.topic === message.topic && message.date - before.date < GROUPED_SECONDS;
    item.classList.toggle('first', !together);
    item.previousElementSibling?.classList.toggle('last', !together);
    item.classList.add('last');
    before = message;
  }
}

function row(message) {
  const item = element('li', message.from_bot ? 'row' : 'row own');
  item.dataset.id = message.id;
  item.id = `m${message.id}`;
  const chat = state.chats.get(message.chat);
  if (message.from_bot && chat.kind !== 'private') {
    const face = element('span', 'avatar small');
    dress(face, chat.kind === 'channel' ? chat : { title: state.bot });
    face.setAttribute('aria-hidden', 'true');
    item.append(face);
  }
  const stack = element('div', 'stack', [bubble(message, chat)]);
  if (message.buttons.length > 0) stack.append(keyboard(message.buttons));
  item.append(stack);
  return item;
}

function bubble(message, chat) {
  const made = element('div', 'bubble');
  const author = message.from_bot ? (chat.kind === 'channel' ? chat.title : state.bot) : 'You';
  if (chat.kind !== 'private') {
    const topic = chat.topics.find((known) => known.id === message.topic);
    const name = element('div', 'author', [author]);
    if (topic) name.append(element('span', 'topic', [topic.name]));
    made.append(name);
  }
  if (message.reply_to !== null) made.append(quote(message.reply_to));
  if (message.photo) made.append(photo(message));
  const text = element('div', 'text', message.blocks.length > 0
    ? [element('div', 'rich', message.blocks.map(block))]
    : nodesOf(message.text, message.entities));
  text.dir = 'auto';
  text.append(meta(message));
  made.append(text);
  return made;
}

function photo(message) {
  const made = element('img', 'photo');
  made.src = `/sandbox/photo?chat=${message.chat}&message=${message.id}`;
  made.alt = 'Photo';
  return made;
}

/** A block of a rich message. */
function block({ kind, text, entities, rows }) {
  if (kind === 'table') {
    const lines = rows.map((cells) => element('tr', '', cells.map(block)));
    return element('div', 'grid', [element('table', '', lines)]);
  }
  return element(kind === 'footer' ? 'small' : kind, '', nodesOf(text, entities));
}

/** The newest pinned message, as a bar above the others. */
function showPinned() {
  const pinned = [...state.shown.values()].filter((message) => message.pinned);
  const newest = pinned.sort((a, b) => a.id - b.id).at(-1);
  const bar = $('pinned');
  bar.hidden = !newest;
  bar.onclick = () => spotlight(newest.id);
  bar.querySelector('span').textContent = newest ? said(newest) : '';
}

/** A message in one line. */
const said = (message) => message.text.replace(/\s+/gu, ' ').slice(0, 160) || 'Photo';

function quote(id) {
  const replied = state.shown.get(id);
  const words = replied ? said(replied) : 'Deleted message';
  const author = replied && !replied.from_bot ? 'You' : state.bot;
  const made = element('button', 'reply', [element('b', '', [author]), element('span', '', [words])]);
  made.type = 'button';
  made.addEventListener('click', () => spotlight(id));
  return made;
}

function meta(message) {
  const made = element('span', 'meta');
  if (message.silent) {
    const bell = icon('M12 4a5 5 0 0 0-5 5v3.6L5.6 15h12.8L17 12.6V9a5 5 0 0 0-5-5zM10 18a2 2 0 0 0 4 0M4 4l16 16');
    bell.classList.add('silent');
    const title = document.createElementNS('http://www.w3.org/2000/svg', 'title');
    title.textContent = 'Sent without sound';
    bell.append(title);
    made.append(bell);
  }
  if (message.edits > 0) made.append(element('span', 'edited', ['edited']));
  const time = element('time', '', [clock(message.date)]);
  time.dateTime = new Date(message.date * 1000).toISOString();
  time.title = message.edits > 0
    ? `Sent ${exact(message.date)}\nEdited ${exact(message.edit_date)}`
    : exact(message.date);
  made.append(time);
  return made;
}

function icon(path) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  line.setAttribute('d', path);
  svg.append(line);
  return svg;
}

function keyboard(rows) {
  return element('div', 'keyboard', rows.map((buttons) =>
    element('div', 'keys', buttons.map(key))));
}

function key(button) {
  let made;
  if (button.url) {
    made = link(button.url, [button.text]);
    made.append(icon('M8 16L16 8M9.5 8H16v6.5'));
  } else {
    made = element('button', '', [button.text]);
    made.type = 'button';
    if (button.copy_text) {
      made.append(icon('M9 9h9v10H9zM6 15V5h9'));
      made.addEventListener('click', () => copy(button.copy_text.text));
    }
  }
  made.classList.add('key');
  if (button.style) made.classList.add(button.style);
  return made;
}

// ── scrolling ──────────────────────────────────────────────────────────────

function atBottom() {
  const { scrollHeight, scrollTop, clientHeight } = $('scroller');
  return scrollHeight - scrollTop - clientHeight < 80;
}

function toBottom() {
  $('scroller').scrollTop = $('scroller').scrollHeight;
}

let missed = 0;
function noteScroll() {
  if (atBottom()) missed = 0;
  $('down').hidden = atBottom();
  $('unread').hidden = missed === 0;
  $('unread').textContent = String(missed);
}

function spotlight(id) {
  const item = $(`m${id}`);
  if (!item) return;
  item.scrollIntoView({ block: 'center' });
  item.classList.remove('spot');
  void item.offsetWidth; // starts the animation anew
  item.classList.add('spot');
}

function showLinkedMessage() {
  const id = location.hash.split('/')[1];
  if (id) spotlight(Number(id));
}

// ── what changes ───────────────────────────────────────────────────────────

let online = false;

function receive(message) {
  const chat = state.chats.get(message.chat);
  if (!chat) return;
  if (!chat.last || chat.last.id <= message.id) chat.last = message;
  if (message.chat !== state.open) {
    if (message.edits === 0) {
      state.unread.set(message.chat, (state.unread.get(message.chat) ?? 0) + 1);
    }
    listChats();
    return;
  }
  const followed = atBottom();
  const old = $(`m${message.id}`);
  state.shown.set(message.id, message);
  const item = row(message);
  if (old) {
    item.classList.add('changed');
    old.replaceWith(item);
  } else {
    item.classList.add('arrived');
    $('messages').append(item);
    if (!followed) missed += 1;
  }
  $('empty').hidden = true;
  showPinned();
  arrange();
  describe();
  if (followed) toBottom();
  noteScroll();
  listChats();
}

function forget({ chat, id }) {
  if (chat !== state.open) return;
  state.shown.delete(id);
  drawAll();
  describe();
}

function listen() {
  const events = new EventSource('/sandbox/events');
  events.addEventListener('open', () => {
    online = true;
    load();
  });
  events.addEventListener('error', () => {
    online = false;
    describe();
  });
  events.addEventListener('shown', unlessLoading(receive));
  events.addEventListener('deleted', unlessLoading(forget));
  events.addEventListener('chats', load);
}

$('scroller').addEventListener('scroll', noteScroll, { passive: true });
$('down').addEventListener('click', () => {
  $('scroller').scrollTo({ top: $('scroller').scrollHeight, behavior: 'smooth' });
});
$('back').addEventListener('click', () => {
  state.open = null;
  history.replaceState(null, '', location.pathname);
  listChats();
});
addEventListener('hashchange', async () => {
  const wanted = linkedChat();
  if (wanted !== null && wanted !== state.open) await load();
  else showLinkedMessage();
});
listen();
