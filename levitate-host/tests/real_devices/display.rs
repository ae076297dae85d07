//! The display of a `vhost-user-gpu` back end, at the other end of its second socket: [`Display`].
//!
//! The protocol is QEMU's (docs/interop/vhost-user-gpu): request, flags and size, 32 bits each, and then as many bytes.

#![expect(
    clippy::host_endian_bytes,
    reason = "it is spoken between processes of one machine, in its byte order"
)]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::program::BackEnd;

/// Requests of the back end.
const GET_PROTOCOL_FEATURES: u32 = 1;
const SET_PROTOCOL_FEATURES: u32 = 2;
const GET_DISPLAY_INFO: u32 = 3;
const CURSOR_POS: u32 = 4;
const CURSOR_POS_HIDE: u32 = 5;
const CURSOR_UPDATE: u32 = 6;
const SCANOUT: u32 = 7;
const UPDATE: u32 = 8;
const GET_EDID: u32 = 11;

/// The display answers GET_EDID. A back end whose device has EDIDs ends itself if it is not so, as QEMU 10.0's does; 7.2's has none.
const EDID_FEATURE: u64 = 1 << 0;

/// Flag of an answer.
const REPLY: u32 = 1 << 2;

/// Answers of the GPU device (§5.7.6.7, §5.7.6.8), which the display sends in full.
const RESP_OK_DISPLAY_INFO: u32 = 0x1101;
const RESP_OK_EDID: u32 = 0x1104;

/// How long an update may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the display has been sent.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Width and height of the scanout as it was last set.
    pub(crate) size: Option<(u32, u32)>,
    /// Its pixels, four bytes each, row by row.
    pub(crate) pixels: Vec<u8>,
    /// Each update: left, top, width, height.
    pub(crate) updates: Vec<[u32; 4]>,
    /// Requests, by number.
    pub(crate) requests: Vec<u32>,
    /// What the back end did wrong.
    pub(crate) complaint: Option<String>,
}

/// A monitor with one screen.
pub(crate) struct Display {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
    size: (u32, u32),
}

impl Display {
    /// Makes a monitor that wants a picture of so many pixels, and the back end's socket to it.
    pub(crate) fn new(width: u32, height: u32) -> (Self, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            changed: Condvar::new(),
            size: (width, height),
        });
        let served = shared.clone();
        let thread = std::thread::spawn(move || served.serve(ours));
        let thread = Some(thread);
        (Self { shared, thread }, theirs)
    }

    /// Waits until `updates` updates have arrived, and hands over what was seen.
    pub(crate) fn after<R>(&self, updates: usize, look: impl FnOnce(&Seen) -> R) -> R {
        let seen = self.shared.seen.lock().unwrap();
        let (seen, waited) = self
            .shared
            .changed
            .wait_timeout_while(seen, PATIENCE, |seen| {
                seen.updates.len() < updates && seen.complaint.is_none()
            })
            .unwrap();
        assert_eq!(seen.complaint, None);
        assert!(
            !waited.timed_out(),
            "{} updates, not {updates}",
            seen.updates.len()
        );
        look(&seen)
    }

    /// Ends the back end, and hands over all that it has sent.
    pub(crate) fn finish(mut self, back_end: &mut BackEnd) -> Seen {
        // Its end of the socket is closed with it, so that the thread ends whatever the back end did with its connections.
        back_end.kill();
        self.thread.take().unwrap().join().unwrap();
        std::mem::take(&mut *self.shared.seen.lock().unwrap())
    }
}

impl Shared {
    /// Answers requests until the other end is closed.
    fn serve(&self, mut socket: UnixStream) {
        let mut header = [0; 12];
        while socket.read_exact(&mut header).is_ok() {
            // Nobody looks at the flags: QEMU sends updates with whatever was in memory there.
            let [request, _flags, size] = words(&header);
            let mut payload = vec![0; size as usize];
            socket.read_exact(&mut payload).unwrap();
            let mut seen = self.seen.lock().unwrap();
            seen.requests.push(request);
            match self.answer(&mut seen, request, &payload) {
                Ok(Some(answer)) => {
                    let mut message = Vec::new();
                    for word in [request, REPLY, answer.len() as u32] {
                        message.extend_from_slice(&word.to_ne_bytes());
                    }
                    message.extend_from_slice(&answer);
                    socket.write_all(&message).unwrap();
                }
                Ok(None) => {}
                Err(complaint) => {
                    seen.complaint.get_or_insert(complaint);
                }
            }
            self.changed.notify_all();
        }
    }

