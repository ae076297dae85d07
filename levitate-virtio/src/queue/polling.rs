//! Taking requests back one by one as they are found ([`Queue::poll`], §2.7.14, §2.8.22).

use levitate_hal::{Dma, Segments};
use zerocopy::{FromBytes, IntoBytes};

use super::completion::{Completed, take_footer};
use super::ring::{Format, Ring as _};
use super::{DeviceFault, Queue, Token};
use crate::transport::Notify;

/// How a request is taken back that the device is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// What is next in the ring is next for whoever asks, and the device need not be told of any wish.
    Quick,
    /// As `Quick`, and one word of the device may be about many requests.
    QuickInOrder,
    /// By the list of what is done, or because something is to be told.
    Slow,
}

impl Pace {
    /// That of a queue where nothing is out of the ordinary.
    pub(super) const fn quick(is_in_order: bool) -> Self {
        match is_in_order {
            true => Self::QuickInOrder,
            false => Self::Quick,
        }
    }
}

impl<B: Segments, C, D: Dma, N: Notify, R: Format> Queue<'_, B, C, D, N, R> {
    /// Takes back the request that has been done for longest, if there is one; collects what the device is done with only as far
    /// as that takes.
    ///
    /// Where notifications are wanted and the driver is about to wait for one, it is called until there is nothing.
    ///
    /// # Errors
    ///
    /// [`DeviceFault`], once all that was done properly is taken; the queue is of no use until the device is reset.
    #[inline]
    pub fn poll<F: FromBytes + IntoBytes>(
        &mut self,
    ) -> Result<Option<Completed<F, B, C>>, DeviceFault> {
        match self.poll_soon(|completed| completed) {
            Ok(completed) => Ok(Some(completed)),
            Err(_) => match self.poll_any()? {
                Some(number) => Ok(self.empty(number)),
                None => Ok(None),
            },
        }
    }

    /// As [`poll`](Self::poll), but hands the request to `done`, and returns what that makes of it: to return all of it takes longer than
    /// to use it where it is found.
    ///
    /// # Errors
    ///
    /// As for `poll`.
    #[inline]
    pub fn poll_with<F: FromBytes + IntoBytes, U>(
        &mut self,
        done: impl FnOnce(Completed<F, B, C>) -> U,
    ) -> Result<Option<U>, DeviceFault> {
        match self.poll_soon(done) {
            Ok(made) => Ok(Some(made)),
            Err(done) => self.poll_late(done),
        }
    }

    /// As [`poll_with`](Self::poll_with), where nothing is out of the ordinary; else returns `done`.
    #[inline(always)]
    fn poll_soon<F: FromBytes + IntoBytes, U, M: FnOnce(Completed<F, B, C>) -> U>(
        &mut self,
        done: M,
    ) -> Result<U, M> {
        let (number, slot, written) = if self.pace == Pace::Quick {
            let Some((number, slot, written)) = self.ring.take_used(self.progress, self.slots)
            else {
                return Err(done);
            };
            self.idle.put(&mut slot.record, number);
            (number, slot, written)
        } else if self.pace == Pace::QuickInOrder {
            let Some(taken) = self.order.take(&mut self.ring, self.progress, self.slots) else {
                return Err(done);
            };
            taken
        } else {
            return Err(done);
        };
        self.progress.done = self.progress.done.wrapping_add(1);
        #[expect(clippy::cast_possible_truncation, reason = "no slot has more")]
        let token = Token::of(self.index, number as u16, &slot.record);
        let footer = take_footer(&self.memory, &slot.record);
        // SAFETY: the device has the request, which is not known to be done.
        let (data, context) = unsafe { slot.take_in_flight() };
        Ok(done(Completed::new(
            token,
            footer,
            &slot.record,
            written,
            data,
            context,
        )))
    }

    /// As [`poll_with`](Self::poll_with), whatever is out of the ordinary.
    #[cold]
    #[inline(never)]
    fn poll_late<F: FromBytes + IntoBytes, U>(
        &mut self,
        done: impl FnOnce(Completed<F, B, C>) -> U,
    ) -> Result<Option<U>, DeviceFault> {
        match self.poll_any()? {
            Some(number) => Ok(self.empty(number).map(done)),
            None => Ok(None),
        }
    }

    /// As [`poll`](Self::poll), where something was collected before, or much is used at once, or there is nothing; returns which slot's
    /// request is done, which is in no list.
    #[inline]
    fn poll_any(&mut self) -> Result<Option<u16>, DeviceFault> {
        match (self.collect_any(), self.fault) {
            // What was done before a fault comes before the fault.
            (None, Some(fault)) => Err(fault),
            (done, _) => Ok(done),
        }
    }

    /// Collects what the device is done with, if nothing was before, or only what is next where much is used at once; returns which slot's
    /// request has been done for longest, which is in no list.
    #[cold]
    #[inline(never)]
    fn collect_any(&mut self) -> Option<u16> {
        // What was promised was taken before anybody comes here.
        if self.pace == Pace::QuickInOrder && self.hear().is_some() {
            let number = self.leave()?;
            self.put_idle(number);
            return Some(number);
        }
        if self.done.first().is_none() {
            // A fault is kept.
            let _ = self.process();
        }
        let number = self.done.first()?;
        self.unlist(number);
        self.put_idle(number);
        Some(number)
    }

    /// Says how what is next in the ring may be taken.
    pub(super) const fn pace(&self) -> Pace {
        if self.done.first().is_none() && self.fault.is_none() && !self.wants_notifications {
            Pace::quick(self.shape.is_in_order)
        } else {
            Pace::Slow
        }
    }
}
