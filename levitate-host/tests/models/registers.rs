//! The registers of both versions, compared with what QEMU does.

use levitate_hal::Mmio;
use levitate_host::{BlockModel, Version};

use crate::rig::{Rig, VERSION_1};

pub(crate) fn plug(version: Version) -> Rig<BlockModel> {
    let rig = Rig::plug(BlockModel::patterned(8), version, |_| ());
    rig.probe();
    rig.reset();
    rig
}

pub(crate) fn errors(rig: &Rig<BlockModel>) -> Vec<String> {
    rig.device.guest_errors()
}

#[test]
fn the_first_registers_name_the_device() {
    for (version, number) in [(Version::One, 1), (Version::Two, 2)] {
        let rig = plug(version);
        let read = |offset| rig.device.read32(offset);
        assert_eq!(
            [read(0), read(4), read(8), read(12)],
            [0x7472_6976, number, 2, 0x554d_4551]
        );
        assert_eq!(rig.device.len_bytes(), 0x200);
    }
}

#[test]
fn an_empty_transport_has_an_identity_and_nothing_else() {
    let rig = Rig::plug(BlockModel::patterned(8), Version::Two, |behaviour| {
        behaviour.device_id = Some(0);
    });
    rig.probe();
    assert_eq!(rig.device.read32(0), 0x7472_6976);
    assert_eq!(rig.device.violations(), [], "looking again is harmless");
    assert_eq!(rig.device.read32(0x034), 0);
    assert_eq!(rig.device.violations()[0].id, "MMIO-25");
}

#[test]
fn magic_version_and_type_can_lie() {
    let rig = Rig::plug(BlockModel::patterned(8), Version::Two, |behaviour| {
        behaviour.magic = 0x1234;
        behaviour.version = Some(3);
        behaviour.device_id = Some(99);
    });
    let device = &rig.device;
    assert_eq!(
        [device.read32(0), device.read32(4), device.read32(8)],
        [0x1234, 3, 99]
    );
}

#[test]
fn writes_to_the_other_versions_registers_are_dropped_and_reported() {
    let rig = plug(Version::One);
    for offset in [0x080, 0x084, 0x090, 0x094, 0x0a0, 0x0a4, 0x044] {
        rig.device.write32(offset, 1);
        let wanted = format!("write to non-legacy register ({offset:#x}) in legacy mode");
        assert_eq!(errors(&rig).last(), Some(&wanted));
    }
    assert_eq!(rig.device.read32(0x044), 0);
    assert_eq!(
        errors(&rig).last().unwrap(),
        "read from non-legacy register (0x44) in legacy mode"
    );
    assert_eq!(rig.device.read32(0x0fc), 0);
    assert_eq!(errors(&rig).len(), 9);
    assert!(
        rig.device
            .violations()
            .iter()
            .all(|one| one.id == "LMMIO-10")
    );
    assert_eq!(rig.device.violations().len(), 9);

    let rig = plug(Version::Two);
    for offset in [0x028, 0x03c, 0x040] {
        rig.device.write32(offset, 1);
        let wanted = format!("write to legacy register ({offset:#x}) in non-legacy mode");
        assert_eq!(errors(&rig).last(), Some(&wanted));
    }
    assert_eq!(rig.device.read32(0x040), 0);
    assert_eq!(errors(&rig).len(), 4);
    assert!(
        rig.device
            .violations()
            .iter()
            .all(|one| one.id == "MMIO-01")
    );
    assert_eq!(rig.device.queue(0), None);
}

#[test]
fn version_1_has_one_word_of_features() {
    let rig = plug(Version::One);
    rig.set_status(1);
    rig.set_status(3);
    rig.device.write32(0x014, 0);
    assert_eq!(rig.device.read32(0x010), 0x3000_0200);
    rig.device.write32(0x014, 1);
    assert_eq!(rig.device.read32(0x010), 0);
    rig.device.write32(0x024, 0);
    rig.device.write32(0x020, 0x200);
    assert_eq!(errors(&rig), [""; 0]);
    rig.device.write32(0x024, 1);
    rig.device.write32(0x020, 0);
    assert_eq!(
        errors(&rig),
        ["attempt to write guest features with guest_features_sel > 0 in legacy mode"]
    );
    rig.set_status(7);
    assert_eq!(
        rig.device.negotiated(),
        0x200,
        "the second word did no harm"
    );
}

#[test]
fn version_2_repeats_its_second_word_of_features() {
    let rig = plug(Version::Two);
    for selector in 1..4 {
        rig.device.write32(0x014, selector);
        assert_eq!(rig.device.read32(0x010), 1, "VERSION_1, or its ghost");
    }
}

#[test]
fn features_are_chosen_by_both_sides() {
    let rig = Rig::plug(BlockModel::patterned(8), Version::Two, |behaviour| {
        behaviour.offer = 1 << 40 | 1 << 12;
        behaviour.withhold = 1 << 9;
    });
    rig.probe();
    rig.negotiate(VERSION_1 | 1 << 12);
    assert_eq!(rig.device.negotiated(), VERSION_1 | 1 << 12);
    let low = rig.device.log().reads_of(0x010)[0];
    assert_eq!(low & (1 << 9), 0);
    assert_eq!(rig.device.log().reads_of(0x010)[1], 0x101);
}

