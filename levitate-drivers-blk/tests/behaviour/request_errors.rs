//! What a device answers becomes the error of that request, and the next request works.

use crate::bench::{Bench, Storage, every_variant, filled, patterned};
use levitate_drivers_blk::{Error, RequestError};
use levitate_host::{BlockModel, Fault, Plug, Version};

#[test]
fn an_io_error_is_that_of_its_request_and_the_next_one_works() {
    for bench in every_variant(|| BlockModel::patterned(64)) {
        bench.disk.model(|disk| disk.fail_sectors(10..12));
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        let io = Err(Error::Request(RequestError::Io));
        let mut data = [0x77; 1024];
        assert_eq!(blk.read(9, &mut data), io);
        assert_eq!(data, [0x77; 1024], "nothing of a failed read arrives");
        assert_eq!(blk.write(11, &data), io);
        blk.read(8, &mut data).unwrap();
        assert_eq!(data[..], patterned(8, 1024));
        blk.write(12, &data).unwrap();
        bench.disk.model(|disk| disk.fail_flushes(1));
        assert_eq!(blk.flush(), io);
        assert_eq!(blk.flush(), Ok(()));
    }
}

#[test]
fn a_status_outside_the_specification_is_an_error_that_names_it() {
    for (status, error) in [
        (1, RequestError::Io),
        (2, RequestError::Unsupported),
        (3, RequestError::UnknownStatus { status: 3 }),
        (0xfe, RequestError::UnknownStatus { status: 0xfe }),
        (0xff, RequestError::NoStatus),
    ] {
        for bench in every_variant(|| BlockModel::patterned(8)) {
            let mut storage = Storage::<4>::new();
            let mut blk = bench.drive(&mut storage);
            bench.disk.inject_always(Some(Fault::LastByte(status)));
            let expected = Err(Error::Request(error));
            let mut data = [0x77; 512];
            assert_eq!(blk.read(0, &mut data), expected);
            assert_eq!(data, [0x77; 512]);
            assert_eq!(blk.write(0, &data), expected);
            assert_eq!(blk.flush(), expected);
            assert_eq!(blk.id(), Err(Error::Request(error)));
            bench.disk.inject_always(None);
            assert_eq!(blk.read(1, &mut data), Ok(()));
        }
    }
}

#[test]
fn an_answer_that_stops_before_the_status_is_no_success() {
    for plug in Plug::ALL {
        let bench = Bench::with(plug, BlockModel::patterned(8), |_| {});
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        let mut data = [0x77; 512];
        for len_bytes in [0, 1, 511, 512] {
            bench.disk.inject(Fault::AnswerTruncated { len_bytes });
            assert_eq!(
                blk.read(0, &mut data),
                Err(Error::Request(RequestError::NoStatus)),
                "{len_bytes} of 513 bytes were written"
            );
            assert_eq!(data, [0x77; 512]);
        }
        for write in [true, false] {
            bench.disk.inject(Fault::AnswerTruncated { len_bytes: 0 });
            let outcome = if write {
                blk.write(0, &data)
            } else {
                blk.flush()
            };
            assert_eq!(outcome, Err(Error::Request(RequestError::NoStatus)));
        }
        blk.read(1, &mut data).unwrap();
    }
}

#[test]
fn a_success_that_does_not_cover_the_data_is_an_error() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    let mut data = [0x77; 512];
    for written_bytes in [0_u32, 1, 512] {
        bench.disk.inject(Fault::UsedLen(written_bytes));
        assert_eq!(
            blk.read(0, &mut data),
            Err(Error::Request(RequestError::Short {
                written_bytes: written_bytes as usize,
                expected_bytes: 513
            }))
        );
        assert_eq!(data, [0x77; 512]);
    }
    bench.disk.inject(Fault::UsedLen(0));
    let short = |expected_bytes| {
        Err(Error::Request(RequestError::Short {
            written_bytes: 0,
            expected_bytes,
        }))
    };
    assert_eq!(blk.write(0, &data), short(1));
    bench.disk.inject(Fault::UsedLen(0));
    assert_eq!(blk.flush(), short(1));
    blk.read(0, &mut data).unwrap();
}

#[test]
fn an_error_with_a_short_length_is_that_error() {
    let bench = Bench::new(BlockModel::patterned(8));
    bench.disk.model(|disk| disk.fail_sectors(0..1));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    for written_bytes in [0, 1, 512] {
        bench.disk.inject(Fault::UsedLen(written_bytes));
        assert_eq!(
            blk.read(0, &mut [0; 512]),
            Err(Error::Request(RequestError::Io))
        );
    }
}

#[test]
fn the_length_a_legacy_device_says_means_nothing() {
    let bench = Bench::with(Version::One, BlockModel::patterned(8), |_| {});
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    for written_bytes in [0, 1, 512, 514, u32::MAX] {
        bench
            .disk
            .inject_always(Some(Fault::UsedLen(written_bytes)));
        let mut data = [0; 512];
        blk.read(3, &mut data).unwrap();
        assert_eq!(data[..], patterned(3, 512));
        blk.write(4, &data).unwrap();
        blk.flush().unwrap();
        blk.id().unwrap();
    }
}

#[test]
fn a_failed_request_over_a_buffer_gives_it_back() {
    let bench = Bench::new(BlockModel::patterned(8));
    bench.disk.model(|disk| disk.fail_sectors(2..3));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    let mut buffer = filled(&blk, 2048, 0x44);
    buffer.set_window(512..1024).unwrap();
    let failed = blk.write_buffer(2, buffer).unwrap_err();
    assert_eq!(failed.error, Error::Request(RequestError::Io));
    let buffer = failed.buffer.expect("the device is done with it");
    assert_eq!(buffer.window(), 512..1024);
    blk.write_buffer(3, buffer).unwrap();
}
