//! The commands about disks.

use alloc::vec;
use core::fmt::{self, Write};

use levitate_kernel::hexdump;
use levitate_kernel::shell::Sectors;
use sha2::{Digest, Sha256};

use super::CommandError;
use crate::devices::{Devices, Disk};
use crate::drivers::block::SECTOR_BYTES;

/// Sectors that are read or written at once.
const CHUNK_SECTORS: u64 = 256;

/// Describes one disk, or all.
pub(super) fn info(
    devices: &mut Devices,
    disk: Option<usize>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    for (number, disk) in chosen(devices, disk)? {
        let info = disk.device.info();
        let id = disk.device.id()?;
        writeln!(
            out,
            "disk {number}: \"{}\", {} sectors ({} bytes), {}, requests up to {} bytes, {} at {}",
            id,
            info.capacity_sectors,
            info.capacity_bytes(),
            if info.is_read_only {
                "read-only"
            } else {
                "writable"
            },
            info.max_request_bytes,
            info.driver,
            disk.location,
        )?;
    }
    Ok(())
}

/// Dumps sectors.
pub(super) fn read(
    devices: &mut Devices,
    disk: usize,
    sectors: Sectors,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let disk = one(devices, disk)?;
    check(disk, sectors)?;
    let mut buffer = vec![0; CHUNK_SECTORS.min(sectors.count) as usize * SECTOR_BYTES];
    for (first, count) in chunks(sectors) {
        let part = &mut buffer[..count as usize * SECTOR_BYTES];
        disk.device.read(first, part)?;
        for row in hexdump::rows(first * SECTOR_BYTES as u64, part) {
            writeln!(out, "{row}")?;
        }
    }
    Ok(())
}

/// Fills sectors with a byte.
pub(super) fn write(
    devices: &mut Devices,
    number: usize,
    sectors: Sectors,
    byte: u8,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let disk = one(devices, number)?;
    check(disk, sectors)?;
    let buffer = vec![byte; CHUNK_SECTORS.min(sectors.count) as usize * SECTOR_BYTES];
    for (first, count) in chunks(sectors) {
        disk.device
            .write(first, &buffer[..count as usize * SECTOR_BYTES])?;
    }
    disk.device.flush()?;
    writeln!(out, "wrote {sectors} of disk {number} and flushed it")?;
    Ok(())
}

/// Lets the disk forget sectors.
pub(super) fn discard(
    devices: &mut Devices,
    number: usize,
    sectors: Sectors,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let disk = one(devices, number)?;
    check(disk, sectors)?;
    disk.device.discard(sectors.first, sectors.count)?;
    writeln!(out, "discarded {sectors} of disk {number}")?;
    Ok(())
}

/// Has the disk zero sectors.
pub(super) fn zero(
    devices: &mut Devices,
    number: usize,
    sectors: Sectors,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let disk = one(devices, number)?;
    check(disk, sectors)?;
    disk.device.write_zeroes(sectors.first, sectors.count)?;
    disk.device.flush()?;
    writeln!(out, "zeroed {sectors} of disk {number} and flushed it")?;
    Ok(())
}

/// Hashes a whole disk.
pub(super) fn checksum(
    devices: &mut Devices,
    number: usize,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let disk = one(devices, number)?;
    let info = disk.device.info();
    let mut buffer = vec![0; CHUNK_SECTORS as usize * SECTOR_BYTES];
    let mut hash = Sha256::new();
    let all = Sectors {
        first: 0,
        count: info.capacity_sectors,
    };
    for (first, count) in chunks(all) {
        let part = &mut buffer[..count as usize * SECTOR_BYTES];
        disk.device.read(first, part)?;
        hash.update(part);
    }
    write!(out, "sha256 ")?;
    for byte in hash.finalize() {
        write!(out, "{byte:02x}")?;
    }
    writeln!(out, "  disk {number}, {} bytes", info.capacity_bytes())?;
    Ok(())
}

/// Flushes one disk, or all.
pub(super) fn flush(
    devices: &mut Devices,
    disk: Option<usize>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    for (number, disk) in chosen(devices, disk)? {
        disk.device.flush()?;
        writeln!(out, "flushed disk {number}")?;
    }
    Ok(())
}

/// Flushes every disk that can have been written, says which it could not, and returns whether it could all.
pub(super) fn flush_all(devices: &mut Devices, out: &mut impl Write) -> Result<bool, fmt::Error> {
    let mut are_flushed = true;
    for (number, disk) in devices.disks.iter_mut().enumerate() {
        if disk.device.info().is_read_only {
            continue;
        }
        if let Err(error) = disk.device.flush() {
            writeln!(out, "error: disk {number} is not flushed: {error}")?;
            are_flushed = false;
        }
    }
    Ok(are_flushed)
}

/// Returns one disk with its number, or all.
fn chosen(
    devices: &mut Devices,
    disk: Option<usize>,
) -> Result<impl Iterator<Item = (usize, &mut Disk)>, CommandError> {
    let count = devices.disks.len();
    let range = match disk {
        None if count == 0 => return Err(CommandError::NoDisks),
        None => 0..count,
        Some(disk) if disk < count => disk..disk + 1,
        Some(disk) => return Err(CommandError::NoDisk { disk, count }),
    };
    let start = range.start;
    let disks = devices.disks[range].iter_mut().enumerate();
    Ok(disks.map(move |(index, disk)| (start + index, disk)))
}

fn one(devices: &mut Devices, disk: usize) -> Result<&mut Disk, CommandError> {
    let count = devices.disks.len();
    let found = devices.disks.get_mut(disk);
    found.ok_or(CommandError::NoDisk { disk, count })
}

/// Refuses sectors that are not on the disk before any of them is touched.
fn check(disk: &Disk, sectors: Sectors) -> Result<(), CommandError> {
    let capacity_sectors = disk.device.info().capacity_sectors;
    // `Sectors` promises that the sum fits.
    if sectors.first + sectors.count <= capacity_sectors {
        return Ok(());
    }
    Err(CommandError::OutOfRange {
        first: sectors.first,
        last: sectors.first + sectors.count - 1,
        capacity_sectors,
    })
}

/// Cuts sectors into pieces of at most [`CHUNK_SECTORS`]: the first of each, and how many.
fn chunks(sectors: Sectors) -> impl Iterator<Item = (u64, u64)> {
    let Sectors { first, count } = sectors;
    let starts = (0..count.div_ceil(CHUNK_SECTORS)).map(|index| index * CHUNK_SECTORS);
    starts.map(move |start| (first + start, CHUNK_SECTORS.min(count - start)))
}
