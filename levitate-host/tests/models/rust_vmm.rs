//! Where the checker and rust-vmm meet, and what becomes of a queue that they do not both follow.

use levitate_hal::{DmaRegion, Mmio};
use levitate_host::queue::RingError;
use levitate_host::{BlockModel, Version};

use crate::rig::{EVENT_IDX, Part, Rig};
use crate::ring::{FLUSH, SIZE, disk, flush};

#[test]
fn a_chain_that_the_two_read_differently_fails_the_test_and_names_both() {
    const ENTRIES: u16 = 1024;
    const PART_BYTES: u32 = 4 << 20;
    let model = BlockModel::patterned(8);
    let mut rig = Rig::live(model, Version::Two, 1, ENTRIES, 0);
    let memory = DmaRegion::new(&rig.pool, PART_BYTES as usize, 4096).unwrap();
    let part: Part = (memory.device_addr().get(), PART_BYTES, true);
    // 2^32 bytes are not "longer than 2^32 bytes" (§2.7.5.2), and more than rust-vmm can count.
    rig.send(0, &[part; ENTRIES as usize]);
    assert_eq!(rig.ids(), [""; 0], "the driver did nothing wrong");
    let disagreement = RingError::Disagreement {
        head: 0,
        checked: 1024,
        read: Some(1023),
    };
    assert_eq!(rig.device.ring_errors(), [disagreement]);
    assert!(disagreement.to_string().starts_with("the test platform"));
    assert_eq!(rig.rings[0].used_index(), 0, "and nothing was served");
}

#[test]
fn a_chain_of_more_than_2_to_the_32_bytes_is_the_drivers_fault() {
    const PARTS: usize = 512;
    const PART_BYTES: u32 = 8 << 20;
    let model = BlockModel::patterned(8);
    let mut rig = Rig::live(model, Version::Two, 1, 1024, 0);
    let memory = DmaRegion::new(&rig.pool, PART_BYTES as usize, 4096).unwrap();
    let at = memory.device_addr().get();
    let mut parts: Vec<Part> = vec![(at, PART_BYTES, true); PARTS];
    parts.push((at, 1, true));
    rig.send(0, &parts);
    assert_eq!(rig.ids(), ["SPLIT-04"]);
    let errors = rig.device.ring_errors();
    assert_eq!(errors, [RingError::TooManyBytes { head: 0 }]);
    assert_eq!(rig.rings[0].used_index(), 0, "and nothing was served");
}

#[test]
fn a_queue_that_rust_vmm_refuses_is_not_served() {
    let model = BlockModel::patterned(8);
    let rig = Rig::plug(model, Version::One, |behaviour| {
        behaviour.queue_size_max = 6;
    });
    rig.probe();
    rig.negotiate(0);
    let memory = DmaRegion::new(&rig.pool, 3 * 4096, 4096).unwrap();
    let device = &rig.device;
    device.write32(0x028, 4096);
    device.write32(0x030, 0);
    device.read32(0x040);
    assert_eq!(device.read32(0x034), 6);
    device.write32(0x03c, 4096);
    // As long as it is: no size is written, for none that is allowed would fit.
    device.write32(0x040, (memory.device_addr().get() / 4096) as u32);
    rig.go();
    assert!(rig.ids().contains(&"SPLIT-28"));
    assert_eq!(device.ring_errors(), []);
    rig.notify(0);
    assert_eq!(device.ring_errors(), [RingError::Refused { size: 6 }]);
    rig.reset();
}

#[test]
fn a_device_that_served_all_asks_for_the_next_notification() {
    for features in [0, EVENT_IDX] {
        let mut rig = disk(features);
        let (_buffer, at) = rig.buffer(&FLUSH);
        for round in 1..=2 * SIZE {
            rig.send(0, &flush(at));
            let asked = match features {
                0 => (rig.rings[0].used_flags(), 0),
                _ => (0, rig.rings[0].available_event()),
            };
            let wanted = if features == 0 { (0, 0) } else { (0, round) };
            assert_eq!(asked, wanted);
        }
        rig.device.assert_clean();
    }
}

#[test]
fn a_driver_that_wants_no_interrupt_gets_none() {
    let mut rig = disk(0);
    let (_buffer, at) = rig.buffer(&FLUSH);
    rig.rings[0].set_available_flags(1);
    rig.send(0, &flush(at));
    assert_eq!(rig.device.interrupts_raised(), 0);
    rig.rings[0].set_available_flags(0);
    rig.send(0, &flush(at));
    assert_eq!(rig.device.interrupts_raised(), 1);
}
