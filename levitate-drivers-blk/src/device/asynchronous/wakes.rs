//! Wakers to be woken once nothing is borrowed: [`Wakes`].

use core::task::Waker;

use crate::listener::Waiter;

/// How many tasks are woken in one go; where there are more, there are several goes.
const CAPACITY: usize = 8;

/// Wakers that are to be woken.
///
/// A waker is code of the executor's: it may drop a future of this driver, or poll one. So it is called with nothing borrowed.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    wakers: [Option<Waker>; CAPACITY],
    len: usize,
}

impl Wakes {
    /// Takes the task that waits, if one does and there is room; says whether none is left.
    pub(super) fn take_from(&mut self, place: &mut Option<Waiter>) -> bool {
        if place.is_none() {
            return true;
        }
        let Some(free) = self.wakers.get_mut(self.len) else {
            return false;
        };
        *free = place.take().map(|waiter| waiter.waker);
        self.len = self.len.saturating_add(1);
        true
    }

    /// Wakes all.
    pub(super) fn wake(self) {
        let wakers = self.wakers.into_iter().take(self.len);
        wakers.flatten().for_each(Waker::wake);
    }
}
