//! QEMU's `vhost-user-gpu` with a display, and what a driver of it needs: [`Screen`].

use std::process::Command;

use levitate_drivers_gpu::{Framebuffer, Gpu, GpuStorage, Options};
use levitate_host::vhost_user::{self, VhostUserTransport};
use levitate_host::{Policy, Pool, SystemClock};
use zerocopy::IntoBytes as _;

use crate::display::{Display, Seen};
use crate::program::{BackEnd, find};
use crate::storage::PATIENCE;

/// Where distributions keep it.
const DIRECTORIES: [&str; 3] = ["/usr/lib/qemu", "/usr/libexec", "/usr/libexec/qemu"];

pub(crate) type Driver<'s> = Gpu<'s, VhostUserTransport, (Pool, SystemClock)>;
pub(crate) type Slots = GpuStorage<Pool, 16>;

/// A back end with one screen.
pub(crate) struct Screen {
    pub(crate) pool: Pool,
    pub(crate) display: Display,
    pub(crate) back_end: BackEnd,
    transport: Option<VhostUserTransport>,
    _directory: tempfile::TempDir,
}

impl Screen {
    /// Shows a screen of `width` times `height`; `None` if there is no back end, so that the test is skipped.
    pub(crate) fn plug(width: u32, height: u32) -> Option<Self> {
        let program = find("vhost-user-gpu", &DIRECTORIES)?;
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let mut command = Command::new(program);
        command.arg("--socket-path").arg(&socket);
        let back_end = BackEnd::start(&mut command, &socket);
        let pool = Pool::builder().policy(Policy::Bounce).build();
        let options = vhost_user::Options {
            timeout: PATIENCE,
            ..vhost_user::Options::gpu()
        };
        let mut transport = VhostUserTransport::connect(&socket, &pool, options).unwrap();
        let (display, theirs) = Display::new(width, height);
        transport.set_gpu_socket(&theirs, 1).unwrap();
        Some(Self {
            pool,
            display,
            back_end,
            transport: Some(transport),
            _directory: directory,
        })
    }

    /// Brings the driver up, once.
    pub(crate) fn drive<'s>(&mut self, slots: &'s mut Slots, options: Options) -> Driver<'s> {
        let platform = (self.pool.clone(), SystemClock::new());
        Gpu::with_options(self.transport.take().unwrap(), platform, slots, options).unwrap()
    }
}

/// Checks that the display shows every pixel of the framebuffer: blue, green and red of each; the fourth byte is nothing.
pub(crate) fn assert_shows(seen: &Seen, framebuffer: &Framebuffer<'_, Pool>) {
    let (width, height) = seen.size.unwrap();
    let row_bytes = width as usize * 4;
    for (y, shown) in (0..height).zip(seen.pixels.chunks_exact(row_bytes)) {
        let drawn = framebuffer
            .row(y)
            .expect("as high as the display")
            .as_bytes();
        assert_eq!(drawn.len(), row_bytes, "as wide as the display");
        for (x, (drawn, shown)) in drawn.chunks(4).zip(shown.chunks(4)).enumerate() {
            assert_eq!(drawn[..3], shown[..3], "pixel {x}, {y}");
        }
    }
    assert!(framebuffer.row(height).is_none());
}
