//! What the daemon offers, asked without the front end.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use levitate_virtio::Transport as _;

use crate::fake::{GET_FEATURES, words};
use crate::storage::{PATIENCE, PLAIN, Storage};

/// `VIRTIO_F_NOTIFY_ON_EMPTY`, which only legacy drivers know (§6.3).
const NOTIFY_ON_EMPTY: u64 = 1 << 24;
/// `VHOST_F_LOG_ALL` and `VHOST_USER_F_PROTOCOL_FEATURES`, which are between front end and back end.
const PROTOCOL: u64 = 1 << 26 | 1 << 30;

/// Version 1 of the protocol.
const VERSION: u32 = 1;
/// Request, flags and size.
const HEADER_BYTES: usize = 12;

/// Asks the back end for all that it offers.
fn offered_to_anybody(socket: &Path) -> u64 {
    let mut socket = UnixStream::connect(socket).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
        .write_all(&words(&[GET_FEATURES, VERSION, 0]))
        .unwrap();
    let mut answer = [0; HEADER_BYTES + 8];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(answer[..4], words(&[GET_FEATURES]));
    answer[HEADER_BYTES..]
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u64::from(*byte))
}

#[test]
fn the_front_end_hides_nothing_from_drivers_that_the_daemon_has() {
    let Some(storage) = Storage::serve(&[0; 4096], PLAIN) else {
        return;
    };
    let offered = offered_to_anybody(&storage.socket());
    let shown = storage.connect().read_device_features();
    let hidden = offered & !shown & !(NOTIFY_ON_EMPTY | PROTOCOL);
    assert_eq!(
        hidden, 0,
        "of {offered:#x} offered the front end hides {hidden:#x}: this daemon has what none had when the front end was written, and \
         docs/evidence/vhost-user-offers.md says what it lacks for that"
    );
}
