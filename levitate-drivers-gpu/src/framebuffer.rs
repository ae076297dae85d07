//! A picture in memory, and how to draw on it: [`Framebuffer`].

use core::convert::Infallible;
use core::fmt;

use embedded_graphics_core::Pixel;
use embedded_graphics_core::draw_target::DrawTarget;
use embedded_graphics_core::geometry::{OriginDimensions, Size};
use embedded_graphics_core::pixelcolor::Rgb888;
use embedded_graphics_core::primitives::Rectangle;
use levitate_hal::Dma;

use crate::area::Area;
use crate::chunk::{Chunk, Owner};
use crate::damage::Damage;
use crate::device::Stopped;
use crate::frame::InFlight;
use crate::pixel::Bgrx8888;

/// Pixels drawn one by one and no further apart than this are transferred as one rectangle.
const NEAR_PIXELS: u32 = 16;

/// A picture in memory that a device shows; drawn on at any time, seen after [`Gpu::present`](crate::Gpu::present).
///
/// What is drawn is remembered as damage, in at most four rectangles; only those are transferred.
/// While a frame is in flight the device reads the memory: drawing then is allowed, and may be seen half done until the next frame.
///
/// The memory is in chunks of whole rows. Dropping the framebuffer leaves it there, with the device:
/// [`Gpu::destroy_framebuffer`](crate::Gpu::destroy_framebuffer) gives it back.
pub struct Framebuffer<'f, D: Dma> {
    chunks: &'f mut [Chunk<D>],
    rows_per_chunk: usize,
    width: u32,
    height: u32,
    scanout: u32,
    owner: Owner,
    damage: Damage,
    in_flight: Option<InFlight>,
}

impl<'f, D: Dma> Framebuffer<'f, D> {
    /// Wraps chunks that have memory for `rows_per_chunk` rows each (the last one for what is left) and a resource.
    pub(crate) fn new(
        chunks: &'f mut [Chunk<D>],
        rows_per_chunk: usize,
        (width, height): (u32, u32),
        scanout: u32,
        owner: Owner,
    ) -> Self {
        let mut framebuffer = Self {
            chunks,
            rows_per_chunk,
            width,
            height,
            scanout,
            owner,
            damage: Damage::NONE,
            in_flight: None,
        };
        framebuffer.mark_all();
        framebuffer
    }

    /// Returns the scanout it was made for.
    #[must_use]
    pub const fn scanout(&self) -> u32 {
        self.scanout
    }

    /// Returns row `y` from the left to the right, or `None` below the last one.
    #[must_use]
    pub fn row(&self, y: u32) -> Option<&[Bgrx8888]> {
        let (chunk, row) = self.place_of(y)?;
        self.chunks
            .get(chunk)?
            .pixels()
            .chunks_exact(self.row_pixels())
            .nth(row)
    }

    /// Returns row `y` to change, or `None` below the last one; say with [`mark_damage`](Self::mark_damage) what was changed.
    pub fn row_mut(&mut self, y: u32) -> Option<&mut [Bgrx8888]> {
        let row_pixels = self.row_pixels();
        let (chunk, row) = self.place_of(y)?;
        self.chunks
            .get_mut(chunk)?
            .pixels_mut()
            .chunks_exact_mut(row_pixels)
            .nth(row)
    }

    /// Has the next frame transfer `area`, as far as it is inside the picture.
    pub fn mark_damage(&mut self, area: &Rectangle) {
        if let Some(area) = Area::clip(area, self.width, self.height) {
            self.damage.add(area);
        }
    }

    /// Returns what the next frame will transfer.
    pub fn damage(&self) -> impl Iterator<Item = Rectangle> + '_ {
        self.damage.areas().map(Area::to_rectangle)
    }

    /// Gives the chunks back, without memory, once their device was stopped.
    ///
    /// # Errors
    ///
    /// The framebuffer, if it belongs to another device.
    #[expect(
        clippy::result_large_err,
        reason = "the framebuffer itself, and there is no box to put it in"
    )]
    pub fn release(self, stopped: &Stopped) -> Result<&'f mut [Chunk<D>], Self> {
        if !stopped.covers(self.owner.gpu) {
            return Err(self);
        }
        for chunk in self.chunks.iter_mut() {
            chunk.release(stopped);
        }
        Ok(self.chunks)
    }

    pub(crate) const fn owner(&self) -> Owner {
        self.owner
    }

    /// Width and height in pixels.
    pub(crate) const fn dimensions(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    pub(crate) const fn stride_bytes(&self) -> u64 {
        (self.width as u64).saturating_mul(size_of::<Bgrx8888>() as u64)
    }

    pub(crate) fn chunks_mut(&mut self) -> &mut [Chunk<D>] {
        self.chunks
    }

    pub(crate) fn into_chunks(self) -> &'f mut [Chunk<D>] {
        self.chunks
    }

    /// Remembers that the picture has a new resource, which has nothing of it.
    pub(crate) fn attached(&mut self, owner: Owner) {
        self.owner = owner;
        self.in_flight = None;
        self.mark_all();
    }

    pub(crate) const fn in_flight(&self) -> Option<&InFlight> {
        self.in_flight.as_ref()
    }

    pub(crate) const fn damage_mut(&mut self) -> &mut Damage {
        &mut self.damage
    }

    /// Remembers that all damage is on its way.
    pub(crate) fn submitted(&mut self, serial: u64) {
        let damage = core::mem::take(&mut self.damage);
        self.in_flight = Some(InFlight { serial, damage });
    }

    /// Remembers that the frame in flight is on the screen; returns what it was.
    pub(crate) const fn presented(&mut self) -> Option<InFlight> {
        self.in_flight.take()
    }

    /// Remembers that the frame in flight may not be on the screen, so that the next one repeats it.
    pub(crate) fn not_presented(&mut self) {
        if let Some(in_flight) = self.in_flight.take() {
            self.damage.add_all(&in_flight.damage);
        }
    }

    fn mark_all(&mut self) {
        self.damage = Damage::NONE;
        self.damage.add(Area::of_size(self.width, self.height));
    }

    /// Pixels of a row; not 0, for `chunks_exact` does not like that.
    fn row_pixels(&self) -> usize {
        usize::try_from(self.width).unwrap_or(usize::MAX).max(1)
    }

    /// Returns which chunk row `y` is in, and which of its rows it is.
    fn place_of(&self, y: u32) -> Option<(usize, usize)> {
        if y >= self.height {
            return None;
        }
        let y = usize::try_from(y).ok()?;
        Some((
            y.checked_div(self.rows_per_chunk)?,
            y.checked_rem(self.rows_per_chunk)?,
        ))
    }

    /// Returns the pixels of `area`, row by row.
    fn rows_mut(&mut self, area: Area) -> impl Iterator<Item = &mut [Bgrx8888]> {
        let row_pixels = self.row_pixels();
        let (first_chunk, first_row) = self.place_of(area.top()).unwrap_or((usize::MAX, 0));
        let columns = area.left() as usize..area.right() as usize;
        self.chunks
            .get_mut(first_chunk..)
            .unwrap_or_default()
            .iter_mut()
            .flat_map(move |chunk| chunk.pixels_mut().chunks_exact_mut(row_pixels))
            .skip(first_row)
            .take(area.height() as usize)
            .map(move |row| row.get_mut(columns.clone()).unwrap_or_default())
    }
}

