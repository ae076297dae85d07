//! Calls about ranges of sectors whose content is not sent: discard, zero, erase (§5.2.6).

use core::mem::size_of;

use levitate_hal::Platform;
use levitate_virtio::{Data, Transport};
use zerocopy::IntoBytes;

use super::Blk;
use super::check::Access;
use crate::capabilities::Capabilities;
use crate::error::{Error, SubmitError};
use crate::lifetime::{Lifetime, LifetimeLayout};
use crate::range::{Cuts, MAX_REQUESTS, RangeFlags, RangeSegment, Unmap};
use crate::request::RequestKind;

/// These wait for the device as the other blocking calls do, one request after another, of at most 64 MiB each.
///
/// A range that takes more than 2^20 requests, 64 TiB if the device sets no tighter limit, is refused before any is sent:
/// [`SubmitError::TooManyRequests`].
impl<T: Transport, P: Platform, const MORE: usize> Blk<'_, T, P, MORE> {
    /// Lets the device forget what is in `sector_count` sectors from `sector` on; waits for it.
    ///
    /// Nothing can be said of what a read finds there afterwards.
    ///
    /// # Errors
    ///
    /// [`Error`]; with [`Error::Refused`] nothing was sent, otherwise any part of the sectors may have been discarded.
    pub fn discard(&mut self, sector: u64, sector_count: u64) -> Result<(), Error> {
        self.run_range(RequestKind::Discard, sector, sector_count, Unmap::Forbidden)
    }

    /// Makes `sector_count` sectors from `sector` on read as zeroes; waits for the device.
    ///
    /// As with [`write`](Self::write), that is durable once it is flushed.
    ///
    /// # Errors
    ///
    /// [`Error`]; with [`Error::Refused`] nothing was sent, otherwise any part of the sectors may have been zeroed.
    pub fn write_zeroes(
        &mut self,
        sector: u64,
        sector_count: u64,
        unmap: Unmap,
    ) -> Result<(), Error> {
        self.run_range(RequestKind::WriteZeroes, sector, sector_count, unmap)
    }

    /// Erases `sector_count` sectors from `sector` on, and every copy the device has of them; waits for it.
    ///
    /// # Errors
    ///
    /// [`Error`]; with [`Error::Refused`] nothing was sent, otherwise any part of the sectors may have been erased.
    pub fn secure_erase(&mut self, sector: u64, sector_count: u64) -> Result<(), Error> {
        let kind = RequestKind::SecureErase;
        self.run_range(kind, sector, sector_count, Unmap::Forbidden)
    }

    /// Asks the device how worn it is; waits for it.
    ///
    /// # Errors
    ///
    /// [`Error`]; [`SubmitError::NoCommand`] from a device that does not tell.
    pub fn lifetime(&mut self) -> Result<Lifetime, Error> {
        let kind = RequestKind::GetLifetime;
        if !self.capabilities.has_lifetime() {
            return Err(SubmitError::NoCommand { kind }.into());
        }
        self.settle_late()?;
        let bounce = self.take_bounce(size_of::<LifetimeLayout>())?;
        self.run(kind, 0, Data::Writable(bounce))?;
        let mut layout = LifetimeLayout::default();
        layout.as_mut_bytes().copy_from_slice(self.bounced()?);
        Ok(layout.into())
    }

    fn run_range(
        &mut self,
        kind: RequestKind,
        first: u64,
        sector_count: u64,
        unmap: Unmap,
    ) -> Result<(), Error> {
        let cuts = self.capabilities.cut(kind, first, sector_count, unmap)?;
        self.settle_late()?;
        for segment in cuts {
            let mut bounce = self.take_bounce(size_of::<RangeSegment>())?;
            bounce.as_mut_slice().copy_from_slice(segment.as_bytes());
            self.run(kind, 0, Data::Readable(bounce))?;
        }
        Ok(())
    }
}

impl Capabilities {
    /// Cuts a range into requests of a kind that is about ranges; refuses what must not be sent.
    pub(super) fn cut(
        &self,
        kind: RequestKind,
        first: u64,
        sector_count: u64,
        unmap: Unmap,
    ) -> Result<Cuts, SubmitError> {
        let limits = match kind {
            RequestKind::Discard => self.discard(),
            RequestKind::WriteZeroes => self.write_zeroes(),
            RequestKind::SecureErase => self.secure_erase(),
            _ => None,
        };
        let limits = limits.ok_or(SubmitError::NoCommand { kind })?;
        self.check_range(first, sector_count, Access::Write)?;
        let requests = limits.requests(first, sector_count);
        if requests > MAX_REQUESTS {
            let max = MAX_REQUESTS;
            return Err(SubmitError::TooManyRequests { requests, max });
        }
        // Elsewhere than in a zeroing of sectors the flag is reserved (§5.2.6.1).
        let flags = match (kind, unmap) {
            (RequestKind::WriteZeroes, Unmap::Allowed) if self.can_unmap_zeroes() => {
                RangeFlags::UNMAP
            }
            _ => RangeFlags::empty(),
        };
        Ok(Cuts {
            limits,
            flags,
            sector: first,
            left: sector_count,
        })
    }
}
