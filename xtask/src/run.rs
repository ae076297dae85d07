//! `cargo xtask run`: builds the kernel, boots it in QEMU, and gives its shell this terminal.
//!
//! Where there is a screen, QEMU opens a window; elsewhere a screenshot is saved once the kernel is at its prompt, with its log on it.
//! Which of the two it is is said before the kernel says anything, so that its prompt stays the last thing on the terminal.
//! The exit status is the kernel's.

mod arguments;
pub(crate) mod memory;
mod outcome;
pub(crate) mod resolution;
mod session;
pub(crate) mod terminal;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use levitate_kernel::command_line;

use crate::cli::{Accel, MachineOptions};
use crate::platform::Gic;
use crate::run::resolution::Resolution;
use crate::setup::qemu::{self, Qemu};
use crate::setup::{Prerequisite, Setup};
use crate::vm::{Disk, Machine, PATIENCE, PROMPT, Vm};
use crate::{build, disk, interrupt, screenshot, workspace};
pub(crate) use arguments::ensure_kvm;

/// How often a kernel that runs self-tests is looked at.
const POLL: Duration = Duration::from_millis(500);

/// How long QEMU may take to end once its serial line is closed.
const END_DEADLINE: Duration = Duration::from_secs(5);

/// Boots what `options` say; returns the kernel's exit status.
pub(crate) fn run(options: &MachineOptions, setup: &Setup) -> Result<u8> {
    let (mut machine, qemu) = prepare(options, setup)?;
    machine.echo = true;
    let window = if options.no_gpu {
        Err("there is no display device".to_owned())
    } else {
        window(&qemu, setup)
    };
    machine.display = window.as_deref().unwrap_or("none").to_owned();
    let picture = screenshot::default_output(&machine);
    if !options.no_gpu && !ends_by_itself(options) {
        println!("{}", what_is_seen(&window, &picture));
    }
    let mut vm = machine.start(&workspace::target_dir().join("run"))?;
    let _asked = interrupt::ask_first(vm.pid());
    let status = match boot(&mut vm, options)? {
        Boot::Ended(status) => status,
        Boot::Prompt => {
            if window.is_err() && !options.no_gpu {
                save_screenshot(&mut vm, &picture, options.resolution);
            }
            let silence = Duration::from_secs(options.boot_timeout);
            session::run(&mut vm, window.is_ok(), silence)?
        }
    };
    outcome::exit_status(status, &vm.serial_log(), is_self_test(options))
}

/// Returns the kind of window to open; where a screen is there for it and QEMU has none, that is installed first.
///
/// # Errors
///
/// Why none can be opened, which ends nothing: the picture is saved then.
fn window(qemu: &Qemu, setup: &Setup) -> Result<String, String> {
    if qemu::has_screen()
        && qemu.window().is_err()
        && let Err(error) = setup.ensure(&[Prerequisite::Window])
    {
        return Err(format!("{error:#}"));
    }
    qemu.window().map(str::to_owned)
}

/// Checks the options, sets up what is missing, builds the kernel; returns the machine that boots it, and its QEMU.
///
/// # Errors
///
/// The first thing that is wrong; nothing has been built if it is an option.
pub(crate) fn prepare(options: &MachineOptions, setup: &Setup) -> Result<(Machine, Qemu)> {
    let (board, transport) = arguments::check(options)?;
    disk::validate_all(&options.disk, options.read_only)?;
    let mut needed = vec![Prerequisite::Qemu(options.arch)];
    if options.kernel.is_none() {
        needed.push(Prerequisite::Compiler(options.arch.target()));
    }
    setup.ensure(&needed)?;
    let mut disks = options.disk.clone();
    if disks.is_empty() {
        disks.push(disk::default_image()?);
        disk::validate_all(&disks, options.read_only)?;
    }
    let kernel = match &options.kernel {
        Some(path) => path.clone(),
        None => build::kernel(options.arch, setup)?,
    };
    let qemu = setup.qemu(options.arch).map_err(anyhow::Error::msg)?;
    let mut machine = Machine::new(&qemu.path, kernel);
    machine.board = board;
    machine.gic = match options.gic {
        2 => Gic::V2,
        _ => Gic::V3,
    };
    machine.transport = transport;
    machine.memory = options.memory.argument();
    machine.smp = options.smp;
    let resolution = options.resolution;
    machine.gpu = (!options.no_gpu).then_some((resolution.width, resolution.height));
    for (number, path) in disks.iter().enumerate() {
        let mut disk = Disk::new(path).serial(&format!("levitate-{number}"));
        disk.read_only = options.read_only;
        machine.disks.push(disk);
    }
    machine.append = options.append.clone().unwrap_or_default();
    if options.accel == Accel::Kvm {
        let arguments = board.kvm_arguments().iter();
        machine.extra.extend(arguments.map(OsString::from));
    }
    if let Some(path) = &options.qmp_socket {
        // A second one, for a QMP server has one client at a time, and the machine's own is for us.
        machine
            .extra
            .extend(["-qmp".into(), arguments::qmp_server(path)?]);
    }
    if let Some(text) = &options.qemu_args {
        let words = arguments::split(text)?;
        machine.extra.extend(words.into_iter().map(OsString::from));
    }
    Ok((machine, qemu))
}

