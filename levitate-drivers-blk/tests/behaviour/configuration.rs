//! What a device says of itself, and what comes of it when it says something odd.

use crate::bench::{Bench, Storage, every_variant};
use levitate_drivers_blk::{Blk, InitError};
use levitate_host::{BlockModel, MmioDevice, Plug, Version};
use levitate_virtio::{ConfigError, DeviceType, Features, QueueError};

/// FAILED.
const FAILED: u64 = 0x80;

#[test]
fn the_capabilities_are_what_the_device_offers() {
    for plug in Plug::ALL {
        let model = BlockModel::patterned(40)
            .size_max(8192)
            .seg_max(4)
            .block_size(1024)
            .read_only();
        let bench = Bench::with(plug, model, |_| {});
        let mut storage = Storage::<4>::new();
        let blk = bench.drive(&mut storage);
        let capabilities = *blk.capabilities();
        assert_eq!(capabilities.capacity_sectors(), 40);
        assert_eq!(capabilities.capacity_bytes(), 40 * 512);
        assert_eq!(capabilities.block_size_bytes(), 1024);
        assert!(capabilities.is_read_only() && capabilities.has_flush());
        assert_eq!(capabilities.max_segments(), 4);
        assert_eq!(capabilities.max_segment_bytes(), 8192);
        assert_eq!(capabilities.max_request_bytes(), 4 * 8192);
    }
}

#[test]
fn of_all_features_there_are_only_the_implemented_are_accepted() {
    let model = BlockModel::patterned(8)
        .size_max(8192)
        .seg_max(4)
        .block_size(512);
    let bench = Bench::with(Version::Two, model, |behaviour| {
        // Everything but the features whose fields this model does not check, and bit 30, which nobody may offer.
        // RING_PACKED should be accepted where it is offered, which is only for a driver that has implemented it.
        behaviour.offer = !(1 << 30 | 1 << 34) | Features::IMPLEMENTED.bits();
    });
    let mut storage = Storage::<4>::new();
    let _blk = bench.drive(&mut storage);
    // FLUSH, CONFIG_WCE, WRITE_ZEROES, LIFETIME, SECURE_ERASE; next to ZONED, which is offered, not DISCARD.
    let sizes = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6;
    let not_here = Features::ANY_LAYOUT | Features::NOTIF_CONFIG_DATA;
    let device_bits = sizes | 1 << 9 | 1 << 11 | 1 << 14 | 1 << 15 | 1 << 16;
    assert_eq!(
        bench.disk.negotiated(),
        device_bits | (Features::DEFAULT - not_here).bits()
    );
}

#[test]
fn a_device_that_offers_nothing_is_driven() {
    for plug in Plug::ALL {
        let bench = Bench::with(plug, BlockModel::patterned(8), |behaviour| {
            behaviour.withhold = !Features::VERSION_1.bits();
        });
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        blk.read(1, &mut [0; 512]).unwrap();
        blk.write(1, &[0; 512]).unwrap();
        blk.flush().unwrap();
        assert_eq!(blk.block_size_bytes(), 512);
    }
}

#[test]
fn a_field_whose_feature_is_missing_is_not_read() {
    // The values lie there, but the device does not offer their features, and notes who reads them.
    let values = |behaviour: &mut levitate_host::Behaviour| {
        behaviour.config_override = vec![
            (8, vec![0; 4]),
            (12, vec![0; 4]),
            (20, 77_u32.to_le_bytes().to_vec()),
        ];
    };
    for plug in Plug::ALL {
        let bench = Bench::with(plug, BlockModel::patterned(8), values);
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        assert_eq!(blk.block_size_bytes(), 512);
        blk.read(0, &mut [0; 512]).unwrap();
    }
}

#[test]
fn a_feature_the_user_does_not_want_is_not_accepted() {
    let mut bench = Bench::new(BlockModel::patterned(8));
    bench.options.features = Features::empty();
    let mut storage = Storage::<4>::new();
    let _blk = bench.drive(&mut storage);
    assert_eq!(
        bench.disk.negotiated(),
        Features::VERSION_1.bits() | 1 << 9,
        "VERSION_1 must be accepted"
    );
}

