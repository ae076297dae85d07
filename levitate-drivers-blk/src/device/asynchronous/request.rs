//! A request that is on its way: [`Request`].

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use levitate_hal::{Deadline, Platform};
use levitate_virtio::{Token, Transport};

use super::AsyncBlk;
use super::shared::Place;
use super::waiting::Wait;
use crate::error::Error;
use crate::listener::Waiter;
use crate::request::{Completion, RequestError};

/// A submitted request: the future of its answer.
///
/// The first poll notifies the device of this and all other requests that it was not notified of. The deadline counts from there, or from
/// the first poll of another request, if none was submitted and no answer taken since.
/// The answer is a [`Completion`] with the buffer, also if the device did not carry the request out.
///
/// Dropped, or ended by an error, it leaves the request with the device. Nothing dangles: what it carries is the driver's until the device
/// has answered, and is freed then.
/// A request that is not polled at all is carried out when the device is notified of a later one, or looks by itself.
///
/// # Errors
///
/// [`Error::Timeout`] with the reason, [`Error::NeedsReset`] or [`Error::Fault`];
/// [`RequestError::Aborted`] after [`AsyncBlk::recover`] or [`AsyncBlk::reset_queue`], which was handed the buffer.
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
        let polled = this.blk.poll_wait(this, context.waker());
        if let Poll::Ready(Err(_)) = polled {
            this.blk.abandon(this.token);
        }
        polled
    }
}

impl<T: Transport, P: Platform, const MORE: usize> Wait for Request<'_, '_, T, P, MORE> {
    type Output = Completion<P::Dma>;

    fn place(&self) -> Place {
        Place::Answer(self.token)
    }

    fn deadline(&mut self) -> &mut Option<Deadline> {
        &mut self.deadline
    }

    fn replace_waiter(&mut self, waiter: Option<Waiter>) -> Option<Waiter> {
        let mut shared = self.blk.shared.borrow_mut();
        shared.replace_waiter(self.token, waiter)
    }

    fn attain(&mut self) -> Option<Result<Self::Output, Error>> {
        self.blk.shared.borrow_mut().take_answer(self.token)
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
