//! What all futures of a driver share, and what is done to it while it is borrowed: [`Shared`].

use core::mem;
use core::task::Poll;

use levitate_hal::{Clock as _, Deadline, Instant, Platform};
use levitate_virtio::{GivenUp, QueueCounts, Timeout, Token, Transport};

use super::Counts;
use super::line::{Line, Need, Supply};
use super::wakes::Wakes;
use crate::device::Blk;
use crate::error::{Error, SubmitError};
use crate::listener::{Listener, Waiter};
use crate::request::{self, Completion, Owner, RequestError, RequestStatus};

/// What a future waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The answer to a request.
    Answer(Token),
    /// Room for a request.
    Room {
        /// The future's own.
        number: u64,
        /// What it is about.
        need: Need,
    },
}

/// The driver, and who waits for it.
pub(super) struct Shared<'s, T: Transport, P: Platform, const MORE: usize> {
    pub(super) blk: Blk<'s, T, P, MORE>,
    /// Whose waker the signal has, if it has not woken it.
    pub(super) leader: Option<Place>,
    /// Whether the device has given up, and why.
    pub(super) given_up: Option<GivenUp>,
    /// When the device was told of the requests that it has, if anybody has asked for the time since, and neither was another one
    /// submitted then nor an answer taken.
    pub(super) told_at: Option<Instant>,
    /// Whether the device may have a request that nobody waits for any more, and that is to be collected when it is done.
    pub(super) has_abandoned: bool,
    /// What was counted of the queue before the last reset.
    pub(super) past: QueueCounts,
    pub(super) idle_polls: u64,
}

impl<'s, T: Transport, P: Platform, const MORE: usize> Shared<'s, T, P, MORE> {
    /// Notifies the device of what was submitted since it was notified last, if it wants to be; says whether it was.
    #[inline]
    pub(super) fn announce(&mut self) -> bool {
        // One that has given up is not notified any more.
        let life = self.blk.life.as_mut().filter(|_| self.given_up.is_none());
        life.is_some_and(|life| life.queue.notify())
    }

    /// Returns what was counted.
    pub(super) fn counts(&self) -> Counts {
        let QueueCounts {
            requests,
            notifications,
        } = self.queue_counts();
        Counts {
            requests,
            notifications,
            idle_polls: self.idle_polls,
        }
    }

    /// Returns what was counted of the queue, those before recoveries included.
    pub(super) fn queue_counts(&self) -> QueueCounts {
        let Some(life) = &self.blk.life else {
            return self.past;
        };
        let now = life.queue.counts();
        QueueCounts {
            requests: self.past.requests.wrapping_add(now.requests),
            notifications: self.past.notifications.wrapping_add(now.notifications),
        }
    }

    /// Returns what the clock reads, which `now` remembers.
    pub(super) fn present(&self, now: &mut Option<Instant>) -> Instant {
        *now.get_or_insert_with(|| self.blk.platform.clock().now())
    }

    /// Returns when a wait began that begins now.
    ///
    /// Requests that the device was told of together share a reading of the clock.
    pub(super) fn start(&mut self, place: Place, now: &mut Option<Instant>) -> Instant {
        let told_at = self.told_at.filter(|_| matches!(place, Place::Answer(_)));
        let start = told_at.unwrap_or_else(|| self.present(now));
        if let Place::Answer(_) = place {
            self.told_at = Some(start);
        }
        start
    }

    /// Returns the deadline of a wait that began then.
    pub(super) fn deadline(&self, start: Instant) -> Deadline {
        Deadline::from_instant(start, self.blk.options.timeout)
    }

    /// Reads whether the device has given up.
    pub(super) fn read_status(&mut self) {
        if let Some(life) = &mut self.blk.life {
            self.given_up = life.device.read_given_up().or(self.given_up);
        }
    }

    /// Looks at the virtqueue and takes the tasks that have something to do; says whether `wakes` had room for all of them.
    ///
    /// Those whose deadline has passed at `late_at` are among them.
    pub(super) fn look(
        &mut self,
        line: &mut Line,
        late_at: Option<Instant>,
        wakes: &mut Wakes,
    ) -> bool {
        let Some(life) = &mut self.blk.life else {
            return line.take(|_| true, wakes);
        };
        let is_broken = life.queue.process().is_err();
        let mut is_complete = true;
        let mut next = life.queue.next_done();
        while let Some(first) = next {
            let nobodys = life.queue.find_done(first, |context| {
                match (&mut context.listener, context.owner) {
                    (Listener::Task(None), _) | (Listener::Caller, Owner::User) => false,
                    (Listener::Task(waiter), _) => {
                        is_complete &= wakes.take_from(waiter);
                        false
                    }
                    (Listener::Nobody, _) | (Listener::Caller, Owner::Driver) => true,
                }
            });
            next = nobodys.and_then(|(token, after)| {
                self.blk.own.let_go(&mut life.queue, token);
                after
            });
        }
        self.has_abandoned = self.has_abandoned
            && life
                .queue
                .contexts_mut()
                .any(|(_, context)| matches!(context.listener, Listener::Nobody));
        if is_broken || self.given_up.is_some() {
            is_complete &= self.take_waiters(line, |_| true, wakes);
        } else if let Some(now) = late_at {
            let is_late = |waiter: &Waiter| waiter.deadline.is_missed_at(now);
            is_complete &= self.take_waiters(line, is_late, wakes);
        }
        is_complete & line.call(self.supply(), wakes)
    }

