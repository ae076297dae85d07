//! Requests to the disk.

use levitate_host::block::{Kind, pattern};
use levitate_host::{BlockModel, Version};

use crate::rig::{Part, Rig};

pub(crate) const FLUSH: u64 = 1 << 9;

/// Sends one request with `data` for the device and `room` bytes for the driver; returns status and what came back.
pub(crate) fn request(
    rig: &mut Rig<BlockModel>,
    kind: u32,
    sector: u64,
    data: &[u8],
    room: usize,
) -> (u8, Vec<u8>) {
    request_by(rig, 0, kind, sector, data, room)
}

/// Does the same by another queue than the first.
pub(crate) fn request_by(
    rig: &mut Rig<BlockModel>,
    queue: u32,
    kind: u32,
    sector: u64,
    data: &[u8],
    room: usize,
) -> (u8, Vec<u8>) {
    let mut header = [0; 16];
    header[..4].copy_from_slice(&kind.to_le_bytes());
    header[8..].copy_from_slice(&sector.to_le_bytes());
    let (_header, header_at) = rig.buffer(&header);
    let (status, status_at) = rig.buffer(&[0x77]);
    let (answer, answer_at) = rig.buffer(&vec![0; room.max(1)]);
    let (_data, data_at) = rig.buffer(if data.is_empty() { &[0] } else { data });
    let mut parts: Vec<Part> = vec![(header_at, 16, false)];
    if !data.is_empty() {
        parts.push((data_at, data.len() as u32, false));
    }
    if room > 0 {
        parts.push((answer_at, room as u32, true));
    }
    parts.push((status_at, 1, true));
    let before = rig.rings[queue as usize].used_index();
    let head = rig.send(queue, &parts);
    let ring = &rig.rings[queue as usize];
    assert_eq!(ring.used_index(), before.wrapping_add(1));
    let (id, len) = ring.used_element(before);
    assert_eq!(id, u32::from(head));
    assert_eq!(len as usize, room + 1, "the device says it wrote all of it");
    (status[0], answer[..room].to_vec())
}

/// Plugs the disk in and accepts all it offers.
pub(crate) fn disk(model: BlockModel, version: Version) -> Rig<BlockModel> {
    Rig::live(model, version, 1, 8, u64::MAX)
}

#[test]
fn a_read_returns_the_sectors_in_both_versions() {
    for version in [Version::One, Version::Two] {
        let mut rig = disk(BlockModel::patterned(16), version);
        let (status, data) = request(&mut rig, 0, 5, &[], 1024);
        assert_eq!(status, 0);
        let wanted: Vec<u8> = (5 * 512..7 * 512).map(pattern).collect();
        assert_eq!(data, wanted);
        rig.device.assert_clean();
        rig.bring_down();
        rig.pool.assert_no_leaks();
    }
}

#[test]
fn a_write_is_durable_only_after_a_flush() {
    let mut rig = disk(BlockModel::patterned(8), Version::Two);
    assert_eq!(request(&mut rig, 1, 3, &[0xee; 512], 0).0, 0);
    rig.device.model(|disk| {
        assert_eq!(disk.content()[3 * 512..4 * 512], [0xee; 512]);
        assert_eq!(disk.durable()[3 * 512], pattern(3 * 512));
    });
    assert_eq!(request(&mut rig, 4, 0, &[], 0).0, 0);
    rig.device
        .model(|disk| assert_eq!(disk.durable()[3 * 512..4 * 512], [0xee; 512]));
    let kinds: Vec<Kind> = rig
        .device
        .model(|disk| disk.take_requests().iter().map(|one| one.kind).collect());
    assert_eq!(kinds, [Kind::Out, Kind::Flush]);
    rig.device.assert_clean();
}

#[test]
fn a_write_is_durable_at_once_if_it_cannot_be_flushed() {
    let mut offered = Rig::live(BlockModel::patterned(8), Version::Two, 1, 8, !FLUSH);
    let mut withheld = disk(BlockModel::patterned(8).without_flush(), Version::Two);
    for rig in [&mut offered, &mut withheld] {
        assert_eq!(request(rig, 1, 0, &[1; 512], 0).0, 0);
        rig.device
            .model(|disk| assert_eq!(disk.durable()[..512], [1; 512]));
        assert_eq!(request(rig, 4, 0, &[], 0).0, 2, "UNSUPP");
    }
}

#[test]
fn what_the_disk_cannot_do_is_refused() {
    let mut rig = disk(BlockModel::patterned(8), Version::Two);
    assert_eq!(request(&mut rig, 0, 7, &[], 512).0, 0, "the last one");
    assert_eq!(request(&mut rig, 0, 8, &[], 512).0, 1, "past the end");
    assert_eq!(request(&mut rig, 0, u64::MAX, &[], 512).0, 1);
    assert_eq!(request(&mut rig, 1, 7, &[0; 1024], 0).0, 1);
    assert_eq!(request(&mut rig, 0, 0, &[], 500).0, 1, "no multiple of 512");
    assert_eq!(request(&mut rig, 77, 0, &[], 0).0, 2, "unknown");
    assert_eq!(rig.ids(), ["BLK-12", "BLK-12", "BLK-12", "BLK-16"]);
}

