//! `cargo xtask bench`: has the kernel measure drivers side by side, and shows what it found.
//!
//! [`machine`] says what is booted, [`result`] what is read of it, [`demands`] what it has to be, [`table`], [`chart`] and [`document`] how
//! it is shown.
//! [`queue`] measures without a kernel what a request costs in a virtqueue.

mod chart;
pub(crate) mod demands;
mod document;
mod grid;
pub(crate) mod machine;
pub(crate) mod options;
pub(crate) mod queue;
pub(crate) mod result;
mod table;

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::setup::{Prerequisite, Setup};
use crate::vm::{Machine, Vm};
use crate::{build, interrupt, workspace};
use machine::{Backing, Setting};
use options::{BenchOptions, Other};
use result::Outcome;

/// How long one machine may take, benchmarks included.
const DEADLINE: Duration = Duration::from_secs(900);

/// Measures on every machine that `options` ask for; prints a table for each.
pub(crate) fn run(options: &BenchOptions, setup: &Setup) -> Result<u8> {
    if let Some(Other::Queue(options)) = &options.other {
        return queue::run(options, setup);
    }
    let settings = options.settings()?;
    let mut needed = Vec::new();
    for setting in &settings {
        needed.push(Prerequisite::Qemu(setting.board.arch()));
        needed.push(Prerequisite::Compiler(setting.board.arch().target()));
    }
    setup.ensure(&needed)?;
    let mut outcomes = Vec::new();
    for setting in settings {
        let outcome = measure(setting, options, setup)?;
        println!("{}", table::render(&outcome));
        outcomes.push(outcome);
    }
    println!("{}", demands::render(&outcomes));
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&outcomes)? + "\n";
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if options.save {
        document::save(&outcomes)?;
    }
    Ok(0)
}

/// Boots one machine, and reads what its kernel measured.
fn measure(setting: Setting, options: &BenchOptions, setup: &Setup) -> Result<Outcome> {
    let kernel = build::kernel(setting.board.arch(), setup)?;
    let qemu = setup
        .qemu(setting.board.arch())
        .map_err(anyhow::Error::msg)?;
    let backing = Backing::create()?;
    let base = Machine::new(&qemu.path, &kernel);
    let mut machine = setting.machine(base, &backing, options.word());
    if options.icount {
        let icount = ["-icount", "shift=0,sleep=off"];
        machine.extra.extend(icount.map(OsString::from));
    }
    eprintln!("xtask: measuring on {setting}");
    let mut vm = machine.start(&workspace::target_dir().join("bench"))?;
    let _asked = interrupt::ask_first(vm.pid());
    let measurements = collect(&mut vm)?;
    Ok(Outcome::new(
        &setting.name(),
        &setting.to_string(),
        measurements,
    ))
}

/// Waits for the end of the benchmarks, and reads what they measured.
pub(crate) fn collect(vm: &mut Vm) -> Result<Vec<result::Measurement>> {
    let status = vm.wait_exit(DEADLINE)?;
    ensure!(
        status.success(),
        "the benchmarks did not end well ({status}{}); the last serial lines:\n{}",
        match vm.qemu_stderr() {
            said if said.is_empty() => said,
            said => format!("; QEMU said: {said}"),
        },
        vm.last_lines()
    );
    let measurements = result::read(&vm.serial_log());
    ensure!(!measurements.is_empty(), "the kernel measured nothing");
    Ok(measurements)
}
