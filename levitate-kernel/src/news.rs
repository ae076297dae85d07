//! What wakes a task besides its device: a tick, or something that has changed: [`News`].

use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Poll;

use atomic_waker::AtomicWaker;

/// Something that interrupt handlers tell one task.
pub(crate) struct News {
    waker: AtomicWaker,
    is_there: AtomicBool,
}

impl News {
    pub(crate) const fn new() -> Self {
        Self {
            waker: AtomicWaker::new(),
            is_there: AtomicBool::new(false),
        }
    }

    /// Tells it, also if it does not wait yet.
    pub(crate) fn tell(&self) {
        // Release, with the acquire in `wait`: what happened before is seen by the task.
        self.is_there.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Waits until it is told, and forgets it; one task at a time.
    pub(crate) async fn wait(&self) {
        poll_fn(|context| {
            self.waker.register(context.waker());
            if self.is_there.swap(false, Ordering::Acquire) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}
