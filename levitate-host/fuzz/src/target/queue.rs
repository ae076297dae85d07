//! A virtqueue of any shape, next to a model that says what each look at it must find.

use levitate_hal::DmaBuffer;
use levitate_virtio::features::NoFeatures;
use levitate_virtio::transport::mmio::MmioNotifier;
use levitate_virtio::{
    Device, DeviceType, Features, MmioTransport, Queue, QueueConfig, QueueIndex, Slot,
    Transport as _, Wanted, stage,
};

use super::{Settings, behave, probe_transport, set_up};
use crate::bench::{Bench, Registers, TIMEOUT};
use crate::device::Kind;
use crate::device::ring::Framing;
use crate::memory::Memory;
use crate::sabotage::Sabotage;

mod model;
mod program;

use program::Program;

type Buffer = DmaBuffer<Memory>;
type Slots = [Slot<Buffer, u32>; SLOTS];
type Live = Device<MmioTransport<Registers>, stage::Live>;
type LiveQueue<'s> = Queue<'s, Buffer, u32, Memory, MmioNotifier<Registers>>;

const SLOTS: usize = 5;

/// Calls a program makes at most.
const MAX_CALLS: usize = 40;

pub(crate) fn run(bytes: &[u8], sabotage: Sabotage) {
    let bench = Bench::new(bytes, Kind::Bare, sabotage);
    match bench.byte() % 4 {
        0 => run_with::<8, 0>(bench),
        1 => run_with::<0, 4>(bench),
        // As short as a disk's status, which the queue treats in a way of its own.
        2 => run_with::<8, 1>(bench),
        _ => run_with::<8, 4>(bench),
    }
}

/// Runs with headers of `H` bytes and footers of `F`.
fn run_with<const H: usize, const F: usize>(bench: Bench) {
    let settings = set_up(&bench, 0);
    bench.with(|device| {
        device.framing = Framing {
            has_header: H != 0,
            has_footer: F != 0,
        };
    });
    let segment_bytes = [64, 16, 1, 0, u32::MAX][usize::from(bench.byte() % 5)];
    let descriptors = u16::from(bench.byte());
    let config = QueueConfig {
        header_bytes: H,
        footer_bytes: F,
        max_segments: descriptors % 4,
        max_segment_bytes: segment_bytes,
        // Shorter chains than the longest may be in the ring where there are tables.
        direct_descriptors: descriptors / 4 % 4,
    };
    let mut slots: Slots = [const { Slot::new() }; SLOTS];
    let count = 1 + usize::from(bench.byte()) % SLOTS;
    bench.let_an_allocation_fail();
    if let Some((device, queue)) = start(&bench, config, &mut slots[..count]) {
        let mut program = Program::<H, F>::new(&bench, device, queue);
        for _ in 0..MAX_CALLS {
            if !bench.goes_on() {
                break;
            }
            program.call();
        }
        let end = program.end();
        bench.demand(end.is_some(), "a reset that the device confirms fails");
    }
    bench.settle(SLOTS);
    works::<H, F>(&bench, &settings);
    bench.settle(0);
    bench.finish();
}

fn start<'s>(
    bench: &Bench,
    config: QueueConfig,
    slots: &'s mut [Slot<Buffer, u32>],
) -> Option<(Live, LiveQueue<'s>)> {
    let transport = probe_transport(bench)?;
    if Some(transport.device_type()) != DeviceType::new(42) {
        return None;
    }
    bench.call("start", 1, || {
        let device = Device::begin(transport, &bench.clock(), TIMEOUT).ok()?;
        let wanted = Wanted::<NoFeatures> {
            // A reset of the queue, too.
            common: Features::IMPLEMENTED,
            ..Wanted::default()
        };
        let (mut device, _) = device.negotiate(&wanted).ok()?;
        let index = QueueIndex::new(0);
        let queue = device
            .prepare_queue(&bench.memory, index, config, slots)
            .ok()?;
        let device = device.go_live();
        let queue = queue.activate(&device).ok()?;
        Some((device, queue))
    })
}

/// Checks that a device that behaves answers a request, and that all memory comes back.
fn works<const H: usize, const F: usize>(bench: &Bench, settings: &Settings) {
    behave(bench, settings, &[]);
    let config = QueueConfig {
        header_bytes: H,
        footer_bytes: F,
        max_segments: 1,
        max_segment_bytes: 64,
        direct_descriptors: 0,
    };
    let mut slots: Slots = [const { Slot::new() }; SLOTS];
    let Some((device, queue)) = start(bench, config, &mut slots) else {
        bench.fail("a device that behaves does not come up".to_owned());
        return;
    };
    let mut program = Program::<H, F>::new(bench, device, queue);
    let is_done = program.echo();
    bench.demand(is_done, "a device that behaves does not answer");
    if program.begin_anew() {
        let is_done = program.echo();
        bench.demand(is_done, "a queue that was reset does not work");
    }
    let end = program.end();
    bench.demand(end.is_some(), "a device that behaves is not reset");
}
