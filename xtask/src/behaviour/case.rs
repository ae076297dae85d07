//! One case, and what cases have in common: booting, ending, and the rule about QEMU's error log.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::platform::{Arch, Board};
use crate::vm::{Machine, Vm};

/// How long the kernel may take to its prompt; on an idle host it takes about 2 s, and half a minute where firmware waits for a disk.
pub(crate) const BOOT_DEADLINE: Duration = Duration::from_secs(180);

/// How long `shutdown` may take.
pub(crate) const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(90);

type Run = dyn Fn(&Context) -> Result<()> + Send + Sync;

/// Something that is to be shown.
pub(crate) struct Case {
    /// In lower case, with hyphens; also the name of its directory and golden file.
    pub(crate) name: &'static str,
    pub(crate) run: Box<Run>,
}

/// Why a case was not run, as the error it ends with: what it needs is not on this host.
#[derive(Debug)]
pub(crate) struct Skipped(pub(crate) String);

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skipped {}

/// What is booted on an architecture, and by what.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) arch: Arch,
    /// The kernel's ELF file.
    pub(crate) kernel: PathBuf,
    /// That of the example, `docs/examples/minimal-kernel`.
    pub(crate) minimal_kernel: PathBuf,
    /// Its QEMU.
    pub(crate) qemu: PathBuf,
}

/// What a case works with.
pub(crate) struct Context {
    /// What is booted on each architecture.
    pub(crate) programs: Vec<Programs>,
    /// The case's own directory, for logs, images and pictures.
    pub(crate) dir: PathBuf,
    /// The case's name.
    pub(crate) name: &'static str,
    /// Golden files are written, not compared with.
    pub(crate) bless: bool,
}

impl Context {
    /// A `virt` machine that boots the kernel, with neither display nor disk.
    pub(crate) fn machine(&self) -> Machine {
        self.machine_of(Board::Virt)
    }

    /// A machine that boots the kernel, with neither display nor disk.
    pub(crate) fn machine_of(&self, board: Board) -> Machine {
        let programs = self.programs.iter();
        let mut programs = programs.filter(|programs| programs.arch == board.arch());
        let mut machine = match programs.next() {
            Some(programs) => Machine::new(&programs.qemu, &programs.kernel),
            // It does not start, and the case says so.
            None => Machine::new(board.arch().qemu(), "no kernel"),
        };
        machine.board = board;
        machine
    }

    /// Starts `machine`, and waits for the shell; returns the boot log too.
    pub(crate) fn boot(&self, machine: &Machine) -> Result<(Vm, String)> {
        let mut vm = machine.start(&self.dir)?;
        let log = vm
            .wait_for_prompt(BOOT_DEADLINE)
            .context("the kernel did not reach its shell")?;
        let log = log.strip_suffix(crate::vm::PROMPT).unwrap_or(&log);
        Ok((vm, log.to_owned()))
    }
}

/// Types `shutdown`, waits until QEMU has ended with status 0, and checks its error log.
pub(crate) fn shut_down(mut vm: Vm) -> Result<()> {
    vm.send("shutdown\n")?;
    ensure_exit(&mut vm, SHUTDOWN_DEADLINE, 0)?;
    ensure_no_guest_errors(&vm)
}

/// Waits until QEMU ends by itself with `status`.
pub(crate) fn ensure_exit(vm: &mut Vm, deadline: Duration, status: i32) -> Result<()> {
    let exit = vm.wait_exit(deadline)?;
    ensure!(
        exit.code() == Some(status),
        "QEMU ended with {exit} instead of status {status}; the last serial lines:\n{}",
        vm.last_lines()
    );
    Ok(())
}

/// Checks that the guest made no access that QEMU calls wrong. There is no list of exceptions: our kernel makes none.
pub(crate) fn ensure_no_guest_errors(vm: &Vm) -> Result<()> {
    let errors = vm.guest_errors()?;
    let Some(first) = errors.first() else {
        return Ok(());
    };
    bail!(
        "QEMU logged {} wrong accesses of the guest (-d guest_errors); the first: {first}",
        errors.len()
    )
}

/// Returns whether this QEMU's `device` has a property.
pub(crate) fn has_property(qemu: &Path, device: &str, property: &str) -> Result<bool> {
    let mut command = Command::new(qemu);
    command.args(["-device", &format!("{device},help")]);
    let output = command.output().context("QEMU does not start")?;
    ensure!(output.status.success(), "QEMU has no device {device}");
    let help = String::from_utf8_lossy(&output.stdout);
    let mut lines = help.lines().map(str::trim_start);
    Ok(lines.any(|line| {
        line.strip_prefix(property)
            .is_some_and(|rest| rest.starts_with('='))
    }))
}

/// Runs a shell command that prints no error.
pub(crate) fn command(vm: &mut Vm, line: &str) -> Result<Vec<String>> {
    let output = vm.command(line)?;
    if output.iter().any(|line| line.starts_with("error: ")) {
        bail!("`{line}` printed: {}", excerpt(&output));
    }
    Ok(output)
}

/// Runs a shell command that is to print exactly one error line, and returns it.
pub(crate) fn refused_command(vm: &mut Vm, line: &str) -> Result<String> {
    let output = vm.command(line)?;
    let errors: Vec<&String> = output
        .iter()
        .filter(|line| line.starts_with("error: "))
        .collect();
    match errors.as_slice() {
        [error] => Ok((*error).clone()),
        _ => bail!(
            "`{line}` was to print one error line, not {}: {}",
            errors.len(),
            excerpt(&output)
        ),
    }
}

/// Returns the first lines of what a command printed, for an error message.
pub(crate) fn excerpt(output: &[String]) -> String {
    const LINES: usize = 5;
    let mut text = output[..output.len().min(LINES)].join("\n");
    if output.len() > LINES {
        text.push_str(&format!("\n… and {} more lines", output.len() - LINES));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_says_what_it_leaves_out() {
        let lines = |count: usize| vec!["x".to_owned(); count];
        assert_eq!(excerpt(&lines(0)), "");
        assert_eq!(excerpt(&lines(5)), "x\nx\nx\nx\nx");
        assert_eq!(excerpt(&lines(7)), "x\nx\nx\nx\nx\n… and 2 more lines");
    }
}
