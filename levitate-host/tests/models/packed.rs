//! Devices with packed virtqueues.

use levitate_hal::{DmaSlice, Mmio};
use levitate_host::block::pattern;
use levitate_host::device::feature::{EVENT_IDX, IN_ORDER, INDIRECT_DESC, RING_PACKED};
use levitate_host::device::{DeviceModel, Suppression};
use levitate_host::{
    Behaviour, BlockModel, Completion, Fault, GpuModel, MmioDevice, Pool, Version,
};

use crate::packed_ring::{Element, PackedRing};
use crate::rig::{INDIRECT, Rig, VERSION_1, WRITE};

/// A device behind MMIO that is live with packed rings.
struct Packed<M: DeviceModel> {
    rig: Rig<M>,
    // Behind the rig, which takes the queues from the device as it goes.
    rings: Vec<PackedRing>,
}

impl<M: DeviceModel> Packed<M> {
    fn live(model: M, size: u16, wanted: u64, change: impl FnOnce(&mut Behaviour)) -> Self {
        let queues = model.queue_count();
        let rig = Rig::plug(model, Version::Two, |behaviour| {
            behaviour.offer = RING_PACKED | wanted;
            behaviour.queue_size_max = 32768;
            change(behaviour);
        });
        rig.probe();
        rig.negotiate(RING_PACKED | VERSION_1 | wanted);
        let mut rings = Vec::new();
        for index in 0..queues {
            rig.device.write32(0x030, index.into());
            rig.device.read32(0x044);
            rig.device.read32(0x034);
            rig.device.write32(0x038, size.into());
            let ring = PackedRing::new(&rig.pool, size);
            for (register, addr) in [0x080, 0x090, 0x0a0].into_iter().zip(ring.areas()) {
                rig.device.write32(register, addr as u32);
                rig.device.write32(register + 4, (addr >> 32) as u32);
            }
            rig.device.write32(0x044, 1);
            rings.push(ring);
        }
        rig.go();
        Self { rig, rings }
    }
}

/// Memory of one request to read a sector: header, room, status.
pub(crate) fn sector_request(pool: &Pool, sector: u8) -> (DmaSlice<u8, Pool>, [Element; 3]) {
    let mut memory = DmaSlice::new_zeroed(pool, 16 + 512 + 1).unwrap();
    memory[8] = sector;
    memory[528] = 0x77;
    let at = memory.device_addr().get();
    (
        memory,
        [(at, 16, 0), (at + 16, 512, WRITE), (at + 528, 1, WRITE)],
    )
}

fn disk(size: u16, wanted: u64, change: impl FnOnce(&mut Behaviour)) -> Packed<BlockModel> {
    Packed::live(BlockModel::patterned(8), size, wanted, change)
}

impl Packed<BlockModel> {
    /// Makes a request to read available under an ID, and notifies.
    fn send(&mut self, sector: u8, id: u16) -> DmaSlice<u8, Pool> {
        let (memory, elements) = sector_request(&self.rig.pool, sector);
        self.rings[0].write_list(&elements, id);
        self.rings[0].publish();
        if self.rings[0].wants_notification() {
            self.rig.notify(0);
        }
        memory
    }

    fn used(&mut self) -> Vec<(u16, Option<u32>)> {
        // A device that is wrong may have marked the whole ring used.
        let limit = usize::from(self.rings[0].size);
        std::iter::from_fn(|| self.rings[0].take_used())
            .take(limit)
            .collect()
    }
}

pub(crate) const WHOLE: Option<u32> = Some(513);

#[test]
fn a_disk_is_read_through_rings_of_any_size() {
    for size in [3, 5, 7, 256, 1000, 32768] {
        for wanted in [0, EVENT_IDX, IN_ORDER, EVENT_IDX | IN_ORDER] {
            let mut disk = disk(size, wanted, |_| ());
            assert_eq!(disk.rig.device.queue(0).unwrap().0, size);
            for round in 0..20 {
                let sector = round % 8;
                let memory = disk.send(sector, 3);
                assert_eq!(disk.used(), [(3, WHOLE)]);
                assert_eq!(memory[16 + 100], pattern(512 * usize::from(sector) + 100));
                assert_eq!(memory[528], 0);
                // There may be more notifications than lists (PACKED-05).
                disk.rig.notify(0);
            }
            disk.rig.device.assert_clean();
        }
    }
}

