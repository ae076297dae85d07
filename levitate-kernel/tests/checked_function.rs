//! What a driver finds in a copy, read as the crate virtio-drivers reads it, and what becomes of what it writes.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use levitate_kernel::checked_function::{
    CheckedBar, CheckedFunction, CheckedStructure, ShowError, WriteRefused,
};
use virtio_drivers::transport::pci::bus::{
    BarInfo, Command, ConfigurationAccess, DeviceFunction, MemoryBarType, PciRoot,
};

const FUNCTION: DeviceFunction = DeviceFunction {
    bus: 0,
    device: 3,
    function: 0,
};

const HIGH_BAR: CheckedBar = CheckedBar {
    address: 0x80_0000_4000,
    len_bytes: 0x4000,
    is_64_bit: true,
    is_prefetchable: true,
};

const LOW_BAR: CheckedBar = CheckedBar {
    address: 0x1000_0000,
    len_bytes: 0x1000,
    is_64_bit: false,
    is_prefetchable: false,
};

/// The access of the crate, which refuses a write as the kernel does.
struct Shown(CheckedFunction);

impl ConfigurationAccess for Shown {
    fn read_word(&self, _function: DeviceFunction, offset: u8) -> u32 {
        self.0.read(offset)
    }

    fn write_word(&mut self, _function: DeviceFunction, offset: u8, value: u32) {
        self.0.write(offset, value).unwrap();
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self(self.0.clone())
    }
}

fn structure(cfg_type: u8) -> CheckedStructure {
    CheckedStructure {
        cfg_type,
        bar: 4,
        offset: 0x1000 * u64::from(cfg_type),
        len_bytes: 0x100,
        multiplier: 4,
    }
}

fn function() -> CheckedFunction {
    let mut function = CheckedFunction::new(0x1af4, 0x1042);
    function.add_bar(1, LOW_BAR).unwrap();
    function.add_bar(4, HIGH_BAR).unwrap();
    for cfg_type in 1..=3 {
        function.add_structure(structure(cfg_type)).unwrap();
    }
    function
}

#[test]
fn the_crate_measures_the_bars_that_were_checked() {
    let mut root = PciRoot::new(Shown(function()));
    let bars = root.bars(FUNCTION).unwrap();
    let memory = |bar: CheckedBar, address_type| {
        Some(BarInfo::Memory {
            address_type,
            prefetchable: bar.is_prefetchable,
            address: bar.address,
            size: bar.len_bytes,
        })
    };
    assert_eq!(bars[1], memory(LOW_BAR, MemoryBarType::Width32));
    assert_eq!(bars[4], memory(HIGH_BAR, MemoryBarType::Width64));
    assert_eq!([&bars[0], &bars[2], &bars[3]], [&None, &None, &None]);
    let (_, command) = root.get_status_command(FUNCTION);
    assert_eq!(command, Command::MEMORY_SPACE | Command::BUS_MASTER);
    assert_eq!(root.bars(FUNCTION).unwrap(), bars, "measured again");
}

#[test]
fn the_crate_finds_the_structures_that_were_checked_and_no_others() {
    let root = PciRoot::new(Shown(function()));
    let found: Vec<_> = root.capabilities(FUNCTION).collect();
    let heads: Vec<_> = found.iter().map(|it| (it.id, it.private_header)).collect();
    assert_eq!(heads, [(9, 0x0114), (9, 0x0214), (9, 0x0314)]);
    let shown = function();
    for (cfg_type, capability) in (1..=3).zip(found) {
        let word = |index: u8| shown.read(capability.offset + 4 * index);
        let expected = [4, 0x1000 * cfg_type, 0x100, 4];
        assert_eq!([word(1), word(2), word(3), word(4)], expected);
    }
}

#[test]
fn a_function_without_structures_has_an_empty_list() {
    let root = PciRoot::new(Shown(CheckedFunction::new(0x1af4, 0x1042)));
    assert_eq!(
        root.capabilities(FUNCTION).filter(|it| it.id != 0).count(),
        0
    );
}

#[test]
fn nothing_but_the_command_and_a_measurement_is_written() {
    let mut function = function();
    for (offset, value) in [
        (0x00, 0),
        (0x0c, 0),
        (0x14, 0x2000_0000),
        (0x20, 0),
        (0x28, u32::MAX),
        (0x34, 0),
        (0x40, 0),
        (0xfc, 1),
    ] {
        let before = function.read(offset);
        let refused = function.write(offset, value).unwrap_err();
        assert_eq!(refused, WriteRefused { offset, value });
        assert_eq!(function.read(offset), before, "{offset:#x}");
    }
    function.write(0x04, u32::MAX).unwrap();
    assert_eq!(function.read(0x04), 0x0010_ffff, "the status stays");
}

#[test]
fn what_configuration_space_cannot_say_is_not_shown() {
    let mut function = function();
    let beyond = CheckedStructure {
        offset: u64::from(u32::MAX) - 0xff,
        ..structure(4)
    };
    let far = function.add_structure(beyond).unwrap_err();
    assert!(matches!(far, ShowError::TooFar { bar: 4, .. }), "{far}");
    let upper_half_is_missing = function.add_bar(5, HIGH_BAR);
    assert_eq!(upper_half_is_missing, Err(ShowError::NoRoom));
    let mut added = (0..64).map(|_| function.add_structure(structure(8)));
    assert!(added.any(|added| added == Err(ShowError::NoRoom)));
}
