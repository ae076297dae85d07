//! A disk that is a file.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;

use levitate_host::block::{EraseLimits, pattern};
use levitate_host::{BlockModel, Version};
use rustix::fs::{FallocateFlags, fallocate};

use crate::block::{FLUSH, disk, request};
use crate::rig::Rig;

const SECTORS: usize = 256;
const LIMITS: EraseLimits = EraseLimits {
    max_sectors: 256,
    max_segments: 1,
    alignment_sectors: 8,
};

fn patterned() -> File {
    let mut file = tempfile::tempfile().unwrap();
    let bytes: Vec<u8> = (0..SECTORS * 512).map(pattern).collect();
    file.write_all(&bytes).unwrap();
    file
}

fn plug(file: &File) -> Rig<BlockModel> {
    let model = BlockModel::file(file.try_clone().unwrap()).unwrap();
    let model = model
        .discard(LIMITS)
        .write_zeroes(LIMITS)
        .write_zeroes_may_unmap();
    disk(model, Version::Two)
}

fn content(file: &mut File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

fn segment(sector: u64, sectors: u32, flags: u32) -> Vec<u8> {
    let words = [sector as u32, (sector >> 32) as u32, sectors, flags];
    words.map(u32::to_le_bytes).concat()
}

#[test]
fn sectors_are_where_they_are_in_the_file() {
    let mut file = patterned();
    let mut rig = plug(&file);
    let (status, data) = request(&mut rig, 0, 255, &[], 512);
    let wanted: Vec<u8> = (255 * 512..256 * 512).map(pattern).collect();
    assert_eq!((status, data), (0, wanted));
    assert_eq!(request(&mut rig, 1, 7, &[0xa5; 1024], 0).0, 0);
    assert_eq!(request(&mut rig, 4, 0, &[], 0).0, 0);
    rig.device.assert_clean();
    assert_eq!(request(&mut rig, 0, 256, &[], 512).0, 1, "past the end");
    let found = content(&mut file);
    assert_eq!(found.len(), SECTORS * 512);
    assert_eq!(found[7 * 512..9 * 512], [0xa5; 1024]);
    assert_eq!(found[7 * 512 - 1], pattern(7 * 512 - 1));
    assert_eq!(found[9 * 512], pattern(9 * 512));
}

#[test]
fn a_discard_makes_a_hole() {
    let mut file = patterned();
    let mut rig = plug(&file);
    assert_eq!(request(&mut rig, 4, 0, &[], 0).0, 0);
    let before = file.metadata().unwrap().blocks();
    assert_eq!(request(&mut rig, 11, 0, &segment(64, 128, 0), 0).0, 0);
    let found = content(&mut file);
    assert_eq!(found.len(), SECTORS * 512, "as long as before");
    assert_eq!(found[64 * 512..192 * 512], [0; 128 * 512]);
    assert_eq!(found[64 * 512 - 1], pattern(64 * 512 - 1));
    assert_eq!(found[192 * 512], pattern(192 * 512));
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    if fallocate(&file, flags, 0, 1).is_ok() {
        assert!(file.metadata().unwrap().blocks() < before);
    } else {
        eprintln!("skipped in part: this file system has no holes");
    }
    rig.device.assert_clean();
}

#[test]
fn zeroes_are_zeroes_with_a_hole_and_without() {
    let mut file = patterned();
    let mut rig = plug(&file);
    // Longer than what is written at once, and not a multiple of it.
    assert_eq!(request(&mut rig, 13, 0, &segment(1, 200, 0), 0).0, 0);
    assert_eq!(request(&mut rig, 13, 0, &segment(210, 8, 1), 0).0, 0);
    let found = content(&mut file);
    assert_eq!(found[511], pattern(511));
    assert_eq!(found[512..201 * 512], [0; 200 * 512]);
    assert_eq!(found[201 * 512], pattern(201 * 512));
    assert_eq!(found[210 * 512..218 * 512], [0; 8 * 512]);
    rig.device.assert_clean();
}

#[test]
fn what_the_file_refuses_is_an_error() {
    let named = tempfile::NamedTempFile::new().unwrap();
    named.as_file().set_len(8 * 512).unwrap();
    let read_only = File::open(named.path()).unwrap();
    let mut rig = plug(&read_only);
    assert_eq!(request(&mut rig, 0, 0, &[], 512).0, 0);
    assert_eq!(request(&mut rig, 1, 0, &[1; 512], 0).0, 1);
    assert_eq!(request(&mut rig, 11, 0, &segment(0, 1, 0), 0).0, 1);
    named.as_file().set_len(512).unwrap();
    assert_eq!(request(&mut rig, 0, 4, &[], 512).0, 1, "it has shrunk");
    rig.device.assert_clean();
}

#[test]
fn flushes_and_writes_that_are_to_last_synchronize_the_file() {
    // This one takes whatever is written, and cannot be synchronized: what fails is fdatasync.
    let null = OpenOptions::new().write(true).open("/dev/null").unwrap();
    let plug = |wanted: u64| {
        let mut model = BlockModel::file(null.try_clone().unwrap()).unwrap();
        model.set_capacity(8);
        Rig::live(model, Version::Two, 1, 8, wanted)
    };
    let mut volatile = plug(u64::MAX);
    assert_eq!(request(&mut volatile, 1, 0, &[1; 512], 0).0, 0);
    assert_eq!(request(&mut volatile, 4, 0, &[], 0).0, 1);
    let mut stable = plug(!FLUSH);
    assert_eq!(request(&mut stable, 1, 0, &[1; 512], 0).0, 1);
}

#[test]
fn a_flush_of_a_file_succeeds_and_nothing_can_be_discarded() {
    let mut rig = plug(&patterned());
    assert_eq!(request(&mut rig, 4, 0, &[], 0).0, 0);
    assert_eq!(request(&mut rig, 11, 0, &segment(3, 0, 0), 0).0, 0);
    rig.device.assert_clean();
}
