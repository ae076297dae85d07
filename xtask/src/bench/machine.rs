//! What is measured on: [`Setting`], a machine with a display, a disk that costs nothing, and a disk in memory.

use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use serde_json::json;
use tempfile::NamedTempFile;

use crate::cli::Accel;
use crate::platform::Board;
use crate::vm::Machine;

/// Length of both disks.
const DISK_BYTES: u64 = 64 << 20;

/// Where files are in memory; elsewhere they are in a temporary directory, and in the page cache after they were written.
const SHARED_MEMORY: &str = "/dev/shm";

/// How long QEMU's thread for the disks looks for requests by itself, before it waits to be notified.
const POLL_MAX_NS: u64 = 1_000_000;

/// How devices are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bus {
    /// PCI
    Pci,
    /// Memory-mapped registers, version 2
    Mmio,
}

/// A machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) board: Board,
    pub(crate) bus: Bus,
    pub(crate) accel: Accel,
    /// Whether QEMU serves the disks in a thread of their own; else a notification returns when its requests are done.
    pub(crate) has_thread: bool,
}

/// What is measured on.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        board: Board::Virt,
        bus: Bus::Pci,
        accel: Accel::Tcg,
        has_thread: true,
    },
    // QEMU has no thread for disks behind memory-mapped registers, unless with KVM.
    Setting {
        board: Board::Virt,
        bus: Bus::Mmio,
        accel: Accel::Tcg,
        has_thread: false,
    },
    Setting {
        board: Board::Microvm,
        bus: Bus::Mmio,
        accel: Accel::Tcg,
        has_thread: false,
    },
];

/// The memory behind a disk; it is gone when this is dropped.
pub(crate) struct Backing(NamedTempFile);

impl Backing {
    /// Fills memory with something.
    pub(crate) fn create() -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("levitate-bench-");
        let mut file = match builder.tempfile_in(SHARED_MEMORY) {
            Ok(file) => file,
            Err(_) => builder.tempfile().context("cannot create a disk image")?,
        };
        // Not holes, which QEMU would not have to read.
        let megabyte = vec![0x5a; 1 << 20];
        for _ in 0..DISK_BYTES >> 20 {
            file.write_all(&megabyte)
                .context("cannot fill a disk image")?;
        }
        Ok(Self(file))
    }
}

impl Setting {
    /// Returns the machine, which runs the benchmarks that `word` asks for and then ends.
    pub(crate) fn machine(
        &self,
        qemu: &Path,
        kernel: &Path,
        backing: &Backing,
        word: &str,
    ) -> Machine {
        let mut machine = Machine::new(qemu, kernel);
        machine.board = self.board;
        machine.append = word.to_owned();
        machine.extra = self.devices(backing.0.path());
        if self.accel == Accel::Kvm {
            let accel = ["-accel", "kvm", "-cpu", "host"];
            machine.extra.extend(accel.map(OsString::from));
        }
        machine
    }

    /// Returns QEMU's arguments for the display and the two disks.
    fn devices(&self, file: &Path) -> Vec<OsString> {
        let bus = match self.bus {
            Bus::Pci => "pci",
            Bus::Mmio => "device",
        };
        let mut thread = "";
        let mut list = Vec::new();
        if self.has_thread {
            thread = ",iothread=disks";
            let object = format!("iothread,id=disks,poll-max-ns={POLL_MAX_NS}");
            list.extend(["-object".to_owned(), object]);
        }
        let nothing = json!({
            "driver": "null-co", "node-name": "null-co", "size": DISK_BYTES, "read-zeroes": false,
        });
        let memory = json!({
            "driver": "raw", "node-name": "memory", "file": { "driver": "file", "filename": file },
        });
        for (serial, node) in [("null-co", nothing), ("memory", memory)] {
            list.extend(["-blockdev".to_owned(), node.to_string()]);
            let device = format!("virtio-blk-{bus},drive={serial},serial={serial}{thread}");
            list.extend(["-device".to_owned(), device]);
        }
        let display = format!("virtio-gpu-{bus},xres=1280,yres=800");
        list.extend(["-device".to_owned(), display]);
        list.into_iter().map(OsString::from).collect()
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bus = match self.bus {
            Bus::Pci => "PCI",
            Bus::Mmio => "MMIO",
        };
        let accel = match self.accel {
            Accel::Tcg => "TCG",
            Accel::Kvm => "KVM",
        };
        write!(
            f,
            "{} {}, {bus}, {accel}",
            self.board.arch().name(),
            self.board.name()
        )?;
        if self.has_thread {
            f.write_str(", disks in a thread that polls")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_disks_in_a_thread_name_one() {
        for setting in SETTINGS {
            let arguments = setting.devices(Path::new("/a,b"));
            let text = format!("{arguments:?}");
            assert_eq!(text.contains("iothread,id=disks"), setting.has_thread);
            assert_eq!(
                text.matches("iothread=disks").count(),
                if setting.has_thread { 2 } else { 0 }
            );
            assert!(text.contains(r#"\"filename\":\"/a,b\""#), "{text}");
        }
    }
}
