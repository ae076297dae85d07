//! The project's own commands: `cargo xtask run|test|bench|sanitize|coverage|fuzz|check|screenshot|build|conformance|doctor`.
//!
//! Whatever a command needs and the machine lacks is set up first ([`setup`]); every error is one `error: …` on
//! standard error and a non-zero exit status.

#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    reason = "a host tool: its sums are of counts and times, never of what a device says"
)]

mod behaviour;
mod bench;
mod build;
mod check;
mod cli;
mod conformance;
mod coverage;
mod disk;
mod doctor;
mod exec;
mod fuzz;
mod interrupt;
mod platform;
mod progress;
mod run;
mod sanitize;
mod screenshot;
mod setup;
mod space;
mod test;
mod toolchain;
mod vm;
mod workspace;

use std::process::ExitCode;

use cli::Command;

/// What a shell calls the status of a process ended by SIGPIPE.
const STATUS_BROKEN_PIPE: i32 = 141;

fn main() -> ExitCode {
    end_everything_on_a_panic();
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(stop) => return stop.report(),
    };
    if let Err(error) = interrupt::install() {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    let setup = setup::Setup::new(&cli.global);
    let result = match &cli.command {
        Command::Run(options) => run::run(options, &setup),
        Command::Test(options) => test::run(options, &setup),
        Command::Sanitize => sanitize::run(&setup),
        Command::Coverage => coverage::run(&setup),
        Command::Fuzz(options) => fuzz::run(options, &setup),
        Command::Check => check::run(&setup),
        Command::Screenshot(options) => screenshot::run(options, &setup),
        Command::Bench(options) => bench::run(options, &setup),
        Command::Build(options) => build::run(options, &setup),
        Command::Conformance(options) => conformance::run(options),
        Command::Doctor => doctor::run(&setup),
    };
    // What an interruption broke off is no error of its own.
    if let Some(status) = interrupt::report() {
        return ExitCode::from(status);
    }
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Has a panic end what this tool started, and give the terminal back: it aborts, so that no `Drop` does.
///
/// When standard output is closed, as by `cargo xtask doctor | head -1`, there is nothing to report.
fn end_everything_on_a_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or_default();
        let nobody_reads = message.starts_with("failed printing to std");
        if !nobody_reads {
            report(panic);
        }
        run::terminal::restore();
        exec::terminate_all();
        vm::end_all();
        if nobody_reads {
            std::process::exit(STATUS_BROKEN_PIPE);
        }
    }));
}
