//! Base address registers: measured, given addresses, and left as they were.

use levitate_virtio::transport::pci::{Bar, BarError, Bars, MemoryBar, MemoryWindow};

use crate::pci_fake::Bytes;

/// A function with these registers: what each reads, and which bits of it can be written.
fn function(registers: [(u32, u32); 6]) -> Bytes {
    let function = Bytes::function(0x1af4, 0x1042);
    for (index, (value, writable)) in registers.into_iter().enumerate() {
        function.put(0x10 + 4 * index, &value.to_le_bytes());
        function.allow(0x10 + 4 * index, &writable.to_le_bytes());
    }
    // Decoding is on.
    function.put(4, &[0x03]);
    function
}

const NONE: (u32, u32) = (0, 0);

/// One of each kind: 4 KiB in 32 bits, nothing, 8 GiB in 64 bits with prefetching, 32 ports, 1 MiB in 32 bits.
const EACH: [(u32, u32); 6] = [
    (0x8000_0000, 0xffff_f000),
    NONE,
    (0x0000_000c, 0x0000_0000),
    (0x0000_0040, 0xffff_fffe),
    (0x0000_c001, 0x0000_ffe0),
    (0x9010_0000, 0xfff0_0000),
];

fn memory(address: u64, len_bytes: u64, is_64_bit: bool) -> Option<Bar> {
    Some(Bar::Memory(MemoryBar {
        address,
        len_bytes,
        is_64_bit,
        is_prefetchable: is_64_bit,
    }))
}

fn all(bars: &Bars) -> [Option<Bar>; 6] {
    [0, 1, 2, 3, 4, 5].map(|index| bars.get(index))
}

#[test]
fn each_kind_is_measured_and_left_as_it_was() {
    let function = function(EACH);
    let before = function.content();
    let bars = function.as_function().measure_bars().unwrap();
    let expected = [
        memory(0x8000_0000, 0x1000, false),
        None,
        memory(0x40_0000_0000, 0x2_0000_0000, true),
        None,
        Some(Bar::Io {
            port: 0xc000,
            len: 32,
        }),
        memory(0x9010_0000, 0x10_0000, false),
    ];
    assert_eq!(all(&bars), expected);
    assert_eq!(bars.get(6), None);
    assert_eq!(function.content(), before);
    assert!(is_decoding_off_meanwhile(&function.writes.take()));
}

/// Says whether nothing decodes the addresses that the BARs have in between.
fn is_decoding_off_meanwhile(writes: &[(usize, u32)]) -> bool {
    let [(4, 0x0000), others @ .., (4, 0x0003)] = writes else {
        return false;
    };
    !others.is_empty() && others.iter().all(|(offset, _)| *offset >= 0x10)
}

#[test]
fn a_bridge_has_two_registers() {
    let bridge = function(EACH);
    bridge.put(0x0e, &[0x81]);
    let bars = bridge.as_function().measure_bars().unwrap();
    assert_eq!(all(&bars)[0], memory(0x8000_0000, 0x1000, false));
    assert_eq!(all(&bars)[1..], [None; 5]);
    let mut low = MemoryWindow::new(0x4000_0000..0x5000_0000);
    // Not even with more registers than it has, for behind its own are the numbers of its buses.
    let of_endpoint = function(EACH).as_function().measure_bars().unwrap();
    for bars in [bars, of_endpoint] {
        bridge.writes.take();
        // SAFETY: the function is a few bytes of this test, and no bus has it.
        let assigned = unsafe {
            bridge
                .as_function()
                .assign_bars(&bars, &mut low.clone(), &mut low)
        };
        assert_eq!(assigned.unwrap().get(0), memory(0x4000_0000, 0x1000, false));
        let writes = bridge.writes.take();
        assert!(is_decoding_off_meanwhile(&writes), "{writes:?}");
        assert!(
            writes.iter().all(|(offset, _)| *offset < 0x18),
            "{writes:?}"
        );
    }
    // One of 64 bits has no room for its upper half in the second.
    bridge.put(0x14, &[0x04]);
    let no_upper_half = Err(BarError::NoUpperHalf { index: 1 });
    assert_eq!(bridge.as_function().measure_bars(), no_upper_half);
}

#[test]
fn nothing_is_written_to_what_is_neither_endpoint_nor_bridge() {
    for (header_type, found) in [(2, 2), (0x82, 2), (0xff, 0x7f)] {
        let function = function(EACH);
        let bars = function.as_function().measure_bars().unwrap();
        function.put(0x0e, &[header_type]);
        function.writes.take();
        let error = Err(BarError::OtherHeader { header_type: found });
        assert_eq!(function.as_function().measure_bars(), error);
        let mut low = MemoryWindow::new(0x4000_0000..0x5000_0000);
        // SAFETY: the function is a few bytes of this test, and no bus has it.
        let assigned = unsafe {
            function
                .as_function()
                .assign_bars(&bars, &mut low.clone(), &mut low)
        };
        assert_eq!(assigned, error);
        assert_eq!(function.writes.take(), []);
    }
}

