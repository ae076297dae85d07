//! Looking for a device in any region, and initialization up to a live queue, with registers that read anything.

use levitate_hal::DmaBuffer;
use levitate_virtio::features::NoFeatures;
use levitate_virtio::{Device, MmioTransport, QueueConfig, QueueError, QueueIndex, Slot, Wanted};

use super::{behave, set_up};
use crate::bench::{Bench, TIMEOUT};
use crate::device::Kind;
use crate::memory::Memory;
use crate::sabotage::Sabotage;

/// Queues a device may have, in this target.
const QUEUES: u16 = 2;

pub(crate) fn run(bytes: &[u8], sabotage: Sabotage) {
    let bench = Bench::new(bytes, Kind::Bare, sabotage);
    let settings = set_up(&bench, 0);
    let region = bench.byte();
    let [low, high] = [bench.byte(), bench.byte()];
    bench.with(|device| {
        device.region_bytes = match region {
            0..=99 => 0x100 + usize::from(region),
            100..=199 => usize::from(low),
            _ => usize::from(u16::from_le_bytes([low, high])),
        };
        if region.is_multiple_of(4) {
            device.version = u32::from(low);
        }
    });
    bench.let_an_allocation_fail();
    initialize(&bench, bench.byte());
    bench.settle(0);
    bench.with(|device| {
        device.version = 1 + u32::from(low) % 2;
        device.region_bytes = 0x200;
    });
    behave(&bench, &settings, &[]);
    let outcome = initialize(&bench, 0);
    bench.demand(
        outcome == Some(1),
        "a device that behaves does not come up with one queue",
    );
    bench.settle(0);
    bench.finish();
}

/// Goes through §3.1.1; returns how many queues came to life, `None` if it did not come to that.
fn initialize(bench: &Bench, choice: u8) -> Option<usize> {
    let probed = bench.call("probe", 0, || MmioTransport::probe(bench.registers()));
    let transport = probed.ok().flatten()?;
    let clock = bench.clock();
    let device = bench.call("begin", 1, || Device::begin(transport, &clock, TIMEOUT));
    let wanted = Wanted::<NoFeatures>::default();
    let (mut device, _) = bench.call("negotiate", 0, || device.ok()?.negotiate(&wanted).ok())?;
    let config = QueueConfig {
        header_bytes: usize::from(choice % 32),
        footer_bytes: 8,
        max_segments: u16::from(choice / 32),
        max_segment_bytes: u32::MAX,
        direct_descriptors: 0,
    };
    let mut slots =
        [const { [const { Slot::<DmaBuffer<Memory>, ()>::new() }; 2] }; QUEUES as usize];
    let mut prepared = Vec::new();
    for (index, slots) in (0..).zip(&mut slots) {
        let index = QueueIndex::new(index);
        let queue = bench.call("prepare", 0, || {
            device.prepare_queue(&bench.memory, index, config, slots)
        });
        match queue {
            Ok(queue) => prepared.push(queue),
            // What the device was told of is never given back, for this code has no proof of a reset to show for it.
            Err(QueueError::Enable(error)) if error.is_device_told() => bench.excuse(2),
            Err(_) => {}
        }
    }
    let device = device.go_live();
    let mut live = Vec::new();
    for queue in prepared {
        live.extend(queue.activate(&device).ok());
    }
    let count = live.len();
    for queue in &mut live {
        queue.set_used_notifications(choice.is_multiple_of(2));
        // Nothing was submitted, so whatever is found is a fault of the device.
        let _ = queue.process();
    }
    let _ = bench.call("config", 0, || {
        device.read_config(|space| space.read_u64(usize::from(choice & !3)))
    });
    bench.behave();
    let reset = bench.call("reset", 1, || device.reset(&clock, TIMEOUT));
    match reset {
        Ok((_, quiesced)) => {
            for queue in live {
                let released = queue.release(&quiesced, |_, ()| {});
                bench.demand(released.is_ok(), "a queue does not take its proof");
            }
        }
        Err(error) => bench.fail(format!("a reset that the device confirms fails: {error}")),
    }
    Some(count)
}
