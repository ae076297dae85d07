//! The library crates for every bare-metal target, and the kernel with no drivers but ours.

use anyhow::{Result, bail};

use super::tally::{Tally, report};
use crate::platform::Arch;
use crate::setup::Setup;
use crate::toolchain::{Compiler, Probe as _, Target, host::HostProbe};
use crate::{build, exec, workspace};

/// Builds the library crates for every target: by the compiler of this run, and by the distribution's, through the switch.
pub(super) fn run(setup: &Setup) -> Result<Tally> {
    let mut tally = Tally::default();
    for target in Target::ALL {
        let result = build::libraries(setup, target);
        report(
            &format!("libraries-{}", target.triple()),
            result,
            &mut tally,
        )?;
    }
    for target in Target::ALL {
        let name = format!("libraries-{}-by-distribution", target.triple());
        if let Err(why) = HostProbe::default().distribution() {
            println!("test {name} ... skipped: {why}");
            tally.skipped += 1;
            continue;
        }
        let result = by_distribution(&["--libraries", target.triple()]);
        report(&name, result, &mut tally)?;
    }
    // The tests in QEMU boot the one with all drivers.
    for arch in Arch::ALL {
        let name = format!("kernel-{}-with-our-drivers-alone", arch.name());
        let built = build::kernel_with("", arch, setup);
        report(&name, built.map(drop), &mut tally)?;
    }
    // Where the distribution's compiler is the only one, the tests in QEMU boot what it built.
    for arch in Arch::ALL {
        if !matches!(setup.compiler(arch.target())?, Compiler::Distribution(_))
            && HostProbe::default().distribution().is_ok()
        {
            let name = format!("kernel-{}-by-distribution", arch.name());
            report(&name, by_distribution(&["--arch", arch.name()]), &mut tally)?;
        }
    }
    Ok(tally)
}

/// Runs this tool's `build` with the switch that leaves only the distribution's compiler.
fn by_distribution(arguments: &[&str]) -> Result<()> {
    let mut command = workspace::this_program()?;
    command.args(["--toolchain", "distribution", "--no-install", "build"]);
    command.args(arguments);
    // Standard output is for results.
    command.stdout(std::io::stderr());
    let status = exec::status(&mut command)?;
    if !status.success() {
        bail!("the build ended with {status}");
    }
    Ok(())
}
