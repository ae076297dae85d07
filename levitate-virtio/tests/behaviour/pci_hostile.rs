//! Configuration space of a device that means harm: no panic, no endless walk, nothing outside a BAR.

use levitate_hal::Mmio;
use levitate_virtio::transport::Transport;
use levitate_virtio::transport::pci::{BarRange, Bars};
use levitate_virtio::{PciTransport, QueueIndex};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use crate::pci_fake::Bytes;

/// Reads of configuration space that everything below needs at the most.
///
/// Three walks of 48 entries and six words each, one look at each BAR four times, and some for the header.
const READS_MAX: usize = 3 * 48 * 7 + 100;

/// Numbers at which something ends or begins.
fn offsets() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => (0..0x400_u32).prop_map(|number| 4 * number),
        1 => Just(0),
        1 => Just(0xffff_f000),
        1 => Just(u32::MAX),
        1 => 0..0x2000_u32,
        1 => any::<u32>(),
    ]
}

/// An entry of the capability list, mostly of VirtIO or MSI-X, in any place and with any successor.
fn entry() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let id = prop_oneof![4 => Just(0x09), 2 => Just(0x11), 1 => any::<u8>()];
    let head = (
        0..256_usize,
        id,
        any::<u8>(),
        prop_oneof![Just(24), any::<u8>()],
    );
    let cfg_type = prop_oneof![3 => 1..5_u8, 1 => 0..12_u8];
    let body = (cfg_type, 0..8_u8, any::<u8>(), offsets(), offsets());
    let rest = (offsets(), offsets());
    (head, body, rest).prop_map(|(head, body, rest)| {
        let (at, id, next, len) = head;
        let (cfg_type, bar, number, offset, length) = body;
        let mut bytes = vec![id, next, len, cfg_type, bar, number, 0, 0];
        for word in [offset, length, rest.0, rest.1] {
            bytes.extend(word.to_le_bytes());
        }
        (at.min(256 - 24) & !3, bytes)
    })
}

/// Any bytes, with IDs of VirtIO and a list in them, or without.
fn space() -> impl Strategy<Value = Bytes> {
    let size = prop_oneof![Just(256), Just(4096)];
    let bytes = size.prop_flat_map(|size| proptest::collection::vec(any::<u8>(), size));
    let masks = proptest::collection::vec(any::<u8>(), 256);
    let entries = proptest::collection::vec(entry(), 0..24);
    let bars = proptest::collection::vec((0..6_usize, 12..32_u32, any::<bool>()), 0..12);
    (bytes, masks, entries, bars, any::<bool>()).prop_map(
        |(bytes, masks, entries, bars, is_virtio)| {
            let space = Bytes::new(bytes, masks);
            for (at, bytes) in &entries {
                space.put(*at, bytes);
            }
            if is_virtio {
                // One entry leads to the next as long as there is room for a whole one.
                let places = (0x40..=256 - 24).step_by(24);
                for (at, (_, bytes)) in places.zip(&entries) {
                    space.put(at, bytes);
                    space.put(at + 1, &[(at as u8).wrapping_add(24)]);
                    // Half of the first ones are honest, for the lies to come with something that is true.
                    if let Some(cfg_type) = [1, 2, 3, 8].get((at - 0x40) / 24)
                        && bytes[5] % 2 == 0
                    {
                        let honest = [24, *cfg_type, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 1, 0, 0];
                        space.put(at + 2, &honest);
                        space.put(at + 16, &[0; 8]);
                    }
                }
                space.allow(0x06, &[0; 2]);
                space.put(0x00, &[0xf4, 0x1a, 0x42, 0x10]);
                space.put(0x06, &[0x10, 0]);
                space.put(0x0e, &[0]);
                space.put(0x34, &[0x40]);
                // Registers that make sense, so that there is something to lie about.
                space.put(0x10, &[0; 24]);
                space.allow(0x10, &[0; 24]);
                for (index, bits, is_wide) in bars {
                    let at = 0x10 + 4 * index;
                    space.put(at + 3, &[0x80]);
                    if is_wide && index < 5 {
                        space.put(at, &[4]);
                        space.put(at + 4, &[0; 4]);
                        space.allow(at + 4, &[0xff; 4]);
                    }
                    let mask = u32::MAX << bits & !0xf;
                    space.allow(at, &mask.to_le_bytes());
                }
                space.put(0x10, &[0, 0, 0, 0x40]);
                space.allow(0x10, &[0, 0, 0xff, 0xff]);
            }
            space
        },
    )
}

/// Maps what is asked for, to bytes that the device has chosen; every range must be in its BAR.
fn map(space: &Bytes, bars: &Bars, range: BarRange) -> Option<Bytes> {
    let (_, bar) = bars.memory().find(|(index, _)| *index == range.bar)?;
    let end = range.offset.checked_add(range.len_bytes);
    assert!(end.is_some_and(|end| end <= bar.len_bytes), "{range:?}");
    let len_bytes = range.len_bytes.min(0x8000) as usize;
    let content = space.content().into_iter().cycle().take(len_bytes);
    Some(Bytes::new(content.collect(), vec![0x5a; len_bytes]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_configuration_space_makes_the_driver_panic_or_walk_for_ever(space in space()) {
        let function = space.as_function();
        let bars = function.measure_bars().unwrap_or_default();
        if let Ok(mut transport) =
            PciTransport::probe(function.clone(), &bars, |range| map(&space, &bars, range))
        {
            let queue = QueueIndex::new(0);
            transport.read_status();
            transport.read_device_features();
            let _ = transport.map_config_changes();
            let _ = transport.read_max_queue_size(queue);
            transport.read_queue_state(queue);
            transport.read_config32(transport.config_len_bytes());
            transport.notifier(queue);
        }
        for region in function.shared_memory(&bars) {
            map(&space, &bars, region.range);
        }
        let mut mapped = None;
        let table = function.msix(&bars, |range| {
            mapped = map(&space, &bars, range);
            mapped.clone()
        });
        if let (Ok(Some(table)), Some(mapped)) = (table, mapped) {
            // Each vector of the table was masked, and nothing else written.
            let writes = mapped.writes.take().into_iter().map(|(offset, _)| offset);
            prop_assert!(writes.eq((0..mapped.len_bytes()).step_by(16).map(|entry| entry + 12)));
            table.turn_on();
        }
        prop_assert!(space.reads.get() <= READS_MAX, "{} reads", space.reads.get());
    }
}

/// The strategy is worth something only if devices come of it now and then.
#[test]
fn some_of_the_lies_are_good_enough_for_a_device() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut found = (0, 0, 0);
    for _ in 0..1000 {
        let space = space().new_tree(&mut runner).unwrap().current();
        let function = space.as_function();
        let Ok(bars) = function.measure_bars() else {
            continue;
        };
        let map = |range| map(&space, &bars, range);
        found.0 += u32::from(PciTransport::probe(function.clone(), &bars, map).is_ok());
        found.1 += u32::from(matches!(function.msix(&bars, map), Ok(Some(_))));
        found.2 += u32::from(function.shared_memory(&bars).next().is_some());
    }
    println!("devices, tables, shared memory: {found:?}");
    assert!(found.0 > 0 && found.1 > 0 && found.2 > 0, "{found:?}");
}
