//! Tasks that wait for room, more than there are slots by far: each has its turn, in order, and nobody is woken for nothing.

use levitate_drivers_blk::{Error, Signal, SubmitError, Unmap};
use levitate_host::block::EraseLimits;
use levitate_host::{BlockModel, Completion};

use crate::bench::{Bench, Storage, every_variant, patterned};
use crate::tasks::{AsyncDriver, Outcome, Tasks, deliver, drive, read};

/// Tasks that wait while `SLOTS` requests are in flight.
const WAITING: u64 = 64;
const SLOTS: u64 = 4;

/// Starts a read of each of the sectors, as many as there are slots and `WAITING` more, with the answers held back.
fn crowd<'f>(bench: &Bench, blk: &'f AsyncDriver<'_>) -> Tasks<'f, Outcome> {
    bench.disk.set_completion(Completion::Held);
    let mut tasks = Tasks::new();
    for sector in 0..SLOTS + WAITING {
        tasks.spawn(read(blk, sector));
    }
    assert!(tasks.run().is_empty());
    tasks
}

/// Gives one answer at a time, until no task is left; returns the tasks in the order of their ends.
fn serve(
    bench: &Bench,
    blk: &AsyncDriver<'_>,
    signal: &Signal,
    tasks: &mut Tasks<'_, Outcome>,
) -> Vec<usize> {
    let mut order = Vec::new();
    for _ in 0..SLOTS + WAITING {
        bench.disk.release_one();
        deliver(&bench.disk, blk, signal);
        for (task, outcome) in tasks.run() {
            assert_eq!(outcome.unwrap().as_slice(), patterned(task as u64, 512));
            order.push(task);
        }
    }
    assert_eq!(tasks.alive(), 0);
    order
}

#[test]
fn each_of_many_has_its_turn_in_order_and_is_woken_for_it_once() {
    for bench in every_variant(|| BlockModel::patterned(128)) {
        let signal = Signal::new();
        let mut storage = Storage::<{ SLOTS as usize }>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut tasks = crowd(&bench, &blk);
        let all = (SLOTS + WAITING) as usize;
        assert_eq!(
            serve(&bench, &blk, &signal, &mut tasks),
            (0..all).collect::<Vec<_>>()
        );
        let requests = bench.take_requests();
        assert!(
            requests
                .iter()
                .map(|request| request.sector)
                .eq(0..all as u64)
        );
        let polls: usize = (0..all).map(|task| tasks.polls(task)).sum();
        let wakes: usize = (0..all).map(|task| tasks.wakes(task)).sum();
        // One to begin with, and one for each wake-up.
        assert_eq!(polls, all + wakes);
        // A turn, an answer, and an interrupt of another's answer for whoever leads.
        let idle_polls = blk.counts().idle_polls as usize;
        assert_eq!(wakes, WAITING as usize + all + idle_polls);
        assert!(idle_polls < all, "{idle_polls}");
    }
}

#[test]
fn those_who_leave_the_line_are_passed_over() {
    for bench in every_variant(|| BlockModel::patterned(128)) {
        let signal = Signal::new();
        let mut storage = Storage::<{ SLOTS as usize }>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let live = bench.pool.live();
        let mut tasks = crowd(&bench, &blk);
        let all = (SLOTS + WAITING) as usize;
        // The first in line, the last, one after the other, and one that leads.
        let leaves = |task: &usize| *task == 4 || *task == all - 1 || (20..30).contains(task);
        (0..all).filter(leaves).for_each(|task| tasks.cancel(task));
        // One that has been called: its turn is the next one's.
        bench.disk.release_one();
        deliver(&bench.disk, &blk, &signal);
        while tasks.is_alive(0) {
            tasks.poll_if_woken(all - 2);
            tasks.poll_if_woken(0);
        }
        assert_eq!((tasks.wakes(5), tasks.wakes(6)), (1, 0));
        tasks.cancel(5);
        assert_eq!(tasks.wakes(6), 1);
        let expected: Vec<_> = (1..all)
            .filter(|task| *task != 5 && !leaves(task))
            .collect();
        assert_eq!(serve(&bench, &blk, &signal, &mut tasks), expected);
        drop(tasks);
        assert_eq!(bench.pool.live(), live);
        assert_eq!(blk.idle_slots(), 4);
    }
}

