//! Machines with an IOMMU, which the kernel leaves as it finds it: devices behind it and beside it.

use anyhow::{Result, ensure};

use super::blk;
use super::case::{Case, Context, command, excerpt, shut_down};
use super::disk_image::TestDisk;
use super::features::has_accepted;
use super::pixels;
use crate::platform::{Board, Transport};
use crate::vm::Machine;

/// What a device behind the IOMMU has: only the modern interface knows the feature.
const BEHIND: [&str; 2] = ["disable-legacy=on", "iommu_platform=on"];

/// How QEMU describes the feature.
const ACCESS_PLATFORM: &str = "VIRTIO_F_IOMMU_PLATFORM:";

/// What the kernel lists of a disk that the IOMMU keeps from memory.
const OUT_OF_REACH: &str = "levitate-drivers-blk: failed: no answer within 5s: no sign that the device fetched the request: \
     the platform may keep it from the memory of queue 0 (by VIRTIO_F_ACCESS_PLATFORM an IOMMU must be off or \
     translate its addresses), or the notification is lost";

/// The cases of this file.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "iommu-off",
            run: Box::new(|context| {
                let mut machine = context.machine();
                machine.extra = vec!["-M".into(), "iommu=smmuv3".into()];
                switched_off(context, machine)
            }),
        },
        Case {
            name: "iommu-off-x86-q35",
            run: Box::new(|context| {
                let mut machine = context.machine_of(Board::Q35);
                machine.devices = vec!["intel-iommu".to_owned()];
                switched_off(context, machine)
            }),
        },
        Case {
            name: "iommu-in-the-way",
            run: Box::new(|context| in_the_way(context, Board::Virt)),
        },
        Case {
            // Of its half a minute the firmware takes most, which looks for something to boot on the disk; the other one, which does not,
            // leaves BARs without addresses.
            name: "iommu-in-the-way-x86-q35",
            run: Box::new(|context| in_the_way(context, Board::Q35)),
        },
    ]
}

/// One that is off is no obstacle: a display and a disk behind it and a disk beside it do all that they do elsewhere.
fn switched_off(context: &Context, mut machine: Machine) -> Result<()> {
    let size = (1280, 800);
    let mut disks = [
        TestDisk::create(&context.dir, "behind", 4_099)?,
        TestDisk::create(&context.dir, "beside", 4_099)?,
    ];
    machine.transport = Transport::Pci;
    machine.trace = blk::REQUEST_EVENTS.map(str::to_owned).to_vec();
    machine.gpu = Some(size);
    machine.vnc = true;
    let behind = "virtio-gpu-device.iommu_platform=on";
    machine.extra.extend(["-global".into(), behind.into()]);
    machine.disks = disks.iter().map(TestDisk::device).collect();
    machine.disks[0]
        .properties
        .extend(BEHIND.map(str::to_owned));
    let (mut vm, _) = context.boot(&machine)?;
    for (id, is_behind) in [("gpu0", true), ("disk0", true), ("disk1", false)] {
        ensure!(
            has_accepted(&mut vm, id, ACCESS_PLATFORM)? == is_behind,
            "{id} was to be driven {} VIRTIO_F_ACCESS_PLATFORM",
            if is_behind { "with" } else { "without" }
        );
    }
    vm.connect_vnc()?;
    command(&mut vm, "gpu card")?;
    pixels::ensure_shown(&mut vm, &pixels::card(size)?, &context.dir, "card")?;
    blk::check(&mut vm, &mut disks)?;
    shut_down(vm)?;
    disks.iter().try_for_each(TestDisk::ensure_as_expected)
}

/// A device behind one that lets nothing through is refused, with the reason; a device beside it works.
fn in_the_way(context: &Context, board: Board) -> Result<()> {
    let behind = TestDisk::create(&context.dir, "behind", 64)?;
    // Its interrupts are rejected as well: it is looked at by each tick, and has little to be read.
    let beside = TestDisk::create(&context.dir, "beside", 64)?;
    let mut machine = context.machine_of(board);
    machine.transport = Transport::Pci;
    machine.devices = vec!["virtio-iommu-pci,boot-bypass=off".to_owned()];
    machine.disks = vec![behind.device(), beside.device()];
    machine.disks[0]
        .properties
        .extend(BEHIND.map(str::to_owned));
    let (mut vm, log) = context.boot(&machine)?;
    let listed = command(&mut vm, "devices")?;
    let refused = listed.iter().find(|line| line.contains("  blk.0 "));
    ensure!(
        refused.is_some_and(|line| line.ends_with(OUT_OF_REACH)) && log.contains(OUT_OF_REACH),
        "the disk behind the IOMMU was to be refused for {OUT_OF_REACH:?}: {}",
        excerpt(&listed)
    );
    // It is no disk of the kernel's, which are counted without it.
    blk::check_checksum(&mut vm, 0, &beside)?;
    let errors = vm.guest_errors()?;
    let is_kept_off = |error: &String| error.ends_with("reason: rejected");
    // The device's interrupt messages are rejected too, of which QEMU 7.2 tells and 10.0 does not.
    ensure!(
        errors.iter().all(is_kept_off),
        "QEMU logged {errors:?}, which is not all about memory that the IOMMU has not let through"
    );
    behind.ensure_as_expected()
}
