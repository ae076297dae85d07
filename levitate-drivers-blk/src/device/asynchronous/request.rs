//! A request that is on its way: [`Request`].

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use levitate_hal::{Deadline, Platform};
use levitate_virtio::{Token, Transport};

use super::AsyncBlk;
use super::shared::Place;
use crate::error::Error;
use crate::request::{Completion, RequestError};

/// A submitted request: the future of its answer.
///
/// The first poll notifies the device of this and all other requests that it was not notified of, and starts the deadline.
/// The answer is a [`Completion`] with the buffer, also if the device did not carry the request out.
///
/// Dropped, or ended by an error, it leaves the request with the device. Nothing dangles: what it carries is the driver's until the device
/// has answered, and is freed then.
/// A request that is not polled at all is carried out when the device is notified of a later one, or looks by itself.
///
/// # Errors
///
/// [`Error::Timeout`] with the reason, [`Error::NeedsReset`] or [`Error::Fault`];
/// [`RequestError::Aborted`] after [`AsyncBlk::recover`], which was handed the buffer.
#[must_use = "a request whose answer nobody waits for may fail unnoticed"]
pub struct Request<'b, 's, T: Transport, P: Platform, const MORE: usize = 0> {
    blk: &'b AsyncBlk<'s, T, P, MORE>,
    token: Token,
    deadline: Option<Deadline>,
}

impl<'b, 's, T: Transport, P: Platform, const MORE: usize> Request<'b, 's, T, P, MORE> {
    pub(super) const fn new(blk: &'b AsyncBlk<'s, T, P, MORE>, token: Token) -> Self {
        Self {
            blk,
            token,
            deadline: None,
        }
    }

    /// Returns the request's name, which its [`Completion`] bears too.
    #[must_use]
    pub const fn token(&self) -> Token {
        self.token
    }
}

impl<T: Transport, P: Platform, const MORE: usize> Future for Request<'_, '_, T, P, MORE> {
    type Output = Result<Completion<P::Dma>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.blk.is_recovering() {
            return Poll::Ready(Err(RequestError::Aborted.into()));
        }
        let token = this.token;
        let place = Place::Answer(token);
        let polled = this
            .blk
            .poll_at(place, &mut this.deadline, context.waker(), |shared| {
                shared.take_answer(token)
            });
        if let Poll::Ready(Err(_)) = polled {
            this.blk.abandon(token);
        }
        polled
    }
}

impl<T: Transport, P: Platform, const MORE: usize> Drop for Request<'_, '_, T, P, MORE> {
    fn drop(&mut self) {
        self.blk.abandon(self.token);
    }
}

impl<T: Transport, P: Platform, const MORE: usize> fmt::Debug for Request<'_, '_, T, P, MORE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
