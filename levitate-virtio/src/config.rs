//! Device configuration space, read until it holds still, and written: [`ConfigSpace`], [`ConfigWriter`] (§2.5).

use thiserror::Error;

use crate::transport::Transport;

/// How often a reading is repeated before the device is taken to be at fault.
///
/// A device changes its configuration when its user resizes a disk or a window; nobody does so this often within a few reads.
const MAX_ATTEMPTS: u32 = 64;

/// What the widest fields are aligned to: those of 64 bits are accessed as two halves (§4.2.2.2).
const MAX_ALIGN_BYTES: usize = 4;

/// Why the configuration could not be read, or not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The device's configuration space has no such field.
    #[error(
        "config field of {width_bytes} bytes at offset {offset} is outside the {len_bytes} bytes there are"
    )]
    TooShort {
        /// Where the field begins.
        offset: usize,
        /// Length of the field.
        width_bytes: usize,
        /// Length of the configuration space.
        len_bytes: usize,
    },
    /// The field is not aligned to its width, a 64-bit one to that of its halves: it would not be one access (§4.2.2.2).
    #[error("config field at offset {offset} is not aligned to {align_bytes} bytes")]
    Misaligned {
        /// Where the field begins.
        offset: usize,
        /// What the offset should be a multiple of.
        align_bytes: usize,
    },
    /// The configuration changed during each of many attempts.
    #[error("configuration changed during each of {attempts} attempts to read it")]
    NeverStable {
        /// Attempts made.
        attempts: u32,
    },
}

/// The configuration space of one device, during one attempt to read it.
#[derive(Debug)]
pub struct ConfigSpace<'t, T> {
    transport: &'t T,
}

impl<T: Transport> ConfigSpace<'_, T> {
    /// Reads an 8-bit field.
    ///
    /// # Errors
    ///
    /// [`ConfigError::TooShort`].
    pub fn read_u8(&self, offset: usize) -> Result<u8, ConfigError> {
        self.check(offset, 1)?;
        Ok(self.transport.read_config8(offset))
    }

    /// Reads a 16-bit field.
    ///
    /// # Errors
    ///
    /// [`ConfigError::TooShort`], [`ConfigError::Misaligned`].
    pub fn read_u16(&self, offset: usize) -> Result<u16, ConfigError> {
        self.check(offset, 2)?;
        Ok(self.transport.read_config16(offset))
    }

    /// Reads a 32-bit field.
    ///
    /// # Errors
    ///
    /// [`ConfigError::TooShort`], [`ConfigError::Misaligned`].
    pub fn read_u32(&self, offset: usize) -> Result<u32, ConfigError> {
        self.check(offset, 4)?;
        Ok(self.transport.read_config32(offset))
    }

    /// Reads a 64-bit field, as two halves (§4.2.2.2).
    ///
    /// # Errors
    ///
    /// [`ConfigError::TooShort`], [`ConfigError::Misaligned`].
    pub fn read_u64(&self, offset: usize) -> Result<u64, ConfigError> {
        self.check(offset, 8)?;
        let low = self.transport.read_config32(offset);
        let high = self.transport.read_config32(offset.saturating_add(4));
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    fn check(&self, offset: usize, width_bytes: usize) -> Result<(), ConfigError> {
        check(self.transport, offset, width_bytes)
    }
}

/// The configuration space of one device that may be written to: its features are agreed on (§3.1.1).
#[derive(Debug)]
pub struct ConfigWriter<'t, T> {
    pub(crate) transport: &'t mut T,
}

impl<T: Transport> ConfigWriter<'_, T> {
    /// Writes an 8-bit field.
    ///
    /// # Errors
    ///
    /// [`ConfigError::TooShort`]: nothing was written.
    pub fn write_u8(&mut self, offset: usize, value: u8) -> Result<(), ConfigError> {
        check(self.transport, offset, 1)?;
        self.transport.write_config8(offset, value);
        Ok(())
    }

    /// Writes a 16-bit field.
    ///
    /// # Errors
    ///
    /// [`ConfigError::TooShort`], [`ConfigError::Misaligned`]: nothing was written.
    pub fn write_u16(&mut self, offset: usize, value: u16) -> Result<(), ConfigError> {
        check(self.transport, offset, 2)?;
        self.transport.write_config16(offset, value);
        Ok(())
    }

    /// Writes a 32-bit field.
    ///
    /// # Errors
    ///
    /// [`ConfigError::TooShort`], [`ConfigError::Misaligned`]: nothing was written.
    pub fn write_u32(&mut self, offset: usize, value: u32) -> Result<(), ConfigError> {
        check(self.transport, offset, 4)?;
        self.transport.write_config32(offset, value);
        Ok(())
    }
}

fn check<T: Transport>(
    transport: &T,
    offset: usize,
    width_bytes: usize,
) -> Result<(), ConfigError> {
    let len_bytes = transport.config_len_bytes();
    let is_inside = offset
        .checked_add(width_bytes)
        .is_some_and(|end| end <= len_bytes);
    let align_bytes = width_bytes.min(MAX_ALIGN_BYTES);
    if !is_inside {
        Err(ConfigError::TooShort {
            offset,
            width_bytes,
            len_bytes,
        })
    } else if !offset.is_multiple_of(align_bytes) {
        Err(ConfigError::Misaligned {
            offset,
            align_bytes,
        })
    } else {
        Ok(())
    }
}

/// Calls `read` until the device's configuration did not change meanwhile, and returns what it read then.
///
/// A modern device tells by its configuration generation; a legacy one has none, and two readings must agree (§2.5.4).
///
/// # Errors
///
/// What `read` returns, or [`ConfigError::NeverStable`].
pub fn read_stable<T: Transport, V: PartialEq>(
    transport: &T,
    mut read: impl FnMut(&ConfigSpace<'_, T>) -> Result<V, ConfigError>,
) -> Result<V, ConfigError> {
    let space = ConfigSpace { transport };
    for _ in 0..MAX_ATTEMPTS {
        match transport.read_config_generation() {
            Some(before) => {
                let value = read(&space)?;
                if transport.read_config_generation() == Some(before) {
                    return Ok(value);
                }
            }
            None => {
                let value = read(&space)?;
                if read(&space)? == value {
                    return Ok(value);
                }
            }
        }
    }
    Err(ConfigError::NeverStable {
        attempts: MAX_ATTEMPTS,
    })
}
