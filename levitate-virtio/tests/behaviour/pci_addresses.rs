//! Addresses of BARs that cannot be: nothing is mapped there (§4.1.4).

use levitate_hal::Mmio;
use levitate_host::PciDevice;
use levitate_host::{Pool, VirtualClock};
use levitate_virtio::PciTransport;
use levitate_virtio::transport::pci::pci_types::{ConfigRegionAccess, PciAddress};
use levitate_virtio::transport::pci::{Function, InterruptLine, MsixError, PciError, Refusal};

use crate::pci_fake::Bytes;
use crate::rig::Echo;

/// Why there is no notification structure, which is the first that is looked for.
fn refusal<A: ConfigRegionAccess + Clone>(function: &Function<A>) -> Refusal {
    let bars = function.measure_bars().unwrap();
    let found = PciTransport::<Bytes, _>::probe(function.clone(), &bars, |range| {
        panic!("{range:?} is mapped")
    });
    match found.map(drop).unwrap_err() {
        PciError::NoStructure { refused, .. } => refused.first.unwrap().1,
        error => panic!("{error}"),
    }
}

#[test]
fn a_register_without_an_address_or_at_the_end_of_all_has_no_ranges() {
    let misplaced = Refusal::Misplaced {
        bar: 4,
        address: 0xffff_ffff_ffff_c000,
        bar_len_bytes: 0x4000,
    };
    for (low, high, expected) in [
        (0, 0, Refusal::NoAddress { bar: 4 }),
        // The last addresses there are, behind which it would go around.
        (0xffff_c000, u32::MAX, misplaced),
    ] {
        let device = PciDevice::builder(Echo::default()).build(&Pool::new(), &VirtualClock::new());
        let (function, _) = device.turn_on(InterruptLine::Enabled);
        device.config_space().write32(0x20, low);
        device.config_space().write32(0x24, high);
        assert_eq!(refusal(&function), expected);
    }
}

#[test]
fn a_table_of_vectors_without_an_address_is_not_mapped() {
    let device = PciDevice::builder(Echo::default()).build(&Pool::new(), &VirtualClock::new());
    let (function, _) = device.turn_on(InterruptLine::Enabled);
    device.config_space().write32(0x14, 0);
    let bars = function.measure_bars().unwrap();
    let error = function
        .msix::<Bytes>(&bars, |range| panic!("{range:?} is mapped"))
        .unwrap_err();
    let expected = Refusal::NoAddress { bar: 1 };
    assert!(
        matches!(error, MsixError::Capability { refusal, .. } if refusal == expected),
        "{error}"
    );
}

/// A function whose BAR 4 is longer when it is measured than its address allows.
#[derive(Clone)]
struct Liar(Bytes);

impl ConfigRegionAccess for Liar {
    unsafe fn read(&self, _address: PciAddress, offset: u16) -> u32 {
        match (offset, self.0.read32(offset.into())) {
            (0x20, u32::MAX) => 0xffff_8000,
            (_, value) => value,
        }
    }

    unsafe fn write(&self, _address: PciAddress, offset: u16, value: u32) {
        self.0.write32(offset.into(), value);
    }
}

#[test]
fn a_register_at_no_multiple_of_its_length_has_no_ranges() {
    let bytes = Bytes::function(0x1af4, 0x1042);
    bytes.put(0x06, &[0x10]);
    bytes.put(0x34, &[0x40]);
    bytes.put(0x40, &[0x09, 0, 20, 2, 4]);
    bytes.put(0x4c, &[64]);
    bytes.put(0x20, &0x4000_6000_u32.to_le_bytes());
    bytes.allow(0x20, &[0xff; 4]);
    // SAFETY: every 32 bits of the bytes can be read and written.
    let function = unsafe { Function::new(Liar(bytes), PciAddress::new(0, 0, 0, 0)) };
    let expected = Refusal::Misplaced {
        bar: 4,
        address: 0x4000_6000,
        bar_len_bytes: 0x8000,
    };
    assert_eq!(refusal(&function), expected);
}
