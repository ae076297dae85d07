//! The initialization sequence and what ends it (§3.1.1, §2.1, §2.2, §2.4).

use levitate_host::mmio::{Access, Operation};
use levitate_host::{Plug, Version};
use levitate_virtio::features::NoFeatures;
use levitate_virtio::{Device, DeviceFeatures, Features, InitError, Status, Wanted};

use crate::rig::{CONFIG, Rig, TIMEOUT, slots};

const STATUS: usize = 0x70;

bitflags::bitflags! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Special: u64 {
        const ABILITY = 1 << 3;
    }
}

impl DeviceFeatures for Special {
    const DEPENDENCIES: &'static [(Self, Self)] = &[];
}

#[test]
fn the_status_goes_up_step_by_step() {
    for plug in Plug::ALL {
        let expected: &[u64] = match plug {
            Plug::Mmio(Version::One) => &[0, 1, 3, 7, 0],
            _ => &[0, 1, 3, 0xb, 0xf, 0],
        };
        let rig = Rig::new(plug);
        let mut slots = slots::<2>();
        let (device, queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
        rig.stop(device, queue);
        assert_eq!(rig.device.statuses(), expected);
    }
}

/// A device that an earlier driver left with a status.
fn used_before(plug: impl Into<Plug>) -> Rig {
    let rig = Rig::new(plug);
    drop(Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap());
    assert_eq!(rig.device.status(), 0x83);
    rig.device.clear_log();
    rig
}

#[test]
fn a_slow_reset_is_waited_for() {
    for plug in Plug::ALL {
        let rig = used_before(plug);
        rig.device.behave(|behaviour| behaviour.reset_reads = 20);
        drop(Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap());
        let (log, at) = (rig.device.log(), rig.device.status_offset());
        assert!(
            log.reads_of(at)[..20].iter().all(|status| *status != 0),
            "{plug:?}"
        );
        let acknowledged = log.position_of_write(at, 1).unwrap();
        let is_zero = |access: &Access| access.operation == Operation::Read && access.value == 0;
        let zero = log
            .all()
            .iter()
            .position(|access| access.offset == at && is_zero(access));
        assert!(
            zero.unwrap() < acknowledged,
            "nothing is written before the status reads 0"
        );
    }
}

#[test]
fn a_reset_that_never_ends_is_an_error_at_the_deadline() {
    let rig = used_before(Version::Two);
    rig.device
        .behave(|behaviour| behaviour.reset_reads = u32::MAX);
    let error = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap_err();
    assert!(
        matches!(
            error,
            InitError::ResetTimeout {
                timeout: TIMEOUT,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(
        rig.device.log().position_of_write(STATUS, 1),
        None,
        "not acknowledged"
    );
}

#[test]
fn a_device_that_lacks_a_required_feature_is_marked_failed_and_left() {
    let rig = Rig::new(Version::Two);
    let wanted = Wanted {
        required: Special::ABILITY,
        ..Wanted::default()
    };
    let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
    let error = device.negotiate(&wanted).unwrap_err();
    assert!(
        matches!(error, InitError::MissingFeatures { missing: 8, .. }),
        "{error}"
    );
    assert_eq!(rig.device.statuses(), [0, 1, 3, 0x83]);
    assert!(
        rig.device.log().writes_to(0x20).is_empty(),
        "no feature was accepted"
    );
}

#[test]
fn a_device_that_refuses_the_features_is_marked_failed_and_left() {
    let rig = Rig::with(|device| device.behave(|b| b.refuse_features = true));
    let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
    let error = device
        .negotiate(&Wanted::<NoFeatures>::default())
        .unwrap_err();
    assert!(
        matches!(error, InitError::FeaturesRefused { .. }),
        "{error}"
    );
    let written = rig.device.statuses();
    assert_eq!(written[..4], [0, 1, 3, 0xb]);
    assert_eq!(
        written[4..],
        [0x83],
        "FAILED, on top of what the device left set"
    );
    assert!(
        rig.device.log().writes_to(0x30).is_empty(),
        "no queue was selected"
    );
}

#[test]
fn after_failed_the_next_attempt_begins_with_a_reset() {
    let rig = Rig::with(|device| device.behave(|b| b.refuse_features = true));
    let wanted = Wanted::<NoFeatures>::default();
    let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
    let error = device.negotiate(&wanted).unwrap_err();
    assert!(
        matches!(error, InitError::FeaturesRefused { .. }),
        "{error}"
    );
    assert_eq!(rig.device.log().writes_to(STATUS), [0, 1, 3, 0xb, 0x83]);
    rig.device.behave(|b| b.refuse_features = false);
    let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
    drop(device.negotiate(&wanted).unwrap());
    let written = rig.device.log().writes_to(STATUS);
    assert_eq!(written[5..9], [0, 1, 3, 0xb], "a reset, and from the start");
    rig.device.assert_clean();
}

#[test]
fn a_legacy_device_that_wants_nothing_of_features_ok_is_not_asked_for_it() {
    let rig = Rig::with(|device| {
        device
            .version(Version::One)
            .behave(|b| b.refuse_features = true)
    });
    let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
    drop(device.negotiate(&Wanted::<NoFeatures>::default()).unwrap());
    assert_eq!(rig.device.statuses(), [0, 1, 3, 0x83]);
}

#[test]
fn of_everything_offered_only_what_is_implemented_is_accepted() {
    for (version, accepted) in [
        (Version::One, 0x3800_0000),
        (Version::Two, 0x15f_3000_0000_u64),
    ] {
        // RING_PACKED should be accepted where it is offered, which is only for a driver that has implemented it.
        let offer = !(1 << 34) | Features::IMPLEMENTED.bits();
        let rig = Rig::with(|device| device.version(version).behave(|b| b.offer = offer));
        let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
        let wanted = Wanted::<NoFeatures> {
            common: Features::all(),
            ..Wanted::default()
        };
        drop(device.negotiate(&wanted).unwrap());
        let words = rig.device.log().writes_to(0x20);
        let bits = words.iter().rev().fold(0, |bits, word| bits << 32 | word);
        assert_eq!(bits, accepted, "{version:?}");
        assert!(
            rig.device.guest_errors().is_empty(),
            "{:?}",
            rig.device.guest_errors()
        );
    }
}

#[test]
fn a_device_that_offers_nothing_is_driven_in_a_reduced_mode() {
    for plug in Plug::ALL {
        let rig = Rig::plug(plug, |b| b.withhold = !(1 << 32));
        let mut slots = slots::<2>();
        let (device, mut queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
        let token = crate::rig::echo(&mut queue, 7);
        queue.notify();
        assert!(rig.wait(&mut queue, token));
        rig.stop(device, queue);
    }
}

#[test]
fn a_version_2_device_without_version_1_is_marked_failed_and_left() {
    let rig = Rig::with(|device| device.behave(|b| b.withhold = 1 << 32));
    let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
    let error = device
        .negotiate(&Wanted::<NoFeatures>::default())
        .unwrap_err();
    assert_eq!(
        error,
        InitError::NoVersion1 {
            offered: 0x3000_0000
        }
    );
    assert_eq!(rig.device.statuses(), [0, 1, 3, 0x83]);
    assert!(
        rig.device.log().writes_to(0x20).is_empty(),
        "nothing was accepted"
    );
    rig.device.assert_clean();
}

#[test]
fn a_live_device_that_is_dropped_is_told_to_reset() {
    let rig = Rig::new(Version::Two);
    let mut slots = slots::<2>();
    let (device, queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
    assert_eq!(rig.device.status(), 0xf);
    drop(device);
    assert_eq!(rig.device.status(), 0);
    assert_ne!(
        rig.pool.live().allocations,
        0,
        "not confirmed, so the queue's memory stays"
    );
    drop(queue);
    assert_ne!(rig.pool.live().allocations, 0, "leaked rather than freed");
    rig.pool.allow_leaks();
}

#[test]
fn a_status_bit_of_the_device_is_kept_by_every_write_but_a_reset() {
    let rig = Rig::new(Version::Two);
    let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
    let (device, _) = device.negotiate(&Wanted::<NoFeatures>::default()).unwrap();
    rig.device.set_needs_reset();
    drop(device.go_live());
    let needs_reset = u64::from(Status::DEVICE_NEEDS_RESET.bits());
    assert_eq!(rig.device.statuses(), [0, 1, 3, 0xb, 0xf | needs_reset, 0]);
    rig.device.assert_clean();
}

#[test]
fn a_reset_that_was_not_done_in_time_can_be_tried_again() {
    let rig = Rig::new(Version::Two);
    let mut slots = slots::<2>();
    let (device, queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
    rig.device
        .behave(|behaviour| behaviour.reset_reads = u32::MAX);
    let error = device.reset(&rig.clock, TIMEOUT).unwrap_err();
    rig.device.behave(|behaviour| behaviour.reset_reads = 3);
    let (_, quiesced) = error.retry(&rig.clock, TIMEOUT).unwrap();
    queue.release(&quiesced, |_, _| {}).unwrap();
    rig.pool.assert_no_leaks();
}