impl<D: Dma> fmt::Debug for Framebuffer<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framebuffer")
            .field("width", &self.width)
            .field("height", &self.height)
            .field("scanout", &self.scanout)
            .field("chunks", &self.chunks.len())
            .field("owner", &self.owner)
            .field("damage", &self.damage)
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

impl<D: Dma> OriginDimensions for Framebuffer<'_, D> {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl<D: Dma> DrawTarget for Framebuffer<'_, D> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<Rgb888>>,
    {
        let (width, height) = (self.width, self.height);
        let mut drawn: Option<Area> = None;
        let mut damage = core::mem::take(&mut self.damage);
        let mut row: &mut [Bgrx8888] = &mut [];
        let mut row_y = None;
        for Pixel(point, color) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y)) else {
                continue;
            };
            if x >= width || y >= height {
                continue;
            }
            if row_y != Some(y) {
                row_y = Some(y);
                row = self.row_mut(y).unwrap_or_default();
            }
            if let Some(pixel) = row.get_mut(x as usize) {
                *pixel = color.into();
            }
            drawn = Some(match drawn {
                Some(area) if area.is_near(x, y, NEAR_PIXELS) => area.union(&Area::pixel(x, y)),
                far => {
                    if let Some(area) = far {
                        damage.add(area);
                    }
                    Area::pixel(x, y)
                }
            });
        }
        if let Some(area) = drawn {
            damage.add(area);
        }
        self.damage = damage;
        Ok(())
    }

    fn fill_contiguous<I>(&mut self, area: &Rectangle, colors: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Rgb888>,
    {
        let Some(visible) = Area::clip(area, self.width, self.height) else {
            return Ok(());
        };
        let mut colors = colors.into_iter();
        // Colours come for the whole of `area`; those of pixels outside the picture are passed over.
        let outside = |from: i32, to: u32| (i64::from(to)).saturating_sub(i64::from(from));
        let above = outside(area.top_left.y, visible.top());
        let left = outside(area.top_left.x, visible.left());
        let right = i64::from(area.size.width)
            .saturating_sub(left)
            .saturating_sub(i64::from(visible.width()));
        let first = above
            .saturating_mul(i64::from(area.size.width))
            .saturating_add(left);
        let between = left.saturating_add(right);
        if !pass_over(&mut colors, first) {
            return Ok(());
        }
        let mut is_first = true;
        for row in self.rows_mut(visible) {
            if !is_first && !pass_over(&mut colors, between) {
                break;
            }
            is_first = false;
            for (pixel, color) in row.iter_mut().zip(&mut colors) {
                *pixel = color.into();
            }
        }
        self.damage.add(visible);
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Rgb888) -> Result<(), Infallible> {
        if let Some(area) = Area::clip(area, self.width, self.height) {
            let pixel = Bgrx8888::from(color);
            for row in self.rows_mut(area) {
                row.fill(pixel);
            }
            self.damage.add(area);
        }
        Ok(())
    }

    fn clear(&mut self, color: Rgb888) -> Result<(), Infallible> {
        let pixel = Bgrx8888::from(color);
        for chunk in self.chunks.iter_mut() {
            chunk.pixels_mut().fill(pixel);
        }
        self.mark_all();
        Ok(())
    }
}

/// Takes `count` colours out of an iterator; says whether it had as many.
fn pass_over(colors: &mut impl Iterator<Item = Rgb888>, count: i64) -> bool {
    let last = usize::try_from(count).unwrap_or_default().checked_sub(1);
    last.is_none_or(|last| colors.nth(last).is_some())
}
