//! What must not be sent is refused: the device sees no request and no notification.

use crate::bench::{Bench, Driver, Storage, filled};
use levitate_drivers_blk::{Error, SubmitError};
use levitate_host::{BlockModel, Plug};

/// The disk of these tests.
const SECTORS: u64 = 16;

/// Runs `test` over both register versions; the device must not have noticed anything.
fn unseen(model: impl Fn() -> BlockModel, test: impl Fn(&mut Driver<'_>)) {
    for plug in Plug::ALL {
        let bench = Bench::with(plug, model(), |_| {});
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        test(&mut blk);
        assert!(!blk.notify(), "nothing was submitted");
        assert_eq!(bench.disk.log().all(), [], "no register was touched");
        assert!(bench.take_requests().is_empty());
        assert_eq!((blk.in_flight(), blk.idle_slots()), (0, 4));
    }
}

#[test]
fn what_reaches_past_the_end_is_refused() {
    let cases = [
        (SECTORS, 1),
        (SECTORS - 1, 2),
        (0, SECTORS as usize + 1),
        (u64::MAX, 1),
        (u64::MAX - 1, 2),
        (1 << 55, 1),
    ];
    unseen(
        || BlockModel::patterned(SECTORS as usize),
        |blk| {
            for (sector, sector_count) in cases {
                let refusal = SubmitError::OutOfRange {
                    sector,
                    sector_count: sector_count as u64,
                    capacity_sectors: SECTORS,
                };
                let mut data = vec![0x11; sector_count * 512];
                assert_eq!(blk.read(sector, &mut data), Err(refusal.into()));
                assert!(data.iter().all(|byte| *byte == 0x11));
                assert_eq!(blk.write(sector, &data), Err(refusal.into()));
                refuses_buffer(blk, sector, data.len(), refusal);
            }
        },
    );
}

#[test]
fn the_last_sector_is_not_past_the_end() {
    let bench = Bench::new(BlockModel::patterned(SECTORS as usize));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    blk.read(SECTORS - 1, &mut [0; 512]).unwrap();
    blk.write(0, &[0; SECTORS as usize * 512]).unwrap();
}

#[test]
fn what_is_no_whole_number_of_sectors_is_refused() {
    unseen(
        || BlockModel::patterned(SECTORS as usize),
        |blk| {
            for len_bytes in [0, 1, 511, 513, 1023] {
                let refusal = SubmitError::NotWholeSectors { len_bytes };
                let mut data = vec![0; len_bytes];
                assert_eq!(blk.read(0, &mut data), Err(refusal.into()));
                assert_eq!(blk.write(0, &data), Err(refusal.into()));
                refuses_buffer(blk, 0, len_bytes, refusal);
            }
        },
    );
}

#[test]
fn what_does_not_begin_and_end_with_a_block_is_refused() {
    unseen(
        || BlockModel::patterned(SECTORS as usize).block_size(1024),
        |blk| {
            for (sector, len_bytes) in [(0, 512), (1, 1024), (1, 512), (0, 1536)] {
                let refusal = SubmitError::NotWholeBlocks {
                    sector,
                    sector_count: len_bytes as u64 / 512,
                    block_size_bytes: 1024,
                };
                let mut data = vec![0; len_bytes];
                assert_eq!(blk.read(sector, &mut data), Err(refusal.into()));
                assert_eq!(blk.write(sector, &data), Err(refusal.into()));
                refuses_buffer(blk, sector, len_bytes, refusal);
            }
        },
    );
}

#[test]
fn a_write_to_a_read_only_disk_is_refused() {
    unseen(
        || BlockModel::patterned(SECTORS as usize).read_only(),
        |blk| {
            assert!(blk.is_read_only());
            assert_eq!(
                blk.write(0, &[0; 512]),
                Err(Error::Refused(SubmitError::ReadOnly))
            );
            let buffer = filled(blk, 512, 0);
            let rejected = blk.submit_write(0, buffer).unwrap_err();
            assert_eq!(rejected.error, SubmitError::ReadOnly);
            let rejected = blk.write_buffer(0, rejected.buffer).unwrap_err();
            assert_eq!(rejected.error, SubmitError::ReadOnly.into());
            assert!(rejected.buffer.is_some());
        },
    );
}

#[test]
fn a_read_only_disk_is_read_and_flushed() {
    let bench = Bench::new(BlockModel::patterned(SECTORS as usize).read_only());
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    let mut data = [0; 512];
    blk.read(1, &mut data).unwrap();
    assert_eq!(data[..], crate::bench::patterned(1, 512));
    blk.flush().unwrap();
}

#[test]
fn a_submitted_request_longer_than_one_may_be_is_refused() {
    unseen(
        || {
            BlockModel::patterned(SECTORS as usize)
                .size_max(1024)
                .seg_max(2)
        },
        |blk| {
            assert_eq!(blk.max_request_bytes(), 2048);
            let buffer = filled(blk, 2560, 0);
            let rejected = blk.submit_read(0, buffer).unwrap_err();
            let too_long = SubmitError::TooLong {
                len_bytes: 2560,
                max_bytes: 2048,
            };
            assert_eq!(rejected.error, too_long);
            assert_eq!(rejected.buffer.len_bytes(), 2560);
        },
    );
}

#[test]
fn a_flush_that_the_device_does_not_know_is_not_submitted() {
    unseen(
        || BlockModel::patterned(SECTORS as usize).without_flush(),
        |blk| {
            assert_eq!(blk.submit_flush(), Err(SubmitError::NoFlush));
            assert_eq!(blk.flush(), Ok(()), "there is nothing to make durable");
        },
    );
}

/// All four ways of handing in a buffer refuse it, and give it back as it was.
fn refuses_buffer(blk: &mut Driver<'_>, sector: u64, len_bytes: usize, refusal: SubmitError) {
    let mut buffer = filled(blk, len_bytes.max(1), 0x22);
    buffer.set_window(0..len_bytes).unwrap();
    let rejected = blk.submit_read(sector, buffer).unwrap_err();
    assert_eq!(rejected.error, refusal);
    let rejected = blk.submit_write(sector, rejected.buffer).unwrap_err();
    assert_eq!(rejected.error, refusal);
    let rejected = blk.read_buffer(sector, rejected.buffer).unwrap_err();
    assert_eq!(rejected.error, refusal.into());
    let rejected = blk
        .write_buffer(sector, rejected.buffer.unwrap())
        .unwrap_err();
    assert_eq!(rejected.error, refusal.into());
    let buffer = rejected.buffer.unwrap();
    assert_eq!(buffer.window(), 0..len_bytes);
    assert!(buffer.as_slice().iter().all(|byte| *byte == 0x22));
}
