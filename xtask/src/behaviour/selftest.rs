//! The kernel's own self-tests, started from its command line: a line for each, the totals, and QEMU's exit status.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::blk;
use super::case::{self, Case, Context};
use super::disk_image::TestDisk;
use crate::platform::{Board, Gic, Transport};
use crate::vm::{Machine, PROMPT, Vm};

/// How long all self-tests may take; some wait for deadlines of theirs.
pub(super) const DEADLINE: Duration = Duration::from_secs(600);

/// The fewest tests that a machine with a display and two disks must pass: a kernel that runs none is not a working one.
const FEWEST: usize = 25;

/// Tests that must be among them: what they try cannot be typed in the shell.
const REQUIRED: [&str; 4] = [
    "refuses-misaligned",
    "ends-at-its-capacity",
    "refuses-to-write-read-only",
    "long-request",
];

/// Sectors of each disk: some 17 MiB, more than one request carries.
pub(super) const SECTORS: usize = 34_817;

/// What every cause must be provoked on: the first display, and the first disk.
const SUBJECTS: [&str; 2] = ["gpu", "disk"];

/// The causes of a silent device that must be provoked over every transport, and what the error that names each one must say.
const CAUSES: [(&str, &str); 7] = [
    (
        "notification-lost",
        "no sign that the device fetched the request: the notification is lost",
    ),
    ("wait-too-short", "answered after the deadline"),
    ("queue-disabled-later", "device has no queue 0: the"),
    ("reset-by-somebody-else", "not live any more"),
    ("device-needs-reset", "DEVICE_NEEDS_RESET"),
    ("reset-never-done", "device is not reset after"),
    ("no-such-queue", "device has no queue 0"),
];

/// The one that only virtio-mmio has, where registers have versions.
const MMIO_CAUSE: (&str, &str) = ("wrong-register-set", "other register version");

/// Those that only version 1 has.
const LEGACY_CAUSES: [(&str, &str); 2] = [
    (
        "used-ring-elsewhere",
        "used ring of queue 0 in another place",
    ),
    (
        "page-size-not-told",
        "GuestPageSize must be written before QueuePFN",
    ),
];

/// The one that version 1 alone does not have.
const MODERN_CAUSE: (&str, &str) = ("features-refused", "FEATURES_OK does not stay set");

/// Those that only messages have.
const MESSAGE_CAUSES: [(&str, &str); 2] = [
    ("vector-refused", "refuses MSI-X vector 1 for queue 0"),
    (
        "configuration-vector-refused",
        "refuses MSI-X vector 0 for configuration changes",
    ),
];

/// Why a cause may be skipped: other devices have it.
const OTHER_DEVICE: &str = "not on a ";

/// The cases of this file.
pub(crate) fn cases() -> Vec<Case> {
    use Board::{Microvm, Q35, Virt};
    use Gic::{V2, V3};
    use Transport::{Mmio, MmioLegacy, Pci, PciIntx};
    // The interrupt controller's version is for `virt` only.
    let healthy = [
        ("selftest-mmio-gicv2", Virt, Mmio, V2),
        ("selftest-mmio-gicv3", Virt, Mmio, V3),
        ("selftest-legacy-gicv2", Virt, MmioLegacy, V2),
        ("selftest-legacy-gicv3", Virt, MmioLegacy, V3),
        ("selftest-pci-gicv2", Virt, Pci, V2),
        ("selftest-pci-gicv3", Virt, Pci, V3),
        ("selftest-pci-intx-gicv2", Virt, PciIntx, V2),
        ("selftest-pci-intx-gicv3", Virt, PciIntx, V3),
        ("selftest-x86-q35-pci", Q35, Pci, V3),
        ("selftest-x86-q35-pci-intx", Q35, PciIntx, V3),
        ("selftest-x86-microvm-mmio", Microvm, Mmio, V3),
        ("selftest-x86-microvm-legacy", Microvm, MmioLegacy, V3),
    ];
    let causes = [
        ("causes-mmio", Virt, Mmio, V3),
        ("causes-legacy", Virt, MmioLegacy, V2),
        ("causes-pci", Virt, Pci, V3),
        ("causes-pci-intx", Virt, PciIntx, V2),
        ("causes-x86-q35-pci", Q35, Pci, V3),
        ("causes-x86-microvm-mmio", Microvm, Mmio, V3),
        ("causes-x86-microvm-legacy", Microvm, MmioLegacy, V3),
    ];
    let mut cases = Vec::new();
    for (name, board, transport, gic) in healthy {
        cases.push(Case {
            name,
            run: Box::new(move |context| healthy_machine(context, board, transport, gic)),
        });
    }
    for (name, board, transport, gic) in causes {
        cases.push(Case {
            name,
            run: Box::new(move |context| causes_of_silence(context, board, transport, gic)),
        });
    }
    cases
}