#[test]
fn refused_features_do_not_stick() {
    let rig = Rig::plug(BlockModel::patterned(8), Version::Two, |behaviour| {
        behaviour.refuse_features = true;
    });
    rig.probe();
    rig.reset();
    rig.set_status(1);
    rig.set_status(3);
    rig.device.write32(0x024, 1);
    rig.device.write32(0x020, 1);
    rig.set_status(0xb);
    assert_eq!(rig.status(), 3);
    rig.device.assert_clean();
    rig.set_status(7);
    let ids: Vec<_> = rig.device.violations().iter().map(|one| one.id).collect();
    assert_eq!(ids, ["INIT-01", "INIT-07"]);
}

#[test]
fn narrow_accesses_to_registers_read_0_and_are_reported() {
    let rig = plug(Version::Two);
    assert_eq!(rig.device.read8(0), 0);
    assert_eq!(rig.device.read16(0), 0);
    assert_eq!(rig.device.read64(0), 0);
    rig.device.write8(0x070, 1);
    rig.device.write64(0x070, 1);
    assert_eq!(rig.status(), 0);
    assert_eq!(errors(&rig).len(), 5);
    assert!(
        errors(&rig)
            .iter()
            .all(|error| error.starts_with("wrong size"))
    );
    assert!(
        rig.device
            .violations()
            .iter()
            .all(|one| one.id == "MMIO-04")
    );
}

#[test]
fn accesses_outside_or_across_are_harmless() {
    let rig = plug(Version::Two);
    assert_eq!(rig.device.read32(0x200), u32::MAX);
    assert_eq!(rig.device.read16(0x201), u16::MAX);
    assert_eq!(rig.device.read64(usize::MAX - 7), u64::MAX);
    rig.device.write32(0x072, 1);
    rig.device.write8(usize::MAX, 1);
    assert_eq!(rig.status(), 0);
    let ids: Vec<_> = rig.device.violations().iter().map(|one| one.id).collect();
    assert_eq!(ids, ["MMIO-01"; 5]);
}

#[test]
fn rights_are_checked() {
    let rig = plug(Version::Two);
    assert_eq!(rig.device.read32(0x030), 0);
    rig.device.write32(0x034, 5);
    rig.device.write32(0x0c0, 1);
    assert_eq!(
        rig.device.read32(0x0c0),
        0,
        "as QEMU, which has no QueueReset"
    );
    rig.device.read32(0x018);
    assert_eq!(rig.device.read32(0x0b0), u32::MAX, "no shared memory");
    assert_eq!(
        errors(&rig),
        [
            "read of write-only register (0x30)",
            "write to read-only register (0x34)",
            "bad register offset (0xc0)",
            "bad register offset (0xc0)",
            "bad register offset (0x18)",
        ]
    );
    let ids: Vec<_> = rig.device.violations().iter().map(|one| one.id).collect();
    assert_eq!(ids, ["MMIO-03", "MMIO-02", "MMIO-01", "MMIO-26"]);
}

#[test]
fn a_reset_can_take_its_time() {
    let mut rig = Rig::live(BlockModel::patterned(8), Version::Two, 1, 8, 0);
    rig.device.behave(|behaviour| behaviour.reset_reads = 3);
    rig.set_status(0);
    assert_eq!([rig.status(), rig.status()], [0xf, 0xf]);
    rig.device.write32(0x030, 0);
    assert_eq!(rig.device.take_violations()[0].id, "RESET-01");
    assert_eq!(rig.status(), 0xf);
    assert!(rig.device.queue(0).is_none());
    assert_eq!(rig.status(), 0);
    rig.rings.clear();
    rig.device.behave(|behaviour| behaviour.reset_reads = 0);
    rig.negotiate(VERSION_1);
    rig.set_up_queue(0, 8);
    rig.go();
    rig.device.assert_clean();
}

#[test]
fn a_reset_can_take_for_ever_and_the_memory_stays_the_devices() {
    let mut rig = Rig::live(BlockModel::patterned(8), Version::Two, 1, 8, 0);
    rig.device
        .behave(|behaviour| behaviour.reset_reads = u32::MAX);
    rig.set_status(0);
    for _ in 0..1000 {
        assert_eq!(rig.status(), 0xf);
    }
    rig.rings.clear();
    assert_ne!(rig.pool.take_misuses(), []);
}

#[test]
fn interrupts_are_acknowledged_bit_by_bit() {
    let rig = Rig::live(BlockModel::patterned(8), Version::Two, 1, 8, 0);
    rig.device.raise_interrupt(0xff);
    assert_eq!(rig.device.read32(0x060), 0xff);
    assert!(rig.device.is_interrupting());
    rig.device.write32(0x064, 1);
    assert_eq!(rig.device.read32(0x060), 0xfe);
    rig.device.assert_clean();
    rig.device.write32(0x064, 0xfe);
    assert_eq!(rig.device.violations()[0].id, "MMIO-18");
    assert!(!rig.device.is_interrupting());
}
