//! Blocking calls: what is read is what the disk has, and what is written arrives.

use crate::bench::{Bench, Storage, every_variant, filled, patterned, submit_read};
use levitate_drivers_blk::CacheMode;
use levitate_host::BlockModel;
use levitate_host::block::Kind;

#[test]
fn a_read_returns_what_the_disk_holds() {
    for bench in every_variant(|| BlockModel::patterned(64)) {
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        let mut data = [0; 512];
        for sector in [0, 1, 31, 63] {
            blk.read(sector, &mut data).unwrap();
            assert_eq!(data[..], patterned(sector, 512));
        }
        let mut all = vec![0; 64 * 512];
        blk.read(0, &mut all).unwrap();
        assert_eq!(all, patterned(0, 64 * 512));
    }
}

#[test]
fn a_write_changes_its_sectors_and_no_other() {
    for bench in every_variant(|| BlockModel::patterned(16)) {
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        blk.write(3, &[0xab; 1024]).unwrap();
        let mut back = [0; 1024];
        blk.read(3, &mut back).unwrap();
        assert_eq!(back, [0xab; 1024]);
        bench.disk.model(|disk| {
            let content = disk.content();
            assert_eq!(content[..3 * 512], patterned(0, 3 * 512));
            assert_eq!(content[3 * 512..5 * 512], [0xab; 1024]);
            assert_eq!(content[5 * 512..], patterned(5, 11 * 512));
        });
    }
}

#[test]
fn a_write_is_durable_after_a_flush_and_not_before() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        assert_eq!(blk.capabilities().cache_mode(), CacheMode::Writeback);
        blk.write(0, &[7; 512]).unwrap();
        assert_eq!(
            bench.disk.model(|disk| disk.durable()[..512].to_vec()),
            patterned(0, 512)
        );
        blk.flush().unwrap();
        assert_eq!(
            bench.disk.model(|disk| disk.durable()[..512].to_vec()),
            [7; 512]
        );
    }
}

#[test]
fn without_a_flush_command_nothing_is_sent_and_writes_are_durable() {
    let bench = Bench::new(BlockModel::patterned(8).without_flush());
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    assert!(!blk.has_flush());
    assert_eq!(blk.capabilities().cache_mode(), CacheMode::Writethrough);
    blk.flush().unwrap();
    assert_eq!(bench.notifications(), 0);
    blk.write(0, &[7; 512]).unwrap();
    bench
        .disk
        .model(|disk| assert_eq!(disk.durable()[..512], [7; 512]));
}

#[test]
fn the_id_is_what_the_device_says() {
    for (given, expected) in [
        ("levitate-disk-0", "levitate-disk-0"),
        ("twenty bytes exactly", "twenty bytes exactly"),
        ("", ""),
    ] {
        for bench in every_variant(|| BlockModel::patterned(8).id(given)) {
            let mut storage = Storage::<4>::new();
            let mut blk = bench.drive(&mut storage);
            // What was read before must not show behind a short one.
            blk.read(0, &mut [0; 512]).unwrap();
            assert_eq!(blk.id().unwrap().as_str(), Ok(expected));
        }
    }
}

#[test]
fn a_slice_longer_than_the_bounce_buffer_goes_piece_by_piece() {
    let mut bench = Bench::new(BlockModel::patterned(64));
    bench.options.bounce_bytes = 4096 + 100;
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    let mut data = vec![0; 20 * 512];
    blk.read(5, &mut data).unwrap();
    assert_eq!(data, patterned(5, 20 * 512));
    let requests: Vec<_> = bench
        .take_requests()
        .iter()
        .map(|request| (request.sector, request.data_len_bytes))
        .collect();
    assert_eq!(requests, [(5, 4096), (13, 4096), (21, 2048)]);
    assert_eq!(bench.notifications(), 3);

    data.reverse();
    blk.write(5, &data).unwrap();
    bench
        .disk
        .model(|disk| assert_eq!(disk.content()[5 * 512..25 * 512], data));
}

