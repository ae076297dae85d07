//! Who is told that a request is done: [`Listener`].

use core::task::Waker;

use levitate_hal::Deadline;

/// Whom the driver tells that a request is done.
#[derive(Debug)]
pub(crate) enum Listener {
    /// Whoever asks next.
    Caller,
    /// A task, if it waits: it does not before it has looked for the first time, nor once it is woken.
    Task(Option<Waiter>),
    /// Nobody any more: what the request carries is let go as soon as the device has given it back.
    Nobody,
}

impl Listener {
    /// Has nobody to be told any more; only a task takes more than a look.
    ///
    /// It still waits if its future was forgotten; any other takes its waker back first.
    #[inline]
    pub(crate) fn end(self) {
        match self {
            Self::Caller | Self::Nobody => {}
            // By the waker, which is two words: what is handed over in memory would have to be there for every request.
            Self::Task(waiter) => let_go(waiter.map(|waiter| waiter.waker)),
        }
    }

    /// Returns the task that waits, and its place, if it is for a task.
    pub(crate) const fn waiter_mut(&mut self) -> Option<&mut Option<Waiter>> {
        match self {
            Self::Task(waiter) => Some(waiter),
            Self::Caller | Self::Nobody => None,
        }
    }
}

/// A task that waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) waker: Waker,
    pub(crate) deadline: Deadline,
}

#[inline(never)]
fn let_go(waker: Option<Waker>) {
    drop(waker);
}
