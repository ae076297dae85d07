//! The stages of a device's initialization, a type for each (§3.1.1).

use core::marker::PhantomData;

use crate::features::Features;
use crate::queue::SplitOrPacked;

/// Reset, and known to be a device one can drive: steps 1 to 3 are done.
#[derive(Clone, Copy, Debug)]
pub struct Driven;

/// Features are agreed on, steps 4 to 6 are done; queues may be set up, with rings of the formats `R` has code for.
#[derive(Clone, Copy, Debug)]
pub struct Negotiated<R = SplitOrPacked> {
    pub(crate) features: Features,
    pub(crate) rings: PhantomData<R>,
}

/// DRIVER_OK is set: the device may be used.
#[derive(Clone, Copy, Debug)]
pub struct Live<R = SplitOrPacked> {
    pub(crate) features: Features,
    pub(crate) rings: PhantomData<R>,
}

/// A stage after the one in which features are agreed on.
pub trait Agreed: sealed::Sealed {}
impl<R> Agreed for Negotiated<R> {}
impl<R> Agreed for Live<R> {}

mod sealed {
    pub trait Sealed {}
    impl<R> Sealed for super::Negotiated<R> {}
    impl<R> Sealed for super::Live<R> {}
}
