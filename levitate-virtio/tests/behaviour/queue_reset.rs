//! A reset of one queue, as the transports do it: what is read, what is written, and what counts as done (§2.6.1).

use levitate_host::mmio::{AccessLog, Operation};
use levitate_host::{AnyDevice, PciDevice, Plug, Version};
use levitate_virtio::transport::{QueueReset, QueueState};
use levitate_virtio::{Features, Notify, QueueIndex, Status, Transport};

use crate::rig::{Echo, EchoTransport, Rig, areas};

const QUEUE: QueueIndex = QueueIndex::new(1);
const OTHER: QueueIndex = QueueIndex::new(0);

/// A device on PCI that takes so many reads of `queue_reset` for a reset.
fn resettable(reads: u32, is_msix: bool) -> Rig {
    Rig::build(|pool, clock| {
        let builder = PciDevice::builder(Echo::default())
            .queue_reset_reads(reads)
            .behave(|behaviour| behaviour.offer = Features::RING_RESET.bits());
        AnyDevice::Pci(builder.build(pool, clock), is_msix)
    })
}

/// The accesses of one kind: where, and what.
fn accesses(log: &AccessLog, operation: Operation) -> Vec<(usize, u64)> {
    let of_kind = log.all().iter().filter(|one| one.operation == operation);
    of_kind.map(|one| (one.offset, one.value)).collect()
}

/// How many notifications of the queue reach the device's registers.
fn notified(rig: &Rig, transport: &EchoTransport) -> usize {
    rig.device.clear_log();
    transport.notifier(QUEUE).notify(0);
    rig.device.log().all().len()
}

#[test]
fn a_queue_is_reset_once_queue_reset_reads_0_and_is_then_set_up_anew() {
    for (reads, is_msix) in [(0, false), (1, true), (20, true)] {
        let rig = resettable(reads, is_msix);
        let (mut transport, memory) = rig.enable(Features::RING_RESET, QUEUE);
        let set_up = accesses(&rig.device.log(), Operation::Write);
        let status = transport.read_status();
        transport.write_status(status | Status::DRIVER_OK);
        assert_eq!(notified(&rig, &transport), 1);

        rig.device.clear_log();
        transport.start_queue_reset(QUEUE);
        // queue_select and queue_reset.
        let written = accesses(&rig.device.log(), Operation::Write);
        assert_eq!(written, [(22, 1), (58, 1)]);
        // Somebody asks after another queue meanwhile.
        assert_eq!(transport.read_queue_state(OTHER), QueueState::Disabled);
        rig.device.clear_log();
        for _ in 0..reads {
            assert_eq!(transport.read_queue_reset(QUEUE), QueueReset::Ongoing);
        }
        assert_eq!(transport.read_queue_reset(QUEUE), QueueReset::Done);
        let read = accesses(&rig.device.log(), Operation::Read);
        // queue_reset, and queue_enable when it is done.
        let expected = (0..reads).map(|_| (58, 1)).chain([(58, 0), (28, 0)]);
        assert!(read.iter().copied().eq(expected), "{read:?}");
        assert_eq!(transport.read_queue_state(QUEUE), QueueState::Disabled);
        assert_eq!(notified(&rig, &transport), 0, "it is nowhere now");

        rig.device.clear_log();
        // SAFETY: the queue is reset, and the memory is there until the device is.
        unsafe { transport.enable_queue(QUEUE, &areas(&memory)) }.unwrap();
        let again = accesses(&rig.device.log(), Operation::Write);
        assert!(again.len() > 8 && set_up.ends_with(&again), "{again:?}");
        assert_eq!(transport.read_queue_state(QUEUE), QueueState::Enabled);
        assert_eq!(notified(&rig, &transport), 1);
        transport.write_status(Status::empty());
        assert_eq!(transport.read_status(), Status::empty());
        drop(memory);
        rig.device.assert_clean();
        rig.pool.assert_no_leaks();
    }
}

