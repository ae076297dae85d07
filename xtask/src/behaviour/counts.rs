//! What the kernel counts of its devices, against what QEMU sees of them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use levitate_kernel::command_line::{Driver, Kind};

use super::blk;
use super::case::{Case, Context, command, excerpt, shut_down};
use super::disk_image::TestDisk;
use crate::platform::{Board, Transport};
use crate::vm::Vm;

/// Reads of one sector each, one after the other.
const READS: u64 = 3;

/// How long each of them takes at least: an answer that is there before the driver has looked for it needs no interrupt, and a CPU that
/// other programs want too may look late.
const LATENCY: Duration = Duration::from_secs(1);

/// Frames, one after the other.
const FRAMES: u64 = 3;

/// How long it may take until a frame makes one interrupt.
const FRAME_DEADLINE: Duration = Duration::from_secs(60);

/// Disks that do nothing, where lines are shared.
const SHARERS: usize = 4;

/// The cases of this file.
pub(crate) fn cases() -> Vec<Case> {
    use Board::{Microvm, Q35, Virt};
    use Driver::{Levitate, VirtioDrivers};
    use Transport::{Mmio, MmioLegacy, Pci, PciIntx};
    [
        ("stats", Levitate, Virt, Mmio),
        ("stats-legacy", Levitate, Virt, MmioLegacy),
        ("stats-pci", Levitate, Virt, Pci),
        ("stats-pci-intx", Levitate, Virt, PciIntx),
        ("stats-x86-q35", Levitate, Q35, Pci),
        ("stats-x86-q35-intx", Levitate, Q35, PciIntx),
        ("stats-x86-microvm", Levitate, Microvm, Mmio),
        ("stats-virtio-drivers", VirtioDrivers, Virt, Mmio),
        ("stats-virtio-drivers-x86-q35", VirtioDrivers, Q35, Pci),
    ]
    .into_iter()
    .map(|(name, driver, board, transport)| Case {
        name,
        run: Box::new(move |context| count(context, driver, board, transport)),
    })
    .collect()
}

/// A read is one request, and a frame two; of either our driver makes one notification. Of a read that takes its time it makes one
/// interrupt, and the CPU sleeps meanwhile.
fn count(context: &Context, driver: Driver, board: Board, transport: Transport) -> Result<()> {
    let disk = TestDisk::create(&context.dir, "counted", 64)?;
    let mut machine = context.machine_of(board);
    machine.transport = transport;
    machine.trace = blk::REQUEST_EVENTS.map(str::to_owned).to_vec();
    let mut device = disk.device();
    device.latency = Some(LATENCY);
    machine.disks = vec![device];
    if transport == Transport::PciIntx {
        // A bus has four lines: whoever is on them shares one.
        for number in 1..=SHARERS {
            let idle = TestDisk::create(&context.dir, &format!("idle{number}"), 64)?;
            machine.disks.push(idle.device());
        }
    }
    machine.gpu = Some((640, 480));
    if driver == Driver::VirtioDrivers {
        "gpu=virtio-drivers blk=virtio-drivers".clone_into(&mut machine.append);
    }
    if (board, transport) == (Board::Virt, Transport::Pci) {
        // An access to a BAR that does not decode is an exception then, and not ignored.
        let strict = ["-global", "gpex-pcihost.allow-unmapped-accesses=off"];
        machine.extra.extend(strict.map(Into::into));
    }
    let (mut vm, _) = context.boot(&machine)?;
    let seen_before = blk::requests(&vm.qemu_log()?);
    let read = Counts::of(&mut vm, Kind::Blk, |vm| {
        (0..READS).try_for_each(|sector| command(vm, &format!("blk read {sector}")).map(drop))
    })?;
    let seen = blk::requests(&vm.qemu_log()?) - seen_before;
    ensure!(
        read.requests == READS && seen as u64 == READS,
        "{READS} reads are {read:?}, of which QEMU saw {seen}"
    );
    ensure!(read.notifications == READS, "{READS} reads are {read:?}");
    let shown = Counts::of(&mut vm, Kind::Gpu, |vm| {
        (0..FRAMES).try_for_each(|_| command(vm, "gpu card").map(drop))
    })?;
    ensure!(
        shown.requests == 2 * FRAMES,
        "{FRAMES} frames are {shown:?}"
    );
    match driver {
        Driver::Levitate => {
            ensure!(
                shown.notifications == FRAMES,
                "{FRAMES} frames are {shown:?}"
            );
            ensure!(
                (FRAMES..=2 * FRAMES).contains(&shown.interrupts),
                "{FRAMES} frames are {shown:?}"
            );
            ensure_one_interrupt_a_frame(&mut vm)?;
            ensure!(read.interrupts == READS, "{READS} reads are {read:?}");
            ensure!(read.sleeps > 0, "the CPU has not slept");
            let each = command(&mut vm, "stats")?;
            for queue in each.iter().filter(|line| line.contains("  queue ")) {
                let (requests, interrupts) =
                    (number(queue, "requests"), number(queue, "interrupts"));
                ensure!(
                    interrupts <= requests,
                    "another device's are counted: {queue}"
                );
            }
        }
        Driver::VirtioDrivers => {
            // It does not wait for interrupts, and cannot tell a disk not to interrupt; on PCI it sets no message aside for one.
            let interrupts = if transport == Transport::Mmio {
                READS
            } else {
                0
            };
            ensure!(read.interrupts == interrupts, "{READS} reads are {read:?}");
            ensure!(
                shown.notifications == 2 * FRAMES,
                "{FRAMES} frames are {shown:?}"
            );
        }
    }
    for counts in [read, shown] {
        ensure!(
            counts.has_spurious == (driver == Driver::Levitate),
            "spurious wake-ups are those of a driver that sleeps: {counts:?}"
        );
    }
    shut_down(vm)
}

