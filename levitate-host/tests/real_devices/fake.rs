//! A back end that does what a test says, and nothing else: [`Fake`].

#![expect(
    clippy::host_endian_bytes,
    reason = "vhost-user is spoken between processes of one machine, in its byte order"
)]

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Requests of the vhost-user protocol.
pub(crate) const GET_FEATURES: u32 = 1;
pub(crate) const SET_FEATURES: u32 = 2;
pub(crate) const SET_VRING_ADDR: u32 = 9;
pub(crate) const GET_VRING_BASE: u32 = 11;
pub(crate) const GET_PROTOCOL_FEATURES: u32 = 15;
pub(crate) const SET_PROTOCOL_FEATURES: u32 = 16;
pub(crate) const GET_QUEUE_NUM: u32 = 17;
pub(crate) const SET_VRING_ENABLE: u32 = 18;
pub(crate) const GET_CONFIG: u32 = 24;
pub(crate) const SET_CONFIG: u32 = 25;
pub(crate) const SET_STATUS: u32 = 39;
pub(crate) const GET_STATUS: u32 = 40;

/// Protocol features.
pub(crate) const MQ: u64 = 1 << 0;
pub(crate) const REPLY_ACK: u64 = 1 << 3;
pub(crate) const CONFIG: u64 = 1 << 9;
pub(crate) const STATUS: u64 = 1 << 16;

/// `VIRTIO_F_VERSION_1` and `VHOST_USER_F_PROTOCOL_FEATURES`.
pub(crate) const VERSION_1: u64 = 1 << 32;
pub(crate) const PROTOCOL_FEATURES: u64 = 1 << 30;

/// Flags of a message: version 1, an answer, one that is to be answered.
const VERSION: u32 = 1;
const REPLY: u32 = 1 << 2;
const NEED_REPLY: u32 = 1 << 3;

/// What the back end does instead of the right thing, at one request.
#[derive(Clone, Debug)]
pub(crate) enum Instead {
    /// It sends these bytes.
    Send(Vec<u8>),
    /// It sends an answer with this payload.
    Answer(Vec<u8>),
    /// It sends nothing, and leaves the socket open.
    KeepSilent,
    /// It hangs up.
    HangUp,
}

impl Instead {
    /// An answer that is a number, as most are.
    pub(crate) fn number(value: u64) -> Self {
        Self::Answer(value.to_ne_bytes().to_vec())
    }
}

/// Returns numbers of 32 bits as they are in a message.
pub(crate) fn words(numbers: &[u32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_ne_bytes())
        .collect()
}

/// A back end to be.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) features: u64,
    pub(crate) protocol_features: u64,
    pub(crate) instead: HashMap<u32, Instead>,
}

impl Script {
    /// A back end that has all that is needed, and makes no mistake; but it does nothing with its virtqueue.
    pub(crate) fn sound() -> Self {
        Self {
            features: VERSION_1 | PROTOCOL_FEATURES,
            protocol_features: CONFIG | REPLY_ACK,
            instead: HashMap::new(),
        }
    }

    pub(crate) fn instead(mut self, request: u32, instead: Instead) -> Self {
        self.instead.insert(request, instead);
        self
    }

    /// Returns the payload of the answer to a request; `None` if it asks for none.
    fn answer(&self, request: u32, is_reply_needed: bool, payload: &[u8]) -> Option<Vec<u8>> {
        let number = |value: u64| Some(value.to_ne_bytes().to_vec());
        match request {
            GET_FEATURES => number(self.features),
            GET_PROTOCOL_FEATURES => number(self.protocol_features),
            GET_QUEUE_NUM => number(1),
            // A disk of 8 sectors.
            GET_CONFIG => {
                let mut answer = payload.to_vec();
                answer[12..20].copy_from_slice(&8_u64.to_le_bytes());
                Some(answer)
            }
            GET_VRING_BASE => Some([&payload[..4], &[0; 4]].concat()),
            GET_STATUS => number(0xf),
            _ if is_reply_needed => number(0),
            _ => None,
        }
    }
}

/// Every request so far: its number and its payload.
type Requests = Mutex<Vec<(u32, Vec<u8>)>>;

/// A back end in a thread of the test.
pub(crate) struct Fake {
    directory: tempfile::TempDir,
    requests: Arc<Requests>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    /// Listens for one front end.
    pub(crate) fn start(script: Script) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("socket")).unwrap();
        let requests = Arc::<Requests>::default();
        let seen = requests.clone();
        let thread = std::thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            // An error is the end of the front end, in the middle of a message.
            let _ = serve(socket, &script, &seen);
        });
        Self {
            directory,
            requests,
            thread: Some(thread),
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// Returns the payloads of all requests with that number.
    pub(crate) fn requests(&self, number: u32) -> Vec<Vec<u8>> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .filter(|(request, _)| *request == number)
            .map(|(_, payload)| payload.clone())
            .collect()
    }

    /// Returns the numbers that all requests with that number carried.
    pub(crate) fn numbers(&self, number: u32) -> Vec<u64> {
        self.requests(number)
            .into_iter()
            .map(|payload| u64::from_ne_bytes(payload.try_into().unwrap()))
            .collect()
    }
}

impl Drop for Fake {
    /// Waits until the front end is gone too.
    fn drop(&mut self) {
        // Its own panic is reported, and a front end that never came is no reason to wait.
        if let Ok(socket) = UnixStream::connect(self.socket()) {
            drop(socket);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Answers requests until the front end hangs up.
fn serve(mut socket: UnixStream, script: &Script, seen: &Requests) -> std::io::Result<()> {
    loop {
        let mut header = [0; 12];
        socket.read_exact(&mut header)?;
        let [request, flags, size] =
            [0, 4, 8].map(|at| u32::from_ne_bytes(header[at..at + 4].try_into().unwrap()));
        let mut payload = vec![0; size as usize];
        socket.read_exact(&mut payload)?;
        seen.lock().unwrap().push((request, payload.clone()));
        let is_reply_needed = flags & NEED_REPLY != 0;
        let answer = match script.instead.get(&request) {
            None => script.answer(request, is_reply_needed, &payload),
            Some(Instead::Answer(payload)) => Some(payload.clone()),
            Some(Instead::KeepSilent) => None,
            Some(Instead::HangUp) => return Ok(()),
            Some(Instead::Send(bytes)) => {
                socket.write_all(bytes)?;
                None
            }
        };
        if let Some(answer) = answer {
            let mut message = words(&[request, VERSION | REPLY, answer.len() as u32]);
            message.extend_from_slice(&answer);
            socket.write_all(&message)?;
        }
    }
}
