//! What the drivers ask of the machine, implemented: registers, DMA memory, a clock.

mod clock;
mod dma;
mod registers;
#[cfg(feature = "virtio-drivers")]
mod virtio_drivers_hal;

pub(crate) use clock::KernelClock;
pub(crate) use dma::KernelDma;
pub(crate) use registers::Registers;
#[cfg(feature = "virtio-drivers")]
pub(crate) use virtio_drivers_hal::KernelHal;

/// What every driver of this kernel is given besides its transport.
pub(crate) type Platform = (KernelDma, KernelClock);

/// Returns the platform.
pub(crate) const fn platform() -> Platform {
    (KernelDma, KernelClock)
}
