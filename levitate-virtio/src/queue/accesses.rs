//! How often the shared memory of a ring is accessed, exactly: each access may cost a cache line that the device has just written.

use std::time::Duration;
use std::vec::Vec;

use levitate_hal::{DmaBuffer, DmaSlice};
use levitate_host::{BlockModel, MmioDevice, Pool, VirtualClock};

use super::trace::{self, Access, Kind};
use super::{Data, Queue, QueueConfig, QueueIndex, Slot};
use crate::features::NoFeatures;
use crate::transport::mmio::MmioNotifier;
use crate::{Device, Features, MmioTransport, Wanted};

const TIMEOUT: Duration = Duration::from_millis(100);

type TestQueue<'s> = Queue<'s, DmaBuffer<Pool>, (), Pool, MmioNotifier<MmioDevice<BlockModel>>>;

/// A batch.
const REQUESTS: usize = 4;

const RING_FEATURES: Features = Features::INDIRECT_DESC
    .union(Features::EVENT_IDX)
    .union(Features::RING_PACKED)
    .union(Features::IN_ORDER);

/// Accesses of a ring by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    loads: usize,
    changes: usize,
    /// Stores of what is there already.
    rewrites: usize,
}

impl Counts {
    fn of(accesses: &[Access]) -> Self {
        let count = |kind| accesses.iter().filter(|access| access.kind == kind).count();
        Self {
            loads: count(Kind::Load),
            changes: count(Kind::Change),
            rewrites: count(Kind::Rewrite),
        }
    }
}

/// Counts what `work` does.
fn count<R>(work: impl FnOnce() -> R) -> Counts {
    Counts::of(&trace::record(|| _ = work()))
}

