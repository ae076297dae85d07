//! What a call of a task costs: notifications, interrupts, wake-ups and polls are exact.

use levitate_drivers_blk::{Counts, Signal};
use levitate_hal::DmaBuffer;
use levitate_host::{BlockModel, Completion, Pool};
use levitate_virtio::Features;

use crate::bench::{Bench, Storage, every_variant, patterned};
use crate::tasks::{Tasks, deliver, drive, read};

#[test]
fn one_request_at_a_time_costs_a_notification_an_interrupt_and_a_wake_up() {
    for bench in every_variant(|| BlockModel::patterned(64)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut buffer = blk.allocate_buffer(1024).unwrap();
        let allocated = bench.pool.allocated_so_far();
        bench.disk.set_completion(Completion::Held);
        for round in 1..=20 {
            let mut tasks = Tasks::new();
            let sector = round as u64 * 3;
            let task = tasks.spawn(blk.read(sector, buffer));
            assert!(tasks.run().is_empty(), "the device has not answered");
            assert_eq!(bench.notifications(), round);
            assert_eq!(bench.disk.interrupts_raised(), round - 1);
            assert!(bench.disk.release_one());
            assert_eq!(deliver(&bench.disk, &blk, &signal), 1);
            assert_eq!((tasks.wakes(task), tasks.polls(task)), (1, 1));
            buffer = tasks.run().pop().unwrap().1.unwrap();
            assert_eq!(buffer.as_slice(), patterned(sector, 1024));
            assert_eq!((tasks.wakes(task), tasks.polls(task)), (1, 2));
            assert_eq!(bench.disk.interrupts_raised(), round);
        }
        assert_eq!(bench.pool.allocated_so_far(), allocated);
        let counts = Counts {
            requests: 20,
            notifications: 20,
            idle_polls: 0,
        };
        assert_eq!(blk.counts(), counts);
    }
}

#[test]
fn an_answer_within_the_notification_takes_one_poll() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut tasks = Tasks::new();
        for sector in 0..4 {
            tasks.spawn(read(&blk, sector));
        }
        for (task, outcome) in tasks.run() {
            assert_eq!(outcome.unwrap().as_slice(), patterned(task as u64, 512));
            assert_eq!((tasks.wakes(task), tasks.polls(task)), (0, 1));
        }
        assert_eq!((tasks.alive(), bench.notifications()), (0, 4));
        // The handler finds nobody to wake.
        deliver(&bench.disk, &blk, &signal);
        assert!(bench.disk.interrupts_raised() <= 4);
    }
}

/// Submits `DEPTH` reads, waits for all of them, and says how many interrupts and wake-ups that took.
fn batch<const DEPTH: usize>(bench: &Bench) -> (usize, usize) {
    let signal = Signal::new();
    let mut storage = Storage::<DEPTH>::new();
    let blk = drive(bench, &mut storage, &signal);
    bench.disk.set_completion(Completion::Held);
    let mut buffers: Vec<DmaBuffer<Pool>> = (0..blk.idle_slots())
        .map(|_| blk.allocate_buffer(512).unwrap())
        .collect();
    let depth = buffers.len();
    let allocated = bench.pool.allocated_so_far();
    let (mut interrupts, mut wakes) = (0, 0);
    for round in 1..=3 {
        let mut tasks = Tasks::new();
        for (sector, buffer) in buffers.drain(..).enumerate() {
            let request = blk.submit_read(sector as u64, buffer).unwrap();
            tasks.spawn(request);
        }
        assert_eq!(bench.notifications(), round - 1, "nothing is awaited yet");
        assert!(tasks.run().is_empty());
        assert_eq!(bench.notifications(), round);
        assert_eq!(bench.disk.release_all(), depth);
        deliver(&bench.disk, &blk, &signal);
        assert_eq!(tasks.wakes(depth - 1), 1, "the last that was polled leads");
        for (task, outcome) in tasks.run() {
            let completion = outcome.unwrap();
            assert_eq!(
                (completion.sector, completion.result),
                (task as u64, Ok(()))
            );
            let buffer = completion.buffer.unwrap();
            assert_eq!(buffer.as_slice(), patterned(task as u64, 512));
            buffers.push(buffer);
            assert_eq!((tasks.wakes(task), tasks.polls(task)), (1, 2), "{task}");
            wakes += 1;
        }
        assert_eq!(buffers.len(), depth);
        interrupts = bench.disk.interrupts_raised();
    }
    assert_eq!(bench.pool.allocated_so_far(), allocated);
    assert_eq!(blk.counts().notifications, 3);
    assert_eq!(blk.counts().idle_polls, 0);
    (interrupts, wakes)
}

#[test]
fn a_batch_costs_one_notification_and_a_wake_up_for_each_task() {
    for bench in every_variant(|| BlockModel::patterned(1024)) {
        let (interrupts, wakes) = batch::<32>(&bench);
        let has_event_index = bench.disk.negotiated() & Features::EVENT_IDX.bits() != 0;
        println!("{wakes} requests, {interrupts} interrupts");
        if has_event_index {
            assert_eq!(interrupts, 3, "one for each batch");
        }
        assert!(interrupts <= wakes);
    }
}

#[test]
fn as_many_requests_as_the_queue_has_room_for_are_one_batch_too() {
    for bench in every_variant(|| BlockModel::patterned(1024)) {
        let (interrupts, wakes) = batch::<1024>(&bench);
        println!("{wakes} requests, {interrupts} interrupts");
        assert!(interrupts <= wakes);
    }
}
