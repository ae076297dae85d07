//! Everything that is measured: [`all`].

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::contender::{Contender, MAX_DEPTH, Requests, round_trip};
#[cfg(target_os = "linux")]
use crate::libblkio;
use crate::spec::{F_EVENT_IDX, F_IN_ORDER, F_INDIRECT_DESC, F_RING_PACKED};
use crate::{floor, levitate, virtio_drivers};

/// A contender at a depth.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Case {
    /// Whose code it is: `floor`, or the name of a crate; `device` for the device alone.
    pub(crate) driver: &'static str,
    /// Which of its ways.
    pub(crate) way: &'static str,
    /// The kind of its ring, by the `way` of the `device` that has such a one.
    pub(crate) ring: &'static str,
    /// Requests in a batch.
    pub(crate) depth: usize,
}

/// A case that can be run: [`Batches`] of it.
pub(crate) struct Entry {
    pub(crate) case: Case,
    pub(crate) make: fn(usize) -> Box<dyn Batches>,
}

/// A contender that is ready to run batches.
pub(crate) trait Batches {
    /// Runs `count` batches.
    fn run(&mut self, count: usize);
}

/// A contender with its requests.
struct Ready<C> {
    contender: C,
    requests: Requests,
}

impl<C: Contender> Batches for Ready<C> {
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            round_trip(&mut self.contender, &mut self.requests);
        }
    }
}

/// A row of the table: a driver and its way, the kind of its ring, its largest batch, and how it is made for batches of some size.
struct Row {
    name: (&'static str, &'static str),
    ring: &'static str,
    deepest: usize,
    make: fn(usize) -> Box<dyn Batches>,
}

