//! SIZE_MAX and SEG_MAX: what is longer than one request may be is split, and no limit is exceeded.

use crate::bench::{Bench, Storage, every_variant, filled, patterned};
use levitate_drivers_blk::{BufferError, Error, InitError, RequestError};
use levitate_host::{BlockModel, Plug, Version};
use levitate_virtio::Features;

/// Served requests as first sector, bytes, segments.
fn served(bench: &Bench) -> Vec<(u64, usize, usize)> {
    bench
        .take_requests()
        .iter()
        .map(|request| (request.sector, request.data_len_bytes, request.segments))
        .collect()
}

#[test]
fn a_long_buffer_becomes_several_requests_of_several_segments() {
    for bench in every_variant(|| BlockModel::patterned(64).size_max(1024).seg_max(3)) {
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        assert_eq!(blk.max_request_bytes(), 3072);
        let mut buffer = filled(&blk, 9000, 0x11);
        buffer.set_window(100..100 + 8192).unwrap();
        let mut buffer = blk.read_buffer(7, buffer).unwrap();
        assert_eq!(
            served(&bench),
            [(7, 3072, 3), (13, 3072, 3), (19, 2048, 2)],
            "the device checks that no segment is too long"
        );
        assert_eq!(bench.notifications(), 3);
        assert_eq!(buffer.window(), 100..8292);
        assert_eq!(buffer.as_slice(), patterned(7, 8192));
        buffer.set_window(0..9000).unwrap();
        assert_eq!(buffer.as_slice()[..100], [0x11; 100]);
        assert_eq!(buffer.as_slice()[8292..], [0x11; 708]);

        buffer.set_window(0..4096).unwrap();
        buffer.as_mut_slice().fill(0x33);
        let buffer = blk.write_buffer(0, buffer).unwrap();
        assert_eq!(served(&bench), [(0, 3072, 3), (6, 1024, 1)]);
        assert_eq!(buffer.window(), 0..4096);
        bench
            .disk
            .model(|disk| assert_eq!(disk.content()[..4096], [0x33; 4096]));
    }
}

#[test]
fn borrowed_slices_keep_to_the_limits_too() {
    for bench in every_variant(|| BlockModel::patterned(64).size_max(700).seg_max(2)) {
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        assert_eq!(blk.max_request_bytes(), 1024);
        let mut data = [0; 2560];
        blk.read(1, &mut data).unwrap();
        assert_eq!(data[..], patterned(1, 2560));
        assert_eq!(served(&bench), [(1, 1024, 2), (3, 1024, 2), (5, 512, 1)]);
    }
}

#[test]
fn a_segment_may_be_shorter_than_a_sector() {
    for bench in every_variant(|| BlockModel::patterned(8).size_max(100).seg_max(6)) {
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        let mut data = [0; 512];
        blk.read(1, &mut data).unwrap();
        assert_eq!(data[..], patterned(1, 512));
        assert_eq!(served(&bench), [(1, 512, 6)]);
        blk.write(2, &data).unwrap();
        bench
            .disk
            .model(|disk| assert_eq!(disk.content()[1024..1536], data));
    }
}

#[test]
fn a_limit_that_was_not_offered_is_none() {
    let bench = Bench::new(BlockModel::patterned(256));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    let buffer = filled(&blk, 256 * 512, 0);
    blk.read_buffer(0, buffer).unwrap();
    assert_eq!(served(&bench), [(0, 256 * 512, 1)]);
}

#[test]
fn without_seg_max_the_drivers_own_limit_holds() {
    let mut bench = Bench::new(BlockModel::patterned(64).size_max(512));
    bench.options.max_segments = 5;
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    let buffer = filled(&blk, 6 * 512, 0);
    blk.read_buffer(0, buffer).unwrap();
    assert_eq!(served(&bench), [(0, 5 * 512, 5), (5, 512, 1)]);
}

#[test]
fn an_error_in_the_middle_of_a_split_transfer_ends_it() {
    let bench = Bench::new(BlockModel::patterned(64).size_max(512).seg_max(2));
    bench.disk.model(|disk| disk.fail_sectors(2..3));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    let buffer = filled(&blk, 6 * 512, 0);
    let BufferError { error, buffer } = blk.read_buffer(0, buffer).unwrap_err();
    assert_eq!(error, Error::Request(RequestError::Io));
    let buffer = buffer.expect("the device is done with it");
    assert_eq!(buffer.window(), 0..6 * 512);
    assert_eq!(buffer.as_slice()[..1024], patterned(0, 1024));
    assert_eq!(served(&bench).len(), 2, "the third is not made");
}

#[test]
fn limits_that_leave_no_room_for_a_sector_fail_the_initialization() {
    for (size_max, seg_max) in [(1, 8), (255, 2), (511, 1)] {
        for plug in Plug::ALL {
            let model = BlockModel::patterned(8).size_max(size_max).seg_max(seg_max);
            let bench = Bench::with(plug, model, |_| {});
            let mut storage = Storage::<4>::new();
            let error = bench.try_drive(&mut storage).unwrap_err();
            assert!(
                matches!(error, InitError::NoRoomForBlock { max_segment_bytes, .. }
                    if max_segment_bytes == size_max),
                "{error}"
            );
            assert_eq!(bench.disk.status() & 0x80, 0x80, "FAILED");
        }
    }
}

#[test]
fn a_queue_too_small_for_the_segments_of_a_sector_fails_and_keeps_nothing() {
    // Four descriptors, two of them for header and status: 2 x 200 bytes are no sector.
    let model = BlockModel::patterned(8).size_max(200).seg_max(3);
    let bench = Bench::with(Version::Two, model, |behaviour| {
        behaviour.queue_size_max = 4;
        behaviour.withhold = Features::INDIRECT_DESC.bits();
    });
    let mut storage = Storage::<4>::new();
    let error = bench.try_drive(&mut storage).unwrap_err();
    assert_eq!(
        error,
        InitError::NoRoomForBlock {
            block_size_bytes: 512,
            max_segments: 3,
            max_segment_bytes: 200,
            max_data_bytes: 400
        }
    );
    assert_eq!(bench.disk.status(), 0, "it was live, so it is reset");
}

#[test]
fn a_seg_max_of_zero_is_taken_for_one() {
    let bench = Bench::new(BlockModel::patterned(8).seg_max(0));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    assert_eq!(blk.capabilities().max_segments(), 1);
    // The device counts the one segment as one too many, but every request that carries data has one.
    blk.read(0, &mut [0; 512]).unwrap();
    let broken: Vec<_> = bench
        .disk
        .take_violations()
        .iter()
        .map(|violation| violation.id)
        .collect();
    assert_eq!(broken, ["BLK-41"]);
}
