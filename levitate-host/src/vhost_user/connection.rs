//! The conversation with a back end, each message with a deadline: [`Connection`].

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use vhost::VhostBackend as _;
use vhost::vhost_user::message::{VhostUserHeaderFlag, VhostUserProtocolFeatures};
use vhost::vhost_user::{Frontend, VhostUserFrontend as _};

use super::error::{ConnectError, MessageError};
use super::extra;
use super::options::Options;
use super::peer::Peer;
use super::watchdog::Watchdog;

/// `VHOST_USER_F_PROTOCOL_FEATURES`: among the device's features, the bit that says that there are protocol features.
pub(super) const PROTOCOL_FEATURES_BIT: u64 = 1 << 30;

/// `VIRTIO_F_VERSION_1` (§6).
const VERSION_1: u64 = 1 << 32;

/// How many virtqueues the messages that carry an event can name: they have eight bits for it.
const MAX_QUEUES: u16 = 256;

/// How long to wait before another attempt to connect to a back end whose queue of waiting front ends is full.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// A connection to a back end that has what this front end needs.
pub(super) struct Connection {
    frontend: Frontend,
    socket: UnixStream,
    watchdog: Watchdog,
    peer: Peer,
    timeout: Duration,
    has_status: bool,
    queues: u16,
    /// Why the connection is of no more use.
    loss: Option<MessageError>,
}

impl Connection {
    /// Connects to the socket at `path`, and agrees on how to talk.
    pub(super) fn open(path: &Path, options: &Options) -> Result<Self, ConnectError> {
        let socket =
            connect_within(path, options.timeout).map_err(|error| ConnectError::NoSocket {
                path: path.to_owned(),
                source: error.into(),
            })?;
        let mut connection = Self {
            frontend: Frontend::from_stream(socket.try_clone()?, u64::from(options.queues)),
            watchdog: Watchdog::new(&socket)?,
            peer: Peer::of(&socket),
            socket,
            timeout: options.timeout,
            has_status: false,
            queues: options.queues,
            loss: None,
        };
        connection.agree()?;
        Ok(connection)
    }

    /// Agrees on protocol features: those this front end has a use for, and no other.
    fn agree(&mut self) -> Result<(), ConnectError> {
        let features = self.features()?;
        let missing = |missing| Err(ConnectError::MissingFeature { missing });
        if features & PROTOCOL_FEATURES_BIT == 0 {
            return missing("VHOST_USER_F_PROTOCOL_FEATURES");
        }
        if features & VERSION_1 == 0 {
            return missing("VIRTIO_F_VERSION_1");
        }
        let offered = self.call("GET_PROTOCOL_FEATURES", Frontend::get_protocol_features)?;
        type Protocol = VhostUserProtocolFeatures;
        if !offered.contains(Protocol::CONFIG) {
            return missing("VHOST_USER_PROTOCOL_F_CONFIG");
        }
        if !offered.contains(Protocol::REPLY_ACK) {
            return missing("VHOST_USER_PROTOCOL_F_REPLY_ACK");
        }
        let used = Protocol::CONFIG | Protocol::REPLY_ACK | Protocol::MQ | Protocol::STATUS;
        let accepted = offered & used;
        self.call("SET_PROTOCOL_FEATURES", |frontend| {
            frontend.set_protocol_features(accepted)
        })?;
        // From here on every message is answered, so that a refusal is noticed where it happens.
        self.frontend.set_hdr_flags(VhostUserHeaderFlag::NEED_REPLY);
        self.has_status = accepted.contains(Protocol::STATUS);
        if accepted.contains(Protocol::MQ) {
            let queues = self.call("GET_QUEUE_NUM", Frontend::get_queue_num)?;
            self.queues = u16::try_from(queues).map_or(MAX_QUEUES, |queues| queues.min(MAX_QUEUES));
        }
        self.call("SET_OWNER", |frontend| frontend.set_owner())?;
        Ok(())
    }

    /// Reads the features the back end offers, those of the protocol among them.
    pub(super) fn features(&mut self) -> Result<u64, MessageError> {
        self.call("GET_FEATURES", |frontend| frontend.get_features())
    }

    /// Returns how many virtqueues there are.
    pub(super) const fn queues(&self) -> u16 {
        self.queues
    }

    /// Sends one message, by the crate's method for it, and waits for the answer.
    pub(super) fn call<R>(
        &mut self,
        message: &'static str,
        exchange: impl FnOnce(&mut Frontend) -> vhost::Result<R>,
    ) -> Result<R, MessageError> {
        if let Some(loss) = self.loss {
            return Err(loss);
        }
        let Self {
            watchdog, frontend, ..
        } = self;
        let (result, is_late) = watchdog.watch(self.timeout, || exchange(frontend));
        let result = result.map_err(|error| MessageError::new(message, &error));
        self.judge(message, result, is_late)
    }

