//! `levitate-drivers-gpu` as a [`Display`].

use alloc::boxed::Box;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::Rectangle;
use levitate_drivers_gpu::{Chunk, EdidError, Error, Framebuffer, Gpu, GpuStorage};
use log::{error, warn};

use super::DriverError;
use super::display::{Display, DisplayInfo};
use crate::devices::KernelTransport;
use crate::platform::{KernelDma, Platform, platform};

/// The driver's name, as the log shows it.
pub(crate) const NAME: &str = "levitate-drivers-gpu";

/// The scanout that is used.
const SCANOUT: u32 = 0;
/// Commands that can be in flight at a time.
const COMMANDS: usize = 16;
/// Pieces the picture's memory is in; none of them is long, so a fragmented memory has them too.
const CHUNKS: usize = 16;

/// A display driven by `levitate-drivers-gpu`.
pub(crate) struct LevitateGpu {
    /// `None` only while it is dropped.
    gpu: Option<Gpu<'static, KernelTransport, Platform>>,
    /// `None` after making a new one has failed.
    framebuffer: Option<Framebuffer<'static, KernelDma>>,
    size: Size,
}

impl LevitateGpu {
    /// Brings the display up and shows a black picture of the size it prefers.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub(crate) fn new(transport: KernelTransport) -> Result<Self, DriverError> {
        let storage = Box::leak(Box::new(GpuStorage::<KernelDma, COMMANDS>::new()));
        let mut gpu = Gpu::new(transport, platform(), storage)?;
        let mode = gpu.preferred_mode(SCANOUT)?;
        let chunks = Box::leak(Box::new([const { Chunk::new() }; CHUNKS]));
        let framebuffer = gpu.create_framebuffer(SCANOUT, mode.width, mode.height, chunks)?;
        Ok(Self {
            gpu: Some(gpu),
            framebuffer: Some(framebuffer),
            size: Size::new(mode.width, mode.height),
        })
    }

    /// Returns both parts, which are there unless something failed before.
    fn parts(
        &mut self,
    ) -> Result<
        (
            &mut Gpu<'static, KernelTransport, Platform>,
            &mut Framebuffer<'static, KernelDma>,
        ),
        DriverError,
    > {
        match (&mut self.gpu, &mut self.framebuffer) {
            (Some(gpu), Some(framebuffer)) => Ok((gpu, framebuffer)),
            _ => Err("the display has no picture since making a new one failed".into()),
        }
    }

    /// Brings the device up again if `error` is one that does not go away by itself, and passes it on.
    fn recover(&mut self, error: Error) -> DriverError {
        if matches!(error, Error::Timeout(_) | Error::Device(_)) {
            warn!("{error}; the display is reset");
            if let Ok((gpu, framebuffer)) = self.parts() {
                let reset = gpu.reset().map_err(DriverError::from);
                let again = reset.and_then(|()| Ok(gpu.attach(framebuffer)?));
                if let Err(error) = again {
                    error!("the display stays off: {error}");
                }
            }
        }
        error.into()
    }
}

impl Display for LevitateGpu {
    fn info(&mut self) -> Result<DisplayInfo, DriverError> {
        let size = self.size;
        let (gpu, _) = self.parts()?;
        let info = match gpu.display_info() {
            Ok(info) => info,
            Err(error) => return Err(self.recover(error)),
        };
        let shown = info.displays().get(SCANOUT as usize);
        let shown = shown.and_then(|display| display.mode());
        let preferred = match gpu.edid(SCANOUT) {
            Ok(edid) => match edid.preferred_timing() {
                Ok(timing) => Some(timing),
                // So it is with the EDID of a display too large for the timings of a base block.
                Err(EdidError::NoTiming) => None,
                Err(error) => {
                    warn!("display {SCANOUT} is taken to have no EDID: {error}");
                    None
                }
            },
            Err(Error::NoEdid) => None,
            Err(error @ Error::Command { .. }) => {
                warn!("display {SCANOUT} is taken to have no EDID: {error}");
                None
            }
            Err(error) => return Err(self.recover(error)),
        };
        Ok(DisplayInfo {
            size: shown.map_or(size, |mode| Size::new(mode.width, mode.height)),
            preferred: preferred.map(|timing| Size::new(timing.width, timing.height)),
            driver: NAME,
        })
    }

    fn size(&self) -> Size {
        self.size
    }

    fn draw_pixels(&mut self, pixels: &mut dyn Iterator<Item = Pixel<Rgb888>>) {
        if let Some(framebuffer) = &mut self.framebuffer {
            let Ok(()) = framebuffer.draw_iter(pixels);
        }
    }

    fn fill_contiguous(&mut self, area: &Rectangle, colours: &mut dyn Iterator<Item = Rgb888>) {
        if let Some(framebuffer) = &mut self.framebuffer {
            let Ok(()) = framebuffer.fill_contiguous(area, colours);
        }
    }

    fn fill_solid(&mut self, area: &Rectangle, colour: Rgb888) {
        if let Some(framebuffer) = &mut self.framebuffer {
            let Ok(()) = framebuffer.fill_solid(area, colour);
        }
    }

    fn present(&mut self) -> Result<u64, DriverError> {
        let (gpu, framebuffer) = self.parts()?;
        match gpu.present(framebuffer) {
            Ok(presented) => Ok(presented.transferred_bytes()),
            Err(error) => Err(self.recover(error)),
        }
    }

    fn present_all(&mut self) -> Result<u64, DriverError> {
        let (_, framebuffer) = self.parts()?;
        framebuffer.mark_damage(&Rectangle::new(Point::zero(), framebuffer.size()));
        self.present()
    }

    fn set_interrupts(&mut self, wanted: bool) -> Result<(), DriverError> {
        let (gpu, _) = self.parts()?;
        if wanted {
            gpu.enable_interrupts()?;
        } else {
            gpu.disable_interrupts()?;
        }
        Ok(())
    }

    fn recreate(&mut self) -> Result<(), DriverError> {
        self.parts()?;
        let (Some(gpu), Some(framebuffer)) = (&mut self.gpu, self.framebuffer.take()) else {
            return Ok(());
        };
        let chunks = gpu.destroy_framebuffer(framebuffer)?;
        let (width, height) = (self.size.width, self.size.height);
        let framebuffer = gpu.create_framebuffer(SCANOUT, width, height, chunks)?;
        self.framebuffer = Some(framebuffer);
        Ok(())
    }

    fn process_events(&mut self) -> Result<Option<Size>, DriverError> {
        let (gpu, _) = self.parts()?;
        let screens = match gpu.process_events() {
            Ok(Some(screens)) => screens,
            Ok(None) => return Ok(None),
            Err(error) => return Err(self.recover(error)),
        };
        let screen = screens.as_slice().get(SCANOUT as usize);
        // A display nobody looks at keeps its picture.
        let Some(mode) = screen.and_then(|screen| screen.display.mode()) else {
            return Ok(None);
        };
        let size = Size::new(mode.width, mode.height);
        if size == self.size {
            return Ok(None);
        }
        self.size = size;
        self.recreate()?;
        Ok(Some(size))
    }
}

impl Drop for LevitateGpu {
    fn drop(&mut self) {
        let Some(gpu) = self.gpu.take() else {
            return;
        };
        match gpu.stop() {
            Ok((_, stopped)) => {
                if let Some(framebuffer) = self.framebuffer.take()
                    && framebuffer.release(&stopped).is_err()
                {
                    warn!("the picture's memory is not freed: it is another display's");
                }
            }
            Err(error) => warn!("the picture's memory is not freed: {error}"),
        }
    }
}