#[test]
fn bad_sectors_fail_until_repaired() {
    let mut rig = disk(BlockModel::patterned(8), Version::Two);
    rig.device.model(|disk| disk.fail_sectors(2..3));
    assert_eq!(request(&mut rig, 0, 1, &[], 1024).0, 1);
    assert_eq!(request(&mut rig, 1, 2, &[9; 512], 0).0, 1);
    assert_eq!(request(&mut rig, 0, 3, &[], 512).0, 0);
    rig.device.model(|disk| {
        assert_eq!(disk.content()[1024], pattern(1024), "nothing was written");
        disk.repair();
        disk.fail_flushes(1);
    });
    assert_eq!(request(&mut rig, 0, 1, &[], 1024).0, 0);
    assert_eq!(request(&mut rig, 4, 0, &[], 0).0, 1);
    assert_eq!(request(&mut rig, 4, 0, &[], 0).0, 0);
    rig.device.assert_clean();
}

#[test]
fn a_read_only_disk_refuses_writes() {
    let mut rig = disk(BlockModel::patterned(8).read_only(), Version::Two);
    assert_ne!(rig.device.negotiated() & (1 << 5), 0);
    assert_eq!(request(&mut rig, 1, 0, &[9; 512], 0).0, 1);
    rig.device
        .model(|disk| assert_eq!(disk.content()[0], pattern(0)));
}

#[test]
fn the_identifier_is_20_bytes() {
    let mut rig = disk(BlockModel::patterned(1).id("serial-1"), Version::Two);
    let (status, id) = request(&mut rig, 8, 0, &[], 20);
    assert_eq!(
        (status, &id[..]),
        (0, &b"serial-1\0\0\0\0\0\0\0\0\0\0\0\0"[..])
    );
    rig.device.assert_clean();
    request(&mut rig, 8, 0, &[], 19);
    assert_eq!(rig.device.violations()[0].id, "BLK-18");
}

#[test]
fn segment_limits_and_flushes_are_checked() {
    let mut rig = disk(
        BlockModel::patterned(8).size_max(512).seg_max(1),
        Version::Two,
    );
    request(&mut rig, 0, 0, &[], 512);
    rig.device.assert_clean();
    request(&mut rig, 0, 0, &[], 1024);
    request(&mut rig, 4, 3, &[], 0);
    request(&mut rig, 4, 0, &[0; 512], 0);
    assert_eq!(rig.ids(), ["BLK-41", "BLK-14", "BLK-15"]);
    let (_buffers, at) = rig.buffer(&[0; 2048]);
    let parts = [
        (at, 16, false),
        (at + 512, 512, true),
        (at + 1024, 512, true),
        (at + 1536, 1, true),
    ];
    rig.send(0, &parts);
    assert_eq!(rig.ids(), ["BLK-41"], "two segments");
    // Wherever header and status are.
    let mut write = vec![0; 1040];
    write[0] = 1;
    let (_write, write_at) = rig.buffer(&write);
    rig.send(0, &[(at, 16, false), (at + 16, 513, true)]);
    rig.send(0, &[(write_at, 528, false), (at + 16, 1, true)]);
    assert_eq!(rig.ids(), [""; 0], "one of 512 bytes");
    rig.send(0, &[(at, 16, false), (at + 16, 1025, true)]);
    let header_in_two = [
        (write_at, 8, false),
        (write_at + 8, 1032, false),
        (at + 16, 1, true),
    ];
    rig.send(0, &header_in_two);
    let status_with_data = [(at, 16, false), (at + 16, 256, true), (at + 512, 257, true)];
    rig.send(0, &status_with_data);
    assert_eq!(rig.ids(), ["BLK-41"; 3]);
}

#[test]
fn a_legacy_request_has_its_parts_in_descriptors_of_their_own() {
    for (version, wanted) in [(Version::One, vec!["LEG-23"]), (Version::Two, vec![])] {
        let mut rig = disk(BlockModel::patterned(8), version);
        let (buffer, at) = rig.buffer(&[0; 16 + 512 + 1]);
        rig.send(0, &[(at, 16, false), (at + 16, 513, true)]);
        assert_eq!(buffer[16 + 511], pattern(511));
        assert_eq!(buffer[16 + 512], 0);
        let ids: Vec<_> = rig.device.violations().iter().map(|one| one.id).collect();
        assert_eq!(ids, wanted);
    }
}

#[test]
fn a_request_has_a_header_and_a_status_and_data_one_way() {
    let mut rig = disk(BlockModel::patterned(8), Version::Two);
    let (_buffer, at) = rig.buffer(&[0; 2048]);
    let (read, write) = (at, at + 1024);
    rig.send(0, &[(read, 15, false), (write, 1, true)]);
    rig.send(0, &[(read, 16, false)]);
    rig.send(
        0,
        &[
            (read, 16, false),
            (read, 512, false),
            (write, 512, true),
            (write, 1, true),
        ],
    );
    assert_eq!(rig.ids(), ["BLK-40"; 3]);
    request(&mut rig, 1, 0, &[1; 512], 512);
    assert_eq!(rig.device.violations()[0].id, "BLK-40", "a write with room");
}
