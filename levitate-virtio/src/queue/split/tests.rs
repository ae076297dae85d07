//! What can be said of the rings without a device.

use std::time::Duration;
use std::vec::Vec;

use levitate_hal::DmaBuffer;
use levitate_host::{BlockModel, MmioDevice, Pool, VirtualClock};

use super::*;
use crate::features::NoFeatures;
use crate::{Device, Features, MmioTransport, QueueConfig, QueueIndex, Slot, Wanted};

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
    };
    let mut slots = [const { Slot::<DmaBuffer<Pool>, ()>::new() }; 1];
    let queue = device
        .prepare_queue(&pool, QueueIndex::new(0), config, &mut slots)
        .unwrap();
    let device = device.go_live();
    let queue = queue.activate(&device).unwrap();
    let barriers = queue.ring.barriers;
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
    for old in [0_u16, 1, 100, 32767, 32768, 65533, 65535] {
        for batch in [1_u16, 2, 3, 256, 32768] {
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