    /// Does what a request asks for; returns what to answer.
    fn answer(
        &self,
        seen: &mut Seen,
        request: u32,
        payload: &[u8],
    ) -> Result<Option<Vec<u8>>, String> {
        match (request, payload.len()) {
            (GET_PROTOCOL_FEATURES, 0) => Ok(Some(EDID_FEATURE.to_ne_bytes().to_vec())),
            (SET_PROTOCOL_FEATURES, 8) if is_part_of_offer(payload) => Ok(None),
            (GET_DISPLAY_INFO, 0) => Ok(Some(self.display_info())),
            (GET_EDID, 4) if payload == [0; 4] => Ok(Some(self.edid())),
            (CURSOR_POS | CURSOR_POS_HIDE, 12) | (CURSOR_UPDATE, _) => Ok(None),
            (SCANOUT, 12) => {
                let [scanout, width, height] = words(payload);
                if scanout != 0 {
                    return Err(format!("there is no scanout {scanout}"));
                }
                seen.size = Some((width, height));
                seen.pixels = vec![0; width as usize * height as usize * 4];
                Ok(None)
            }
            (UPDATE, 20..) => {
                let (area, pixels) = payload.split_at(20);
                self.update(seen, words(area), pixels)
            }
            (_, len_bytes) => Err(format!("request {request} with {len_bytes} bytes")),
        }
    }

    /// Puts new pixels into the picture.
    fn update(
        &self,
        seen: &mut Seen,
        [scanout, left, top, width, height]: [u32; 5],
        pixels: &[u8],
    ) -> Result<Option<Vec<u8>>, String> {
        let area = [left, top, width, height];
        let (all_columns, all_rows) = seen.size.ok_or("an update without a scanout")?;
        let is_inside = left.checked_add(width) <= Some(all_columns)
            && top.checked_add(height) <= Some(all_rows)
            && left.checked_add(width).is_some()
            && top.checked_add(height).is_some();
        let row_bytes = width as usize * 4;
        if scanout != 0 || !is_inside || pixels.len() != row_bytes * height as usize {
            return Err(format!(
                "update {area:?} of scanout {scanout} with {} bytes",
                pixels.len()
            ));
        }
        for (row, bytes) in (top as usize..).zip(pixels.chunks_exact(row_bytes)) {
            let start = (row * all_columns as usize + left as usize) * 4;
            seen.pixels[start..start + row_bytes].copy_from_slice(bytes);
        }
        seen.updates.push(area);
        Ok(None)
    }

    /// `virtio_gpu_resp_display_info`: a header of 24 bytes, and 16 scanouts with a rectangle, "enabled" and flags.
    fn display_info(&self) -> Vec<u8> {
        let mut answer = vec![0; 24 + 16 * 24];
        put(&mut answer, 0, RESP_OK_DISPLAY_INFO);
        put(&mut answer, 24 + 8, self.size.0);
        put(&mut answer, 24 + 12, self.size.1);
        put(&mut answer, 24 + 16, 1);
        answer
    }

    /// `virtio_gpu_resp_edid`: a header of 24 bytes, the length of the data, 4 bytes of padding, and room for 1024 bytes of data.
    fn edid(&self) -> Vec<u8> {
        let edid = levitate_host::gpu::edid(self.size.0, self.size.1);
        let mut answer = vec![0; 24 + 8 + 1024];
        put(&mut answer, 0, RESP_OK_EDID);
        put(&mut answer, 24, edid.len() as u32);
        answer[32..32 + edid.len()].copy_from_slice(&edid);
        answer
    }
}

/// Says whether these are no more features than the display has.
fn is_part_of_offer(features: &[u8]) -> bool {
    [0, EDID_FEATURE]
        .map(u64::to_ne_bytes)
        .iter()
        .any(|part| part == features)
}

fn put(bytes: &mut [u8], offset: usize, value: u32) {
    bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
}

/// Returns the words in `bytes`, of which there are exactly so many.
fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let (words, rest) = bytes.as_chunks::<4>();
    assert!(rest.is_empty());
    let words: Vec<u32> = words.iter().map(|word| u32::from_ne_bytes(*word)).collect();
    words.try_into().unwrap()
}
