//! The stages of a device's initialization, a type for each (§3.1.1).

/// Reset, and known to be a device one can drive: steps 1 to 3 are done.
#[derive(Clone, Copy, Debug)]
pub struct Driven;

/// Features are agreed on, steps 4 to 6 are done; queues may be set up.
#[derive(Clone, Copy, Debug)]
pub struct Negotiated {
    pub(crate) features: crate::features::Features,
}

/// DRIVER_OK is set: the device may be used.
#[derive(Clone, Copy, Debug)]
pub struct Live {
    pub(crate) features: crate::features::Features,
}

/// A stage after the one in which features are agreed on.
pub trait Agreed: sealed::Sealed {}
impl Agreed for Negotiated {}
impl Agreed for Live {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Negotiated {}
    impl Sealed for super::Live {}
}
