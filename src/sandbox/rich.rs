//! Rich messages (Bot API 10.1), as far as nabat writes them: headings, paragraphs, tables and
//! footers, in HTML. The documented limits are kept; of the refusals' texts only
//! `RICH_MESSAGE_CONTENT_REQUIRED` is known from people's reports, the others are the sandbox's.

use serde_json::{Value, json};

use super::chat::Content;
use super::params::Params;
use super::refusal::Refusal;
use super::text::entities_json;
use super::{OwnParser, TextParser};
use crate::telegram::markup::{self, FormattedText, MarkupError};

/// Characters of the whole text.
const CHARACTERS: usize = 32_768;
/// Blocks, table rows included.
const BLOCKS: usize = 500;
const COLUMNS: usize = 20;

/// One block of a rich message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// With its level, 1 to 6.
    Heading(u8, FormattedText),
    Paragraph(FormattedText),
    Footer(FormattedText),
    Table(Vec<Vec<Cell>>),
}

/// One cell of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub header: bool,
    pub text: FormattedText,
}

/// Reads `rich_message`. The text of the content is what a screen reader would say: blocks in
/// lines, cells with bars between them.
pub(super) fn content(parser: &dyn TextParser, params: &Params) -> Result<Content, Refusal> {
    let message: Value = match params.json("rich_message") {
        Some(Ok(message)) => message,
        _ => return Err(Refusal::bad("can't parse rich message JSON object")),
    };
    let html = message.get("html").and_then(Value::as_str).unwrap_or_default();
    let (blocks, text) = read(parser, html)?;
    Ok(Content { text, source: html.to_owned(), rich: Some(blocks), ..Content::default() })
}

/// Reads the HTML of a rich message as the sandbox does when it is sent one.
///
/// # Errors
/// Why the sandbox would refuse it.
pub fn read_rich(html: &str) -> Result<Vec<Block>, String> {
    match read(&OwnParser, html) {
        Ok((blocks, _)) => Ok(blocks),
        Err(refusal) => Err(refusal.description()),
    }
}

/// The blocks, and their text.
fn read(parser: &dyn TextParser, html: &str) -> Result<(Vec<Block>, String), Refusal> {
    let blocks = Reader { parser, rest: html }.blocks()?;
    if blocks.is_empty() {
        return Err(Refusal::bad("RICH_MESSAGE_CONTENT_REQUIRED"));
    }
    let count: usize = blocks.iter().map(Block::count).sum();
    let text = blocks.iter().map(Block::text).collect::<Vec<_>>().join("\n");
    if count > BLOCKS || text.chars().count() > CHARACTERS {
        return Err(Refusal::bad("RICH_MESSAGE_TOO_LONG"));
    }
    Ok((blocks, text))
}

impl Block {
    fn count(&self) -> usize {
        match self {
            Self::Table(rows) => 1 + rows.len(),
            _ => 1,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Heading(_, text) | Self::Paragraph(text) | Self::Footer(text) => {
                text.text.clone()
            }
            Self::Table(rows) => {
                let row = |row: &Vec<Cell>| {
                    row.iter().map(|cell| cell.text.text.as_str()).collect::<Vec<_>>().join(" | ")
                };
                rows.iter().map(row).collect::<Vec<_>>().join("\n")
            }
        }
    }

    /// For the page.
    pub(super) fn to_json(&self) -> Value {
        let text = |kind: &str, text: &FormattedText| json!({"kind": kind, "text": text.text, "entities": entities_json(&text.entities)});
        match self {
            Self::Heading(level, heading) => text(&format!("h{level}"), heading),
            Self::Paragraph(paragraph) => text("p", paragraph),
            Self::Footer(footer) => text("footer", footer),
            Self::Table(rows) => {
                let cell = |cell: &Cell| text(if cell.header { "th" } else { "td" }, &cell.text);
                let rows: Vec<Vec<Value>> =
                    rows.iter().map(|row| row.iter().map(cell).collect()).collect();
                json!({"kind": "table", "rows": rows})
            }
        }
    }
}