#[test]
fn an_indirect_table_takes_one_descriptor_of_the_ring() {
    let mut disk = disk(3, INDIRECT_DESC, |_| ());
    for _ in 0..9 {
        let (memory, elements) = sector_request(&disk.rig.pool, 2);
        let mut table = Vec::new();
        for (addr, len, flags) in elements {
            table.extend(addr.to_le_bytes());
            table.extend(len.to_le_bytes());
            table.extend([0, 0]);
            table.extend(flags.to_le_bytes());
        }
        let (_table, at) = disk.rig.buffer(&table);
        disk.rings[0].write_list(&[(at, 48, INDIRECT)], 7);
        disk.rings[0].publish();
        disk.rig.notify(0);
        assert_eq!(disk.used(), [(7, WHOLE)]);
        assert_eq!(memory[16], pattern(1024));
    }
    disk.rig.device.assert_clean();
}

#[test]
fn a_display_has_packed_rings_too() {
    let mut display = Packed::live(GpuModel::new(640, 480), 7, 0, |_| ());
    for _ in 0..5 {
        let mut command = [0; 24 + 24 + 16 * 24];
        command[..4].copy_from_slice(&0x0100_u32.to_le_bytes());
        let (memory, at) = display.rig.buffer(&command);
        let ring = &mut display.rings[0];
        ring.write_list(&[(at, 24, 0), (at + 24, 408, WRITE)], 1);
        ring.publish();
        display.rig.notify(0);
        assert_eq!(display.rings[0].take_used(), Some((1, Some(408))));
        assert_eq!(memory[24..28], 0x1101_u32.to_le_bytes());
        assert_eq!(memory[56..60], 640_u32.to_le_bytes());
    }
    display.rig.device.assert_clean();
}

#[test]
fn requests_are_answered_in_the_order_of_the_tests_choice() {
    let mut disk = disk(7, 0, |behaviour| behaviour.completion = Completion::Held);
    for _ in 0..5 {
        let _memory = [disk.send(1, 4), disk.send(2, 9)];
        assert_eq!(disk.rig.device.waiting(), [(0, 4), (0, 9)]);
        assert!(disk.rig.device.release_at(1));
        assert_eq!(disk.used(), [(9, WHOLE)]);
        disk.rig.device.release_all();
        assert_eq!(disk.used(), [(4, WHOLE)]);
    }
    disk.rig.device.assert_clean();
}

#[test]
fn with_in_order_requests_are_answered_in_order_whatever_the_test_chooses() {
    for batches in [false, true] {
        let mut disk = disk(32, IN_ORDER, |behaviour| {
            behaviour.completion = Completion::Held;
            behaviour.batches = batches;
        });
        for _ in 0..30 {
            let _memory: Vec<_> = (0..4).map(|id| disk.send(id as u8, id)).collect();
            assert!(disk.rig.device.release_at(2));
            if batches {
                // One for three, and the driver goes on behind all of them.
                assert_eq!(disk.rings[0].take_used_for(&[0, 1, 2]), Some((2, WHOLE)));
            } else {
                assert_eq!(disk.used(), [(0, WHOLE), (1, WHOLE), (2, WHOLE)]);
            }
            assert_eq!(disk.rig.device.waiting(), [(0, 3)]);
            disk.rig.device.release_all();
            assert_eq!(disk.used(), [(3, WHOLE)]);
        }
        disk.rig.device.assert_clean();
    }
}

#[test]
fn a_batch_is_what_came_with_one_notification() {
    let mut disk = disk(32, IN_ORDER, |behaviour| behaviour.batches = true);
    let mut memory = Vec::new();
    for id in 0..5 {
        let (request, elements) = sector_request(&disk.rig.pool, id as u8);
        memory.push(request);
        disk.rings[0].write_list(&elements, id);
        disk.rings[0].publish();
    }
    let before = disk.rig.device.interrupts_raised();
    disk.rig.notify(0);
    assert_eq!(
        disk.rings[0].take_used_for(&[0, 1, 2, 3, 4]),
        Some((4, WHOLE))
    );
    assert_eq!(disk.rings[0].take_used(), None);
    assert_eq!(disk.rig.device.interrupts_raised(), before + 1);
    assert!(memory.iter().all(|request| request[528] == 0));
    disk.rig.device.assert_clean();
}

