//! A request that is on its way: [`Request`].

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use levitate_hal::{Instant, Platform};
use levitate_virtio::{Token, Transport};

use super::AsyncBlk;
use super::shared::Place;
use super::waiting::Wait;
use crate::error::Error;
use crate::listener::{Listener, Waiter};
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
/// [`Error::Timeout`] with the reason, [`Error::NeedsReset`], [`Error::Gone`] or [`Error::Fault`];
/// [`RequestError::Aborted`] after [`AsyncBlk::recover`] or [`AsyncBlk::reset_queue`], which was handed the buffer.
#[must_use = "a request whose answer nobody waits for may fail unnoticed"]
pub struct Request<'b, 's, T: Transport, P: Platform, const MORE: usize = 0> {
    blk: &'b AsyncBlk<'s, T, P, MORE>,
    token: Token,
    stage: Stage,
}

/// How far a future has come.
// With the rest of the future it is four words, which any target moves without a call.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// It has not waited yet.
    Begun,
    /// It has waited, and its deadline counts from there.
    Waiting(Instant),
    /// Its request is taken back.
    Over,
}

impl<'b, 's, T: Transport, P: Platform, const MORE: usize> Request<'b, 's, T, P, MORE> {
    #[inline]
    pub(super) const fn new(blk: &'b AsyncBlk<'s, T, P, MORE>, token: Token) -> Self {
        Self {
            blk,
            token,
            stage: Stage::Begun,
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

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let polled = match this.blk.is_recovering() {
            true => Poll::Ready(Err(RequestError::Aborted.into())),
            false => this.blk.poll_wait(this, context.waker()),
        };
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

    #[inline]
    fn began(&self) -> Option<Instant> {
        match self.stage {
            Stage::Waiting(start) => Some(start),
            Stage::Begun | Stage::Over => None,
        }
    }

    fn begin(&mut self, start: Instant) {
        self.stage = Stage::Waiting(start);
    }

    fn replace_waiter(&mut self, waiter: Option<Waiter>) -> Option<Waiter> {
        let mut shared = self.blk.shared.borrow_mut();
        shared.replace_waiter(self.token, waiter)
    }

    #[inline(always)]
    fn attain(&mut self) -> Poll<Result<Self::Output, Error>> {
        // A waker that is left over is let go last, with nothing borrowed.
        let mut listener = Listener::Nobody;
        let shared = &mut *self.blk.shared.borrow_mut();
        if let Stage::Begun = self.stage {
            shared.announce();
        }
        let polled = shared.take_answer(self.token, &mut listener);
        if let Poll::Ready(Ok(_)) = polled {
            self.stage = Stage::Over;
        }
        polled
    }
}

impl<T: Transport, P: Platform, const MORE: usize> Drop for Request<'_, '_, T, P, MORE> {
    #[inline]
    fn drop(&mut self) {
        match self.stage {
            Stage::Over => {}
            Stage::Begun | Stage::Waiting(_) => self.blk.abandon(self.token),
        }
    }
}

impl<T: Transport, P: Platform, const MORE: usize> fmt::Debug for Request<'_, '_, T, P, MORE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