#[test]
fn over_mmio_a_queue_is_reset_once_its_register_for_it_reads_0() {
    for reads in [0, 1, 20] {
        let rig = Rig::plug(Version::Two, |behaviour| {
            behaviour.offer = Features::RING_RESET.bits();
            behaviour.queue_reset_reads = Some(reads);
        });
        let (mut transport, memory) = rig.enable(Features::RING_RESET, QUEUE);
        let set_up = accesses(&rig.device.log(), Operation::Write);
        transport.start_queue_reset(QUEUE);
        for _ in 0..reads {
            assert_eq!(transport.read_queue_reset(QUEUE), QueueReset::Ongoing);
        }
        assert_eq!(transport.read_queue_reset(QUEUE), QueueReset::Done);
        assert_eq!(transport.read_queue_state(QUEUE), QueueState::Disabled);
        rig.device.clear_log();
        // SAFETY: the queue is reset, and the memory is there until the device is.
        unsafe { transport.enable_queue(QUEUE, &areas(&memory)) }.unwrap();
        let again = accesses(&rig.device.log(), Operation::Write);
        assert!(again.len() > 8 && set_up.ends_with(&again), "{again:?}");
        assert_eq!(transport.read_queue_state(QUEUE), QueueState::Enabled);
        transport.write_status(Status::empty());
        drop(memory);
        rig.device.assert_clean();
        rig.pool.assert_no_leaks();
    }
}

#[test]
fn a_reset_that_is_under_way_is_not_begun_again() {
    let rig = resettable(u32::MAX, false);
    let (mut transport, memory) = rig.enable(Features::RING_RESET, QUEUE);
    rig.device.clear_log();
    for _ in 0..3 {
        transport.start_queue_reset(QUEUE);
        assert_eq!(transport.read_queue_reset(QUEUE), QueueReset::Ongoing);
    }
    assert_eq!(rig.device.log().writes_to(58), [1]);
    transport.write_status(Status::empty());
    drop(memory);
    rig.device.assert_clean();
}

#[test]
fn the_silence_of_a_device_that_is_gone_is_no_reset() {
    let rig = resettable(0, false);
    let AnyDevice::Pci(device, _) = &rig.device else {
        panic!("the device is on PCI");
    };
    let (mut transport, memory) = rig.enable(Features::RING_RESET, QUEUE);
    device.unplug(0xff);
    transport.start_queue_reset(QUEUE);
    assert_eq!(transport.read_queue_reset(QUEUE), QueueReset::Ongoing);
    device.plug_back();
    assert_eq!(transport.read_queue_state(QUEUE), QueueState::Enabled);
    transport.write_status(Status::empty());
    drop(memory);
    rig.device.assert_clean();
}

#[test]
fn registers_as_those_of_qemu_do_not_pass_for_a_reset() {
    let rig = Rig::plug(Version::Two, |behaviour| {
        behaviour.offer = Features::RING_RESET.bits();
    });
    let (mut transport, memory) = rig.enable(Features::RING_RESET, QUEUE);
    rig.device.clear_log();
    transport.start_queue_reset(QUEUE);
    let written = accesses(&rig.device.log(), Operation::Write);
    assert_eq!(written, [(0x30, 1), (0xc0, 1)]);
    // Somebody asks after another queue meanwhile.
    assert_eq!(transport.read_queue_state(OTHER), QueueState::Disabled);
    rig.device.clear_log();
    assert_eq!(transport.read_queue_reset(QUEUE), QueueReset::Ignored);
    // QueueReset, and QueueReady when that reads 0.
    let read = accesses(&rig.device.log(), Operation::Read);
    assert_eq!(read, [(0xc0, 0), (0x44, 1)]);
    assert_eq!(transport.read_queue_state(QUEUE), QueueState::Enabled);
    assert!(rig.device.queue(1).is_some());
    assert_eq!(
        rig.device.take_complaints(),
        ["guest error: bad register offset (0xc0)"; 3],
        "it has no such register"
    );
    transport.write_status(Status::empty());
    drop(memory);
    rig.device.assert_clean();
}

#[test]
fn a_queue_is_left_alone_where_its_reset_was_not_agreed_on() {
    for plug in Plug::ALL {
        let rig = Rig::plug(plug, |behaviour| {
            behaviour.offer = Features::RING_RESET.bits();
        });
        let mut transport = rig.transport();
        // A legacy device has no such bit to agree on.
        let accepted = match plug {
            Plug::Mmio(Version::One) => Features::RING_RESET,
            _ => Features::empty(),
        };
        transport.write_driver_features(accepted.bits());
        rig.device.clear_log();
        transport.start_queue_reset(QUEUE);
        assert_eq!(transport.read_queue_reset(QUEUE), QueueReset::Ignored);
        assert_eq!(rig.device.log().all(), [], "{plug:?}");
        let _ = rig.device.take_complaints();
    }
}
