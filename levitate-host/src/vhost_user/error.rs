//! What can go wrong between front end and back end: [`ConnectError`], [`MessageError`].

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use vhost::vhost_user::Error as ProtocolError;

use crate::dma::ShareError;

/// Why there is no usable device behind a socket.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody listens there.
    #[error("cannot connect to {}: {source}", path.display())]
    NoSocket {
        /// Where the socket was expected.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The back end did not answer as the protocol demands.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The back end lacks what this front end cannot do without.
    #[error("back end does not offer {missing}")]
    MissingFeature {
        /// The feature's name in the specification.
        missing: &'static str,
    },
    /// The pool's memory is of no use to another process.
    #[error(transparent)]
    Memory(#[from] ShareError),
    /// The system gives no socket, event or thread.
    #[error("cannot set up the connection: {0}")]
    System(#[from] io::Error),
}

/// Why a message was not answered as it should be.
///
/// After all but [`Refused`](Self::Refused) the connection is of no more use, and the device counts as gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The back end is gone, or wants no more to do with this front end.
    #[error("back end closed the connection, at {message}")]
    Closed {
        /// The message that was to be answered.
        message: &'static str,
    },
    /// The back end did not answer in time.
    #[error("back end does not answer {message} within {timeout:?}")]
    Timeout {
        /// The message that was to be answered.
        message: &'static str,
        /// How long was waited.
        timeout: Duration,
    },
    /// The back end sent something else.
    #[error(
        "back end does not speak vhost-user: what it answers to {message} is none of its messages"
    )]
    Garbage {
        /// The message that was to be answered.
        message: &'static str,
    },
    /// The back end answered that it cannot do it.
    #[error("back end refuses {message}")]
    Refused {
        /// The message that was answered.
        message: &'static str,
    },
}

impl MessageError {
    /// Says it in this enum's words.
    pub(super) fn new(message: &'static str, error: &vhost::Error) -> Self {
        let vhost::Error::VhostUserProtocol(error) = error else {
            return Self::Garbage { message };
        };
        match error {
            ProtocolError::BackendInternalError => Self::Refused { message },
            ProtocolError::Disconnected
            | ProtocolError::PartialMessage
            | ProtocolError::SocketBroken(_)
            | ProtocolError::SocketError(_) => Self::Closed { message },
            _ => Self::Garbage { message },
        }
    }

    /// Returns the message that was not answered as it should be.
    pub(super) const fn message(&self) -> &'static str {
        match self {
            Self::Closed { message }
            | Self::Timeout { message, .. }
            | Self::Garbage { message }
            | Self::Refused { message } => message,
        }
    }

    /// Says whether question and answer are still in step.
    pub(super) const fn is_survived(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}
