//! Which rings a driver has the code for, as a type: [`Format`].

use levitate_hal::Dma;

use super::Ring;
use super::either::EitherRing;
use crate::features::Features;
use crate::queue::packed::PackedRing;
use crate::queue::split::SplitRing;

/// The ring formats that a driver has the code for; what is not among them is never agreed on with a device.
pub trait Format: Sealed + 'static {
    /// The feature bits that take code of this format.
    const FEATURES: Features;
    /// A ring of the format that was agreed on.
    type Ring<D: Dma>: Ring<D>;
}

/// Split virtqueues (§2.7) and nothing else: the smaller code.
#[derive(Clone, Copy, Debug)]
pub enum Split {}

/// Packed virtqueues (§2.8) where the device has them, and split ones elsewhere.
#[derive(Clone, Copy, Debug)]
pub enum SplitOrPacked {}

impl Format for Split {
    const FEATURES: Features = Features::empty();
    type Ring<D: Dma> = SplitRing<D>;
}

impl Format for SplitOrPacked {
    const FEATURES: Features = Features::RING_PACKED;
    type Ring<D: Dma> = EitherRing<D>;
}

/// Keeps the traits of rings to this crate, whose `unsafe` code relies on them.
pub trait Sealed {}
impl Sealed for Split {}
impl Sealed for SplitOrPacked {}
impl<D: Dma> Sealed for SplitRing<D> {}
impl<D: Dma> Sealed for PackedRing<D> {}
impl<D: Dma> Sealed for EitherRing<D> {}