#[test]
fn a_capacity_that_changes_between_its_halves_is_read_again() {
    for plug in Plug::ALL {
        for reads in 1..6 {
            let mut model = BlockModel::patterned(8);
            model.set_capacity(0x0000_0001_ffff_ffff);
            let bench = Bench::with(plug, model, |_| {});
            bench
                .disk
                .change_config_after_reads(reads, |disk| disk.set_capacity(0x2_0000_0000));
            let mut storage = Storage::<4>::new();
            let blk = bench.drive(&mut storage);
            assert!(
                [0x1_ffff_ffff, 0x2_0000_0000].contains(&blk.capacity_sectors()),
                "{:#x} is neither of them",
                blk.capacity_sectors()
            );
        }
    }
}

#[test]
fn a_configuration_that_never_holds_still_is_an_error() {
    for plug in Plug::ALL {
        let bench = Bench::with(plug, BlockModel::patterned(8), |behaviour| {
            behaviour.config_never_still = true;
        });
        let mut storage = Storage::<4>::new();
        assert!(matches!(
            bench.try_drive(&mut storage),
            Err(InitError::Config(ConfigError::NeverStable { .. }))
        ));
        let statuses = bench.disk.statuses();
        assert_eq!(statuses.last().unwrap() & FAILED, FAILED);
    }
}

#[test]
fn a_configuration_space_without_the_capacity_is_an_error() {
    let bench = Bench::with(Version::Two, BlockModel::patterned(8), |behaviour| {
        behaviour.region_len_bytes = 0x100 + 4;
    });
    let mut storage = Storage::<4>::new();
    assert!(matches!(
        bench.try_drive(&mut storage),
        Err(InitError::Config(ConfigError::TooShort {
            offset: 0,
            width_bytes: 8,
            len_bytes: 4
        }))
    ));
}

#[test]
fn a_configuration_space_with_only_the_capacity_is_enough() {
    for len_bytes in [8, 0x1000] {
        let bench = Bench::with(Version::Two, BlockModel::patterned(8), |behaviour| {
            behaviour.region_len_bytes = 0x100 + len_bytes;
            behaviour.config_len_bytes = Some(len_bytes);
        });
        let mut storage = Storage::<4>::new();
        let blk = bench.drive(&mut storage);
        assert_eq!(blk.capacity_sectors(), 8);
    }
}

#[test]
fn an_absurd_capacity_is_an_error() {
    let mut model = BlockModel::patterned(8);
    model.set_capacity(u64::MAX / 512 + 1);
    let bench = Bench::with(Version::Two, model, |_| {});
    let mut storage = Storage::<4>::new();
    assert!(matches!(
        bench.try_drive(&mut storage),
        Err(InitError::Capacity { .. })
    ));
}

#[test]
fn an_absurd_block_size_is_taken_for_a_sector() {
    for size in [0, 1, 511, 513, 0x8000_0001, u32::MAX] {
        let bench = Bench::new(BlockModel::patterned(8).block_size(size));
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        assert_eq!(blk.block_size_bytes(), 512);
        blk.read(7, &mut [0; 512]).unwrap();
    }
}

#[test]
fn an_empty_disk_is_one() {
    let bench = Bench::new(BlockModel::patterned(0).id("empty"));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    assert_eq!(blk.capacity_sectors(), 0);
    assert!(blk.read(0, &mut [0; 512]).is_err());
    assert_eq!(blk.id().unwrap().as_str(), Ok("empty"));
}

#[test]
fn another_kind_of_device_is_left_alone() {
    let bench = Bench::with(Version::Two, BlockModel::patterned(8), |behaviour| {
        behaviour.device_id = Some(16);
    });
    let mut storage = Storage::<4>::new();
    let found = DeviceType::GPU;
    assert_eq!(
        bench.try_drive(&mut storage).unwrap_err(),
        InitError::WrongDevice { found }
    );
    assert_eq!(bench.disk.statuses(), [0_u64; 0]);
}

