//! What a test makes a device do, and what it learns of it.

use super::handle::MmioDevice;
use super::recorder::AccessLog;
use super::transport::Transport;
use crate::device::{
    Behaviour, Completion, Core, DeviceModel, Fault, Source, Violation, controls, refuse,
};
use crate::queue::{Areas, RingError};

controls!(MmioDevice);

impl<M: DeviceModel> MmioDevice<M> {
    /// Makes the device look at `queue` without a notification, as one that polls does.
    pub fn look_at(&self, queue: u16) {
        self.notify(|transport| transport.core.look(queue));
    }

    /// Sets bits of InterruptStatus for no reason.
    pub fn raise_interrupt(&self, bits: u32) {
        self.with(|transport| transport.core.raise(bits));
    }

    /// Says whether the interrupt line is up.
    #[must_use]
    pub fn is_interrupting(&self) -> bool {
        self.with(|transport| transport.core.interrupt_status != 0)
    }

    /// Returns the accesses to the registers so far.
    #[must_use]
    pub fn log(&self) -> AccessLog {
        self.with(|transport| transport.log.clone())
    }

    /// Forgets the accesses so far.
    pub fn clear_log(&self) {
        self.with(|transport| transport.log = AccessLog::default());
    }

    /// Returns what QEMU would have said with `-d guest_errors`.
    #[must_use]
    pub fn guest_errors(&self) -> Vec<String> {
        self.with(|transport| transport.guest_errors.clone())
    }

    /// Returns what QEMU would have said, and forgets it.
    #[must_use]
    pub fn take_guest_errors(&self) -> Vec<String> {
        self.with(|transport| std::mem::take(&mut transport.guest_errors))
    }

    /// Returns everything [`assert_clean`](Self::assert_clean) would complain of, and forgets it, for a test that means it.
    #[must_use]
    pub fn take_complaints(&self) -> Vec<String> {
        self.with(Transport::take_complaints)
    }

    pub(crate) fn with_core<R>(&self, act: impl FnOnce(&mut Core<M>) -> R) -> R {
        self.with(|transport| act(&mut transport.core))
    }
}
