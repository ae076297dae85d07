//! `levitate-drivers-blk` as a [`BlockDevice`], whose callers sleep while a request is in flight.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::Future;

use levitate_drivers_blk::{
    Access, AsyncBlk, Blk, BlkStorage, BufferError, Error, InitError, Options, Unmap,
};
use levitate_hal::DmaBuffer;
use levitate_kernel::command_line::{Driver, Kind};
use levitate_virtio::transport::EnableQueueError;
use levitate_virtio::{Features, QueueError, Signal};
use log::{error, warn};

use super::block::{BlockDevice, DiskInfo, Read, SECTOR_BYTES};
use super::{DriverError, QueueCounts};
use crate::devices::KernelTransport;
use crate::executor::block_on;
use crate::platform::{KernelDma, Platform, platform};

/// The driver's name, as the log shows it.
const NAME: &str = Driver::Levitate.crate_name(Kind::Blk);

/// Requests that can be in flight at a time.
pub(crate) const REQUESTS: usize = 32;
/// What is copied at a time for callers that lend their memory: requests are no longer than that.
const BOUNCE_BYTES: usize = 128 << 10;

/// A disk driven by `levitate-drivers-blk`.
pub(crate) struct LevitateBlk {
    blk: AsyncBlk<'static, KernelTransport, Platform>,
    /// Between the caller's memory and the device; `None` after an error that has left it with the device.
    bounce: Option<DmaBuffer<KernelDma>>,
    /// Why it was not brought up again, if it was not.
    given_up: RefCell<Option<String>>,
}

/// Says whether the driver did not come up because its device refuses a vector.
pub(super) fn is_about_a_vector(error: &DriverError) -> bool {
    matches!(
        error.downcast_ref(),
        Some(
            InitError::Device(levitate_virtio::InitError::ConfigVector(_))
                | InitError::Queue(QueueError::Enable(EnableQueueError::VectorRefused { .. }))
        )
    )
}

/// Says whether a disk has not answered a request, whatever that came from.
pub(super) fn is_unanswered(error: &DriverError) -> bool {
    matches!(error.downcast_ref(), Some(Error::Timeout(_) | Error::Gone))
}

impl LevitateBlk {
    /// Brings the disk up; `signal` is told of its interrupts.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub(crate) fn new(
        transport: KernelTransport,
        signal: &'static Signal,
    ) -> Result<Self, DriverError> {
        let storage = Box::leak(Box::new(BlkStorage::<KernelDma, REQUESTS>::new()));
        let mut blk = Blk::with_options(transport, platform(), storage, Options::default())?;
        // Asked for now, the interrupt of the first request is certain. By itself the driver asks when it has looked for an answer in vain.
        blk.set_used_notifications(true);
        blk.poll()?;
        Ok(Self {
            blk: AsyncBlk::new(blk, signal),
            bounce: None,
            given_up: RefCell::default(),
        })
    }

    /// Sleeps until `call` is done; brings the disk up again if it ends with an error that does not go away by itself.
    fn wait<R>(&self, call: impl Future<Output = Result<R, Error>>) -> Result<R, DriverError> {
        block_on(call).map_err(|error| self.recover(error))
    }

    /// Brings the disk up again if `error` is one that does not go away by itself, and passes it on.
    fn recover(&self, error: Error) -> DriverError {
        let is_lasting = match &error {
            Error::Timeout(_) | Error::NeedsReset { .. } | Error::Fault(_) => true,
            Error::Refused(_) | Error::Request(_) => false,
            _ => true,
        };
        if is_lasting {
            warn!("{error}; the disk is reset");
            let given_up = self.blk.recover(|_| {}).err();
            if let Some(error) = &given_up {
                error!("the disk stays off: {error}");
            }
            self.given_up
                .replace(given_up.map(|error| error.to_string()));
        }
        error.into()
    }

    /// Returns the most bytes of a request.
    fn max_request_bytes(&self) -> usize {
        let most = self.blk.capabilities().max_request_bytes();
        usize::try_from(most)
            .unwrap_or(usize::MAX)
            .min(BOUNCE_BYTES)
    }

    /// Returns memory between the caller's and the device, with room for `len_bytes`.
    fn take_bounce(&mut self, len_bytes: usize) -> Result<DmaBuffer<KernelDma>, DriverError> {
        let mut bounce = match self.bounce.take() {
            Some(bounce) => bounce,
            None => self.blk.allocate_buffer(BOUNCE_BYTES)?,
        };
        bounce.set_window(0..len_bytes)?;
        Ok(bounce)
    }

    /// Takes the memory back after a call, if the device has not kept it.
    fn give_back(
        &mut self,
        returned: Result<DmaBuffer<KernelDma>, BufferError<KernelDma>>,
    ) -> Result<&[u8], DriverError> {
        match returned {
            Ok(bounce) => Ok(self.bounce.insert(bounce).as_slice()),
            Err(BufferError { error, buffer }) => {
                self.bounce = buffer;
                Err(self.recover(error))
            }
        }
    }
}

