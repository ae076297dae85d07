//! `levitate-drivers-gpu`, by its blocking call, and by its future: the CPU sleeps while a frame is in flight.

use alloc::boxed::Box;
use alloc::sync::Arc;

use embedded_graphics::geometry::{OriginDimensions as _, Size};
use embedded_graphics::primitives::Rectangle;
use levitate_drivers_gpu::{AsyncGpu, Chunk, Framebuffer, Gpu, GpuStorage};

use super::Result;
use super::display::{Contender, Picture};
use super::transport::{CountedTransport, Counters};
use crate::devices::Way;
use crate::executor::block_on;
use crate::platform::{KernelDma, Platform, platform};

/// Blocking presents.
pub(super) const BLOCKING: Contender = Contender {
    name: "levitate",
    drive: |entry, body| {
        drive(&entry.way, |gpu, framebuffer, counters| {
            let mut shown = Blocking { gpu, framebuffer };
            let outcome = body(&mut shown, counters);
            (shown.gpu, outcome)
        })
    },
};

/// Presents that are waited for.
pub(super) const ASLEEP: Contender = Contender {
    name: "levitate-async",
    drive: |entry, body| {
        drive(&entry.way, |gpu, framebuffer, counters| {
            let gpu = AsyncGpu::new(gpu, entry.signal);
            let mut shown = Asleep { gpu, framebuffer };
            let outcome = body(&mut shown, counters);
            (shown.gpu.into_inner(), outcome)
        })
    },
};

const SCANOUT: u32 = 0;
/// Pieces the picture's memory may be in.
const CHUNKS: usize = 16;

type Driver<'s> = Gpu<'s, CountedTransport, Platform>;

/// Brings the display up with a picture, has `body` use and return it, and takes both off again.
fn drive<F>(way: &Way, body: F) -> Result
where
    F: for<'s> FnOnce(
        Driver<'s>,
        &mut Framebuffer<'_, KernelDma>,
        &Counters,
    ) -> (Driver<'s>, Result),
{
    let counters = Arc::default();
    let transport = CountedTransport::new(way, &counters)?;
    let mut storage = Box::new(GpuStorage::<KernelDma>::new());
    let mut gpu = Gpu::new(transport, platform(), &mut storage)?;
    let mode = gpu.preferred_mode(SCANOUT)?;
    let mut chunks = [const { Chunk::new() }; CHUNKS];
    let mut framebuffer = gpu.create_framebuffer(SCANOUT, mode.width, mode.height, &mut chunks)?;
    let (gpu, outcome) = body(gpu, &mut framebuffer, &counters);
    let (_, stopped) = gpu.stop()?;
    if framebuffer.release(&stopped).is_err() {
        return Err("the picture is another display's".into());
    }
    outcome
}

struct Blocking<'s, 'f, 'c> {
    gpu: Driver<'s>,
    framebuffer: &'f mut Framebuffer<'c, KernelDma>,
}

impl Picture for Blocking<'_, '_, '_> {
    fn size(&self) -> Size {
        self.framebuffer.size()
    }

    fn present(&mut self, area: &Rectangle) -> Result {
        self.framebuffer.mark_damage(area);
        self.gpu.present(self.framebuffer)?;
        Ok(())
    }
}

struct Asleep<'s, 'f, 'c> {
    gpu: AsyncGpu<'s, CountedTransport, Platform>,
    framebuffer: &'f mut Framebuffer<'c, KernelDma>,
}

impl Picture for Asleep<'_, '_, '_> {
    fn size(&self) -> Size {
        self.framebuffer.size()
    }

    fn present(&mut self, area: &Rectangle) -> Result {
        self.framebuffer.mark_damage(area);
        block_on(self.gpu.present(self.framebuffer))?;
        Ok(())
    }
}
