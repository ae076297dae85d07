//! A configuration space that changes under its reader.

use levitate_hal::Mmio;
use levitate_host::{BlockModel, Version};

use crate::registers::plug;
use crate::rig::Rig;

#[test]
fn the_configuration_changes_under_its_generation() {
    let rig = Rig::live(BlockModel::patterned(8), Version::Two, 1, 8, 0);
    let read = || {
        let device = &rig.device;
        let before = device.read32(0x0fc);
        let (low, high) = (device.read32(0x100), device.read32(0x104));
        (
            before == device.read32(0x0fc),
            u64::from(high) << 32 | u64::from(low),
        )
    };
    assert_eq!(read(), (true, 8));
    rig.device
        .change_config_after_reads(1, |disk| disk.set_capacity(0x5_0000_0006));
    assert_eq!(
        read(),
        (false, 0x5_0000_0008),
        "torn, and the generation says so"
    );
    assert_eq!(read(), (true, 0x5_0000_0006));
    assert_eq!(rig.device.read32(0x060), 2, "and so does the interrupt");
    rig.device
        .behave(|behaviour| behaviour.config_never_still = true);
    assert!((0..100).all(|_| !read().0));
    rig.device.assert_clean();
}

#[test]
fn the_configuration_of_version_1_can_refuse_to_hold_still() {
    let rig = plug(Version::One);
    rig.device
        .behave(|behaviour| behaviour.config_never_still = true);
    let first = rig.device.read32(0x100);
    assert_ne!(first, rig.device.read32(0x100));
}

#[test]
fn the_configuration_can_be_absurd_or_short() {
    let rig = plug(Version::Two);
    rig.device.behave(|behaviour| {
        behaviour.config_override = vec![(0, vec![0xff; 8]), (4096, vec![1])];
        behaviour.config_len_bytes = Some(4);
    });
    assert_eq!(
        rig.device.read32(0x100),
        8,
        "an override that does not fit is none"
    );
    assert_eq!(rig.device.read32(0x104), u32::MAX, "past the end");
    rig.device
        .behave(|behaviour| behaviour.config_len_bytes = Some(8));
    assert_eq!(rig.device.read32(0x104), u32::MAX);
    assert_eq!(rig.device.read32(0x100), u32::MAX);
}
