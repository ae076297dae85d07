//! The disk's configuration space, and what the driver's choice of features does to a disk.

use levitate_hal::Mmio;
use levitate_host::block::{EraseLimits, Geometry, Lifetime, Topology, ZoneModel, Zoned, pattern};
use levitate_host::{BlockModel, Version};

use crate::block::{FLUSH, disk, request, request_by};
use crate::rig::{Rig, VERSION_1};

const CONFIG_WCE: u64 = 1 << 11;
const WRITEBACK: usize = 0x120;

fn limits(base: u32) -> EraseLimits {
    EraseLimits {
        max_sectors: base,
        max_segments: base + 1,
        alignment_sectors: base + 2,
    }
}

/// A disk that offers all there is; each field has a value of its own.
pub(crate) fn everything() -> BlockModel {
    BlockModel::patterned(0x40)
        .size_max(0x0102_0304)
        .seg_max(0x1112_1314)
        .geometry(Geometry {
            cylinders: 0x2122,
            heads: 0x23,
            sectors: 0x24,
        })
        .block_size(4096)
        .topology(Topology {
            physical_block_exp: 0x31,
            alignment_offset: 0x32,
            min_io_size: 0x3334,
            opt_io_size: 0x3536_3738,
        })
        .switchable_cache()
        .queues(3)
        .discard(limits(0x41))
        .write_zeroes(limits(0x51))
        .write_zeroes_may_unmap()
        .secure_erase(limits(0x5e))
        .lifetime(Lifetime::default())
        .zoned(
            Zoned::new(ZoneModel::HostAware, 16)
                .max_open(0x71)
                .max_active(0x72)
                .max_append(0x73)
                .write_granularity(1024),
        )
}

