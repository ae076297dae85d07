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

/// What the devices of one machine offer, and is to be accepted.
struct Row {
    name: &'static str,
    board: Board,
    transport: Transport,
    features: &'static [(Feature, bool)],
}

/// With the self-tests of other machines, which have split rings with the other two features, these cover every pair of values.
const ROWS: &[Row] = &[
    Row {
        name: "rings-packed-pci",
        board: Board::Virt,
        transport: Transport::Pci,
        features: &[(PACKED, true), (EVENT_IDX, true), (INDIRECT_DESC, true)],
    },
    Row {
        name: "rings-packed-x86-q35",
        board: Board::Q35,
        transport: Transport::Pci,
        features: &[(PACKED, true), (EVENT_IDX, true), (INDIRECT_DESC, true)],
    },
    Row {
        name: "rings-packed-mmio",
        board: Board::Virt,
        transport: Transport::Mmio,
        features: &[(PACKED, true), (EVENT_IDX, true), (INDIRECT_DESC, true)],
    },
    Row {
        name: "rings-packed-bare",
        board: Board::Virt,
        transport: Transport::Mmio,
        features: &[(PACKED, true), (EVENT_IDX, false), (INDIRECT_DESC, false)],
    },
    Row {
        name: "rings-split-no-event-idx",
        board: Board::Virt,
        transport: Transport::Pci,
        features: &[(PACKED, false), (EVENT_IDX, false), (INDIRECT_DESC, true)],
    },
    Row {
        name: "rings-split-no-indirect",
        board: Board::Q35,
        transport: Transport::Pci,
        features: &[(PACKED, false), (EVENT_IDX, true), (INDIRECT_DESC, false)],
    },
    Row {
        name: "rings-packed-in-order",
        board: Board::Virt,
        transport: Transport::Pci,
        features: &[(PACKED, true), (IN_ORDER, true)],
    },
    Row {
        name: "rings-split-in-order",
        board: Board::Q35,
        transport: Transport::Pci,
        features: &[(PACKED, false), (IN_ORDER, true)],
    },
    Row {
        name: "rings-split-in-order-bare",
        board: Board::Virt,
        transport: Transport::Mmio,
        features: &[
            (PACKED, false),
            (IN_ORDER, true),
            (EVENT_IDX, false),
            (INDIRECT_DESC, false),
        ],
    },
];

/// The cases of this file: one for each row.
pub(crate) fn cases() -> Vec<Case> {
    ROWS.iter()
        .map(|row| Case {
            name: row.name,
            run: Box::new(move |context| run(row, context)),
        })
        .collect()
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
    for ((property, _), is_on) in row.features {
        if !case::has_property(&machine.qemu, "virtio-blk-device", property)? {
            return Err(Skipped(format!("this QEMU has no property {property}")).into());
        }
        let value = if *is_on { "on" } else { "off" };
        // A property of every kind of device.
        let global = format!("virtio-device.{property}={value}");
        machine.extra.extend(["-global".into(), global.into()]);
    }
    let (mut vm, log) = context.boot(&machine)?;
    for id in ["gpu0", "disk0", "disk1"] {
        for ((property, name), is_on) in row.features {
            ensure!(
                has_accepted(&mut vm, id, name)? == *is_on,
                "{id} offers {property}: {is_on}; the driver was to accept just that"
            );
        }
    }
    ensure_said(&mut vm, row.features)?;
    pixels::check(&mut vm, SIZE, &log, DAMAGE, &context.dir)?;
    blk::check(&mut vm, &mut disks)?;
    selftest::check_in_shell(&mut vm)?;
    case::shut_down(vm)?;
    disks[0].ensure_as_expected()?;
    fixed.ensure_as_expected()
}

/// Checks that the kernel says the same of each device's first queue.
fn ensure_said(vm: &mut Vm, features: &[(Feature, bool)]) -> Result<()> {
    let stats = case::command(vm, "stats")?;
    let queues: Vec<_> = stats
        .iter()
        .filter_map(|line| line.split_once(", features "))
        .collect();
    ensure!(queues.len() == 3, "`stats` has the features of {queues:?}");
    for (_, said) in queues {
        for ((property, _), is_on) in features {
            let name = match *property {
                "packed" => "RING_PACKED".to_owned(),
                other => other.to_uppercase(),
            };
            ensure!(
                said.split(' ').any(|word| word == name) == *is_on,
                "{name} is to be {is_on}, but the features are said to be {said}"
            );
        }
    }
    Ok(())
}
