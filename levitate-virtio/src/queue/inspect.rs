//! What the diagnosis of a missed deadline looks at.

use levitate_hal::{Dma, Segments};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::ring::{Format, Ring as _};
use super::{Queue, Token};
use crate::init::Identity;
use crate::transport::Notify;

impl<B: Segments, C, D: Dma, N: Notify, R: Format> Queue<'_, B, C, D, N, R> {
    /// Reads whether the device has fetched the request from the available ring; `None` if that cannot be known.
    pub(crate) fn is_fetched(&self, token: Token) -> Option<bool> {
        let slot = self.slot(token)?;
        self.ring.is_fetched(&slot.record)
    }

    /// Reads whether the footer differs from `initial`, the value it was submitted with.
    pub(crate) fn is_footer_written<F>(&self, token: Token, initial: &F) -> bool
    where
        F: FromBytes + IntoBytes + Immutable,
    {
        let Some(slot) = self.slot(token) else {
            return false;
        };
        // SAFETY: the offsets in the slots are of the queue's memory (invariant of `Queue`).
        let place = unsafe { self.memory.place(slot.record.offset) };
        // SAFETY: a footer as long as the record says was laid out in this slot.
        let footer: F = unsafe { place.read_footer(slot.record.footer_bytes) };
        footer.as_bytes() != initial.as_bytes()
    }

    /// Says whether the request may be done only after an earlier one that the device has, by VIRTIO_F_IN_ORDER.
    pub(crate) fn is_behind_another(&self, token: Token) -> bool {
        self.shape.is_in_order
            && self.in_flight() != 0
            && self.order.first() != u32::from(token.slot())
    }

    pub(crate) const fn identity(&self) -> Identity {
        self.identity
    }
}
