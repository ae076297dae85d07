//! The drivers there are to choose from, through the same checks of bytes and pixels from outside.
//!
//! A check that a driver is known to fail must fail: the kernel's own table of expectations says which, how, and why.

mod lost;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use levitate_kernel::command_line::{Driver, Kind};
use levitate_kernel::expectations::{self, Expectation, Over};
use serde_json::json;

use super::case::{self, Case, Context, command, excerpt};
use super::disk_image::{SECTOR_BYTES, TestDisk};
use super::{blk, pixels};
use crate::platform::{Board, Transport};
use crate::vm::image::{Image, Rectangle};
use crate::vm::{Machine, Vm};

/// How long the kernel may take to say that a device has changed.
const NEWS_DEADLINE: Duration = Duration::from_secs(20);
/// How long QEMU may take to do what it is asked.
const QMP_DEADLINE: Duration = Duration::from_secs(30);

const SIZE: (u32, u32) = (1280, 800);
/// Of every disk, so that one look at QEMU's trace is for all of them.
const SECTORS: usize = 4_099;
const DAMAGE: Rectangle = Rectangle {
    x: 301,
    y: 203,
    width: 37,
    height: 23,
};

/// A driver on a machine.
type Row = (&'static str, Driver, Board, Transport);

const ROWS: [Row; 16] = {
    use Board::{Microvm, Q35, Virt};
    use Driver::{Levitate as Ours, VirtioDrivers as Other};
    use Transport::{Mmio, MmioLegacy, Pci, PciIntx};
    [
        ("drivers-levitate-mmio", Ours, Virt, Mmio),
        ("drivers-levitate-legacy", Ours, Virt, MmioLegacy),
        ("drivers-levitate-pci", Ours, Virt, Pci),
        ("drivers-levitate-pci-intx", Ours, Virt, PciIntx),
        ("drivers-levitate-x86-microvm", Ours, Microvm, Mmio),
        (
            "drivers-levitate-x86-microvm-legacy",
            Ours,
            Microvm,
            MmioLegacy,
        ),
        ("drivers-levitate-x86-q35", Ours, Q35, Pci),
        ("drivers-levitate-x86-q35-intx", Ours, Q35, PciIntx),
        ("drivers-virtio-drivers-mmio", Other, Virt, Mmio),
        ("drivers-virtio-drivers-legacy", Other, Virt, MmioLegacy),
        ("drivers-virtio-drivers-pci", Other, Virt, Pci),
        ("drivers-virtio-drivers-pci-intx", Other, Virt, PciIntx),
        ("drivers-virtio-drivers-x86-microvm", Other, Microvm, Mmio),
        (
            "drivers-virtio-drivers-x86-microvm-legacy",
            Other,
            Microvm,
            MmioLegacy,
        ),
        ("drivers-virtio-drivers-x86-q35", Other, Q35, Pci),
        ("drivers-virtio-drivers-x86-q35-intx", Other, Q35, PciIntx),
    ]
};

/// One thing that every driver of a kind is to do.
struct Check {
    name: &'static str,
    kind: Kind,
    run: fn(&mut Bench) -> Result<()>,
}

/// In the order they run in: the first three draw on one another, and the last two leave devices that have changed.
const CHECKS: [Check; 9] = [
    check("shows-console-and-card", Kind::Gpu, shows_console_and_card),
    check("shows-what-is-filled", Kind::Gpu, shows_what_is_filled),
    check("shows-damage-alone", Kind::Gpu, shows_damage_alone),
    check("reads-and-writes", Kind::Blk, reads_and_writes),
    check("erases", Kind::Blk, erases),
    check("passes-the-self-tests", Kind::Blk, passes_the_self_tests),
    check("drives-a-narrow-queue", Kind::Blk, drives_a_narrow_queue),
    check(
        "follows-a-display-that-is-resized",
        Kind::Gpu,
        follows_display,
    ),
    check("follows-a-disk-that-is-resized", Kind::Blk, follows_disk),
];

const fn check(name: &'static str, kind: Kind, run: fn(&mut Bench) -> Result<()>) -> Check {
    Check { name, kind, run }
}

/// The machine while the checks run.
struct Bench {
    vm: Vm,
    /// What the serial line showed before the prompt.
    log: String,
    /// What the display shows.
    shown: Option<Image>,
    /// Read, written and erased; its image is compared when the machine has ended.
    disk: TestDisk,
    dir: PathBuf,
}

/// The disk with a queue of 4 entries.
const NARROW: &str = "narrow";
/// The disk that is resized, and QEMU's name for it.
const RESIZED: (&str, &str) = ("resized", "disk2");

/// The cases of this file: one for each subject, and those in which it loses a disk.
pub(crate) fn cases() -> Vec<Case> {
    let rows = ROWS.into_iter();
    let cases = rows.map(|(name, driver, board, transport)| {
        let subject = Subject { driver, transport };
        Case {
            name,
            run: Box::new(move |context| run(subject, board, context)),
        }
    });
    cases.chain(lost::cases()).collect()
}

/// A driver, and the way to its devices.
#[derive(Clone, Copy)]
struct Subject {
    driver: Driver,
    transport: Transport,
}

fn run(subject: Subject, board: Board, context: &Context) -> Result<()> {
    let disk = TestDisk::create(&context.dir, "tested", SECTORS)?;
    let machine = subject.machine(board, context, &disk)?;
    let (vm, log) = context.boot(&machine)?;
    let dir = context.dir.clone();
    let shown = None;
    let mut bench = Bench {
        vm,
        log,
        shown,
        disk,
        dir,
    };
    subject.ensure_driven(&mut bench.vm, &[(Kind::Gpu, 1), (Kind::Blk, 3)])?;
    for check in &CHECKS {
        let outcome = (check.run)(&mut bench);
        subject.judge(check.name, check.kind, outcome)?;
    }
    let Bench { mut vm, disk, .. } = bench;
    vm.send("shutdown\n")?;
    case::ensure_exit(&mut vm, case::SHUTDOWN_DEADLINE, 0)?;
    disk.ensure_as_expected()?;
    let within = blk::ensure_within(&vm.qemu_log()?, SECTORS);
    subject.judge("asks-only-for-what-there-is", Kind::Blk, within)?;
    let accesses = case::ensure_no_guest_errors(&vm);
    subject.judge("accesses-no-register-wrongly", Kind::Blk, accesses)
}

impl Subject {
    /// A display, and three disks.
    fn machine(self, board: Board, context: &Context, disk: &TestDisk) -> Result<Machine> {
        let mut machine = context.machine_of(board);
        machine.transport = self.transport;
        machine.gpu = Some(SIZE);
        machine.vnc = true;
        machine.append = self.words();
        machine.trace = blk::REQUEST_EVENTS.map(str::to_owned).to_vec();
        machine.trace.push(pixels::FLUSH_EVENT.to_owned());
        let mut narrow = TestDisk::create(&context.dir, NARROW, SECTORS)?.device();
        narrow.properties.push("queue-size=4".to_owned());
        let resized = TestDisk::create(&context.dir, RESIZED.0, SECTORS)?.device();
        machine.disks = vec![disk.device(), narrow, resized];
        Ok(machine)
    }

    /// Returns what chooses the driver on the kernel's command line.
    fn words(self) -> String {
        let word = match self.driver {
            Driver::Levitate => "levitate",
            Driver::VirtioDrivers => "virtio-drivers",
        };
        format!("gpu={word} blk={word}")
    }

    /// Checks that `devices` shows this driver for each device, and no other; `counts` is how many there are of a kind.
    fn ensure_driven(self, vm: &mut Vm, counts: &[(Kind, usize)]) -> Result<()> {
        let listed = command(vm, "devices")?;
        for (kind, count) in counts.iter().copied() {
            let crate_name = format!("  {}: ", self.driver.crate_name(kind));
            let name = format!("  {}.", kind.name());
            let of_kind: Vec<_> = listed.iter().filter(|line| line.contains(&name)).collect();
            ensure!(
                of_kind.len() == count && of_kind.iter().all(|line| line.contains(&crate_name)),
                "`devices` was to show {count} times {crate_name}: {}",
                excerpt(&listed)
            );
        }
        Ok(())
    }

    /// Compares the outcome of a check with what is known of the driver.
    fn judge(self, check: &str, kind: Kind, outcome: Result<()>) -> Result<()> {
        let crate_name = self.driver.crate_name(kind);
        let over = match self.transport {
            Transport::Mmio => None,
            Transport::MmioLegacy => Some(Over::Legacy),
            Transport::PciIntx => Some(Over::Line),
            Transport::Pci => Some(Over::Messages),
        };
        let expected = expectations::find(check, crate_name, over);
        judge(outcome, expected).with_context(|| format!("{crate_name}, {check}"))
    }
}

/// Compares the outcome of a check with how it is expected to fail, if it is.
fn judge(outcome: Result<()>, expected: Option<&Expectation>) -> Result<()> {
    let Some(expected) = expected else {
        return outcome;
    };
    let reason = expected.reason;
    match outcome {
        Ok(()) => bail!("it passes, and is expected to fail: {reason}"),
        Err(error) if expected.is_how(&said(&error)) => Ok(()),
        Err(error) => {
            let failures = expected.failures;
            let other = format!("it fails, but was to fail by {failures:?}, for {reason}");
            Err(error.context(other))
        }
    }
}

/// Returns what an error says, with all that it comes from.
fn said(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

impl Bench {
    /// Returns what is shown, with what is needed to change it.
    fn shown(&mut self) -> Result<(&mut Vm, &mut Image, &Path)> {
        let shown = self.shown.as_mut().context("nothing is shown")?;
        Ok((&mut self.vm, shown, &self.dir))
    }
}

fn shows_console_and_card(bench: &mut Bench) -> Result<()> {
    let card = pixels::check_console_and_card(&mut bench.vm, SIZE, &bench.log, &bench.dir)?;
    bench.shown = Some(card);
    Ok(())
}

fn shows_what_is_filled(bench: &mut Bench) -> Result<()> {
    let (vm, shown, dir) = bench.shown()?;
    pixels::check_fill(vm, shown, DAMAGE, dir)
}

fn shows_damage_alone(bench: &mut Bench) -> Result<()> {
    let (vm, shown, _) = bench.shown()?;
    pixels::check_damage(vm, shown, DAMAGE)
}

fn follows_display(bench: &mut Bench) -> Result<()> {
    let (width, height) = (1024, 600);
    let vm = &mut bench.vm;
    vm.connect_vnc()?.set_desktop_size(width, height)?;
    ensure_news(vm, &format!("display {width}x{height} now"))?;
    command(vm, "gpu card")?;
    let card = pixels::card((width.into(), height.into()))?;
    pixels::ensure_shown(vm, &card, &bench.dir, "resized")
}

fn reads_and_writes(bench: &mut Bench) -> Result<()> {
    let (vm, disk) = (&mut bench.vm, &mut bench.disk);
    let number = blk::number_of(vm, disk.serial())?;
    let last = SECTORS - 1;
    blk::check_checksum(vm, number, disk)?;
    blk::check_read(vm, number, disk, 0, 1)?;
    blk::check_read(vm, number, disk, 2741, 5)?;
    blk::check_write(vm, number, disk, 77, 3, 0xa5)?;
    blk::check_write(vm, number, disk, last, 1, 0x3c)?;
    blk::check_checksum(vm, number, disk)
}

fn erases(bench: &mut Bench) -> Result<()> {
    let (vm, disk) = (&mut bench.vm, &mut bench.disk);
    let number = blk::number_of(vm, disk.serial())?;
    blk::check_erase(vm, number, disk, 120, 9)
}

/// The kernel compares each of them with the same table.
fn passes_the_self_tests(bench: &mut Bench) -> Result<()> {
    let output = command(&mut bench.vm, "selftest")?;
    let mut failed = output.iter().filter(|line| line.contains(" ... FAILED: "));
    if let Some(line) = failed.next() {
        bail!("{line}");
    }
    let totals = output
        .iter()
        .find(|line| line.contains(" passed, 0 failed"));
    ensure!(totals.is_some(), "no totals: {}", excerpt(&output));
    Ok(())
}

fn drives_a_narrow_queue(bench: &mut Bench) -> Result<()> {
    let number = blk::number_of(&mut bench.vm, NARROW)?;
    command(&mut bench.vm, &format!("blk read 0 -d {number}"))?;
    Ok(())
}

fn follows_disk(bench: &mut Bench) -> Result<()> {
    const FEWER: usize = 1_024;
    let (serial, node) = RESIZED;
    let vm = &mut bench.vm;
    let number = blk::number_of(vm, serial)?;
    let arguments = json!({ "node-name": node, "size": FEWER * SECTOR_BYTES });
    vm.qmp()?.execute("block_resize", arguments, QMP_DEADLINE)?;
    let news = format!("disk {number} has {FEWER} sectors now, it had {SECTORS}");
    ensure_news(vm, &news)
}

/// Waits until the kernel says that a device has changed; if it does not, the error has what it still lists.
fn ensure_news(vm: &mut Vm, news: &str) -> Result<()> {
    let Err(error) = vm.wait_for(news, NEWS_DEADLINE) else {
        return Ok(());
    };
    // A kernel that hangs lists nothing, and that is another failure.
    let listed = command(vm, "devices").with_context(|| format!("{error:#}"))?;
    bail!("no news of {news:?} among:\n{}", listed.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Expectation = Expectation {
        test: "one",
        driver: Driver::VirtioDrivers,
        kind: Kind::Blk,
        over: None,
        failures: &["it was never there", "it is not there"],
        reason: "it has no such thing",
    };

    fn judged(outcome: Result<()>, expected: Option<&Expectation>) -> Option<String> {
        judge(outcome, expected).err().map(|error| said(&error))
    }

    #[test]
    fn what_is_not_expected_to_fail_is_to_pass() {
        assert_eq!(judged(Ok(()), None), None);
        let error = anyhow::anyhow!("it is not there");
        assert_eq!(judged(Err(error), None).unwrap(), "it is not there");
    }

    #[test]
    fn what_is_expected_to_fail_is_to_fail_in_that_way() {
        let error = anyhow::anyhow!("it is not there").context("looking");
        assert_eq!(judged(Err(error), Some(&EXPECTED)), None);
        let passes = judged(Ok(()), Some(&EXPECTED)).unwrap();
        assert!(passes.contains("it has no such thing"), "{passes}");
        let other = anyhow::anyhow!("the serial line did not show it within 20 s");
        let other = judged(Err(other), Some(&EXPECTED)).unwrap();
        for part in ["it is not there", "it has no such thing", "within 20 s"] {
            assert!(other.contains(part), "{other}");
        }
    }
}
