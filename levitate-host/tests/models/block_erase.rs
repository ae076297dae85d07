//! DISCARD, WRITE_ZEROES and SECURE_ERASE, byte by byte.

use levitate_host::block::{DISCARDED, EraseLimits, Kind, SectorRange, pattern};
use levitate_host::{BlockModel, Version};

use crate::block::{disk, request};
use crate::rig::Rig;

const DISCARD: u32 = 11;
const WRITE_ZEROES: u32 = 13;
const SECURE_ERASE: u32 = 14;
const ALL: [u32; 3] = [DISCARD, WRITE_ZEROES, SECURE_ERASE];
const LIMITS: EraseLimits = EraseLimits {
    max_sectors: 4,
    max_segments: 2,
    alignment_sectors: 8,
};

fn model() -> BlockModel {
    BlockModel::patterned(16)
        .discard(LIMITS)
        .write_zeroes(LIMITS)
        .write_zeroes_may_unmap()
        .secure_erase(LIMITS)
}

fn erasable() -> Rig<BlockModel> {
    disk(model(), Version::Two)
}

/// One segment as it lies in memory.
fn segment(sector: u64, sectors: u32, flags: u32) -> Vec<u8> {
    let mut bytes = sector.to_le_bytes().to_vec();
    bytes.extend(sectors.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    bytes
}

fn sector_of(rig: &Rig<BlockModel>, sector: usize) -> Vec<u8> {
    rig.device
        .model(|disk| disk.content()[sector * 512..][..512].to_vec())
}

fn original(sector: usize) -> Vec<u8> {
    (sector * 512..(sector + 1) * 512).map(pattern).collect()
}

fn allocated(rig: &Rig<BlockModel>) -> Vec<u64> {
    rig.device.model(|disk| {
        (0..16)
            .filter(|sector| disk.is_allocated(*sector) == Some(true))
            .collect()
    })
}

#[test]
fn a_discard_gives_space_back_and_leaves_nothing_to_rely_on() {
    let mut rig = erasable();
    // Golden bytes: sectors 3 and 4, flags 0.
    let data = [3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(request(&mut rig, DISCARD, 0, &data, 0).0, 0);
    assert_eq!(sector_of(&rig, 2), original(2));
    assert_eq!(sector_of(&rig, 3), [DISCARDED; 512]);
    assert_eq!(sector_of(&rig, 4), [DISCARDED; 512]);
    assert_eq!(sector_of(&rig, 5), original(5));
    assert_eq!(allocated(&rig).len(), 14);
    assert_eq!(request(&mut rig, 1, 4, &[7; 512], 0).0, 0);
    assert!(allocated(&rig).contains(&4), "written again");
    let noted = rig.device.model(|disk| disk.take_requests());
    assert_eq!(noted[0].kind, Kind::Discard);
    assert_eq!(
        noted[0].ranges,
        [SectorRange {
            sector: 3,
            sectors: 2,
            flags: 0
        }]
    );
    rig.device.assert_clean();
}

#[test]
fn write_zeroes_reads_as_zero_and_keeps_its_space_unless_told_otherwise() {
    let mut rig = erasable();
    let data = [segment(1, 2, 0), segment(8, 4, 1)].concat();
    assert_eq!(request(&mut rig, WRITE_ZEROES, 0, &data, 0).0, 0);
    let (status, read) = request(&mut rig, 0, 8, &[], 2048);
    assert_eq!((status, read), (0, vec![0; 2048]));
    assert_eq!(sector_of(&rig, 1), [0; 512]);
    assert_eq!(sector_of(&rig, 3), original(3));
    assert_eq!(
        allocated(&rig),
        [0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15],
        "those of the segment with unmap are gone"
    );
    rig.device.assert_clean();
    let mut rig = disk(BlockModel::patterned(16).write_zeroes(LIMITS), Version::Two);
    assert_eq!(
        request(&mut rig, WRITE_ZEROES, 0, &segment(8, 4, 1), 0).0,
        0
    );
    assert_eq!(allocated(&rig).len(), 16, "this disk may not unmap");
    assert_eq!(sector_of(&rig, 8), [0; 512]);
}

#[test]
fn write_zeroes_is_a_write_and_durable_after_a_flush() {
    let mut rig = erasable();
    request(&mut rig, WRITE_ZEROES, 0, &segment(0, 1, 0), 0);
    request(&mut rig, DISCARD, 0, &segment(1, 1, 0), 0);
    let durable = |rig: &Rig<BlockModel>| rig.device.model(|disk| disk.durable()[..1024].to_vec());
    assert_eq!(durable(&rig)[..512], original(0), "volatile");
    assert_eq!(durable(&rig)[512..], original(1), "volatile");
    assert_eq!(request(&mut rig, 4, 0, &[], 0).0, 0);
    assert_eq!(durable(&rig)[..512], [0; 512]);
    rig.device.assert_clean();
}

#[test]
fn a_secure_erase_leaves_no_copy() {
    let mut rig = erasable();
    assert_eq!(
        request(&mut rig, SECURE_ERASE, 0, &segment(5, 2, 0), 0).0,
        0
    );
    rig.device.model(|disk| {
        assert_eq!(disk.content()[5 * 512..7 * 512], [0; 1024]);
        assert_eq!(
            disk.durable()[5 * 512..7 * 512],
            [0; 1024],
            "without a flush"
        );
        assert_eq!(disk.content()[7 * 512], pattern(7 * 512));
    });
    rig.device.assert_clean();
}

#[test]
fn what_was_not_negotiated_is_unsupported() {
    for wanted in [0, u64::MAX] {
        let offered = if wanted == 0 {
            model()
        } else {
            BlockModel::patterned(16)
        };
        let mut rig = Rig::live(offered, Version::Two, 1, 8, wanted);
        for kind in ALL {
            assert_eq!(request(&mut rig, kind, 0, &segment(0, 1, 0), 0).0, 2);
        }
        assert_eq!(sector_of(&rig, 0), original(0));
    }
}

#[test]
fn flags_that_are_not_known_are_unsupported_and_a_discard_has_none() {
    let mut rig = erasable();
    assert_eq!(request(&mut rig, DISCARD, 0, &segment(0, 1, 1), 0).0, 2);
    assert_eq!(rig.ids(), ["BLK-24"]);
    for (kind, flags) in [
        (DISCARD, 2),
        (WRITE_ZEROES, 2),
        (WRITE_ZEROES, 1 << 31),
        (SECURE_ERASE, 1),
    ] {
        let data = [segment(1, 1, 0), segment(0, 1, flags)].concat();
        assert_eq!(request(&mut rig, kind, 0, &data, 0).0, 2, "{kind} {flags}");
    }
    assert_eq!(rig.ids(), [""; 0]);
    assert_eq!(sector_of(&rig, 1), original(1), "nothing was done");
}

#[test]
fn a_segment_has_16_bytes_and_a_request_no_more_than_its_limit() {
    let rules = ["BLK-19", "BLK-21", "BLK-20"];
    for (kind, rule) in ALL.into_iter().zip(rules) {
        let mut rig = erasable();
        let three = [segment(0, 1, 0), segment(1, 1, 0), segment(2, 1, 0)].concat();
        assert_eq!(request(&mut rig, kind, 0, &three, 0).0, 1);
        assert_eq!(rig.ids(), [rule]);
        assert_eq!(request(&mut rig, kind, 0, &three[..15], 0).0, 1);
        assert_eq!(request(&mut rig, kind, 0, &[], 0).0, 1);
        assert_eq!(rig.ids(), ["BLK-17", "BLK-17"]);
        assert_eq!(request(&mut rig, kind, 0, &three[..32], 0).0, 0);
        assert_eq!(rig.ids(), [""; 0]);
        assert_eq!(request(&mut rig, kind, 1, &three[..16], 0).0, 0);
        assert_eq!(rig.ids(), ["BLK-40"], "a sector in the header");
        request(&mut rig, kind, 0, &three[..16], 8);
        assert_eq!(rig.ids(), ["BLK-40"], "room for data");
    }
}

#[test]
fn ranges_are_within_limit_and_capacity_and_hit_no_bad_sector() {
    for kind in ALL {
        let mut rig = erasable();
        rig.device.model(|disk| disk.fail_sectors(9..10));
        assert_eq!(request(&mut rig, kind, 0, &segment(0, 5, 0), 0).0, 1);
        assert_eq!(request(&mut rig, kind, 0, &segment(8, 4, 0), 0).0, 1, "bad");
        assert_eq!(rig.ids(), [""; 0]);
        assert_eq!(request(&mut rig, kind, 0, &segment(13, 4, 0), 0).0, 1);
        assert_eq!(request(&mut rig, kind, 0, &segment(u64::MAX, 4, 0), 0).0, 1);
        assert_eq!(rig.ids(), ["BLK-12", "BLK-12"]);
        assert_eq!(request(&mut rig, kind, 0, &segment(16, 0, 0), 0).0, 0);
        let unchanged: Vec<u8> = (0..16).flat_map(original).collect();
        rig.device
            .model(|disk| assert_eq!(disk.content(), unchanged));
    }
}

#[test]
fn a_read_only_disk_is_not_erased() {
    let mut rig = disk(model().read_only(), Version::Two);
    for kind in ALL {
        assert_eq!(request(&mut rig, kind, 0, &segment(0, 1, 0), 0).0, 1);
    }
    assert_eq!(sector_of(&rig, 0), original(0));
}
