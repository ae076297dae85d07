//! The capability list as a whole: one that runs in a circle, and all the shared memory it tells of (§4.1.4, §4.1.4.7).

use levitate_hal::Mmio;
use levitate_host::pci::Capability;
use levitate_virtio::transport::pci::{
    BarRange, InterruptLine, PciError, SharedMemory, StructureKind,
};

use crate::pci_structures::{plug, probe, with_list};

#[test]
fn a_list_that_runs_in_a_circle_is_walked_once() {
    let device = with_list(|list| {
        let last = list.pop().unwrap();
        list.push(last.with_next(0x40));
    });
    drop(device.turn_on(InterruptLine::Enabled));
    device.clear_logs();
    drop(probe(&device).unwrap());
    let reads = device.config_log().all().len();
    assert!(reads < 48 * 6 + 100, "{reads}");
    // Each region is there once, although the list comes back to all but the first entry.
    let device = plug(|builder| {
        builder.shared_memory(0x10_0000).capabilities(|list| {
            *list = [1, 2, 3]
                .map(|id| Capability::shared_memory(id, 2, 0, 0x1000))
                .to_vec();
            let last = list.pop().unwrap();
            list.push(last.with_next(0x58));
        })
    });
    let (function, bars) = device.turn_on(InterruptLine::Enabled);
    let ids = function.shared_memory(&bars).map(|region| region.id);
    assert!(ids.eq([1, 2, 3]));
    // One that leads to itself, and is of no use.
    let device = with_list(|list| {
        let first = list[0].clone().with_bar(7).with_next(0x40);
        *list = vec![first];
    });
    let error = probe(&device).unwrap_err();
    assert!(
        matches!(error, PciError::NoStructure { structure, .. } if structure == StructureKind::Notify),
        "{error}"
    );
}

#[test]
fn shared_memory_is_found_by_its_number() {
    let device = plug(|builder| {
        builder.shared_memory(0x10_0000).capabilities(|list| {
            *list = vec![
                // Too far away for its BAR, and shorter than its upper halves.
                Capability::shared_memory(3, 2, 1 << 32, 0x1000),
                Capability::shared_memory(4, 2, 0, 0x1000).with_len(16),
                Capability::shared_memory(0, 2, 0, 0x10_0000),
                Capability::shared_memory(5, 2, u64::MAX, u64::MAX),
                Capability::shared_memory(9, 2, 0x8000, 0x1000),
            ];
        })
    });
    let (function, bars) = device.turn_on(InterruptLine::Enabled);
    let found: Vec<_> = function.shared_memory(&bars).collect();
    let region = |id, offset, len_bytes| SharedMemory {
        id,
        range: BarRange {
            bar: 2,
            offset,
            len_bytes,
            address: 0x80_0000_0000 + offset,
        },
    };
    assert_eq!(found, [region(0, 0, 0x10_0000), region(9, 0x8000, 0x1000)]);
    assert_eq!(device.map(found[0].range).unwrap().len_bytes(), 0x10_0000);
}
