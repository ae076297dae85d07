//! Queues of a device on PCI: where they are notified, and what is refused (§4.1.4.4, §4.1.5.1.3, §4.1.5.2).

use levitate_hal::{DmaAddr, Mmio};
use levitate_host::mmio::{Access, Operation};
use levitate_host::pci::PciBuilder;
use levitate_host::{AnyDevice, PciDevice, Plug};
use levitate_virtio::features::NoFeatures;
use levitate_virtio::transport::pci::QUEUES_MAX;
use levitate_virtio::transport::pci::registers as reg;
use levitate_virtio::transport::{CutOff, EnableQueueError, QueueAreas, QueueState, Transport};
use levitate_virtio::{
    Device, Features, InitError, Notify, QueueIndex, QueueSize, Status, TimeoutCause, Wanted,
};

use crate::rig::{CONFIG, Echo, EchoTransport, Rig, TIMEOUT, echo, slots};

const QUEUE: QueueIndex = QueueIndex::new(0);

fn rig(change: impl FnOnce(PciBuilder<Echo>) -> PciBuilder<Echo>) -> Rig {
    Rig::build(|pool, clock| {
        let builder = change(PciDevice::builder(Echo::default()));
        AnyDevice::Pci(builder.build(pool, clock), false)
    })
}

fn pci(rig: &Rig) -> &PciDevice<Echo> {
    match &rig.device {
        AnyDevice::Pci(device, _) => device,
        AnyDevice::Mmio(_) => panic!("the device is on PCI"),
    }
}

