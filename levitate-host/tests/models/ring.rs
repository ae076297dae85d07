//! The device's side of the split virtqueue: indices and chains.

use levitate_hal::Mmio;
use levitate_host::block::pattern;
use levitate_host::queue::RingError;
use levitate_host::{BlockModel, Completion, Version};

use crate::rig::{EVENT_IDX, IN_ORDER, INDIRECT, INDIRECT_DESC, NEXT, Part, Rig, VERSION_1, WRITE};

pub(crate) const SIZE: u16 = 8;

pub(crate) fn disk(wanted: u64) -> Rig<BlockModel> {
    Rig::live(BlockModel::patterned(8), Version::Two, 1, SIZE, wanted)
}

/// The parts of a flush in one buffer of 17 bytes at `at`.
pub(crate) fn flush(at: u64) -> [Part; 2] {
    [(at, 16, false), (at + 16, 1, true)]
}

/// A header of a flush, and a status that no device writes.
pub(crate) const FLUSH: [u8; 17] = [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x77];

#[test]
fn indices_and_slots_wrap() {
    let mut rig = disk(0);
    let (buffer, at) = rig.buffer(&FLUSH);
    for round in 0..20_u16 {
        let head = rig.send(0, &flush(at));
        assert_eq!(rig.rings[0].used_index(), round + 1);
        assert_eq!(rig.rings[0].used_element(round), (u32::from(head), 1));
    }
    assert_eq!(buffer[16], 2, "UNSUPP: FLUSH was not negotiated");
    rig.device.assert_clean();
}

#[test]
fn the_available_index_wraps_at_65536() {
    let mut rig = disk(0);
    let (_buffer, at) = rig.buffer(&FLUSH);
    for _ in 0..65_540_u32 {
        rig.send(0, &flush(at));
    }
    assert_eq!(rig.rings[0].used_index(), 4);
    rig.device.assert_clean();
}

#[test]
fn a_chain_may_lie_in_an_indirect_table() {
    let mut rig = disk(INDIRECT_DESC);
    let (buffer, at) = rig.buffer(&[0; 16 + 512 + 1]);
    let mut table = Vec::new();
    for (addr, len, flags, next) in [
        (at, 16_u32, NEXT, 1_u16),
        (at + 16, 512, NEXT | WRITE, 2),
        (at + 528, 1, WRITE, 0),
    ] {
        table.extend(addr.to_le_bytes());
        table.extend(len.to_le_bytes());
        table.extend(flags.to_le_bytes());
        table.extend(next.to_le_bytes());
    }
    let (_table, table_at) = rig.buffer(&table);
    rig.rings[0].write_descriptor(5, table_at, 48, INDIRECT, 0);
    rig.rings[0].publish(5);
    rig.notify(0);
    assert_eq!(rig.rings[0].used_element(0), (5, 513));
    assert_eq!(buffer[16 + 100], pattern(100));
    rig.device.assert_clean();
}

#[test]
fn indirect_tables_have_their_rules() {
    for (wanted, first, table_flags, len, rule) in [
        (0, INDIRECT, 0, 16, "SPLIT-06"),
        (INDIRECT_DESC, INDIRECT | NEXT, 0, 16, "SPLIT-09"),
        (INDIRECT_DESC, INDIRECT, INDIRECT, 16, "SPLIT-07"),
        (INDIRECT_DESC, INDIRECT, 0, 24, ""),
        (INDIRECT_DESC, INDIRECT, 0, 0, ""),
    ] {
        let mut rig = disk(wanted);
        let mut table = [0; 16];
        table[8] = 16;
        table[12] = table_flags as u8;
        let (_table, table_at) = rig.buffer(&table);
        rig.rings[0].write_descriptor(0, table_at, len, first, 1);
        rig.rings[0].publish(0);
        rig.notify(0);
        if rule.is_empty() {
            assert_eq!(
                rig.device.ring_errors(),
                [RingError::IndirectLength { len_bytes: len }]
            );
        } else {
            assert_eq!(rig.ids(), [rule]);
        }
        assert_eq!(rig.rings[0].used_index(), 0);
        assert_eq!(rig.status(), 0x4f, "DEVICE_NEEDS_RESET");
        assert_eq!(rig.device.read32(0x060), 2);
    }
}

