//! `levitate-drivers-blk` as a [`BlockDevice`].

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use levitate_drivers_blk::{Blk, BlkStorage, Completion, Error, Options, Token, Unmap};
use levitate_hal::{Clock, Deadline, DmaBuffer};
use log::{error, warn};

use super::DriverError;
use super::block::{BlockDevice, DiskInfo, Read, SECTOR_BYTES};
use crate::devices::KernelTransport;
use crate::platform::{KernelClock, KernelDma, Platform, platform};

/// The driver's name, as the log shows it.
pub(crate) const NAME: &str = "levitate-drivers-blk";

/// Requests that can be in flight at a time.
pub(crate) const REQUESTS: usize = 32;

/// A disk driven by `levitate-drivers-blk`.
pub(crate) struct LevitateBlk {
    blk: Blk<'static, KernelTransport, Platform>,
    options: Options,
}

impl LevitateBlk {
    /// Brings the disk up.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub(crate) fn new(transport: KernelTransport) -> Result<Self, DriverError> {
        let options = Options::default();
        let storage = Box::leak(Box::new(BlkStorage::<KernelDma, REQUESTS>::new()));
        let blk = Blk::with_options(transport, platform(), storage, options)?;
        Ok(Self { blk, options })
    }

    /// Brings the disk up again if `error` is one that does not go away by itself, and passes it on.
    fn recover(&mut self, error: Error) -> DriverError {
        let is_lasting = match &error {
            Error::Timeout(_) | Error::NeedsReset { .. } | Error::Fault(_) => true,
            Error::Refused(_) | Error::Request(_) => false,
            _ => true,
        };
        if is_lasting {
            warn!("{error}; the disk is reset");
            if let Err(error) = self.blk.recover(|_| {}) {
                error!("the disk stays off: {error}");
            }
        }
        error.into()
    }

    /// Submits reads until there are no more, or no slot is idle; returns how many it were.
    fn submit(
        &mut self,
        reads: &[Read<'_>],
        tokens: &mut Vec<Token>,
    ) -> Result<usize, DriverError> {
        let count = reads.len().min(usize::from(self.blk.idle_slots()));
        let submitted = reads[..count].iter().try_for_each(|read| {
            let buffer = self.blk.allocate_buffer(read.buffer.len())?;
            let submitted = self.blk.submit_read(read.first_sector, buffer);
            tokens.push(submitted.map_err(|rejected| rejected.error)?);
            Ok(())
        });
        // Of those before one that was refused, too: they are waited for.
        self.blk.notify();
        submitted.map(|()| count)
    }

    /// Waits until all that was submitted is done, and returns the answers in the order they came.
    fn collect(&mut self, count: usize) -> Result<Vec<Completion<KernelDma>>, DriverError> {
        let timeout = self.options.timeout;
        let deadline = Deadline::after(&KernelClock, timeout);
        let mut done = Vec::with_capacity(count);
        while done.len() < count {
            match self.blk.poll()? {
                Some(completion) => done.push(completion),
                None if deadline.is_missed(&KernelClock) => {
                    let missing = count - done.len();
                    self.blk.recover(|_| {})?;
                    return Err(
                        format!("{missing} requests not answered within {timeout:?}").into(),
                    );
                }
                None => KernelClock.relax(),
            }
        }
        Ok(done)
    }
}

impl BlockDevice for LevitateBlk {
    fn info(&self) -> DiskInfo {
        let bounce_bytes = u32::try_from(self.options.bounce_bytes).unwrap_or(u32::MAX);
        DiskInfo {
            capacity_sectors: self.blk.capacity_sectors(),
            block_sectors: u64::from(self.blk.block_size_bytes()) / SECTOR_BYTES as u64,
            is_read_only: self.blk.is_read_only(),
            driver: NAME,
            max_request_bytes: u64::from(self.blk.max_request_bytes().min(bounce_bytes)),
            can_discard: self.blk.capabilities().discard().is_some(),
            can_write_zeroes: self.blk.capabilities().write_zeroes().is_some(),
        }
    }

    fn id(&mut self) -> Result<String, DriverError> {
        let id = self.blk.id().map_err(|error| self.recover(error))?;
        Ok(id.to_string())
    }

    fn read(&mut self, first_sector: u64, buffer: &mut [u8]) -> Result<(), DriverError> {
        let read = self.blk.read(first_sector, buffer);
        read.map_err(|error| self.recover(error))
    }

    fn read_many(&mut self, reads: &mut [Read<'_>]) -> Result<(), DriverError> {
        let mut left = reads;
        while !left.is_empty() {
            let mut tokens = Vec::with_capacity(REQUESTS);
            let submitted = self.submit(left, &mut tokens);
            // What was submitted has to be collected, even if a later one was refused.
            let done = self.collect(tokens.len())?;
            let count = submitted?;
            if count == 0 {
                return Err("no request slot is idle".into());
            }
            let (now, later) = left.split_at_mut(count);
            for completion in done {
                completion.result?;
                let index = tokens.iter().position(|token| *token == completion.token);
                let read = index.and_then(|index| now.get_mut(index));
                let (Some(read), Some(buffer)) = (read, completion.buffer) else {
                    return Err("an answer belongs to no request".into());
                };
                copy(&buffer, read.buffer)?;
            }
            left = later;
        }
        Ok(())
    }

    fn write(&mut self, first_sector: u64, data: &[u8]) -> Result<(), DriverError> {
        let written = self.blk.write(first_sector, data);
        written.map_err(|error| self.recover(error))
    }

    fn flush(&mut self) -> Result<(), DriverError> {
        self.blk.flush().map_err(|error| self.recover(error))
    }

    fn discard(&mut self, first_sector: u64, count: u64) -> Result<(), DriverError> {
        let discarded = self.blk.discard(first_sector, count);
        discarded.map_err(|error| self.recover(error))
    }

    fn write_zeroes(&mut self, first_sector: u64, count: u64) -> Result<(), DriverError> {
        let zeroed = self.blk.write_zeroes(first_sector, count, Unmap::Allowed);
        zeroed.map_err(|error| self.recover(error))
    }

    fn process_config_change(&mut self) -> Result<(), DriverError> {
        self.blk.process_config_change()?;
        Ok(())
    }

    fn set_interrupts(&mut self, wanted: bool) {
        self.blk.set_used_notifications(wanted);
    }
}

/// Copies what was read to where it was wanted.
fn copy(from: &DmaBuffer<KernelDma>, to: &mut [u8]) -> Result<(), DriverError> {
    let bytes = from.as_slice();
    if bytes.len() != to.len() {
        return Err(format!("{} bytes were read, not {}", bytes.len(), to.len()).into());
    }
    to.copy_from_slice(bytes);
    Ok(())
}