/// Runs `test` with a queue over such a ring, and a buffer for each request of two batches.
fn with_queue(
    features: Features,
    test: impl FnOnce(&mut TestQueue<'_>, [Vec<DmaBuffer<Pool>>; 2]),
) {
    let (pool, clock) = (Pool::builder().build(), VirtualClock::new());
    let registers = MmioDevice::builder(BlockModel::patterned(1))
        .behave(|behaviour| behaviour.offer |= features.bits())
        .build(&pool, &clock);
    let transport = MmioTransport::probe(registers).unwrap().unwrap();
    let device = Device::begin(transport, &clock, TIMEOUT).unwrap();
    let wanted = Wanted::<NoFeatures> {
        common: features,
        ..Wanted::default()
    };
    let (mut device, agreed) = device.negotiate(&wanted).unwrap();
    assert!(agreed.common.contains(features), "{features:?}");
    let config = QueueConfig {
        header_bytes: 16,
        footer_bytes: 1,
        max_segments: 1,
        max_segment_bytes: 512,
        direct_descriptors: 0,
    };
    let mut slots = [const { Slot::new() }; REQUESTS];
    let queue = device
        .prepare_queue(&pool, QueueIndex::new(0), config, &mut slots)
        .unwrap();
    let device = device.go_live();
    let mut queue = queue.activate(&device).unwrap();
    let buffers = [(); 2].map(|()| {
        let buffer = |_| DmaSlice::new_zeroed(&pool, 512).unwrap().into();
        (0..REQUESTS).map(buffer).collect()
    });
    test(&mut queue, buffers);
    let (_, quiesced) = device.reset(&clock, TIMEOUT).unwrap();
    queue.release(&quiesced, |_, ()| {}).unwrap();
}

/// Every combination of the features that make a difference to a ring; some for an interpreter, which takes a second for a device.
fn rings() -> impl Iterator<Item = Features> {
    let bits: Vec<Features> = RING_FEATURES.iter().collect();
    let step = if cfg!(miri) { 5 } else { 1 };
    (0..1_u32 << bits.len()).step_by(step).map(move |set| {
        let chosen = (0..bits.len()).filter(|number| set >> number & 1 != 0);
        chosen.map(|number| bits[number]).collect()
    })
}

/// Submits a request for each of `buffers`; returns what each submit did.
fn submit(queue: &mut TestQueue<'_>, buffers: Vec<DmaBuffer<Pool>>) -> Vec<Counts> {
    let submit_one = |buffer| {
        count(|| {
            let data = Data::Writable(buffer);
            queue.submit(&[0_u8; 16], data, &[0xff_u8], ()).unwrap();
        })
    };
    buffers.into_iter().map(submit_one).collect()
}

/// Takes every request back that is done; returns what each look did, that which found nothing as the last.
fn poll(queue: &mut TestQueue<'_>) -> Vec<Counts> {
    let mut all = Vec::new();
    loop {
        let mut is_done = false;
        all.push(count(|| is_done = queue.poll::<u8>().unwrap().is_some()));
        if !is_done {
            return all;
        }
    }
}

/// That many loads, and no store.
const fn loads(loads: usize) -> Counts {
    Counts {
        loads,
        changes: 0,
        rewrites: 0,
    }
}

#[test]
fn a_submit_reads_nothing_and_writes_what_may_differ_from_the_request_before() {
    for features in rings() {
        with_queue(features, |queue, [first, second]| {
            // These lay the chains out.
            submit(queue, first);
            queue.notify();
            poll(queue);
            let stores = match (
                features.contains(Features::RING_PACKED),
                features.contains(Features::INDIRECT_DESC),
            ) {
                // The data's address and length, the entry, the index.
                (false, false) => 4,
                // The entry and the index.
                (false, true) => 2,
                // Three descriptors of a ring that has none of its own for a slot, three words each.
                (true, false) => 9,
                // One of them, for the table.
                (true, true) => 3,
            };
            for counts in submit(queue, second) {
                assert_eq!(counts.loads, 0, "{features:?}");
                assert_eq!(counts.changes + counts.rewrites, stores, "{features:?}");
            }
        });
    }
}

#[test]
fn the_decision_whether_to_notify_is_one_load() {
    for features in rings() {
        with_queue(features, |queue, [first, second]| {
            for buffers in [first, second] {
                submit(queue, buffers);
                let decision = count(|| queue.notify());
                assert_eq!(decision, loads(1), "{features:?}");
                poll(queue);
            }
        });
    }
}

#[test]
fn an_answer_is_read_once_and_nothing_is_cleared() {
    for features in rings() {
        with_queue(features, |queue, [first, _]| {
            submit(queue, first);
            queue.notify();
            let found = poll(queue);
            // Where there is nothing, who sees to what is out of the ordinary looks too.
            let wanted = match features.contains(Features::RING_PACKED) {
                // The flags, the length and the id of each.
                true => [3, 3, 3, 3, 2],
                // The index once, and the id and the length of each.
                false => [3, 2, 2, 2, 2],
            };
            assert_eq!(found, wanted.map(loads), "{features:?}");
        });
    }
}

#[test]
fn a_batch_that_is_collected_reads_the_used_index_once() {
    for features in rings() {
        with_queue(features, |queue, [first, _]| {
            submit(queue, first);
            queue.notify();
            let looks = match features.contains(Features::RING_PACKED) {
                true => REQUESTS,
                false => 1,
            };
            let collected = count(|| queue.process().unwrap());
            // And once more, to find that nothing is left.
            assert_eq!(collected, loads(2 * REQUESTS + looks + 1), "{features:?}");
        });
    }
}

#[test]
fn a_wish_that_is_there_is_not_written_again() {
    let one_change = |loads| Counts {
        loads,
        changes: 1,
        rewrites: 0,
    };
    for features in rings() {
        with_queue(features, |queue, _| {
            let off = count(|| queue.set_used_notifications(false));
            assert_eq!(off, loads(0), "{features:?}: there is none at first");
            queue.set_used_notifications(true);
            // A look, the wish, and a look that comes after it.
            let wish = count(|| queue.process().unwrap());
            assert_eq!(wish, one_change(2), "{features:?}");
            let again = count(|| queue.process().unwrap());
            assert_eq!(again, loads(1), "{features:?}");
            let off = count(|| queue.set_used_notifications(false));
            assert_eq!(off, one_change(0), "{features:?}");
            let off = count(|| queue.set_used_notifications(false));
            assert_eq!(off, loads(0), "{features:?}");
        });
    }
}
