//! The text console of a display: [`Console`] keeps text, and draws what changed of it.

pub(crate) mod font;
mod grid;
mod history;
mod style;

use core::fmt::{self, Write};

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::OriginDimensions;
use embedded_graphics::pixelcolor::Rgb888;
use heapless::String;

use crate::log_format::{Line, OneLine, level_name};

use font::Font;
use grid::{Cell, Grid, Row};
use history::History;
pub use style::Style;

/// Cells of the default console: what 3840 × 2160 pixels need in the font chosen for them, 10 × 20.
pub const DEFAULT_CELLS: usize = 384 * 108;
/// Bytes of text of the default console, a few screens of it.
pub const DEFAULT_HISTORY: usize = 32 * 1024;

/// A title row, and below it the end of a text that grows line by line.
///
/// Text is kept in a ring of `HISTORY` bytes from the start, without a display; a display shows the end of it from its
/// first [`Console::draw`] on. Of a display with more cells than `CELLS`, the lowest rows stay empty.
/// It takes no heap, 2 bytes a cell and 1 a character: make it a `static`.
#[derive(Debug)]
pub struct Console<const CELLS: usize = DEFAULT_CELLS, const HISTORY: usize = DEFAULT_HISTORY> {
    title: String<TITLE_BYTES>,
    status: String<TITLE_BYTES>,
    text: History<HISTORY>,
    grid: Grid<CELLS>,
    font: Font,
}

const TITLE_BYTES: usize = 128;

impl<const CELLS: usize, const HISTORY: usize> Console<CELLS, HISTORY> {
    /// Starts empty, without a display.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            title: String::new(),
            status: String::new(),
            text: History::new(),
            grid: Grid::new(),
            font: Font::new(),
        }
    }

    /// Sets what stands on the left of the title row; what is too long is cut off.
    pub fn set_title(&mut self, title: fmt::Arguments<'_>) {
        self.title.clear();
        // An error says that the rest did not fit.
        let _ = OneLine(&mut self.title).write_fmt(title);
    }

    /// Sets what stands on the right of the title row; what is too long is cut off.
    pub fn set_status(&mut self, status: fmt::Arguments<'_>) {
        self.status.clear();
        // An error says that the rest did not fit.
        let _ = OneLine(&mut self.status).write_fmt(status);
    }

    /// Appends a log line, its level in a colour of its own.
    pub fn log(&mut self, line: &Line<'_>) {
        let level = level_name(line.level);
        self.print(Style::Dim, format_args!("{} ", line.stamp()));
        self.print(Style::of_level(line.level), format_args!("{level:<5} "));
        self.print_one_line(Style::Target, format_args!("{}: ", line.target));
        self.print_one_line(Style::of_message(line.level), line.message);
        self.print(Style::Text, format_args!("\n"));
    }

    /// Appends text; `\n` in it starts a new line.
    ///
    /// A tab becomes a space, and what the font lacks (it has ISO 8859-1) a question mark.
    pub fn print(&mut self, style: Style, text: fmt::Arguments<'_>) {
        // Only the text's own formatting can fail; what came before is shown.
        let _ = Styled(&mut self.text, style).write_fmt(text);
    }

    fn print_one_line(&mut self, style: Style, text: fmt::Arguments<'_>) {
        // As in `print`.
        let _ = OneLine(Styled(&mut self.text, style)).write_fmt(text);
    }

    /// Forgets what the display shows, so that the next [`Console::draw`] draws all of it.
    ///
    /// To be called when something else was drawn there, or another display took its place.
    pub fn invalidate(&mut self) {
        self.grid.invalidate();
    }

    /// Brings the display up to date, and returns how many cells were drawn; with 0 nothing was touched.
    ///
    /// Only cells that changed since the last call are drawn, unless the display's size changed. Draw after a batch of
    /// lines rather than after each: once the screen is full, each draw scrolls.
    ///
    /// # Errors
    ///
    /// That of `target`; the next call draws what is missing.
    pub fn draw<D>(&mut self, target: &mut D) -> Result<usize, D::Error>
    where
        D: DrawTarget<Color = Rgb888> + OriginDimensions,
    {
        let mut drawn = self.grid.prepare(target, &mut self.font)?;
        let mut row = Row::new(self.grid.columns());
        title_row(&mut row, &self.title, &self.status);
        drawn += self.grid.draw_row(0, &row, target, &self.font)?;

        let text_rows = self.grid.rows().saturating_sub(1);
        let columns = self.grid.columns();
        let mut cells = self.text.tail(columns, text_rows);
        for index in 1..self.grid.rows() {
            row.clear();
            cells.fill_row(&mut row);
            drawn += self.grid.draw_row(index, &row, target, &self.font)?;
        }
        Ok(drawn)
    }
}

impl<const CELLS: usize, const HISTORY: usize> Default for Console<CELLS, HISTORY> {
    fn default() -> Self {
        Self::new()
    }
}

/// Plain text, as [`Console::print`] takes it.
impl<const CELLS: usize, const HISTORY: usize> Write for Console<CELLS, HISTORY> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        Styled(&mut self.text, Style::Text).write_str(text)
    }
}

/// Appends text in one style.
struct Styled<'a, const HISTORY: usize>(&'a mut History<HISTORY>, Style);

impl<const HISTORY: usize> Write for Styled<'_, HISTORY> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars()
            .for_each(|character| self.0.push(character, self.1));
        Ok(())
    }
}

/// Puts `title` to the left of a full row and `status` to its right; the title wins where they meet.
fn title_row(row: &mut Row, title: &str, status: &str) {
    let columns = row.columns();
    let status_length = status.chars().count();
    let fill = columns.saturating_sub(title.chars().count() + status_length + 2);
    let padding = core::iter::repeat_n(' ', fill);
    let characters = core::iter::once(' ')
        .chain(title.chars())
        .chain(padding)
        .chain(status.chars());
    for character in characters.chain(core::iter::repeat(' ')).take(columns) {
        row.push(Cell::new(character, Style::Title));
    }
}

#[cfg(test)]
mod tests;
