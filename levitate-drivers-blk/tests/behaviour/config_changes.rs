//! A disk that is resized while it is driven.

use crate::bench::{Bench, Storage};
use levitate_drivers_blk::{CapacityChange, InitError};
use levitate_host::{BlockModel, Plug};
use levitate_virtio::{ConfigError, Interrupt, InterruptStatus};

#[test]
fn a_resized_disk_is_seen_after_its_interrupt() {
    for plug in Plug::ALL {
        let bench = Bench::with(plug, BlockModel::patterned(8), |_| {});
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        let handler = blk.interrupt().unwrap();
        bench.disk.change_config(|disk| disk.set_capacity(6));
        // Over MSI-X, the vector tells the cause; that of the configuration is 0.
        assert_eq!(
            handler.acknowledge_vector(0),
            InterruptStatus::CONFIG_CHANGE
        );
        assert_eq!(blk.capacity_sectors(), 8, "nobody has looked");
        let shrunk = CapacityChange {
            before_sectors: 8,
            now_sectors: 6,
        };
        assert_eq!(blk.process_config_change(), Ok(Some(shrunk)));
        assert_eq!(blk.process_config_change(), Ok(None), "it was said");
        assert!(blk.read(6, &mut [0; 512]).is_err());
        assert!(bench.take_requests().is_empty(), "and not sent");

        bench.disk.change_config(|disk| disk.set_capacity(8));
        assert!(blk.process_config_change().unwrap().is_some());
        blk.read(7, &mut [0; 512]).unwrap();
    }
}

#[test]
fn a_capacity_that_cannot_be_leaves_the_one_known() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    bench.disk.change_config(|disk| disk.set_capacity(u64::MAX));
    let capacity_sectors = u64::MAX;
    assert_eq!(
        blk.process_config_change(),
        Err(InitError::Capacity { capacity_sectors })
    );
    assert_eq!(blk.capacity_sectors(), 8);
    bench
        .disk
        .behave(|behaviour| behaviour.config_never_still = true);
    assert!(matches!(
        blk.process_config_change(),
        Err(InitError::Config(ConfigError::NeverStable { .. }))
    ));
    assert_eq!(blk.capacity_sectors(), 8);
}

#[test]
fn a_recovery_asks_for_the_capacity_too() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    bench.disk.change_config(|disk| disk.set_capacity(4));
    blk.recover(|_| ()).unwrap();
    assert_eq!(blk.capacity_sectors(), 4);
    assert_eq!(blk.process_config_change(), Ok(None));
}