#[test]
fn a_queue_is_notified_at_its_place_with_one_access_of_16_bits() {
    for (multiplier, off, place) in [(0, 1, 0), (2, 1, 2), (4, 0, 0), (4, 1, 4), (4096, 1, 4096)] {
        let rig = rig(|builder| {
            builder
                .notify_off_multiplier(multiplier)
                .notify_offsets(&[off, 1 - off])
        });
        let mut slots = slots::<4>();
        let (device, mut queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
        let token = echo(&mut queue, 7);
        rig.device.clear_log();
        assert!(queue.notify());
        let notification = Access {
            operation: Operation::Write,
            offset: 0x3000 + place,
            width_bytes: 2,
            value: 0,
        };
        assert_eq!(rig.device.log().all(), [notification], "times {multiplier}");
        assert_eq!(pci(&rig).config_log().all(), []);
        assert!(rig.wait(&mut queue, token));
        rig.stop(device, queue);
    }
}

#[test]
fn a_queue_that_is_not_enabled_is_not_notified() {
    let rig = rig(|builder| builder);
    let mut transport = rig.transport();
    let notified = |transport: &EchoTransport, queue| {
        rig.device.clear_log();
        transport.notifier(QueueIndex::new(queue)).notify(0);
        rig.device.log().all().len()
    };
    assert_eq!(notified(&transport, 0), 0);
    enable(&mut transport, QUEUE).unwrap();
    assert_eq!(notified(&transport, 0), 1);
    assert_eq!(notified(&transport, 1), 0);
    assert_eq!(notified(&transport, QUEUES_MAX as u16), 0);
    transport.write_status(Status::empty());
    assert_eq!(notified(&transport, 0), 0, "a reset has undone it");
    take_bare_complaints(&rig);
}

#[test]
fn a_place_outside_the_notification_structure_is_an_error_at_set_up() {
    let rig = rig(|builder| {
        builder
            .notify_off_multiplier(8)
            .notify_offsets(&[1])
            .capabilities(|list| {
                // Room for queues with offset 0 alone.
                let notify = list.iter_mut().find(|entry| entry.cfg_type() == Some(2));
                let notify = notify.unwrap();
                *notify = notify.clone().with_range(0x3000, 9);
            })
    });
    let mut transport = rig.transport();
    let error = enable(&mut transport, QUEUE).unwrap_err();
    let expected = EnableQueueError::NotifiedElsewhere {
        queue: QUEUE,
        offset: 8,
        len_bytes: 9,
    };
    assert_eq!(error, expected);
    assert!(!error.is_device_told());
    assert_eq!(rig.device.queue(0), None);
}

fn enable(transport: &mut impl Transport, queue: QueueIndex) -> Result<(), EnableQueueError> {
    let areas = QueueAreas {
        size: QueueSize::new(16).unwrap(),
        descriptor: DmaAddr::new(0x10000),
        driver: DmaAddr::new(0x10100),
        device: DmaAddr::new(0x11000),
    };
    // SAFETY: the device is a model that is never notified, so it uses none of the areas.
    unsafe { transport.enable_queue(queue, &areas) }
}

/// Takes what is said of a queue that a test enables out of turn and without memory, and lets nothing else pass.
fn take_bare_complaints(rig: &Rig) {
    for complaint in rig.device.take_complaints() {
        let id = complaint.split(':').next().unwrap();
        assert!(
            matches!(id, "INIT-01" | "INIT-05" | "INIT-08" | "PCI-45"),
            "{complaint}"
        );
    }
}

#[test]
fn queues_that_are_not_there_or_in_use_or_too_many_are_errors() {
    let rig = rig(|builder| builder.behave(|behaviour| behaviour.queue_size_max = 16));
    let mut transport = rig.transport();
    let absent = QueueIndex::new(2);
    let no_such = EnableQueueError::NoSuchQueue { queue: absent };
    assert_eq!(transport.read_max_queue_size(absent), Err(no_such));
    assert_eq!(enable(&mut transport, absent), Err(no_such));
    let queue = QueueIndex::new(QUEUES_MAX as u16);
    let limit = QUEUES_MAX;
    let beyond = EnableQueueError::BeyondTransport { queue, limit };
    assert_eq!(enable(&mut transport, queue), Err(beyond));
    assert_eq!(transport.read_max_queue_size(QUEUE), Ok(16));
    assert_eq!(enable(&mut transport, QUEUE), Ok(()));
    assert_eq!(transport.read_queue_state(QUEUE), QueueState::Enabled);
    let other = QueueIndex::new(1);
    assert_eq!(transport.read_queue_state(other), QueueState::Disabled);
    let in_use = EnableQueueError::InUse { queue: QUEUE };
    assert_eq!(enable(&mut transport, QUEUE), Err(in_use));
    take_bare_complaints(&rig);
}

/// What the driver wrote of a queue, in its order; the halves of addresses are separate accesses.
#[test]
fn a_queue_is_described_before_it_is_enabled() {
    let rig = Rig::new(Plug::PciMsix);
    let mut transport = rig.transport();
    rig.device.clear_log();
    enable(&mut transport, QueueIndex::new(1)).unwrap();
    let log = rig.device.log();
    let written: Vec<_> = log
        .all()
        .iter()
        .filter(|access| access.operation == Operation::Write)
        .map(|access| (access.offset, access.width_bytes, access.value))
        .collect();
    let expected = [
        (reg::QUEUE_SELECT.offset(), 2, 1),
        (reg::QUEUE_SIZE.offset(), 2, 16),
        (reg::QUEUE_MSIX_VECTOR.offset(), 2, 2),
        (32, 4, 0x10000),
        (36, 4, 0),
        (40, 4, 0x10100),
        (44, 4, 0),
        (48, 4, 0x11000),
        (52, 4, 0),
        (reg::QUEUE_ENABLE.offset(), 2, 1),
    ];
    assert_eq!(written, expected);
    take_bare_complaints(&rig);
}

/// Lets a request time out after `cut` has come between the device and its queue, of which the device complains as expected.
fn time_out(plug: Plug, expected: &[&str], cut: impl FnOnce(&Rig)) -> TimeoutCause {
    let rig = Rig::new(plug);
    let mut slots = slots::<4>();
    let (mut device, mut queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
    cut(&rig);
    let token = echo(&mut queue, 7);
    queue.notify();
    let cause = device.diagnose(&mut queue, token, &[0_u8; 4]);
    pci(&rig).plug_back();
    pci(&rig).config_space().write16(4, 6);
    let (_, quiesced) = device.reset(&rig.clock, TIMEOUT).unwrap();
    queue.release(&quiesced, |_, _| {}).unwrap();
    // What was done behind the driver's back, and nothing else.
    let complaints = rig.device.take_complaints();
    assert_eq!(complaints, expected);
    rig.pool.assert_no_leaks();
    cause
}

#[test]
fn a_device_without_bus_mastering_is_named() {
    let complaints = &["guest error: queue 0 was notified while bus mastering is off"];
    let cause = time_out(Plug::PciLine, complaints, |rig| {
        pci(rig).config_space().write16(4, 2);
        assert_eq!(pci(rig).status(), 0x0b, "it takes DRIVER_OK back");
    });
    let cut_off = CutOff::NoBusMastering;
    assert_eq!(
        cause,
        TimeoutCause::CutOff {
            queue: QUEUE,
            cut_off
        }
    );
    assert!(
        cause.to_string().contains("bus mastering is off"),
        "{cause}"
    );
}

#[test]
fn a_queue_that_lost_its_vector_is_named() {
    let complaints = &["PCI-18: offset 26 was written after queue 0 was enabled"];
    let cause = time_out(Plug::PciMsix, complaints, |rig| {
        let common = pci(rig).bar(4);
        reg::QUEUE_SELECT.write(&common, 0);
        reg::QUEUE_MSIX_VECTOR.write(&common, reg::NO_VECTOR);
        assert_eq!(common.read16(26), 0xffff);
    });
    let (vector, found) = (1, 0xffff);
    let cut_off = CutOff::NoVector { vector, found };
    assert_eq!(
        cause,
        TimeoutCause::CutOff {
            queue: QUEUE,
            cut_off
        }
    );
    assert!(cause.to_string().contains("reads 0xffff, not 1"), "{cause}");
}

#[test]
fn a_device_that_does_not_answer_is_not_live() {
    let complaints = &[
        "guest error: Write of 2 bytes at 0x3000 of BAR 4, while memory decoding is off",
        "guest error: Read of 1 bytes at 0x14 of BAR 4, while memory decoding is off",
        "guest error: Write of 2 bytes at 0x16 of BAR 4, while memory decoding is off",
        "guest error: Read of 2 bytes at 0x1c of BAR 4, while memory decoding is off",
    ];
    let cause = time_out(Plug::PciMsix, complaints, |rig| {
        // Decoding is off, and all registers read as all ones.
        pci(rig).config_space().write16(4, 0);
    });
    assert!(matches!(cause, TimeoutCause::NotLive { .. }), "{cause}");
}

#[test]
fn a_device_that_is_gone_is_named() {
    for reads in [0xff, 0] {
        let cause = time_out(Plug::PciMsix, &[], |rig| pci(rig).unplug(reads));
        let cut_off = CutOff::Gone;
        assert_eq!(
            cause,
            TimeoutCause::CutOff {
                queue: QUEUE,
                cut_off
            }
        );
        assert!(cause.to_string().contains("gone from its bus"), "{cause}");
    }
}

#[test]
fn a_device_that_is_gone_is_not_brought_up_and_that_is_the_reason() {
    for reads in [0xff, 0] {
        let rig = Rig::new(Plug::PciMsix);
        let transport = rig.transport();
        pci(&rig).unplug(reads);
        let begun = Device::begin(transport, &rig.clock, TIMEOUT);
        let outcome = begun.and_then(|device| device.negotiate(&Wanted::<NoFeatures>::default()));
        let error = outcome.map(drop).unwrap_err();
        assert_eq!(error, InitError::Gone, "{reads:#x}");
        assert!(error.to_string().contains("gone from its bus"), "{error}");
        pci(&rig).plug_back();
    }
}

#[test]
fn a_reset_of_a_device_that_is_gone_says_so() {
    let rig = Rig::new(Plug::PciMsix);
    let mut slots = slots::<4>();
    let (device, queue) = rig.start(&mut slots, Features::IMPLEMENTED, CONFIG);
    pci(&rig).unplug(0xff);
    let error = device.reset(&rig.clock, TIMEOUT).unwrap_err();
    assert!(error.is_gone, "{error}");
    assert!(error.to_string().contains("gone from its bus"), "{error}");
    pci(&rig).plug_back();
    let (_, quiesced) = error.retry(&rig.clock, TIMEOUT).unwrap();
    queue.release(&quiesced, |_, _| {}).unwrap();
}
