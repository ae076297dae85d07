//! `qemu-storage-daemon` with one disk, and what a driver of it needs: [`Storage`].

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use levitate_drivers_blk::{Blk, BlkStorage};
use levitate_host::vhost_user::{Options, VhostUserTransport};
use levitate_host::{Policy, Pool, SystemClock};

use crate::program::{BackEnd, find};

pub(crate) type Platform = (Pool, SystemClock);
pub(crate) type Driver<'s> = Blk<'s, VhostUserTransport, Platform>;
pub(crate) type Slots = BlkStorage<Pool, 16>;

/// How long anything that is to succeed may take, also where many tests share few processors.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Asks until there is something; panics, with what was awaited, when it has taken too long.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(
            begin.elapsed() < PATIENCE,
            "{what} is missing after {PATIENCE:?}"
        );
        std::thread::yield_now();
    }
}

/// A front end with all that patience.
pub(crate) fn patient() -> Options {
    Options {
        timeout: PATIENCE,
        ..Options::block()
    }
}

/// How a daemon serves its image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Export {
    /// What else is said of the export.
    pub(crate) settings: &'static str,
    /// What the daemon reads and writes in a second, after the first request.
    pub(crate) bytes_per_second: Option<u32>,
}

/// As fast as it can, and writable.
pub(crate) const PLAIN: Export = Export {
    settings: "writable=on",
    bytes_per_second: None,
};

/// A daemon that serves one image.
pub(crate) struct Storage {
    pub(crate) pool: Pool,
    pub(crate) daemon: BackEnd,
    program: PathBuf,
    directory: tempfile::TempDir,
    export: Export,
}

impl Storage {
    /// Serves `image`; `None` if there is no daemon, so that the test is skipped.
    pub(crate) fn serve(image: &[u8], export: Export) -> Option<Self> {
        let program = find("qemu-storage-daemon", &[])?;
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("image"), image).unwrap();
        let daemon = start(&program, directory.path(), export);
        Some(Self {
            pool: Pool::builder().policy(Policy::Bounce).build(),
            daemon,
            program,
            directory,
            export,
        })
    }

    /// Starts the daemon again, after it was killed.
    pub(crate) fn restart(&mut self) {
        std::fs::remove_file(self.socket()).unwrap();
        self.daemon = start(&self.program, self.directory.path(), self.export);
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    pub(crate) fn platform(&self) -> Platform {
        (self.pool.clone(), SystemClock::new())
    }

    pub(crate) fn connect(&self) -> VhostUserTransport {
        VhostUserTransport::connect(self.socket(), &self.pool, patient()).unwrap()
    }

    pub(crate) fn drive<'s>(&self, slots: &'s mut Slots) -> Driver<'s> {
        let options = levitate_drivers_blk::Options {
            timeout: PATIENCE,
            ..Default::default()
        };
        self.drive_with(slots, options)
    }

    pub(crate) fn drive_with<'s>(
        &self,
        slots: &'s mut Slots,
        options: levitate_drivers_blk::Options,
    ) -> Driver<'s> {
        Blk::with_options(self.connect(), self.platform(), slots, options).unwrap()
    }

    /// What is in the image's file.
    pub(crate) fn image(&self) -> Vec<u8> {
        std::fs::read(self.directory.path().join("image")).unwrap()
    }
}

fn start(program: &Path, directory: &Path, export: Export) -> BackEnd {
    let image = directory.join("image");
    let socket = directory.join("socket");
    let mut command = Command::new(program);
    let file = format!(
        "driver=file,node-name=file,discard=unmap,filename={}",
        image.display()
    );
    command.args(["--blockdev", &file]);
    let mut node = "file";
    if let Some(limit) = export.bytes_per_second {
        let group = format!("throttle-group,id=group,limits.bps-total={limit}");
        command.args(["--object", &group]);
        node = "throttled";
        let throttle = "driver=throttle,node-name=throttled,throttle-group=group,file=file";
        command.args(["--blockdev", throttle]);
    }
    let settings = export.settings;
    let address = format!("addr.type=unix,addr.path={}", socket.display());
    let export = format!("vhost-user-blk,id=export,node-name={node},{address},{settings}");
    command.args(["--export", &export]);
    BackEnd::start(&mut command, &socket)
}

/// Bytes that differ from sector to sector.
pub(crate) fn patterned(len_bytes: usize) -> Vec<u8> {
    (0..len_bytes)
        .map(|index| (index / 512 * 7 + index % 251) as u8)
        .collect()
}
