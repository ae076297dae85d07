//! `levitate-drivers-gpu` as a [`Display`], whose callers sleep while a frame is in flight.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::Rectangle;
use levitate_drivers_gpu::{
    AsyncGpu, Chunk, Error, Framebuffer, Gpu, GpuStorage, InitError, Mode, Screens,
};
use levitate_kernel::command_line::{Driver, Kind};
use levitate_virtio::transport::EnableQueueError;
use levitate_virtio::{Features, QueueError, Signal};
use log::{error, warn};

use super::display::{Display, DisplayInfo};
use super::{DriverError, QueueCounts};
use crate::devices::KernelTransport;
use crate::executor::block_on;
use crate::platform::{KernelDma, Platform, platform};

/// The driver's name, as the log shows it.
const NAME: &str = Driver::Levitate.crate_name(Kind::Gpu);

/// The scanout that is used.
const SCANOUT: u32 = 0;
/// Commands that can be in flight at a time.
const COMMANDS: usize = 16;
/// Pieces the picture's memory is in; none of them is long, so a fragmented memory has them too.
const CHUNKS: usize = 16;

/// A display driven by `levitate-drivers-gpu`.
pub(crate) struct LevitateGpu {
    /// `None` only while it is dropped.
    gpu: Option<AsyncGpu<'static, KernelTransport, Platform>>,
    /// `None` only while it is dropped.
    framebuffer: Option<Framebuffer<'static, KernelDma>>,
    /// Whether it was reset, and nobody has been told.
    was_reset: bool,
    /// Why it was not brought up again, if it was not.
    given_up: Option<String>,
}

/// Says whether the driver did not come up because its device refuses a vector.
pub(super) fn is_about_a_vector(error: &DriverError) -> bool {
    matches!(
        error.downcast_ref(),
        Some(
            InitError::Init(levitate_virtio::InitError::ConfigVector(_))
                | InitError::Queue(QueueError::Enable(EnableQueueError::VectorRefused { .. }))
        )
    )
}

impl LevitateGpu {
    /// Brings the display up and shows a black picture of the size it prefers.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub(crate) fn new(
        transport: KernelTransport,
        signal: &'static Signal,
    ) -> Result<Self, DriverError> {
        let storage = Box::leak(Box::new(GpuStorage::<KernelDma, COMMANDS>::new()));
        let mut gpu = Gpu::new(transport, platform(), storage)?;
        let mode = gpu.preferred_mode(SCANOUT)?;
        let chunks = Box::leak(Box::new([const { Chunk::new() }; CHUNKS]));
        let framebuffer = gpu.create_framebuffer(SCANOUT, mode.width, mode.height, chunks)?;
        Ok(Self {
            gpu: Some(AsyncGpu::new(gpu, signal)),
            framebuffer: Some(framebuffer),
            was_reset: false,
            given_up: None,
        })
    }

    /// Returns both parts.
    fn parts(
        &mut self,
    ) -> Result<
        (
            &mut AsyncGpu<'static, KernelTransport, Platform>,
            &mut Framebuffer<'static, KernelDma>,
        ),
        Error,
    > {
        match (&mut self.gpu, &mut self.framebuffer) {
            (Some(gpu), Some(framebuffer)) => Ok((gpu, framebuffer)),
            _ => Err(Error::Gone),
        }
    }

    /// Does what helps against `error`, and passes it on: some go away only by a reset, and a lost picture is made again.
    fn recover(&mut self, error: Error) -> DriverError {
        let needs_reset = error.needs_reset();
        if needs_reset {
            warn!("{error}; the display is reset");
            self.was_reset = true;
        }
        if needs_reset || error == Error::FramebufferLost {
            let given_up = self.restart(needs_reset).err();
            if let Some(error) = &given_up {
                error!("the display stays off: {error}");
            }
            self.given_up = given_up.map(|error| error.to_string());
        }
        error.into()
    }

    /// Lets the device know the picture again, after a reset if that is needed.
    fn restart(&mut self, needs_reset: bool) -> Result<(), DriverError> {
        let (gpu, framebuffer) = self.parts()?;
        if needs_reset {
            gpu.gpu_mut().reset()?;
        }
        Ok(gpu.gpu_mut().attach(framebuffer)?)
    }

    /// Makes a black picture of this size; if that fails, one of the size there was.
    fn resize(&mut self, size: Size) -> Result<(), Error> {
        let (gpu, framebuffer) = self.parts()?;
        gpu.gpu_mut()
            .resize_framebuffer(framebuffer, size.width, size.height)
    }
}

