//! `levitate-drivers-gpu`, by its blocking call.

use alloc::boxed::Box;
use alloc::sync::Arc;

use embedded_graphics::geometry::{OriginDimensions as _, Size};
use embedded_graphics::primitives::Rectangle;
use levitate_drivers_gpu::{Chunk, Framebuffer, Gpu, GpuStorage};

use super::Result;
use super::display::{Body, Contender, Picture};
use super::transport::CountedTransport;
use crate::devices::Way;
use crate::platform::{KernelDma, Platform, platform};

/// Blocking presents.
pub(super) const BLOCKING: Contender = Contender {
    name: "levitate",
    drive,
};

const SCANOUT: u32 = 0;
/// Pieces the picture's memory may be in.
const CHUNKS: usize = 16;

fn drive(way: &Way, body: &mut Body<'_>) -> Result {
    let counters = Arc::default();
    let transport = CountedTransport::new(way, &counters)?;
    let mut storage = Box::new(GpuStorage::<KernelDma>::new());
    let mut gpu = Gpu::new(transport, platform(), &mut storage)?;
    let mode = gpu.preferred_mode(SCANOUT)?;
    let mut chunks = [const { Chunk::new() }; CHUNKS];
    let framebuffer = gpu.create_framebuffer(SCANOUT, mode.width, mode.height, &mut chunks)?;
    let mut shown = Shown { gpu, framebuffer };
    let outcome = body(&mut shown, &*counters);
    let (_, stopped) = shown.gpu.stop()?;
    if shown.framebuffer.release(&stopped).is_err() {
        return Err("the picture is another display's".into());
    }
    outcome
}

struct Shown<'a> {
    gpu: Gpu<'a, CountedTransport, Platform>,
    framebuffer: Framebuffer<'a, KernelDma>,
}

impl Picture for Shown<'_> {
    fn size(&self) -> Size {
        self.framebuffer.size()
    }

    fn present(&mut self, area: &Rectangle) -> Result {
        self.framebuffer.mark_damage(area);
        self.gpu.present(&mut self.framebuffer)?;
        Ok(())
    }
}
