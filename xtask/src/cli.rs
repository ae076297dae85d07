//! The command line: [`Cli`], and the one clear line that a wrong one gets.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bench::options::BenchOptions;
use crate::platform::{Arch, Board, Transport};
use crate::run::memory::Memory;
use crate::run::resolution::Resolution;
use crate::test::options::TestOptions;
use crate::toolchain;

/// The project's own commands: build, run, test and photograph the kernel.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, about)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Global {
    /// Whose compiler builds for bare metal
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) toolchain: toolchain::Choice,
    /// Install what is missing without asking (as when standard input is no terminal)
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
    /// Install nothing: stop if something is missing
    #[arg(long, global = true, conflicts_with = "yes")]
    pub(crate) no_install: bool,
    /// The QEMU of the machine's architecture [default: the one in PATH]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) qemu: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build the kernel and boot it in QEMU; its shell is on this terminal
    Run(MachineOptions),
    /// Run every test: on the host, under a model checker and sanitizers, by coverage, for all bare-metal targets, fuzzed, by instructions, in QEMU
    Test(TestOptions),
    /// Run the host tests under AddressSanitizer, and what it can interpret under Miri; test has a short form
    Sanitize,
    /// Measure which lines of the library crates the host tests reach; fail below 90 % of any; test has a short form
    Coverage,
    /// Check what needs no run: format, lints, documentation, crate graph, tidiness
    Check,
    /// Fuzz the drivers with a device that lies
    Fuzz(FuzzOptions),
    /// Boot the kernel without a window and save what its display shows as a PNG
    Screenshot(ScreenshotOptions),
    /// Have the kernel measure drivers side by side, or measure a queue by itself
    Bench(BenchOptions),
    /// Build the kernel and print the path of its ELF file
    Build(BuildOptions),
    /// Write docs/conformance.md from its source
    Conformance(ConformanceOptions),
    /// List everything the commands need, and how to get what is missing
    Doctor,
}

/// The machine to boot.
#[derive(Args, Clone, Debug)]
pub(crate) struct MachineOptions {
    /// The machine's architecture
    #[arg(long, value_enum, default_value_t)]
    pub(crate) arch: Arch,
    /// The machine [default: the first of its architecture]
    #[arg(long, value_enum)]
    pub(crate) machine: Option<Board>,
    /// How the VirtIO devices are attached [default: pci for q35, mmio for the others]
    #[arg(long, value_enum)]
    pub(crate) transport: Option<Transport>,
    /// Version of the interrupt controller, on aarch64
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=3))]
    pub(crate) gic: u8,
    /// A raw disk image, once for each disk [default: target/disk.img, made if it is missing]
    #[arg(long, value_name = "PATH")]
    pub(crate) disk: Vec<PathBuf>,
    /// Offer the disks as read-only, and leave the images untouched
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Memory, such as 512M or 4G
    #[arg(long, value_name = "SIZE", default_value = "512M")]
    pub(crate) memory: Memory,
    /// Number of CPUs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    pub(crate) smp: u32,
    /// Width and height of the display in pixels
    #[arg(long, value_name = "WxH", default_value = "1280x800")]
    pub(crate) resolution: Resolution,
    /// Leave the display out
    #[arg(long)]
    pub(crate) no_gpu: bool,
    /// How QEMU runs the guest's instructions
    #[arg(long, value_enum, default_value_t)]
    pub(crate) accel: Accel,
    /// Further arguments for QEMU, split at blanks as a shell does
    #[arg(long, value_name = "ARGUMENTS", allow_hyphen_values = true)]
    pub(crate) qemu_args: Option<String>,
    /// The kernel's command line
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    pub(crate) append: Option<String>,
    /// Where to make QEMU's QMP socket [default: in a temporary directory]
    #[arg(long, value_name = "PATH")]
    pub(crate) qmp_socket: Option<PathBuf>,
    /// Seconds the kernel has to reach its prompt, or may be silent over a self-test or a command from a pipe
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub(crate) boot_timeout: u64,
    /// Boot this ELF file instead of building the kernel
    #[arg(long, value_name = "PATH")]
    pub(crate) kernel: Option<PathBuf>,
}

/// What to photograph.
#[derive(Args, Debug)]
pub(crate) struct ScreenshotOptions {
    /// The PNG file to write [default: named for the machine, such as target/screenshot-aarch64-virt-mmio.png]
    #[arg(long, short, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// What the display is to show
    #[arg(long, value_enum, default_value_t)]
    pub(crate) show: Show,
    #[command(flatten)]
    pub(crate) machine: MachineOptions,
}

/// What to build.
#[derive(Args, Debug)]
pub(crate) struct BuildOptions {
    /// Build the kernel for this architecture
    #[arg(long, value_enum, default_value_t, conflicts_with = "libraries")]
    pub(crate) arch: Arch,
    /// Build the four library crates for this target instead of the kernel; once for each target
    #[arg(long, value_enum, value_name = "TARGET")]
    pub(crate) libraries: Vec<toolchain::Target>,
}

