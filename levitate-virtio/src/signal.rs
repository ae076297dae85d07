//! How an interrupt handler wakes the tasks that wait for a device: [`Signal`].
//!
//! The handler does no work of the driver's and takes no lock: it acknowledges, notes what it was about, and wakes one task.
//! That task looks at the virtqueue, and wakes those whose requests are done.

use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Poll, Waker};

use atomic_waker::AtomicWaker;

use crate::transport::{Interrupt, InterruptStatus};

/// The way from one device's interrupt handler, and from the tick of a timer, to one driver.
///
/// It can be a `static`. Each driver has one of its own: it holds one waker, that of the task that looks at the device next.
/// Wakers are woken, and dropped, in the handler, so those of the executor must be fit for that.
#[derive(Debug, Default)]
pub struct Signal {
    /// Of the task that looks at the virtqueue for all.
    waker: AtomicWaker,
    /// Whether time has passed, or the device may have given up.
    needs_attention: AtomicBool,
    has_config_change: AtomicBool,
    /// Of the task that waits for a change of the configuration.
    config_waker: AtomicWaker,
}

impl Signal {
    /// Makes a signal that nobody waits for.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            waker: AtomicWaker::new(),
            needs_attention: AtomicBool::new(false),
            has_config_change: AtomicBool::new(false),
            config_waker: AtomicWaker::new(),
        }
    }

    /// To be called by the handler of the device's interrupt: acknowledges it, wakes who waits for it, and returns what it was about.
    ///
    /// Nothing, if a line is shared and another device pulled it: then nobody is woken.
    pub fn on_interrupt(&self, interrupt: &impl Interrupt) -> InterruptStatus {
        self.wake_for(interrupt.acknowledge())
    }

    /// To be called by the handler of the device's MSI-X vector `vector`, in place of [`on_interrupt`](Self::on_interrupt).
    pub fn on_vector(&self, interrupt: &impl Interrupt, vector: u16) -> InterruptStatus {
        self.wake_for(interrupt.acknowledge_vector(vector))
    }

    /// To be called now and then, by the handler of a timer for instance: deadlines are looked at, and what was missed ends.
    ///
    /// How late that is found out is the caller's choice; while nobody waits, it costs next to nothing.
    pub fn on_tick(&self) {
        // Release, with the acquire in `take_attention`: whoever sees this also sees the time that has passed.
        self.needs_attention.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Waits until the device has said that its configuration changed, which may have been before this call; one task at a time.
    ///
    /// Dropped before that, it leaves the task's waker here until the next change or call.
    /// The driver's `process_config_change` or `process_events` then looks what has become of it.
    pub async fn config_change(&self) {
        poll_fn(|context| {
            self.config_waker.register(context.waker());
            if self.take_config_change() {
                // A task that is done is not kept for its waker.
                drop(self.config_waker.take());
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Says whether the device has said that its configuration changed, and forgets it.
    pub fn take_config_change(&self) -> bool {
        // Acquire, with the release in `wake_for`: the configuration is read after the device has changed it.
        self.has_config_change.swap(false, Ordering::Acquire)
    }

    /// Has `waker` woken next, in place of any other; to be called by a driver, which afterwards looks once more at what it waits for.
    pub fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Lets go of the waker, for nobody waits.
    pub fn clear(&self) {
        drop(self.waker.take());
    }

    /// Says whether a driver has to look at the clock and at the device status, and forgets it.
    pub fn take_attention(&self) -> bool {
        self.needs_attention.load(Ordering::Relaxed)
            && self.needs_attention.swap(false, Ordering::Acquire)
    }

    fn wake_for(&self, causes: InterruptStatus) -> InterruptStatus {
        if causes.contains(InterruptStatus::CONFIG_CHANGE) {
            // A device that needs a reset says so by a change of its configuration (§2.1.2).
            self.needs_attention.store(true, Ordering::Release);
            self.has_config_change.store(true, Ordering::Release);
            self.config_waker.wake();
        }
        if !causes.is_empty() {
            self.waker.wake();
        }
        causes
    }
}
