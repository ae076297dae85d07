//! Building for bare metal: [`kernel`] and [`minimal_kernel`] for QEMU, [`libraries`] to show that they need no operating system.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail, ensure};

use crate::cli::BuildOptions;
use crate::platform::Arch;
use crate::progress::seconds;
use crate::setup::{Prerequisite, Setup};
use crate::toolchain::{Compiler, Target};
use crate::{exec, interrupt};

/// The crates that a kernel author takes: all of them are `no_std`.
pub(crate) const LIBRARIES: [&str; 4] = [
    "levitate-hal",
    "levitate-virtio",
    "levitate-drivers-gpu",
    "levitate-drivers-blk",
];

/// The kernel's package, and its program.
pub(crate) const KERNEL: &str = "levitate-kernel";

/// The program of the example that is a workspace of its own.
pub(crate) const MINIMAL_KERNEL: &str = "minimal-kernel";

/// Where it is.
pub(crate) const MINIMAL_KERNEL_MANIFEST: &str = "docs/examples/minimal-kernel/Cargo.toml";

/// What has cargo work on it, with the versions that its own lock file names.
pub(crate) const IN_MINIMAL_KERNEL: [&str; 3] =
    ["--locked", "--manifest-path", MINIMAL_KERNEL_MANIFEST];

/// Builds what `options` say; prints the kernel's path on standard output.
pub(crate) fn run(options: &BuildOptions, setup: &Setup) -> Result<u8> {
    if options.libraries.is_empty() {
        setup.ensure(&[Prerequisite::Compiler(options.arch.target())])?;
        let path = kernel(options.arch, setup)?;
        println!("{}", path.display());
        return Ok(0);
    }
    let needed: Vec<_> = options
        .libraries
        .iter()
        .map(|target| Prerequisite::Compiler(*target))
        .collect();
    setup.ensure(&needed)?;
    for target in &options.libraries {
        libraries(setup, *target)?;
    }
    Ok(0)
}

/// The feature of the kernel by which it has other drivers too, to choose in place of ours.
pub(crate) const OTHER_DRIVERS: &str = "virtio-drivers";

/// Builds the kernel for `arch`, with all drivers; returns the path of its ELF file.
pub(crate) fn kernel(arch: Arch, setup: &Setup) -> Result<PathBuf> {
    kernel_with(OTHER_DRIVERS, arch, setup)
}

/// Builds the kernel for `arch` with `features`; returns the path of its ELF file.
pub(crate) fn kernel_with(features: &str, arch: Arch, setup: &Setup) -> Result<PathBuf> {
    let arguments = ["--package", KERNEL, "--features", features];
    program(KERNEL, &arguments, arch.target(), setup)
}

/// Builds the example of a kernel outside of the workspace; returns the path of its ELF file.
pub(crate) fn minimal_kernel(arch: Arch, setup: &Setup) -> Result<PathBuf> {
    program(MINIMAL_KERNEL, &IN_MINIMAL_KERNEL, arch.target(), setup)
}

/// Builds a program that cargo finds by `arguments`; returns the path of its ELF file.
fn program(name: &str, arguments: &[&str], target: Target, setup: &Setup) -> Result<PathBuf> {
    let compiler = setup.compiler(target)?;
    let mut command = compiler.cargo("build", target);
    command.arg("--release").args(arguments);
    build(name, target, &compiler, &mut command)?;
    let path = compiler
        .target_dir()
        .join(target.triple())
        .join("release")
        .join(name);
    ensure!(path.is_file(), "cargo built no {}", path.display());
    Ok(path)
}

/// Builds the library crates for `target`, with no standard library there is to lean on.
pub(crate) fn libraries(setup: &Setup, target: Target) -> Result<()> {
    let compiler = setup.compiler(target)?;
    let mut command = compiler.cargo("build", target);
    // Nobody debugs what is never run, and a core library that is built along takes a third less time.
    command.env("CARGO_PROFILE_DEV_DEBUG", "0");
    for library in LIBRARIES {
        command.args(["--package", library]);
    }
    build("the library crates", target, &compiler, &mut command)
}

/// Runs a build, and says what is built by whom, and how long it took.
fn build(what: &str, target: Target, compiler: &Compiler, command: &mut Command) -> Result<()> {
    eprintln!(
        "xtask: building {what} for {} with {}",
        target.triple(),
        compiler.describe()
    );
    let begin = Instant::now();
    let status = exec::status(command)?;
    if !status.success() {
        if interrupt::interrupted().is_some() {
            bail!("interrupted");
        }
        bail!("{what} cannot be built for {}: see above", target.triple());
    }
    eprintln!("xtask: built {what} in {}", seconds(begin.elapsed()));
    Ok(())
}
