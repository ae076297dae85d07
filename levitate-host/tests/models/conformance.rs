//! Each rule a device watches, broken on purpose and named.

use levitate_hal::{DmaRegion, Mmio};
use levitate_host::{BlockModel, MmioDevice, Pool, Version, VirtualClock};

use crate::rig::{Rig, VERSION_1};

fn fresh(version: Version) -> Rig<BlockModel> {
    let rig = Rig::plug(BlockModel::patterned(8), version, |_| ());
    rig.probe();
    rig.reset();
    rig
}

#[test]
fn a_proper_start_is_clean_in_both_versions() {
    for version in [Version::One, Version::Two] {
        let rig = Rig::live(BlockModel::patterned(8), version, 1, 8, u64::MAX);
        assert_eq!(rig.ids(), [""; 0]);
        rig.device.assert_clean();
        let wanted: &[u64] = match version {
            Version::One => &[0, 1, 3, 7],
            Version::Two => &[0, 1, 3, 0xb, 0xf],
        };
        assert_eq!(rig.device.log().writes_to(0x070), wanted);
    }
}

#[test]
#[should_panic(expected = "MMIO-18")]
fn a_broken_rule_fails_the_test() {
    let rig = fresh(Version::Two);
    rig.device.write32(0x064, 4);
    rig.device.assert_clean();
}

fn unwatched() -> MmioDevice<BlockModel> {
    let device =
        MmioDevice::builder(BlockModel::patterned(8)).build(&Pool::new(), &VirtualClock::new());
    for offset in [0x000, 0x004, 0x008] {
        device.read32(offset);
    }
    device
}

#[test]
#[should_panic(expected = "MMIO-18")]
fn a_broken_rule_fails_a_test_that_does_not_ask() {
    let device = unwatched();
    device.clone().write32(0x064, 4);
}

#[test]
#[should_panic(expected = "guest error: bad register offset (0xc0)")]
fn a_guest_error_fails_a_test_that_looks_and_does_not_take() {
    let device = unwatched();
    device.write32(0x0c0, 1);
    assert_eq!(device.guest_errors().len(), 1);
}

#[test]
#[should_panic(expected = "ring error: ")]
fn a_ring_error_fails_a_test_that_takes_the_violations_only() {
    let (pool, clock) = (Pool::new(), VirtualClock::new());
    let device = MmioDevice::builder(BlockModel::patterned(8)).build(&pool, &clock);
    // No queue is where a device could reach it.
    for (offset, value) in [(0x070, 4), (0x038, 8), (0x044, 1), (0x050, 0)] {
        device.write32(offset, value);
    }
    assert!(!device.take_violations().is_empty());
}

#[test]
fn a_test_that_takes_the_complaints_goes_on() {
    let device = unwatched();
    device.write32(0x064, 4);
    device.write32(0x0c0, 1);
    assert_eq!(device.take_guest_errors().len(), 1);
    assert_eq!(
        device.take_complaints(),
        ["MMIO-18: 0x4 was written to InterruptACK"]
    );
    device.assert_clean();
}

#[test]
fn probing_begins_with_magic_version_and_type() {
    for (reads, wanted) in [
        (&[0x004][..], "MMIO-22"),
        (&[0x000, 0x008], "MMIO-22"),
        (&[0x000, 0x004, 0x070], "MMIO-23"),
    ] {
        let rig = Rig::plug(BlockModel::patterned(8), Version::Two, |_| ());
        for offset in reads {
            rig.device.read32(*offset);
        }
        assert_eq!(rig.ids(), [wanted]);
    }
}

#[test]
fn the_status_goes_up_one_step_at_a_time() {
    let rig = Rig::plug(BlockModel::patterned(8), Version::Two, |_| ());
    rig.probe();
    rig.set_status(1);
    assert_eq!(rig.ids(), ["INIT-01"], "no reset");
    rig.reset();
    rig.set_status(2);
    assert_eq!(rig.ids(), ["INIT-01"], "no ACKNOWLEDGE");
    rig.reset();
    rig.set_status(3);
    assert_eq!(rig.ids(), ["STATUS-01"]);
    rig.set_status(2);
    assert_eq!(rig.ids(), ["STATUS-02"]);
    rig.set_status(0x83);
    assert_eq!(rig.ids(), [""; 0]);
    rig.set_status(0x87);
    assert_eq!(rig.ids(), ["STATUS-03", "INIT-01", "INIT-05"]);
    rig.device.write32(0x070, 0x100);
    assert_eq!(rig.ids(), ["STATUS-01"]);
}

