//! Packed rings with the device on a thread of its own: no list and no wake-up is lost.

use std::time::Duration;

use levitate_hal::{Deadline, DmaSlice, Mmio};
use levitate_host::device::feature::{EVENT_IDX, IN_ORDER, RING_PACKED, VERSION_1};
use levitate_host::{BlockModel, MmioDevice, Pool, SystemClock};

use crate::packed_ring::PackedRing;
use crate::rig::WRITE;

const PATIENCE: Duration = Duration::from_secs(5);
const SIZE: u16 = 7;
const ROUNDS: u32 = 5000;

/// Brings a disk up by registers, with one packed ring.
fn live(pool: &Pool, clock: &SystemClock, wanted: u64) -> (MmioDevice<BlockModel>, PackedRing) {
    let device = MmioDevice::builder(BlockModel::patterned(8))
        .behave(|behaviour| {
            behaviour.offer = RING_PACKED | IN_ORDER;
            behaviour.batches = true;
            behaviour.gives_way = true;
        })
        .build_threaded(pool, clock);
    let ring = PackedRing::new(pool, SIZE);
    for probe in [0x000, 0x004, 0x008] {
        device.read32(probe);
    }
    for status in [0, 1, 3] {
        device.write32(0x070, status);
        device.read32(0x070);
    }
    for word in 0..2 {
        device.write32(0x024, word);
        let chosen = wanted | RING_PACKED | VERSION_1;
        device.write32(0x020, (chosen >> (32 * word)) as u32);
    }
    device.write32(0x070, 0xb);
    assert_eq!(device.read32(0x070), 0xb);
    device.write32(0x030, 0);
    device.read32(0x044);
    device.read32(0x034);
    device.write32(0x038, SIZE.into());
    for (register, addr) in [0x080, 0x090, 0x0a0].into_iter().zip(ring.areas()) {
        device.write32(register, addr as u32);
        device.write32(register + 4, (addr >> 32) as u32);
    }
    device.write32(0x044, 1);
    device.write32(0x070, 0xf);
    (device, ring)
}

#[test]
fn every_list_is_used_though_the_device_is_told_only_when_it_asks() {
    for wanted in [0, EVENT_IDX, IN_ORDER, EVENT_IDX | IN_ORDER] {
        let (pool, clock) = (Pool::new(), SystemClock::new());
        let (device, mut ring) = live(&pool, &clock, wanted);
        let mut request = DmaSlice::<u8, Pool>::new_zeroed(&pool, 17).unwrap();
        // A type that no disk knows, which answers with the status alone.
        request[0] = 99;
        let at = request.device_addr().get();
        for round in 0..ROUNDS {
            ring.write_list(&[(at, 16, 0), (at + 16, 1, WRITE)], 5);
            ring.publish();
            if ring.wants_notification() {
                device.write32(0x050, 0);
            }
            let mut used = None;
            let answered = Deadline::after(&clock, PATIENCE).poll(&clock, || {
                used = ring.take_used();
                used.map(drop)
            });
            assert_eq!(answered, Some(()), "round {round}, {wanted:#x}");
            assert_eq!(used, Some((5, Some(1))));
        }
        device.write32(0x070, 0);
        assert_eq!(device.read32(0x070), 0);
        device.assert_clean();
    }
}
