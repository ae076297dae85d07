//! Ring formats and ring features: a display and disks do with each of them all that they do elsewhere.

use anyhow::{Result, ensure};

use super::case::{self, Case, Context, Skipped};
use super::disk_image::TestDisk;
use super::features::has_accepted;
use super::{blk, pixels, selftest};
use crate::platform::{Board, Transport};
use crate::vm::Vm;
use crate::vm::image::Rectangle;

/// Of odd size, and away from the edges.
const DAMAGE: Rectangle = Rectangle {
    x: 101,
    y: 77,
    width: 29,
    height: 31,
};

const SIZE: (u32, u32) = (1024, 768);

/// What QEMU calls each of the features, as a property of its devices and in what it says of a driver.
const PACKED: Feature = ("packed", "VIRTIO_F_RING_PACKED:");
const EVENT_IDX: Feature = ("event_idx", "VIRTIO_RING_F_EVENT_IDX:");
const INDIRECT_DESC: Feature = ("indirect_desc", "VIRTIO_RING_F_INDIRECT_DESC:");
const IN_ORDER: Feature = ("in_order", "VIRTIO_F_IN_ORDER:");

type Feature = (&'static str, &'static str);

/// A machine whose devices have these of the features, and none of the others.
struct Row {
    name: &'static str,
    board: Board,
    transport: Transport,
    features: &'static [Feature],
}

impl Row {
    /// Says of each feature whether it is to be there; not of one that is off anyhow, and that an older QEMU does not know.
    fn choices(&self) -> impl Iterator<Item = (Feature, bool)> {
        [PACKED, EVENT_IDX, INDIRECT_DESC, IN_ORDER]
            .into_iter()
            .map(|feature| (feature, self.features.contains(&feature)))
            .filter(|choice| *choice != (IN_ORDER, false))
    }
}

/// With the self-tests of other machines, which have split rings with event index and indirect tables, these are all combinations.
const ROWS: &[Row] = &[
    Row {
        name: "rings-packed-pci",
        board: Board::Virt,
        transport: Transport::Pci,
        features: &[PACKED, EVENT_IDX, INDIRECT_DESC],
    },
    Row {
        name: "rings-packed-x86-q35",
        board: Board::Q35,
        transport: Transport::Pci,
        features: &[PACKED, EVENT_IDX, INDIRECT_DESC],
    },
    Row {
        name: "rings-packed-mmio",
        board: Board::Virt,
        transport: Transport::Mmio,
        features: &[PACKED, EVENT_IDX, INDIRECT_DESC],
    },
    Row {
        name: "rings-packed-no-event-idx",
        board: Board::Q35,
        transport: Transport::Pci,
        features: &[PACKED, INDIRECT_DESC],
    },
    Row {
        name: "rings-packed-no-indirect",
        board: Board::Virt,
        transport: Transport::Pci,
        features: &[PACKED, EVENT_IDX],
    },
    Row {
        name: "rings-packed-bare",
        board: Board::Virt,
        transport: Transport::Mmio,
        features: &[PACKED],
    },
    Row {
        name: "rings-split-no-event-idx",
        board: Board::Virt,
        transport: Transport::Pci,
        features: &[INDIRECT_DESC],
    },
    Row {
        name: "rings-split-no-indirect",
        board: Board::Q35,
        transport: Transport::Pci,
        features: &[EVENT_IDX],
    },
    Row {
        name: "rings-split-bare",
        board: Board::Microvm,
        transport: Transport::Mmio,
        features: &[],
    },
    Row {
        name: "rings-packed-in-order",
        board: Board::Virt,
        transport: Transport::Pci,
        features: &[PACKED, IN_ORDER, EVENT_IDX, INDIRECT_DESC],
    },
    Row {
        name: "rings-packed-in-order-no-event-idx",
        board: Board::Virt,
        transport: Transport::Mmio,
        features: &[PACKED, IN_ORDER, INDIRECT_DESC],
    },
    Row {
        name: "rings-packed-in-order-no-indirect",
        board: Board::Q35,
        transport: Transport::Pci,
        features: &[PACKED, IN_ORDER, EVENT_IDX],
    },
    Row {
        name: "rings-packed-in-order-bare",
        board: Board::Microvm,
        transport: Transport::Mmio,
        features: &[PACKED, IN_ORDER],
    },
    Row {
        name: "rings-split-in-order",
        board: Board::Q35,
        transport: Transport::Pci,
        features: &[IN_ORDER, EVENT_IDX, INDIRECT_DESC],
    },
    Row {
        name: "rings-split-in-order-no-event-idx",
        board: Board::Virt,
        transport: Transport::Pci,
        features: &[IN_ORDER, INDIRECT_DESC],
    },
    Row {
        name: "rings-split-in-order-no-indirect",
        board: Board::Microvm,
        transport: Transport::Mmio,
        features: &[IN_ORDER, EVENT_IDX],
    },
    Row {
        name: "rings-split-in-order-bare",
        board: Board::Virt,
        transport: Transport::Mmio,
        features: &[IN_ORDER],
    },
];