#[test]
fn a_reset_is_confirmed_before_anything_is_written() {
    let rig = fresh(Version::Two);
    rig.set_status(0);
    rig.set_status(1);
    assert_eq!(rig.ids(), ["RESET-01"]);
    rig.set_status(0);
    rig.device.write32(0x030, 0);
    assert_eq!(rig.ids(), ["RESET-01"]);
}

#[test]
fn features_have_their_time_and_limits() {
    let rig = fresh(Version::Two);
    rig.device.read32(0x010);
    assert_eq!(rig.ids(), ["MMIO-10"]);
    rig.device.write32(0x020, 0);
    assert_eq!(rig.ids(), ["MMIO-11", "INIT-01"]);
    rig.set_status(1);
    rig.set_status(3);
    rig.device.write32(0x024, 0);
    rig.device.write32(0x020, 1 << 30 | 1 << 23);
    rig.device.write32(0x100, 1);
    assert_eq!(rig.ids(), ["MMIO-02", "INIT-03"]);
    rig.set_status(0xb);
    assert_eq!(rig.ids(), ["FEAT-01", "LEG-16", "RSVD-01"]);
    assert_eq!(rig.status() & 8, 0, "refused");
    rig.set_status(0x83);
    rig.negotiate(VERSION_1);
    rig.device.write32(0x020, 0);
    assert_eq!(rig.ids(), ["INIT-04"]);
}

#[test]
fn features_ok_is_read_back_and_is_no_step_of_version_1() {
    let mut rig = fresh(Version::Two);
    rig.set_status(1);
    rig.set_status(3);
    rig.set_status(0xb);
    assert_eq!(rig.ids(), ["RSVD-01"], "no features were written");
    rig.set_up_queue(0, 8);
    assert_eq!(rig.ids(), ["INIT-05"]);
    rig.set_status(0xf);
    assert_eq!(rig.ids(), ["INIT-05"]);

    let rig = fresh(Version::One);
    rig.set_status(1);
    rig.set_status(3);
    rig.set_status(0xb);
    assert_eq!(rig.ids(), ["LEG-09"]);
}

#[test]
fn queues_come_after_features_and_notifications_after_driver_ok() {
    let mut rig = fresh(Version::One);
    rig.set_up_queue(0, 8);
    assert_eq!(rig.ids(), ["INIT-01"]);
    let mut rig = fresh(Version::Two);
    rig.negotiate(VERSION_1);
    rig.set_up_queue(0, 8);
    rig.notify(0);
    assert_eq!(rig.ids(), ["INIT-08"]);
    rig.go();
    rig.notify(0);
    assert_eq!(rig.ids(), [""; 0]);
    rig.notify(1);
    rig.notify(0x1_0000);
    assert_eq!(rig.ids(), ["MMIO-32", "MMIO-32"]);
}

#[test]
fn notifications_by_mmio_carry_data_once_it_is_agreed_on() {
    const NOTIFICATION_DATA: u64 = 1 << 38;
    let mut rig = fresh(Version::Two);
    rig.device
        .behave(|behaviour| behaviour.offer = NOTIFICATION_DATA);
    rig.negotiate(VERSION_1 | NOTIFICATION_DATA);
    rig.set_up_queue(0, 8);
    rig.go();
    rig.notify(0);
    // The ring is empty: its index is 0.
    assert_eq!(rig.ids(), [""; 0]);
    rig.notify(0x1_0000);
    assert_eq!(rig.ids(), ["DN-01"]);
    rig.notify(1);
    assert_eq!(rig.ids(), ["MMIO-32"]);
}

#[test]
fn queue_sizes_are_powers_of_two_within_the_maximum() {
    let rig = fresh(Version::Two);
    for size in [2048, 0, 24] {
        rig.device.write32(0x038, size);
    }
    assert_eq!(rig.ids(), ["MMIO-12", "MMIO-12", "SPLIT-28"]);
    let rig = fresh(Version::One);
    rig.device.write32(0x038, 2048);
    rig.device.write32(0x028, 1000);
    rig.device.write32(0x03c, 1000);
    assert_eq!(rig.ids(), ["LMMIO-05", "LMMIO-02", "LMMIO-07"]);
}