impl Display for LevitateGpu {
    fn info(&mut self) -> Result<DisplayInfo, DriverError> {
        let size = self.size();
        let (gpu, _) = self.parts()?;
        let screens = match gpu.gpu_mut().screens() {
            Ok(screens) => screens,
            Err(error) => return Err(self.recover(error)),
        };
        let screen = screens.as_slice().get(SCANOUT as usize);
        let shown = screen.and_then(|screen| screen.display.mode());
        let preferred = screen.and_then(|screen| screen.edid_mode);
        Ok(DisplayInfo {
            size: shown.map_or(size, size_of),
            preferred: preferred.map(size_of),
            driver: NAME,
        })
    }

    fn size(&self) -> Size {
        let framebuffer = self.framebuffer.as_ref();
        framebuffer.map_or(Size::zero(), Framebuffer::size)
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
        match block_on(gpu.present(framebuffer)) {
            Ok(presented) => Ok(presented.transferred_bytes()),
            Err(error) => Err(self.recover(error)),
        }
    }

    fn present_all(&mut self) -> Result<u64, DriverError> {
        let (_, framebuffer) = self.parts()?;
        framebuffer.mark_damage(&Rectangle::new(Point::zero(), framebuffer.size()));
        self.present()
    }

    fn recreate(&mut self) -> Result<(), DriverError> {
        let size = self.size();
        self.resize(size).map_err(|error| self.recover(error))
    }

    fn process_events(&mut self) -> Result<Option<Size>, DriverError> {
        let (gpu, framebuffer) = self.parts()?;
        let (before, had_picture) = (framebuffer.size(), framebuffer.has_picture());
        let screens = match block_on(gpu.process_events()) {
            Ok(screens) => screens,
            Err(error) => return Err(self.recover(error)),
        };
        let screens = screens.as_ref().map_or(&[][..], Screens::as_slice);
        let mode = screens.get(SCANOUT as usize).map(|screen| screen.display);
        // A display nobody looks at keeps its size.
        let wanted = mode.and_then(|display| display.mode()).map(size_of);
        let size = wanted.unwrap_or(before);
        if size == before && had_picture {
            return Ok(None);
        }
        let Err(error) = self.resize(size) else {
            return Ok(Some(size));
        };
        let (_, framebuffer) = self.parts()?;
        if error.needs_reset() || !framebuffer.has_picture() {
            return Err(self.recover(error));
        }
        error!("the display cannot have {size}, and keeps {before}: {error}");
        // Refused before anything was changed, the picture is still what was drawn.
        let is_untouched = matches!(
            error,
            Error::InvalidSize { .. } | Error::NoSuchScanout { .. }
        );
        Ok((!is_untouched).then_some(before))
    }

    fn take_reset(&mut self) -> bool {
        core::mem::take(&mut self.was_reset)
    }

    fn given_up(&self) -> Option<String> {
        self.given_up.clone()
    }

    fn counts(&self) -> Vec<QueueCounts> {
        let counted = self.gpu.as_ref().map(|gpu| {
            let counts = gpu.gpu().counts();
            let features = gpu.gpu().features().map(|features| features.common);
            QueueCounts {
                queue: 0,
                requests: counts.requests,
                notifications: counts.notifications,
                features: features.unwrap_or(Features::empty()),
                idle_polls: Some(gpu.idle_polls()),
            }
        });
        counted.into_iter().collect()
    }
}

/// Returns the size of a mode.
fn size_of(mode: Mode) -> Size {
    Size::new(mode.width, mode.height)
}

impl Drop for LevitateGpu {
    fn drop(&mut self) {
        let Some(gpu) = self.gpu.take() else {
            return;
        };
        match gpu.into_inner().stop() {
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