/// What to do with the conformance table.
#[derive(Args, Debug)]
pub(crate) struct ConformanceOptions {
    /// Write nothing: say what is stale, missing or unknown
    #[arg(long)]
    pub(crate) check: bool,
}

/// What to fuzz, and for how long.
#[derive(Args, Debug)]
pub(crate) struct FuzzOptions {
    /// Minutes in all, shared by the targets
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) minutes: u64,
    /// Fuzz this target only
    #[arg(long, value_enum)]
    pub(crate) target: Option<FuzzTarget>,
    /// Inputs for each target, in place of a time
    #[arg(long, value_name = "N", conflicts_with = "minutes")]
    pub(crate) runs: Option<u64>,
    /// What else watches the program
    #[arg(long, value_enum, default_value_t)]
    pub(crate) sanitizer: Sanitizer,
}

/// A fuzz target of `levitate-host/fuzz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FuzzTarget {
    /// A virtqueue
    Queue,
    /// The block driver
    Block,
    /// The GPU driver
    Gpu,
    /// Probing and initialization
    Probe,
    /// The configuration space
    Config,
    /// Display information and EDID
    Display,
    /// Configuration space of a PCI function
    Pci,
}

impl FuzzTarget {
    /// All of them.
    pub(crate) const ALL: [Self; 7] = [
        Self::Queue,
        Self::Block,
        Self::Gpu,
        Self::Probe,
        Self::Config,
        Self::Display,
        Self::Pci,
    ];

    /// Returns the name of its program.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Block => "block",
            Self::Gpu => "gpu",
            Self::Probe => "probe",
            Self::Config => "config",
            Self::Display => "display",
            Self::Pci => "pci",
        }
    }
}

/// What watches a fuzzed program besides its own oracle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sanitizer {
    /// AddressSanitizer
    #[default]
    Address,
    /// Nothing: several times as fast
    None,
}

impl Sanitizer {
    /// Returns its name for cargo-fuzz.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::None => "none",
        }
    }
}

/// How QEMU runs the guest's instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Accel {
    /// By translation, on any host
    #[default]
    Tcg,
    /// On the host's own CPUs, which must be of the same architecture
    Kvm,
}

/// What a screenshot shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Show {
    /// The test card
    #[default]
    Card,
    /// The boot log console
    Console,
}

/// Why the command line led to no command.
#[derive(Debug)]
pub(crate) struct Stop(clap::Error);

impl Stop {
    /// Prints the help that was asked for, or one line that says what is wrong.
    pub(crate) fn report(&self) -> ExitCode {
        if self.0.use_stderr() {
            eprintln!("{}", self.line());
            ExitCode::from(2)
        } else {
            // Help or version; a closed standard output is the reader's choice.
            let _ = self.0.print();
            ExitCode::SUCCESS
        }
    }

    /// Returns what is wrong, in one line.
    fn line(&self) -> String {
        if self.0.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            return "error: no command is given; `cargo xtask --help` lists them".to_owned();
        }
        let text = self.0.render().to_string();
        // clap's first paragraph says what is wrong, the rest repeats the usage.
        let paragraph: Vec<&str> = text
            .lines()
            .take_while(|line| !line.trim().is_empty())
            .map(str::trim)
            .collect();
        format!("{}; `cargo xtask --help` tells more", paragraph.join(" "))
    }
}

/// Reads the command line.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, Stop> {
    Cli::try_parse_from(arguments).map_err(Stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Cli, String> {
        let arguments = std::iter::once("xtask").chain(line.split_whitespace());
        parse(arguments.map(OsString::from)).map_err(|stop| stop.line())
    }

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_may_follow_the_command() {
        let cli = parsed("run --toolchain distribution --yes --disk a --disk b").unwrap();
        assert_eq!(cli.global.toolchain, toolchain::Choice::Distribution);
        assert!(cli.global.yes);
        let Command::Run(options) = cli.command else {
            panic!("not run");
        };
        assert_eq!(options.disk, [PathBuf::from("a"), PathBuf::from("b")]);
    }

    #[test]
    fn every_wrong_line_is_answered_by_one_line() {
        for (line, part) in [
            ("run --frobnicate", "'--frobnicate'"),
            ("run --memory lots", "lots"),
            ("run --gic 4", "4"),
            ("run --transport usb", "usb"),
            ("run --smp 0", "0"),
            ("run --arch riscv64", "riscv64"),
            ("run --machine pc", "pc"),
            ("fly", "fly"),
            ("", "no command"),
            ("run --yes --no-install", "--no-install"),
            ("fuzz --target nothing", "nothing"),
            ("fuzz --minutes 0", "0"),
            ("fuzz --minutes 1 --runs 1", "--runs"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.starts_with("error: "), "{line}: {error}");
            assert!(error.contains(part), "{line}: {error}");
            assert_eq!(error.lines().count(), 1, "{line}: {error}");
        }
    }
}
