//! A reset of one virtqueue (§2.6.1): the disks go on where QEMU has it, and go on all the same where QEMU ignores it.

use anyhow::{Result, ensure};

use super::case::{self, Case, Context, Skipped};
use super::disk_image::TestDisk;
use super::features::has_accepted;
use super::{blk, selftest};
use crate::platform::{Board, Transport};

/// How QEMU describes the feature.
const RING_RESET: &str = "VIRTIO_F_RING_RESET:";

/// What the kernel's suite must show of a disk that resets its queue.
const RESET: [&str; 4] = [
    "queue-reset-reads-on",
    "queue-reset-gives-back",
    "queue-reset-interrupts",
    "is-driven-again",
];

/// And of one that takes no notice.
const IGNORED: [&str; 2] = ["queue-reset-ignored", "is-driven-again"];

/// Why the others may be skipped: it depends on the device.
const OTHER_DEVICE: &str = "the device";

/// The cases of this file.
pub(crate) fn cases() -> Vec<Case> {
    [
        ("queue-reset-pci", Board::Virt, Transport::Pci, "off"),
        (
            "queue-reset-pci-intx",
            Board::Virt,
            Transport::PciIntx,
            "on",
        ),
        ("queue-reset-x86-q35", Board::Q35, Transport::Pci, "on"),
        ("queue-reset-mmio", Board::Virt, Transport::Mmio, "off"),
    ]
    .into_iter()
    .map(|(name, board, transport, packed)| Case {
        name,
        run: Box::new(move |context| run(context, board, transport, packed)),
    })
    .collect()
}

/// `selftest queue-reset`, and the disks are what they were: a driver that does not want the feature reads them from then on.
fn run(context: &Context, board: Board, transport: Transport, packed: &str) -> Result<()> {
    let mut disks = [TestDisk::create(
        &context.dir,
        "writable",
        selftest::SECTORS,
    )?];
    let fixed = TestDisk::create(&context.dir, "fixed", selftest::SECTORS)?;
    let mut machine = context.machine_of(board);
    for property in ["queue_reset", "packed"] {
        if !case::has_property(&machine.qemu, "virtio-blk-device", property)? {
            return Err(Skipped(format!("this QEMU has no property {property}")).into());
        }
    }
    machine.transport = transport;
    machine.trace = blk::REQUEST_EVENTS.map(str::to_owned).to_vec();
    machine.disks = vec![disks[0].device(), fixed.device()];
    machine.disks[1].read_only = true;
    for global in [
        "virtio-device.queue_reset=on",
        &format!("virtio-device.packed={packed}"),
        // With it, QEMU may look at a queue although it was not notified.
        "virtio-pci.ioeventfd=off",
    ] {
        machine.extra.extend(["-global".into(), global.into()]);
    }
    let (mut vm, _) = context.boot(&machine)?;
    let required = match transport.is_pci() {
        true => &RESET[..],
        false => &IGNORED[..],
    };
    vm.send("selftest queue-reset\n")?;
    let log = vm.wait_for(&format!("\n{}", crate::vm::PROMPT), selftest::DEADLINE)?;
    let passed = selftest::check(&log, 2 * required.len(), Some(OTHER_DEVICE))?;
    for name in required {
        let times = passed.iter().filter(|test| test == name).count();
        ensure!(times == 2, "{name} passed on {times} of two disks");
    }
    ensure!(
        !has_accepted(&mut vm, "disk0", RING_RESET)?,
        "RING_RESET is accepted although nobody asks for it"
    );
    blk::check(&mut vm, &mut disks)?;
    vm.send("shutdown\n")?;
    case::ensure_exit(&mut vm, case::SHUTDOWN_DEADLINE, 0)?;
    let errors = vm.guest_errors()?;
    // QEMU's virtio-mmio does not even know the register.
    let is_about_the_register = |error: &String| error.ends_with("bad register offset (0xc0)");
    ensure!(
        errors.is_empty() == transport.is_pci() && errors.iter().all(is_about_the_register),
        "QEMU complains of something else than QueueReset: {errors:?}"
    );
    disks[0].ensure_as_expected()?;
    fixed.ensure_as_expected()
}
