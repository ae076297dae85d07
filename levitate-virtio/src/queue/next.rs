//! Taking back a request that somebody waits for ([`Queue::take_next`], §2.7.14, §2.8.22).

use levitate_hal::{Dma, Segments};
use zerocopy::{FromBytes, IntoBytes};

use super::completion::Completed;
use super::ring::{Format, Ring as _};
use super::slot::State;
use super::{Queue, Token};
use crate::transport::Notify;

impl<B: Segments, C, D: Dma, N: Notify, R: Format> Queue<'_, B, C, D, N, R> {
    /// Takes this request back if it is done, or is next of what the device is done with; collects nothing else.
    ///
    /// With legacy devices, whose lengths mean nothing, only what is collected already is taken.
    ///
    /// `None` does not say that the device has the request: that takes [`process`](Self::process), which also finds what is wrong, and asks
    /// for a notification where they are wanted.
    #[inline(always)]
    pub fn take_next<F: FromBytes + IntoBytes>(
        &mut self,
        token: Token,
    ) -> Option<Completed<F, B, C>> {
        match self.slot(token)?.record.state() {
            State::Idle => return None,
            State::Done => self.unlist(token.slot()),
            State::InFlight => self.pass(token)?,
        }
        self.give_back(token.slot())
    }

    /// Has a request done, in no list, that is next of what the device is done with; `None` if it is not.
    #[inline(always)]
    fn pass(&mut self, token: Token) -> Option<()> {
        if self.fault.is_some() {
            return None;
        }
        if self.shape.is_in_order {
            return self.pass_in_order(token);
        }
        let used = self.ring.next_used(self.progress).ok()??;
        if used.slot != u32::from(token.slot()) {
            return None;
        }
        let slot = self.slots.get_mut(usize::from(token.slot()))?;
        let written = slot.record.written(used.len_bytes)?;
        self.ring.pass_used(slot.record.descriptors);
        self.progress.done = self.progress.done.wrapping_add(1);
        slot.record.note_done(written.len_bytes);
        Some(())
    }

    /// As [`pass`](Self::pass), with VIRTIO_F_IN_ORDER.
    fn pass_in_order(&mut self, token: Token) -> Option<()> {
        // Something is in flight: this one.
        if self.order.first() != u32::from(token.slot()) {
            return None;
        }
        // What is wrong is found again.
        self.next_in_order().ok()?.map(|_| ())
    }
}