#[test]
fn a_turn_is_not_taken_by_whoever_comes_along() {
    for bench in every_variant(|| BlockModel::patterned(128)) {
        let signal = Signal::new();
        let mut storage = Storage::<{ SLOTS as usize }>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut tasks = crowd(&bench, &blk);
        bench.disk.release_one();
        deliver(&bench.disk, &blk, &signal);
        // Task 0 has taken its answer, and task 4 is called, and has not looked yet.
        while tasks.is_alive(0) {
            tasks.poll_if_woken((SLOTS + WAITING) as usize - 1);
            tasks.poll_if_woken(0);
        }
        assert_eq!((blk.in_flight(), blk.idle_slots()), (3, 0));
        let buffer = blk.allocate_buffer(512).unwrap();
        let refused = blk.submit_read(100, buffer).unwrap_err();
        assert_eq!(refused.error, SubmitError::SetAside { idle_slots: 1 });
        let refused = blk.submit_flush().unwrap_err();
        assert_eq!(refused, SubmitError::SetAside { idle_slots: 1 });
        let newcomer = tasks.spawn(read(&blk, 100));
        assert!(tasks.poll(newcomer).is_pending());
        assert_eq!(blk.in_flight(), 3);
        assert!(tasks.poll(4).is_pending());
        assert_eq!(blk.in_flight(), 4);
        let full = levitate_virtio::SubmitError::Full {
            slots: 4,
            free: 0,
            needed: 1,
        };
        let refused = blk.submit_flush().unwrap_err();
        assert_eq!(refused, SubmitError::Queue(full));
        tasks.cancel(newcomer);
        serve(&bench, &blk, &signal, &mut tasks);
    }
}

#[test]
fn a_turn_that_is_of_no_use_is_the_next_ones() {
    for bench in every_variant(|| BlockModel::patterned(128)) {
        let signal = Signal::new();
        let mut storage = Storage::<{ SLOTS as usize }>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut tasks = crowd(&bench, &blk);
        bench.disk.change_config(|disk| disk.set_capacity(6));
        deliver(&bench.disk, &blk, &signal);
        assert!(tasks.run().is_empty());
        blk.process_config_change().unwrap();
        // Two are in range still; the first of the others passes its turn on, and so does each after it.
        bench.disk.release_all();
        deliver(&bench.disk, &blk, &signal);
        assert_eq!(tasks.run().len(), 4 + 62);
        assert_eq!((tasks.alive(), blk.in_flight()), (2, 2));
        bench.disk.release_all();
        deliver(&bench.disk, &blk, &signal);
        for (task, outcome) in tasks.run() {
            assert_eq!(outcome.unwrap().as_slice(), patterned(task as u64, 512));
        }
        assert_eq!((tasks.alive(), blk.idle_slots()), (0, 4));
    }
}

#[test]
fn those_who_need_the_drivers_own_buffer_hold_up_nobody_else() {
    let limits = EraseLimits {
        max_sectors: 8,
        max_segments: 1,
        alignment_sectors: 1,
    };
    for bench in every_variant(|| BlockModel::patterned(128).id("disk-7").write_zeroes(limits)) {
        let signal = Signal::new();
        let mut storage = Storage::<2>::new();
        let blk = drive(&bench, &mut storage, &signal);
        bench.disk.set_completion(Completion::Held);
        let mut own = Tasks::new();
        for _ in 0..3 {
            own.spawn(async {
                assert_eq!(blk.id().await?.as_str(), Ok("disk-7"));
                Ok::<_, Error>(())
            });
        }
        let zeroing = own.spawn(blk.write_zeroes(0, 24, Unmap::Forbidden));
        assert!(own.run().is_empty());
        let mut reads = Tasks::new();
        for sector in 64..70 {
            reads.spawn(read(&blk, sector));
        }
        // One ID and one read at a time, and never two of the driver's own.
        let (mut answered, mut ended) = (0, Vec::new());
        while own.alive() + reads.alive() != 0 {
            assert!(reads.run().into_iter().all(|(_, outcome)| outcome.is_ok()));
            for (task, outcome) in own.run() {
                outcome.unwrap();
                ended.push(task);
            }
            let waiting = bench.disk.waiting().len();
            assert!(waiting <= 2);
            assert!(answered < 12 || waiting == 0, "{answered}");
            answered += usize::from(bench.disk.release_one());
            deliver(&bench.disk, &blk, &signal);
        }
        assert_eq!(ended, [0, 1, 2, zeroing]);
        assert_eq!(answered, 3 + 3 + 6);
    }
}
