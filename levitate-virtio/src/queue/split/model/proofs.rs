//! What holds in every order of steps, and that each barrier is needed for it.

use loom::sync::atomic::Ordering;

use super::{Driver, ModelSlot, explore};

/// The barriers of the driver, by the fences that `levitate_hal::Barriers` makes of them between CPUs.
const BEFORE_PUBLISH: Ordering = Ordering::Release;
const BEFORE_SUPPRESSION_READ: Ordering = Ordering::SeqCst;
const AFTER_USED_INDEX_READ: Ordering = Ordering::Acquire;

/// Without and with VIRTIO_F_EVENT_IDX.
const PUBLISH: [fn(); 2] = [publish::<false>, publish::<true>];
const COMPLETE: [fn(); 2] = [complete::<false>, complete::<true>];
const ROUND_TRIP: [fn(); 2] = [round_trip::<false>, round_trip::<true>];

/// Forced switches between the threads in the longest model; the others are explored without a bound.
const ROUND_TRIP_PREEMPTIONS: usize = 2;

/// The driver publishes two requests while the device falls asleep: it must come to see both.
///
/// Of the suppression reads, only that of `needs_notification` is in it.
fn publish<const EVENT_INDEX: bool>() {
    let mut slots = slots();
    let mut driver = Driver::new(&mut slots, EVENT_INDEX);
    let device = driver.device();
    let device = loom::thread::spawn(move || device.run(2, false));
    driver.submit();
    driver.submit();
    device.join().unwrap();
    driver.release();
}

/// The device answers two requests while the driver, which polled before, falls asleep: it must come to see both.
///
/// The requests are there before the device is, so of the suppression reads, only that of `request_used_notification` counts.
fn complete<const EVENT_INDEX: bool>() {
    let mut slots = slots();
    let mut driver = Driver::new(&mut slots, EVENT_INDEX);
    driver.submit();
    driver.submit();
    let device = driver.device();
    let device = loom::thread::spawn(move || device.run(2, true));
    driver.collect();
    driver.queue.set_used_notifications(true);
    loop {
        driver.collect();
        if driver.done == 2 {
            break;
        }
        driver.interrupt.wait();
    }
    device.join().unwrap();
    driver.release();
}

/// Three requests go through a queue of two, and both sides fall asleep in between.
fn round_trip<const EVENT_INDEX: bool>() {
    let mut slots = slots();
    let mut driver = Driver::new(&mut slots, EVENT_INDEX);
    driver.queue.set_used_notifications(true);
    let device = driver.device();
    let device = loom::thread::spawn(move || device.run(3, true));
    driver.submit();
    driver.submit();
    loop {
        driver.collect();
        if driver.done == 3 {
            break;
        }
        if driver.submitted == 2 && driver.queue.idle_slots() > 0 {
            driver.submit();
        }
        driver.interrupt.wait();
    }
    device.join().unwrap();
    driver.release();
}

fn slots() -> [ModelSlot; 2] {
    [const { ModelSlot::new() }; 2]
}

/// Has each model go wrong without one kind of barrier, and the report say how.
#[track_caller]
fn goes_wrong(models: [fn(); 2], left_out: Ordering, how: &str) {
    for (model, is_by_event_index) in models.into_iter().zip([false, true]) {
        let found = explore(model, Some(left_out), None).unwrap_err();
        assert!(
            found.contains(how),
            "event index {is_by_event_index}: {found}"
        );
    }
}

#[test]
fn a_published_request_is_whole_and_is_seen_or_notified() {
    for model in PUBLISH {
        assert_eq!(explore(model, None, None), Ok(()));
    }
}

#[test]
fn an_answer_is_whole_and_is_seen_or_notified_when_wanted() {
    for model in COMPLETE {
        assert_eq!(explore(model, None, None), Ok(()));
    }
}

#[test]
fn nothing_is_lost_or_stale_when_both_sides_fall_asleep() {
    for model in ROUND_TRIP {
        assert_eq!(explore(model, None, Some(ROUND_TRIP_PREEMPTIONS)), Ok(()));
    }
}

#[test]
fn without_the_barrier_before_publishing_the_device_reads_stale_memory() {
    goes_wrong(PUBLISH, BEFORE_PUBLISH, "stale");
}

#[test]
fn without_the_barrier_before_the_devices_wish_is_read_a_request_is_never_seen() {
    goes_wrong(PUBLISH, BEFORE_SUPPRESSION_READ, "deadlock");
}

#[test]
fn without_the_barrier_after_the_drivers_wish_is_written_an_answer_is_never_seen() {
    goes_wrong(COMPLETE, BEFORE_SUPPRESSION_READ, "deadlock");
}

#[test]
fn without_the_barrier_after_the_used_index_is_read_the_driver_reads_stale_memory() {
    goes_wrong(COMPLETE, AFTER_USED_INDEX_READ, "stale");
}
