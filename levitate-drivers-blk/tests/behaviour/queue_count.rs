//! How many queues of a disk are used (`VIRTIO_BLK_F_MQ`).

use std::cell::Cell;
use std::rc::Rc;

use crate::bench::{Bench, Storage};
use levitate_drivers_blk::{Blk, InitError};
use levitate_hal::Mmio;
use levitate_host::{BlockModel, MmioDevice, Version};
use levitate_virtio::{MmioTransport, QueueError};

fn disk(queues: u16) -> BlockModel {
    BlockModel::patterned(64).queues(queues)
}

#[test]
fn no_more_queues_are_used_than_both_have() {
    for (offered, used) in [(1, 1), (2, 2), (3, 3), (8, 3)] {
        let bench = Bench::new(disk(offered));
        let mut storage = Storage::<2, 2>::new();
        let blk = bench.drive(&mut storage);
        assert_eq!(blk.queue_count(), used);
        for queue in 0..offered {
            let is_used = usize::from(queue) < used;
            assert_eq!(bench.disk.queue(queue).is_some(), is_used, "queue {queue}");
        }
    }
}

#[test]
fn without_the_feature_or_room_for_more_there_is_one_queue() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<2, 3>::new();
    let blk = bench.drive(&mut storage);
    assert_eq!(blk.queue_count(), 1);

    let bench = Bench::new(disk(4));
    let mut storage = Storage::<2>::new();
    let mut blk = bench.drive(&mut storage);
    assert_eq!(blk.queue_count(), 1);
    assert_eq!(bench.disk.negotiated() >> 12 & 1, 0, "nobody asked for it");
    blk.read(0, &mut [0; 512]).unwrap();
}

#[test]
fn a_device_that_lies_about_its_queues_is_driven_by_those_it_has() {
    for (claimed, used) in [(0_u16, 1), (1, 1), (u16::MAX, 2)] {
        let bench = Bench::with(Version::Two, disk(2), |behaviour| {
            behaviour.config_override = vec![(34, claimed.to_le_bytes().to_vec())];
        });
        let mut storage = Storage::<2, 3>::new();
        let mut blk = bench.drive(&mut storage);
        assert_eq!(blk.queue_count(), used, "{claimed} claimed");
        blk.read(0, &mut [0; 512]).unwrap();
        blk.recover(|_| ()).unwrap();
        assert_eq!(blk.queue_count(), used, "after a recovery too");
    }
}

#[test]
fn wherever_the_memory_runs_out_nothing_is_kept_and_fewer_queues_do() {
    for version in [Version::One, Version::Two] {
        let mut counts = Vec::new();
        for failures in 0.. {
            let bench = Bench::with(version, disk(3), |_| {});
            bench.pool.fail_allocation_after(failures);
            let mut storage = Storage::<4, 2>::new();
            match bench.try_drive(&mut storage) {
                Ok(mut blk) => {
                    counts.push(blk.queue_count());
                    blk.read(0, &mut [0; 512]).unwrap();
                }
                Err(InitError::Bounce(_) | InitError::Queue(QueueError::Dma(_))) => counts.push(0),
                Err(other) => panic!("{other}"),
            }
            if counts.last() == Some(&3) {
                break;
            }
        }
        // Bounce buffer, and for each queue slots and rings.
        assert_eq!(counts, [0, 0, 0, 1, 1, 2, 2, 3]);
    }
}

/// A disk whose queue `small` has room for two descriptors, a header and a status, and for no data.
#[derive(Clone)]
struct SmallQueue {
    disk: MmioDevice<BlockModel>,
    small: u32,
    selected: Rc<Cell<u32>>,
}

impl SmallQueue {
    const QUEUE_SEL: usize = 0x030;
    const QUEUE_SIZE_MAX: usize = 0x034;
}

impl Mmio for SmallQueue {
    fn len_bytes(&self) -> usize {
        self.disk.len_bytes()
    }

    fn read8(&self, offset: usize) -> u8 {
        self.disk.read8(offset)
    }

    fn read16(&self, offset: usize) -> u16 {
        self.disk.read16(offset)
    }

    fn read32(&self, offset: usize) -> u32 {
        let value = self.disk.read32(offset);
        match offset == Self::QUEUE_SIZE_MAX && self.selected.get() == self.small {
            true => 2,
            false => value,
        }
    }

    fn read64(&self, offset: usize) -> u64 {
        self.disk.read64(offset)
    }

    fn write8(&self, offset: usize, value: u8) {
        self.disk.write8(offset, value);
    }

    fn write16(&self, offset: usize, value: u16) {
        self.disk.write16(offset, value);
    }

    fn write32(&self, offset: usize, value: u32) {
        if offset == Self::QUEUE_SEL {
            self.selected.set(value);
        }
        self.disk.write32(offset, value);
    }

    fn write64(&self, offset: usize, value: u64) {
        self.disk.write64(offset, value);
    }
}

#[test]
fn a_queue_without_room_for_a_block_is_left_out_with_those_after_it() {
    for (small, used) in [(1, 1), (2, 2), (3, 3)] {
        let bench = Bench::new(disk(3));
        let registers = SmallQueue {
            disk: bench.disk.mmio().clone(),
            small,
            selected: Rc::default(),
        };
        let transport = MmioTransport::probe(registers).unwrap().unwrap();
        let platform = (bench.pool.clone(), bench.clock.clone());
        let mut storage = Storage::<2, 2>::new();
        let mut blk = Blk::with_options(transport, platform, &mut storage, bench.options).unwrap();
        let max_bytes = blk.max_request_bytes();
        for life in 0..3 {
            assert_eq!(blk.queue_count(), used, "life {life}");
            assert_eq!(blk.max_request_bytes(), max_bytes);
            assert_eq!(blk.queues().count(), used);
            blk.read(0, &mut [0; 4096]).unwrap();
            assert!(blk.poll().unwrap().is_none());
            blk.recover(drop).unwrap();
        }
    }
}