#[test]
fn a_legacy_queue_is_sized_aligned_and_in_pages() {
    let rig = fresh(Version::One);
    rig.negotiate(0);
    rig.device.write32(0x040, 5);
    let found = rig.ids();
    let order = ["LMMIO-02", "LMMIO-03", "LMMIO-04", "LMMIO-07", "LMMIO-05"];
    assert_eq!(found[..5], order);
    assert!(
        found[5..].contains(&"LMMIO-06"),
        "nothing is there: {found:?}"
    );
    rig.device.read32(0x034);
    assert_eq!(rig.ids(), ["LMMIO-04"]);
}

/// Enables a queue at an offset into fresh memory that was filled by `fill`, and returns what the device found.
fn enable(
    offsets: [u64; 3],
    fill: impl FnOnce(&DmaRegion<levitate_host::Pool>),
) -> Vec<&'static str> {
    let rig = fresh(Version::Two);
    rig.negotiate(VERSION_1);
    let region = DmaRegion::new(&rig.pool, 4096, 4096).unwrap();
    fill(&region);
    let at = region.device_addr().get();
    rig.device.write32(0x030, 0);
    rig.device.read32(0x044);
    rig.device.read32(0x034);
    rig.device.write32(0x038, 8);
    for (register, offset) in [0x080, 0x090, 0x0a0].into_iter().zip(offsets) {
        rig.device.write32(register, (at + offset) as u32);
        rig.device
            .write32(register + 4, ((at + offset) >> 32) as u32);
    }
    rig.device.write32(0x044, 1);
    let found = rig.ids();
    rig.reset();
    found
}

#[test]
fn the_three_areas_are_aligned_reachable_and_zeroed() {
    assert_eq!(enable([0, 256, 512], |_| ()), [""; 0]);
    assert_eq!(enable([8, 256, 512], |_| ()), ["SPLIT-01"]);
    assert_eq!(enable([0, 257, 512], |_| ()), ["SPLIT-01"]);
    assert_eq!(enable([0, 256, 514], |_| ()), ["SPLIT-01"]);
    assert_eq!(enable([0, 256, 4092], |_| ()), ["MMIO-31"], "past the end");
    let dirty = |offset: usize| move |region: &DmaRegion<_>| region.write(offset, &1_u8).unwrap();
    assert_eq!(enable([0, 256, 512], dirty(512)), ["SPLIT-19"]);
    assert_eq!(enable([0, 256, 512], dirty(514)), ["MMIO-31"]);
    assert_eq!(enable([0, 256, 512], dirty(258)), ["MMIO-31"]);
    assert_eq!(
        enable([0, 256, 512], dirty(0)),
        [""; 0],
        "descriptors may be laid out before"
    );
}

#[test]
fn configuration_fields_are_read_whole_and_only_if_they_are_there() {
    let rig = fresh(Version::Two);
    for offset in [0x0fc, 0x100, 0x104, 0x0fc] {
        rig.device.read32(offset);
    }
    assert_eq!(rig.ids(), [""; 0]);
    rig.device.read64(0x100);
    rig.device.read16(0x100);
    rig.device.read8(0x100);
    assert_eq!(rig.ids(), ["MMIO-05"; 3]);
    rig.device.read32(0x108);
    assert_eq!(rig.ids(), ["CFG-04"], "SIZE_MAX is not offered");
    rig.device.read32(0x110);
    assert_eq!(rig.ids(), ["MMIO-05"], "two fields at once");
    assert_eq!(rig.device.read32(0x160), u32::MAX);
    assert_eq!(rig.ids(), ["MMIO-01"], "past the end");
    rig.device.write32(0x100, 1);
    assert_eq!(rig.ids(), ["MMIO-02"]);
}

#[test]
fn a_queue_is_looked_at_before_it_is_enabled() {
    let rig = fresh(Version::Two);
    rig.negotiate(VERSION_1);
    rig.device.write32(0x044, 1);
    let found = rig.ids();
    assert_eq!(found[..3], ["MMIO-31"; 3], "in use, maximum, size");
}

#[test]
fn features_of_other_transports_are_left_alone() {
    let rig = Rig::plug(BlockModel::patterned(8), Version::Two, |behaviour| {
        behaviour.offer = 1 << 37 | 1 << 41;
    });
    rig.probe();
    rig.negotiate(u64::MAX);
    assert_eq!(rig.ids(), ["RSVD-10", "MMIO-33"]);
}
