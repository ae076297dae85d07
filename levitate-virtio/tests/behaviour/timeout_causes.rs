//! The timeout that started it all, and the other ways to get one: each has a name of its own.
//!
//! The driver is the real one; its mistakes are made for it by registers that tamper with what it writes.

use levitate_hal::{Clock, Deadline, DmaAddr, DmaBuffer};
use levitate_host::{Completion, Fault, Pool, Version};
use levitate_virtio::features::NoFeatures;
use levitate_virtio::transport::mmio::MmioNotifier;
use levitate_virtio::transport::{Area, EnableQueueError, QueueAreas};
use levitate_virtio::{
    Data, Device, Features, Interface, MmioTransport, Queue, QueueError, QueueIndex, QueueSize,
    Slot, Status, TimeoutCause, Transport, Wanted, stage,
};

use crate::rig::{CONFIG, EchoQueue, Live, Rig, TIMEOUT, echo, slots};
use crate::tampered::{Tampered, Tampering};

const QUEUE: QueueIndex = QueueIndex::new(0);

type TamperedQueue<'s> = Queue<'s, DmaBuffer<Pool>, u32, Pool, MmioNotifier<Tampered>>;
type TamperedDevice = Device<MmioTransport<Tampered>, stage::Live>;

fn start<'s>(
    rig: &Rig,
    tampering: Tampering,
    slots: &'s mut [Slot<DmaBuffer<Pool>, u32>],
) -> Result<(TamperedDevice, TamperedQueue<'s>), QueueError> {
    let registers = Tampered(rig.device.mmio().clone(), tampering);
    let transport = MmioTransport::probe(registers).unwrap().unwrap();
    let device = Device::begin(transport, &rig.clock, TIMEOUT).unwrap();
    let (mut device, _) = device.negotiate(&Wanted::<NoFeatures>::default()).unwrap();
    let queue = device.prepare_queue(&rig.pool, QUEUE, CONFIG, slots)?;
    let device = device.go_live();
    let queue = queue.activate(&device).unwrap();
    Ok((device, queue))
}

/// Takes the rules that the tampering broke, and leaves nothing to complain of.
fn broken_rules(rig: &Rig) -> Vec<&'static str> {
    let violations = rig.device.take_violations();
    drop(rig.device.take_complaints());
    violations.iter().map(|one| one.id).collect()
}

/// Sends one request with a mistake, waits in vain, and returns what the diagnosis says and which rules were broken.
fn time_out(version: Version, tampering: Tampering) -> (TimeoutCause, Vec<&'static str>) {
    time_out_on(&Rig::new(version), tampering)
}

fn time_out_on(rig: &Rig, tampering: Tampering) -> (TimeoutCause, Vec<&'static str>) {
    let mut slots = slots::<16>();
    let (mut device, mut queue) = start(rig, tampering, &mut slots).unwrap();
    let token = queue.submit(&[7_u8; 4], Data::None, &[0_u8; 4], 0).unwrap();
    queue.notify();
    let answered = Deadline::after(&rig.clock, TIMEOUT).poll(&rig.clock, || {
        queue.process().unwrap();
        queue.is_done(token).then_some(())
    });
    assert_eq!(answered, None);
    let cause = device.diagnose(&mut queue, token, &[0_u8; 4]);
    let (_, quiesced) = device.reset(&rig.clock, TIMEOUT).unwrap();
    queue.release(&quiesced, |_, _| {}).unwrap();
    (cause, broken_rules(rig))
}

/// The driver that was thrown away: it took the device for a version-2 one, whose registers a version-1 device ignores.
#[test]
fn a_version_1_device_driven_through_version_2_registers_is_an_error_at_set_up() {
    let rig = Rig::new(Version::One);
    // It offers VERSION_1 too, or it would be refused before it has a queue.
    let claims_version_2 = Tampering {
        read: |offset, value| match offset {
            0x04 => 2,
            0x10 => value | 1,
            _ => value,
        },
        ..Tampering::default()
    };
    let mut slots = slots::<16>();
    let error = start(&rig, claims_version_2, &mut slots).unwrap_err();
    let interface = Interface::Modern;
    let expected = EnableQueueError::Ignored {
        queue: QUEUE,
        register: "QueueReady",
        interface,
    };
    assert_eq!(error, QueueError::Enable(expected));
    assert_eq!(
        error.to_string(),
        "queue 0 did not become ready: QueueReady reads 0 after it was set; \
         the device ignores the modern (version 2) registers, so it has the other register version"
    );
    assert!(
        !rig.device.mmio().take_guest_errors().is_empty(),
        "the device saw what it did not know"
    );
    assert!(broken_rules(&rig).contains(&"LMMIO-10"));
    assert!(
        rig.device.log().writes_to(0x50).is_empty(),
        "and was never notified"
    );
    rig.pool.allow_leaks();
}

