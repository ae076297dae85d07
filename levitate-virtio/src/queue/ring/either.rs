//! A ring of either format: [`EitherRing`].

use levitate_hal::{Dma, DmaError, DmaRegion};

use super::{Ring, RingConfig, Used};
use crate::features::Features;
use crate::queue::DeviceFault;
use crate::queue::chain::Parts;
use crate::queue::packed::PackedRing;
use crate::queue::slot::Record;
use crate::queue::slot_memory::SlotMemory;
use crate::queue::split::SplitRing;
use crate::transport::QueueAreas;

/// A ring of the format that was agreed on with the device.
#[derive(Debug)]
pub enum EitherRing<D: Dma> {
    /// Split (§2.7).
    Split(SplitRing<D>),
    /// Packed (§2.8).
    Packed(PackedRing<D>),
}

macro_rules! in_either {
    ($self:expr, $ring:ident => $value:expr) => {
        match $self {
            EitherRing::Split($ring) => $value,
            EitherRing::Packed($ring) => $value,
        }
    };
}

impl<D: Dma> Ring<D> for EitherRing<D> {
    fn new(dma: &D, config: &RingConfig) -> Result<Self, DmaError> {
        match config.features.contains(Features::RING_PACKED) {
            true => PackedRing::new(dma, config).map(Self::Packed),
            false => SplitRing::new(dma, config).map(Self::Split),
        }
    }

    fn areas(&self) -> QueueAreas {
        in_either!(self, ring => ring.areas())
    }

    fn into_memory(self) -> DmaRegion<D> {
        in_either!(self, ring => ring.into_memory())
    }

    #[inline]
    fn lay_out<P: Parts>(&mut self, slot: u16, chain: &P, is_direct: bool, memory: &SlotMemory<D>) {
        in_either!(self, ring => ring.lay_out(slot, chain, is_direct, memory));
    }

    #[inline]
    fn add<P: Parts>(&mut self, record: &mut Record, slot: u16, chain: &P, memory: &SlotMemory<D>) {
        in_either!(self, ring => ring.add(record, slot, chain, memory));
    }

    #[inline]
    fn position(&self) -> u16 {
        in_either!(self, ring => ring.position())
    }

    #[inline]
    fn needs_notification(&mut self) -> bool {
        in_either!(self, ring => ring.needs_notification())
    }

    fn is_fetched(&self, record: &Record) -> Option<bool> {
        in_either!(self, ring => ring.is_fetched(record))
    }

    #[inline]
    fn next_used(&mut self, in_flight: u16) -> Result<Option<Used>, DeviceFault> {
        in_either!(self, ring => ring.next_used(in_flight))
    }

    #[inline]
    fn covers(&self, chains: u16) -> bool {
        in_either!(self, ring => ring.covers(chains))
    }

    #[inline]
    fn pass_used(&mut self, chains: u16, descriptors: u16) {
        in_either!(self, ring => ring.pass_used(chains, descriptors));
    }

    #[inline]
    fn suppress_used_notifications(&mut self) {
        in_either!(self, ring => ring.suppress_used_notifications());
    }

    #[inline]
    fn request_used_notification(&mut self, count: u16) -> bool {
        in_either!(self, ring => ring.request_used_notification(count))
    }
}