/// The whole space, read field by field in widths that are allowed.
fn space(rig: &Rig<BlockModel>) -> Vec<u8> {
    const BYTES: [usize; 8] = [18, 19, 24, 25, 32, 56, 92, usize::MAX];
    const HALVES: [usize; 3] = [16, 26, 34];
    const GENERATION: usize = 0x0fc;
    let mut space = vec![0; 96];
    let mut at = 0;
    rig.device.read32(GENERATION);
    while at < 96 {
        let width = match at {
            33 | 57..60 | 93.. => {
                at += 1;
                continue;
            }
            _ if BYTES.contains(&at) => 1,
            _ if HALVES.contains(&at) => 2,
            _ => 4,
        };
        let value = match width {
            1 => u32::from(rig.device.read8(0x100 + at)),
            2 => u32::from(rig.device.read16(0x100 + at)),
            _ => rig.device.read32(0x100 + at),
        };
        space[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        at += width;
    }
    rig.device.read32(GENERATION);
    space
}

#[test]
fn every_field_is_at_its_offset() {
    let rig = Rig::live(everything(), Version::Two, 3, 8, u64::MAX);
    #[rustfmt::skip]
    let wanted = [
        0x40, 0, 0, 0, 0, 0, 0, 0,  0x04, 0x03, 0x02, 0x01,  0x14, 0x13, 0x12, 0x11,
        0x22, 0x21, 0x23, 0x24,  0, 0x10, 0, 0,
        0x31, 0x32, 0x34, 0x33, 0x38, 0x37, 0x36, 0x35,
        1, 0, 3, 0,
        0x41, 0, 0, 0, 0x42, 0, 0, 0, 0x43, 0, 0, 0,
        0x51, 0, 0, 0, 0x52, 0, 0, 0, 1, 0, 0, 0,
        0x5e, 0, 0, 0, 0x5f, 0, 0, 0, 0x60, 0, 0, 0,
        16, 0, 0, 0, 0x71, 0, 0, 0, 0x72, 0, 0, 0, 0x73, 0, 0, 0, 0, 4, 0, 0, 2, 0, 0, 0,
    ];
    assert_eq!(space(&rig), wanted);
    rig.device.assert_clean();
    let bits = [1, 2, 4, 6, 9, 10, 11, 12, 13, 14, 15, 16, 17];
    let wanted: u64 = bits.iter().map(|bit| 1 << bit).sum();
    assert_eq!(rig.device.negotiated() & 0xff_ffff, wanted);
}

#[test]
fn fields_are_there_only_with_their_features() {
    for model in [BlockModel::patterned(1), everything()] {
        let is_bare = model.zones().is_empty();
        let rig = disk(model, Version::Two);
        space(&rig);
        let missing = rig.ids();
        assert!(missing.iter().all(|id| *id == "CFG-04"), "{missing:?}");
        assert_eq!(missing.len(), if is_bare { 27 } else { 0 });
    }
}

#[test]
fn writeback_is_not_read_before_features_ok() {
    let rig = Rig::plug(everything(), Version::Two, |_| ());
    rig.probe();
    rig.reset();
    rig.set_status(1);
    rig.set_status(3);
    rig.device.read8(WRITEBACK);
    assert_eq!(rig.ids(), ["BLK-04"]);
    let rig = disk(everything(), Version::Two);
    assert_eq!(rig.device.read8(WRITEBACK), 1);
    rig.device.assert_clean();
    let rig = Rig::plug(everything(), Version::One, |_| ());
    rig.probe();
    rig.device.read8(WRITEBACK);
    rig.device.assert_clean();
}

fn first_byte(rig: &Rig<BlockModel>) -> (u8, u8) {
    rig.device
        .model(|disk| (disk.content()[0], disk.durable()[0]))
}

#[test]
fn the_driver_chooses_how_durable_a_write_is() {
    let model = || BlockModel::patterned(4).switchable_cache();
    let mut rig = disk(model(), Version::Two);
    assert_eq!(request(&mut rig, 1, 0, &[1; 512], 0).0, 0);
    assert_eq!(first_byte(&rig), (1, pattern(0)), "volatile");
    rig.device.write8(WRITEBACK, 0);
    assert_eq!(
        (rig.device.read8(WRITEBACK), first_byte(&rig).1),
        (0, pattern(0)),
        "what was volatile stays so"
    );
    assert_eq!(request(&mut rig, 1, 1, &[2; 512], 0).0, 0);
    rig.device
        .model(|disk| assert_eq!(disk.durable()[512], 2, "stable"));
    rig.device.write8(WRITEBACK, 1);
    assert_eq!(request(&mut rig, 1, 0, &[3; 512], 0).0, 0);
    assert_eq!(first_byte(&rig), (3, pattern(0)), "volatile again");
    assert_eq!(request(&mut rig, 4, 0, &[], 0).0, 0);
    assert_eq!(first_byte(&rig), (3, 3));
    rig.device.assert_clean();
    rig.device.write8(WRITEBACK, 0);
    rig.reset();
    assert!(rig.device.model(|disk| disk.is_writeback()));

    // With CONFIG_WCE and without FLUSH it begins as write-through.
    let mut rig = Rig::live(model(), Version::Two, 1, 8, !FLUSH);
    assert_eq!(rig.device.read8(WRITEBACK), 0);
    assert_eq!(request(&mut rig, 1, 0, &[4; 512], 0).0, 0);
    assert_eq!(first_byte(&rig), (4, 4));
    rig.device.assert_clean();
}

#[test]
fn writeback_takes_0_and_1_and_only_if_it_was_negotiated() {
    let model = || BlockModel::patterned(4).switchable_cache();
    let rig = disk(model(), Version::Two);
    rig.device.write8(WRITEBACK, 2);
    assert_eq!(rig.ids(), ["BLK-22"]);
    assert_eq!(rig.device.read8(WRITEBACK), 1);
    let rig = Rig::live(model(), Version::Two, 1, 8, !CONFIG_WCE);
    rig.device.write8(WRITEBACK, 0);
    assert_eq!(rig.ids(), ["BLK-22"]);
    assert_eq!(rig.device.read8(WRITEBACK), 1);
}

#[test]
fn a_legacy_driver_may_switch_the_cache_before_driver_ok() {
    let model = || BlockModel::patterned(4).switchable_cache();
    let mut rig = Rig::plug(model(), Version::One, |_| ());
    rig.probe();
    rig.negotiate(u64::MAX);
    rig.device.write8(WRITEBACK, 0);
    rig.set_up_queue(0, 8);
    rig.go();
    assert_eq!(rig.device.read8(WRITEBACK), 0);
    assert_eq!(request(&mut rig, 1, 0, &[1; 512], 0).0, 0);
    assert_eq!(first_byte(&rig), (1, 1), "stable");
    rig.device.write8(WRITEBACK, 1);
    assert_eq!(rig.device.read8(WRITEBACK), 1);
    rig.device.assert_clean();
    // Nobody can switch what is not there, or was not accepted.
    let rig = Rig::live(model(), Version::One, 1, 8, !CONFIG_WCE);
    rig.device.write8(WRITEBACK, 0);
    assert_eq!(rig.ids(), ["BLK-22"]);
    assert!(rig.device.model(|disk| disk.is_writeback()));
}

#[test]
fn the_features_of_a_legacy_driver_leave_the_cache_mode_alone() {
    let model = BlockModel::patterned(4).switchable_cache();
    let mut rig = Rig::live(model, Version::One, 1, 8, !FLUSH);
    assert_eq!(rig.device.read8(WRITEBACK), 1);
    assert_eq!(request(&mut rig, 1, 0, &[1; 512], 0).0, 0);
    assert_eq!(first_byte(&rig), (1, pattern(0)), "volatile");
    rig.device.assert_clean();
}

#[test]
fn several_queues_serve_one_disk() {
    let model = || BlockModel::patterned(8).queues(3);
    let mut rig = Rig::live(model(), Version::Two, 3, 8, u64::MAX);
    assert_eq!(rig.device.read16(0x122), 3);
    assert_eq!(request_by(&mut rig, 2, 1, 1, &[9; 512], 0).0, 0);
    let (status, data) = request_by(&mut rig, 1, 0, 1, &[], 512);
    assert_eq!((status, data), (0, vec![9; 512]));
    let queues: Vec<u16> = rig
        .device
        .model(|disk| disk.requests().iter().map(|one| one.queue).collect());
    assert_eq!(queues, [2, 1]);
    rig.device.assert_clean();
    rig.device.write32(0x030, 3);
    assert_eq!(rig.device.read32(0x034), 0, "there is no fourth");
    let mut rig = Rig::live(model(), Version::Two, 2, 8, !(1 << 12));
    request_by(&mut rig, 1, 0, 0, &[], 512);
    assert_eq!(rig.ids(), ["BLK-42"]);
}

#[test]
fn a_lifetime_is_three_numbers() {
    let lifetime = Lifetime {
        pre_eol_info: 2,
        type_a: 7,
        type_b: 0x0b,
    };
    let model = || BlockModel::patterned(1).lifetime(lifetime);
    let mut rig = disk(model(), Version::Two);
    let (status, data) = request(&mut rig, 10, 0, &[], 6);
    assert_eq!((status, &data[..]), (0, &[2, 0, 7, 0, 11, 0][..]));
    rig.device.assert_clean();
    assert_eq!(request(&mut rig, 10, 0, &[], 5).0, 1);
    assert_eq!(rig.ids(), ["BLK-40"]);
    assert_eq!(request(&mut rig, 10, 1, &[], 6).0, 0);
    assert_eq!(request(&mut rig, 8, 1, &[], 20).0, 0);
    assert_eq!(rig.ids(), ["BLK-40"; 2], "neither has a sector");
    let mut rig = Rig::live(model(), Version::Two, 1, 8, !(1 << 15));
    assert_eq!(request(&mut rig, 10, 0, &[], 6).0, 2);
}

#[test]
fn read_only_is_to_be_accepted() {
    let rig = Rig::plug(BlockModel::patterned(1).read_only(), Version::Two, |_| ());
    rig.probe();
    rig.negotiate(VERSION_1);
    assert_eq!(rig.ids(), ["BLK-13"]);
}

/// A zoned disk with appends of 64 sectors, that is plugged in.
fn plug_in(change: impl FnOnce(BlockModel) -> BlockModel) {
    let zoned = Zoned::new(ZoneModel::HostManaged, 16);
    let model = change(BlockModel::patterned(64).zoned(zoned));
    let _ = Rig::plug(model, Version::Two, |_| ());
}

#[test]
#[should_panic(expected = "offers CONFIG_WCE offers FLUSH")]
fn no_disk_can_switch_a_cache_that_cannot_be_flushed() {
    plug_in(|disk| disk.switchable_cache().without_flush());
}

#[test]
#[should_panic(expected = "max_append_sectors is 64")]
fn no_append_is_longer_than_a_request_may_be() {
    plug_in(|disk| disk.seg_max(8).size_max(4096));
    plug_in(|disk| disk.seg_max(7).size_max(4096));
}

#[test]
#[should_panic(expected = "secure_erase_sector_alignment is 24")]
fn a_secure_erase_is_aligned_to_zones() {
    plug_in(|disk| disk.secure_erase(limits(30)));
    plug_in(|disk| disk.secure_erase(limits(22)));
}
