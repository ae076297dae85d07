//! The configuration space of a PCI function: its BARs, and the list that says which structures lie where.

mod space;

use std::collections::BTreeSet;

use levitate_virtio::transport::pci::{BarRange, Bars};
use levitate_virtio::{PciTransport, QueueIndex, Transport};

use crate::sabotage::Sabotage;
use crate::script::Script;
use space::{Function, Space};

/// Reads of the configuration space that a call may need: a walk through a full list, and each BAR a few times.
const READS_PER_CALL: usize = 48 * 7 + 100;

/// Entries a list of 256 bytes can have, each of at least four of them.
const ENTRIES_MAX: usize = 48;

pub(crate) fn run(bytes: &[u8], sabotage: Sabotage) {
    let space = Space::new(Script::new(bytes));
    let function = space.function();
    // As they are: what the device says of them later is held against this.
    let honest = function.measure_bars().unwrap_or_default();
    space.set_doubled_bars(sabotage == Sabotage::WideBars);
    let bars = call(&space, || function.measure_bars()).unwrap_or_default();
    space.begin_to_lie();
    use_structures(&space, &function, &bars, &honest);

    space.behave();
    let bars = function.measure_bars().unwrap_or_default();
    let probed = PciTransport::probe(function, &bars, |range| map(&space, &bars, range));
    assert!(
        probed.is_ok(),
        "a device that behaves is refused: {probed:?}"
    );
}

/// Has the driver find and use all that such a list can name.
fn use_structures(space: &Space, function: &Function, bars: &Bars, honest: &Bars) {
    let probe = || PciTransport::probe(function.clone(), bars, |range| map(space, honest, range));
    if let Ok(mut transport) = call(space, probe) {
        let queue = QueueIndex::new(space.queue());
        call(space, || transport.read_status());
        call(space, || transport.read_device_features());
        let _ = call(space, || transport.map_config_changes());
        let _ = call(space, || transport.read_max_queue_size(queue));
        call(space, || transport.read_queue_state(queue));
        let len_bytes = transport.config_len_bytes();
        call(space, || transport.read_config8(len_bytes));
        call(space, || transport.read_config32(0));
    }
    let regions = call(space, || {
        let regions = function.shared_memory(bars);
        regions.take(ENTRIES_MAX + 1).collect::<Vec<_>>()
    });
    assert!(regions.len() <= ENTRIES_MAX, "a list without an end");
    for region in regions {
        check(honest, region.range);
    }
    if let Ok(Some(table)) = call(space, || {
        function.msix(bars, |range| map(space, honest, range))
    }) {
        call(space, || table.turn_on());
        call(space, || table.turn_off());
    }
}

/// Calls the driver, which has to come back after so many reads.
fn call<R>(space: &Space, act: impl FnOnce() -> R) -> R {
    let before = space.reads();
    let result = act();
    let reads = space.reads() - before;
    assert!(reads <= READS_PER_CALL, "{reads} reads in a call");
    result
}

/// Maps what is asked for; what is there, the device says.
fn map(space: &Space, honest: &Bars, range: BarRange) -> Option<Space> {
    check(honest, range);
    Some(space.registers(usize::try_from(range.len_bytes).unwrap_or(usize::MAX)))
}

/// Sees to it that a range lies where the function has memory.
fn check(honest: &Bars, range: BarRange) {
    let places: BTreeSet<_> = honest.memory().map(|(index, _)| index).collect();
    assert!(places.contains(&range.bar), "{range:?} is in no BAR");
    let bar = honest.memory().find(|(index, _)| *index == range.bar);
    let end = range.offset.checked_add(range.len_bytes);
    let fits = bar.is_some_and(|(_, bar)| end.is_some_and(|end| end <= bar.len_bytes));
    assert!(fits, "{range:?} reaches outside its BAR {bar:?}");
}
