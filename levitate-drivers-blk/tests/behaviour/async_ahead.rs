//! Answers that are taken as soon as somebody asks for them, ahead of a look at all there is: nobody else is the worse for it.

use levitate_drivers_blk::{AsyncBlk, Signal};
use levitate_host::{BlockModel, Completion, Plug, Version};

use crate::bench::{Storage, every_variant, patterned, variants_out_of_order_of};
use crate::tasks::{Tasks, deliver, drive, hold, submit};

#[test]
fn who_is_not_the_one_that_looks_for_all_may_take_an_answer_before_that_one_looks() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        // The last one looks for all.
        let mut tasks = hold(&bench, &blk, 3);
        assert!(bench.disk.release_one());
        assert!(bench.disk.release_one());
        let taken = tasks.poll(0);
        assert!(taken.is_ready(), "its interrupt need not come before");
        assert_eq!(tasks.held_wakers(0), 0);
        assert!(deliver(&bench.disk, &blk, &signal) >= 1);
        assert_eq!(tasks.wakes(2), 1);
        let (task, outcome) = tasks.run().pop().expect("the other answer is seen");
        assert_eq!(
            (task, outcome.unwrap().as_slice()),
            (1, &patterned(1, 512)[..])
        );
        assert_eq!((tasks.wakes(0), tasks.wakes(1)), (0, 1));
        assert!(bench.disk.release_one());
        deliver(&bench.disk, &blk, &signal);
        assert_eq!(tasks.run().len(), 1);
        assert_eq!((blk.in_flight(), tasks.alive()), (0, 0));
    }
}

#[test]
fn behind_the_answer_of_the_one_that_looks_for_all_the_others_are_seen_by_the_same_interrupt() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut tasks = submit(&bench, &blk, 4);
        // The first one looks for all.
        for task in (0..4).rev() {
            assert!(tasks.poll(task).is_pending());
        }
        assert_eq!(bench.disk.release_all(), 4);
        assert!(deliver(&bench.disk, &blk, &signal) >= 1);
        assert_eq!(tasks.wakes(0), 1);
        assert_eq!(tasks.run().len(), 4);
        assert!((0..4).all(|task| (tasks.wakes(task), tasks.polls(task)) == (1, 2)));
        assert_eq!(blk.counts().idle_polls, 0);
    }
}

#[test]
fn the_first_poll_tells_the_device_of_the_others_although_its_answer_is_there() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        bench.disk.set_completion(Completion::Held);
        let read = |sector| blk.submit_read(sector, blk.allocate_buffer(512).unwrap());
        let mut tasks = Tasks::new();
        tasks.spawn(read(0).unwrap());
        assert!(blk.notify());
        assert!(bench.disk.release_one());
        let other = read(1).unwrap();
        assert_eq!(tasks.run().len(), 1);
        assert_eq!(bench.notifications(), 2);
        assert!(bench.disk.release_one(), "the device knows of it");
        tasks.spawn(other);
        assert_eq!(tasks.run().len(), 1);
    }
}

#[test]
fn who_takes_an_answer_ahead_leaves_the_rest_to_the_one_that_looks_for_all() {
    // Of a legacy device all is collected, for its lengths mean nothing.
    let plugs = [Plug::Mmio(Version::Two), Plug::PciMsix];
    for bench in variants_out_of_order_of(&plugs, || BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut tasks = submit(&bench, &blk, 2);
        assert!(tasks.poll(1).is_pending());
        assert_eq!(bench.disk.release_all(), 2);
        assert!(tasks.poll(0).is_ready(), "it is there at the first look");
        assert_eq!(tasks.wakes(1), 0, "nobody has looked for the other");
        assert!(deliver(&bench.disk, &blk, &signal) >= 1);
        assert_eq!((tasks.wakes(1), tasks.run().len()), (1, 1));
    }
}

#[test]
fn what_nobody_waits_for_any_more_is_let_go_whoever_comes_behind_it() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let nothing = bench.pool.live();
        let mut tasks = hold(&bench, &blk, 3);
        tasks.cancel(0);
        tasks.cancel(1);
        assert_eq!(bench.disk.release_all(), 3);
        assert!(tasks.poll(2).is_ready());
        assert_eq!((blk.in_flight(), blk.idle_slots()), (0, 4));
        assert_eq!(bench.pool.live(), nothing);
    }
}

#[test]
fn who_never_waited_tells_of_the_room_that_its_answer_leaves() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<2>::new();
        let blk = drive(&bench, &mut storage, &signal);
        bench.disk.set_completion(Completion::Held);
        let read = |sector| blk.submit_read(sector, blk.allocate_buffer(512).unwrap());
        let (first, second) = (read(0).unwrap(), read(1).unwrap());
        let mut tasks = Tasks::new();
        tasks.spawn(blk.read(2, blk.allocate_buffer(512).unwrap()));
        assert!(tasks.run().is_empty(), "there is no room");
        assert!(bench.disk.release_one());
        let mut others = Tasks::new();
        others.spawn(first);
        assert!(others.poll(0).is_ready());
        assert_eq!(tasks.wakes(0), 1);
        assert!(tasks.run().is_empty());
        assert_eq!(blk.counts().requests, 3, "it was submitted");
        others.spawn(second);
        bench.disk.release_all();
        deliver(&bench.disk, &blk, &signal);
        assert_eq!((others.run().len(), tasks.run().len()), (1, 1));
    }
}

#[test]
fn what_nobody_waits_for_any_more_leaves_no_slot_taken_behind_the_last_answer() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let nothing = bench.pool.live();
        let mut tasks = submit(&bench, &blk, 3);
        let read = |sector| blk.submit_read(sector, blk.allocate_buffer(512).unwrap());
        drop(read(3).unwrap());
        assert!(blk.notify());
        assert_eq!(bench.disk.release_all(), 4);
        assert_eq!(tasks.run().len(), 3);
        assert_eq!((blk.in_flight(), blk.idle_slots()), (0, 4));
        assert_eq!(bench.pool.live(), nothing);
        let again: Vec<_> = (0..4).map(read).collect();
        assert!(again.iter().all(Result::is_ok), "all slots are there again");
        drop(again);
        blk.notify();
        bench.disk.release_all();
    }
}

#[test]
fn what_nobody_waits_for_any_more_is_let_go_also_by_a_second_driver_for_tasks() {
    let plugs = [Plug::Mmio(Version::Two), Plug::PciMsix];
    for bench in variants_out_of_order_of(&plugs, || BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        bench.disk.set_completion(Completion::Held);
        drop(
            blk.submit_read(3, blk.allocate_buffer(512).unwrap())
                .unwrap(),
        );
        assert!(blk.notify());
        let blk = AsyncBlk::new(blk.into_inner(), &signal);
        let mut tasks = submit(&bench, &blk, 1);
        assert!(blk.notify());
        // The first one's answer comes behind the other's.
        assert!(bench.disk.release_at(1));
        assert!(bench.disk.release_one());
        assert_eq!(tasks.run().len(), 1);
        assert_eq!((blk.in_flight(), blk.idle_slots()), (0, 4));
    }
}
