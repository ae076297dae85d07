//! What changes in a device that is running: its capacity, and its cache mode (§5.2.6.1).

use levitate_hal::Platform;
use levitate_virtio::{ConfigError, Transport};

use super::Blk;
use crate::capabilities::{CacheMode, check_capacity};
use crate::config::{Config, WRITEBACK};
use crate::error::{CacheModeError, InitError};

/// A capacity that has changed, in sectors of 512 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapacityChange {
    /// What it was.
    pub before_sectors: u64,
    /// What it is: requests past it are refused from now on.
    pub now_sectors: u64,
}

impl<T: Transport, P: Platform, const MORE: usize> Blk<'_, T, P, MORE> {
    /// Looks what has become of the configuration; returns the capacity if it is another one.
    ///
    /// To be called after the interrupt handle said
    /// [`CONFIG_CHANGE`](levitate_virtio::InterruptStatus::CONFIG_CHANGE), or now and then.
    /// Requests in flight that a smaller capacity leaves outside are answered by the device as it likes.
    ///
    /// # Errors
    ///
    /// [`InitError::Config`] or [`InitError::Capacity`]; the capacity known so far stays.
    pub fn process_config_change(&mut self) -> Result<Option<CapacityChange>, InitError> {
        let Some(life) = &self.life else {
            return Ok(None);
        };
        let capacity: Result<u64, ConfigError> = life.device.read_config(Config::read_capacity);
        let now_sectors = check_capacity(capacity?)?;
        let before_sectors =
            core::mem::replace(&mut self.capabilities.capacity_sectors, now_sectors);
        Ok((before_sectors != now_sectors).then_some(CapacityChange {
            before_sectors,
            now_sectors,
        }))
    }

    /// Switches the cache mode, and returns what the device says it is now (§5.2.6.1).
    ///
    /// What was written before is not durable by this: [`flush`](Self::flush) it.
    /// A recovery resets the device, and with it the cache mode to what it was at first.
    ///
    /// # Errors
    ///
    /// [`CacheModeError`]; after [`CacheModeError::Config`] the mode is taken for [`CacheMode::Writeback`], whichever it is:
    /// what was written is durable once it is flushed.
    pub fn set_cache_mode(&mut self, mode: CacheMode) -> Result<CacheMode, CacheModeError> {
        let life = self.life.as_mut().ok_or(CacheModeError::NotRunning)?;
        if !self.capabilities.is_cache_mode_switchable() {
            return Err(CacheModeError::Fixed);
        }
        let writeback = u8::from(mode == CacheMode::Writeback);
        // Until the device has said what it is; in error, a flush too many is better than one too few.
        self.capabilities.cache_mode = CacheMode::Writeback;
        life.device.config_writer().write_u8(WRITEBACK, writeback)?;
        let writeback = life.device.read_config(|space| space.read_u8(WRITEBACK))?;
        let mode = CacheMode::of(writeback != 0);
        self.capabilities.cache_mode = mode;
        Ok(mode)
    }
}
