//! What holds in every order of steps, and that each barrier is needed for it.

use loom::sync::atomic::Ordering;

use super::driver::{Driver, ModelSlot, SLOTS};
use super::{Agreed, explore};

/// The barriers of the driver, by the fences that `levitate_hal::Barriers` makes of them between CPUs.
const BEFORE_PUBLISH: Ordering = Ordering::Release;
const BEFORE_SUPPRESSION_READ: Ordering = Ordering::SeqCst;
const AFTER_USED_INDEX_READ: Ordering = Ordering::Acquire;

/// Forced switches between the threads in the longer models; the others are explored without a bound.
const PUBLISH_TWO_SWITCHES: Option<usize> = Some(4);
const ROUND_TRIP_SWITCHES: Option<usize> = Some(2);

/// The driver publishes requests while the device falls asleep: it must come to see all of them.
///
/// Of the suppression reads, only that of `needs_notification` is in it.
fn publish<const REQUESTS: u16>(agreed: Agreed) {
    let mut slots = slots();
    let mut driver = Driver::new(&mut slots, agreed);
    let device = driver.device();
    let device = loom::thread::spawn(move || device.run(REQUESTS, false));
    for _ in 0..REQUESTS {
        driver.submit();
    }
    device.join().unwrap();
    driver.release();
}

/// The device answers two requests while the driver, which polled before, falls asleep: it must come to see both.
///
/// The requests are there before the device is, so of the suppression reads, only that of `request_used_notification` counts.
fn complete(agreed: Agreed) {
    complete_after(agreed, |_| {});
}

/// As [`complete`]; the driver asks to be woken when both are done.
fn complete_together(agreed: Agreed) {
    complete_after(agreed, |driver| driver.queue.await_together(2));
}

fn complete_after(agreed: Agreed, prepare: fn(&mut Driver<'_>)) {
    let mut slots = slots();
    let mut driver = Driver::new(&mut slots, agreed);
    prepare(&mut driver);
    driver.submit();
    driver.submit();
    let device = driver.device();
    let device = loom::thread::spawn(move || device.run(2, true));
    driver.poll();
    driver.queue.set_used_notifications(true);
    loop {
        driver.collect();
        if driver.done == 2 {
            break;
        }
        driver.sleep();
    }
    device.join().unwrap();
    driver.release();
}

/// As [`complete`]; the driver takes the answers one by one, and collects them only before it sleeps.
fn complete_one_by_one(agreed: Agreed) {
    let mut slots = slots();
    let mut driver = Driver::new(&mut slots, agreed);
    driver.queue.set_used_notifications(true);
    driver.submit();
    driver.submit();
    let device = driver.device();
    let device = loom::thread::spawn(move || device.run(2, true));
    loop {
        driver.take_next();
        if driver.done == 2 {
            break;
        }
        driver.collect();
        if driver.done == 2 {
            break;
        }
        driver.sleep();
    }
    device.join().unwrap();
    driver.release();
}

/// Three requests go through a queue of two, and both sides fall asleep in between.
///
/// The third one has a slot whose chain is laid out already, and is where a packed ring begins anew.
fn round_trip(agreed: Agreed) {
    let mut slots = slots();
    let mut driver = Driver::new(&mut slots, agreed);
    driver.queue.set_used_notifications(true);
    let device = driver.device();
    let device = loom::thread::spawn(move || device.run(3, true));
    driver.submit();
    driver.submit();
    loop {
        driver.poll();
        if driver.done == 3 {
            break;
        }
        if driver.submitted == 2 && driver.queue.idle_slots() > 0 {
            driver.submit();
        }
        driver.sleep();
    }
    device.join().unwrap();
    driver.release();
}

fn slots() -> [ModelSlot; SLOTS as usize] {
    [const { ModelSlot::new() }; SLOTS as usize]
}

/// Has a model hold whatever was agreed on.
#[track_caller]
fn holds(model: fn(Agreed), cases: impl Iterator<Item = Agreed>, preemptions: Option<usize>) {
    for agreed in cases {
        assert_eq!(
            explore(model, agreed, None, preemptions),
            Ok(()),
            "{agreed:?}"
        );
    }
}

/// Has a model go wrong without one kind of barrier, whatever was agreed on, and the report say how.
#[track_caller]
fn goes_wrong(
    model: fn(Agreed),
    cases: impl Iterator<Item = Agreed>,
    left_out: Ordering,
    how: &str,
) {
    for agreed in cases {
        let found = explore(model, agreed, Some(left_out), None).unwrap_err();
        assert!(found.contains(how), "{agreed:?}: {found}");
    }
}

/// All that may be agreed on.
fn cases() -> impl Iterator<Item = Agreed> {
    (0..16).map(|bits| Agreed {
        is_packed: bits & 1 != 0,
        is_indirect: bits & 2 != 0,
        has_event_index: bits & 4 != 0,
        is_in_order: bits & 8 != 0,
    })
}

/// All that makes a difference before anything is used.
fn unanswered() -> impl Iterator<Item = Agreed> {
    cases().filter(|agreed| !agreed.is_in_order)
}

#[test]
fn a_published_request_is_whole_and_is_seen_or_notified() {
    holds(publish::<1>, unanswered(), None);
}

#[test]
fn so_are_two_that_are_published_one_after_the_other() {
    holds(publish::<2>, unanswered(), PUBLISH_TWO_SWITCHES);
}

#[test]
fn an_answer_is_whole_and_is_seen_or_notified_when_wanted() {
    holds(complete, cases(), None);
}

#[test]
fn answers_that_are_awaited_together_are_seen_or_notified() {
    let cases = cases().filter(|agreed| agreed.has_event_index);
    holds(complete_together, cases, None);
}

#[test]
fn answers_that_are_taken_before_they_are_collected_leave_the_others_seen_or_notified() {
    holds(complete_one_by_one, cases(), None);
}

#[test]
fn nothing_is_lost_or_stale_in_a_split_ring_when_both_sides_fall_asleep() {
    let cases = cases().filter(|agreed| !agreed.is_packed);
    holds(round_trip, cases, ROUND_TRIP_SWITCHES);
}

#[test]
fn nothing_is_lost_or_stale_in_a_packed_ring_when_both_sides_fall_asleep() {
    let cases = cases().filter(|agreed| agreed.is_packed);
    holds(round_trip, cases, ROUND_TRIP_SWITCHES);
}

#[test]
fn without_the_barrier_before_publishing_the_device_reads_stale_memory() {
    goes_wrong(publish::<1>, unanswered(), BEFORE_PUBLISH, "stale");
}

#[test]
fn without_the_barrier_before_the_devices_wish_is_read_a_request_is_never_seen() {
    // The first request is where the event index is from the beginning: it is notified in any case.
    let how = "deadlock";
    goes_wrong(publish::<2>, unanswered(), BEFORE_SUPPRESSION_READ, how);
}

#[test]
fn without_the_barrier_after_the_drivers_wish_is_written_an_answer_is_never_seen() {
    goes_wrong(complete, cases(), BEFORE_SUPPRESSION_READ, "deadlock");
}

#[test]
fn without_the_barrier_after_the_used_index_is_read_the_driver_reads_stale_memory() {
    goes_wrong(complete, cases(), AFTER_USED_INDEX_READ, "stale");
    goes_wrong(complete_one_by_one, cases(), AFTER_USED_INDEX_READ, "stale");
}
