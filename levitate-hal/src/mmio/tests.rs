//! A part of a region has the bytes of its range, and no others.

use std::cell::RefCell;
use std::rc::Rc;
use std::vec::Vec;

use super::{Mmio, MmioPart};

/// Registers that hold what is written to them.
#[derive(Clone)]
struct Memory(Rc<RefCell<Vec<u8>>>);

impl Memory {
    fn new(bytes: &[u8]) -> Self {
        Self(Rc::new(RefCell::new(bytes.to_vec())))
    }

    fn read(&self, offset: usize, width_bytes: usize) -> u64 {
        let mut read = [0xff; 8];
        let bytes = self.0.borrow();
        if let Some(found) = bytes.get(offset..offset.saturating_add(width_bytes)) {
            read[..width_bytes].copy_from_slice(found);
        }
        u64::from_le_bytes(read)
    }

    fn write(&self, offset: usize, width_bytes: usize, value: u64) {
        let mut bytes = self.0.borrow_mut();
        if let Some(place) = bytes.get_mut(offset..offset.saturating_add(width_bytes)) {
            place.copy_from_slice(&value.to_le_bytes()[..width_bytes]);
        }
    }
}

impl Mmio for Memory {
    fn len_bytes(&self) -> usize {
        self.0.borrow().len()
    }

    crate::accesses_by_width!();
}

const BYTES: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

#[test]
fn a_part_begins_where_its_range_does() {
    let memory = Memory::new(&BYTES);
    let part = MmioPart::new(memory.clone(), 4..14).unwrap();
    assert_eq!(part.len_bytes(), 10);
    assert_eq!(part.read8(9), 13);
    assert_eq!(part.read16(0), 0x0504);
    assert_eq!(part.read32(4), 0x0b0a_0908);
    assert_eq!(part.read64(0), 0x0b0a_0908_0706_0504);
    part.write8(0, 0xa0);
    part.write16(2, 0xb1b0);
    part.write32(4, 0xc3c2_c1c0);
    let expected = [0xa0, 5, 0xb0, 0xb1, 0xc0, 0xc1, 0xc2, 0xc3, 12, 13];
    assert_eq!(memory.0.borrow()[4..14], expected);
    part.write64(0, 0);
    assert_eq!(memory.0.borrow()[4..12], [0; 8]);
}

#[test]
fn an_access_that_leaves_the_part_reaches_nothing() {
    let memory = Memory::new(&BYTES);
    let part = MmioPart::new(memory.clone(), 4..8).unwrap();
    for offset in [1, 4, 8, usize::MAX - 3, usize::MAX] {
        assert_eq!(part.read32(offset), u32::MAX, "{offset}");
        assert_eq!(part.read64(offset), u64::MAX, "{offset}");
        part.write32(offset, 0);
        part.write64(offset, 0);
    }
    assert_eq!(part.read8(4), u8::MAX);
    assert_eq!(part.read16(3), u16::MAX);
    part.write8(4, 0);
    part.write16(3, 0);
    assert_eq!(memory.0.borrow()[..], BYTES);
}

#[test]
fn a_range_outside_the_region_is_no_part_of_it() {
    let memory = Memory::new(&BYTES);
    assert!(MmioPart::new(memory.clone(), 0..16).is_some());
    assert!(MmioPart::new(memory.clone(), 16..16).is_some());
    assert!(MmioPart::new(memory.clone(), 0..17).is_none());
    #[expect(
        clippy::reversed_empty_ranges,
        reason = "that is what is to be refused"
    )]
    let reversed = 8..4;
    assert!(MmioPart::new(memory, reversed).is_none());
}
