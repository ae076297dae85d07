//! Sockets with something else than a good back end behind them: each is an error that says what is wrong, in time.

use std::path::Path;
use std::time::{Duration, Instant};

use levitate_drivers_blk::{Blk, InitError, ResetError};
use levitate_host::vhost_user::{ConnectError, MessageError, Options, VhostUserTransport};
use levitate_host::{Policy, Pool, SystemClock};
use levitate_virtio::Status;
use levitate_virtio::transport::Transport as _;

use crate::fake::{self, Fake, Instead, Script, words};
use crate::storage::Slots;

/// What a driver and its messages may take: much for what is to succeed, little to wait for what is not.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// For what fails at its first step, before which nothing has to succeed.
const BRIEF: Duration = Duration::from_millis(300);

/// How much longer a loaded machine may take for it.
const GRACE: Duration = Duration::from_secs(10);

fn pool() -> Pool {
    Pool::builder().policy(Policy::Bounce).build()
}

pub(crate) fn connect_to(socket: impl AsRef<Path>) -> Result<VhostUserTransport, ConnectError> {
    connect_within(TIMEOUT, socket)
}

/// Connects, with so much time for each message.
fn connect_within(
    timeout: Duration,
    socket: impl AsRef<Path>,
) -> Result<VhostUserTransport, ConnectError> {
    let options = Options {
        timeout,
        ..Options::block()
    };
    VhostUserTransport::connect(socket, &pool(), options)
}

/// Connects to a back end that is none; returns what it says about that.
fn refused(script: Script) -> String {
    refused_within(TIMEOUT, script)
}

fn refused_within(timeout: Duration, script: Script) -> String {
    let fake = Fake::start(script);
    let begin = Instant::now();
    let error = connect_within(timeout, fake.socket()).unwrap_err();
    assert!(begin.elapsed() < timeout + GRACE);
    error.to_string()
}

/// Brings a driver up.
pub(crate) fn drive(
    script: Script,
    judge: impl FnOnce(&Fake, Result<Blk<'_, VhostUserTransport, (Pool, SystemClock)>, InitError>),
) {
    let fake = Fake::start(script);
    let pool = pool();
    let options = Options {
        timeout: TIMEOUT,
        ..Options::block()
    };
    let transport = VhostUserTransport::connect(fake.socket(), &pool, options).unwrap();
    let mut slots = Slots::new();
    let options = levitate_drivers_blk::Options {
        timeout: TIMEOUT,
        ..Default::default()
    };
    // What the device was told of and does not give back is leaked, and rightly so.
    pool.allow_leaks();
    judge(
        &fake,
        Blk::with_options(
            transport,
            (pool.clone(), SystemClock::new()),
            &mut slots,
            options,
        ),
    );
}

#[test]
fn a_place_where_nobody_listens_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let nothing = directory.path().join("nothing");
    let file = directory.path().join("file");
    std::fs::write(&file, "no socket").unwrap();
    for (path, why) in [(nothing, "No such file"), (file, "Connection refused")] {
        let error = connect_to(&path).unwrap_err();
        assert!(matches!(error, ConnectError::NoSocket { .. }), "{error:?}");
        let text = error.to_string();
        let begin = format!("cannot connect to {}: {why}", path.display());
        assert!(text.starts_with(&begin), "{text}");
    }
}

#[test]
fn garbage_is_not_taken_for_an_answer() {
    let page = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
    let other = words(&[1, 1 | 4, 8, 0, 0]);
    let wrong_request = words(&[2, 1 | 4, 8, 0, 0]);
    let no_reply = words(&[1, 1, 8, 0, 0]);
    assert_eq!(other.len(), 20, "as long as the right one");
    for bytes in [page, vec![0xff; 20], vec![0; 20], wrong_request, no_reply] {
        let script = Script::sound().instead(fake::GET_FEATURES, Instead::Send(bytes));
        assert_eq!(
            refused(script),
            "back end does not speak vhost-user: what it answers to GET_FEATURES is none of its messages"
        );
    }
}

#[test]
fn silence_ends_at_the_deadline_also_in_the_middle_of_an_answer() {
    let half = Instead::Send(vec![1, 0, 0, 0, 5]);
    for instead in [Instead::KeepSilent, half.clone()] {
        let script = Script::sound().instead(fake::GET_FEATURES, instead);
        assert_eq!(
            refused_within(BRIEF, script),
            "back end does not answer GET_FEATURES within 300ms"
        );
    }
    // Here the first message is answered, in the same time.
    let script = Script::sound().instead(fake::GET_PROTOCOL_FEATURES, half);
    assert_eq!(
        refused(script),
        "back end does not answer GET_PROTOCOL_FEATURES within 5s"
    );
}

#[test]
fn a_back_end_that_hangs_up_is_said_to() {
    let script = Script::sound().instead(fake::GET_FEATURES, Instead::HangUp);
    assert_eq!(
        refused(script),
        "back end closed the connection, at GET_FEATURES"
    );
}

#[test]
fn what_a_back_end_lacks_is_named() {
    let without = |features: u64, protocol_features: u64| Script {
        features: Script::sound().features & !features,
        protocol_features: Script::sound().protocol_features & !protocol_features,
        ..Script::sound()
    };
    for (script, name) in [
        (without(fake::VERSION_1, 0), "VIRTIO_F_VERSION_1"),
        (
            without(fake::PROTOCOL_FEATURES, 0),
            "VHOST_USER_F_PROTOCOL_FEATURES",
        ),
        (without(0, fake::CONFIG), "VHOST_USER_PROTOCOL_F_CONFIG"),
        (
            without(0, fake::REPLY_ACK),
            "VHOST_USER_PROTOCOL_F_REPLY_ACK",
        ),
    ] {
        assert_eq!(refused(script), format!("back end does not offer {name}"));
    }
}