#[test]
fn a_loop_ends_at_the_queue_size() {
    let mut rig = disk(0);
    let (_buffer, at) = rig.buffer(&FLUSH);
    rig.rings[0].write_descriptor(0, at, 16, NEXT, 1);
    rig.rings[0].write_descriptor(1, at, 16, NEXT, 0);
    rig.rings[0].publish(0);
    rig.notify(0);
    assert_eq!(rig.ids(), ["SPLIT-08"]);
    assert_eq!(
        rig.device.ring_errors(),
        [RingError::ChainTooLong {
            head: 0,
            size: SIZE
        }]
    );
    rig.bring_down();
    rig.negotiate(u64::MAX);
    rig.set_up_queue(0, SIZE);
    rig.go();
    rig.send(0, &flush(at));
    assert_eq!(rig.rings[0].used_index(), 1, "a reset mends it");
}

#[test]
fn a_chain_may_be_as_long_as_the_queue() {
    let mut rig = disk(0);
    let (_buffer, at) = rig.buffer(&[0; 16 + 6 * 512 + 1]);
    let mut parts = vec![(at, 16, false)];
    parts.extend((0..6).map(|part| (at + 16 + 512 * part, 512, true)));
    parts.push((at + 16 + 6 * 512, 1, true));
    rig.send(0, &parts);
    assert_eq!(rig.rings[0].used_element(0), (0, 6 * 512 + 1));
    rig.device.assert_clean();
}

#[test]
fn what_no_device_can_follow_is_an_error() {
    type Break = fn(&mut Rig<BlockModel>, u64);
    let cases: [(Break, RingError); 4] = [
        (
            |rig, _| rig.rings[0].publish(SIZE),
            RingError::DescriptorIndex {
                index: SIZE,
                table: u64::from(SIZE),
            },
        ),
        (
            |rig, at| {
                rig.rings[0].write_descriptor(0, at, 0, 0, 0);
                rig.rings[0].publish(0);
            },
            RingError::EmptyBuffer { index: 0 },
        ),
        (
            |rig, at| {
                rig.rings[0].write_chain(&[(at, 1, true), (at, 16, false)]);
                rig.rings[0].publish(0);
            },
            RingError::ReadableAfterWritable { index: 1 },
        ),
        (
            |rig, _| rig.rings[0].set_available_index(SIZE + 1),
            RingError::AvailableIndex {
                from: 0,
                to: SIZE + 1,
                size: SIZE,
            },
        ),
    ];
    for (break_it, wanted) in cases {
        let mut rig = disk(0);
        let (_buffer, at) = rig.buffer(&FLUSH);
        break_it(&mut rig, at);
        rig.notify(0);
        assert_eq!(rig.device.ring_errors(), [wanted]);
        let rule = match wanted {
            RingError::ReadableAfterWritable { .. } => &["SPLIT-02"][..],
            RingError::AvailableIndex { .. } => &["SPLIT-11"],
            _ => &[],
        };
        assert_eq!(rig.ids(), rule);
        assert_eq!(rig.rings[0].used_index(), 0);
        rig.send(0, &flush(at));
        assert_eq!(rig.rings[0].used_index(), 0, "and then nothing more");
    }
}

#[test]
fn an_index_that_goes_back_breaks_a_rule() {
    let mut rig = disk(0);
    let (_buffer, at) = rig.buffer(&FLUSH);
    rig.send(0, &flush(at));
    rig.rings[0].set_available_index(0);
    rig.notify(0);
    assert_eq!(rig.ids(), ["SPLIT-11"]);
}

#[test]
fn a_chain_in_flight_is_not_made_available_again() {
    let mut rig = disk(0);
    let (_buffer, at) = rig.buffer(&FLUSH);
    rig.device.set_completion(Completion::Held);
    let head = rig.send(0, &flush(at));
    rig.rings[0].publish(head);
    rig.notify(0);
    assert_eq!(rig.device.ring_errors(), [RingError::HeadInFlight { head }]);
    rig.bring_down();
}

#[test]
fn a_buffer_out_of_reach_is_a_stray_access() {
    for parts in [
        [(0x1000, 16, false), (0, 1, true)],
        [(0, 16, false), (0x1000, 1, true)],
    ] {
        let mut rig = disk(0);
        let (_buffer, at) = rig.buffer(&FLUSH);
        let parts = parts.map(|(addr, len, way)| (if addr == 0 { at } else { addr }, len, way));
        rig.send(0, &parts);
        assert!(matches!(
            rig.device.ring_errors()[..],
            [RingError::Unreachable(_)]
        ));
        assert_eq!(rig.pool.take_stray_accesses()[0].addr.get(), 0x1000);
    }
}

#[test]
fn descriptors_in_flight_are_left_alone() {
    let mut rig = disk(0);
    let (_buffer, at) = rig.buffer(&FLUSH);
    rig.device.set_completion(Completion::Held);
    rig.send(0, &flush(at));
    rig.send(0, &flush(at));
    rig.rings[0].write_descriptor(1, at, 1, WRITE, 0);
    rig.device.release_all();
    assert_eq!(rig.ids(), ["CLEAN-01"]);
    assert_eq!(rig.rings[0].used_index(), 2, "served as it was taken");
}

