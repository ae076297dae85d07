//! A vhost-user back end that knows as much as virtio-driver's front end asks for: [`connect`].
//!
//! It shares this process and its memory, so that it maps nothing; it keeps the addresses of the queue.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use anyhow::Result;
use virtio_driver::{ByteValued, VhostUser};

use super::{Ring, SIZE};
use crate::device::Areas;

/// Requests of the protocol.
const GET_FEATURES: u32 = 1;
const SET_VRING_ADDR: u32 = 9;
const GET_PROTOCOL_FEATURES: u32 = 15;
const GET_MAX_MEM_SLOTS: u32 = 36;

/// Flags of a message: version 1, a reply, and that one is wanted.
const VERSION: u32 = 1;
const REPLY: u32 = 1 << 2;
const NEED_REPLY: u32 = 1 << 3;

/// `VHOST_USER_F_PROTOCOL_FEATURES`; REPLY_ACK, CONFIG and CONFIGURE_MEM_SLOTS, without which the front end refuses.
const F_PROTOCOL_FEATURES: u64 = 1 << 30;
const PROTOCOL_FEATURES: u64 = 1 << 3 | 1 << 9 | 1 << 15;

/// Regions of memory, of which the front end wants one for its queues.
const MEMORY_SLOTS: u64 = 8;

/// Connects to a back end that offers this kind of ring; the receiver gets the areas of each queue that is set up.
///
/// # Errors
///
/// There can be no socket, or the front end does not like the back end.
pub(super) fn connect<C: ByteValued, R: Copy>(
    ring: Ring,
) -> Result<(VhostUser<C, R>, Receiver<Areas>)> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("vhost-user");
    let listener = UnixListener::bind(&path)?;
    let (queues, receiver) = mpsc::channel();
    thread::spawn(move || {
        // An error here is one there.
        let _ = listener
            .accept()
            .and_then(|(stream, _)| serve(stream, ring.features(), &queues));
    });
    let path = path.to_string_lossy();
    let transport = VhostUser::new(&path, ring.features())?;
    Ok((transport, receiver))
}

/// Answers until the front end is gone.
fn serve(mut stream: UnixStream, features: u64, queues: &Sender<Areas>) -> io::Result<()> {
    loop {
        let [request, flags, len_bytes] =
            [word(&mut stream)?, word(&mut stream)?, word(&mut stream)?];
        let mut payload = vec![0; len_bytes as usize];
        stream.read_exact(&mut payload)?;
        let answer = match request {
            GET_FEATURES => Some(features | F_PROTOCOL_FEATURES),
            GET_PROTOCOL_FEATURES => Some(PROTOCOL_FEATURES),
            GET_MAX_MEM_SLOTS => Some(MEMORY_SLOTS),
            // Zero: it is done.
            _ => (flags & NEED_REPLY != 0).then_some(0),
        };
        if request == SET_VRING_ADDR
            && let Some(areas) = areas(&payload)
        {
            // Nobody may want to know.
            let _ = queues.send(areas);
        }
        if let Some(answer) = answer {
            for word in [request, VERSION | REPLY, size_of::<u64>() as u32] {
                stream.write_all(&word.to_le_bytes())?;
            }
            stream.write_all(&answer.to_le_bytes())?;
        }
    }
}

fn word(stream: &mut UnixStream) -> io::Result<u32> {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// Reads a description of a queue: index and flags in a word, then the addresses of descriptors, used ring and available ring.
fn areas(payload: &[u8]) -> Option<Areas> {
    let (words, _) = payload.as_chunks::<8>();
    let &[_, descriptor, device, driver, ..] = words else {
        return None;
    };
    Some(Areas {
        size: SIZE,
        descriptor: u64::from_le_bytes(descriptor),
        driver: u64::from_le_bytes(driver),
        device: u64::from_le_bytes(device),
    })
}