#[test]
fn a_version_2_device_driven_through_version_1_registers_is_an_error_at_set_up() {
    let rig = Rig::new(Version::Two);
    let claims_version_1 = Tampering {
        read: |offset, value| if offset == 4 { 1 } else { value },
        ..Tampering::default()
    };
    let mut slots = slots::<16>();
    let error = start(&rig, claims_version_1, &mut slots).unwrap_err();
    let interface = Interface::Legacy;
    let expected = EnableQueueError::Ignored {
        queue: QUEUE,
        register: "QueuePFN",
        interface,
    };
    assert_eq!(error, QueueError::Enable(expected));
    assert!(!rig.device.mmio().take_guest_errors().is_empty());
    assert!(broken_rules(&rig).iter().all(|id| *id == "MMIO-01"));
    rig.pool.allow_leaks();
}

#[test]
fn a_used_ring_where_the_device_does_not_have_it_is_named() {
    let wrong_align = Tampering {
        write: |offset, value| Some(if offset == 0x3c { 4 } else { value }),
        ..Tampering::default()
    };
    let (cause, broken) = time_out(Version::One, wrong_align);
    // What the device takes for its used ring is the driver's available ring.
    assert_eq!(broken, ["SPLIT-19"]);
    assert_eq!(cause, TimeoutCause::UsedRingElsewhere { queue: QUEUE });
    assert!(cause.to_string().contains("QueueAlign"), "{cause}");
}

#[test]
fn a_page_size_that_was_never_written_is_named() {
    let no_page_size = Tampering {
        write: |offset, value| (offset != 0x28).then_some(value),
        ..Tampering::default()
    };
    let rig = Rig::new(Version::One);
    let (cause, broken) = time_out_on(&rig, no_page_size);
    assert_eq!(broken[0], "LMMIO-02");
    assert_eq!(cause, TimeoutCause::NotFetched { queue: QUEUE });
    assert!(cause.to_string().contains("GuestPageSize"), "{cause}");
    // The device looked for its queue where the page number alone would have it.
    assert!(!rig.pool.take_stray_accesses().is_empty());
}

#[test]
fn a_lost_notification_is_named() {
    for version in [Version::One, Version::Two] {
        let no_notify = Tampering {
            write: |offset, value| (offset != 0x50).then_some(value),
            ..Tampering::default()
        };
        let expected = TimeoutCause::NotFetched { queue: QUEUE };
        assert_eq!(time_out(version, no_notify), (expected, vec!["SPLIT-24"]));
    }
}

#[test]
fn a_platform_that_may_keep_the_device_from_memory_is_named() {
    let no_notify = Tampering {
        write: |offset, value| (offset != 0x50).then_some(value),
        ..Tampering::default()
    };
    let rig = Rig::new(Version::Two);
    rig.device
        .behave(|behaviour| behaviour.offer = Features::ACCESS_PLATFORM.bits());
    let (cause, _) = time_out_on(&rig, no_notify);
    assert_eq!(cause, TimeoutCause::OutOfReach { queue: QUEUE });
    assert!(
        cause.to_string().contains("an IOMMU must be off"),
        "{cause}"
    );
}

