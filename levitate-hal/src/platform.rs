//! What a driver is handed besides its transport: [`Platform`].

use crate::clock::Clock;
use crate::dma::Dma;

/// The DMA instance and the clock one driver works with.
///
/// A pair `(dma, clock)` is a platform.
pub trait Platform: Clone {
    /// Where the driver's shared memory comes from.
    type Dma: Dma;
    /// What the driver's deadlines are measured with.
    type Clock: Clock;

    /// Returns the DMA instance of the device.
    fn dma(&self) -> &Self::Dma;

    /// Returns the clock.
    fn clock(&self) -> &Self::Clock;
}

impl<D: Dma, C: Clock + Clone> Platform for (D, C) {
    type Dma = D;
    type Clock = C;

    fn dma(&self) -> &D {
        &self.0
    }

    fn clock(&self) -> &C {
        &self.1
    }
}