#[test]
fn a_chain_has_at_most_2_to_the_32_bytes() {
    let mut rig = disk(0);
    rig.send(0, &[(0, u32::MAX, true), (0, 1, true)]);
    assert_eq!(rig.ids(), ["RSVD-05"], "just so many, and nowhere");
    assert!(matches!(
        rig.device.ring_errors()[..],
        [RingError::Unreachable(_)]
    ));
    assert_eq!(rig.pool.take_stray_accesses().len(), 1);
    let mut rig = disk(0);
    rig.send(0, &[(0, u32::MAX, true), (0, 2, true)]);
    assert_eq!(rig.ids(), ["SPLIT-04"]);
    assert_eq!(rig.pool.take_stray_accesses(), []);
}

#[test]
fn an_indirect_chain_is_no_longer_than_the_queue() {
    for (entries, wanted) in [(SIZE, &[""; 0][..]), (SIZE + 1, &["SPLIT-08"])] {
        let mut rig = disk(INDIRECT_DESC);
        let (_buffer, at) = rig.buffer(&FLUSH);
        let mut table = Vec::new();
        for index in 0..entries {
            let is_last = index + 1 == entries;
            table.extend(
                (if is_last {
                    at + 16
                } else {
                    at + u64::from(index)
                })
                .to_le_bytes(),
            );
            table.extend((if index == 0 { 16_u32 } else { 1 }).to_le_bytes());
            table.extend((if is_last { WRITE } else { NEXT }).to_le_bytes());
            table.extend((index + 1).to_le_bytes());
        }
        let (_table, table_at) = rig.buffer(&table);
        rig.rings[0].write_descriptor(0, table_at, table.len() as u32, INDIRECT, 0);
        rig.rings[0].publish(0);
        rig.notify(0);
        let split: Vec<_> = rig
            .ids()
            .into_iter()
            .filter(|id| id.starts_with("SPLIT"))
            .collect();
        assert_eq!(split, wanted);
        assert_eq!(rig.device.ring_errors().len(), wanted.len());
    }
}

#[test]
fn with_in_order_one_used_element_may_stand_for_a_batch() {
    let mut rig = Rig::plug(BlockModel::patterned(8), Version::Two, |behaviour| {
        behaviour.offer = IN_ORDER;
        behaviour.batches = true;
    });
    rig.probe();
    rig.negotiate(IN_ORDER | EVENT_IDX | VERSION_1);
    rig.set_up_queue(0, SIZE);
    rig.go();
    let (_buffer, at) = rig.buffer(&FLUSH);
    let mut used = 0_u16;
    // More than the 16 bits of an index count, and over the end of the ring again and again.
    for round in 0..22_000_u32 {
        let ring = &mut rig.rings[0];
        let heads = [0; 3].map(|_| {
            let head = ring.write_chain(&flush(at));
            ring.publish(head);
            head
        });
        ring.set_used_event(used.wrapping_add(2));
        let before = rig.device.interrupts_raised();
        rig.notify(0);
        let ring = &rig.rings[0];
        assert_eq!(ring.used_element(used), (heads[2].into(), 1), "{round}");
        used = used.wrapping_add(3);
        assert_eq!(ring.used_index(), used);
        assert_eq!(rig.device.interrupts_raised(), before + 1);
    }
    rig.device.assert_clean();
}

#[test]
fn with_in_order_nothing_overtakes_what_is_held() {
    let mut rig = Rig::plug(BlockModel::patterned(8), Version::Two, |behaviour| {
        behaviour.offer = IN_ORDER;
        behaviour.completion = Completion::Held;
    });
    rig.probe();
    rig.negotiate(IN_ORDER | VERSION_1);
    rig.set_up_queue(0, SIZE);
    rig.go();
    let (_buffer, at) = rig.buffer(&FLUSH);
    rig.send(0, &flush(at));
    rig.device.set_completion(Completion::Inline);
    rig.send(0, &flush(at));
    assert_eq!(rig.rings[0].used_index(), 0, "it waits for the other");
    assert!(rig.device.release_one());
    assert_eq!(rig.rings[0].used_index(), 2, "and goes with it");
    rig.device.set_completion(Completion::Never);
    rig.send(0, &flush(at));
    rig.device.set_completion(Completion::Inline);
    rig.send(0, &flush(at));
    assert_eq!(rig.device.waiting(), []);
    assert_eq!(rig.rings[0].used_index(), 2, "neither is ever used");
    rig.device.assert_clean();
    rig.bring_down();
}
