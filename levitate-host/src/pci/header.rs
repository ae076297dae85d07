//! The header of configuration space, type 0 (§4.1.2, §4.1.3), and the capability list behind it.

use super::capability::{self, BAR, Capability, MSIX, OFFSET, PCI_CFG, Placed};
use super::layout::Layout;
use super::space::{CONFIG_SPACE_BYTES, ConfigSpace};

const VENDOR_ID: usize = 0x00;
const DEVICE_ID: usize = 0x02;
pub(super) const COMMAND: usize = 0x04;
pub(super) const STATUS: usize = 0x06;
const REVISION_ID: usize = 0x08;
const CLASS_CODE: usize = 0x09;
pub(super) const BARS: usize = 0x10;
const SUBSYSTEM_VENDOR_ID: usize = 0x2c;
const SUBSYSTEM_ID: usize = 0x2e;
const CAPABILITIES_POINTER: usize = 0x34;
const INTERRUPT_LINE: usize = 0x3c;
const INTERRUPT_PIN: usize = 0x3d;

/// Command: the BARs answer.
pub(super) const MEMORY_ENABLE: u16 = 1 << 1;
/// Command: the device may access memory, for its queues and for MSI-X.
pub(super) const BUS_MASTER: u16 = 1 << 2;
/// Command: the interrupt line stays down.
pub(super) const INTX_DISABLE: u16 = 1 << 10;
/// Status: the interrupt line would be up.
pub(super) const INTERRUPT_STATUS: u16 = 1 << 3;
/// Status: there is a capability list.
const CAPABILITIES_LIST: u16 = 1 << 4;

/// Message control of MSI-X: it is on.
pub(super) const MSIX_ENABLE: u16 = 1 << 15;
/// Message control of MSI-X: all vectors are masked.
pub(super) const MSIX_FUNCTION_MASK: u16 = 1 << 14;

const VENDOR: u16 = 0x1af4;
/// The device ID of type 0; those of others follow it.
const FIRST_DEVICE: u16 = 0x1040;
/// What QEMU says; anything from 0x40 on tells that it is no transitional device.
const SUBSYSTEM: u16 = 0x1100;
/// Revisions from 1 on are those of modern devices.
const REVISION: u8 = 1;
/// INTA#.
const PIN_A: u8 = 1;
/// The first byte behind the header.
const FIRST_CAPABILITY: u8 = 0x40;

/// Bits of a BAR of 64 bits: that, and prefetchable.
const BAR_64_BIT: u8 = 0b1100;

/// Builds configuration space as it is after power-on, and says where each capability is.
pub(super) fn build(
    device_type: u32,
    layout: &Layout,
    list: &[Capability],
) -> (ConfigSpace, Vec<Placed>) {
    let mut bytes = vec![0; CONFIG_SPACE_BYTES];
    let placed = capability::lay_out(list, FIRST_CAPABILITY, &mut bytes);
    let mut space = ConfigSpace::new(bytes);
    let device = FIRST_DEVICE + device_type as u16;
    space.put(VENDOR_ID, &VENDOR.to_le_bytes());
    space.put(DEVICE_ID, &device.to_le_bytes());
    space.put(REVISION_ID, &[REVISION]);
    space.put(CLASS_CODE, &class(device_type).to_le_bytes()[..3]);
    space.put(SUBSYSTEM_VENDOR_ID, &VENDOR.to_le_bytes());
    space.put(SUBSYSTEM_ID, &SUBSYSTEM.to_le_bytes());
    space.put(INTERRUPT_PIN, &[PIN_A]);
    let command = MEMORY_ENABLE | BUS_MASTER | INTX_DISABLE;
    space.allow(COMMAND, &command.to_le_bytes());
    space.allow(INTERRUPT_LINE, &[0xff]);
    if let Some(first) = placed.first() {
        space.put(STATUS, &CAPABILITIES_LIST.to_le_bytes());
        space.put(CAPABILITIES_POINTER, &[first.at as u8]);
    }
    allow_bars(layout, &mut space);
    for capability in &placed {
        if capability.cfg_type == Some(PCI_CFG) {
            space.allow(capability.at + BAR, &[0xff]);
            // Offset, length and data.
            space.allow(capability.at + OFFSET, &[0xff; 12]);
        } else if capability.id == MSIX {
            let control = MSIX_ENABLE | MSIX_FUNCTION_MASK;
            space.allow(capability.at + 2, &control.to_le_bytes());
        }
    }
    (space, placed)
}

/// Makes the bits of each BAR writable that its size leaves, which is how a driver learns it.
fn allow_bars(layout: &Layout, space: &mut ConfigSpace) {
    for index in 0..6 {
        let Some(bar) = layout.bar(index) else {
            continue;
        };
        let at = BARS + 4 * usize::from(index);
        let mask = (!(bar.len_bytes - 1)).to_le_bytes();
        if bar.is_64_bit {
            space.put(at, &[BAR_64_BIT]);
            space.allow(at, &mask);
        } else {
            space.allow(at, &mask[..4]);
        }
    }
}

/// Returns the class code of a device type, as QEMU has it.
const fn class(device_type: u32) -> u32 {
    match device_type {
        1 => 0x02_0000,
        2 => 0x01_0000,
        3 => 0x07_8000,
        16 => 0x03_8000,
        18 => 0x09_8000,
        // What fits into no class.
        _ => 0xff_0000,
    }
}
