//! When a device answers, and who notifies whom of it.

use std::time::Duration;

use levitate_hal::{Clock, Mmio};
use levitate_host::Completion;
use levitate_host::device::Suppression;

use crate::rig::EVENT_IDX;
use crate::ring::{FLUSH, disk, flush};

#[test]
fn flags_and_events_are_kept_as_negotiated() {
    let mut rig = disk(0);
    let (_buffer, at) = rig.buffer(&FLUSH);
    rig.rings[0].set_available_flags(1);
    rig.send(0, &flush(at));
    assert_eq!(rig.ids(), [""; 0]);
    rig.rings[0].set_available_flags(2);
    rig.send(0, &flush(at));
    assert_eq!(rig.ids()[0], "SPLIT-12");
    let mut rig = disk(EVENT_IDX);
    let (_buffer, at) = rig.buffer(&FLUSH);
    rig.rings[0].set_available_flags(1);
    rig.send(0, &flush(at));
    assert_eq!(rig.ids()[0], "SPLIT-14");
}

#[test]
fn a_driver_can_do_without_interrupts() {
    let mut rig = disk(0);
    let (_buffer, at) = rig.buffer(&FLUSH);
    rig.send(0, &flush(at));
    assert_eq!(
        (rig.device.interrupts_raised(), rig.device.read32(0x060)),
        (1, 1)
    );
    rig.rings[0].set_available_flags(1);
    rig.send(0, &flush(at));
    assert_eq!(rig.device.interrupts_raised(), 1);

    let mut rig = disk(EVENT_IDX);
    let (_buffer, at) = rig.buffer(&FLUSH);
    rig.rings[0].set_used_event(2);
    let raised: Vec<usize> = (0..5)
        .map(|_| {
            rig.send(0, &flush(at));
            rig.device.interrupts_raised()
        })
        .collect();
    assert_eq!(raised, [0, 0, 1, 1, 1], "once, when index 2 was used");
}

#[test]
fn the_available_event_follows_unless_frozen() {
    let mut rig = disk(EVENT_IDX);
    let (_buffer, at) = rig.buffer(&FLUSH);
    rig.send(0, &flush(at));
    rig.send(0, &flush(at));
    assert_eq!(rig.rings[0].available_event(), 2);
    rig.device
        .behave(|behaviour| behaviour.suppression = Suppression::Frozen);
    rig.device.set_available_event(0, 77);
    rig.device.set_used_flags(0, 1);
    rig.send(0, &flush(at));
    assert_eq!(
        (rig.rings[0].available_event(), rig.rings[0].used_flags()),
        (77, 1)
    );
}

#[test]
fn answers_come_when_they_are_due() {
    let mut rig = disk(0);
    let (buffer, at) = rig.buffer(&FLUSH);
    let delay = Duration::from_millis(3);
    rig.device.set_completion(Completion::After(delay));
    rig.send(0, &flush(at));
    rig.clock.advance(delay - Duration::from_nanos(1));
    assert_eq!((rig.rings[0].used_index(), buffer[16]), (0, 0x77));
    rig.clock.relax();
    assert_eq!((rig.rings[0].used_index(), buffer[16]), (1, 2));
    assert!(rig.device.is_interrupting());
}

#[test]
fn held_answers_come_in_the_order_of_the_test() {
    let mut rig = disk(0);
    let buffers: Vec<_> = (0..3).map(|_| rig.buffer(&FLUSH)).collect();
    rig.device.set_completion(Completion::Held);
    let heads: Vec<u16> = buffers
        .iter()
        .map(|(_, at)| rig.send(0, &flush(*at)))
        .collect();
    let waiting: Vec<(u16, u16)> = heads.iter().map(|head| (0, *head)).collect();
    assert_eq!(rig.device.waiting(), waiting);
    assert!(rig.device.release_at(2));
    assert_eq!(rig.rings[0].used_element(0).0, u32::from(heads[2]));
    assert_eq!(buffers[0].0[16], 0x77);
    assert_eq!(rig.device.release_all(), 2);
    assert_eq!(rig.rings[0].used_element(2).0, u32::from(heads[1]));
    assert!(!rig.device.release_one());
    assert!(!rig.device.release_at(9));
}

