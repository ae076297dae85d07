//! Long transfers: several requests are on their way at a time, and their data comes and goes in order.

use std::collections::VecDeque;
use std::error::Error;

use levitate_drivers_blk::{Blk, Token};
use levitate_hal::DmaBuffer;
use levitate_host::vhost_user::VhostUserTransport;
use levitate_host::{Pool, SystemClock};

/// The disk, as every command uses it.
pub(crate) type Disk<'s> = Blk<'s, VhostUserTransport, (Pool, SystemClock)>;

/// Requests on their way.
pub(crate) const DEPTH: usize = 8;

/// Sectors in a request.
const CHUNK_SECTORS: u64 = 512;

/// Reads `sectors` sectors from `first` on and hands them to `take`, in order.
pub(crate) fn read(
    disk: &mut Disk<'_>,
    first: u64,
    sectors: u64,
    mut take: impl FnMut(&[u8]) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut waiting = VecDeque::new();
    for (sector, count) in chunks(disk, first, sectors) {
        if waiting.len() == DEPTH {
            take(finish(disk, &mut waiting)?.as_slice())?;
        }
        let buffer = disk.allocate_buffer(count as usize * 512)?;
        waiting.push_back(disk.submit_read(sector, buffer)?);
        disk.notify();
    }
    while !waiting.is_empty() {
        take(finish(disk, &mut waiting)?.as_slice())?;
    }
    Ok(())
}

/// Writes `sectors` sectors from the first one on, with what `fill` puts there, in order.
pub(crate) fn write(
    disk: &mut Disk<'_>,
    sectors: u64,
    mut fill: impl FnMut(&mut [u8]) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut waiting = VecDeque::new();
    for (sector, count) in chunks(disk, 0, sectors) {
        if waiting.len() == DEPTH {
            finish(disk, &mut waiting)?;
        }
        let mut buffer = disk.allocate_buffer(count as usize * 512)?;
        fill(buffer.as_mut_slice())?;
        waiting.push_back(disk.submit_write(sector, buffer)?);
        disk.notify();
    }
    while !waiting.is_empty() {
        finish(disk, &mut waiting)?;
    }
    Ok(())
}

/// Cuts a transfer into requests: the first sector of each, and how many.
fn chunks(disk: &Disk<'_>, first: u64, sectors: u64) -> impl Iterator<Item = (u64, u64)> + use<> {
    let longest = u64::from(disk.max_request_bytes() / 512).min(CHUNK_SECTORS);
    let starts = (0..sectors).step_by(longest as usize);
    starts.map(move |start| {
        let count = longest.min(sectors - start);
        (first.saturating_add(start), count)
    })
}

/// Waits for the request that has been on its way for longest, and returns its data.
fn finish(
    disk: &mut Disk<'_>,
    waiting: &mut VecDeque<Token>,
) -> Result<DmaBuffer<Pool>, Box<dyn Error>> {
    let token = waiting.pop_front().ok_or("nothing is on its way")?;
    let done = disk.wait(token)?.ok_or("a request was lost")?;
    done.result
        .map_err(|error| format!("at sector {}: {error}", done.sector))?;
    Ok(done.buffer.ok_or("a buffer was lost")?)
}