/// The cases of this file: one for each row.
pub(crate) fn cases() -> Vec<Case> {
    ROWS.iter()
        .map(|row| Case {
            name: row.name,
            run: Box::new(move |context| run_unless_lost(row, context)),
        })
        .collect()
}

/// What QEMU logs when it loses a request for good: from 9.1 until it was mended for 10.1, it does not find a chain of several
/// descriptors of a packed ring again if that is done before an earlier one, and is to be used in order.
const LOST: &str = "virtqueue_ordered_fill: virtio-blk cannot fill buffer id";

/// Runs the row; it is skipped if it is one that QEMU loses requests of, and QEMU says that it did.
fn run_unless_lost(row: &Row, context: &Context) -> Result<()> {
    let has = |feature| row.features.contains(&feature);
    let may_be_lost = has(PACKED) && has(IN_ORDER) && !has(INDIRECT_DESC);
    run(row, context).map_err(|error| {
        let log = std::fs::read(context.dir.join("qemu.log")).unwrap_or_default();
        match may_be_lost && String::from_utf8_lossy(&log).contains(LOST) {
            true => Skipped(format!("this QEMU loses requests ({LOST}): {error:#}")).into(),
            false => error,
        }
    })
}

/// Pixels, disk bytes and the kernel's own tests, with the features that the row names.
fn run(row: &Row, context: &Context) -> Result<()> {
    let mut disks = [TestDisk::create(
        &context.dir,
        "writable",
        selftest::SECTORS,
    )?];
    let fixed = TestDisk::create(&context.dir, "fixed", selftest::SECTORS)?;
    let mut machine = context.machine_of(row.board);
    machine.transport = row.transport;
    machine.gpu = Some(SIZE);
    machine.vnc = true;
    machine.trace = blk::REQUEST_EVENTS.map(str::to_owned).to_vec();
    machine.trace.push(pixels::FLUSH_EVENT.to_owned());
    machine.disks = vec![disks[0].device(), fixed.device()];
    machine.disks[1].read_only = true;
    for ((property, _), is_on) in row.choices() {
        if !case::has_property(&machine.qemu, "virtio-blk-device", property)? {
            return Err(Skipped(format!("this QEMU has no property {property}")).into());
        }
        let value = if is_on { "on" } else { "off" };
        // A property of every kind of device.
        let global = format!("virtio-device.{property}={value}");
        machine.extra.extend(["-global".into(), global.into()]);
    }
    let (mut vm, log) = context.boot(&machine)?;
    for id in ["gpu0", "disk0", "disk1"] {
        for ((property, name), is_on) in row.choices() {
            ensure!(
                has_accepted(&mut vm, id, name)? == is_on,
                "{id} offers {property}: {is_on}; the driver was to accept just that"
            );
        }
    }
    ensure_said(&mut vm, row)?;
    pixels::check(&mut vm, SIZE, &log, DAMAGE, &context.dir)?;
    blk::check(&mut vm, &mut disks)?;
    selftest::check_in_shell(&mut vm)?;
    case::shut_down(vm)?;
    disks[0].ensure_as_expected()?;
    fixed.ensure_as_expected()
}

/// Checks that the kernel says the same of each device's first queue.
fn ensure_said(vm: &mut Vm, row: &Row) -> Result<()> {
    let stats = case::command(vm, "stats")?;
    let queues: Vec<_> = stats
        .iter()
        .filter_map(|line| line.split_once(", features "))
        .collect();
    ensure!(queues.len() == 3, "`stats` has the features of {queues:?}");
    for (_, said) in queues {
        for ((property, _), is_on) in row.choices() {
            let name = match property {
                "packed" => "RING_PACKED".to_owned(),
                other => other.to_uppercase(),
            };
            ensure!(
                said.split(' ').any(|word| word == name) == is_on,
                "{name} is to be {is_on}, but the features are said to be {said}"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_rows_are_all_combinations_but_the_one_of_other_machines() {
        const ALL: [Feature; 4] = [PACKED, EVENT_IDX, INDIRECT_DESC, IN_ORDER];
        let number = |features: &[Feature]| {
            let is_on = ALL.map(|feature| u8::from(features.contains(&feature)));
            is_on.into_iter().fold(0, |number, bit| number << 1 | bit)
        };
        let mut seen: BTreeSet<u8> = ROWS.iter().map(|row| number(row.features)).collect();
        assert!(seen.insert(number(&[EVENT_IDX, INDIRECT_DESC])));
        assert_eq!(seen.len(), 1 << ALL.len());
    }
}
