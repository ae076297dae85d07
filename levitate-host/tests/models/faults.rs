//! Each lie of a device, as the driver's memory shows it.

use levitate_hal::{DmaSlice, Mmio};
use levitate_host::{BlockModel, Fault, Pool, Version};

use crate::rig::Rig;

const SIZE: u16 = 8;

/// A disk, and 25 bytes of memory for a request: header, nine bytes of answer.
struct Liar {
    rig: Rig<BlockModel>,
    buffer: DmaSlice<u8, Pool>,
    head: u16,
}

/// Sends GET_ID for eight bytes to a device that lies with one answer.
fn lie(version: Version, fault: Fault) -> Liar {
    let model = BlockModel::patterned(8).id("abcdefgh");
    let mut rig = Rig::live(model, version, 1, SIZE, 0);
    let mut bytes = [0x77; 25];
    bytes[..16].fill(0);
    bytes[0] = 8;
    let (buffer, at) = rig.buffer(&bytes);
    rig.device.inject(fault);
    let head = rig.send(
        0,
        &[(at, 16, false), (at + 16, 8, true), (at + 24, 1, true)],
    );
    Liar { rig, buffer, head }
}

impl Liar {
    fn used(&self, position: u16) -> (u32, u32) {
        self.rig.rings[0].used_element(position)
    }

    fn used_index(&self) -> u16 {
        self.rig.rings[0].used_index()
    }

    fn answer(&self) -> &[u8] {
        &self.buffer[16..]
    }
}

#[test]
fn ids_can_be_wrong() {
    let liar = lie(Version::Two, Fault::UsedIdOutOfRange);
    assert_eq!(liar.used(0), (u32::from(liar.head + SIZE), 9));
    let liar = lie(Version::Two, Fault::UsedIdNotInFlight);
    assert_ne!(liar.used(0).0, u32::from(liar.head));
    assert!(liar.used(0).0 < u32::from(SIZE));
    let liar = lie(Version::Two, Fault::UsedTwice);
    assert_eq!((liar.used_index(), liar.used(0)), (2, liar.used(1)));
}

#[test]
fn lengths_and_indices_can_be_wrong() {
    let liar = lie(Version::Two, Fault::UsedLen(u32::MAX));
    assert_eq!(liar.used(0), (u32::from(liar.head), u32::MAX));
    let liar = lie(Version::Two, Fault::UsedIndexJump(300));
    assert_eq!((liar.used_index(), liar.used(0).1), (301, 9));
}

#[test]
fn answers_can_be_short_of_another_type_or_with_another_status() {
    let liar = lie(Version::Two, Fault::AnswerTruncated { len_bytes: 3 });
    assert_eq!(liar.answer(), b"abcwwwwww");
    assert_eq!(liar.used(0).1, 3);
    let liar = lie(Version::Two, Fault::AnswerType(0x6463_4241));
    assert_eq!(liar.answer(), b"ABcdefgh\0");
    let liar = lie(Version::Two, Fault::LastByte(0xfe));
    assert_eq!(liar.answer(), b"abcdefgh\xfe");
}

#[test]
fn an_answer_can_come_without_the_used_ring() {
    let liar = lie(Version::Two, Fault::NoUsedElement);
    assert_eq!((liar.used_index(), liar.answer()), (0, &b"abcdefgh\0"[..]));
    assert!(!liar.rig.device.is_interrupting());
}

#[test]
fn the_used_ring_can_be_in_the_wrong_place() {
    let liar = lie(Version::One, Fault::UsedRingMisplaced);
    assert_eq!((liar.used_index(), liar.answer()), (0, &b"abcdefgh\0"[..]));
    let misplaced = (16_usize * 8 + 4 + 2 * 8).next_multiple_of(4);
    let ring = &liar.rig.rings[0];
    assert_eq!(ring.word(misplaced) >> 16, 1, "its index");
    assert_eq!((ring.word(misplaced + 4), ring.word(misplaced + 8)), (0, 9));
}

#[test]
fn a_device_can_ask_for_a_reset() {
    let liar = lie(Version::Two, Fault::NeedsReset);
    assert_eq!(liar.used_index(), 1);
    assert_eq!(liar.rig.status(), 0x4f);
    liar.rig.reset();
    assert_eq!(liar.rig.device.status(), 0);
    let rig = Rig::plug(BlockModel::patterned(1), Version::Two, |_| ());
    rig.device.set_needs_reset();
    assert_eq!(
        rig.device.read32(0x060),
        0,
        "nobody to tell before DRIVER_OK"
    );
}

#[test]
fn a_fault_is_for_one_answer_or_for_all() {
    let mut liar = lie(Version::Two, Fault::UsedLen(5));
    let at = liar.buffer.device_addr().get();
    let parts = [(at, 16, false), (at + 16, 8, true), (at + 24, 1, true)];
    liar.rig.send(0, &parts);
    assert_eq!(liar.used(1).1, 9, "honest again");
    liar.rig.device.inject_always(Some(Fault::UsedLen(6)));
    for position in 2..5 {
        liar.rig.send(0, &parts);
        assert_eq!(liar.used(position).1, 6);
    }
    liar.rig.device.inject_always(None);
    liar.rig.send(0, &parts);
    assert_eq!(liar.used(5).1, 9);
}
