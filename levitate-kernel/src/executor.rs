//! Tasks, and a CPU that sleeps while none of them can go on: [`run`], [`block_on`].

use alloc::boxed::Box;
use core::future::Future;
use core::pin::pin;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

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
///
/// It allocates nothing, so that a driver's call is not dearer than the driver.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(&WAKER);
    let mut future = pin!(future);
    loop {
        // Acquire, with the release in `wake`: what the future was woken for is seen by it.
        let before = WAKES.load(Ordering::Acquire);
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        sleep_unless(|| WAKES.load(Ordering::Acquire) != before);
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

/// How often a future that is waited for was woken. A count and not a flag: of two that wait, one in the other, neither takes what
/// the other was woken for.
static WAKES: AtomicU64 = AtomicU64::new(0);

/// Wakes whoever waits in [`block_on`].
static WAKER: Waker =
    // SAFETY: the functions below use no data, so what a `RawWakerVTable` asks of them they do from any thread, and as often as called.
    unsafe { Waker::new(ptr::null(), &WAKER_TABLE) };

static WAKER_TABLE: RawWakerVTable =
    RawWakerVTable::new(|data| RawWaker::new(data, &WAKER_TABLE), wake, wake, |_| {});

fn wake(_data: *const ()) {
    // Release, with the acquire in `block_on`.
    WAKES.fetch_add(1, Ordering::Release);
}