    /// Tells the back end the device status, if it wants to know.
    pub(super) fn set_status(&mut self, status: u8) -> Result<(), MessageError> {
        if !self.has_status {
            return Ok(());
        }
        self.exchange("SET_STATUS", |socket| extra::set_status(socket, status))
            .and_then(|answer| accepted("SET_STATUS", answer))
    }

    /// Asks the back end for the device status; `None` if it keeps none.
    pub(super) fn status(&mut self) -> Result<Option<u8>, MessageError> {
        if !self.has_status {
            return Ok(None);
        }
        let message = "GET_STATUS";
        let status = self.exchange(message, extra::get_status)?;
        // More than eight bits is no status.
        match u8::try_from(status) {
            Ok(status) => Ok(Some(status)),
            Err(_) => self.reject(message),
        }
    }

    /// Ends the conversation over an answer that makes no sense.
    pub(super) fn reject<R>(&mut self, message: &'static str) -> Result<R, MessageError> {
        self.judge(message, Err(MessageError::Garbage { message }), false)
    }

    /// Gives a GPU's back end the socket to its display.
    pub(super) fn set_gpu_socket(&mut self, display: &UnixStream) -> Result<(), MessageError> {
        self.exchange("GPU_SET_SOCKET", |socket| {
            extra::set_gpu_socket(socket, display)
        })
        .and_then(|answer| accepted("GPU_SET_SOCKET", answer))
    }

    /// Sends one message for which the crate has no method, and waits for the answer.
    fn exchange(
        &mut self,
        message: &'static str,
        exchange: impl FnOnce(&mut UnixStream) -> std::io::Result<u64>,
    ) -> Result<u64, MessageError> {
        if let Some(loss) = self.loss {
            return Err(loss);
        }
        let Self {
            watchdog, socket, ..
        } = self;
        let (result, is_late) = watchdog.watch(self.timeout, || exchange(socket));
        let result = result.map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => MessageError::Garbage { message },
            _ => MessageError::Closed { message },
        });
        self.judge(message, result, is_late)
    }

    /// Takes note of a loss.
    fn judge<R>(
        &mut self,
        message: &'static str,
        mut result: Result<R, MessageError>,
        is_late: bool,
    ) -> Result<R, MessageError> {
        if is_late {
            let timeout = self.timeout;
            result = Err(MessageError::Timeout { message, timeout });
        }
        if let Err(error) = &result
            && !error.is_survived()
        {
            self.lose(*error);
        }
        result
    }

    /// Ends the conversation; the back end sees it end too.
    fn lose(&mut self, why: MessageError) {
        self.loss = Some(why);
        // It fails only if the other end did so before.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }

    /// Returns why the connection is of no more use, after a look at the socket; `None` while it is.
    pub(super) fn loss(&mut self) -> Option<MessageError> {
        if self.loss.is_none() {
            let mut polled = [PollFd::new(&self.socket, PollFlags::IN | PollFlags::RDHUP)];
            let count = poll(&mut polled, Some(&Timespec::default()));
            let events = polled[0].revents();
            let message = "no message";
            if events.intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR) {
                self.lose(MessageError::Closed { message });
            } else if count == Ok(1) {
                // Nobody asked.
                self.lose(MessageError::Garbage { message });
            }
        }
        self.loss
    }

    /// Says whether the process at the other end is known to have ended.
    pub(super) fn has_peer_ended(&self) -> bool {
        self.peer.has_ended()
    }
}

/// Turns the answer to a message into a result: 0 is success.
fn accepted(message: &'static str, answer: u64) -> Result<(), MessageError> {
    match answer {
        0 => Ok(()),
        _ => Err(MessageError::Refused { message }),
    }
}

/// Connects; a back end that has too many front ends waiting already is given `timeout`.
fn connect_within(path: &Path, timeout: Duration) -> Result<UnixStream, Errno> {
    let end = Instant::now() + timeout;
    let address = SocketAddrUnix::new(path)?;
    loop {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        match connect(&socket, &address) {
            Ok(()) => {
                let socket = UnixStream::from(socket);
                rustix::io::ioctl_fionbio(&socket, false)?;
                return Ok(socket);
            }
            Err(Errno::AGAIN) if Instant::now() < end => std::thread::sleep(FULL_PAUSE),
            Err(error) => return Err(error),
        }
    }
}