/// Checks that a frame makes one interrupt, where no look of the driver comes between its two answers.
///
/// It has asked for an interrupt by the next answer, whichever that is, and looks after the notification. If there is none, it asks for
/// the second instead; if there is just the first, which has interrupted, for the second as well. So a frame makes one or two, never
/// none, and two only by chance.
fn ensure_one_interrupt_a_frame(vm: &mut Vm) -> Result<()> {
    let begin = Instant::now();
    loop {
        let frame = Counts::of(vm, Kind::Gpu, |vm| command(vm, "gpu card").map(drop))?;
        match frame.interrupts {
            1 => return Ok(()),
            2 => {}
            _ => bail!("a frame is {frame:?}"),
        }
        ensure!(
            begin.elapsed() < FRAME_DEADLINE,
            "each frame makes two interrupts: {frame:?}"
        );
    }
}

/// What `stats` shows of the queue of requests of a device, and of the CPU.
#[derive(Clone, Copy, Debug)]
struct Counts {
    requests: u64,
    notifications: u64,
    interrupts: u64,
    /// Whether there is a number of wake-ups that were for nothing; what it is depends on the time a request takes.
    has_spurious: bool,
    sleeps: u64,
}

impl Counts {
    /// Returns what is counted of the first device of this kind while `what` is done.
    fn of(vm: &mut Vm, kind: Kind, what: impl FnOnce(&mut Vm) -> Result<()>) -> Result<Self> {
        let location = location_of(vm, kind)?;
        let before = Self::ask(vm, &location)?;
        what(vm)?;
        let after = Self::ask(vm, &location)?;
        Ok(Self {
            requests: after.requests - before.requests,
            notifications: after.notifications - before.notifications,
            interrupts: after.interrupts - before.interrupts,
            has_spurious: after.has_spurious,
            sleeps: after.sleeps - before.sleeps,
        })
    }

    fn ask(vm: &mut Vm, location: &str) -> Result<Self> {
        let shown = command(vm, "stats")?;
        let number = |start: &str, unit: &str| {
            let line = shown.iter().find(|line| line.starts_with(start));
            let number = line.and_then(|line| number(line, unit));
            number.with_context(|| format!("`stats` has no {unit}: {}", excerpt(&shown)))
        };
        let queue = format!("{location}  queue 0:");
        Ok(Self {
            requests: number(&queue, "requests")?,
            notifications: number(&queue, "notifications")?,
            interrupts: number(&queue, "interrupts")?,
            has_spurious: number(&queue, "spurious").is_ok(),
            sleeps: number("CPU ", "sleeps")?,
        })
    }
}

/// Returns how many of these there are, as a line of `stats` says.
fn number(line: &str, unit: &str) -> Option<u64> {
    let words: Vec<&str> = line.split([' ', ',']).collect();
    let at = words.iter().position(|word| *word == unit)?;
    words.get(at.checked_sub(1)?)?.parse().ok()
}

/// Returns where the first device of this kind is, as `stats` names it.
fn location_of(vm: &mut Vm, kind: Kind) -> Result<String> {
    let listed = command(vm, "devices")?;
    let name = format!("  {}.0 ", kind.name());
    let line = listed.iter().find(|line| line.contains(&name));
    let location = line.and_then(|line| line.split_whitespace().next());
    let location =
        location.with_context(|| format!("`devices` has no{name}: {}", excerpt(&listed)))?;
    Ok(location.to_owned())
}
