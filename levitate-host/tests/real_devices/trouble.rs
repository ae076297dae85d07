//! A daemon that is killed, restarted, stopped or slow: errors within the deadline, and no memory lost or freed too early.

use std::time::{Duration, Instant};

use levitate_drivers_blk::{Error, Options, RequestError, ResetError};
use levitate_host::SystemClock;
use levitate_host::vhost_user::{self, ConnectError, MessageError, VhostUserTransport};
use levitate_virtio::TimeoutCause;

use crate::storage::{Driver, Export, PLAIN, Slots, Storage, patterned, wait_for};

/// What a driver and its messages may take: much for what is to succeed, little to wait for what is not.
const TIMEOUT: Duration = Duration::from_secs(5);

/// For what fails at its first step, before which nothing has to succeed.
const BRIEF: Duration = Duration::from_millis(400);

/// How much longer a loaded machine may take for it.
const GRACE: Duration = Duration::from_secs(10);

fn hurried() -> Options {
    Options {
        timeout: TIMEOUT,
        ..Options::default()
    }
}

/// Has `count` reads on their way.
fn submit(blk: &mut Driver<'_>, count: u64) {
    for sector in 0..count {
        let buffer = blk.allocate_buffer(512).unwrap();
        blk.submit_read(sector, buffer).unwrap();
    }
    blk.notify();
}

/// Checks that a driver whose daemon was killed says so in time, and gets all its memory back.
fn is_given_up(mut blk: Driver<'_>, storage: &Storage, in_flight: u16) {
    assert_eq!(blk.in_flight(), in_flight);
    let begin = Instant::now();
    let error = blk.read(0, &mut [0; 512]).unwrap_err();
    assert!(begin.elapsed() < TIMEOUT + GRACE);
    let Error::Timeout(timeout) = error else {
        panic!("{error}");
    };
    assert!(
        matches!(timeout.cause, TimeoutCause::NotLive { status } if status.bits() == 0xff),
        "{timeout}"
    );
    let mut reclaimed = 0;
    let transport = blk.reset(|request| {
        assert_eq!(request.result, Err(RequestError::Aborted));
        assert!(request.buffer.is_some());
        reclaimed += 1;
    });
    assert_eq!(reclaimed, in_flight, "every buffer comes back once");
    let message = "no message";
    assert_eq!(
        transport.unwrap().loss(),
        Some(MessageError::Closed { message })
    );
    storage.pool.assert_no_leaks();
}

#[test]
fn a_daemon_killed_before_it_fetched_anything_is_an_error_and_costs_no_memory() {
    let image = patterned(1 << 20);
    let Some(mut storage) = Storage::serve(&image, PLAIN) else {
        return;
    };
    let mut slots = Slots::new();
    let mut blk = storage.drive_with(&mut slots, hurried());
    storage.daemon.stop();
    submit(&mut blk, 8);
    storage.daemon.kill();
    is_given_up(blk, &storage, 8);
}

#[test]
fn a_daemon_killed_at_work_is_restarted_and_connected_to_again() {
    let export = Export {
        // Far from a sector within the test: only the first request, for which nothing was owed, is answered.
        bytes_per_second: Some(1),
        ..PLAIN
    };
    let image = patterned(1 << 20);
    let Some(mut storage) = Storage::serve(&image, export) else {
        return;
    };
    for _ in 0..2 {
        let mut slots = Slots::new();
        let mut blk = storage.drive_with(&mut slots, hurried());
        let mut data = [0; 512];
        blk.read(3, &mut data).unwrap();
        assert_eq!(data, image[3 * 512..4 * 512]);
        submit(&mut blk, 8);
        // Whether the daemon has fetched all of them or not yet, it has answered none.
        storage.daemon.kill();
        is_given_up(blk, &storage, 8);
        storage.restart();
    }
}

#[test]
fn a_reset_waits_for_what_the_daemon_has_fetched() {
    let export = Export {
        // Three sectors.
        bytes_per_second: Some(3 * 512),
        ..PLAIN
    };
    let image = patterned(1 << 20);
    let Some(storage) = Storage::serve(&image, export) else {
        return;
    };
    let mut slots = Slots::new();
    let options = Options {
        timeout: Duration::from_secs(60),
        ..Options::default()
    };
    let mut blk = storage.drive_with(&mut slots, options);
    // The throttle lets the first one through, and needs seconds for the rest.
    submit(&mut blk, 12);
    wait_for("the first of twelve reads", || blk.poll().unwrap());
    let in_flight = blk.in_flight();
    assert!(in_flight > 0, "the throttle does not hold requests back");
    let mut aborted = 0;
    blk.recover(|request| {
        // By now the daemon has read into every buffer that it will ever write to.
        let buffer = request.buffer.unwrap();
        let start = request.sector as usize * 512;
        assert_eq!(buffer.as_slice(), &image[start..start + 512]);
        aborted += u32::from(request.result == Err(RequestError::Aborted));
    })
    .unwrap();
    assert!(
        aborted > 0,
        "the daemon had answered all before it was stopped"
    );
    blk.read(5, &mut [0; 512]).unwrap();
    drop(blk);
    storage.pool.assert_no_leaks();
}

#[test]
fn memory_is_kept_as_long_as_a_daemon_that_does_not_answer_may_write_to_it() {
    let image = patterned(1 << 20);
    let Some(mut storage) = Storage::serve(&image, PLAIN) else {
        return;
    };
    let mut slots = Slots::new();
    let options = vhost_user::Options {
        timeout: TIMEOUT,
        ..vhost_user::Options::block()
    };
    let transport = VhostUserTransport::connect(storage.socket(), &storage.pool, options).unwrap();
    let mut blk = levitate_drivers_blk::Blk::with_options(
        transport,
        storage.platform(),
        &mut slots,
        hurried(),
    )
    .unwrap();
    storage.daemon.stop();
    submit(&mut blk, 2);
    let live = storage.pool.live();
    let Err(ResetError::Device(error)) = blk.reset(|_| panic!("nothing is given back")) else {
        panic!("a reset that nobody confirmed");
    };
    assert_eq!(error.status.bits(), 0xff, "{error}");
    let message = "GET_VRING_BASE";
    let timeout = TIMEOUT;
    assert_eq!(
        error.transport.loss(),
        Some(MessageError::Timeout { message, timeout })
    );
    assert!(
        storage.pool.live().allocations >= live.allocations - 1,
        "the bounce buffer may go"
    );
    storage.daemon.kill();
    error.retry(&SystemClock::new(), TIMEOUT).unwrap();
    // The driver leaks what it was not told to be free of in time.
    storage.pool.allow_leaks();
}

#[test]
fn a_daemon_that_is_busy_with_another_front_end_is_not_waited_for_forever() {
    let Some(storage) = Storage::serve(&patterned(4096), PLAIN) else {
        return;
    };
    let first = storage.connect();
    let options = vhost_user::Options {
        timeout: BRIEF,
        ..vhost_user::Options::block()
    };
    let begin = Instant::now();
    let second = VhostUserTransport::connect(storage.socket(), &storage.pool, options);
    assert!(begin.elapsed() < BRIEF + GRACE);
    let Err(ConnectError::Message(error)) = second else {
        panic!("{second:?}");
    };
    assert_eq!(
        error.to_string(),
        "back end does not answer GET_FEATURES within 400ms"
    );
    drop(first);
    storage.connect();
}
