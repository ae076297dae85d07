//! What is measured on: [`Setting`], a machine with a display, a disk that costs nothing, and a disk in memory.

use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::cli::Accel;
use crate::platform::{Board, Transport};
use crate::vm::{Machine, attached};

/// Length of both disks.
const DISK_BYTES: u64 = 64 << 20;

/// Where files are in memory; elsewhere they are in a temporary directory, and in the page cache after they were written.
const SHARED_MEMORY: &str = "/dev/shm";

/// How long QEMU's thread for the disks looks for requests by itself, before it waits to be notified.
const POLL_MAX_NS: u64 = 1_000_000;

/// A machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) board: Board,
    pub(crate) transport: Transport,
    pub(crate) accel: Accel,
    pub(crate) disks: Disks,
}

/// When QEMU serves the disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disks {
    /// In a thread of their own, which looks for requests by itself: some are served without a notification.
    InThread,
    /// As part of a notification, which returns when its requests are done, or on their way: counts are the same each time.
    InNotification,
}

/// What is measured on.
pub(super) const SETTINGS: [Setting; 4] = [
    setting(Board::Virt, Transport::Pci, Disks::InThread),
    // Behind memory-mapped registers QEMU has no thread for disks, unless with KVM.
    setting(Board::Virt, Transport::Mmio, Disks::InNotification),
    setting(Board::Q35, Transport::Pci, Disks::InThread),
    setting(Board::Microvm, Transport::Mmio, Disks::InNotification),
];

/// Returns a setting for any host.
pub(crate) const fn setting(board: Board, transport: Transport, disks: Disks) -> Setting {
    Setting {
        board,
        transport,
        accel: Accel::Tcg,
        disks,
    }
}

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
    /// Returns the machine, of which `base` has the programs; it runs the benchmarks that `word` asks for, and then ends.
    pub(crate) fn machine(&self, base: Machine, backing: &Backing, word: &str) -> Machine {
        let mut machine = Machine {
            board: self.board,
            transport: self.transport,
            append: word.to_owned(),
            extra: self.devices(backing.0.path()),
            ..base
        };
        if self.accel == Accel::Kvm {
            let accel = self.board.kvm_arguments().iter();
            machine.extra.extend(accel.map(OsString::from));
        }
        machine
    }

    /// Returns as much of what it is as tells it from the others.
    pub(super) fn name(&self) -> String {
        format!("{}, {}", self.board.name(), self.transport.name())
    }

    /// Returns QEMU's arguments for the display and the two disks.
    fn devices(&self, file: &Path) -> Vec<OsString> {
        let mut list = Vec::new();
        let properties = match self.disks {
            Disks::InThread => {
                let object = format!("iothread,id=disks,poll-max-ns={POLL_MAX_NS}");
                list.extend(["-object".to_owned(), object]);
                ",iothread=disks"
            }
            Disks::InNotification if self.transport.is_pci() => ",ioeventfd=off",
            // So it is without being told.
            Disks::InNotification => "",
        };
        let nothing = json!({
            "driver": "null-co", "node-name": "null-co", "size": DISK_BYTES, "read-zeroes": false,
        });
        let memory = json!({
            "driver": "raw", "node-name": "memory", "file": { "driver": "file", "filename": file },
        });
        let disk = attached("virtio-blk", self.transport);
        for (serial, node) in [("null-co", nothing), ("memory", memory)] {
            list.extend(["-blockdev".to_owned(), node.to_string()]);
            let device = format!("{disk},drive={serial},serial={serial}{properties}");
            list.extend(["-device".to_owned(), device]);
        }
        let display = attached("virtio-gpu", self.transport);
        list.extend([
            "-device".to_owned(),
            format!("{display},xres=1280,yres=800"),
        ]);
        list.into_iter().map(OsString::from).collect()
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accel = match self.accel {
            Accel::Tcg => "TCG",
            Accel::Kvm => "KVM",
        };
        write!(f, "{} {}, {accel}", self.board.arch().name(), self.name())?;
        if self.disks == Disks::InThread {
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
            let has_thread = setting.disks == Disks::InThread;
            assert_eq!(text.contains("iothread,id=disks"), has_thread);
            assert_eq!(
                text.matches("iothread=disks").count(),
                if has_thread { 2 } else { 0 }
            );
            assert!(text.contains(r#"\"filename\":\"/a,b\""#), "{text}");
        }
    }
}