macro_rules! rows {
    ($($(#[$cfg:meta])? $driver:literal $way:literal over $ring:literal to $deepest:expr, |$depth:pat_param| $make:expr;)*) => {
        &[$($(#[$cfg])? Row {
            name: ($driver, $way),
            ring: $ring,
            deepest: $deepest,
            make: |depth| {
                let make = |$depth| $make;
                Box::new(Ready {
                    contender: make(depth),
                    requests: Requests::new(depth),
                })
            },
        }),*]
    };
}

/// What is measured, at one request at a time and at its largest batch.
const ROWS: &[Row] = rows! {
    "device" "split-direct" over "split-direct" to MAX_DEPTH, |depth| floor::SplitReplay::<false, false>::new(depth);
    "device" "split-direct-in-order" over "split-direct-in-order" to MAX_DEPTH, |depth| floor::SplitReplay::<false, true>::new(depth);
    "device" "split-indirect" over "split-indirect" to MAX_DEPTH, |depth| floor::SplitReplay::<true, false>::new(depth);
    "device" "packed-direct" over "packed-direct" to MAX_DEPTH, |_| floor::PackedReplay::<false, false>::new();
    "device" "packed-direct-in-order" over "packed-direct-in-order" to MAX_DEPTH, |_| floor::PackedReplay::<false, true>::new();
    "device" "packed-indirect" over "packed-indirect" to MAX_DEPTH, |_| floor::PackedReplay::<true, false>::new();
    "floor" "split-direct" over "split-direct" to MAX_DEPTH, |_| floor::SplitDirect::new();
    "floor" "split-direct-in-order" over "split-direct-in-order" to MAX_DEPTH, |_| floor::SplitInOrder::new();
    "floor" "split-preset" over "split-direct" to MAX_DEPTH, |_| floor::SplitPreset::<false, false>::new();
    "floor" "split-indirect" over "split-indirect" to MAX_DEPTH, |_| floor::SplitPreset::<true, false>::new();
    "floor" "block-checked" over "split-indirect" to MAX_DEPTH, |_| floor::BlockChecked::new();
    "floor" "packed-direct" over "packed-direct" to MAX_DEPTH, |_| floor::PackedDirect::new();
    "floor" "packed-direct-in-order" over "packed-direct-in-order" to MAX_DEPTH, |_| floor::PackedInOrder::new();
    "floor" "packed-indirect" over "packed-indirect" to MAX_DEPTH, |_| floor::PackedIndirect::new();
    "levitate" "split-direct" over "split-direct" to MAX_DEPTH, |_| levitate::Queue::new(0);
    "levitate" "split-direct-event" over "split-direct" to MAX_DEPTH, |_| levitate::Queue::new(F_EVENT_IDX);
    "levitate" "split-direct-in-order" over "split-direct-in-order" to MAX_DEPTH, |_| levitate::Queue::new(F_IN_ORDER);
    "levitate" "split-direct-event-in-order" over "split-direct-in-order" to MAX_DEPTH, |_| levitate::Queue::new(F_EVENT_IDX | F_IN_ORDER);
    "levitate" "split-indirect" over "split-indirect" to MAX_DEPTH, |_| levitate::Queue::new(F_INDIRECT_DESC);
    "levitate" "packed-direct" over "packed-direct" to MAX_DEPTH, |_| levitate::Queue::new(F_RING_PACKED);
    "levitate" "packed-direct-event" over "packed-direct" to MAX_DEPTH, |_| levitate::Queue::new(F_RING_PACKED | F_EVENT_IDX);
    "levitate" "packed-direct-in-order" over "packed-direct-in-order" to MAX_DEPTH, |_| levitate::Queue::new(F_RING_PACKED | F_IN_ORDER);
    "levitate" "packed-direct-event-in-order" over "packed-direct-in-order" to MAX_DEPTH, |_| levitate::Queue::new(F_RING_PACKED | F_EVENT_IDX | F_IN_ORDER);
    "levitate" "packed-indirect" over "packed-indirect" to MAX_DEPTH, |_| levitate::Queue::new(F_RING_PACKED | F_INDIRECT_DESC);
    "levitate" "block" over "split-direct" to MAX_DEPTH, |_| levitate::Block::new();
    "virtio-drivers" "split-direct" over "split-direct" to MAX_DEPTH, |_| virtio_drivers::Queue::new(false);
    "virtio-drivers" "split-indirect" over "split-indirect" to MAX_DEPTH, |_| virtio_drivers::Queue::new(true);
    "virtio-drivers" "block" over "split-indirect" to virtio_drivers::DEEPEST, |_| virtio_drivers::Block::new();
    #[cfg(target_os = "linux")]
    "libblkio" "split-direct" over "split-direct" to MAX_DEPTH, |_| libblkio::Queue::new(libblkio::Ring::Split);
    #[cfg(target_os = "linux")]
    "libblkio" "packed-direct" over "packed-direct" to MAX_DEPTH, |_| libblkio::Queue::new(libblkio::Ring::Packed);
    #[cfg(target_os = "linux")]
    "libblkio" "block" over "split-direct" to MAX_DEPTH, |_| libblkio::Block::new(libblkio::Ring::Split);
    #[cfg(target_os = "linux")]
    "libblkio" "block-packed" over "packed-direct" to MAX_DEPTH, |_| libblkio::Block::new(libblkio::Ring::Packed);
};

/// Returns everything that is measured.
pub(crate) fn all() -> impl Iterator<Item = Entry> {
    ROWS.iter().flat_map(|row| {
        let (driver, way) = row.name;
        [1, row.deepest].map(|depth| Entry {
            case: Case {
                driver,
                way,
                ring: row.ring,
                depth,
            },
            make: row.make,
        })
    })
}

/// Runs `batches` of the contender that is called `name`, a driver and its way.
///
/// # Errors
///
/// There is none like that.
pub(crate) fn run(name: &str, depth: usize, batches: usize) -> Result<()> {
    let entry = all()
        .find(|entry| {
            let Case { driver, way, .. } = entry.case;
            name == format!("{driver}/{way}") && entry.case.depth == depth
        })
        .with_context(|| format!("there is no {name} at depth {depth}"))?;
    let mut contender = (entry.make)(depth);
    contender.run(batches);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Indices of 16 bits begin anew on the way.
    const REQUESTS: usize = 70_000;

    #[test]
    fn every_contender_has_its_requests_served() {
        for entry in all() {
            let depth = entry.case.depth;
            (entry.make)(depth).run(REQUESTS.div_ceil(depth));
        }
    }

    #[test]
    fn the_devices_share_of_each_is_known() {
        for Entry { case, .. } in all() {
            let is_its = |other: &Case| other.driver == "device" && other.way == case.ring;
            assert!(all().any(|other| is_its(&other.case)), "{case:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = run("floor/split-fast", 1, 1).unwrap_err();
        assert!(error.to_string().contains("floor/split-fast"), "{error}");
    }
}
