//! What a display shows, cell by cell: [`Grid`] draws only the cells that differ.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::Rectangle;
use heapless::Vec;

use super::Style;
use super::font::{self, Font};
use super::history::latin_1;
use super::style::BACKGROUND;

/// One character and its style. Spaces in all styles with the same background are the same cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    character: u8,
    style: u8,
}

impl Cell {
    /// All zeros, so that an empty console takes no room in the kernel's image.
    pub(super) const BLANK: Self = Self {
        character: 0,
        style: Style::Text.number(),
    };

    pub(super) fn new(character: char, style: Style) -> Self {
        match latin_1(character) {
            b' ' if style != Style::Title => Self::BLANK,
            character => Self {
                character,
                style: style.number(),
            },
        }
    }

    const fn is_space(self) -> bool {
        matches!(self.character, 0 | b' ')
    }

    fn style(self) -> Style {
        Style::from_number(self.style)
    }
}

/// Longest row, in cells: 3840 pixels in the narrowest font.
const MAX_COLUMNS: usize = 640;

/// A row that is to be shown; what it does not fill is blank.
#[derive(Debug)]
pub(super) struct Row {
    cells: Vec<Cell, MAX_COLUMNS>,
    columns: usize,
}

impl Row {
    pub(super) const fn new(columns: usize) -> Self {
        Self {
            cells: Vec::new(),
            columns,
        }
    }

    pub(super) const fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn clear(&mut self) {
        self.cells.clear();
    }

    pub(super) fn push(&mut self, cell: Cell) {
        // A row has at most `columns` cells, of which `Grid` has at most `MAX_COLUMNS`.
        let _ = self.cells.push(cell);
    }

    fn get(&self, column: usize) -> Cell {
        self.cells.get(column).copied().unwrap_or(Cell::BLANK)
    }
}

/// The cells of a display, as they were drawn last.
#[derive(Debug)]
pub(super) struct Grid<const CELLS: usize> {
    shown: [Cell; CELLS],
    /// The display's size in pixels; `None` if what it shows is not known.
    size: Option<Size>,
    columns: usize,
    rows: usize,
}

impl<const CELLS: usize> Grid<CELLS> {
    pub(super) const fn new() -> Self {
        Self {
            shown: [Cell::BLANK; CELLS],
            size: None,
            columns: 0,
            rows: 0,
        }
    }

    pub(super) const fn columns(&self) -> usize {
        self.columns
    }

    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    pub(super) const fn invalidate(&mut self) {
        self.size = None;
    }

    /// Clears the display and sets up the grid, unless it is set up for a display of this size; returns the cells drawn.
    pub(super) fn prepare<D>(&mut self, target: &mut D, font: &mut Font) -> Result<usize, D::Error>
    where
        D: DrawTarget<Color = Rgb888> + OriginDimensions,
    {
        let size = target.size();
        if self.size == Some(size) {
            return Ok(0);
        }
        self.size = None;
        target.clear(BACKGROUND)?;
        font.load(font::for_display(size));
        let per_pixels =
            |pixels: u32, cell: u32| usize::try_from(pixels / cell).unwrap_or(usize::MAX);
        let columns = per_pixels(size.width, font.size().width);
        self.columns = columns.min(MAX_COLUMNS).min(CELLS);
        let rows = per_pixels(size.height, font.size().height);
        self.rows = rows.min(CELLS.checked_div(self.columns).unwrap_or(0));
        self.shown.fill(Cell::BLANK);
        self.size = Some(size);
        Ok(self.columns * self.rows)
    }

    /// Draws the cells of a row that are not shown yet, neighbours in one go; returns how many.
    pub(super) fn draw_row<D>(
        &mut self,
        index: usize,
        row: &Row,
        target: &mut D,
        font: &Font,
    ) -> Result<usize, D::Error>
    where
        D: DrawTarget<Color = Rgb888>,
    {
        if index >= self.rows {
            return Ok(0);
        }
        let start = index * self.columns;
        let Some(shown) = self.shown.get_mut(start..start + self.columns) else {
            return Ok(0);
        };
        let mut drawn = 0;
        let mut column = 0;
        while column < shown.len() {
            let first = row.get(column);
            // A run is of cells that changed, all spaces of one style or none.
            let belongs = |column: usize, now: Cell| {
                let wanted = row.get(column);
                wanted != now
                    && wanted.is_space() == first.is_space()
                    && (!first.is_space() || wanted == first)
            };
            let rest = shown.get_mut(column..).unwrap_or_default();
            let run = rest
                .iter()
                .enumerate()
                .take_while(|&(offset, &now)| belongs(column + offset, now))
                .count();
            if run == 0 {
                column += 1;
                continue;
            }
            let cells = (column..column + run).map(|column| row.get(column));
            let area = cell_area(column, index, run, font);
            if first.is_space() {
                target.fill_solid(&area, first.style().background())?;
            } else {
                let pixels = (0..font.size().height).flat_map(|y| {
                    cells
                        .clone()
                        .flat_map(move |cell| font.line(cell.character, y, cell.style()))
                });
                target.fill_contiguous(&area, pixels)?;
            }
            for (now, cell) in rest.iter_mut().zip(cells) {
                *now = cell;
            }
            drawn += run;
            column += run;
        }
        Ok(drawn)
    }
}

fn cell_area(column: usize, row: usize, columns: usize, font: &Font) -> Rectangle {
    let pixels = |cells: usize, cell: u32| {
        u32::try_from(cells)
            .unwrap_or(u32::MAX)
            .saturating_mul(cell)
    };
    let Size { width, height } = font.size();
    let corner = Size::new(pixels(column, width), pixels(row, height));
    Rectangle::new(
        Point::zero() + corner,
        Size::new(pixels(columns, width), height),
    )
}