/// `selftest`: everything passes, on both disks; the device sees no request that should have been refused, and has no
/// complaint; what was written was put back.
fn healthy_machine(context: &Context, board: Board, transport: Transport, gic: Gic) -> Result<()> {
    let writable = TestDisk::create(&context.dir, "writable", SECTORS)?;
    let fixed = TestDisk::create(&context.dir, "fixed", SECTORS)?;
    let mut machine = machine(context, board, transport, gic, "selftest");
    machine.disks = vec![writable.device(), fixed.device()];
    machine.disks[1].read_only = true;
    // With more than one CPU a GICv2 routes no shared interrupt by itself.
    machine.smp = match transport {
        Transport::Mmio | Transport::Pci => 4,
        Transport::MmioLegacy | Transport::PciIntx => 1,
    };
    machine.trace = blk::REQUEST_EVENTS.map(str::to_owned).to_vec();
    let mut vm = machine.start(&context.dir)?;
    case::ensure_exit(&mut vm, DEADLINE, 0)?;
    check_healthy(&vm.serial_log())?;
    case::ensure_no_guest_errors(&vm)?;
    blk::ensure_within(&vm.qemu_log()?, SECTORS)?;
    writable.ensure_as_expected()?;
    fixed.ensure_as_expected()
}

/// `selftest` as a command of the shell, on a display and two disks of which one is read-only: everything passes.
pub(super) fn check_in_shell(vm: &mut Vm) -> Result<()> {
    vm.send("selftest\n")?;
    check_healthy(&vm.wait_for(&format!("\n{PROMPT}"), DEADLINE)?)
}

/// Checks what a machine with everything prints.
fn check_healthy(log: &str) -> Result<()> {
    let passed = check(log, FEWEST, None)?;
    for name in REQUIRED {
        ensure!(
            passed.iter().any(|test| test == name),
            "no test {name} passed"
        );
    }
    Ok(())
}

/// `selftest=causes`: each cause of the GPU timeout is provoked, and named by an error of its own.
fn causes_of_silence(
    context: &Context,
    board: Board,
    transport: Transport,
    gic: Gic,
) -> Result<()> {
    let disk = TestDisk::create(&context.dir, "tested", SECTORS)?;
    let mut machine = machine(context, board, transport, gic, "selftest=causes");
    machine.disks = vec![disk.device()];
    // With it, QEMU looks into every queue once by itself as a device becomes live, whether it is notified or not.
    for kind in ["virtio-pci", "virtio-mmio"] {
        let global = format!("{kind}.ioeventfd=off");
        machine.extra.extend(["-global".into(), global.into()]);
    }
    let mut vm = machine.start(&context.dir)?;
    case::ensure_exit(&mut vm, DEADLINE, 0)?;
    let mut required = CAUSES.to_vec();
    match transport {
        Transport::Mmio => required.extend([MMIO_CAUSE, MODERN_CAUSE]),
        Transport::MmioLegacy => {
            required.push(MMIO_CAUSE);
            required.extend(LEGACY_CAUSES);
        }
        Transport::Pci => {
            required.push(MODERN_CAUSE);
            required.extend(MESSAGE_CAUSES);
        }
        Transport::PciIntx => required.push(MODERN_CAUSE),
    }
    let log = vm.serial_log();
    let passed = check(&log, SUBJECTS.len() * required.len(), Some(OTHER_DEVICE))?;
    for subject in SUBJECTS {
        for (cause, words) in &required {
            let test = format!("{subject}-{cause}");
            ensure!(passed.contains(&test), "no test {test} passed");
            ensure!(
                is_named(&log, subject, cause, words),
                "no error of the {subject} names the cause {cause}: \"{words}\""
            );
        }
    }
    let guest_errors = vm.guest_errors()?;
    // `legacy mode` is part of both: of what a version-1 device says, and of a version-2 device's `non-legacy mode`.
    let (provoked, other): (Vec<_>, Vec<_>) = guest_errors
        .iter()
        .partition(|line| line.starts_with("virtio_mmio_") && line.ends_with("legacy mode"));
    ensure!(
        provoked.is_empty() == transport.is_pci(),
        "registers of the other version are written on virtio-mmio and there alone: QEMU's log has {} lines of \"legacy mode\"",
        provoked.len()
    );
    ensure!(
        other.is_empty(),
        "QEMU complains of something else: {other:?}"
    );
    disk.ensure_as_expected()
}

/// Returns whether the log has a line `TARGET: SUBJECT CAUSE: MESSAGE` whose message has `words`.
fn is_named(log: &str, subject: &str, cause: &str, words: &str) -> bool {
    let marker = format!(": {subject} {cause}: ");
    log.lines()
        .filter_map(|line| line.split_once(&marker))
        .any(|(_, message)| message.contains(words))
}

/// A machine with a display.
fn machine(
    context: &Context,
    board: Board,
    transport: Transport,
    gic: Gic,
    append: &str,
) -> Machine {
    let mut machine = context.machine_of(board);
    machine.transport = transport;
    machine.gic = gic;
    machine.gpu = Some((1280, 800));
    machine.append = append.to_owned();
    machine
}

