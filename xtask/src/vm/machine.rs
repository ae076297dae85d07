//! What a machine is made of, as QEMU's command line: [`Machine`].

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::Vm;
use super::process::Process;
use super::serial::Serial;
use crate::platform::Board;

/// The id of the display device, by which QMP's `screendump` names it.
pub(crate) const GPU_ID: &str = "gpu0";

/// How the trace events start that [`Machine::trace`] may name; they share a file with the guest's errors.
const TRACE_PREFIXES: [&str; 2] = ["virtio_blk_handle_", "virtio_gpu_cmd_"];

/// Which register version QEMU's virtio-mmio devices have (§4.2.2, §4.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Version 2.
    Mmio,
    /// Version 1, QEMU's own default.
    MmioLegacy,
}

/// Which interrupt controller the board has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gic {
    V2,
    V3,
}

/// One `virtio-blk-device`.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    /// The raw image.
    pub(crate) path: PathBuf,
    /// The device offers `VIRTIO_BLK_F_RO`, and QEMU opens the image for reading only.
    pub(crate) read_only: bool,
    /// What GET_ID answers; at most 20 bytes.
    pub(crate) serial: Option<String>,
    /// Further properties of the device, such as `queue-size=16`.
    pub(crate) properties: Vec<String>,
    /// Rules of QEMU's blkdebug driver (`inject-error`), put between the device and the image.
    pub(crate) inject_errors: Vec<Value>,
}

impl Disk {
    /// A writable disk with no special property.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            read_only: false,
            serial: None,
            properties: Vec::new(),
            inject_errors: Vec::new(),
        }
    }

    /// The same disk with `serial` as its GET_ID answer.
    pub(crate) fn serial(mut self, serial: &str) -> Self {
        self.serial = Some(serial.to_owned());
        self
    }

    /// Returns `-blockdev`'s argument. As JSON, because a path with a comma needs no quoting there.
    fn blockdev(&self, node: &str) -> Result<String> {
        let path = std::path::absolute(&self.path)?;
        let path = path
            .to_str()
            .with_context(|| format!("the disk's path {} is not UTF-8", path.display()))?;
        let mut file = json!({ "driver": "file", "filename": path });
        if !self.inject_errors.is_empty() {
            file =
                json!({ "driver": "blkdebug", "image": file, "inject-error": self.inject_errors });
        }
        let node = json!({
            "driver": "raw", "node-name": node, "read-only": self.read_only, "file": file,
            // Discarded sectors are holes in the image, not only accepted.
            "discard": "unmap",
        });
        Ok(node.to_string())
    }

    /// Returns `-device`'s argument.
    fn device(&self, node: &str) -> String {
        // QEMU's default for a full disk is to stop the machine; an error is to reach the guest.
        let mut device = format!("virtio-blk-device,drive={node},werror=report,rerror=report");
        if let Some(serial) = &self.serial {
            device.push_str(&format!(",serial={serial}"));
        }
        for property in &self.properties {
            device.push_str(&format!(",{property}"));
        }
        device
    }
}

/// A machine that boots our kernel.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// The QEMU to use, of the board's architecture.
    pub(crate) qemu: PathBuf,
    /// The kernel's ELF file; without one the machine has nothing to run.
    pub(crate) kernel: Option<PathBuf>,
    pub(crate) board: Board,
    /// On `virt`.
    pub(crate) gic: Gic,
    pub(crate) transport: Transport,
    /// As QEMU's `-m` takes it: `512M`, `4G`.
    pub(crate) memory: String,
    /// CPUs.
    pub(crate) smp: u32,
    /// Width and height of the display, in pixels.
    pub(crate) gpu: Option<(u32, u32)>,
    pub(crate) disks: Vec<Disk>,
    /// The kernel's command line.
    pub(crate) append: String,
    /// Further arguments of QEMU, after all others.
    pub(crate) extra: Vec<OsString>,
    /// `none`, or a kind of window: `gtk`, `sdl`.
    pub(crate) display: String,
    /// Where the QMP socket is made; in a temporary directory if not given.
    pub(crate) qmp: Option<PathBuf>,
    /// Whether QEMU's VNC server runs, on a Unix socket of its own.
    pub(crate) vnc: bool,
    /// Trace events that go to QEMU's log, such as `virtio_blk_handle_read`.
    pub(crate) trace: Vec<String>,
    /// Copies what comes over the serial line to standard output.
    pub(crate) echo: bool,
}

