//! What can be said of the ring without a device.

use core::mem::size_of;

use levitate_hal::{Barriers, DmaAddr};
use std::vec::Vec;

use super::*;
use crate::queue::chain::{Chain, Part, Survey};
use crate::queue::heap::Heap;
use crate::queue::slot::Way;
use crate::queue::slot_memory::SlotMemory;
use crate::queue::{Data, QueueSize};
use crate::transport::{Interface, Placement};

fn ring(size: u16, features: Features, descriptors_per_slot: u16) -> PackedRing<Heap> {
    let config = RingConfig {
        size: QueueSize::new(size).unwrap(),
        descriptors_per_slot,
        placement: Placement::Separate,
        features,
        barriers: Barriers::Cpu,
        interface: Interface::Modern,
    };
    PackedRing::new(&Heap, &config).unwrap()
}

/// Memory of eight slots, with tables.
fn memory() -> SlotMemory<Heap> {
    SlotMemory::new(&Heap, 8, 16, 16, 3).unwrap()
}

/// A packed ring counts by itself.
const PROGRESS: Progress = Progress::of(4, 0);

/// Makes a chain available of a footer, and of a header before it if there are to be two descriptors; returns their addresses.
fn add(
    ring: &mut PackedRing<Heap>,
    memory: &SlotMemory<Heap>,
    slot: u16,
    descriptors: u16,
    is_direct: bool,
) -> [u64; 3] {
    let data = Data::<()>::None;
    // SAFETY: the offset is of this memory.
    let place = unsafe { memory.place(memory.offset(slot)) };
    let chain = Chain {
        place,
        header_bytes: if descriptors == 2 { 16 } else { 0 },
        data: &data,
        survey: Survey::of(&data, 0, 0).unwrap(),
        footer_bytes: 9,
        max_segment_bytes: 1,
    };
    let mut record = Record::IDLE;
    record.way = Way::of(is_direct);
    let head = ring.next_available.offset();
    // SAFETY: the memory has room for such a footer and a table of three entries behind it.
    unsafe { ring.lay_out(&mut record, slot.into(), chain) };
    // SAFETY: as above.
    unsafe { ring.add(&mut record, &mut PROGRESS.clone(), chain) };
    let expected = if is_direct { descriptors } else { 1 };
    assert_eq!((record.head, record.descriptors), (head, expected));
    let header = place.header(chain.header_bytes).addr;
    let footer = place.footer(chain.footer_bytes).addr;
    [header, footer, place.table_addr(chain.footer_bytes)].map(DmaAddr::get)
}

/// Has the device use the descriptor at `index` as the last word of it says.
fn use_descriptor(ring: &PackedRing<Heap>, index: usize, id: u16, len: u32, flags: u16) {
    let at = 16 * index;
    ring.memory.part(0).store(at + 8, len.to_le());
    ring.memory.part(0).store(at + 12, id.to_le());
    ring.memory.part(0).store(at + 14, flags.to_le());
}

/// Returns length, id and flags of the descriptor at `index`.
fn descriptor(ring: &PackedRing<Heap>, index: usize) -> (u64, u32, u16, u16) {
    let at = 16 * index;
    (
        u64::from_le(ring.memory.part(0).load(at)),
        u32::from_le(ring.memory.part(0).load(at + 8)),
        u16::from_le(ring.memory.part(0).load(at + 12)),
        u16::from_le(ring.memory.part(0).load(at + 14)),
    )
}