    /// Takes the tasks that `is_meant` is true for; says whether `wakes` had room for all of them.
    fn take_waiters(
        &mut self,
        line: &mut Line,
        is_meant: impl Fn(&Waiter) -> bool,
        wakes: &mut Wakes,
    ) -> bool {
        self.take_request_waiters(&is_meant, wakes) & line.take(is_meant, wakes)
    }

    /// Takes the tasks that wait for an answer and that `is_meant` is true for.
    pub(super) fn take_request_waiters(
        &mut self,
        is_meant: impl Fn(&Waiter) -> bool,
        wakes: &mut Wakes,
    ) -> bool {
        let mut is_complete = true;
        let queues = self.blk.life.iter_mut().map(|life| &mut life.queue);
        for (_, context) in queues.flat_map(|queue| queue.contexts_mut()) {
            if let Some(waiter) = context.listener.waiter_mut()
                && waiter.as_ref().is_some_and(&is_meant)
            {
                is_complete &= wakes.take_from(waiter);
            }
        }
        is_complete
    }

    /// Returns somebody who waits, for the signal to wake.
    pub(super) fn any_waiter<'w>(&'w mut self, line: &'w Line) -> Option<(Place, &'w Waiter)> {
        let queues = self.blk.life.iter_mut().map(|life| &mut life.queue);
        let mut contexts = queues.flat_map(|queue| queue.contexts_mut());
        let of_request = contexts.find_map(|(token, context)| match &context.listener {
            Listener::Task(Some(waiter)) => Some((Place::Answer(token), waiter)),
            _ => None,
        });
        of_request.or_else(|| line.any())
    }

    /// Puts the task of a request down as waiting, or as not waiting; returns what is left over.
    pub(super) fn replace_waiter(
        &mut self,
        token: Token,
        waiter: Option<Waiter>,
    ) -> Option<Waiter> {
        let queues = self.blk.life.as_mut().map(|life| &mut life.queue);
        let context = queues.and_then(|queue| queue.context_mut(token));
        match context.and_then(|context| context.listener.waiter_mut()) {
            Some(place) => mem::replace(place, waiter),
            None => waiter,
        }
    }

    /// Takes a request back that is done, and whoever is told of it; an error if it is none any more, because the device was reset.
    #[inline(always)]
    pub(super) fn take_answer(
        &mut self,
        token: Token,
        listener: &mut Listener,
    ) -> Poll<Result<Completion<P::Dma>, Error>> {
        let Some(life) = &mut self.blk.life else {
            return Poll::Ready(Err(RequestError::Aborted.into()));
        };
        match life.queue.take_next(token) {
            Some(mut completed) => {
                mem::swap(&mut completed.context.listener, listener);
                self.told_at = None;
                self.blk.own.note_answered(token);
                Poll::Ready(Ok(request::completion(completed)))
            }
            None if life.queue.context(token).is_some() => Poll::Pending,
            None => Poll::Ready(Err(RequestError::Aborted.into())),
        }
    }

    /// Says why no wait comes to a good end, if none does.
    pub(super) fn hopelessness(&self) -> Option<Error> {
        let Some(life) = &self.blk.life else {
            return Some(SubmitError::NotRunning.into());
        };
        if let Some(fault) = life.queue.fault() {
            return Some(fault.into());
        }
        self.given_up.map(Error::from)
    }

    /// Says why a wait is not over although its deadline is.
    pub(super) fn lateness(&mut self, place: Place, deadline: &Deadline) -> Error {
        let Some(life) = &mut self.blk.life else {
            return SubmitError::NotRunning.into();
        };
        let token = match place {
            Place::Answer(token) => Some(token),
            // Whatever the slots are taken by, the device has it: the oldest of it says why.
            Place::Room { .. } => life.queue.oldest_in_flight(),
        };
        let Some(token) = token else {
            // The device has done all it was asked to: others do not take their answers, or their turns.
            let lacks_bounce = self.blk.own.bounce.is_none();
            return match (life.queue.idle_slots(), place) {
                (0, _) => SubmitError::from(life.queue.lacks(1)),
                (_, Place::Room { need, .. }) if need == Need::Bounce && lacks_bounce => {
                    SubmitError::OwnBufferInUse
                }
                (idle_slots, _) => SubmitError::SetAside { idle_slots },
            }
            .into();
        };
        let cause = life
            .device
            .diagnose(&mut life.queue, token, &RequestStatus::UNWRITTEN);
        let timeout = deadline.timeout();
        Timeout { timeout, cause }.into()
    }

    /// Returns what there is for further requests.
    pub(super) fn supply(&self) -> Supply {
        Supply {
            slots: self.blk.idle_slots(),
            has_bounce: self.blk.own.bounce.is_some(),
        }
    }

    /// Says whether nothing can be submitted, however long one waits.
    pub(super) fn is_unusable(&self) -> bool {
        let queue = self.blk.life.as_ref().map(|life| &life.queue);
        queue.is_none_or(|queue| queue.fault().is_some())
    }

    /// Lets a request go that nobody waits for any more: at once if it is done, else as soon as the device gives it back.
    pub(super) fn abandon(&mut self, token: Token) {
        let Some(life) = &mut self.blk.life else {
            return;
        };
        if life.queue.is_done(token) {
            self.blk.own.let_go(&mut life.queue, token);
        } else if let Some(context) = life.queue.context_mut(token) {
            context.listener = Listener::Nobody;
            self.has_abandoned = true;
        }
    }
}
