//! What can be said of the rings without a device.

use std::time::Duration;
use std::vec::Vec;

use levitate_hal::{DmaAddr, DmaBuffer};
use levitate_host::{BlockModel, MmioDevice, Pool, VirtualClock};

use super::*;
use crate::features::NoFeatures;
use crate::queue::heap::Heap;
use crate::{Device, Features, MmioTransport, QueueConfig, QueueIndex, Slot, Wanted};

#[test]
fn rings_are_read_and_written_where_the_specification_has_them() {
    // Four descriptors: available ring at 64, its event at 76; used ring at 80, its event at 116.
    for (placement, used) in [(Placement::Separate, 80), (Placement::Block, 4096)] {
        let size = QueueSize::new(4).unwrap();
        let config = RingConfig {
            size,
            descriptors_per_slot: 1,
            placement,
            features: Features::EVENT_IDX,
            barriers: Barriers::Cpu,
            interface: Interface::Modern,
        };
        let mut ring = SplitRing::new(&Heap, &config).unwrap();
        let areas = ring.areas();
        let base = areas.descriptor.get();
        assert_eq!(areas.driver.get() - base, 64);
        assert_eq!(areas.device.get() - base, used);
        let used = usize::try_from(used).unwrap();
        assert_eq!(
            ring.memory.part(0).load::<u16>(76),
            u16::MAX.to_le(),
            "suppressed"
        );

        let part = Part {
            addr: DmaAddr::new(0x1122),
            len_bytes: 3,
            is_writable: true,
        };
        ring.write_descriptor(5, descriptor(part, 5, true));
        assert_eq!(
            ring.memory.part(0).load::<u64>(16).to_le_bytes(),
            [0x22, 0x11, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(
            ring.memory.part(0).load::<u64>(24).to_le_bytes(),
            [3, 0, 0, 0, 2, 0, 0, 0]
        );
        let mut progress = Progress::of(0, 0);
        for head in [1, 3, 0, 2, 1] {
            ring.make_available(&mut progress, head);
        }
        let entries = [64, 66, 68, 70, 72, 74].map(|at| u16::from_le(ring.memory.part(0).load(at)));
        assert_eq!(
            entries,
            [0, 5, 1, 3, 0, 2],
            "flags, index, and the first entry again"
        );

        let none_done = Progress::of(4, 0);
        assert_eq!(ring.next_used(none_done), Ok(None));
        ring.memory
            .part(0)
            .store(used + 4, [1_u32.to_le(), 7_u32.to_le()]);
        ring.memory.part(0).store(used + 2, 1_u16.to_le());
        let expected = Used {
            id: 1,
            slot: 1,
            len_bytes: 7,
            is_len_meant: true,
        };
        assert_eq!(ring.next_used(none_done), Ok(Some(expected)));
        assert!(ring.covers(none_done, 1) && !ring.covers(none_done, 2));
        let one_done = Progress::of(5, 1);
        assert_eq!(ring.next_used(one_done), Ok(None));
        assert!(!ring.request_used_notification(one_done, 1));
        assert_eq!(
            ring.memory.part(0).load::<u16>(76),
            1_u16.to_le(),
            "requested"
        );
        assert!(!ring.request_used_notification(one_done, 5));
        assert_eq!(
            ring.memory.part(0).load::<u16>(76),
            5_u16.to_le(),
            "the fifth"
        );
        ring.memory.part(0).store(used + 36, 4_u16.to_le());
        assert_eq!(ring.needs_notification(one_done), Some(true));
        // What is asked for is the next index, not one of the last; after a whole round it is among them.
        for (added, is_due) in [
            (1, false),
            (5, false),
            (65_535, false),
            (65_536, true),
            (65_541, true),
        ] {
            ring.memory.part(0).store(used + 36, 5_u16.to_le());
            let mut progress = one_done;
            progress.decided = progress.submitted.wrapping_sub(added);
            assert_eq!(ring.needs_notification(progress), Some(is_due), "{added}");
        }
        drop(ring.into_memory());
    }
}

/// Brings up a device that offers the features `offer`; returns the barriers its queue has.
fn negotiated_barriers(offer: u64) -> Barriers {
    let (pool, clock) = (Pool::builder().build(), VirtualClock::new());
    let timeout = Duration::from_millis(100);
    let registers = MmioDevice::builder(BlockModel::patterned(1))
        .behave(|behaviour| behaviour.offer = offer)
        .build(&pool, &clock);
    let transport = MmioTransport::probe(registers).unwrap().unwrap();
    let device = Device::begin(transport, &clock, timeout).unwrap();
    let (mut device, _) = device.negotiate(&Wanted::<NoFeatures>::default()).unwrap();
    let config = QueueConfig {
        header_bytes: 16,
        footer_bytes: 1,
        max_segments: 1,
        max_segment_bytes: 512,
        direct_descriptors: 0,
    };
    let mut slots = [const { Slot::<DmaBuffer<Pool>, ()>::new() }; 1];
    let queue = device
        .prepare_queue(&pool, QueueIndex::new(0), config, &mut slots)
        .unwrap();
    let device = device.go_live();
    let queue = queue.activate(&device).unwrap();
    let barriers = queue.ring_config.barriers;
    let (_, quiesced) = device.reset(&clock, timeout).unwrap();
    queue.release(&quiesced, |_, ()| {}).unwrap();
    barriers
}

#[test]
fn barriers_are_the_platforms_exactly_with_order_platform() {
    // VIRTIO_F_ORDER_PLATFORM is bit 36 (§6).
    assert_eq!(negotiated_barriers(1 << 36), Barriers::Platform);
    assert_eq!(negotiated_barriers(0), Barriers::Cpu);
    assert_eq!(Features::ORDER_PLATFORM.bits(), 1 << 36);
}

#[test]
fn an_event_index_is_crossed_exactly_when_it_is_in_the_batch() {
    // An interpreter takes a minute for the longest.
    let batches: &[u16] = match cfg!(miri) {
        true => &[1, 2, 3, 64],
        false => &[1, 2, 3, 256, 32768],
    };
    for old in [0_u16, 1, 100, 32767, 32768, 65533, 65535] {
        for &batch in batches {
            let new = old.wrapping_add(batch);
            let inside: Vec<u16> = (0..batch).map(|step| old.wrapping_add(step)).collect();
            for event in [
                old.wrapping_sub(1),
                old,
                new.wrapping_sub(1),
                new,
                new.wrapping_add(1),
            ] {
                assert_eq!(
                    is_crossed(event, old, new),
                    inside.contains(&event),
                    "event {event}, old {old}, new {new}"
                );
            }
        }
    }
}
