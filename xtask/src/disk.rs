//! Disk images: [`validate`] says what is wrong with one, [`default_image`] makes one that is easy to recognise.

use std::fs::File;
use std::io::{BufWriter, Read as _, Write};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

/// The unit of VirtIO's disk capacities, in bytes.
const SECTOR_BYTES: usize = 512;

/// The size of an image that we make.
const DEFAULT_BYTES: usize = 64 * 1024 * 1024;

/// Formats that only look like a raw image, each with where its mark is and what that is: written to as if it were raw,
/// such an image would be destroyed.
const FORMATS: [(&str, usize, &[u8]); 9] = [
    ("qcow2", 0, b"QFI\xfb"),
    ("QED", 0, b"QED\0"),
    ("VMDK", 0, b"KDMV"),
    ("VMDK", 0, b"COWD"),
    ("VMDK", 0, b"# Disk DescriptorFile"),
    ("VDI", 64, b"\x7f\x10\xda\xbe"),
    ("VHDX", 0, b"vhdxfile"),
    ("VHD", 0, b"conectix"),
    ("Parallels", 0, b"WithoutFreeSpace"),
];

/// Bytes at the beginning of an image that show its format.
const HEAD_BYTES: u64 = 128;

/// Checks that every path is an image that QEMU can use, and none is given twice.
///
/// # Errors
///
/// The first path that is not, and why.
pub(crate) fn validate_all(paths: &[PathBuf], read_only: bool) -> Result<()> {
    let mut seen = Vec::new();
    for path in paths {
        validate(path, read_only)?;
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        ensure!(
            !seen.contains(&real),
            "the disk {} is given twice",
            path.display()
        );
        seen.push(real);
    }
    Ok(())
}

/// Checks that `path` is an image that QEMU can use.
fn validate(path: &Path, read_only: bool) -> Result<()> {
    let shown = path.display();
    let metadata =
        std::fs::metadata(path).with_context(|| format!("the disk {shown} cannot be used"))?;
    ensure!(
        !metadata.is_dir(),
        "the disk {shown} is a directory; a raw image file is needed"
    );
    let is_device = metadata.file_type().is_block_device();
    ensure!(
        metadata.is_file() || is_device,
        "the disk {shown} is neither a file nor a block device"
    );
    let file = File::options()
        .read(true)
        .write(!read_only)
        .open(path)
        .with_context(|| {
            let hint = if read_only {
                ""
            } else {
                " (--read-only may help)"
            };
            format!("the disk {shown} cannot be opened{hint}")
        })?;
    if !is_device {
        let bytes = metadata.len();
        ensure!(bytes > 0, "the disk {shown} is empty");
        let rest = bytes % SECTOR_BYTES as u64;
        if rest != 0 {
            bail!("the disk {shown} has {bytes} bytes, which is not a multiple of {SECTOR_BYTES}");
        }
    }
    let mut head = Vec::new();
    file.take(HEAD_BYTES)
        .read_to_end(&mut head)
        .with_context(|| format!("the disk {shown} cannot be read"))?;
    if let Some(format) = format_of(&head) {
        bail!(
            "the disk {shown} is a {format} image; a raw one is needed (qemu-img convert -O raw {shown} disk.img)"
        );
    }
    Ok(())
}

/// Returns the format of an image that begins with `head`; none if it can be raw.
fn format_of(head: &[u8]) -> Option<&'static str> {
    let found = FORMATS.iter().find(|(_, place, mark)| {
        head.get(*place..)
            .is_some_and(|rest| rest.starts_with(mark))
    });
    found.map(|(format, ..)| *format)
}

/// Returns the image that is used if none is given, made now if it is not there; it is kept between runs.
///
/// # Errors
///
/// It cannot be written.
pub(crate) fn default_image() -> Result<PathBuf> {
    let path = crate::workspace::target_dir().join("disk.img");
    if !path.exists() {
        create(&path, DEFAULT_BYTES)?;
        eprintln!(
            "xtask: made the disk image {} ({} MiB)",
            path.display(),
            DEFAULT_BYTES / 1024 / 1024
        );
    }
    Ok(path)
}