/// Reads elements one after the other.
struct Reader<'a> {
    parser: &'a dyn TextParser,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn blocks(mut self) -> Result<Vec<Block>, Refusal> {
        let mut blocks = Vec::new();
        while let Some((name, attributes, inner)) = self.element()? {
            blocks.push(match name {
                "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                    Block::Heading(name.as_bytes()[1] - b'0', self.inline(inner)?)
                }
                "p" => Block::Paragraph(self.inline(inner)?),
                "footer" => Block::Footer(self.inline(inner)?),
                "table" => {
                    let known = |word: &str| matches!(word, "bordered" | "striped");
                    if !attributes.split_whitespace().all(known) {
                        return Err(unparsed(&format!("unknown attributes {attributes:?}")));
                    }
                    Block::Table(self.inside(inner).rows()?)
                }
                other => return Err(unparsed(&format!("unsupported tag {other:?}"))),
            });
        }
        Ok(blocks)
    }

    fn rows(mut self) -> Result<Vec<Vec<Cell>>, Refusal> {
        let mut rows = Vec::new();
        while let Some((name, _, inner)) = self.element()? {
            if name != "tr" {
                return Err(unparsed(&format!("tag {name:?} in a table")));
            }
            let mut row = Vec::new();
            let mut cells = self.inside(inner);
            while let Some((name, _, inner)) = cells.element()? {
                if !matches!(name, "th" | "td") {
                    return Err(unparsed(&format!("tag {name:?} in a row")));
                }
                row.push(Cell { header: name == "th", text: self.inline(inner)? });
            }
            if row.is_empty() || row.len() > COLUMNS {
                return Err(unparsed(&format!("a row of {} cells", row.len())));
            }
            rows.push(row);
        }
        Ok(rows)
    }

    fn inside(&self, inner: &'a str) -> Self {
        Self { parser: self.parser, rest: inner }
    }

    /// The next element: its name, attributes and what is inside.
    fn element(&mut self) -> Result<Option<(&'a str, &'a str, &'a str)>, Refusal> {
        let rest = self.rest.trim_start();
        if rest.is_empty() {
            return Ok(None);
        }
        let (tag, rest) = rest
            .strip_prefix('<')
            .and_then(|rest| rest.split_once('>'))
            .ok_or_else(|| unparsed("text outside of a block"))?;
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let (inner, rest) = rest
            .split_once(&format!("</{name}>"))
            .ok_or_else(|| unparsed(&format!("{name:?} is not closed")))?;
        self.rest = rest;
        Ok(Some((name, attributes, inner)))
    }

    fn inline(&self, html: &str) -> Result<FormattedText, Refusal> {
        let read = self.parser.parse_html(html).map_err(|error| unparsed(&error))?;
        match markup::put_in_order(read) {
            Err(MarkupError::Empty) => Ok(FormattedText::default()),
            read => read.map_err(|error| unparsed(&error.to_string())),
        }
    }
}

fn unparsed(why: &str) -> Refusal {
    Refusal::BadRequest(format!("can't parse rich message: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(html: &str) -> Result<Content, Refusal> {
        let body = json!({"rich_message": {"html": html}}).to_string();
        let params = Params::read(None, "application/json", body.as_bytes()).unwrap();
        content(&OwnParser, &params)
    }

    #[test]
    fn a_table_is_read_by_rows_and_cells() {
        let read = read(
            "<h3>🔴 Disk</h3><table bordered striped><tr><th>host</th><th></th></tr>\
             <tr><td><code>db-1</code></td><td>a &lt; b</td></tr></table><footer>end</footer>",
        )
        .unwrap();
        assert_eq!(read.text, "🔴 Disk\nhost | \ndb-1 | a < b\nend");
        let Some([_, Block::Table(rows), _]) = read.rich.as_deref() else { panic!() };
        assert!(rows[0][0].header && !rows[1][0].header);
        assert_eq!(rows[1][0].text.entities.len(), 1);
    }

    #[test]
    fn what_is_no_rich_message_is_refused() {
        let many = "<p>x</p>".repeat(501);
        let wide = format!("<table><tr>{}</tr></table>", "<td>x</td>".repeat(21));
        let long = format!("<p>{}</p>", "x".repeat(32_769));
        for html in [
            "",
            "loose text",
            "<p>open",
            "<script>x</script>",
            "<table><p>x</p></table>",
            "<table><tr></tr></table>",
            "<p>a < b</p>",
            &many,
            &wide,
            &long,
        ] {
            assert!(read(html).is_err(), "{html:.40}");
        }
    }
}
