//! What a machine is made of, as QEMU's command line: [`Machine`].

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::Vm;
use super::disk::Disk;
use super::log::is_trace_line;
use super::process::Process;
use super::serial::Serial;
use crate::platform::{Board, Gic, Transport};

/// The id of the display device, by which QMP's `screendump` names it.
pub(crate) const GPU_ID: &str = "gpu0";

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
    /// In the order in which the kernel counts them.
    pub(crate) disks: Vec<Disk>,
    /// Devices that have to be there before those above, each as `-device` takes it.
    pub(crate) devices: Vec<String>,
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
    /// Whether registers can be accessed from outside, by [`Vm::qtest`].
    pub(crate) qtest: bool,
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
            devices: Vec::new(),
            append: String::new(),
            extra: Vec::new(),
            display: "none".to_owned(),
            qmp: None,
            vnc: false,
            qtest: false,
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
        let qtest = self.qtest.then(|| sockets.path().join("qtest"));
        let guest_errors = std::path::absolute(log_dir.join("qemu.log"))?;
        // What a former run left is not this run's.
        if let Err(error) = std::fs::remove_file(&guest_errors)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error).context(format!("cannot replace {}", guest_errors.display()));
        }
        let mut arguments = self.arguments(&qmp, &guest_errors)?;
        if let Some(path) = &vnc {
            arguments.extend(["-vnc".into(), socket(path, "")?]);
        }
        if let Some(path) = &qtest {
            // It would log each access to standard error.
            arguments.extend(["-qtest-log", "none", "-qtest"].map(OsString::from));
            arguments.push(socket(path, ",server=on,wait=off")?);
        }
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
            qtest_socket: qtest,
            qtest: None,
            board: self.board,
            gpu: self.gpu.is_some(),
            log_dir: log_dir.to_owned(),
            guest_errors,
            screendumps: 0,
            _sockets: sockets,
        })
    }

    /// Returns QEMU's arguments.
    fn arguments(&self, qmp: &Path, log: &Path) -> Result<Vec<OsString>> {
        let mut list: Vec<OsString> = Vec::new();
        list.extend(self.board.arguments(self.gic).map(OsString::from));
        let smp = self.smp.to_string();
        for argument in [
            "-smp",
            &smp,
            "-m",
            &self.memory,
            // No device but those below: a PC's own display would be the first that a VNC client is shown.
            "-vga",
            "none",
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
        if self.transport == Transport::Mmio {
            list.extend(["-global".into(), "virtio-mmio.force-legacy=false".into()]);
        }
        let mut devices = self.devices.clone();
        if let Some((width, height)) = self.gpu {
            let device = attached("virtio-gpu", self.transport);
            devices.push(format!("{device},id={GPU_ID},xres={width},yres={height}"));
        }
        let mut disks = Vec::new();
        for (number, disk) in self.disks.iter().enumerate() {
            let node = format!("disk{number}");
            if let Some(throttle) = disk.throttle(&node) {
                list.extend(["-object".into(), throttle.into()]);
            }
            list.extend(["-blockdev".into(), disk.blockdev(&node)?.into()]);
            disks.push(disk.device(&node, self.transport));
        }
        if !self.transport.is_pci() {
            // QEMU fills the virtio-mmio slots from the last to the first, and those of PCI from the first to the last.
            disks.reverse();
        }
        devices.extend(disks);
        for device in devices {
            list.extend(["-device".into(), device.into()]);
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

/// Returns the name of the device `kind` behind `transport`, with the property that makes it so.
pub(crate) fn attached(kind: &str, transport: Transport) -> String {
    match transport {
        Transport::Mmio | Transport::MmioLegacy => format!("{kind}-device"),
        Transport::Pci => format!("{kind}-pci"),
        // Without vectors it has no MSI-X capability.
        Transport::PciIntx => format!("{kind}-pci,vectors=0"),
    }
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
    use serde_json::{Value, json};

    use super::*;

    fn arguments_of(machine: &Machine) -> Vec<String> {
        machine
            .arguments(Path::new("/q,mp"), Path::new("/log"))
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
        let device = "virtio-blk-device,id=disk0,drive=disk0,werror=report,rerror=report,serial=first,queue-size=16";
        assert!(has(&arguments, "-device", device), "{arguments:?}");
        let index = arguments.iter().position(|a| a == "-blockdev").unwrap();
        let blockdev: Value = serde_json::from_str(&arguments[index + 1]).unwrap();
        assert_eq!(blockdev["file"]["image"]["filename"], "/a,b.img");
        assert_eq!(blockdev["file"]["inject-error"][0]["sector"], 3);
    }

    #[test]
    fn disks_are_in_the_order_in_which_the_kernel_finds_them() {
        let mut machine = Machine::new("qemu", "kernel");
        machine.disks = vec![Disk::new("/a"), Disk::new("/b")];
        for (transport, order) in [
            (Transport::Mmio, ["device,id=disk1", "device,id=disk0"]),
            (Transport::Pci, ["pci,id=disk0", "pci,id=disk1"]),
            (
                Transport::PciIntx,
                ["vectors=0,id=disk0", "vectors=0,id=disk1"],
            ),
        ] {
            machine.transport = transport;
            let arguments = arguments_of(&machine);
            let mut disks = arguments.iter().filter(|a| a.starts_with("virtio-blk-"));
            for part in order {
                assert!(disks.next().unwrap().contains(part), "{arguments:?}");
            }
        }
    }

    #[test]
    fn what_devices_hang_on_comes_before_them() {
        let mut machine = Machine::new("qemu", "kernel");
        machine.transport = Transport::Pci;
        machine.gpu = Some((800, 600));
        machine.devices = vec!["pcie-root-port,id=port".to_owned()];
        let arguments = arguments_of(&machine);
        let place = |start: &str| arguments.iter().position(|a| a.starts_with(start)).unwrap();
        assert!(place("pcie-root-port") < place("virtio-gpu-pci"));
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
}