#[test]
fn a_device_may_never_answer_or_never_look() {
    for completion in [Completion::Never, Completion::Deaf] {
        let mut rig = disk(EVENT_IDX);
        let (buffer, at) = rig.buffer(&FLUSH);
        rig.device.set_completion(completion);
        rig.send(0, &flush(at));
        rig.clock.advance(Duration::from_secs(3600));
        assert_eq!((rig.rings[0].used_index(), buffer[16]), (0, 0x77));
        let looked = u16::from(completion == Completion::Never);
        assert_eq!(rig.rings[0].available_event(), looked);
        drop(buffer);
        let misuses = rig.pool.take_misuses();
        assert_eq!(
            misuses.len(),
            usize::from(looked),
            "taken memory is the device's: {misuses:?}"
        );
    }
}

#[test]
fn a_device_that_polls_needs_no_notification() {
    let mut rig = disk(0);
    let (_buffer, at) = rig.buffer(&FLUSH);
    let head = rig.rings[0].write_chain(&flush(at));
    rig.rings[0].publish(head);
    assert_eq!(rig.rings[0].used_index(), 0);
    rig.device.look_at(0);
    assert_eq!(rig.rings[0].used_index(), 1);
}

#[test]
fn a_reset_drops_what_waits() {
    let mut rig = disk(0);
    let (buffer, at) = rig.buffer(&FLUSH);
    let delay = Duration::from_millis(1);
    rig.device.set_completion(Completion::After(delay));
    rig.send(0, &flush(at));
    rig.bring_down();
    drop(buffer);
    rig.clock.advance(delay * 2);
    rig.pool.assert_no_leaks();
    rig.pool.assert_no_stray_accesses();
}

#[test]
fn notifications_nobody_asked_for_break_a_rule() {
    let mut rig = disk(0);
    let (_buffer, at) = rig.buffer(&FLUSH);
    rig.device
        .behave(|behaviour| behaviour.suppression = Suppression::Frozen);
    rig.send(0, &flush(at));
    rig.device.set_available_event(0, 1234);
    rig.send(0, &flush(at));
    assert_eq!(
        rig.ids(),
        [""; 0],
        "avail_event is nothing without EVENT_IDX"
    );
    rig.device.set_used_flags(0, 1);
    rig.send(0, &flush(at));
    assert_eq!(rig.ids(), ["SPLIT-21"]);

    let mut rig = disk(EVENT_IDX);
    let (_buffer, at) = rig.buffer(&FLUSH);
    rig.device
        .behave(|behaviour| behaviour.suppression = Suppression::Frozen);
    rig.send(0, &flush(at));
    rig.device.set_used_flags(0, 1);
    rig.device.set_available_event(0, 2);
    for _ in 0..2 {
        let head = rig.rings[0].write_chain(&flush(at));
        rig.rings[0].publish(head);
    }
    rig.notify(0);
    assert_eq!(rig.ids(), [""; 0], "the batch reaches past 2");
    rig.send(0, &flush(at));
    assert_eq!(rig.ids(), ["SPLIT-25"]);
    rig.notify(0);
    assert_eq!(rig.ids(), ["SPLIT-25"], "nothing new");
}

#[test]
fn a_missing_notification_can_be_seen() {
    let mut rig = disk(0);
    let (_buffer, at) = rig.buffer(&FLUSH);
    let head = rig.rings[0].write_chain(&flush(at));
    rig.rings[0].publish(head);
    assert_eq!(rig.device.unseen(0), 1);
    rig.notify(0);
    assert_eq!((rig.device.unseen(0), rig.device.unseen(7)), (0, 0));
}

#[test]
fn an_interrupt_can_be_lost() {
    let mut rig = disk(0);
    let (_buffer, at) = rig.buffer(&FLUSH);
    rig.device
        .behave(|behaviour| behaviour.lose_interrupts = true);
    rig.send(0, &flush(at));
    assert_eq!(rig.rings[0].used_index(), 1);
    assert_eq!(
        (rig.device.read32(0x060), rig.device.interrupts_raised()),
        (0, 0)
    );
}
