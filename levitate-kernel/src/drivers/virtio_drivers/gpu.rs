//! A display of the crate `virtio-drivers` as a [`Display`].

use alloc::vec::Vec;
use core::ptr::NonNull;

use embedded_graphics::Pixel;
use embedded_graphics::geometry::Size;
use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};
use embedded_graphics::primitives::{PointsIter as _, Rectangle};
use virtio_drivers::device::gpu::VirtIOGpu;

use super::NAME;
use super::life::Life;
use super::transport::Counted;
use crate::devices::Way;
use crate::drivers::display::{Display, DisplayInfo};
use crate::drivers::{DriverError, QueueCounts};
use crate::platform::KernelHal;

/// Bytes of a pixel: blue, green, red, and one that nobody looks at.
const PIXEL_BYTES: usize = 4;

/// A display driven by `virtio-drivers`.
pub(crate) struct VirtioDriversGpu {
    life: Life<VirtIOGpu<KernelHal, Counted>>,
    picture: Option<Picture>,
}

/// The picture's memory, which the driver shows once and then keeps.
///
/// INVARIANT: while the driver is alive, `pixels` are those of the picture it made last.
struct Picture {
    pixels: NonNull<[u8]>,
    size: Size,
}

impl VirtioDriversGpu {
    /// Brings the display up and shows a black picture of the size it prefers.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub(crate) fn new(way: &Way) -> Result<Self, DriverError> {
        let mut display = Self {
            life: Life::start(way, VirtIOGpu::new)?,
            picture: None,
        };
        let size = display.life.call(|gpu| match gpu.resolution()? {
            // Nobody looks at it yet.
            (0, _) | (_, 0) => gpu.edid_preferred_resolution(),
            shown => Ok(shown),
        })?;
        display.show(size.into())?;
        Ok(display)
    }

    /// Makes a black picture of this size in place of the one there was.
    fn show(&mut self, size: Size) -> Result<(), DriverError> {
        let Size { width, height } = size;
        // The crate multiplies them without looking.
        let pixels = width.checked_mul(height);
        if pixels.is_none_or(|pixels| pixels == 0 || pixels.checked_mul(4).is_none()) {
            return Err(alloc::format!("a picture cannot have {size}").into());
        }
        self.picture = None;
        let made =
            |gpu: &mut VirtIOGpu<_, _>| gpu.change_resolution(width, height).map(NonNull::from);
        let pixels = self.life.call(made).inspect_err(|_| {
            // What it has released the device may still have.
            self.life.end();
        })?;
        // SAFETY: the driver has released the memory of the picture before, after the device had answered that it let go of it.
        unsafe { KernelHal::give_back() };
        self.picture = Some(Picture { pixels, size });
        Ok(())
    }

    /// Returns the picture's bytes, row by row, and its size; there may be more of them than the picture has.
    fn pixels(&mut self) -> (&mut [u8], Size) {
        match &mut self.picture {
            Some(Picture { pixels, size }) if self.life.is_alive() => {
                // SAFETY: they are the driver's memory, by the invariant, and it touches them no more: it has given out the only
                // reference to them. The device reads them only while it is told to show them, which `self` cannot be meanwhile.
                (unsafe { pixels.as_mut() }, *size)
            }
            _ => (&mut [], Size::zero()),
        }
    }
}

impl Display for VirtioDriversGpu {
    fn info(&mut self) -> Result<DisplayInfo, DriverError> {
        let shown = self.life.call(VirtIOGpu::resolution)?;
        let preferred = self.life.call(VirtIOGpu::edid_preferred_resolution);
        Ok(DisplayInfo {
            size: shown.into(),
            preferred: preferred.ok().map(Size::from),
            driver: NAME,
        })
    }

    fn size(&self) -> Size {
        let picture = self.picture.as_ref().filter(|_| self.life.is_alive());
        picture.map_or(Size::zero(), |picture| picture.size)
    }

    fn draw_pixels(&mut self, pixels: &mut dyn Iterator<Item = Pixel<Rgb888>>) {
        let (bytes, Size { width, height }) = self.pixels();
        for Pixel(point, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y)) else {
                continue;
            };
            if x < width && y < height {
                let start = (y * width + x) as usize * PIXEL_BYTES;
                bytes[start..][..PIXEL_BYTES].copy_from_slice(&bytes_of(colour));
            }
        }
    }

    fn fill_contiguous(&mut self, area: &Rectangle, colours: &mut dyn Iterator<Item = Rgb888>) {
        let pixels = area.points().zip(colours);
        self.draw_pixels(&mut pixels.map(|(point, colour)| Pixel(point, colour)));
    }

    fn fill_solid(&mut self, area: &Rectangle, colour: Rgb888) {
        let (bytes, size) = self.pixels();
        let area = area.intersection(&Rectangle::new(Default::default(), size));
        if area.is_zero_sized() {
            return;
        }
        let (x, y) = (area.top_left.x as usize, area.top_left.y as usize);
        let row_bytes = size.width as usize * PIXEL_BYTES;
        let rows = bytes.chunks_exact_mut(row_bytes);
        for row in rows.skip(y).take(area.size.height as usize) {
            let (pixels, _) = row[x * PIXEL_BYTES..].as_chunks_mut::<PIXEL_BYTES>();
            pixels[..area.size.width as usize].fill(bytes_of(colour));
        }
    }

    fn present(&mut self) -> Result<u64, DriverError> {
        self.life.call(VirtIOGpu::flush)?;
        // All of the picture, whatever was drawn.
        let Size { width, height } = self.size();
        Ok(u64::from(width) * u64::from(height) * PIXEL_BYTES as u64)
    }

    fn present_all(&mut self) -> Result<u64, DriverError> {
        self.present()
    }

    fn set_interrupts(&mut self, wanted: bool) -> Result<(), DriverError> {
        match wanted {
            true => Ok(()),
            false => Err("the driver cannot tell a display not to interrupt".into()),
        }
    }

    fn recreate(&mut self) -> Result<(), DriverError> {
        self.show(self.size())
    }

    fn process_events(&mut self) -> Result<Option<Size>, DriverError> {
        let wanted = Size::from(self.life.call(VirtIOGpu::resolution)?);
        if wanted == self.size() || wanted.width == 0 || wanted.height == 0 {
            return Ok(None);
        }
        self.show(wanted)?;
        Ok(Some(wanted))
    }

    fn take_reset(&mut self) -> bool {
        false
    }

    fn counts(&self) -> Vec<QueueCounts> {
        self.life.counts()
    }
}

/// Returns a pixel as the crate's pictures have it, B8G8R8A8.
fn bytes_of(colour: Rgb888) -> [u8; PIXEL_BYTES] {
    [colour.b(), colour.g(), colour.r(), u8::MAX]
}