/// Writes an image of `bytes` bytes; it appears under its name when it is whole.
fn create(path: &Path, bytes: usize) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let shown = path.display();
    let write = || -> Result<()> {
        std::fs::create_dir_all(directory)?;
        let file = tempfile::NamedTempFile::new_in(directory)?;
        let mut writer = BufWriter::with_capacity(1 << 20, file);
        for number in 0..bytes / SECTOR_BYTES {
            writer.write_all(&sector(number))?;
        }
        let file = writer
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        file.persist_noclobber(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot make the disk image {shown}"))
}

/// Returns a sector's first content: its number as text, then bytes that differ from sector to sector.
fn sector(number: usize) -> [u8; SECTOR_BYTES] {
    let mut sector = [0; SECTOR_BYTES];
    for (index, byte) in sector.iter_mut().enumerate() {
        // The remainder fits: 251 is prime, so that the pattern shifts from one sector to the next.
        *byte = u8::try_from((number + index) % 251).unwrap_or_default();
    }
    let text = format!("Levitate disk, sector {number:08}\n");
    for (byte, letter) in sector.iter_mut().zip(text.bytes()) {
        *byte = letter;
    }
    sector
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(path: &Path, read_only: bool) -> String {
        format!("{:#}", validate(path, read_only).unwrap_err())
    }

    fn image(directory: &Path, bytes: usize) -> PathBuf {
        let path = directory.join("disk.img");
        std::fs::write(&path, vec![0; bytes]).unwrap();
        path
    }

    #[test]
    fn a_path_that_is_not_there_is_named() {
        let error = complaint(Path::new("/nonexistent/disk.img"), false);
        assert!(error.contains("/nonexistent/disk.img"), "{error}");
        assert!(error.contains("No such file"), "{error}");
    }

    #[test]
    fn a_directory_is_no_disk() {
        let directory = tempfile::tempdir().unwrap();
        assert!(complaint(directory.path(), true).contains("is a directory"));
    }

    #[test]
    fn a_character_device_is_no_disk() {
        assert!(complaint(Path::new("/dev/null"), true).contains("neither"));
    }

    #[test]
    fn the_size_is_a_multiple_of_a_sector_and_not_nothing() {
        let directory = tempfile::tempdir().unwrap();
        for bytes in [1, 511, 513, 1000] {
            let error = complaint(&image(directory.path(), bytes), false);
            assert!(error.contains(&format!("{bytes} bytes")), "{error}");
            assert!(error.contains("multiple of 512"), "{error}");
        }
        assert!(complaint(&image(directory.path(), 0), false).contains("is empty"));
        validate(&image(directory.path(), 512), false).unwrap();
        validate(&image(directory.path(), 1024 * 1024), true).unwrap();
    }

    #[test]
    fn an_image_of_another_format_is_not_taken_for_a_raw_one() {
        let directory = tempfile::tempdir().unwrap();
        for (format, place, mark) in FORMATS {
            let mut content = vec![0; 1024];
            content[place..place + mark.len()].copy_from_slice(mark);
            let path = directory.path().join("disk.img");
            std::fs::write(&path, &content).unwrap();
            for read_only in [false, true] {
                let error = complaint(&path, read_only);
                assert!(error.contains(&format!("is a {format} image")), "{error}");
                assert!(error.contains("qemu-img convert -O raw"), "{error}");
            }
            assert_eq!(std::fs::read(&path).unwrap(), content);
            // Elsewhere it is content like any other.
            content.rotate_right(1);
            std::fs::write(&path, &content).unwrap();
            validate(&path, false).unwrap();
        }
    }

    #[test]
    fn a_disk_is_not_given_twice_under_two_names() {
        let directory = tempfile::tempdir().unwrap();
        let path = image(directory.path(), 512);
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let error = validate_all(&[path, link], false).unwrap_err().to_string();
        assert!(error.contains("twice"), "{error}");
    }

    #[test]
    fn a_new_image_is_whole_and_recognisable() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/disk.img");
        create(&path, 4 * SECTOR_BYTES).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 4 * SECTOR_BYTES);
        for (number, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
            let text = format!("Levitate disk, sector {number:08}\n");
            assert!(sector.starts_with(text.as_bytes()));
        }
        assert_ne!(bytes[SECTOR_BYTES - 1], bytes[2 * SECTOR_BYTES - 1]);
    }

    #[test]
    fn an_image_that_is_there_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = image(directory.path(), 7);
        assert!(create(&path, 512).is_err());
        assert_eq!(std::fs::read(&path).unwrap().len(), 7);
    }
}
