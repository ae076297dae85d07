//! How the kernel ends when something went wrong: QEMU's exit status, and the line that says why.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::case::{self, BOOT_DEADLINE, Case, Context};
use super::disk_image::TestDisk;
use crate::platform::Board;
use crate::vm::Machine;

/// The cases of this file.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "exit-selftest-failed",
            run: Box::new(failed_self_test),
        },
        Case {
            name: "exit-no-memory",
            run: Box::new(|context| refused(context, &no_memory(context, Board::Virt), HEAP)),
        },
        Case {
            name: "exit-x86-microvm-no-memory",
            run: Box::new(|context| refused(context, &no_memory(context, Board::Microvm), HEAP)),
        },
        Case {
            name: "exit-x86-microvm-no-clock",
            run: Box::new(|context| {
                refused(context, &without(context, Board::Microvm, "pit=off"), CLOCK)
            }),
        },
        Case {
            name: "exit-x86-q35-no-clock",
            run: Box::new(|context| {
                let machine = without(context, Board::Q35, "pit=off,hpet=off");
                refused(context, &machine, CLOCK)
            }),
        },
        Case {
            name: "exit-x86-microvm-panic",
            run: Box::new(|context| {
                crash(context, Board::Microvm, "crash panic", 101, &["panic: "])
            }),
        },
        Case {
            name: "exit-x86-microvm-fault",
            run: Box::new(|context| {
                let dump = [
                    "unhandled exception 14",
                    "  error code 0x",
                    "  RIP 0x",
                    "  rsp 0x",
                    "  r15 0x",
                ];
                crash(context, Board::Microvm, "crash fault", 102, &dump)
            }),
        },
        Case {
            name: "exit-panic",
            run: Box::new(|context| crash(context, Board::Virt, "crash panic", 101, &["panic: "])),
        },
        Case {
            name: "exit-fault",
            run: Box::new(|context| {
                let dump = ["unhandled ", "  ESR 0x", "  ELR 0x", "  x0 ", "  x30 "];
                crash(context, Board::Virt, "crash fault", 102, &dump)
            }),
        },
    ]
}

/// A self-test that fails is counted, and the status is 1; the disk whose write failed is as it was.
fn failed_self_test(context: &Context) -> Result<()> {
    const SECTORS: usize = 2_051;
    let disk = TestDisk::create(&context.dir, "failing", SECTORS)?;
    let mut device = disk.device();
    // The self-tests write to the last sectors only, and put back what was there.
    device.inject_errors =
        vec![json!({ "event": "write_aio", "sector": SECTORS - 2, "once": true, "errno": 5 })];
    let mut machine = context.machine();
    machine.disks = vec![device];
    machine.append = "selftest".to_owned();
    let mut vm = machine.start(&context.dir)?;
    case::ensure_exit(&mut vm, super::selftest::DEADLINE, 1)?;
    let log = vm.serial_log();
    let failed: Vec<&str> = log
        .lines()
        .filter(|line| line.starts_with("test ") && line.contains(" ... FAILED: "))
        .collect();
    ensure!(
        failed.len() == 1 && failed[0].contains("writes-and-restores"),
        "the injected error was to fail one test, not {failed:?}"
    );
    ensure!(
        log.lines().any(|line| line.contains(" passed, 1 failed")),
        "the totals do not count it:\n{}",
        vm.last_lines()
    );
    case::ensure_no_guest_errors(&vm)?;
    disk.ensure_as_expected()
}

/// What the kernel says of a machine that is too small.
const HEAP: &str = "no memory for a heap";
/// What it says of one that has nothing to measure the clock by.
const CLOCK: &str = "has no usable timer (8254 or HPET) to measure the clock by";

fn no_memory(context: &Context, board: Board) -> Machine {
    let mut machine = context.machine_of(board);
    machine.memory = "34M".to_owned();
    machine
}

/// A machine with these options of QEMU's `-M`.
fn without(context: &Context, board: Board, options: &str) -> Machine {
    let mut machine = context.machine_of(board);
    machine.extra = ["-M", options].map(Into::into).to_vec();
    machine
}

/// A machine that lacks what the kernel cannot do without is told so, and the status is 2.
fn refused(context: &Context, machine: &Machine, what: &str) -> Result<()> {
    let mut vm = machine.start(&context.dir)?;
    case::ensure_exit(&mut vm, BOOT_DEADLINE, 2)?;
    let log = vm.serial_log();
    ensure!(
        log.lines()
            .any(|line| line.contains("] error ") && line.contains(what)),
        "no error says what is missing:\n{}",
        vm.last_lines()
    );
    case::ensure_no_guest_errors(&vm)
}

/// A shell command that ends the kernel: its status, and lines that begin as `beginnings` do, in that order.
fn crash(
    context: &Context,
    board: Board,
    line: &str,
    status: i32,
    beginnings: &[&str],
) -> Result<()> {
    let (mut vm, _) = context.boot(&context.machine_of(board))?;
    vm.send(&format!("{line}\n"))?;
    case::ensure_exit(&mut vm, BOOT_DEADLINE, status)?;
    let log = vm.serial_log();
    let mut lines = log.lines();
    for beginning in beginnings {
        lines
            .find(|line| line.starts_with(beginning))
            .with_context(|| format!("no line begins with {beginning:?}:\n{}", vm.last_lines()))?;
    }
    case::ensure_no_guest_errors(&vm)
}
