//! The cache mode, and switching it (`VIRTIO_BLK_F_CONFIG_WCE`).

use crate::bench::{Bench, Storage};
use levitate_drivers_blk::{CacheMode, CacheModeError};
use levitate_host::{BlockModel, Plug, Version};
use levitate_virtio::ConfigError;

/// Where `writeback` is in the configuration.
const WRITEBACK: usize = 0x20;

#[test]
fn a_switchable_cache_is_switched_and_still_flushed() {
    for plug in Plug::ALL {
        let model = BlockModel::patterned(8).switchable_cache();
        let bench = Bench::with(plug, model, |_| {});
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        assert!(blk.capabilities().is_cache_mode_switchable());
        assert_eq!(blk.capabilities().cache_mode(), CacheMode::Writeback);
        blk.write(1, &[0x33; 512]).unwrap();

        let mode = CacheMode::Writethrough;
        assert_eq!(blk.set_cache_mode(mode), Ok(mode));
        assert_eq!(blk.capabilities().cache_mode(), mode);
        let writeback = bench.disk.config_offset() + WRITEBACK;
        assert_eq!(bench.disk.log().writes_to(writeback), [0]);
        assert!(!bench.disk.model(|disk| disk.is_writeback()));
        // What was written before the switch is not durable by it.
        blk.flush().unwrap();
        bench
            .disk
            .model(|disk| assert_eq!(disk.durable()[512..1024], [0x33; 512]));
        blk.write(2, &[0x44; 512]).unwrap();
        bench
            .disk
            .model(|disk| assert_eq!(disk.durable()[1024..1536], [0x44; 512]));

        let mode = CacheMode::Writeback;
        assert_eq!(blk.set_cache_mode(mode), Ok(mode));
        assert!(bench.disk.model(|disk| disk.is_writeback()));
    }
}

#[test]
fn the_mode_is_read_once_the_features_are_agreed_on() {
    let bench = Bench::new(BlockModel::patterned(8).switchable_cache());
    let mut storage = Storage::<4>::new();
    let _blk = bench.try_drive(&mut storage).unwrap();
    let log = bench.disk.log();
    let is_read = |access: &levitate_host::mmio::Access| {
        access.offset == bench.disk.config_offset() + WRITEBACK
    };
    let read = log.all().iter().position(is_read).unwrap();
    let agreed = log.position_of_write(0x070, 0xb).unwrap();
    assert!(agreed < read, "§5.2.5.1");
}

#[test]
fn a_device_that_stays_as_it_was_is_believed() {
    let bench = Bench::with(
        Version::Two,
        BlockModel::patterned(8).switchable_cache(),
        |behaviour| behaviour.config_override = vec![(0x20, vec![7])],
    );
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    assert_eq!(
        blk.set_cache_mode(CacheMode::Writethrough),
        Ok(CacheMode::Writeback)
    );
    assert_eq!(blk.capabilities().cache_mode(), CacheMode::Writeback);
}

#[test]
fn a_cache_that_cannot_be_switched_is_not() {
    for (model, mode) in [
        (BlockModel::patterned(8), CacheMode::Writeback),
        (
            BlockModel::patterned(8).without_flush(),
            CacheMode::Writethrough,
        ),
    ] {
        let bench = Bench::new(model);
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        assert_eq!(blk.capabilities().cache_mode(), mode);
        for wanted in [CacheMode::Writeback, CacheMode::Writethrough] {
            assert_eq!(blk.set_cache_mode(wanted), Err(CacheModeError::Fixed));
        }
        assert_eq!(bench.disk.log().all(), [], "no register was touched");
    }
}

#[test]
fn a_cache_that_no_flush_empties_is_not_believed_in() {
    const FLUSH: u64 = 1 << 9;
    const CONFIG_WCE: u64 = 1 << 11;
    for plug in Plug::ALL {
        let model = BlockModel::patterned(8).switchable_cache();
        let bench = Bench::with(plug, model, |behaviour| behaviour.withhold = FLUSH);
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        assert_eq!(bench.disk.negotiated() & (FLUSH | CONFIG_WCE), 0);
        assert_eq!(blk.capabilities().cache_mode(), CacheMode::Writethrough);
        let mode = CacheMode::Writeback;
        assert_eq!(blk.set_cache_mode(mode), Err(CacheModeError::Fixed));
        blk.flush().unwrap();
        assert_eq!(bench.disk.log().all(), [], "there is nothing to send");
    }
}

#[test]
fn a_mode_that_cannot_be_read_back_is_taken_for_writeback() {
    for plug in Plug::ALL {
        let model = BlockModel::patterned(8).switchable_cache();
        let bench = Bench::with(plug, model, |_| {});
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        for mode in [CacheMode::Writeback, CacheMode::Writethrough] {
            let writethrough = CacheMode::Writethrough;
            assert_eq!(blk.set_cache_mode(writethrough), Ok(writethrough));
            bench
                .disk
                .behave(|behaviour| behaviour.config_never_still = true);
            assert!(matches!(
                blk.set_cache_mode(mode),
                Err(CacheModeError::Config(ConfigError::NeverStable { .. }))
            ));
            assert_eq!(blk.capabilities().cache_mode(), CacheMode::Writeback);
            bench
                .disk
                .behave(|behaviour| behaviour.config_never_still = false);
        }
    }
}
