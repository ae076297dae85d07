//! Used buffer notifications: sent when wanted, acknowledged by a handle of its own.

use crate::bench::{Bench, Storage, every_variant, submit_read, variants_of};
use levitate_host::{AnyDevice, BlockModel, Plug};
use levitate_virtio::{Interrupt, InterruptStatus};

#[test]
fn at_first_the_device_does_not_interrupt() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        for _ in 0..20 {
            blk.read(0, &mut [0; 512]).unwrap();
        }
        assert_eq!(bench.disk.interrupts_raised(), 0);
    }
}

#[test]
fn when_wanted_each_batch_interrupts_until_it_is_acknowledged() {
    for bench in variants_of(&Plug::LINES, || BlockModel::patterned(8)) {
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        let handler = blk.interrupt().expect("the device is running");
        assert_eq!(handler.acknowledge(), InterruptStatus::empty());
        blk.set_used_notifications(true);
        assert!(blk.poll().unwrap().is_none());
        for round in 1..=3 {
            submit_read(&mut blk, 0);
            blk.notify();
            assert_eq!(bench.disk.interrupts_raised(), round);
            assert!(bench.disk.is_interrupting());
            assert_eq!(handler.acknowledge(), InterruptStatus::USED_BUFFER);
            assert!(!bench.disk.is_interrupting());
            assert_eq!(blk.poll().unwrap().unwrap().result, Ok(()));
        }
        // A blocking call leaves the wish as it was.
        blk.flush().unwrap();
        assert_eq!(bench.disk.interrupts_raised(), 4);
        blk.set_used_notifications(false);
        blk.flush().unwrap();
        assert_eq!(bench.disk.interrupts_raised(), 4);
    }
}

#[test]
fn the_wish_outlives_a_recovery() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    blk.set_used_notifications(true);
    blk.recover(|_| ()).unwrap();
    blk.poll().unwrap();
    blk.flush().unwrap();
    assert_eq!(bench.disk.interrupts_raised(), 1);
}

#[test]
fn with_msix_each_batch_is_one_message_and_costs_no_register_access_but_the_notification() {
    for bench in variants_of(&[Plug::PciMsix], || BlockModel::patterned(8)) {
        let AnyDevice::Pci(disk, _) = &bench.disk else {
            panic!("the disk is on PCI");
        };
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        let handler = blk.interrupt().expect("the device is running");
        blk.set_used_notifications(true);
        assert!(blk.poll().unwrap().is_none());
        for _ in 0..3 {
            submit_read(&mut blk, 0);
            bench.disk.clear_log();
            blk.notify();
            let messages = disk.take_messages();
            let vectors: Vec<u16> = messages.iter().map(|message| message.vector).collect();
            assert_eq!(vectors, [1], "that of queue 0");
            let causes = handler.acknowledge_vector(1);
            assert_eq!(causes, InterruptStatus::USED_BUFFER);
            assert_eq!(blk.poll().unwrap().unwrap().result, Ok(()));
            assert_eq!(bench.disk.notifications(), [0]);
            assert_eq!(bench.disk.log().all().len(), 1);
            assert_eq!(disk.config_log().all(), []);
        }
    }
}
