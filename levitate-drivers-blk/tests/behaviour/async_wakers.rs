//! Wakers that are let go: nobody keeps one of a task that has nothing more to wait for.
//!
//! [`Tasks`](crate::tasks::Tasks) checks that of every task that is done or dropped, in all tests; here are the others.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use levitate_drivers_blk::Signal;
use levitate_host::{BlockModel, Completion, Task};

use crate::bench::{Storage, every_variant};
use crate::tasks::{drive, hold, read};

/// Is never woken, but counted.
struct Bell;

impl Wake for Bell {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_task_that_polls_in_place_of_another_has_its_waker_kept_and_not_the_others() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<1>::new();
        let blk = drive(&bench, &mut storage, &signal);
        bench.disk.set_completion(Completion::Held);
        // One that waits for an answer, and one that waits for room.
        for sector in 0..2 {
            let future = RefCell::new(Box::pin(read(&blk, sector)));
            let poll = || poll_fn(|context| future.borrow_mut().as_mut().poll(context));
            let first = Task::waiting(poll());
            assert_ne!(first.held_wakers(), 0);
            let second = Task::waiting(poll());
            assert_eq!(first.held_wakers(), 0);
            assert_ne!(second.held_wakers(), 0);
        }
    }
}

#[test]
fn a_reset_keeps_no_waker_of_those_it_ends() {
    for bench in every_variant(|| BlockModel::patterned(16)) {
        let signal = Signal::new();
        let mut storage = Storage::<16>::new();
        let blk = drive(&bench, &mut storage, &signal);
        // More than are woken in one go.
        let mut tasks = hold(&bench, &blk, 12);
        blk.recover(|_| ()).unwrap();
        assert!((0..12).all(|task| tasks.held_wakers(task) == 0));
        assert_eq!(tasks.run().len(), 12);
    }
}

#[test]
fn a_future_that_is_forgotten_has_its_waker_let_go_with_its_request() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<2>::new();
        let blk = drive(&bench, &mut storage, &signal);
        bench.disk.set_completion(Completion::Held);
        let bell = Arc::new(Bell);
        let waker = Waker::from(bell.clone());
        for sector in 0..2 {
            let buffer = blk.allocate_buffer(512).unwrap();
            let mut request = ManuallyDrop::new(blk.submit_read(sector, buffer).unwrap());
            let polled = Pin::new(&mut *request).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        drop(waker);
        let mut blk = blk.into_inner();
        assert_eq!(Arc::strong_count(&bell), 3, "one for each request");
        bench.disk.release_one();
        assert!(blk.poll().unwrap().is_some());
        assert_eq!(Arc::strong_count(&bell), 2);
        drop(blk);
        assert_eq!(Arc::strong_count(&bell), 1);
    }
}
