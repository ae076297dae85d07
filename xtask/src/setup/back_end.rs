//! The programs of QEMU that play real devices for tests on the host: [`BackEnd`].

use std::path::{Path, PathBuf};

/// Directories beside PATH where distributions keep what people do not start themselves.
const DIRECTORIES: [&str; 3] = ["/usr/lib/qemu", "/usr/libexec", "/usr/libexec/qemu"];

/// A kind of device that a program provides over a vhost-user socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BackEnd {
    /// A disk.
    Storage,
    /// A display.
    Display,
}

impl BackEnd {
    /// Returns the name of the program.
    pub(crate) const fn program(self) -> &'static str {
        match self {
            Self::Storage => "qemu-storage-daemon",
            Self::Display => "vhost-user-gpu",
        }
    }

    /// Returns the packages that may have it, the likelier first.
    pub(super) const fn packages(self) -> [&'static str; 2] {
        match self {
            Self::Storage => ["qemu-system-common", "qemu-utils"],
            Self::Display => ["qemu-system-gui", "qemu-system-common"],
        }
    }

    /// Finds the program.
    ///
    /// # Errors
    ///
    /// That there is none.
    pub(super) fn find(self) -> Result<PathBuf, String> {
        let program = self.program();
        let elsewhere = DIRECTORIES.map(|directory| Path::new(directory).join(program));
        which::which(program)
            .ok()
            .or_else(|| elsewhere.into_iter().find(|file| file.is_file()))
            .ok_or_else(|| format!("no {program} in PATH or in {}", DIRECTORIES.join(", ")))
    }
}