/// Brings a queue up, submits a request the device will not answer as it should, and returns what the diagnosis says.
fn diagnose(features: Features, change: impl FnOnce(&Rig, &mut EchoQueue<'_>)) -> TimeoutCause {
    let rig = Rig::new(Version::Two);
    let mut slots = slots::<4>();
    let (mut device, mut queue): (Live, _) = rig.start(&mut slots, features, CONFIG);
    rig.device.set_completion(Completion::Held);
    let token = echo(&mut queue, 7);
    queue.notify();
    assert!(!rig.wait(&mut queue, token));
    change(&rig, &mut queue);
    let cause = device.diagnose(&mut queue, token, &[0_u8; 4]);
    rig.stop(device, queue);
    cause
}

#[test]
fn a_request_the_device_keeps_is_named_where_that_can_be_known() {
    assert_eq!(
        diagnose(Features::EVENT_IDX, |_, _| {}),
        TimeoutCause::NotCompleted
    );
    assert_eq!(
        diagnose(Features::empty(), |_, _| {}),
        TimeoutCause::Unknown
    );
}

#[test]
fn a_device_that_needs_a_reset_is_named() {
    let cause = diagnose(Features::EVENT_IDX, |rig, _| rig.device.set_needs_reset());
    assert!(matches!(cause, TimeoutCause::NeedsReset { .. }), "{cause}");
}

#[test]
fn a_device_that_somebody_else_reset_is_named() {
    let cause = diagnose(Features::EVENT_IDX, |rig, _| {
        rig.transport().write_status(Status::empty())
    });
    assert_eq!(
        cause,
        TimeoutCause::NotLive {
            status: Status::empty()
        }
    );
}

#[test]
fn an_answer_just_after_the_deadline_is_named_and_not_lost() {
    let cause = diagnose(Features::EVENT_IDX, |rig, queue| {
        assert!(rig.device.release_one());
        assert_eq!(queue.next_done(), None, "not collected yet");
    });
    assert_eq!(cause, TimeoutCause::Late);
}

#[test]
fn an_answer_without_a_used_element_is_named() {
    let cause = diagnose(Features::EVENT_IDX, |rig, _| {
        rig.device.inject(Fault::NoUsedElement);
        rig.device.release_one();
    });
    assert_eq!(cause, TimeoutCause::UsedRingElsewhere { queue: QUEUE });
}

/// A late answer reaches the memory that was kept for it, and nothing that was freed.
#[test]
fn an_answer_after_a_timeout_still_has_its_memory() {
    let rig = Rig::new(Version::Two);
    let mut slots = slots::<2>();
    let (device, mut queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
    rig.device.set_completion(Completion::Held);
    let data = Data::Writable(rig.buffer(&[0; 512]));
    let token = queue.submit(&[7_u8; 4], data, &[0_u8; 1], 0).unwrap();
    queue.notify();
    assert!(!rig.wait(&mut queue, token));
    assert!(queue.take::<[u8; 1]>(token).is_none());
    assert!(rig.device.release_one());
    rig.pool.assert_no_stray_accesses();
    queue.process().unwrap();
    let late = queue.take::<[u8; 1]>(token).unwrap();
    assert_eq!(late.data.into_inner().unwrap().as_slice(), [7; 512]);
    rig.stop(device, queue);
}

/// A deadline counts time: the same wait takes however many turns fit into it.
#[test]
fn a_wait_ends_by_the_clock_and_not_by_its_turns() {
    for step_micros in [1, 10, 1000] {
        let rig = Rig::new(Version::Two);
        let mut slots = slots::<1>();
        let (device, mut queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
        rig.device
            .set_completion(Completion::After(TIMEOUT * 9 / 10));
        rig.clock
            .set_step(std::time::Duration::from_micros(step_micros));
        let start = rig.clock.now();
        let token = echo(&mut queue, 7);
        queue.notify();
        assert!(
            rig.wait(&mut queue, token),
            "a late answer is in time, {step_micros} µs a turn"
        );
        assert!(rig.clock.now().since(start) >= TIMEOUT * 9 / 10);
        rig.stop(device, queue);
    }
}

#[test]
fn areas_that_are_not_where_the_interface_wants_them_never_reach_the_device() {
    let size = QueueSize::new(16).unwrap();
    let at = DmaAddr::new;
    let good = QueueAreas {
        size,
        descriptor: at(0x10000),
        driver: at(0x10100),
        device: at(0x11000),
    };
    for (version, areas, area) in [
        (
            Version::Two,
            QueueAreas {
                descriptor: at(0x10008),
                ..good
            },
            Area::Descriptor,
        ),
        (
            Version::Two,
            QueueAreas {
                driver: at(0x10101),
                ..good
            },
            Area::Driver,
        ),
        (
            Version::Two,
            QueueAreas {
                device: at(0x11002),
                ..good
            },
            Area::Device,
        ),
        (
            Version::One,
            QueueAreas {
                descriptor: at(0x10010),
                ..good
            },
            Area::Descriptor,
        ),
        (
            Version::One,
            QueueAreas {
                descriptor: at(0),
                ..good
            },
            Area::Descriptor,
        ),
        (
            Version::One,
            QueueAreas {
                descriptor: at(1 << 44),
                ..good
            },
            Area::Descriptor,
        ),
        (
            Version::One,
            QueueAreas {
                driver: at(0x10110),
                ..good
            },
            Area::Driver,
        ),
        (
            Version::One,
            QueueAreas {
                device: at(0x10124),
                ..good
            },
            Area::Device,
        ),
    ] {
        let rig = Rig::new(version);
        let mut transport = rig.transport();
        rig.device.clear_log();
        // SAFETY: the device is a model that is never notified, so it uses none of the areas.
        let error = unsafe { transport.enable_queue(QUEUE, &areas) }.unwrap_err();
        assert!(
            matches!(error, EnableQueueError::Misplaced { area: found, .. } if found == area),
            "{version:?} {areas:?}: {error}"
        );
        assert!(rig.device.log().all().is_empty(), "no register was touched");
    }
}
