//! What a driver notifies and is interrupted by: [`VhostUserNotifier`], [`VhostUserInterrupt`].

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use levitate_hal::Barriers;
use levitate_virtio::transport::{Interrupt, InterruptStatus, Notify};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

/// Makes an event that neither side ever waits on to be written.
pub(super) fn event() -> io::Result<Arc<EventFd>> {
    EventFd::new(EFD_NONBLOCK).map(Arc::new)
}

/// Notifies the back end of available buffers in one virtqueue.
#[derive(Clone, Debug)]
pub struct VhostUserNotifier {
    /// `None` for a queue the device does not have.
    pub(super) kick: Option<Arc<EventFd>>,
}

impl Notify for VhostUserNotifier {
    fn notify(&self, _next: u16) {
        Barriers::Platform.before_notify();
        if let Some(kick) = &self.kick {
            // It fails only if nobody has read 2^64 - 2 notifications.
            let _ = kick.write(1);
        }
    }
}

/// The back end's interrupts: one event for all its virtqueues.
#[derive(Clone, Debug)]
pub struct VhostUserInterrupt {
    pub(super) call: Arc<EventFd>,
}

impl VhostUserInterrupt {
    /// Waits for an interrupt, which [`acknowledge`](Interrupt::acknowledge) then takes; says whether there was one in time.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        // Longer than there is a number for is for ever.
        let timeout = Timespec::try_from(timeout).ok();
        // SAFETY: the descriptor is the event's, which stays open as long as `self`.
        let call = unsafe { BorrowedFd::borrow_raw(self.call.as_raw_fd()) };
        let mut polled = [PollFd::from_borrowed_fd(call, PollFlags::IN)];
        matches!(poll(&mut polled, timeout.as_ref()), Ok(1))
    }
}

impl Interrupt for VhostUserInterrupt {
    fn acknowledge(&self) -> InterruptStatus {
        match self.call.read() {
            Ok(_) => InterruptStatus::USED_BUFFER,
            // There was none.
            Err(_) => InterruptStatus::empty(),
        }
    }
}
