//! Setting up queues through the registers of both versions, compared with what QEMU does.

use levitate_hal::Mmio;
use levitate_host::{BlockModel, Version};

use crate::registers::plug;
use crate::rig::{Rig, VERSION_1};

#[test]
fn queue_size_max_is_0_for_queues_that_are_not_there() {
    let rig = Rig::plug(BlockModel::patterned(8), Version::Two, |behaviour| {
        behaviour.queue_size_max = 16;
    });
    let select = |queue| {
        rig.device.write32(0x030, queue);
        rig.device.read32(0x034)
    };
    assert_eq!((select(0), select(1), select(1023)), (16, 0, 0));
    assert_eq!((select(0), select(1024)), (16, 16), "the earlier one stays");
}

#[test]
fn a_queue_of_version_1_is_one_block_that_queue_align_divides() {
    // Rows F to N of the evidence: size of a page, QueueAlign, and where the used ring then is.
    let rows = [
        (Some(8), Some(4), 292),
        (Some(4096), Some(4), 292),
        (Some(4096), Some(8), 296),
        (Some(4096), Some(4096), 4096),
        (Some(4096), None, 4096),
    ];
    for (page, align, used) in rows {
        let rig = plug(Version::One);
        rig.negotiate(0);
        let (_memory, at) = rig.buffer(&[0; 8192]);
        if let Some(page) = page {
            rig.device.write32(0x028, page);
        }
        rig.device.write32(0x030, 0);
        rig.device.write32(0x038, 16);
        if let Some(align) = align {
            rig.device.write32(0x03c, align);
        }
        let pfn = at / u64::from(page.unwrap_or(1));
        rig.device.write32(0x040, pfn as u32);
        let (size, areas) = rig.device.queue(0).unwrap();
        assert_eq!(size, 16);
        if u64::from(pfn as u32) == pfn {
            assert_eq!(areas.descriptor, at);
        }
        assert_eq!(areas.driver - areas.descriptor, 256);
        assert_eq!(areas.device - areas.descriptor, used);
        rig.reset();
    }
}

#[test]
fn without_guest_page_size_the_page_number_is_an_address_and_it_outlives_a_reset() {
    let rig = plug(Version::One);
    rig.negotiate(0);
    rig.device.write32(0x038, 16);
    rig.device.write32(0x03c, 4096);
    rig.device.write32(0x040, 0x1234);
    assert_eq!(rig.device.queue(0).unwrap().1.descriptor, 0x1234);
    assert_eq!(rig.device.read32(0x040), 0x1234, "reads back all the same");
    assert!(
        rig.device
            .violations()
            .iter()
            .any(|one| one.id == "LMMIO-02")
    );
    rig.device.write32(0x028, 4096);
    rig.negotiate(0);
    assert_eq!(rig.device.queue(0), None, "a reset takes the queue");
    assert_eq!(rig.device.read32(0x040), 0);
    rig.device.write32(0x040, 0x1234);
    assert_eq!(rig.device.queue(0).unwrap().1.descriptor, 0x123_4000);
}

#[test]
fn queue_pfn_0_resets_the_device() {
    let mut rig = plug(Version::One);
    rig.negotiate(0);
    rig.set_up_queue(0, 8);
    rig.go();
    assert_eq!(rig.status(), 7);
    rig.device.write32(0x030, 0);
    rig.device.write32(0x040, 0);
    assert_eq!((rig.status(), rig.device.queue(0)), (0, None));
}

#[test]
fn a_queue_of_version_2_has_three_addresses_of_64_bits() {
    let mut rig = plug(Version::Two);
    rig.negotiate(VERSION_1);
    rig.set_up_queue(0, 8);
    assert_eq!(rig.device.read32(0x044), 1);
    let (_, areas) = rig.device.queue(0).unwrap();
    assert!(areas.descriptor > u64::from(u32::MAX));
    assert_eq!(areas.driver, areas.descriptor + 128);
    rig.device.write32(0x080, 0);
    assert_eq!(rig.device.violations()[0].id, "MMIO-13");
    rig.device.write32(0x044, 0);
    assert_eq!(rig.device.read32(0x044), 0);
    rig.rings.clear();
    rig.pool.assert_no_leaks();
}

#[test]
fn queue_setup_can_go_unheard() {
    for version in [Version::One, Version::Two] {
        let mut rig = Rig::plug(BlockModel::patterned(8), version, |behaviour| {
            behaviour.ignore_queue_setup = true;
        });
        rig.probe();
        rig.negotiate(VERSION_1);
        rig.set_up_queue(0, 8);
        let register = match version {
            Version::One => 0x040,
            Version::Two => 0x044,
        };
        assert_eq!(rig.device.read32(register), 0);
        assert_eq!(rig.device.queue(0), None);
    }
}

#[test]
fn the_alignment_of_a_queue_outlives_a_reset() {
    let rig = plug(Version::One);
    rig.device.write32(0x03c, 64);
    rig.negotiate(0);
    rig.device.write32(0x038, 16);
    rig.device.write32(0x040, 0x1000);
    let (_, areas) = rig.device.queue(0).unwrap();
    assert_eq!(areas.device - areas.descriptor, 320);
}

#[test]
fn a_guest_page_size_of_0_is_none() {
    let rig = plug(Version::One);
    rig.negotiate(0);
    rig.device.write32(0x028, 0);
    rig.device.write32(0x038, 16);
    rig.device.write32(0x040, 0x1000);
    assert_eq!(rig.device.queue(0).unwrap().1.descriptor, 0x1000);
}

#[test]
fn a_queue_can_be_reset_by_itself_where_there_is_a_register_for_it() {
    const RING_RESET: u64 = 1 << 40;
    let mut rig = Rig::plug(BlockModel::patterned(8), Version::Two, |behaviour| {
        behaviour.offer = RING_RESET;
        behaviour.queue_reset_reads = Some(2);
    });
    rig.probe();
    rig.negotiate(VERSION_1 | RING_RESET);
    rig.set_up_queue(0, 8);
    rig.go();
    rig.device.write32(0x0c0, 1);
    assert_eq!([(); 3].map(|()| rig.device.read32(0x0c0)), [1, 1, 0]);
    assert_eq!((rig.device.read32(0x044), rig.device.queue(0)), (0, None));
    assert_eq!(rig.status(), 0xf, "the device goes on");
    rig.rings.clear();
    rig.pool.assert_no_leaks();
    rig.set_up_queue(0, 16);
    assert_eq!(rig.device.queue(0).unwrap().0, 16);
    rig.device.assert_clean();
    rig.device.write32(0x0c0, 2);
    let errors = rig.device.guest_errors();
    assert_eq!(errors, ["wrong value for QueueReset 2"]);
    // Without the feature there is no such register.
    rig.negotiate(VERSION_1);
    assert_eq!(rig.device.read32(0x0c0), 0);
    assert_eq!(rig.device.guest_errors().len(), 2);
}
