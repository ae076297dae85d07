//! The process behind a socket, and whether it has ended: [`Peer`].

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{PidfdFlags, getpid, pidfd_open};

/// The process that listened at the other end when the connection was made: nobody that it forked, or handed its socket.
///
/// A process of another PID namespace has no number here; the kernel reports 0, for which the type of the credentials has no value.
/// Back ends have to be in this process's namespace, or one below it.
#[derive(Debug)]
pub(super) struct Peer {
    /// `None` if it is this process, or not to be seen from here: nothing about its end is known then.
    process: Option<OwnedFd>,
}

impl Peer {
    /// Finds out who is at the other end of `socket`.
    pub(super) fn of(socket: &UnixStream) -> Self {
        let process = socket_peercred(socket)
            .ok()
            .filter(|credentials| credentials.pid != getpid())
            .and_then(|credentials| pidfd_open(credentials.pid, PidfdFlags::empty()).ok());
        Self { process }
    }

    /// Says whether the process is known to have ended, with every thread of it.
    pub(super) fn has_ended(&self) -> bool {
        let Some(process) = &self.process else {
            return false;
        };
        let mut polled = [PollFd::new(process, PollFlags::IN)];
        matches!(poll(&mut polled, Some(&Timespec::default())), Ok(1))
    }
}
