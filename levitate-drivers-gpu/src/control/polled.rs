//! Looks at the control queue that do not wait.

use levitate_hal::{Deadline, Platform};
use levitate_virtio::{Token, Transport};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{Control, checked};
use crate::error::Error;
use crate::protocol::Response;

impl<T: Transport, P: Platform> Control<'_, T, P> {
    /// Asks for the response to a command; `None` if there is none yet, and there is time.
    pub(crate) fn poll_answer<R>(
        &mut self,
        token: Token,
        deadline: &Deadline,
    ) -> Result<Option<R>, Error>
    where
        R: Response + FromBytes + IntoBytes + Immutable,
    {
        self.queue.await_together(1);
        self.queue.process()?;
        if !self.queue.is_done(token) {
            if !deadline.is_missed(self.platform.clock()) {
                return Ok(None);
            }
            // What arrived until the clock was read is in time.
            self.queue.process()?;
        }
        match self.queue.take::<R>(token) {
            Some(completed) => checked(completed).map(Some),
            None => Err(self.timeout::<R>(token, deadline)),
        }
    }

    /// Asks whether `needed` commands can be submitted; `None` if they cannot yet, and there is time.
    ///
    /// What is done and belongs to no frame is thrown away, as by [`reserve`](Self::reserve).
    pub(crate) fn poll_room(
        &mut self,
        needed: u16,
        deadline: &Deadline,
    ) -> Result<Option<()>, Error> {
        if self.has_room(needed)? {
            return Ok(Some(()));
        }
        if !deadline.is_missed(self.platform.clock()) {
            return Ok(None);
        }
        // What arrived until the clock was read is in time.
        match self.has_room(needed)? {
            true => Ok(Some(())),
            false => Err(self.no_room(needed, deadline)),
        }
    }

    /// Says whether `needed` commands can be submitted, as [`poll_room`](Self::poll_room) does.
    pub(crate) fn has_room(&mut self, needed: u16) -> Result<bool, Error> {
        self.queue.await_together(1);
        self.sweep()?;
        Ok(self.queue.idle_slots() >= needed)
    }
}