#[test]
fn a_register_that_makes_no_sense_is_an_error_and_leaves_the_function_as_it_was() {
    for (index, value, writable, expected) in [
        (0, 0x2, !0xf, BarError::Reserved { index: 0, value: 2 }),
        (3, 0x6, !0xf, BarError::Reserved { index: 3, value: 6 }),
        (5, 0x4, !0xf, BarError::NoUpperHalf { index: 5 }),
        (4, 0x4, 0, BarError::NoSize { index: 4 }),
        (1, 0x8, 0, BarError::NoSize { index: 1 }),
        (2, 0x1, 0, BarError::NoSize { index: 2 }),
    ] {
        let mut registers = [NONE; 6];
        registers[usize::from(index as u8)] = (value, writable);
        let function = function(registers);
        let before = function.content();
        assert_eq!(function.as_function().measure_bars(), Err(expected));
        assert_eq!(function.content(), before);
    }
}

#[test]
fn addresses_are_given_by_width_and_aligned_to_the_length() {
    let function = function(EACH);
    let bars = function.as_function().measure_bars().unwrap();
    function.writes.take();
    let mut low = MemoryWindow::new(0x4000_1000..0x5000_0000);
    let mut high = MemoryWindow::new(0x81_0000_0000..0x90_0000_0000);
    // SAFETY: the function is a few bytes of this test, and no bus has it.
    let assigned = unsafe {
        function
            .as_function()
            .assign_bars(&bars, &mut low, &mut high)
    };
    let assigned = assigned.unwrap();
    assert_eq!(assigned.get(0), memory(0x4000_1000, 0x1000, false));
    assert_eq!(assigned.get(2), memory(0x82_0000_0000, 0x2_0000_0000, true));
    assert_eq!(assigned.get(4), bars.get(4), "ports are left alone");
    assert_eq!(assigned.get(5), memory(0x4010_0000, 0x10_0000, false));
    assert!(is_decoding_off_meanwhile(&function.writes.take()));
    assert_eq!(function.content()[4], 0x03);
    assert_eq!(function.as_function().measure_bars(), Ok(assigned));
    assert_eq!(low, MemoryWindow::new(0x4020_0000..0x5000_0000));
}

#[test]
fn without_room_above_a_wide_register_is_put_below() {
    let mut registers = [NONE; 6];
    registers[0] = (0x4, 0xffff_0000);
    registers[1] = (0, !0);
    let function = function(registers).as_function();
    let bars = function.measure_bars().unwrap();
    let mut low = MemoryWindow::new(0x4000_0000..0x4001_0000);
    let mut none = MemoryWindow::new(0..0);
    // SAFETY: the function is a few bytes of this test, and no bus has it.
    let first = unsafe { function.assign_bars(&bars, &mut low, &mut none) };
    let Some(Bar::Memory(bar)) = first.unwrap().get(0) else {
        panic!("it is memory");
    };
    assert_eq!(bar.address, 0x4000_0000);
    // SAFETY: as before.
    let second = unsafe { function.assign_bars(&bars, &mut low, &mut none) };
    let (index, len_bytes) = (0, 0x1_0000);
    assert_eq!(second, Err(BarError::NoRoom { index, len_bytes }));
}

#[test]
fn a_narrow_register_gets_no_address_it_cannot_hold() {
    let mut registers = [NONE; 6];
    registers[0] = (0, 0xffff_f000);
    let space = function(registers);
    let function = space.as_function();
    let bars = function.measure_bars().unwrap();
    let mut low = MemoryWindow::new(0x1_0000_0000..0x2_0000_0000);
    // SAFETY: the function is a few bytes of this test, and no bus has it.
    let assigned = unsafe { function.assign_bars(&bars, &mut low.clone(), &mut low) };
    let (index, len_bytes) = (0, 0x1000);
    assert_eq!(assigned, Err(BarError::NoRoom { index, len_bytes }));
    assert_eq!(space.content()[4], 0, "it does not answer where it was");
}

#[test]
fn a_register_that_does_not_take_its_address_is_an_error() {
    let mut registers = [NONE; 6];
    // Bit 30 cannot be set.
    registers[0] = (0, 0xbfff_f000);
    let space = function(registers);
    let function = space.as_function();
    let bars = function.measure_bars().unwrap();
    let mut low = MemoryWindow::new(0x4000_0000..0x5000_0000);
    // SAFETY: the function is a few bytes of this test, and no bus has it.
    let assigned = unsafe { function.assign_bars(&bars, &mut low.clone(), &mut low) };
    let expected = BarError::NotTaken {
        index: 0,
        address: 0x4000_0000,
        found: 0,
    };
    assert_eq!(assigned, Err(expected));
    assert_eq!(space.content()[4], 0, "it does not answer there");
}

#[test]
fn a_window_ends() {
    let mut window = MemoryWindow::new(0x1000..0x4000);
    assert_eq!(window.allocate(0x2000), Some(0x2000));
    assert_eq!(window.allocate(0x1000), None);
    let mut last = MemoryWindow::new(u64::MAX - 0xfff..u64::MAX);
    assert_eq!(last.allocate(0x1000), None, "it would go around");
    assert_eq!(last.allocate(1 << 63), None);
    assert_eq!(last.allocate(0), None);
}
