//! Tasks, and a CPU that sleeps while none of them can go on: [`run`], [`block_on`].

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::future::Future;
use core::pin::pin;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};

use embassy_executor::Spawner;
use embassy_executor::raw::Executor;

use crate::arch::masking;

/// Whether a task can go on.
static IS_PENDING: AtomicBool = AtomicBool::new(false);

/// How often the CPU slept.
static SLEEPS: AtomicU64 = AtomicU64::new(0);

/// Called by the executor when a task was woken, by interrupt handlers too.
#[unsafe(export_name = "__pender")]
fn pend(_context: *mut ()) {
    // Release, with the acquire in `run`: what the task was woken for is seen by it.
    IS_PENDING.store(true, Ordering::Release);
}

/// Runs the tasks that `start` spawns, and those that they do.
pub(crate) fn run(start: impl FnOnce(Spawner)) -> ! {
    let executor: &'static Executor = Box::leak(Box::new(Executor::new(ptr::null_mut())));
    start(executor.spawner());
    loop {
        // SAFETY: the executor is this function's own, and no task has a way to poll it.
        unsafe { executor.poll() };
        sleep_unless(|| IS_PENDING.swap(false, Ordering::Acquire));
    }
}

/// Waits for `future`, asleep whenever it cannot go on; no task runs meanwhile.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Waker::from(flag.clone());
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        sleep_unless(|| flag.0.swap(false, Ordering::Acquire));
    }
}

/// Returns how often the CPU slept because there was nothing to do.
pub(crate) fn sleeps() -> u64 {
    // Relaxed: a count, which orders nothing.
    SLEEPS.load(Ordering::Relaxed)
}

/// Sleeps until an interrupt came, unless there is something to do.
fn sleep_unless(is_due: impl FnOnce() -> bool) {
    let before = masking::mask();
    // The look is masked: an interrupt that came before it was handled, and it sees what that left; one that comes after it
    // ends the sleep.
    if !is_due() {
        // Relaxed: as above.
        SLEEPS.fetch_add(1, Ordering::Relaxed);
        masking::wait_for_interrupt();
    }
    masking::restore(before);
}

/// Whether the future that is waited for can go on.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release, with the acquire in `block_on`.
        self.0.store(true, Ordering::Release);
    }
}
