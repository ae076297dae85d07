//! The text itself: [`History`], a ring of bytes that forgets whole lines.

use super::Style;
use super::grid::{Cell, Row};

/// The end of a text, in ISO 8859-1.
///
/// The bytes 0x80 to 0x9f, control characters of that set, say in which style the bytes after them are; every line
/// starts with one, so that forgetting the line before does no harm.
#[derive(Debug)]
pub(super) struct History<const BYTES: usize> {
    bytes: [u8; BYTES],
    start: usize,
    length: usize,
    style: Style,
    /// Whether the line being written has named its style.
    in_line: bool,
}

const NEWLINE: u8 = b'\n';
/// Added to a style's number.
const STYLE: u8 = 0x80;
/// One past the last byte that names a style.
const STYLE_END: u8 = 0xa0;

impl<const BYTES: usize> History<BYTES> {
    pub(super) const fn new() -> Self {
        const { assert!(BYTES >= 64, "a ring that cannot hold a line") }
        Self {
            bytes: [0; BYTES],
            start: 0,
            length: 0,
            style: Style::Text,
            in_line: false,
        }
    }

    /// Appends one character.
    pub(super) fn push(&mut self, character: char, style: Style) {
        // A character and a style; room is made before either, for it may cost the style of the line so far.
        while BYTES - self.length < 2 {
            self.forget_a_line();
        }
        if character == '\n' {
            self.push_byte(NEWLINE);
            self.in_line = false;
            return;
        }
        if !self.in_line || style != self.style {
            self.push_byte(STYLE + style.number());
            self.style = style;
            self.in_line = true;
        }
        self.push_byte(latin_1(character));
    }

    /// Appends a byte, for which there is room.
    fn push_byte(&mut self, byte: u8) {
        let end = (self.start + self.length) % BYTES;
        if let Some(slot) = self.bytes.get_mut(end) {
            *slot = byte;
            self.length += 1;
        }
    }

    /// Forgets the oldest line; a line that fills the whole ring is forgotten up to where it is.
    fn forget_a_line(&mut self) {
        let end_of_line = self.iter().position(|byte| byte == NEWLINE);
        let forgotten = end_of_line.map_or(self.length, |at| at + 1);
        self.start = (self.start + forgotten) % BYTES;
        self.length -= forgotten;
        if self.length == 0 {
            // The rest of that line names its style again.
            self.in_line = false;
        }
    }

    fn iter(&self) -> impl Iterator<Item = u8> + Clone + '_ {
        let (wrapped, from_start) = self.bytes.split_at(self.start);
        from_start.iter().chain(wrapped).copied().take(self.length)
    }

    /// Returns what a screen of that many `columns` and `rows` shows: the end of the text, wrapped.
    pub(super) fn tail(&self, columns: usize, rows: usize) -> Tail<impl Iterator<Item = u8> + '_> {
        let all = Tail::new(self.iter(), columns);
        let mut hidden = all.count_rows().saturating_sub(rows);
        let mut tail = Tail::new(self.iter(), columns);
        while hidden > 0 {
            tail.skip_row();
            hidden -= 1;
        }
        tail
    }
}

/// The rows of a text on a screen, from some row on.
pub(super) struct Tail<I: Iterator<Item = u8>> {
    bytes: core::iter::Peekable<I>,
    columns: usize,
    style: Style,
}

impl<I: Iterator<Item = u8>> Tail<I> {
    fn new(bytes: I, columns: usize) -> Self {
        Self {
            bytes: bytes.peekable(),
            columns: columns.max(1),
            style: Style::Text,
        }
    }

    /// Puts the next row's cells into `row`; none after the last row.
    pub(super) fn fill_row(&mut self, row: &mut Row) {
        self.next_row(|cell| row.push(cell));
    }

    fn skip_row(&mut self) {
        self.next_row(|_| ());
    }

    fn count_rows(mut self) -> usize {
        let mut rows = 0;
        while self.bytes.peek().is_some() {
            self.skip_row();
            rows += 1;
        }
        rows
    }

    /// Takes the bytes of one row: up to a newline, or as many characters as fit and then a newline, if it follows.
    fn next_row(&mut self, mut show: impl FnMut(Cell)) {
        let mut columns = 0;
        while let Some(&byte) = self.bytes.peek() {
            let is_character = !matches!(byte, NEWLINE | STYLE..STYLE_END);
            if is_character && columns == self.columns {
                return;
            }
            self.bytes.next();
            match byte {
                NEWLINE => return,
                STYLE..STYLE_END => self.style = Style::from_number(byte - STYLE),
                character => {
                    columns += 1;
                    show(Cell::new(char::from(character), self.style));
                }
            }
        }
    }
}

/// Returns the character's byte in ISO 8859-1, or something to stand for it.
pub(super) fn latin_1(character: char) -> u8 {
    match character {
        '\t' => b' ',
        ' '..='~' | '\u{a0}'..='\u{ff}' => u8::try_from(character).unwrap_or(b'?'),
        _ => b'?',
    }
}
