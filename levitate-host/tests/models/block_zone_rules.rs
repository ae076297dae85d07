//! What zones ask of other requests, and of drivers that do not know them.

use levitate_hal::Mmio;
use levitate_host::block::{EraseLimits, ZoneModel, ZoneState, Zoned, pattern};
use levitate_host::{BlockModel, Version};

use crate::block::{disk, request};
use crate::block_zones::*;
use crate::rig::Rig;

#[test]
fn sizes_and_sectors_are_multiples_of_the_granularity() {
    let mut rig = zoned(host_managed().write_granularity(1024));
    assert_eq!(write(&mut rig, 16, 2), 0);
    assert_eq!(write(&mut rig, 1, 1), 0, "not so in a conventional zone");
    rig.device.assert_clean();
    assert_eq!(write(&mut rig, 18, 1), UNALIGNED);
    assert_eq!(rig.ids(), ["BLK-36"]);
    assert_eq!(write(&mut rig, 17, 2), UNALIGNED);
    assert_eq!(rig.ids(), ["BLK-37"]);
    assert_eq!(append(&mut rig, 16, 1).0, UNALIGNED);
    assert_eq!(rig.ids(), ["BLK-33"]);
    assert_eq!(request(&mut rig, 15, 16, &[1; 600], 8).0, INVALID);
    assert_eq!(rig.ids(), ["BLK-33"], "not even sectors");
    assert_eq!(request(&mut rig, 15, 16, &[], 8).0, INVALID, "nothing");
    assert_eq!(rig.ids(), [""; 0]);
}

#[test]
fn a_driver_without_zoned_owes_zones_nothing() {
    let aware = Zoned::new(ZoneModel::HostAware, 16).write_granularity(1024);
    let model = BlockModel::patterned(72).zoned(aware);
    let mut rig = Rig::live(model, Version::Two, 1, 8, !(1 << 17));
    assert_eq!(write(&mut rig, 3, 1), 0);
    rig.device.assert_clean();
}

#[test]
fn limits_on_segments_are_for_the_data_of_an_append() {
    let model = BlockModel::patterned(72)
        .zoned(host_managed().max_append(2))
        .seg_max(2)
        .size_max(512);
    let mut rig = disk(model, Version::Two);
    assert_eq!(append(&mut rig, 16, 1), (0, 16));
    rig.device.assert_clean();
    append(&mut rig, 16, 2);
    assert_eq!(rig.ids(), ["BLK-41"]);
}

#[test]
fn what_is_beyond_the_write_pointer_is_unwritten() {
    let mut rig = zoned(host_managed());
    let (_, read) = request(&mut rig, 0, 0, &[], 512);
    assert_eq!(read[..4], [pattern(0), pattern(1), pattern(2), pattern(3)]);
    assert_eq!(request(&mut rig, 0, 16, &[], 512), (0, vec![0; 512]));
    write(&mut rig, 16, 2);
    act(&mut rig, FINISH, 16);
    let (_, read) = request(&mut rig, 0, 17, &[], 1024);
    assert_eq!((read[511], read[512]), (0x5a, 0), "nor what FINISH left");
    act(&mut rig, RESET, 16);
    assert_eq!(request(&mut rig, 0, 16, &[], 512), (0, vec![0; 512]));
    rig.device.assert_clean();
}

#[test]
fn requests_keep_to_one_zone_and_name_its_first_sector() {
    let mut rig = zoned(host_managed());
    assert_eq!(request(&mut rig, 0, 31, &[], 1024).0, INVALID);
    assert_eq!(request(&mut rig, 0, 15, &[], 1024).0, INVALID);
    assert_eq!(write(&mut rig, 15, 2), INVALID, "into a zone from before");
    assert_eq!(rig.ids(), [""; 0]);
    for kind in [OPEN, CLOSE, FINISH, RESET] {
        assert_eq!(act(&mut rig, kind, 0), INVALID, "conventional");
        assert_eq!(rig.ids(), [""; 0]);
        assert_eq!(act(&mut rig, kind, 17), INVALID);
        assert_eq!(act(&mut rig, kind, 80), INVALID);
        assert_eq!(rig.ids(), ["BLK-30", "BLK-30"]);
        request(&mut rig, kind, 16, &[0; 4], 0);
        request(&mut rig, kind, 16, &[], 4);
        assert_eq!(rig.ids(), ["BLK-40", "BLK-40"], "they have no data");
    }
}