#[test]
fn the_ring_is_read_and_written_as_the_specification_has_it() {
    // AVAIL is bit 7, USED is bit 15; NEXT is 1 and WRITE is 2.
    let (avail, used) = (1 << 7, 1 << 15);
    let mut ring = ring(3, Features::empty(), 2);
    let areas = ring.areas();
    assert_eq!(areas.size.get(), 3);
    let [driver, device] =
        [areas.driver, areas.device].map(|at| (at.get() - areas.descriptor.get()) as usize);
    assert_eq!(
        ring.memory.part(0).load::<[u8; 4]>(driver),
        [0, 0, 1, 0],
        "no events"
    );
    assert_eq!(ring.memory.part(0).load::<[u8; 4]>(device), [0; 4]);

    let memory = memory();
    let [header, footer, _] = add(&mut ring, &memory, 7, 2, true);
    assert_eq!(descriptor(&ring, 0), (header, 16, 7, 1 | avail));
    assert_eq!(descriptor(&ring, 1), (footer, 9, 7, 2 | avail));
    assert_eq!(descriptor(&ring, 2), (0, 0, 0, 0));
    assert_eq!(ring.position(PROGRESS), 0x8002);
    assert_eq!(ring.next_used(PROGRESS), Ok(None));

    // The used descriptor is written where the chain began, and the others of the chain are passed over.
    use_descriptor(&ring, 0, 7, 5, 2 | avail | used);
    let used_one = Used {
        id: 7,
        slot: 7,
        len_bytes: 5,
        is_len_meant: true,
    };
    assert_eq!(ring.next_used(PROGRESS), Ok(Some(used_one)));
    assert_eq!(
        ring.next_used(PROGRESS),
        Ok(Some(used_one)),
        "not passed yet"
    );
    ring.pass_used(2);
    assert_eq!(ring.next_used(PROGRESS), Ok(None));

    // From the last descriptor round to the first, with the wrap counter the other way round.
    let [header, footer, _] = add(&mut ring, &memory, 4, 2, true);
    assert_eq!(descriptor(&ring, 2), (header, 16, 4, 1 | avail));
    assert_eq!(descriptor(&ring, 0), (footer, 9, 4, 2 | used));
    assert_eq!(ring.position(PROGRESS), 1);
    // Without WRITE the length is reserved, which not every device heeds; NEXT is noise.
    use_descriptor(&ring, 2, 4, 99, 1 | avail | used);
    let used_two = Used {
        id: 4,
        slot: 4,
        len_bytes: 99,
        is_len_meant: false,
    };
    assert_eq!(ring.next_used(PROGRESS), Ok(Some(used_two)));
    ring.pass_used(2);
    assert_eq!(ring.next_used(PROGRESS), Ok(None));
    add(&mut ring, &memory, 1, 1, true);
    use_descriptor(&ring, 1, 1, 0, 0);
    assert!(
        ring.next_used(PROGRESS).unwrap().is_some(),
        "used in the second lap"
    );
    drop(memory.into_memory());
    drop(ring.into_memory());
}

#[test]
fn a_table_takes_one_descriptor_and_its_entries_have_no_links() {
    let mut ring = ring(5, Features::INDIRECT_DESC, 1);
    let memory = memory();
    let [_, _, table] = add(&mut ring, &memory, 3, 2, false);
    assert_eq!(descriptor(&ring, 0), (table, 32, 3, 4 | 1 << 7));
    assert_eq!(size_of::<layout::PackedDescriptor>(), 16);
    let part = Part {
        addr: DmaAddr::new(0x1122),
        len_bytes: 9,
        is_writable: true,
    };
    let [addr, rest] = table_entry(part);
    assert_eq!(
        (u64::from_le(addr), u64::from_le(rest)),
        (0x1122, 9 | 2 << 48)
    );
    drop(ring.into_memory());
    drop(memory.into_memory());
}

#[test]
fn a_table_at_the_end_of_the_ring_has_the_flags_of_its_own_lap() {
    let (avail, used) = (1 << 7, 1 << 15);
    let mut ring = ring(2, Features::INDIRECT_DESC, 1);
    let memory = memory();
    for (index, lap) in [(0, avail), (1, avail), (0, used), (1, used), (0, avail)] {
        let [_, _, table] = add(&mut ring, &memory, 3, 2, false);
        assert_eq!(descriptor(&ring, index), (table, 32, 3, 4 | lap));
    }
    drop(ring.into_memory());
    drop(memory.into_memory());
}

