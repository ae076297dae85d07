//! What a test makes a device do, and what it learns of it.

use super::function::Function;
use super::handle::PciDevice;
use crate::device::{
    Behaviour, Completion, Core, DeviceModel, Fault, Source, Violation, controls, refuse,
};
use crate::queue::{Areas, RingError};

controls!(PciDevice);

impl<M: DeviceModel> PciDevice<M> {
    /// Makes the device look at `queue` without a notification, as one that polls does.
    pub fn look_at(&self, queue: u16) {
        let due = self.with(|function| function.core.look(queue));
        self.plan(due);
    }

    /// Takes the device out of its slot, as it is: nothing answers in configuration space, and its registers read `byte`, again and
    /// again. That is 0xff on a bus, and 0 on QEMU.
    pub fn unplug(&self, byte: u8) {
        self.with(|function| function.unplugged = Some(byte));
    }

    /// Puts the device back into its slot, as it was.
    pub fn plug_back(&self) {
        self.with(|function| function.unplugged = None);
    }

    /// Returns what is wrong with how the driver uses PCI, and breaks no rule of VirtIO.
    #[must_use]
    pub fn guest_errors(&self) -> Vec<String> {
        self.with(|function| function.guest_errors.clone())
    }

    /// Returns everything [`assert_clean`](Self::assert_clean) would complain of, and forgets it, for a test that means it.
    #[must_use]
    pub fn take_complaints(&self) -> Vec<String> {
        self.with(Function::take_complaints)
    }

    pub(crate) fn with_core<R>(&self, act: impl FnOnce(&mut Core<M>) -> R) -> R {
        self.with(|function| act(&mut function.core))
    }
}
