//! What a driver finds in the rings when the device has served.

use super::*;
use crate::spec::{
    AVAIL, Descriptor, ENTRIES, EVENT_AT, F_IN_ORDER, HEADER_BYTES, INDEX, NEXT, PackedDescriptor,
    USED, UsedElement, WRAP,
};

const SIZE: u16 = 4;

/// Descriptors of a request.
const CHAIN: u16 = 2;

/// Returns address, length, flags and the place in its chain of each descriptor of two requests.
fn two_chains() -> [(u64, u32, u16); 4] {
    let headers = Table::<Header>::new(2);
    let statuses = Table::<u8>::new(2);
    let header = |number| (headers.address_of(number), HEADER_BYTES, NEXT);
    let status = |number| (statuses.address_of(number), STATUS_BYTES, 0);
    [header(0), status(0), header(1), status(1)]
}

/// Has a device serve two requests of a split virtqueue at once; returns the used ring: its index, and what is in the first two entries.
fn split(features: u64) -> (u16, [(u32, u32); 2]) {
    let descriptors = Table::<Descriptor>::new(SIZE.into());
    for ((addr, len, flags), place) in two_chains().into_iter().zip(0..) {
        let descriptor = Descriptor {
            addr,
            len,
            flags,
            next: place + 1,
        };
        // SAFETY: there are as many as that.
        unsafe { descriptors.write(place.into(), descriptor) };
    }
    let available = Table::<u16>::new(16);
    for (at, value) in [(INDEX, 2), (ENTRIES, 0), (ENTRIES + 1, CHAIN)] {
        // SAFETY: as above.
        unsafe { available.write(at, value) };
    }
    let used = Table::<u16>::new(32);
    let areas = Areas {
        size: SIZE,
        descriptor: descriptors.address_of(0),
        driver: available.address_of(0),
        device: used.address_of(0),
    };
    // SAFETY: two chains are available, and their memory is never freed.
    let mut device = unsafe { Device::new(features, areas) };
    assert_eq!(device.serve().requests, 2);
    let entries = Table::<UsedElement>::at(used.address_of(ENTRIES));
    let entry = |index| {
        // SAFETY: the ring has more.
        let element = unsafe { entries.read(index) };
        (element.id, element.len)
    };
    // SAFETY: the ring begins with flags and index.
    (unsafe { used.read(INDEX) }, [entry(0), entry(1)])
}

/// A packed virtqueue of four descriptors, filled lap by lap.
struct Packed {
    descriptors: Table<PackedDescriptor>,
    suppression: Table<u16>,
    device: Device,
    available: u16,
}

impl Packed {
    fn new(features: u64) -> Self {
        let descriptors = Table::new(SIZE.into());
        let suppression = Table::<u16>::new(2);
        let areas = Areas {
            size: SIZE,
            descriptor: descriptors.address_of(0),
            driver: Table::<u16>::new(2).address_of(0),
            device: suppression.address_of(0),
        };
        Self {
            descriptors,
            suppression,
            // SAFETY: what is made available is in tables.
            device: unsafe { Device::new(F_RING_PACKED | features, areas) },
            available: AVAIL,
        }
    }

    /// Makes the first, the second or both requests of a lap available, and has them served.
    fn serve(&mut self, numbers: &[u16]) {
        let chains = two_chains();
        for number in numbers {
            for place in (number * CHAIN..).take(CHAIN.into()) {
                let (addr, len, flags) = chains[usize::from(place)];
                let descriptor = PackedDescriptor {
                    addr,
                    len,
                    id: 10 + number,
                    flags: flags | self.available,
                };
                // SAFETY: there are as many as that.
                unsafe { self.descriptors.write(place.into(), descriptor) };
            }
        }
        assert_eq!(self.device.serve().requests, numbers.len());
        if numbers.contains(&1) {
            self.available ^= AVAIL | USED;
        }
    }

    /// Returns identifier, length and flags of the descriptor that a request begins with.
    fn head(&self, number: u16) -> (u16, u32, u16) {
        // SAFETY: as above.
        let descriptor = unsafe { self.descriptors.read((number * CHAIN).into()) };
        (descriptor.id, descriptor.len, descriptor.flags)
    }

    /// Returns offset and flags of what the device asks for.
    fn event(&self) -> [u16; 2] {
        // SAFETY: there are two.
        [0, 1].map(|at| unsafe { self.suppression.read(at) })
    }
}

#[test]
fn each_request_has_a_used_entry_of_its_own() {
    let [first, second] = [0, CHAIN].map(|head| (head.into(), WRITTEN_BYTES));
    assert_eq!(split(0), (2, [first, second]));
    let mut packed = Packed::new(0);
    packed.serve(&[0, 1]);
    assert_eq!(packed.head(0), (10, WRITTEN_BYTES, AVAIL | USED));
    assert_eq!(packed.head(1), (11, WRITTEN_BYTES, AVAIL | USED));
}

#[test]
fn in_order_one_entry_where_the_first_would_be_names_the_last() {
    assert_eq!(
        split(F_IN_ORDER),
        (2, [(CHAIN.into(), WRITTEN_BYTES), (0, 0)])
    );
    let mut packed = Packed::new(F_IN_ORDER);
    packed.serve(&[0, 1]);
    assert_eq!(packed.head(0), (11, WRITTEN_BYTES, AVAIL | USED));
    assert_eq!(
        packed.head(1),
        (11, HEADER_BYTES, NEXT | AVAIL),
        "left alone"
    );
    packed.serve(&[0]);
    assert_eq!(packed.head(0), (10, WRITTEN_BYTES, 0), "in the next lap");
}

#[test]
fn a_packed_device_with_an_event_index_asks_for_what_it_has_not_served() {
    let mut packed = Packed::new(F_EVENT_IDX);
    assert_eq!(packed.event(), [0, 0], "of whatever there is, at first");
    packed.serve(&[0]);
    assert_eq!(packed.event(), [CHAIN | WRAP, EVENT_AT]);
    packed.serve(&[1]);
    assert_eq!(packed.event(), [0, EVENT_AT], "of the next lap");
    packed.serve(&[0, 1]);
    assert_eq!(packed.event(), [WRAP, EVENT_AT]);
    let mut without = Packed::new(0);
    without.serve(&[0]);
    assert_eq!(without.event(), [0, 0]);
}
