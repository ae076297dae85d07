//! Discarding and zeroing sectors of a real disk, and switching its cache.

use levitate_drivers_blk::{CacheMode, Unmap};

use crate::storage::{PLAIN, Slots, Storage, patterned};

const LEN_BYTES: usize = 8 << 20;

#[test]
fn zeroed_sectors_are_zeroes_in_the_image_and_no_others_are() {
    let mut expected = patterned(LEN_BYTES);
    let Some(storage) = Storage::serve(&expected, PLAIN) else {
        return;
    };
    let mut slots = Slots::new();
    let mut blk = storage.drive(&mut slots);
    assert!(blk.capabilities().write_zeroes().is_some());
    for (sector, count, unmap) in [
        (1, 1, Unmap::Forbidden),
        (100, 7, Unmap::Allowed),
        (2048, 9000, Unmap::Allowed),
    ] {
        blk.write_zeroes(sector, count, unmap).unwrap();
        let (start, len_bytes) = (sector as usize * 512, count as usize * 512);
        expected[start..start + len_bytes].fill(0);
    }
    blk.flush().unwrap();
    let mut data = vec![0xee; LEN_BYTES];
    blk.read(0, &mut data).unwrap();
    assert!(data == expected);
    assert!(storage.image() == expected);
    drop(blk);
    storage.pool.assert_no_leaks();
}

#[test]
fn discarded_sectors_are_the_old_ones_or_zeroes_and_no_others_change() {
    let image = patterned(LEN_BYTES);
    let Some(storage) = Storage::serve(&image, PLAIN) else {
        return;
    };
    let mut slots = Slots::new();
    let mut blk = storage.drive(&mut slots);
    assert!(blk.capabilities().discard().is_some());
    let (first, count) = (64, 9000);
    blk.discard(first, count).unwrap();
    let mut data = vec![0xee; LEN_BYTES];
    blk.read(0, &mut data).unwrap();
    let (begin, end) = (first as usize * 512, (first + count) as usize * 512);
    assert!(data[..begin] == image[..begin] && data[end..] == image[end..]);
    for (now, before) in data[begin..end]
        .chunks(512)
        .zip(image[begin..end].chunks(512))
    {
        assert!(now == before || now == [0; 512]);
    }
    drop(blk);
    storage.pool.assert_no_leaks();
}

#[test]
fn the_cache_is_switched_by_a_write_to_the_configuration() {
    let Some(storage) = Storage::serve(&patterned(4096), PLAIN) else {
        return;
    };
    let mut slots = Slots::new();
    let mut blk = storage.drive(&mut slots);
    for mode in [
        CacheMode::Writeback,
        CacheMode::Writethrough,
        CacheMode::Writeback,
    ] {
        assert_eq!(blk.set_cache_mode(mode).unwrap(), mode);
        assert_eq!(blk.capabilities().cache_mode(), mode);
    }
    drop(blk);
    storage.pool.assert_no_leaks();
}