/// How a boot went on.
pub(crate) enum Boot {
    /// The shell waits for a line.
    Prompt,
    /// The kernel ended before that, as it does after `selftest`.
    Ended(ExitStatus),
}

/// Waits until the kernel is at its prompt, or has ended.
///
/// # Errors
///
/// Neither happened within the time given; the message has the last serial lines. Or QEMU did not start.
pub(crate) fn boot(vm: &mut Vm, options: &MachineOptions) -> Result<Boot> {
    let deadline = Duration::from_secs(options.boot_timeout);
    if ends_by_itself(options) {
        return self_test(vm, deadline).map(Boot::Ended);
    }
    let begin = Instant::now();
    let Err(error) = vm.wait_for_prompt(deadline) else {
        return Ok(Boot::Prompt);
    };
    // Before the deadline, the serial line was closed: QEMU is ending.
    let is_ending = begin.elapsed() < deadline;
    match vm.wait_exit(if is_ending { END_DEADLINE } else { POLL }) {
        Ok(status) if vm.serial_log().is_empty() => {
            let said = match vm.qemu_stderr() {
                said if said.is_empty() => "it gave no reason".to_owned(),
                said => said.replace('\n', " | "),
            };
            bail!("QEMU ended ({status}) before the kernel said anything: {said}");
        }
        Ok(status) => Ok(Boot::Ended(status)),
        Err(_) => Err(error).with_context(|| {
            format!(
                "the kernel did not reach its prompt within {} s (--boot-timeout), and QEMU is ended",
                options.boot_timeout
            )
        }),
    }
}

/// Returns whether the kernel will test itself.
fn is_self_test(options: &MachineOptions) -> bool {
    runs_selftest(options.append.as_deref().unwrap_or_default())
}

/// Returns whether the kernel will test itself or measure, and then end without a prompt.
fn ends_by_itself(options: &MachineOptions) -> bool {
    let append = options.append.as_deref().unwrap_or_default();
    is_self_test(options) || runs_benchmarks(append)
}

/// Asks the kernel's own reader, for which a mistyped suite is a word like any other: such a kernel goes on to its prompt.
fn runs_selftest(append: &str) -> bool {
    command_line::parse(append.as_bytes(), |_| {})
        .selftest
        .is_some()
}

fn runs_benchmarks(append: &str) -> bool {
    command_line::parse(append.as_bytes(), |_| {})
        .bench
        .is_some()
}

/// Waits for the end of a kernel that tests itself, or measures.
///
/// It reaches no prompt, so that silence for `deadline` is a hang, and [`PATIENCE`] times that however much it says.
fn self_test(vm: &mut Vm, deadline: Duration) -> Result<ExitStatus> {
    let mut heard = 0;
    let begin = Instant::now();
    let mut since = begin;
    loop {
        if let Ok(status) = vm.wait_exit(POLL) {
            return Ok(status);
        }
        if vm.heard() > heard {
            heard = vm.heard();
            since = Instant::now();
        }
        let (silence, total) = (deadline.as_secs(), (deadline * PATIENCE).as_secs());
        let what = if since.elapsed() > deadline {
            format!("said nothing for {silence} s")
        } else if begin.elapsed() > deadline * PATIENCE {
            format!("did not end within {total} s")
        } else {
            continue;
        };
        bail!(
            "the kernel {what} over its tests or benchmarks (--boot-timeout), and QEMU is ended; the last serial lines:\n{}",
            vm.last_lines()
        );
    }
}

/// Says where the display is to be seen, and what is on it.
fn what_is_seen(window: &Result<String, String>, picture: &Path) -> String {
    match window {
        Ok(_) => "xtask: the window shows the kernel's log, and its test card after `gpu card`"
            .to_owned(),
        Err(why) => format!(
            "xtask: no window can be opened here ({why})\n\
             xtask: the display shows the kernel's log; a picture of it is saved at the prompt, in {}\n\
             xtask: the test card, which `gpu card` shows, is saved by `cargo xtask screenshot`",
            picture.display()
        ),
    }
}

/// Saves what the display shows at the prompt; a display that shows nothing is no reason to end the run.
fn save_screenshot(vm: &mut Vm, path: &Path, resolution: Resolution) {
    if let Err(error) = screenshot::save(vm, path, resolution) {
        eprintln!("\nxtask: warning: no screenshot: {error:#}");
        // The kernel's own is above that. If nobody reads it, there is nobody to tell.
        print!("{PROMPT}");
        let _ = std::io::stdout().flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_is_said_with_a_window_and_without() {
        let picture = Path::new("/target/screenshot.png");
        let said = what_is_seen(&Ok("gtk".to_owned()), picture);
        assert!(said.contains("`gpu card`"), "{said}");
        assert!(!said.contains("screenshot.png"), "{said}");
        let said = what_is_seen(&Err("no screen".to_owned()), picture);
        for part in ["(no screen)", "/target/screenshot.png", "`gpu card`"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(said.lines().all(|line| line.starts_with("xtask: ")));
    }

    #[test]
    fn a_self_test_is_known_by_its_word() {
        assert!(runs_selftest("log=debug selftest"));
        assert!(runs_selftest("selftest=causes"));
        assert!(!runs_selftest("bench") && runs_benchmarks("bench"));
        assert!(!runs_selftest("selftests noselftest"));
        assert!(!runs_selftest("selftest=cuases"));
        assert!(!runs_selftest(""));
    }
}