impl BlockDevice for LevitateBlk {
    fn info(&self) -> DiskInfo {
        let capabilities = self.blk.capabilities();
        DiskInfo {
            capacity_sectors: capabilities.capacity_sectors(),
            block_sectors: u64::from(capabilities.block_size_bytes()) / SECTOR_BYTES as u64,
            is_read_only: capabilities.is_read_only(),
            driver: NAME,
            max_request_bytes: self.max_request_bytes() as u64,
            can_discard: capabilities.discard().is_some(),
            can_write_zeroes: capabilities.write_zeroes().is_some(),
        }
    }

    fn id(&mut self) -> Result<String, DriverError> {
        Ok(self.wait(self.blk.id())?.to_string())
    }

    fn read(&mut self, first_sector: u64, buffer: &mut [u8]) -> Result<(), DriverError> {
        let capabilities = self.blk.capabilities();
        capabilities.check(first_sector, buffer.len(), Access::Read)?;
        let mut sector = first_sector;
        for chunk in buffer.chunks_mut(BOUNCE_BYTES) {
            let bounce = self.take_bounce(chunk.len())?;
            let returned = block_on(self.blk.read(sector, bounce));
            copy(self.give_back(returned)?, chunk)?;
            sector += (chunk.len() / SECTOR_BYTES) as u64;
        }
        Ok(())
    }

    fn read_many(&mut self, reads: &mut [Read<'_>]) -> Result<(), DriverError> {
        let mut left = reads;
        while !left.is_empty() {
            let count = left.len().min(usize::from(self.blk.idle_slots()));
            if count == 0 {
                return Err("no request slot is idle".into());
            }
            let (now, later) = left.split_at_mut(count);
            let mut requests = Vec::with_capacity(count);
            let submitted = now.iter().try_for_each(|read| {
                let buffer = self.blk.allocate_buffer(read.buffer.len())?;
                let request = self.blk.submit_read(read.first_sector, buffer);
                requests.push(request.map_err(|rejected| rejected.error)?);
                Ok::<_, DriverError>(())
            });
            // Those before one that was refused are waited for, too.
            self.blk.notify();
            for (request, read) in requests.into_iter().zip(now) {
                let completion = self.wait(request)?;
                completion.result?;
                let buffer = completion.buffer.ok_or("an answer has no buffer")?;
                copy(buffer.as_slice(), read.buffer)?;
            }
            submitted?;
            left = later;
        }
        Ok(())
    }

    fn write(&mut self, first_sector: u64, data: &[u8]) -> Result<(), DriverError> {
        let capabilities = self.blk.capabilities();
        capabilities.check(first_sector, data.len(), Access::Write)?;
        let mut sector = first_sector;
        for chunk in data.chunks(BOUNCE_BYTES) {
            let mut bounce = self.take_bounce(chunk.len())?;
            bounce.as_mut_slice().copy_from_slice(chunk);
            let returned = block_on(self.blk.write(sector, bounce));
            self.give_back(returned)?;
            sector += (chunk.len() / SECTOR_BYTES) as u64;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DriverError> {
        self.wait(self.blk.flush())
    }

    fn discard(&mut self, first_sector: u64, count: u64) -> Result<(), DriverError> {
        self.wait(self.blk.discard(first_sector, count))
    }

    fn write_zeroes(&mut self, first_sector: u64, count: u64) -> Result<(), DriverError> {
        self.wait(self.blk.write_zeroes(first_sector, count, Unmap::Allowed))
    }

    fn process_config_change(&mut self) -> Result<(), DriverError> {
        self.blk.process_config_change()?;
        Ok(())
    }

    fn given_up(&self) -> Option<String> {
        self.given_up.borrow().clone()
    }

    fn counts(&self) -> Vec<QueueCounts> {
        let counts = self.blk.counts();
        let features = self.blk.features().map(|features| features.common);
        [QueueCounts {
            queue: 0,
            requests: counts.requests,
            notifications: counts.notifications,
            features: features.unwrap_or(Features::empty()),
            idle_polls: Some(counts.idle_polls),
        }]
        .into()
    }
}

/// Copies what was read to where it was wanted.
fn copy(from: &[u8], to: &mut [u8]) -> Result<(), DriverError> {
    if from.len() != to.len() {
        return Err(format!("{} bytes were read, not {}", from.len(), to.len()).into());
    }
    to.copy_from_slice(from);
    Ok(())
}