#[test]
fn an_owned_buffer_is_filled_and_written_in_place() {
    for bench in every_variant(|| BlockModel::patterned(64)) {
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        let buffer = filled(&blk, 8192, 0);
        let mut buffer = blk.read_buffer(2, buffer).unwrap();
        assert_eq!(buffer.as_slice(), patterned(2, 8192));
        assert_eq!(bench.notifications(), 1, "it fits into one request");
        buffer.as_mut_slice().fill(0x5a);
        // A window in the middle, at no particular alignment.
        buffer.set_window(1000..1000 + 1024).unwrap();
        let buffer = blk.write_buffer(40, buffer).unwrap();
        assert_eq!(buffer.window(), 1000..2024);
        bench.disk.model(|disk| {
            assert_eq!(disk.content()[40 * 512..42 * 512], [0x5a; 1024]);
            assert_eq!(disk.content()[42 * 512..], patterned(42, 22 * 512));
        });
    }
}

#[test]
fn a_mapped_vector_is_a_buffer_too() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    let direction = levitate_hal::Direction::FromDevice;
    let mapped = levitate_hal::Mapped::new(&bench.pool, vec![0_u8; 1024], direction).unwrap();
    let buffer = blk.read_buffer(1, mapped.into()).unwrap();
    assert_eq!(buffer.into_vec().unwrap(), patterned(1, 1024));
}

#[test]
fn each_request_of_a_blocking_call_costs_one_notification_and_no_memory() {
    for bench in every_variant(|| BlockModel::patterned(64)) {
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        let allocated = bench.pool.allocated_so_far();
        let mapped = bench.pool.mapped_so_far();
        let mut data = [0; 2048];
        for round in 0..100 {
            blk.read(round % 60, &mut data).unwrap();
            blk.write(round % 60, &data).unwrap();
            blk.flush().unwrap();
            blk.id().unwrap();
        }
        assert_eq!(bench.notifications(), 400);
        assert_eq!(bench.pool.allocated_so_far(), allocated);
        assert_eq!(bench.pool.mapped_so_far(), mapped);
    }
}

#[test]
fn requests_outnumber_the_ring_indices() {
    let bench = Bench::new(BlockModel::patterned(2));
    let mut storage = Storage::<2>::new();
    let mut blk = bench.drive(&mut storage);
    let mut data = [0; 512];
    for round in 0..70_000_u64 {
        blk.read(round % 2, &mut data).unwrap();
        assert_eq!(data[1], patterned(round % 2, 2)[1]);
    }
    let served = bench.take_requests();
    assert_eq!(served.len(), 70_000);
    assert!(served.iter().all(|request| request.kind == Kind::In));
}

#[test]
fn a_driver_may_move_to_another_thread() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<2>::new();
    let mut blk = bench.drive(&mut storage);
    submit_read(&mut blk, 3);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            blk.notify();
            let done = blk.poll().unwrap().unwrap();
            assert_eq!(done.buffer.unwrap().as_slice(), patterned(3, 512));
        });
    });
}

#[test]
fn the_protocol_counts_in_512_whatever_the_block_size() {
    let bench = Bench::new(BlockModel::patterned(32).block_size(4096));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    assert_eq!(blk.block_size_bytes(), 4096);
    assert_eq!(blk.capacity_sectors(), 32);
    let mut data = [0; 8192];
    blk.read(8, &mut data).unwrap();
    assert_eq!(data[..], patterned(8, 8192));
    blk.write(24, &data[..4096]).unwrap();
}

#[test]
fn a_long_transfer_is_split_between_blocks() {
    let bench = Bench::new(
        BlockModel::patterned(64)
            .block_size(4096)
            .size_max(2560)
            .seg_max(4),
    );
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    assert_eq!(blk.max_request_bytes(), 8192, "of 10240 bytes");
    let mut data = vec![0; 64 * 512];
    blk.read(0, &mut data).unwrap();
    assert_eq!(data, patterned(0, 64 * 512));
    drop(blk);
    let sectors: Vec<u64> = bench
        .disk
        .model(|model| model.requests().iter().map(|one| one.sector).collect());
    assert_eq!(sectors, [0, 16, 32, 48]);
}