#[test]
fn a_device_that_ignores_its_queue_registers_fails_the_initialization() {
    for plug in Plug::ALL {
        let bench = Bench::with(plug, BlockModel::patterned(8), |behaviour| {
            behaviour.ignore_queue_setup = true;
        });
        bench.pool.allow_leaks();
        let mut storage = Storage::<4>::new();
        match bench.try_drive(&mut storage) {
            Err(InitError::Queue(QueueError::Enable(error))) => {
                let message = error.to_string();
                let expected = match plug {
                    Plug::Mmio(_) => "other register version",
                    Plug::PciLine | Plug::PciMsix => "queue_enable reads 0x0, not 0x1",
                };
                assert!(message.contains(expected), "{message}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(bench.disk.status() & 0x80, 0x80, "FAILED");
    }
}

#[test]
fn a_device_without_a_queue_fails_the_initialization() {
    let bench = Bench::with(Version::Two, BlockModel::patterned(8), |behaviour| {
        behaviour.queue_size_max = 0;
    });
    let mut storage = Storage::<4>::new();
    assert!(matches!(
        bench.try_drive(&mut storage),
        Err(InitError::Queue(_))
    ));
}

#[test]
fn a_queue_without_room_for_a_request_fails_the_initialization() {
    let bench = Bench::with(Version::Two, BlockModel::patterned(8), |behaviour| {
        behaviour.queue_size_max = 2;
        behaviour.withhold = Features::INDIRECT_DESC.bits();
    });
    let mut storage = Storage::<4>::new();
    let error = bench.try_drive(&mut storage).unwrap_err();
    assert!(
        matches!(
            error,
            InitError::NoRoomForBlock {
                max_data_bytes: 0,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn refused_features_fail_the_initialization() {
    let bench = Bench::with(Version::Two, BlockModel::patterned(8), |behaviour| {
        behaviour.refuse_features = true;
    });
    let mut storage = Storage::<4>::new();
    assert!(matches!(
        bench.try_drive(&mut storage),
        Err(InitError::Device(
            levitate_virtio::InitError::FeaturesRefused { .. }
        ))
    ));
}

#[test]
fn storage_for_no_request_is_an_error() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<0>::new();
    assert_eq!(
        bench.try_drive(&mut storage).unwrap_err(),
        InitError::Queue(QueueError::Empty)
    );
}

#[test]
fn wherever_the_memory_runs_out_nothing_is_kept() {
    for plug in Plug::ALL {
        let mut failures = 0;
        loop {
            let bench = Bench::with(plug, BlockModel::patterned(8), |_| {});
            bench.pool.fail_allocation_after(failures);
            let mut storage = Storage::<4>::new();
            match bench.try_drive(&mut storage) {
                Ok(_) => break,
                Err(InitError::Bounce(_) | InitError::Queue(QueueError::Dma(_))) => {}
                Err(other) => panic!("{other}"),
            }
            assert_eq!(bench.disk.status() & 0x80, 0x80, "FAILED");
            failures += 1;
        }
        assert_eq!(failures, 3, "bounce buffer, slots and rings");
    }
}

#[test]
fn the_steps_of_the_initialization_are_in_their_order() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let mut storage = Storage::<4>::new();
        let blk = bench.try_drive(&mut storage).unwrap();
        let statuses = bench.disk.statuses();
        drop(blk);
        let is_legacy = bench.is_legacy();
        let expected: &[u64] = if is_legacy {
            &[0, 1, 3, 7]
        } else {
            &[0, 1, 3, 0xb, 0xf]
        };
        assert_eq!(statuses, expected);
    }
}

#[test]
fn the_default_options_bring_a_device_up() {
    let bench = Bench::new(BlockModel::patterned(256));
    let mut storage = Storage::<4>::new();
    let platform = (bench.pool.clone(), bench.clock.clone());
    let mut blk = Blk::new(bench.disk.transport(), platform, &mut storage).unwrap();
    let mut data = vec![0; 256 * 512];
    blk.read(0, &mut data).unwrap();
    assert_eq!(data, crate::bench::patterned(0, 256 * 512));
    assert_eq!(bench.take_requests().len(), 2, "64 KiB each");
    // A second one, to see that the first left nothing behind in its storage.
    let pool = levitate_host::Pool::new();
    let clock = levitate_host::VirtualClock::new();
    let disk = MmioDevice::builder(BlockModel::patterned(1)).build(&pool, &clock);
    let transport = levitate_virtio::MmioTransport::probe(disk)
        .unwrap()
        .unwrap();
    let mut storage = Storage::<1>::new();
    drop(Blk::new(transport, (pool, clock), &mut storage).unwrap());
}
