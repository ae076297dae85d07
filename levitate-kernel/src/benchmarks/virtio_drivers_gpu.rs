//! The crate `virtio-drivers` on a display, whose flush always brings all of the picture to the screen.

use embedded_graphics::geometry::Size;
use embedded_graphics::primitives::Rectangle;
use virtio_drivers::device::gpu::VirtIOGpu;

use super::Result;
use super::display::{Contender, Picture};
use crate::drivers::virtio_drivers::{Counted, Life};
use crate::platform::KernelHal;

/// Flushes, which are blocking.
pub(super) const BLOCKING: Contender = Contender {
    name: "virtio-drivers",
    drive: |entry, body| {
        let mut life = Life::start(&entry.way, VirtIOGpu::new)?;
        let record = life.record();
        let (width, height) = life.driver()?.resolution()?;
        life.driver()?.change_resolution(width, height)?;
        let size = Size::new(width, height);
        body(&mut Shown { life, size }, &*record)
    },
};

struct Shown {
    life: Life<VirtIOGpu<KernelHal, Counted>>,
    size: Size,
}

impl Picture for Shown {
    fn size(&self) -> Size {
        self.size
    }

    fn present(&mut self, _area: &Rectangle) -> Result {
        self.life.driver()?.flush()?;
        Ok(())
    }
}
