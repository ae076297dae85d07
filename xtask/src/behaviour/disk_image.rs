//! A disk image whose every byte the host knows: [`TestDisk`].

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::vm::Disk;

/// Bytes of a sector (§5.2.6).
pub(crate) const SECTOR_BYTES: usize = 512;

/// A raw image on disk, and what is expected to be in it.
pub(crate) struct TestDisk {
    path: PathBuf,
    /// What GET_ID answers.
    serial: String,
    expected: Vec<u8>,
}

impl TestDisk {
    /// Makes an image of `sectors` sectors of random content, the same at every run for the same `serial`.
    pub(crate) fn create(dir: &Path, serial: &str, sectors: usize) -> Result<Self> {
        let path = dir.join(format!("{serial}.img"));
        let expected = random_bytes(serial, sectors * SECTOR_BYTES);
        std::fs::write(&path, &expected)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self {
            path,
            serial: serial.to_owned(),
            expected,
        })
    }

    /// Returns the device that has this image.
    pub(crate) fn device(&self) -> Disk {
        Disk::new(&self.path).serial(&self.serial)
    }

    /// Returns what GET_ID answers.
    pub(crate) fn serial(&self) -> &str {
        &self.serial
    }

    /// Returns the number of sectors.
    pub(crate) fn sectors(&self) -> usize {
        self.expected.len() / SECTOR_BYTES
    }

    /// Returns what one sector should hold; nothing past the end.
    pub(crate) fn sector(&self, number: usize) -> &[u8] {
        let first = (number * SECTOR_BYTES).min(self.expected.len());
        let end = (first + SECTOR_BYTES).min(self.expected.len());
        &self.expected[first..end]
    }

    /// Notes that the kernel fills `count` sectors from `first` on with `byte`.
    pub(crate) fn expect_fill(&mut self, first: usize, count: usize, byte: u8) {
        let range = first * SECTOR_BYTES..(first + count) * SECTOR_BYTES;
        self.expected[range].fill(byte);
    }

    /// Returns the SHA-256 of what is expected, in lower-case hexadecimal.
    pub(crate) fn sha256(&self) -> String {
        let mut text = String::new();
        for byte in Sha256::digest(&self.expected) {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// Compares the whole image with what is expected.
    ///
    /// # Errors
    ///
    /// A byte differs, or the size does.
    pub(crate) fn ensure_as_expected(&self) -> Result<()> {
        let actual = std::fs::read(&self.path)
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        match difference(&self.expected, &actual) {
            Some(difference) => bail!("{}: {difference}", self.path.display()),
            None => Ok(()),
        }
    }
}

/// Returns how two images differ, sector by sector.
fn difference(expected: &[u8], actual: &[u8]) -> Option<String> {
    if expected.len() != actual.len() {
        return Some(format!(
            "the image has {} bytes instead of {}",
            actual.len(),
            expected.len()
        ));
    }
    let mut differing = expected
        .chunks(SECTOR_BYTES)
        .zip(actual.chunks(SECTOR_BYTES))
        .enumerate()
        .filter(|(_, (expected, actual))| expected != actual);
    let (first, (wanted, found)) = differing.next()?;
    let (mut count, mut last) = (1, first);
    for (number, _) in differing {
        count += 1;
        last = number;
    }
    Some(format!(
        "{count} sectors differ, between {first} and {last}; \
         sector {first} begins with {:02x?} instead of {:02x?}",
        &found[..8.min(found.len())],
        &wanted[..8.min(wanted.len())]
    ))
}

/// Returns `count` bytes of an xorshift generator seeded with `seed`.
fn random_bytes(seed: &str, count: usize) -> Vec<u8> {
    // FNV-1a; never zero in practice, and xorshift must not start from zero.
    let mut state = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }) | 1;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let word = state.wrapping_mul(0x2545_f491_4f6c_dd1d);
        // Big-endian on every host, so that an image is the same everywhere.
        bytes.extend((0..8).rev().map(|byte| (word >> (8 * byte)) as u8));
    }
    bytes.truncate(count);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_depends_on_the_seed_alone() {
        assert_eq!(random_bytes("a", 1000), random_bytes("a", 1000));
        assert_eq!(random_bytes("a", 1000)[..999], random_bytes("a", 999));
        assert_ne!(random_bytes("a", 1000), random_bytes("b", 1000));
        // No two sectors alike, so that a sector read from the wrong place is noticed.
        let bytes = random_bytes("a", 100 * SECTOR_BYTES);
        let mut sectors: Vec<_> = bytes.chunks(SECTOR_BYTES).collect();
        sectors.sort_unstable();
        sectors.dedup();
        assert_eq!(sectors.len(), 100);
    }

    #[test]
    fn an_image_is_compared_byte_for_byte() {
        let dir = tempfile::tempdir().unwrap();
        let mut disk = TestDisk::create(dir.path(), "disk", 9).unwrap();
        disk.ensure_as_expected().unwrap();
        let mut content = disk.expected.clone();
        content[3 * SECTOR_BYTES + 511] ^= 1;
        content[7 * SECTOR_BYTES] ^= 1;
        std::fs::write(&disk.path, &content).unwrap();
        let error = disk.ensure_as_expected().unwrap_err().to_string();
        assert!(
            error.contains("2 sectors differ, between 3 and 7"),
            "{error}"
        );
        content.pop();
        std::fs::write(&disk.path, &content).unwrap();
        let error = disk.ensure_as_expected().unwrap_err().to_string();
        assert!(error.contains("4607 bytes instead of 4608"), "{error}");
        disk.expect_fill(2, 3, 0xa5);
        let error = difference(&disk.expected, &random_bytes("disk", 9 * SECTOR_BYTES)).unwrap();
        assert!(
            error.contains("3 sectors differ, between 2 and 4"),
            "{error}"
        );
    }

    #[test]
    fn a_sector_past_the_end_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let disk = TestDisk::create(dir.path(), "disk", 2).unwrap();
        assert_eq!(disk.sector(1), &disk.expected[512..]);
        assert!(disk.sector(2).is_empty());
        assert_eq!(disk.sectors(), 2);
    }

    #[test]
    fn the_checksum_is_sha256() {
        let dir = tempfile::tempdir().unwrap();
        let mut disk = TestDisk::create(dir.path(), "disk", 1).unwrap();
        disk.expect_fill(0, 1, 0);
        // Of 512 zero bytes, as `head -c 512 /dev/zero | sha256sum` prints it.
        assert_eq!(
            disk.sha256(),
            "076a27c79e5ace2a3d47f9dd2e83e4ff6ea8872b3c2218f66c92b89b55f36560"
        );
    }
}
