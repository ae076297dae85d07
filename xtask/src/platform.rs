//! What the kernel runs on: [`Arch`], and the [`Board`]s that QEMU has of it.

use clap::ValueEnum;

use crate::toolchain::Target;
use crate::vm::Gic;

/// An architecture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    /// 64-bit Arm
    #[default]
    #[value(name = "aarch64")]
    Aarch64,
    /// 64-bit PCs
    #[value(name = "x86_64")]
    X86_64,
}

impl Arch {
    /// Every architecture.
    pub(crate) const ALL: [Self; 2] = [Self::Aarch64, Self::X86_64];

    /// Returns its name, as Rust and QEMU have it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64",
            Self::X86_64 => "x86_64",
        }
    }

    /// Returns what the kernel is built for.
    pub(crate) const fn target(self) -> Target {
        match self {
            Self::Aarch64 => Target::Aarch64,
            Self::X86_64 => Target::X86_64,
        }
    }

    /// Returns the name of QEMU's program.
    pub(crate) const fn qemu(self) -> &'static str {
        match self {
            Self::Aarch64 => "qemu-system-aarch64",
            Self::X86_64 => "qemu-system-x86_64",
        }
    }

    /// Returns the Debian package that has QEMU's program.
    pub(crate) const fn qemu_package(self) -> &'static str {
        match self {
            Self::Aarch64 => "qemu-system-arm",
            Self::X86_64 => "qemu-system-x86",
        }
    }

    /// Returns the board that is meant where none is named.
    pub(crate) const fn board(self) -> Board {
        match self {
            Self::Aarch64 => Board::Virt,
            Self::X86_64 => Board::Microvm,
        }
    }
}

/// A machine that QEMU has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Board {
    /// aarch64, with virtio-mmio devices
    Virt,
    /// x86_64, with virtio-mmio devices
    Microvm,
}

impl Board {
    /// Returns its architecture.
    pub(crate) const fn arch(self) -> Arch {
        match self {
            Self::Virt => Arch::Aarch64,
            Self::Microvm => Arch::X86_64,
        }
    }

    /// Returns its name, as QEMU has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Virt => "virt",
            Self::Microvm => "microvm",
        }
    }

    /// Returns QEMU's arguments that are the board's own: what it is, and how the kernel ends it with a status.
    pub(crate) const fn arguments(self, gic: Gic) -> [&'static str; 6] {
        let virt = match gic {
            Gic::V2 => "virt,gic-version=2",
            Gic::V3 => "virt,gic-version=3",
        };
        match self {
            Self::Virt => [
                "-M",
                virt,
                "-cpu",
                "cortex-a72",
                "-semihosting-config",
                "enable=on,target=native",
            ],
            // Without ACPI, where the devices are is on the kernel's command line.
            Self::Microvm => [
                "-M",
                "microvm,acpi=off",
                "-cpu",
                "qemu64",
                "-device",
                "isa-debug-exit,iobase=0xf4,iosize=0x04",
            ],
        }
    }

    /// Returns the kernel's exit status for the one QEMU ended with.
    ///
    /// On a PC, the kernel writes its status and 16 to `isa-debug-exit`, which makes QEMU end with twice that and one: so
    /// no status of the kernel is one of QEMU's own.
    pub(crate) const fn exit_code(self, code: i32) -> i32 {
        match self.arch() {
            Arch::X86_64 if code % 2 == 1 && code >= 33 => (code - 33) / 2,
            _ => code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_board_of_an_architecture_is_of_that_architecture() {
        for arch in Arch::ALL {
            assert_eq!(arch.board().arch(), arch);
        }
    }

    #[test]
    fn a_pcs_exit_status_is_told_from_qemus_own() {
        for status in [0, 1, 2, 3, 101, 102] {
            let of_qemu = ((status + 16) << 1) | 1;
            assert!(of_qemu < 256);
            assert_eq!(Board::Microvm.exit_code(of_qemu), status);
            assert_eq!(Board::Virt.exit_code(status), status);
        }
        for own in [0, 1, 2, 134] {
            assert_eq!(Board::Microvm.exit_code(own), own);
        }
    }
}
