//! Disks that are lost while a driver waits for them: each on a machine of its own, since a driver that waits for ever ends
//! only with it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use levitate_kernel::command_line::{Driver, Kind};

use super::Subject;
use crate::behaviour::blk;
use crate::behaviour::case::{Case, Context, command};
use crate::behaviour::lost;
use crate::behaviour::registers::DeviceStatus;
use crate::platform::{Board, Transport};

/// How long a reading may go on after its disk is lost; a request that is not answered ends after 5 s.
const DEADLINE: Duration = Duration::from_secs(30);

/// What is done to a disk in the midst of a request.
#[derive(Clone, Copy)]
enum Loss {
    Reset,
    Unplugged,
}

/// A driver on a machine, and how it loses a disk there.
type Row = (&'static str, Driver, Board, Transport, Loss);

const ROWS: [Row; 10] = {
    use Board::{Q35, Virt};
    use Driver::{Levitate as Ours, VirtioDrivers as Other};
    use Loss::{Reset, Unplugged};
    use Transport::{Mmio, Pci};
    [
        ("drivers-levitate-mmio-reset", Ours, Virt, Mmio, Reset),
        ("drivers-levitate-pci-reset", Ours, Virt, Pci, Reset),
        ("drivers-levitate-pci-unplugged", Ours, Virt, Pci, Unplugged),
        ("drivers-levitate-x86-q35-reset", Ours, Q35, Pci, Reset),
        (
            "drivers-levitate-x86-q35-unplugged",
            Ours,
            Q35,
            Pci,
            Unplugged,
        ),
        (
            "drivers-virtio-drivers-mmio-reset",
            Other,
            Virt,
            Mmio,
            Reset,
        ),
        ("drivers-virtio-drivers-pci-reset", Other, Virt, Pci, Reset),
        (
            "drivers-virtio-drivers-pci-unplugged",
            Other,
            Virt,
            Pci,
            Unplugged,
        ),
        (
            "drivers-virtio-drivers-x86-q35-reset",
            Other,
            Q35,
            Pci,
            Reset,
        ),
        (
            "drivers-virtio-drivers-x86-q35-unplugged",
            Other,
            Q35,
            Pci,
            Unplugged,
        ),
    ]
};

/// The cases of this file.
pub(super) fn cases() -> impl Iterator<Item = Case> {
    ROWS.into_iter()
        .map(|(name, driver, board, transport, loss)| {
            let subject = Subject { driver, transport };
            Case {
                name,
                run: Box::new(move |context| run(subject, board, loss, context)),
            }
        })
}

fn run(subject: Subject, board: Board, loss: Loss, context: &Context) -> Result<()> {
    let (check, outcome) = match loss {
        Loss::Reset => ("ends-when-reset", ends_when_reset(subject, board, context)),
        Loss::Unplugged => (
            "ends-when-unplugged",
            ends_when_unplugged(subject, board, context),
        ),
    };
    subject.judge(check, Kind::Blk, outcome)
}

/// Reads from a disk that somebody else resets end in an error; what it says is the driver's own affair.
fn ends_when_reset(subject: Subject, board: Board, context: &Context) -> Result<()> {
    let transport = subject.transport;
    let (mut machine, disk) = lost::machine_to_reset(context, board, transport)?;
    machine.append = subject.words();
    let (mut vm, _) = context.boot(&machine)?;
    subject.ensure_driven(&mut vm, &[(Kind::Blk, 1)])?;
    let number = blk::number_of(&mut vm, disk.serial())?;
    let status = DeviceStatus::find(&mut vm, transport, "disk0", "block")?;
    lost::reset_while_busy(&mut vm, status, number, DEADLINE)?;
    command(&mut vm, "devices").context("the kernel does not go on")?;
    Ok(())
}

/// Reads from a disk that is unplugged end in an error, and the kernel has another disk all the same.
fn ends_when_unplugged(subject: Subject, board: Board, context: &Context) -> Result<()> {
    let (mut machine, [disk, other]) = lost::machine_to_unplug(context, board, subject.transport)?;
    machine.append = subject.words();
    let (mut vm, _) = context.boot(&machine)?;
    subject.ensure_driven(&mut vm, &[(Kind::Blk, 2)])?;
    let number = blk::number_of(&mut vm, disk.serial())?;
    let left = blk::number_of(&mut vm, other.serial())?;
    lost::unplug_while_busy(&mut vm, number, DEADLINE)?;
    blk::check_checksum(&mut vm, left, &other).context("the disk that is left")
}
