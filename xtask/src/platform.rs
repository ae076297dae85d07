//! What the kernel runs on: [`Arch`], the [`Board`]s that QEMU has of it, and the [`Transport`]s of each.

use clap::ValueEnum;

use crate::toolchain::Target;

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
            Self::X86_64 => Board::Q35,
        }
    }
}

/// How VirtIO devices are attached, and how they interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Memory-mapped registers, version 2
    Mmio,
    /// Memory-mapped registers, version 1 (legacy)
    MmioLegacy,
    /// PCI, with messages (MSI-X)
    Pci,
    /// PCI, with the interrupt line
    PciIntx,
}

impl Transport {
    /// Returns its name, as the command line has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Mmio => "mmio",
            Self::MmioLegacy => "mmio-legacy",
            Self::Pci => "pci",
            Self::PciIntx => "pci-intx",
        }
    }

    /// Returns whether the devices are on PCI.
    pub(crate) const fn is_pci(self) -> bool {
        matches!(self, Self::Pci | Self::PciIntx)
    }
}

/// Which interrupt controller a `virt` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gic {
    /// Whose messages go to a GICv2m frame.
    V2,
    /// Whose messages go to an ITS.
    V3,
}

/// A machine that QEMU has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Board {
    /// aarch64, with virtio-mmio or PCI devices
    Virt,
    /// x86_64, a PC with PCI devices
    Q35,
    /// x86_64, a small machine with virtio-mmio devices
    Microvm,
}

impl Board {
    /// Returns its architecture.
    pub(crate) const fn arch(self) -> Arch {
        match self {
            Self::Virt => Arch::Aarch64,
            Self::Q35 | Self::Microvm => Arch::X86_64,
        }
    }

    /// Returns its name, as QEMU has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Virt => "virt",
            Self::Q35 => "q35",
            Self::Microvm => "microvm",
        }
    }

    /// Returns how its devices are attached where nothing else is said.
    pub(crate) const fn transport(self) -> Transport {
        match self {
            Self::Virt | Self::Microvm => Transport::Mmio,
            Self::Q35 => Transport::Pci,
        }
    }

    /// Returns all the ways in which its devices can be attached.
    pub(crate) const fn transports(self) -> &'static [Transport] {
        use Transport::{Mmio, MmioLegacy, Pci, PciIntx};
        match self {
            Self::Virt => &[Mmio, MmioLegacy, Pci, PciIntx],
            Self::Q35 => &[Pci, PciIntx],
            Self::Microvm => &[Mmio, MmioLegacy],
        }
    }

    /// Returns QEMU's arguments that are the board's own: what it is, and how the kernel ends it with a status.
    pub(crate) const fn arguments(self, gic: Gic) -> [&'static str; 6] {
        let machine = match (self, gic) {
            (Self::Virt, Gic::V2) => "virt,gic-version=2",
            (Self::Virt, Gic::V3) => "virt,gic-version=3",
            (Self::Q35, _) => "q35",
            // Without ACPI, where the devices are is on the kernel's command line.
            (Self::Microvm, _) => "microvm,acpi=off",
        };
        match self.arch() {
            Arch::Aarch64 => [
                "-M",
                machine,
                "-cpu",
                "cortex-a72",
                "-semihosting-config",
                "enable=on,target=native",
            ],
            Arch::X86_64 => [
                "-M",
                machine,
                "-cpu",
                "qemu64",
                "-device",
                "isa-debug-exit,iobase=0xf4,iosize=0x04",
            ],
        }
    }

    /// Returns QEMU's arguments for the host's own CPUs, to come after the board's.
    pub(crate) const fn kvm_arguments(self) -> &'static [&'static str] {
        match self.arch() {
            // There is no other model.
            Arch::Aarch64 => &["-accel", "kvm", "-cpu", "host"],
            // The board's model does. Of all the host's features, a host that is a guest itself may not let QEMU set each.
            Arch::X86_64 => &["-accel", "kvm"],
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
    fn the_board_of_an_architecture_is_its_first() {
        for arch in Arch::value_variants() {
            let mut boards = Board::value_variants().iter();
            let first = boards.find(|board| board.arch() == *arch);
            assert_eq!(first, Some(&arch.board()));
        }
        assert_eq!(Arch::value_variants(), Arch::ALL);
    }

    #[test]
    fn a_transport_is_called_what_the_command_line_calls_it() {
        for transport in Transport::value_variants() {
            let value = transport.to_possible_value().unwrap();
            assert_eq!(value.get_name(), transport.name());
        }
    }

    #[test]
    fn a_board_has_the_transport_that_is_meant_if_none_is_named() {
        for board in Board::value_variants() {
            assert!(board.transports().contains(&board.transport()), "{board:?}");
        }
    }

    #[test]
    fn every_transport_is_to_be_had_on_some_board() {
        for transport in Transport::value_variants() {
            let mut boards = Board::value_variants().iter();
            assert!(
                boards.any(|board| board.transports().contains(transport)),
                "{transport:?}"
            );
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
