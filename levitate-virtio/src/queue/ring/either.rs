//! A ring of either format: [`EitherRing`].

use levitate_hal::{Dma, DmaError, DmaRegion};

use super::{Progress, Ring, RingConfig, Used};
use crate::features::Features;
use crate::queue::DeviceFault;
use crate::queue::chain::Parts;
use crate::queue::packed::PackedRing;
use crate::queue::slot::{Record, Slot, Written};
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

    unsafe fn lay_out<P: Parts>(&mut self, record: &mut Record, slot: u32, chain: P) {
        // SAFETY: the caller vouches for the same.
        in_either!(self, ring => unsafe { ring.lay_out(record, slot, chain) });
    }

    #[inline]
    unsafe fn add<P: Parts>(&mut self, record: &mut Record, progress: &mut Progress, chain: P) {
        // SAFETY: the caller vouches for the same.
        in_either!(self, ring => unsafe { ring.add(record, progress, chain) });
    }

    #[inline]
    fn as_split(&mut self) -> Option<&mut SplitRing<D>> {
        in_either!(self, ring => ring.as_split())
    }

    #[inline]
    fn as_packed(&mut self) -> Option<&mut PackedRing<D>> {
        in_either!(self, ring => ring.as_packed())
    }

    #[inline]
    fn position(&self, progress: Progress) -> u16 {
        in_either!(self, ring => ring.position(progress))
    }

    #[inline]
    fn needs_notification(&mut self, progress: Progress) -> Option<bool> {
        in_either!(self, ring => ring.needs_notification(progress))
    }

    fn needs_notification_by_event(&mut self, progress: Progress) -> bool {
        in_either!(self, ring => ring.needs_notification_by_event(progress))
    }

    fn is_fetched(&self, record: &Record) -> Option<bool> {
        in_either!(self, ring => ring.is_fetched(record))
    }

    #[inline]
    fn next_used(&mut self, progress: Progress) -> Result<Option<Used>, DeviceFault> {
        in_either!(self, ring => ring.next_used(progress))
    }

    #[inline]
    fn covers(&self, progress: Progress, chains: u16) -> bool {
        in_either!(self, ring => ring.covers(progress, chains))
    }

    #[inline]
    fn pass_used(&mut self, descriptors: u16) {
        in_either!(self, ring => ring.pass_used(descriptors));
    }

    #[inline]
    fn take_used<'a, B, C>(
        &mut self,
        progress: Progress,
        slots: &'a mut [Slot<B, C>],
    ) -> Option<(u32, &'a mut Slot<B, C>, Written)> {
        in_either!(self, ring => ring.take_used(progress, slots))
    }

    #[inline]
    fn take_used_of(&mut self, progress: Progress, slot: u32, record: &Record) -> Option<Written> {
        in_either!(self, ring => ring.take_used_of(progress, slot, record))
    }

    #[inline]
    fn suppress_used_notifications(&mut self, progress: Progress) {
        in_either!(self, ring => ring.suppress_used_notifications(progress));
    }

    #[inline]
    fn request_used_notification(&mut self, progress: Progress, count: u16) -> bool {
        in_either!(self, ring => ring.request_used_notification(progress, count))
    }
}
