//! A picture in memory: [`Framebuffer`].

use core::fmt;

use embedded_graphics_core::primitives::Rectangle;
use levitate_hal::Dma;

use crate::area::Area;
use crate::chunk::{Chunk, Owner};
use crate::damage::Damage;
use crate::device::Stopped;
use crate::frame::{InFlight, Presented};
use crate::pixel::Bgrx8888;

mod draw;

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
    /// False once making a new one has failed: the memory in the chunks, if there is any, is not of this size then.
    has_picture: bool,
    damage: Damage,
    in_flight: Option<InFlight>,
}

impl<'f, D: Dma> Framebuffer<'f, D> {
    /// Wraps chunks that have memory for `rows_per_chunk` rows each (the last of them for what is left) and a resource.
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
            has_picture: true,
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

    /// Says whether there is a picture: it is lost if giving it another size has failed, and making it again too.
    ///
    /// Drawing does nothing then; [`Gpu::attach`](crate::Gpu::attach) makes a black one.
    #[must_use]
    pub const fn has_picture(&self) -> bool {
        self.has_picture
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

    /// Gives the chunks it used back, without memory, once their device was stopped.
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

    /// Remembers that there is no picture any more.
    pub(crate) fn lost(&mut self) {
        self.has_picture = false;
        self.in_flight = None;
    }

    /// Remembers that there is another picture, a black one.
    pub(crate) fn renewed(
        &mut self,
        (width, height): (u32, u32),
        (owner, rows_per_chunk): (Owner, usize),
    ) {
        self.width = width;
        self.height = height;
        self.rows_per_chunk = rows_per_chunk;
        self.has_picture = true;
        self.attached(owner);
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
        let damage = self.damage;
        self.in_flight = Some(InFlight { serial, damage });
        self.damage.clear();
    }

    /// Remembers that the frame in flight is on the screen; returns what it took.
    pub(crate) fn presented(&mut self) -> Option<Presented> {
        let presented = self.in_flight.as_ref().map(InFlight::presented);
        self.in_flight = None;
        presented
    }

    /// Remembers that the frame in flight may not be on the screen, so that the next one repeats it.
    pub(crate) fn not_presented(&mut self) {
        if let Some(in_flight) = self.in_flight.take() {
            self.damage.add_all(&in_flight.damage);
        }
    }

    fn mark_all(&mut self) {
        self.damage.clear();
        self.damage.add(Area::of_size(self.width, self.height));
    }

    /// Pixels of a row; not 0, for `chunks_exact` does not like that.
    fn row_pixels(&self) -> usize {
        usize::try_from(self.width).unwrap_or(usize::MAX).max(1)
    }

    /// Returns which chunk row `y` is in, and which of its rows it is.
    fn place_of(&self, y: u32) -> Option<(usize, usize)> {
        if y >= self.height || !self.has_picture {
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