#[test]
fn a_host_aware_disk_is_written_anywhere() {
    let mut rig = zoned(Zoned::new(ZoneModel::HostAware, 16).max_open(1));
    assert_eq!(write(&mut rig, 4, 2), 0);
    let (_, read) = request(&mut rig, 0, 0, &[], 8 * 512);
    assert_eq!(read[..4 * 512], [0; 4 * 512], "the gap");
    assert_eq!(read[4 * 512..6 * 512], [0x5a; 1024]);
    assert_eq!(write(&mut rig, 0, 1), 0, "behind the pointer");
    assert_eq!(request(&mut rig, 0, 5, &[], 512).1, [0x5a; 512], "still");
    assert_eq!(write(&mut rig, 15, 2), 0, "across zones");
    assert_eq!(request(&mut rig, 0, 15, &[], 1024).1, [0x5a; 1024]);
    assert_eq!(state(&rig, 0), ZoneState::Full);
    assert_eq!(write(&mut rig, 3, 1), 0, "even when full");
    assert_eq!(append(&mut rig, 16, 1).0, INVALID);
    let (_, report) = request(&mut rig, REPORT, 16, &[], 128);
    assert_eq!((report[64 + 16], report[64 + 24]), (17, 3));
    rig.device.assert_clean();
}

#[test]
fn a_write_far_into_a_finished_zone_is_read_back() {
    let mut rig = zoned(Zoned::new(ZoneModel::HostAware, 16));
    assert_eq!(write(&mut rig, 0, 2), 0);
    assert_eq!(act(&mut rig, FINISH, 0), 0);
    assert_eq!(write(&mut rig, 6, 1), 0);
    let (_, read) = request(&mut rig, 0, 0, &[], 8 * 512);
    assert_eq!(read[..2 * 512], [0x5a; 2 * 512]);
    assert_eq!(read[2 * 512..6 * 512], [0; 4 * 512], "the gap");
    assert_eq!(read[6 * 512..7 * 512], [0x5a; 512]);
    assert_eq!(read[7 * 512..], [0; 512], "not written");
    assert_eq!(state(&rig, 0), ZoneState::Full);
    rig.device.assert_clean();
}

#[test]
fn a_host_managed_disk_needs_a_driver_that_knows_it() {
    let model = || {
        BlockModel::patterned(72)
            .zoned(host_managed())
            .discard(EraseLimits::default())
    };
    let rig = Rig::plug(model(), Version::Two, |_| ());
    rig.probe();
    rig.reset();
    for status in [1, 3] {
        rig.set_status(status);
    }
    rig.device.write32(0x024, 1);
    rig.device.write32(0x020, 1);
    rig.set_status(0xb);
    assert_eq!(rig.status() & 8, 0, "refused without ZONED");
    rig.device.assert_clean();
    let rig = disk(model(), Version::Two);
    assert_eq!(rig.ids(), ["BLK-06"]);
    let rig = Rig::plug(model(), Version::One, |_| ());
    rig.device.write32(0x014, 0);
    assert_eq!(rig.device.read32(0x010) & (1 << 17), 0, "not for legacy");
}

#[test]
fn without_zoned_there_are_no_zone_requests_and_no_characteristics() {
    let aware = BlockModel::patterned(72).zoned(Zoned::new(ZoneModel::HostAware, 16));
    let mut unaware = Rig::live(aware, Version::Two, 1, 8, !(1 << 17));
    assert_eq!(unaware.device.read32(0x148), 0);
    assert_eq!(unaware.device.read8(0x15c), 0);
    let mut none = zoned(Zoned::new(ZoneModel::DriveManaged, 16));
    assert_eq!(none.device.read8(0x15c), 0);
    for rig in [&mut unaware, &mut none] {
        for kind in [OPEN, CLOSE, FINISH, RESET, RESET_ALL] {
            assert_eq!(act(rig, kind, 0), 2);
        }
        assert_eq!(append(rig, 0, 1).0, 2);
        assert_eq!(request(rig, REPORT, 0, &[], 128).0, 2);
        assert_eq!(write(rig, 20, 1), 0);
        rig.device.assert_clean();
    }
}