#[test]
fn events_are_asked_for_by_position_only_with_the_event_index() {
    for has_event_index in [false, true] {
        let features = match has_event_index {
            true => Features::EVENT_IDX,
            false => Features::empty(),
        };
        let mut ring = ring(4, features, 1);
        let asked = |ring: &PackedRing<Heap>| {
            let [a, b, c, d] = ring.memory.part(0).load::<[u8; 4]>(ring.block.driver_event);
            (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
        };
        assert_eq!(asked(&ring).1, 1, "none");
        assert!(!ring.request_used_notification(PROGRESS, 3));
        assert_eq!(
            asked(&ring),
            if has_event_index { (0x8002, 2) } else { (0, 0) }
        );
        let memory = memory();
        for slot in 0..4 {
            add(&mut ring, &memory, slot, 1, true);
        }
        use_descriptor(&ring, 0, 0, 1, 2 | 1 << 7 | 1 << 15);
        assert!(ring.next_used(PROGRESS).unwrap().is_some());
        assert!(
            !ring.request_used_notification(PROGRESS, 3),
            "what is asked for already is notified"
        );
        ring.suppress_used_notifications(PROGRESS);
        assert_eq!(asked(&ring).1, 1, "none again");
        assert!(
            ring.request_used_notification(PROGRESS, 1),
            "it is there already"
        );
        drop(ring.into_memory());
        drop(memory.into_memory());
    }
}

/// Has the device ask for notifications, and says whether one is due after so many descriptors.
fn is_due(ring: &mut PackedRing<Heap>, off_wrap: u16, flags: u16, added: u16) -> bool {
    ring.memory
        .part(0)
        .store(ring.block.device_event, [off_wrap.to_le(), flags.to_le()]);
    ring.decided = ring.next_available.off_wrap();
    for _ in 0..added {
        ring.next_available.advance(1);
    }
    let progress = Progress::of(added.into(), 0);
    match ring.needs_notification(progress) {
        Some(is_needed) => is_needed,
        None => ring.needs_notification_by_event(progress),
    }
}

#[test]
fn the_device_is_notified_exactly_when_it_asks_for_it() {
    let mut without = ring(4, Features::empty(), 1);
    assert!(is_due(&mut without, 0, 0, 1));
    assert!(!is_due(&mut without, 0, 1, 1));
    // What it must not write is no reason to keep silent.
    assert!(is_due(&mut without, 0, 2, 1));
    assert!(is_due(&mut without, 0, 3, 1));
    drop(without.into_memory());

    for size in [1, 2, 3, 7] {
        let mut ring = ring(size, Features::EVENT_IDX, 1);
        for added in 1..=size {
            for _ in 0..2 * size + 1 {
                let positions = |from: Position, count: u16| -> Vec<u16> {
                    let mut at = from;
                    (0..count)
                        .map(|_| {
                            let off_wrap = at.off_wrap();
                            at.advance(1);
                            off_wrap
                        })
                        .collect()
                };
                let start = ring.next_available;
                let new = positions(start, added);
                for event in positions(start, 2 * size) {
                    ring.next_available = start;
                    assert_eq!(
                        is_due(&mut ring, event, 2, added),
                        new.contains(&event),
                        "size {size}, {added} from {:#x}, event {event:#x}",
                        start.off_wrap()
                    );
                }
                let event = start.off_wrap();
                // Bits that it must not set change nothing.
                for (flags, is_expected) in [
                    (0, true),
                    (3, true),
                    (1, false),
                    (0xfffd, false),
                    (0xfffe, true),
                ] {
                    ring.next_available = start;
                    assert_eq!(
                        is_due(&mut ring, event, flags, added),
                        is_expected,
                        "{flags:#x}"
                    );
                }
                ring.next_available = start;
                assert!(is_due(&mut ring, size, 2, added), "no such position");
                ring.next_available = start;
                let before = positions(start, 2 * size)[usize::from(2 * size - 1)];
                assert!(
                    is_due(&mut ring, before, 2, size + added),
                    "more than a lap"
                );
            }
        }
        drop(ring.into_memory());
    }
}

#[test]
fn a_chain_is_fetched_once_the_device_asks_for_a_later_one() {
    let mut ring = ring(3, Features::EVENT_IDX, 1);
    // It was made available at the very beginning.
    let first = Record::IDLE;
    ring.next_available.advance(1);
    let ask = |ring: &PackedRing<Heap>, event: Position, flags: u16| {
        let words = [event.off_wrap().to_le(), flags.to_le()];
        ring.memory.part(0).store(ring.block.device_event, words);
    };
    assert_eq!(ring.is_fetched(&first), Some(false), "it has never asked");
    let mut event = Position::start(QueueSize::new(3).unwrap());
    ask(&ring, event, 2);
    assert_eq!(ring.is_fetched(&first), Some(false));
    for _ in 0..3 {
        event.advance(1);
        ask(&ring, event, 2);
        assert_eq!(
            ring.is_fetched(&first),
            Some(true),
            "{:#x}",
            event.off_wrap()
        );
    }
    event.advance(1);
    ask(&ring, event, 2);
    assert_eq!(ring.is_fetched(&first), Some(false), "that is before it");
    ask(&ring, event, 1);
    assert_eq!(ring.is_fetched(&first), None, "it asks for nothing");
    drop(ring.into_memory());
}
