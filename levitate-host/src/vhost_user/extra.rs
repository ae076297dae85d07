//! The messages for which the `vhost` crate has numbers and no methods.

#![expect(
    clippy::host_endian_bytes,
    reason = "vhost-user is spoken between processes of one machine, in its byte order"
)]

use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::net::UnixStream;

use vhost::vhost_user::message::FrontendReq;
use vmm_sys_util::sock_ctrl_msg::ScmSocket as _;

/// Request, flags and size of what follows, 32 bits each in the machine's byte order.
const HEADER_BYTES: usize = 12;

/// Bits 0 and 1 of the flags: the version of the protocol.
const VERSION: u32 = 1;

/// Bit 2 of the flags: this is an answer.
const REPLY: u32 = 1 << 2;

/// Bit 3 of the flags: this shall be answered.
const NEED_REPLY: u32 = 1 << 3;

/// Sends a status to the back end, and returns its answer: 0 if it took it.
pub(super) fn set_status(socket: &mut UnixStream, status: u8) -> io::Result<u64> {
    let payload = u64::from(status).to_ne_bytes();
    send(socket, FrontendReq::SET_STATUS, &payload, &[])?;
    receive(socket, FrontendReq::SET_STATUS)
}

/// Asks the back end for its status.
pub(super) fn get_status(socket: &mut UnixStream) -> io::Result<u64> {
    send(socket, FrontendReq::GET_STATUS, &[], &[])?;
    receive(socket, FrontendReq::GET_STATUS)
}

/// Gives the back end a socket to its display, and returns its answer: 0 if it took it.
pub(super) fn set_gpu_socket(socket: &mut UnixStream, display: &UnixStream) -> io::Result<u64> {
    let request = FrontendReq::GPU_SET_SOCKET;
    send(socket, request, &[], &[display.as_raw_fd()])?;
    receive(socket, request)
}

fn send(
    socket: &UnixStream,
    request: FrontendReq,
    payload: &[u8],
    files: &[RawFd],
) -> io::Result<()> {
    let size = payload.len() as u32;
    let mut message = Vec::with_capacity(HEADER_BYTES + payload.len());
    for word in [request.into(), VERSION | NEED_REPLY, size] {
        message.extend_from_slice(&u32::to_ne_bytes(word));
    }
    message.extend_from_slice(payload);
    // Less than the socket's buffer holds, so it is sent as a whole.
    let sent = socket.send_with_fds(&[message.as_slice()], files)?;
    if sent == message.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

/// Receives the answer, which is 64 bits for all of these.
fn receive(socket: &mut UnixStream, request: FrontendReq) -> io::Result<u64> {
    let mut words = [[0; 4]; HEADER_BYTES / 4];
    for word in &mut words {
        socket.read_exact(word)?;
    }
    let header = words.map(u32::from_ne_bytes);
    if header != [request.into(), VERSION | REPLY, 8] {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut value = [0; 8];
    socket.read_exact(&mut value)?;
    Ok(u64::from_ne_bytes(value))
}
