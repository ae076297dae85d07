//! How a task waits, and how it is woken.
//!
//! One of those that wait, the leader, has its waker in the signal.
//! Woken, it looks at the virtqueue and wakes those whose requests are done; when its own wait is over, another one leads.
//! Who begins to lead looks once more *after* its waker is in the signal: what came before is seen, what comes later wakes it.

use core::task::{Poll, Waker};

use levitate_hal::{Deadline, Platform};
use levitate_virtio::Transport;

use super::AsyncBlk;
use super::shared::{Place, Shared};
use super::wakes::Wakes;
use crate::error::Error;
use crate::listener::Waiter;

impl<'s, T: Transport, P: Platform, const MORE: usize> AsyncBlk<'s, T, P, MORE> {
    /// One poll of the future that waits at `place`; `attain` takes what it waits for, if it is there.
    pub(super) fn poll_at<R>(
        &self,
        place: Place,
        deadline: &mut Option<Deadline>,
        waker: &Waker,
        attain: impl Fn(&mut Shared<'s, T, P, MORE>) -> Option<Result<R, Error>>,
    ) -> Poll<Result<R, Error>> {
        let is_first = deadline.is_none();
        // It looks itself now, so it is not to be woken by what it finds.
        let waiter = self.shared.borrow_mut().take_waiter(place);
        drop(waiter);
        // Somebody else may have seen that it is there.
        let mut attained = attain(&mut self.shared.borrow_mut());
        if attained.is_none() {
            self.shared.borrow_mut().announce();
            self.look();
            attained = attain(&mut self.shared.borrow_mut());
        }
        if attained.is_none() {
            let deadline = *deadline.get_or_insert_with(|| self.shared.borrow().deadline());
            self.wait_at(place, waker, deadline);
            let mut shared = self.shared.borrow_mut();
            attained = attain(&mut shared).or_else(|| shared.failure(place, &deadline).map(Err));
            if attained.is_none() && !is_first {
                shared.idle_polls = shared.idle_polls.wrapping_add(1);
            }
        }
        let Some(outcome) = attained else {
            return Poll::Pending;
        };
        self.stop_waiting(place);
        Poll::Ready(outcome)
    }

    /// Ends a wait, whatever its outcome: somebody else leads, and who waits for room that there is now is told.
    pub(super) fn stop_waiting(&self, place: Place) {
        if self.is_recovering() {
            return;
        }
        let waiter = self.shared.borrow_mut().take_waiter(place);
        drop(waiter);
        self.tell_of_room();
        self.hand_over(place);
    }

    /// Wakes who waits for room, if there is some that they have not been told of.
    pub(super) fn tell_of_room(&self) {
        if self.shared.borrow().has_freed {
            self.wake_all(Shared::take_freed);
        }
    }

    /// Looks at the virtqueue, and wakes all who have something to do.
    pub(super) fn look(&self) {
        let needs_attention = self.signal.take_attention();
        if needs_attention {
            let mut shared = self.shared.borrow_mut();
            // A look at the status is one at what becomes of the requests, so the device is to know of them.
            shared.announce();
            shared.read_status();
        }
        self.wake_all(|shared, wakes| shared.look(needs_attention, wakes));
    }

    /// Wakes what `take` takes, until it has taken all there is.
    pub(super) fn wake_all(
        &self,
        mut take: impl FnMut(&mut Shared<'s, T, P, MORE>, &mut Wakes) -> bool,
    ) {
        loop {
            let mut wakes = Wakes::default();
            // A turn that is not the last wakes as many tasks as there is room for.
            let is_complete = take(&mut self.shared.borrow_mut(), &mut wakes);
            wakes.wake();
            if is_complete {
                return;
            }
        }
    }

    /// Puts the task down as waiting, and as the one that leads.
    fn wait_at(&self, place: Place, waker: &Waker, deadline: Deadline) {
        let waiter = Waiter {
            waker: waker.clone(),
            deadline,
        };
        let displaced = {
            let mut shared = self.shared.borrow_mut();
            shared.leader = Some(place);
            shared.set_waiter(place, waiter)
        };
        if let Some(displaced) = displaced {
            displaced.waker.wake();
        }
        self.signal.register(waker);
        self.look();
    }

    /// Lets somebody else lead, if `place` did.
    fn hand_over(&self, place: Place) {
        let waker = {
            let mut shared = self.shared.borrow_mut();
            if shared.leader != Some(place) {
                return;
            }
            let (leader, waker) = shared
                .any_waiter()
                .map(|(place, waiter)| (place, waiter.waker.clone()))
                .unzip();
            shared.leader = leader;
            waker
        };
        match waker {
            Some(waker) => {
                self.signal.register(&waker);
                self.look();
            }
            None => self.signal.clear(),
        }
    }
}