#[test]
fn what_was_not_written_all_over_is_not_skipped() {
    let mut disk = disk(32, IN_ORDER, |behaviour| behaviour.batches = true);
    disk.rig.device.inject(Fault::UsedLen(1));
    let mut memory = Vec::new();
    for id in 0..3 {
        let (request, elements) = sector_request(&disk.rig.pool, 0);
        memory.push(request);
        disk.rings[0].write_list(&elements, id);
        disk.rings[0].publish();
    }
    disk.rig.notify(0);
    assert_eq!(disk.rings[0].take_used(), Some((0, Some(1))));
    assert_eq!(disk.rings[0].take_used_for(&[1, 2]), Some((2, WHOLE)));
    disk.rig.device.assert_clean();
}

#[test]
fn a_packed_ring_can_do_without_interrupts() {
    let mut disk = disk(5, EVENT_IDX, |_| ());
    let mut raised = 0;
    for (event, flags, wanted) in [
        (0, 1, false),
        (0, 0, true),
        // Three descriptors each: the third request begins with descriptor 1 of the second lap.
        (1, 2, true),
        (4 | 1 << 15, 2, false),
        (2, 0, true),
    ] {
        disk.rings[0].set_driver_event(event, flags);
        disk.send(0, 1);
        assert_eq!(disk.used().len(), 1);
        raised += usize::from(wanted);
        assert_eq!(
            disk.rig.device.interrupts_raised(),
            raised,
            "{event:#x} {flags}"
        );
    }
    disk.rig.device.assert_clean();
}

#[test]
fn what_the_device_says_of_notifications_can_be_frozen() {
    let mut disk = disk(5, EVENT_IDX, |behaviour| {
        behaviour.suppression = Suppression::Frozen;
    });
    disk.rig.device.set_available_event(0, 0x8003);
    disk.rig.device.set_used_flags(0, 2);
    disk.send(0, 1);
    let at = disk.rings[0].device;
    assert_eq!(disk.rings[0].get(at), 0x8003);
    assert_eq!(disk.rings[0].get(at + 2), 2);
}

#[test]
fn noise_is_only_where_nobody_has_to_look() {
    let mut disk = disk(5, 0, |behaviour| behaviour.noisy_used = true);
    let memory = disk.send(3, 6);
    assert_eq!(disk.used(), [(6, WHOLE)]);
    assert_eq!(memory[528], 0);
    assert_eq!(
        disk.rings[0].get(14),
        0x8083,
        "NEXT, which means nothing there"
    );
    disk.rig.device.inject(Fault::UsedLen(0));
    disk.send(3, 6);
    assert_eq!(disk.used(), [(6, None)]);
    assert_eq!(
        disk.rings[0].get(16 * 3 + 10),
        0xdead,
        "a length, though nothing was written"
    );
    assert_eq!(disk.rings[0].get(16 * 3 + 14), 0x8081);
}

#[test]
fn a_device_lies_on_packed_rings_as_well() {
    for (fault, wanted) in [
        (Fault::UsedIdOutOfRange, Some((9, WHOLE))),
        (Fault::UsedIdNotInFlight, Some((0, WHOLE))),
        (Fault::UsedLen(9999), Some((2, Some(9999)))),
        (Fault::NoUsedElement, None),
        (Fault::UsedRingMisplaced, None),
        (Fault::AnswerTruncated { len_bytes: 5 }, Some((2, Some(5)))),
    ] {
        let mut disk = disk(7, 0, |_| ());
        disk.rig.device.inject(fault);
        disk.send(0, 2);
        assert_eq!(disk.rings[0].take_used(), wanted, "{fault:?}");
    }
    // Two that are the same, one behind the other.
    let mut disk = disk(7, 0, |_| ());
    disk.rig.device.inject(Fault::UsedTwice);
    disk.send(0, 2);
    assert_eq!(disk.used(), [(2, WHOLE); 2]);
    // Three descriptors, and as many again that nobody has made available.
    let mut disk = self::disk(7, 0, |_| ());
    disk.rig.device.inject(Fault::UsedIndexJump(3));
    disk.send(0, 2);
    let ring = &disk.rings[0];
    let marks = [0, 3, 4, 5, 6].map(|slot| ring.get(16 * slot + 14) & 0x8080);
    assert_eq!(marks, [0x8080, 0x8080, 0x8080, 0x8080, 0]);
}

#[test]
fn a_legacy_device_has_no_packed_rings() {
    let rig = Rig::plug(BlockModel::patterned(8), Version::One, |behaviour| {
        behaviour.offer = RING_PACKED | IN_ORDER;
    });
    let device: &MmioDevice<BlockModel> = &rig.device;
    device.write32(0x014, 0);
    assert_eq!(device.read32(0x010) & 0b1100, 0);
    device.write32(0x014, 1);
    assert_eq!(device.read32(0x010), 0);
}
