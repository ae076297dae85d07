//! Room on the disk: a build that runs out of it fails in many ways, and few of them say why.

use std::path::Path;

use crate::workspace;

/// What a part of the tests may take, and some: 2 GiB.
const ENOUGH: u64 = 2 << 30;

/// Warns of a target directory on a disk that is nearly full.
pub(crate) fn warn_if_short() {
    // It is made by the first build, which is this tool's own; where it is not, nothing is known.
    if let Some(warning) = free(&workspace::target_dir()).and_then(warning) {
        eprintln!("xtask: warning: {warning}");
    }
}

/// Returns how many bytes can be written to the disk that `path` is on.
fn free(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

/// Returns what to say if `free` bytes are too few.
fn warning(free: u64) -> Option<String> {
    let mib = free >> 20;
    (free < ENOUGH).then(|| {
        format!(
            "{mib} MiB are free on the disk of the target directory: builds may fail for it; `cargo clean` and `--discard-builds` make room"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_nearly_full_is_warned_of() {
        assert!(warning(ENOUGH - 1).unwrap().starts_with("2047 MiB"));
        assert_eq!(warning(ENOUGH), None);
    }

    #[test]
    fn room_is_known_of_a_directory_that_is_there() {
        let directory = tempfile::tempdir().unwrap();
        assert!(free(directory.path()).unwrap() > 0);
        assert_eq!(free(&directory.path().join("none")), None);
    }
}