const LIMITS: EraseLimits = EraseLimits {
    max_sectors: 64,
    max_segments: 1,
    alignment_sectors: 16,
};

/// One segment of an erase, without flags.
fn segment(sector: u8, sectors: u8) -> [u8; 16] {
    let mut bytes = [0; 16];
    (bytes[0], bytes[8]) = (sector, sectors);
    bytes
}

#[test]
fn a_host_aware_disk_is_erased_like_any_other() {
    let aware = Zoned::new(ZoneModel::HostAware, 16);
    let model = BlockModel::patterned(72)
        .zoned(aware)
        .discard(LIMITS)
        .secure_erase(LIMITS);
    let mut rig = Rig::live(model, Version::Two, 1, 8, !(1 << 17));
    assert_eq!(write(&mut rig, 0, 24), 0);
    assert_eq!(request(&mut rig, 14, 0, &segment(4, 16), 0).0, 0);
    let (_, read) = request(&mut rig, 0, 3, &[], 18 * 512);
    assert_eq!(read[..512], [0x5a; 512]);
    assert_eq!(read[512..17 * 512], [0; 16 * 512]);
    assert_eq!(read[17 * 512..], [0x5a; 512], "as before");
    assert_eq!(request(&mut rig, 11, 0, &segment(3, 1), 0).0, 0);
    let sector = rig.device.model(|disk| disk.is_allocated(3));
    assert_eq!(sector, Some(false));
    rig.device
        .model(|disk| disk.set_zone_state(0, ZoneState::ReadOnly));
    // IOERR, since the driver does not know the status of a zone.
    assert_eq!(request(&mut rig, 11, 0, &segment(2, 1), 0).0, 1);
    assert_eq!(request(&mut rig, 14, 0, &segment(2, 1), 0).0, 1);
    assert_eq!(write(&mut rig, 2, 1), 1);
    rig.device
        .model(|disk| disk.set_zone_state(0, ZoneState::Offline));
    assert_eq!(request(&mut rig, 0, 2, &[], 512).0, 1);
    rig.device.assert_clean();
}

#[test]
fn a_secure_erase_is_of_whole_zones_and_resets_them() {
    let model = BlockModel::patterned(72)
        .zoned(host_managed())
        .secure_erase(LIMITS)
        .write_zeroes(LIMITS);
    let mut rig = disk(model, Version::Two);
    write(&mut rig, 16, 16);
    write(&mut rig, 32, 1);
    assert_eq!(request(&mut rig, 14, 0, &segment(16, 32), 0).0, 0);
    assert_eq!(states(&rig)[1..3], [ZoneState::Empty; 2]);
    assert_eq!(
        request(&mut rig, 14, 0, &segment(64, 8), 0).0,
        0,
        "the last"
    );
    rig.device.assert_clean();
    assert_eq!(request(&mut rig, 14, 0, &segment(16, 8), 0).0, INVALID);
    assert_eq!(rig.ids(), ["BLK-39"]);
    // Zeroes are written where everything is.
    assert_eq!(request(&mut rig, 13, 0, &segment(17, 2), 0).0, UNALIGNED);
    assert_eq!(request(&mut rig, 13, 0, &segment(16, 2), 0).0, 0);
    assert_eq!(write(&mut rig, 18, 1), 0);
    rig.device.assert_clean();
}

#[test]
fn no_range_is_zeroed_unless_the_zones_admit_them_all() {
    let limits = EraseLimits {
        max_segments: 2,
        ..LIMITS
    };
    let model = BlockModel::patterned(72)
        .zoned(host_managed())
        .write_zeroes(limits);
    let mut rig = disk(model, Version::Two);
    let zeroes = |rig: &mut Rig<BlockModel>, second: u8| {
        let data = [segment(16, 2), segment(second, 2)].concat();
        request(rig, 13, 0, &data, 0).0
    };
    let before = rig.device.model(|disk| disk.content().to_vec());
    assert_eq!(zeroes(&mut rig, 20), UNALIGNED);
    assert_eq!(state(&rig, 1), ZoneState::Empty);
    rig.device
        .model(|disk| assert_eq!(disk.content(), before, "nothing was changed"));
    assert_eq!(zeroes(&mut rig, 18), 0, "each goes on where one ended");
    rig.device
        .model(|disk| assert_eq!(disk.zones()[1].write_pointer, 20));
    rig.device.assert_clean();
}