#[test]
fn a_sound_back_end_is_driven_and_its_reset_confirmed() {
    drive(Script::sound(), |fake, outcome| {
        let blk = outcome.unwrap();
        assert_eq!(blk.capacity_sectors(), 8);
        // Queue 0, enabled.
        let enabled = words(&[0, 1]);
        assert_eq!(fake.requests(fake::SET_VRING_ENABLE), [enabled]);
        assert!(fake.requests(fake::GET_VRING_BASE).is_empty());
        blk.reset(|_| ()).unwrap();
        assert_eq!(fake.requests(fake::GET_VRING_BASE).len(), 1);
    });
}

#[test]
fn a_refused_virtqueue_is_an_error_when_it_is_set_up() {
    let script = Script::sound().instead(fake::SET_VRING_ADDR, Instead::number(1));
    drive(script, |fake, outcome| {
        let error = outcome.unwrap_err().to_string();
        assert!(
            error.contains("SET_VRING_ADDR reads 0x1, not 0x0"),
            "{error}"
        );
        assert!(fake.requests(fake::SET_VRING_ENABLE).is_empty());
    });
}

#[test]
fn a_virtqueue_outside_the_shared_memory_is_refused_before_the_back_end_hears_of_it() {
    let fake = Fake::start(Script::sound());
    let transport = connect_to(fake.socket()).unwrap();
    let elsewhere = Pool::builder().device_base(1 << 45).build();
    let mut slots = Slots::new();
    let platform = (elsewhere.clone(), SystemClock::new());
    let error = Blk::new(transport, platform, &mut slots).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("descriptor area of queue 0 at 0x2"), "{text}");
    assert!(fake.requests(fake::SET_VRING_ADDR).is_empty());
    elsewhere.assert_no_leaks();
}

#[test]
fn a_config_of_another_length_is_no_config() {
    let answer = words(&[0, 8, 0, 8, 0]);
    let script = Script::sound().instead(fake::GET_CONFIG, Instead::Answer(answer));
    let fake = Fake::start(script);
    let transport = connect_to(fake.socket()).unwrap();
    assert_eq!(transport.read_config32(0), u32::MAX);
    let loss = transport.loss().unwrap();
    let (message, timeout) = ("GET_CONFIG", TIMEOUT);
    assert_eq!(
        loss,
        MessageError::Timeout { message, timeout },
        "the rest of it is waited for"
    );
    assert_eq!(transport.read_status(), Status::all());
}

#[test]
fn a_field_is_written_in_one_message_and_nothing_outside() {
    let fake = Fake::start(Script::sound());
    let mut transport = connect_to(fake.socket()).unwrap();
    transport.write_config32(58, 1);
    transport.write_config8(60, 1);
    transport.write_config16(usize::MAX, 1);
    assert!(fake.requests(fake::SET_CONFIG).is_empty());
    transport.write_config8(32, 1);
    transport.write_config16(34, 0x0203);
    // Offset, length and flags, and the bytes, little-endian.
    let first = [words(&[32, 1, 0]), vec![1]].concat();
    let second = [words(&[34, 2, 0]), vec![3, 2]].concat();
    assert_eq!(fake.requests(fake::SET_CONFIG), [first, second]);
}

#[test]
fn a_reset_is_not_confirmed_by_a_back_end_that_does_not_stop_a_virtqueue() {
    // An index of 17 bits; more chains than there ever were; silence; the end.
    let state = |base: u32| Instead::Answer(words(&[0, base]));
    let insteads = [
        state(0x1_0000),
        state(1),
        Instead::KeepSilent,
        Instead::HangUp,
    ];
    // Each takes the whole of its deadlines, so they do that at the same time.
    std::thread::scope(|scope| {
        for instead in insteads {
            scope.spawn(move || is_not_confirmed(instead));
        }
    });
}

/// Checks that a reset is not confirmed when the back end does something else than to stop its virtqueue.
fn is_not_confirmed(instead: Instead) {
    let script = Script::sound().instead(fake::GET_VRING_BASE, instead.clone());
    drive(script, |_, outcome| {
        let begin = Instant::now();
        let error = outcome.unwrap().reset(|_| ()).unwrap_err();
        assert!(begin.elapsed() < 2 * TIMEOUT + GRACE);
        let ResetError::Device(error) = error else {
            panic!("{error}");
        };
        assert!(!error.status.is_empty(), "{instead:?}: {error}");
        // This process is the back end, and lives: that the socket is closed says nothing about memory.
        let error = error.retry(&SystemClock::new(), BRIEF).unwrap_err();
        assert!(!error.status.is_empty(), "{instead:?}: {error}");
    });
}

#[test]
fn what_nobody_asked_for_ends_the_conversation() {
    // A right answer, to the question for 60 bytes from 0 on, and 40 bytes more.
    let mut bytes = words(&[fake::GET_CONFIG, 1 | 4, 12 + 60, 0, 60, 0]);
    bytes.extend_from_slice(&[0; 60 + 40]);
    let script = Script::sound().instead(fake::GET_CONFIG, Instead::Send(bytes));
    let fake = Fake::start(script);
    let transport = connect_to(fake.socket()).unwrap();
    assert_eq!(transport.read_config8(0), 0);
    let message = "no message";
    assert_eq!(transport.loss(), Some(MessageError::Garbage { message }));
    assert_eq!(transport.read_status(), Status::all());
    assert_eq!(transport.read_config8(0), 0xff);
}
