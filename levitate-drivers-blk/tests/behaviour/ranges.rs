//! Discarding, zeroing and erasing ranges of sectors.

use crate::bench::{Bench, Driver, Storage, every_variant, patterned};
use levitate_drivers_blk::{Error, RequestError, RequestKind, SubmitError, Unmap};
use levitate_host::block::{EraseLimits, Kind, SectorRange, ZoneModel, Zoned};
use levitate_host::{BlockModel, Completion, Fault, Plug, Version};
use levitate_virtio::Timeout;

const SECTORS: u64 = 64;

const fn limits(max_sectors: u32, alignment_sectors: u32) -> EraseLimits {
    EraseLimits {
        max_sectors,
        max_segments: 1,
        alignment_sectors,
    }
}

/// A disk with all three commands, of at most `max_sectors` sectors each.
fn disk(max_sectors: u32) -> BlockModel {
    BlockModel::patterned(SECTORS as usize)
        .discard(limits(max_sectors, 4))
        .write_zeroes(limits(max_sectors, 0))
        .write_zeroes_may_unmap()
        .secure_erase(limits(max_sectors, 0))
}

type Call = fn(&mut Driver<'_>, u64, u64) -> Result<(), Error>;

const CALLS: [(RequestKind, Kind, Call); 4] = [
    (RequestKind::Discard, Kind::Discard, |blk, sector, count| {
        blk.discard(sector, count)
    }),
    (
        RequestKind::WriteZeroes,
        Kind::WriteZeroes,
        |blk, sector, count| blk.write_zeroes(sector, count, Unmap::Allowed),
    ),
    (
        RequestKind::WriteZeroes,
        Kind::WriteZeroes,
        |blk, sector, count| blk.write_zeroes(sector, count, Unmap::Forbidden),
    ),
    (
        RequestKind::SecureErase,
        Kind::SecureErase,
        |blk, sector, count| blk.secure_erase(sector, count),
    ),
];

/// The segments the disk was sent, each in a request of its own.
fn segments(bench: &Bench, kind: Kind) -> Vec<(u64, u32)> {
    bench
        .take_requests()
        .iter()
        .map(|request| {
            assert_eq!((request.kind, request.sector), (kind, 0));
            let [
                SectorRange {
                    sector, sectors, ..
                },
            ] = request.ranges[..]
            else {
                panic!("not one segment: {request:?}");
            };
            (sector, sectors)
        })
        .collect()
}

#[test]
fn sectors_are_discarded_zeroed_and_erased() {
    for bench in every_variant(|| disk(1000)) {
        let mut storage = Storage::<2>::new();
        let mut blk = bench.drive(&mut storage);
        let allocated = bench.pool.allocated_so_far();
        for (turn, (_, kind, call)) in (1..).zip(CALLS) {
            let first = turn * 12;
            call(&mut blk, first, 4).unwrap();
            assert_eq!(segments(&bench, kind), [(first, 4)]);
            let mut data = [0xff; 6 * 512];
            blk.read(first - 1, &mut data).unwrap();
            assert_eq!(data[..512], patterned(first - 1, 512), "before");
            assert_eq!(data[5 * 512..], patterned(first + 4, 512), "after");
            if kind != Kind::Discard {
                assert_eq!(data[512..5 * 512], [0; 4 * 512]);
            }
            let _ = bench.take_requests();
        }
        assert_eq!(bench.pool.allocated_so_far(), allocated, "no memory");
        let is_allocated = |sector| bench.disk.model(|disk| disk.is_allocated(sector));
        assert_eq!(is_allocated(12), Some(false), "discarded");
        assert_eq!(is_allocated(24), Some(false), "may be deallocated");
        assert_eq!(is_allocated(36), Some(true), "must not be");
    }
}

#[test]
fn a_longer_range_becomes_several_requests() {
    let bench = Bench::new(disk(10));
    let mut storage = Storage::<2>::new();
    let mut blk = bench.drive(&mut storage);
    blk.discard(3, 30).unwrap();
    let cut = [(3, 9), (12, 8), (20, 8), (28, 5)];
    assert_eq!(segments(&bench, Kind::Discard), cut, "at multiples of 4");
    blk.write_zeroes(3, 30, Unmap::Forbidden).unwrap();
    let cut = [(3, 10), (13, 10), (23, 10)];
    assert_eq!(segments(&bench, Kind::WriteZeroes), cut);
    assert_eq!(blk.capabilities().discard().unwrap().max_sectors(), 10);
}

#[test]
fn a_range_is_of_whole_blocks_however_it_is_cut() {
    let bench = Bench::new(disk(15).block_size(4096));
    let mut storage = Storage::<2>::new();
    let mut blk = bench.drive(&mut storage);
    for (_, kind, call) in CALLS {
        call(&mut blk, 8, 24).unwrap();
        assert_eq!(segments(&bench, kind), [(8, 8), (16, 8), (24, 8)]);
    }
}

#[test]
fn unmap_is_asked_for_only_where_it_is_offered() {
    check_flags(&Bench::new(disk(8)), [1, 0]);
    let bench = Bench::new(BlockModel::patterned(64).write_zeroes(limits(8, 0)));
    check_flags(&bench, [0, 0]);
}

fn check_flags(bench: &Bench, expected: [u32; 2]) {
    let mut storage = Storage::<2>::new();
    let mut blk = bench.drive(&mut storage);
    blk.write_zeroes(0, 1, Unmap::Allowed).unwrap();
    blk.write_zeroes(0, 1, Unmap::Forbidden).unwrap();
    let flags: Vec<_> = bench
        .take_requests()
        .iter()
        .map(|request| request.ranges[0].flags)
        .collect();
    assert_eq!(flags, expected);
}

/// Nothing was sent, and `call` says why.
fn refused(
    model: BlockModel,
    sector: u64,
    count: u64,
    refusal: impl Fn(RequestKind) -> SubmitError,
) {
    let bench = Bench::new(model);
    let mut storage = Storage::<2>::new();
    let mut blk = bench.drive(&mut storage);
    for (kind, _, call) in CALLS {
        let refusal = Error::Refused(refusal(kind));
        assert_eq!(call(&mut blk, sector, count), Err(refusal));
    }
    assert_eq!(bench.disk.log().all(), [], "no register was touched");
    blk.read(0, &mut [0; 4096]).unwrap();
}

#[test]
fn what_must_not_be_sent_is_refused() {
    refused(disk(8), 0, 0, |_| SubmitError::NoSectors);
    for (sector, sector_count) in [(SECTORS, 1), (0, SECTORS + 1), (u64::MAX, 2), (1, u64::MAX)] {
        refused(disk(8), sector, sector_count, |_| SubmitError::OutOfRange {
            sector,
            sector_count,
            capacity_sectors: SECTORS,
        });
    }
    for (sector, sector_count) in [(1, 2), (2, 1), (1 << 60, 1)] {
        refused(disk(8).block_size(1024), sector, sector_count, |_| {
            SubmitError::NotWholeBlocks {
                sector,
                sector_count,
                block_size_bytes: 1024,
            }
        });
    }
    refused(disk(8).read_only(), 0, 1, |_| SubmitError::ReadOnly);
}

#[test]
fn a_range_of_more_requests_than_anybody_waits_for_is_refused() {
    let capacity = u64::MAX / 512;
    let max = 1 << 20;
    let bench = Bench::with(Version::Two, disk(1), |behaviour| {
        behaviour.config_override = vec![(0, capacity.to_le_bytes().to_vec())];
    });
    let mut storage = Storage::<2>::new();
    let mut blk = bench.drive(&mut storage);
    assert_eq!(blk.capacity_sectors(), capacity);
    bench.disk.model(|disk| disk.fail_sectors(0..1));
    for (_, kind, call) in CALLS {
        for requests in [capacity, max + 1] {
            let refusal = SubmitError::TooManyRequests { requests, max };
            let outcome = call(&mut blk, 0, requests);
            assert_eq!(outcome, Err(Error::Refused(refusal)));
        }
        assert_eq!(bench.disk.log().all(), [], "no register was touched");
        let outcome = call(&mut blk, 0, max);
        assert_eq!(outcome, Err(Error::Request(RequestError::Io)));
        assert_eq!(segments(&bench, kind), [(0, 1)], "one less is sent");
        bench.disk.clear_log();
    }
}

#[test]
fn no_request_is_longer_than_a_device_that_writes_takes_in_time() {
    let bench = Bench::new(disk(u32::MAX));
    let mut storage = Storage::<2>::new();
    let blk = bench.drive(&mut storage);
    let capabilities = *blk.capabilities();
    for limits in [
        capabilities.discard(),
        capabilities.write_zeroes(),
        capabilities.secure_erase(),
    ] {
        assert_eq!(limits.unwrap().max_sectors(), (64 << 20) / 512);
    }
}

#[test]
fn a_command_that_is_not_offered_is_refused() {
    let no_command = |kind| SubmitError::NoCommand { kind };
    refused(BlockModel::patterned(64), 0, 1, no_command);
}

#[test]
fn limits_that_leave_no_room_are_as_if_the_command_were_absent() {
    let no_command = |kind| SubmitError::NoCommand { kind };
    refused(disk(0), 0, 1, no_command);
    refused(disk(7).block_size(4096), 0, 8, no_command);
    let no_segments = EraseLimits {
        max_segments: 0,
        ..limits(8, 1)
    };
    let model = disk(8)
        .discard(no_segments)
        .write_zeroes(no_segments)
        .secure_erase(no_segments);
    refused(model, 0, 1, no_command);
}

#[test]
fn absurd_limits_do_no_harm() {
    for alignment_sectors in [0, 3, u32::MAX] {
        let absurd = EraseLimits {
            max_sectors: u32::MAX,
            max_segments: u32::MAX,
            alignment_sectors,
        };
        let model = BlockModel::patterned(64).discard(absurd).block_size(1024);
        let bench = Bench::new(model);
        let mut storage = Storage::<1>::new();
        let mut blk = bench.drive(&mut storage);
        blk.discard(2, 62).unwrap();
        assert_eq!(segments(&bench, Kind::Discard), [(2, 62)]);
    }
}

#[test]
fn the_data_fits_where_the_device_limits_its_segments() {
    let mut bench = Bench::new(disk(8).size_max(12).seg_max(128));
    bench.options.max_segments = 64;
    let mut storage = Storage::<1>::new();
    let mut blk = bench.drive(&mut storage);
    blk.discard(0, 1).unwrap();
    assert_eq!(bench.take_requests()[0].segments, 2, "12 and 4 bytes");
}

#[test]
fn a_disk_with_zones_is_never_asked_to_discard() {
    let zoned = Zoned::new(ZoneModel::HostAware, 16);
    let bench = Bench::new(disk(8).zoned(zoned));
    let mut storage = Storage::<1>::new();
    let mut blk = bench.drive(&mut storage);
    assert_eq!(bench.disk.negotiated() & (1 << 13 | 1 << 17), 0);
    assert_eq!(blk.capabilities().discard(), None);
    blk.read(0, &mut [0; 512]).unwrap();
}

#[test]
fn a_range_that_fails_fails_as_a_whole_and_the_next_one_works() {
    for plug in Plug::ALL {
        let bench = Bench::with(plug, disk(4), |_| {});
        let mut storage = Storage::<1>::new();
        let mut blk = bench.drive(&mut storage);
        bench.disk.model(|disk| disk.fail_sectors(4..8));
        for (_, kind, call) in CALLS {
            let failure = call(&mut blk, 0, 12);
            assert_eq!(failure, Err(Error::Request(RequestError::Io)));
            assert_eq!(segments(&bench, kind), [(0, 4), (4, 4)], "and no further");
            call(&mut blk, 8, 4).unwrap();
            let _ = bench.take_requests();
        }
    }
}

#[test]
fn a_late_answer_is_waited_for_by_the_next_call() {
    let bench = Bench::new(disk(8));
    let mut storage = Storage::<2>::new();
    let mut blk = bench.drive(&mut storage);
    bench.disk.set_completion(Completion::Held);
    assert!(matches!(
        blk.discard(0, 1),
        Err(Error::Timeout(Timeout { .. }))
    ));
    assert!(matches!(
        blk.write_zeroes(0, 1, Unmap::Allowed),
        Err(Error::Timeout(_))
    ));
    bench.disk.set_completion(Completion::Inline);
    bench.disk.release_all();
    blk.write_zeroes(0, 1, Unmap::Allowed).unwrap();
    let kinds: Vec<_> = bench.take_requests().iter().map(|r| r.kind).collect();
    assert_eq!(
        kinds,
        [Kind::Discard, Kind::WriteZeroes],
        "the second was never sent"
    );
}

#[test]
fn an_answer_that_proves_nothing_is_an_error() {
    let bench = Bench::new(disk(8));
    let mut storage = Storage::<2>::new();
    let mut blk = bench.drive(&mut storage);
    bench.disk.inject(Fault::UsedLen(0));
    assert_eq!(
        blk.discard(0, 1),
        Err(Error::Request(RequestError::Short {
            written_bytes: 0,
            expected_bytes: 1
        }))
    );
    blk.discard(0, 1).unwrap();
}
