//! Futures that are dropped, at every stage: nothing dangles, nothing leaks, and nobody else waits for ever.

use levitate_drivers_blk::Signal;
use levitate_host::{BlockModel, Completion};

use crate::bench::{Storage, every_variant, patterned};
use crate::tasks::{Tasks, deliver, drive, hold, read};

#[test]
fn a_call_that_is_dropped_before_it_is_polled_has_done_nothing() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        drop(blk.write(0, blk.allocate_buffer(512).unwrap()));
        drop(blk.flush());
        assert_eq!((blk.in_flight(), blk.counts().requests), (0, 0));
        assert_eq!(bench.take_requests().len(), 0);
    }
}

#[test]
fn a_submitted_request_that_is_dropped_unpolled_is_carried_out_with_the_next() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let live = bench.pool.live();
        let buffer = blk.allocate_buffer(512).unwrap();
        drop(blk.submit_write(3, buffer).unwrap());
        assert_eq!(blk.in_flight(), 1);
        assert_eq!(bench.notifications(), 0);
        let mut tasks = Tasks::new();
        tasks.spawn(read(&blk, 3));
        let (_, outcome) = tasks.run().pop().unwrap();
        assert_eq!(outcome.unwrap().as_slice(), [0; 512]);
        assert_eq!(bench.notifications(), 1);
        assert_eq!((blk.in_flight(), blk.idle_slots()), (0, 4));
        assert_eq!(bench.pool.live(), live);
    }
}

#[test]
fn what_a_dropped_future_left_is_freed_when_the_device_gives_it_back_and_not_before() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        bench.disk.set_completion(Completion::Held);
        let nothing = bench.pool.live();
        let mut tasks = Tasks::new();
        let dropped = tasks.spawn(read(&blk, 1));
        assert!(tasks.run().is_empty());
        let one = bench.pool.live();
        assert_ne!(one, nothing);
        tasks.cancel(dropped);
        assert_eq!(bench.pool.live(), one, "it is the device's");
        assert_eq!((blk.in_flight(), blk.idle_slots()), (1, 3));

        // The device writes to the buffer now, which is still there: the pool would see a stray access.
        assert!(bench.disk.release_one());
        deliver(&bench.disk, &blk, &signal);
        assert_eq!(tasks.wakes(dropped), 0, "nobody waits");
        let next = tasks.spawn(read(&blk, 2));
        assert!(tasks.run().is_empty());
        assert_eq!(blk.idle_slots(), 3, "whoever looks next clears up");
        assert!(bench.disk.release_one());
        deliver(&bench.disk, &blk, &signal);
        let (task, outcome) = tasks.run().pop().unwrap();
        assert_eq!(task, next);
        assert_eq!(outcome.unwrap().as_slice(), patterned(2, 512));
        assert_eq!(bench.pool.live(), nothing);
    }
}

#[test]
fn a_dropped_leader_leaves_the_lead_to_another() {
    for bench in every_variant(|| BlockModel::patterned(16)) {
        let signal = Signal::new();
        let mut storage = Storage::<8>::new();
        let blk = drive(&bench, &mut storage, &signal);
        // The last that was polled leads; it is dropped before or after it is woken.
        for is_woken in [false, true] {
            let mut tasks = hold(&bench, &blk, 4);
            if is_woken {
                bench.disk.release_one();
                deliver(&bench.disk, &blk, &signal);
                assert_eq!(tasks.wakes(3), 1);
            }
            tasks.cancel(3);
            if !is_woken {
                assert!((0..3).all(|task| tasks.wakes(task) == 0));
            }
            bench.disk.release_all();
            deliver(&bench.disk, &blk, &signal);
            assert_eq!(tasks.run().len(), 3);
            assert_eq!(blk.in_flight(), 0);
        }
    }
}

#[test]
fn a_task_that_is_dropped_with_its_answer_ready_gives_back_what_it_has() {
    for bench in every_variant(|| BlockModel::patterned(16)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let nothing = bench.pool.live();
        let mut tasks = hold(&bench, &blk, 4);
        let waits = tasks.spawn(read(&blk, 9));
        assert!(tasks.run().is_empty());
        assert_eq!(blk.counts().requests, 4, "there is no room for the fifth");
        bench.disk.release_all();
        deliver(&bench.disk, &blk, &signal);
        for task in 0..4 {
            tasks.cancel(task);
        }
        // Whose room the one that waits was told of.
        assert!(tasks.run().is_empty());
        assert_eq!(blk.counts().requests, 5);
        bench.disk.release_all();
        deliver(&bench.disk, &blk, &signal);
        let (task, outcome) = tasks.run().pop().unwrap();
        assert_eq!(task, waits);
        assert_eq!(outcome.unwrap().as_slice(), patterned(9, 512));
        assert_eq!(bench.pool.live(), nothing);
    }
}

#[test]
fn who_waits_for_room_may_be_dropped_too() {
    for bench in every_variant(|| BlockModel::patterned(32)) {
        let signal = Signal::new();
        let mut storage = Storage::<1>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut tasks = hold(&bench, &blk, 5);
        // One that waits, and leads; and one that has been told of room.
        tasks.cancel(4);
        bench.disk.release_one();
        deliver(&bench.disk, &blk, &signal);
        assert_eq!(tasks.poll_if_woken(0).is_some(), tasks.wakes(0) == 1);
        tasks.cancel(1);
        for _ in 0..4 {
            drop(tasks.run());
            bench.disk.release_all();
            deliver(&bench.disk, &blk, &signal);
        }
        assert_eq!(tasks.alive(), 0);
        assert_eq!(blk.counts().requests, 3);
    }
}

#[test]
fn the_drivers_own_buffer_comes_back_from_a_dropped_call() {
    for bench in every_variant(|| BlockModel::patterned(8).id("disk-7")) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        bench.disk.set_completion(Completion::Held);
        let mut tasks = Tasks::new();
        let dropped = tasks.spawn(blk.id());
        let waits = tasks.spawn(blk.id());
        assert!(tasks.run().is_empty());
        tasks.cancel(dropped);
        assert_eq!(blk.counts().requests, 1);
        for _ in 0..2 {
            assert_eq!(bench.disk.release_all(), 1);
            deliver(&bench.disk, &blk, &signal);
            if let Some((task, id)) = tasks.run().pop() {
                assert_eq!(task, waits);
                assert_eq!(id.unwrap().as_str(), Ok("disk-7"));
            }
        }
        assert_eq!(tasks.alive(), 0);
        drop(tasks);

        // A call that is dropped leaves a blocking one nothing to trip over.
        let mut tasks = Tasks::new();
        let dropped = tasks.spawn(blk.id());
        assert!(tasks.run().is_empty());
        tasks.cancel(dropped);
        drop(tasks);
        let mut blk = blk.into_inner();
        bench.disk.set_completion(Completion::Inline);
        bench.disk.release_all();
        assert_eq!(blk.id().unwrap().as_str(), Ok("disk-7"));
    }
}

#[test]
fn a_driver_that_goes_resets_the_device_before_it_frees_what_futures_left() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let tasks = hold(&bench, &blk, 6);
        drop(tasks);
        assert_eq!(blk.in_flight(), 4);
        drop(blk);
        assert_eq!(bench.disk.status(), 0);
    }
}
