//! The end of a device's life: giving it up, starting it again, or dropping it.

use levitate_hal::Platform;
use levitate_virtio::Transport;

use super::Blk;
use super::life::Life;
use crate::error::{RecoverError, ResetError};
use crate::request::{Owner, Reclaimed};

impl<T: Transport, P: Platform, const MORE: usize> Blk<'_, T, P, MORE> {
    /// Resets the device and brings it up again, in the same storage; waits for it.
    ///
    /// Every submitted request ends here: `reclaim` is handed each that was not taken, and the tokens name nothing any more.
    /// Submitting those again is up to the caller, who knows whether a write may be made twice.
    ///
    /// What the device says of itself is read again; its cache mode is what a reset makes it, whatever
    /// [`set_cache_mode`](Self::set_cache_mode) chose before.
    /// A further queue that could not be set up at one time, for a lack of memory for instance, is not tried again, nor are those
    /// after it.
    ///
    /// # Errors
    ///
    /// [`RecoverError`]; the device is not running then, and every further call says so.
    pub fn recover(
        &mut self,
        mut reclaim: impl FnMut(Reclaimed<P::Dma>),
    ) -> Result<(), RecoverError> {
        let life = self.life.take().ok_or(RecoverError::NotRunning)?;
        self.own.abandoned = None;
        self.own.bounce = None;
        let timeout = self.options.timeout;
        let ended = life.end(self.platform.clock(), timeout, |request, owner| {
            if owner == Owner::User {
                reclaim(request);
            }
        });
        let ended = ended.map_err(|error| match error.is_gone {
            true => RecoverError::Gone,
            false => RecoverError::Reset {
                timeout: error.timeout,
                status: error.status,
            },
        })?;
        let slots = ended.slots.ok_or(RecoverError::NotRunning)?;
        let slots = (slots, ended.more_slots);
        let started = Life::start(ended.transport, &self.platform, slots, &self.options)?;
        self.life = Some(started.life);
        self.own.bounce = Some(started.bounce);
        self.capabilities = started.capabilities;
        self.set_used_notifications(self.wants_notifications);
        log::debug!("block device was reset and is live again");
        Ok(())
    }

    /// Resets the device and gives the transport back; waits for it.
    ///
    /// `reclaim` is handed every submitted request that was not taken.
    ///
    /// # Errors
    ///
    /// [`ResetError`]; the memory the device was given is leaked then, for it may still write there.
    pub fn reset(mut self, mut reclaim: impl FnMut(Reclaimed<P::Dma>)) -> Result<T, ResetError<T>> {
        let life = self.life.take().ok_or(ResetError::NotRunning)?;
        let ended = life.end(
            self.platform.clock(),
            self.options.timeout,
            |request, owner| {
                if owner == Owner::User {
                    reclaim(request);
                }
            },
        );
        match ended {
            Ok(ended) => Ok(ended.transport),
            Err(error) => Err(ResetError::Device(error)),
        }
    }
}

impl<T: Transport, P: Platform, const MORE: usize> Drop for Blk<'_, T, P, MORE> {
    fn drop(&mut self) {
        if let Some(life) = self.life.take()
            && let Err(error) = life.end(self.platform.clock(), self.options.timeout, |_, _| {})
        {
            log::warn!(
                "block device is not reset after {:?}, its status reads {}: its memory is leaked",
                error.timeout,
                error.status
            );
        }
    }
}