/// Checks the lines of the tests and their totals against each other; returns the names of the tests that passed, those
/// of a disk without its number.
///
/// A test may be skipped on one disk if it passed on another, or for a reason that starts with `may_skip`.
pub(super) fn check(log: &str, fewest: usize, may_skip: Option<&str>) -> Result<Vec<String>> {
    let mut passed = Vec::new();
    let mut skipped = Vec::new();
    for line in log.lines() {
        let Some((name, outcome)) = line
            .strip_prefix("test ")
            .and_then(|test| test.split_once(" ... "))
        else {
            ensure!(
                !line.starts_with("test "),
                "a test without an outcome: {line}"
            );
            continue;
        };
        if outcome == "ok" {
            passed.push(without_disk_number(name));
        } else if let Some(why) = outcome.strip_prefix("skipped: ") {
            let is_excused = may_skip.is_some_and(|excuse| why.starts_with(excuse));
            skipped.push((without_disk_number(name), is_excused, line));
        } else {
            bail!("{line}");
        }
    }
    for (name, is_excused, line) in &skipped {
        ensure!(
            *is_excused || passed.contains(name),
            "this machine has everything, and still: {line}"
        );
    }
    ensure!(
        passed.len() >= fewest,
        "only {} tests passed; at least {fewest} are expected",
        passed.len()
    );
    let mut totals = format!("{} passed, 0 failed", passed.len());
    if !skipped.is_empty() {
        totals.push_str(&format!(", {} skipped", skipped.len()));
    }
    let printed: Vec<&str> = log
        .lines()
        .filter(|line| line.contains(" passed, ") && !line.starts_with("test "))
        .collect();
    ensure!(
        printed == [totals.as_str()],
        "the totals were to be one line, {totals:?}, not {printed:?}"
    );
    Ok(passed)
}

/// `disk12-flushes` becomes `flushes`.
fn without_disk_number(name: &str) -> String {
    let rest = name
        .strip_prefix("disk")
        .and_then(|rest| rest.split_once('-'))
        .filter(|(number, _)| number.parse::<u32>().is_ok());
    rest.map_or(name, |(_, rest)| rest).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[   0.1] info  x: up\ntest a ... ok\ntest b ... ok\n2 passed, 0 failed\n";

    #[test]
    fn a_good_run_passes() {
        assert_eq!(check(GOOD, 2, None).unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_test_may_be_skipped_on_one_disk_if_it_passed_on_another() {
        let log =
            "test disk0-a ... ok\ntest disk1-a ... skipped: why\n1 passed, 0 failed, 1 skipped\n";
        assert_eq!(check(log, 1, None).unwrap(), ["a"]);
        let log =
            "test disk0-a ... ok\ntest disk1-b ... skipped: why\n1 passed, 0 failed, 1 skipped\n";
        assert!(check(log, 1, None).is_err());
        let log =
            "test a ... ok\ntest display ... skipped: no display\n1 passed, 0 failed, 1 skipped\n";
        assert!(check(log, 1, None).is_err());
        assert!(check(log, 1, Some("no display")).is_ok());
        assert!(check(log, 1, Some("no disk")).is_err());
    }

    #[test]
    fn a_failed_test_is_shown() {
        let log = "test a ... ok\ntest b ... FAILED: read 1, not 2\n1 passed, 1 failed\n";
        let error = check(log, 1, None).unwrap_err().to_string();
        assert_eq!(error, "test b ... FAILED: read 1, not 2");
    }

    #[test]
    fn a_kernel_that_runs_no_test_fails() {
        assert!(check("0 passed, 0 failed\n", 1, None).is_err());
        assert!(check(GOOD, 3, None).is_err());
        assert!(check("", 0, None).is_err());
    }

    #[test]
    fn totals_must_fit_the_lines() {
        for log in [
            "test a ... ok\n2 passed, 0 failed\n",
            "test a ... ok\n1 passed, 1 failed\n",
            "test a ... ok\n",
            "test a ... ok\n1 passed, 0 failed\n1 passed, 0 failed\n",
            "test a ...\n1 passed, 0 failed\n",
            "test a ... perhaps\n1 passed, 0 failed\n",
        ] {
            assert!(check(log, 0, None).is_err(), "{log}");
        }
    }

    #[test]
    fn a_bare_timeout_names_no_cause() {
        let log = "[   1.000000] info  cases::causes: gpu notification-lost: no answer: timeout\n\
                   [   2.000000] info  cases::causes: gpu other: the notification is lost\n\
                   [   3.000000] info  cases::causes: disk notification-lost: the notification is lost\n";
        let words = "notification is lost";
        assert!(!is_named(log, "gpu", "notification-lost", words));
        assert!(is_named(log, "gpu", "other", words));
        assert!(is_named(log, "disk", "notification-lost", words));
    }

    #[test]
    fn only_the_number_of_a_disk_is_left_out() {
        assert_eq!(without_disk_number("disk0-flushes"), "flushes");
        assert_eq!(without_disk_number("disk"), "disk");
        assert_eq!(without_disk_number("disk-flushes"), "disk-flushes");
        assert_eq!(without_disk_number("display-info"), "display-info");
    }
}
