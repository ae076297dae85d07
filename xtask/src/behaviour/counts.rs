//! What the kernel counts of its devices, against what QEMU sees of them.

use anyhow::{Context as _, Result, ensure};

use super::blk;
use super::case::{Case, Context, command, shut_down};
use super::disk_image::TestDisk;
use crate::platform::{Board, Transport};
use crate::vm::Vm;

/// Reads of one sector each, one after the other.
const READS: u64 = 5;

/// The cases of this file.
pub(crate) fn cases() -> Vec<Case> {
    [
        ("stats", Board::Virt, Transport::Mmio),
        ("stats-pci", Board::Virt, Transport::Pci),
        ("stats-x86-q35", Board::Q35, Transport::Pci),
    ]
    .into_iter()
    .map(|(name, board, transport)| Case {
        name,
        run: Box::new(move |context| count(context, board, transport)),
    })
    .collect()
}

/// A read is one request, one notification and one interrupt, and the CPU sleeps meanwhile.
fn count(context: &Context, board: Board, transport: Transport) -> Result<()> {
    let disk = TestDisk::create(&context.dir, "counted", 64)?;
    let mut machine = context.machine_of(board);
    machine.transport = transport;
    machine.trace = blk::REQUEST_EVENTS.map(str::to_owned).to_vec();
    machine.disks = vec![disk.device()];
    if (board, transport) == (Board::Virt, Transport::Pci) {
        // An access to a BAR that does not decode is an exception then, and not ignored.
        let strict = ["-global", "gpex-pcihost.allow-unmapped-accesses=off"];
        machine.extra.extend(strict.map(Into::into));
    }
    let (mut vm, _) = context.boot(&machine)?;
    let seen_before = blk::requests(&vm.qemu_log()?);
    let before = Counts::ask(&mut vm)?;
    for sector in 0..READS {
        command(&mut vm, &format!("blk read {sector}"))?;
    }
    let after = Counts::ask(&mut vm)?;
    let seen = blk::requests(&vm.qemu_log()?) - seen_before;
    let requests = after.requests - before.requests;
    ensure!(
        requests == READS && seen as u64 == READS,
        "{READS} reads are {requests} requests, of which QEMU saw {seen}"
    );
    let notifications = after.notifications - before.notifications;
    ensure!(
        notifications == READS,
        "{READS} reads are {notifications} notifications"
    );
    let interrupts = after.interrupts - before.interrupts;
    ensure!(
        interrupts == READS,
        "{READS} reads are {interrupts} interrupts"
    );
    ensure!(after.sleeps > before.sleeps, "the CPU has not slept");
    shut_down(vm)
}

/// What `stats` shows of the first queue, and of the CPU.
struct Counts {
    requests: u64,
    notifications: u64,
    interrupts: u64,
    sleeps: u64,
}

impl Counts {
    fn ask(vm: &mut Vm) -> Result<Self> {
        let shown = command(vm, "stats")?;
        let text = shown.join("\n");
        let number = |start: &str, unit: &str| {
            let line = shown.iter().find(|line| line.contains(start));
            let words: Vec<&str> = line.map_or("", |line| line).split([' ', ',']).collect();
            let at = words.iter().position(|word| *word == unit);
            let number = at.and_then(|at| words.get(at.checked_sub(1)?)?.parse().ok());
            number.with_context(|| format!("`stats` has no {unit}: {text}"))
        };
        Ok(Self {
            requests: number("queue 0:", "requests")?,
            notifications: number("queue 0:", "notifications")?,
            interrupts: number("queue 0:", "interrupts")?,
            sleeps: number("CPU ", "sleeps")?,
        })
    }
}