impl Machine {
    /// A `virt` machine with 512 MiB, one CPU, GICv3, version-2 devices, and neither display nor disk.
    pub(crate) fn new(qemu: impl Into<PathBuf>, kernel: impl Into<PathBuf>) -> Self {
        Self {
            qemu: qemu.into(),
            kernel: Some(kernel.into()),
            board: Board::Virt,
            gic: Gic::V3,
            transport: Transport::Mmio,
            memory: "512M".to_owned(),
            smp: 1,
            gpu: None,
            disks: Vec::new(),
            append: String::new(),
            extra: Vec::new(),
            display: "none".to_owned(),
            qmp: None,
            vnc: false,
            trace: Vec::new(),
            echo: false,
        }
    }

    /// Starts QEMU; its serial log, error log and screendumps go to `log_dir`, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// QEMU cannot be started, or the QMP socket's path is occupied. What QEMU itself refuses shows when it ends.
    pub(crate) fn start(&self, log_dir: &Path) -> Result<Vm> {
        std::fs::create_dir_all(log_dir)
            .with_context(|| format!("cannot create {}", log_dir.display()))?;
        // Not in `log_dir`: the path of a Unix socket is at most 107 bytes long.
        let sockets = tempfile::Builder::new()
            .prefix("levitate-")
            .tempdir()
            .context("cannot create a temporary directory for QEMU's sockets")?;
        let qmp = match &self.qmp {
            Some(path) => std::path::absolute(path)?,
            None => sockets.path().join("qmp"),
        };
        // QEMU would unlink whatever socket is there, another machine's too.
        if std::fs::symlink_metadata(&qmp).is_ok() {
            bail!(
                "the QMP socket's path {} is occupied: another run may use it; if none does, remove it",
                qmp.display()
            );
        }
        let vnc = self.vnc.then(|| sockets.path().join("vnc"));
        let guest_errors = std::path::absolute(log_dir.join("qemu.log"))?;
        // What a former run left is not this run's.
        if let Err(error) = std::fs::remove_file(&guest_errors)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error).context(format!("cannot replace {}", guest_errors.display()));
        }
        let arguments = self.arguments(&qmp, vnc.as_deref(), &guest_errors)?;
        let (process, stdin, stdout) = Process::start(Command::new(&self.qemu).args(&arguments))?;
        let serial_log = log_dir.join("serial.log");
        let echo = self.echo.then(std::io::stdout);
        let serial = Serial::new(stdin, stdout, Some(&serial_log), echo)?;
        Ok(Vm {
            process,
            serial,
            qmp_socket: qmp,
            qmp: None,
            vnc_socket: vnc,
            vnc: None,
            board: self.board,
            gpu: self.gpu.is_some(),
            log_dir: log_dir.to_owned(),
            guest_errors,
            screendumps: 0,
            _sockets: sockets,
        })
    }

    /// Returns QEMU's arguments.
    fn arguments(&self, qmp: &Path, vnc: Option<&Path>, log: &Path) -> Result<Vec<OsString>> {
        let mut list: Vec<OsString> = Vec::new();
        list.extend(self.board.arguments(self.gic).map(OsString::from));
        let smp = self.smp.to_string();
        for argument in [
            "-smp",
            &smp,
            "-m",
            &self.memory,
            "-nic",
            "none",
            "-no-reboot",
            "-serial",
            "stdio",
            "-monitor",
            "none",
            "-display",
            &self.display,
            "-d",
            "guest_errors",
        ] {
            list.push(argument.into());
        }
        for event in &self.trace {
            ensure!(
                is_trace_line(event),
                "the trace event {event} could not be told from a guest error"
            );
            list.extend(["-trace".into(), event.into()]);
        }
        list.extend(["-D".into(), log.into()]);
        list.extend(["-qmp".into(), socket(qmp, ",server=on,wait=off")?]);
        if let Some(vnc) = vnc {
            list.extend(["-vnc".into(), socket(vnc, "")?]);
        }
        if self.transport == Transport::Mmio {
            list.extend(["-global".into(), "virtio-mmio.force-legacy=false".into()]);
        }
        if let Some((width, height)) = self.gpu {
            let device = format!("virtio-gpu-device,id={GPU_ID},xres={width},yres={height}");
            list.extend(["-device".into(), device.into()]);
        }
        for (number, disk) in self.disks.iter().enumerate() {
            let node = format!("disk{number}");
            list.extend(["-blockdev".into(), disk.blockdev(&node)?.into()]);
            list.extend(["-device".into(), disk.device(&node).into()]);
        }
        if let Some(kernel) = &self.kernel {
            list.extend(["-kernel".into(), kernel.into()]);
            if !self.append.is_empty() {
                list.extend(["-append".into(), (&self.append).into()]);
            }
        }
        list.extend(self.extra.iter().cloned());
        Ok(list)
    }
}

