//! Slots that devices can be taken out of: [`obey_requests`], [`log_removals`].

use core::mem;

use heapless::Vec;
use levitate_virtio::transport::pci::EcamAccess;
use levitate_virtio::transport::pci::pci_types::{ConfigRegionAccess as _, PciAddress};
use log::info;

use super::Access;
use crate::lock::Mutex;
use crate::platform::Registers;

/// Slots that are watched.
const MAX_SLOTS: usize = 16;

static SLOTS: Mutex<Vec<Slot, MAX_SLOTS>> = Mutex::new(Vec::new());

/// A slot below a port, by the port's PCI Express capability.
struct Slot {
    access: Access,
    port: PciAddress,
    /// Where slot control is, and slot status above it.
    control: u16,
    /// Whether it was switched off, and nobody was told so.
    is_news: bool,
}

/// Switches each slot off whose device somebody asks for, whether it is in use or not: its driver finds that out by itself.
///
/// The timer's handler calls it, so that a driver that waits for its device does not keep it. What there is to say is left to
/// [`log_removals`]: a serial line is too slow for a handler.
pub(crate) fn obey_requests() {
    for slot in &mut *SLOTS.lock() {
        if slot.takes_off_request() {
            slot.switch_off();
            slot.is_news = true;
        }
    }
}

/// Says which slots were switched off since this was last called.
pub(crate) fn log_removals() {
    // Collected first: while the lock is held, no interrupt is handled.
    let removals: Vec<PciAddress, MAX_SLOTS> = SLOTS
        .lock()
        .iter_mut()
        .filter_map(|slot| mem::take(&mut slot.is_news).then_some(slot.port))
        .collect();
    for port in removals {
        info!("{port}: the device in its slot is taken out");
    }
}

/// Watches the slot below a port, if it has one that devices can be taken out of.
pub(super) fn watch(access: &Access, port: PciAddress) {
    if let Some(control) = find_control(access, port) {
        // With more of them, those are not watched.
        let _ = SLOTS.lock().push(Slot {
            access: access.clone(),
            port,
            control,
            is_news: false,
        });
    }
}

impl Slot {
    /// In slot status: somebody pressed the attention button, or says so. Written, it is cleared.
    const ATTENTION: u32 = 1 << 16;
    /// In slot status: a device has come or gone. Written, it is cleared.
    const PRESENCE: u32 = 1 << 19;
    /// Slot status. Its bits are cleared by writing 1, and left alone by writing 0.
    const STATUS: u32 = 0xffff_0000;
    /// In slot control: the power indicator, off; and the power, off.
    const OFF: u32 = 0b111 << 8;

    /// Forgets what the slot says, and tells whether it is to be switched off: a device that is put in says so by the button, too.
    fn takes_off_request(&self) -> bool {
        let value = read(&self.access, self.port, self.control);
        let events = value & (Self::ATTENTION | Self::PRESENCE);
        // A port that is gone reads all ones.
        if value == u32::MAX || events == 0 {
            return false;
        }
        self.write(value & !Self::STATUS | events);
        events == Self::ATTENTION
    }

    fn switch_off(&self) {
        let control = read(&self.access, self.port, self.control) & !Self::STATUS;
        self.write(control | Self::OFF);
    }

    fn write(&self, value: u32) {
        // SAFETY: a register of a port that is there, or was; the access goes to the ECAM region or nowhere.
        unsafe { self.access.write(self.port, self.control, value) };
    }
}

/// Returns where slot control is, if the port's slot can be switched off.
fn find_control(access: &EcamAccess<Registers>, port: PciAddress) -> Option<u16> {
    const POINTER: u16 = 0x34;
    /// The capability ID of PCI Express.
    const EXPRESS: u32 = 0x10;
    /// In the capability's first word: there is a slot.
    const HAS_SLOT: u32 = 1 << 24;
    /// Where slot capabilities and slot control are.
    const SLOT: u16 = 0x14;
    const CONTROL: u16 = 0x18;
    /// In slot capabilities: devices can be plugged and unplugged.
    const HOT_PLUG: u32 = 1 << 6;
    /// As many as fit behind the header.
    const MAX_CAPABILITIES: usize = 48;

    let mut at = read(access, port, POINTER) & 0xfc;
    for _ in 0..MAX_CAPABILITIES {
        let place = u16::try_from(at).ok().filter(|place| *place >= 0x40)?;
        let head = read(access, port, place);
        if head & 0xff == EXPRESS {
            let slot = read(access, port, place + SLOT);
            let is_watched = head & HAS_SLOT != 0 && slot & HOT_PLUG != 0;
            return is_watched.then_some(place + CONTROL);
        }
        at = head >> 8 & 0xfc;
    }
    None
}

fn read(access: &Access, port: PciAddress, offset: u16) -> u32 {
    // SAFETY: an aligned offset; the access goes to the ECAM region or nowhere.
    unsafe { access.read(port, offset) }
}
