//! Moments that an interrupt handler can choose, and what executors may do that they rarely do.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use levitate_drivers_blk::{Error, RequestError, Signal};
use levitate_host::{BlockModel, Completion, Plug, Version};
use levitate_virtio::Features;

use crate::bench::{Bench, Storage, every_variant, patterned};
use crate::tasks::{AsyncDriver, Tasks, deliver, drive};

/// The clock is read after the first look at the queue and before the task's waker is in the signal: that is when the answer comes here.
#[test]
fn an_answer_between_the_look_and_the_rest_is_seen() {
    static SIGNAL: Signal = Signal::new();
    for plug in [Plug::PciLine, Plug::Mmio(Version::Two)] {
        let bench = Bench::with(plug, BlockModel::patterned(8), |_| {});
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &SIGNAL);
        bench.disk.set_completion(Completion::Held);
        for sector in 0..4 {
            let mut tasks = Tasks::new();
            let request = blk.submit_read(sector, blk.allocate_buffer(512).unwrap());
            tasks.spawn(request.unwrap());
            let (disk, handle) = (bench.disk.clone(), blk.interrupt().unwrap());
            bench.clock.after(Duration::ZERO, move || {
                assert!(disk.release_one());
                assert!(!SIGNAL.on_interrupt(&handle).is_empty());
            });
            let (_, completion) = tasks.run().pop().expect("the answer is not slept through");
            let buffer = completion.unwrap().buffer.unwrap();
            assert_eq!(buffer.as_slice(), patterned(sector, 512));
        }
    }
}

#[test]
fn room_is_told_of_when_the_answer_is_taken_not_when_its_future_is_dropped() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<2>::new();
        let blk = drive(&bench, &mut storage, &signal);
        bench.disk.set_completion(Completion::Held);
        let read = |sector| blk.submit_read(sector, blk.allocate_buffer(512).unwrap());
        let mut first = read(1).unwrap();
        let second = read(2).unwrap();
        let mut waits = Tasks::new();
        waits.spawn(blk.read(3, blk.allocate_buffer(512).unwrap()));
        assert!(waits.run().is_empty());
        let mut tasks = Tasks::new();
        tasks.spawn(&mut first);
        let mut leader = Tasks::new();
        leader.spawn(second);
        assert!(tasks.run().is_empty() && leader.run().is_empty());
        // The answer is for a request that does not lead, and whose future stays when it is done.
        assert!(bench.disk.release_one());
        deliver(&bench.disk, &blk, &signal);
        assert!(leader.run().is_empty());
        assert_eq!(tasks.run().len(), 1);
        assert!(waits.run().is_empty());
        assert_eq!(blk.counts().requests, 3, "there is room");
        bench.disk.release_all();
        deliver(&bench.disk, &blk, &signal);
        let (_, outcome) = waits.run().pop().unwrap();
        assert_eq!(outcome.unwrap().as_slice(), patterned(3, 512));
        assert_eq!(leader.run().len(), 1);
    }
}

type EagerTask = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    /// The tasks of an executor that polls within the wake-up; a task that is being polled is out.
    static EAGER: RefCell<Vec<Option<EagerTask>>> = const { RefCell::new(Vec::new()) };
}

/// Polls its task when it is woken, at once.
struct Eager(usize);

impl Wake for Eager {
    fn wake(self: Arc<Self>) {
        let task = EAGER.with_borrow_mut(|tasks| tasks[self.0].take());
        let Some(mut task) = task else { return };
        let number = self.0;
        let waker = Waker::from(self);
        let polled = task.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_pending() {
            EAGER.with_borrow_mut(|tasks| tasks[number] = Some(task));
        }
    }
}

fn spawn_eager(future: impl Future<Output = ()> + 'static) {
    let number = EAGER.with_borrow_mut(|tasks| {
        tasks.push(Some(Box::pin(future)));
        tasks.len() - 1
    });
    Waker::from(Arc::new(Eager(number))).wake();
}

fn eager_tasks() -> usize {
    EAGER.with_borrow(|tasks| tasks.iter().flatten().count())
}

#[test]
fn a_waker_may_poll_its_task_before_it_returns() {
    static SIGNAL: Signal = Signal::new();
    let bench = Bench::new(BlockModel::patterned(64));
    // The tasks are in a place that lives for ever, and so is the driver.
    bench.pool.allow_leaks();
    let storage = Box::leak(Box::new(Storage::<3>::new()));
    let blk: &AsyncDriver<'_> = Box::leak(Box::new(drive(&bench, storage, &SIGNAL)));
    bench.disk.set_completion(Completion::Held);
    // Some wait for room, and some are woken by others in the middle of those being woken.
    for sector in 0..9 {
        spawn_eager(async move {
            for _ in 0..5 {
                let buffer = blk.read(sector, blk.allocate_buffer(512).unwrap());
                assert_eq!(buffer.await.unwrap().as_slice(), patterned(sector, 512));
            }
        });
    }
    for _ in 0..100 {
        bench.disk.release_all();
        deliver(&bench.disk, blk, &SIGNAL);
    }
    assert_eq!(eager_tasks(), 0);
    assert_eq!(blk.counts().requests, 45);

    // In the middle of a recovery too, and these submit again at once.
    for _ in 0..3 {
        spawn_eager(async {
            let error = blk.flush().await.unwrap_err();
            assert_eq!(error, Error::Request(RequestError::Aborted));
            blk.flush().await.unwrap_err();
        });
    }
    assert_eq!(eager_tasks(), 3);
    blk.recover(drop).unwrap();
    assert_eq!(eager_tasks(), 0);
    assert_eq!((blk.in_flight(), blk.idle_slots()), (0, 3));
}

#[test]
fn a_waker_may_poll_its_task_in_the_middle_of_a_queues_reset() {
    static SIGNAL: Signal = Signal::new();
    let mut bench = Bench::with(Version::Two, BlockModel::patterned(64), |behaviour| {
        behaviour.offer = Features::RING_RESET.bits();
        behaviour.queue_reset_reads = Some(3);
        behaviour.completion = Completion::Held;
    });
    bench.options.features |= Features::RING_RESET;
    bench.pool.allow_leaks();
    let storage = Box::leak(Box::new(Storage::<2>::new()));
    let blk: &AsyncDriver<'_> = Box::leak(Box::new(drive(&bench, storage, &SIGNAL)));
    // Two are in flight, whose tasks submit again at once, and two wait for their room.
    for task in 0..4 {
        spawn_eager(async move {
            let first = blk.flush().await;
            if task < 2 {
                assert_eq!(first, Err(Error::Request(RequestError::Aborted)));
                blk.flush().await.unwrap_err();
            } else {
                first.unwrap();
            }
        });
    }
    assert_eq!(eager_tasks(), 4);
    blk.reset_queue(drop).unwrap();
    assert_eq!((eager_tasks(), blk.in_flight()), (2, 2));
    bench.disk.release_all();
    deliver(&bench.disk, blk, &SIGNAL);
    assert_eq!((eager_tasks(), blk.idle_slots()), (0, 2));
}
