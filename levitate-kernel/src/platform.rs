//! What the drivers ask of the machine, implemented: registers, DMA memory, a clock.

mod clock;
mod dma;
mod registers;

pub(crate) use clock::KernelClock;
pub(crate) use dma::KernelDma;
pub(crate) use registers::Registers;

/// What every driver of this kernel is given besides its transport.
pub(crate) type Platform = (KernelDma, KernelClock);

/// Returns the platform.
pub(crate) const fn platform() -> Platform {
    (KernelDma, KernelClock)
}