/// Returns whether a line of QEMU's log is a trace event that was asked for.
pub(crate) fn is_trace_line(line: &str) -> bool {
    // Depending on its version, QEMU puts `PID@SECONDS.MICROSECONDS:` before the event.
    let event = match line.split_once(':') {
        Some((stamp, event))
            if stamp
                .bytes()
                .all(|byte| byte.is_ascii_digit() || matches!(byte, b'@' | b'.')) =>
        {
            event
        }
        _ => line,
    };
    TRACE_PREFIXES
        .iter()
        .any(|prefix| event.starts_with(prefix))
}

/// Returns `unix:PATH` followed by `options`, with the commas of the path doubled, as QEMU's option parser wants.
fn socket(path: &Path, options: &str) -> Result<OsString> {
    let path = path
        .to_str()
        .with_context(|| format!("the socket's path {} is not UTF-8", path.display()))?;
    Ok(format!("unix:{}{options}", path.replace(',', ",,")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments_of(machine: &Machine) -> Vec<String> {
        machine
            .arguments(
                Path::new("/q,mp"),
                Some(Path::new("/vnc")),
                Path::new("/log"),
            )
            .unwrap()
            .into_iter()
            .map(|argument| argument.into_string().unwrap())
            .collect()
    }

    fn has(arguments: &[String], option: &str, value: &str) -> bool {
        arguments
            .windows(2)
            .any(|pair| pair[0] == option && pair[1] == value)
    }

    #[test]
    fn only_version_2_needs_the_global() {
        let mut machine = Machine::new("qemu", "kernel");
        let global = "virtio-mmio.force-legacy=false";
        assert!(has(&arguments_of(&machine), "-global", global));
        machine.transport = Transport::MmioLegacy;
        assert!(!arguments_of(&machine).contains(&"-global".to_owned()));
    }

    #[test]
    fn a_disk_is_a_blockdev_and_a_device() {
        let mut machine = Machine::new("qemu", "kernel");
        let mut disk = Disk::new("/a,b.img").serial("first");
        disk.properties.push("queue-size=16".to_owned());
        disk.inject_errors = vec![json!({ "event": "read_aio", "sector": 3 })];
        machine.disks.push(disk);
        let arguments = arguments_of(&machine);
        let device =
            "virtio-blk-device,drive=disk0,werror=report,rerror=report,serial=first,queue-size=16";
        assert!(has(&arguments, "-device", device), "{arguments:?}");
        let index = arguments.iter().position(|a| a == "-blockdev").unwrap();
        let blockdev: Value = serde_json::from_str(&arguments[index + 1]).unwrap();
        assert_eq!(blockdev["file"]["image"]["filename"], "/a,b.img");
        assert_eq!(blockdev["file"]["inject-error"][0]["sector"], 3);
    }

    #[test]
    fn commas_of_socket_paths_are_doubled() {
        let arguments = arguments_of(&Machine::new("qemu", "kernel"));
        assert!(has(&arguments, "-qmp", "unix:/q,,mp,server=on,wait=off"));
    }

    #[test]
    fn an_occupied_qmp_socket_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut machine = Machine::new("/nonexistent/qemu", "kernel");
        let path = dir.path().join("qmp");
        std::fs::write(&path, "").unwrap();
        machine.qmp = Some(path.clone());
        let error = machine.start(dir.path()).err().unwrap().to_string();
        assert!(error.contains("is occupied"), "{error}");
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }

    #[test]
    fn trace_lines_are_told_from_guest_errors() {
        assert!(is_trace_line(
            "virtio_blk_handle_read vdev 0x1 req 0x2 sector 0 nsectors 1"
        ));
        assert!(is_trace_line(
            "123@1700000000.123456:virtio_blk_handle_write vdev 0x1"
        ));
        assert!(!is_trace_line("pl011: virtio_blk_handle_read"));
        assert!(!is_trace_line(
            "virtio_mmio_write: write to non-legacy register (0x80) in legacy mode"
        ));
    }
}
