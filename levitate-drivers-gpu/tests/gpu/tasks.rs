//! A task, and what handles the interrupts it waits for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use levitate_drivers_gpu::Signal;
use levitate_host::AnyDevice;
use levitate_host::device::DeviceModel;
use levitate_virtio::Interrupt;

/// Counts how often its task was woken.
#[derive(Default)]
pub(crate) struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// One future, which the test polls.
pub(crate) struct Task<'f, R> {
    future: Pin<Box<dyn Future<Output = R> + 'f>>,
    bell: Arc<Bell>,
}

impl<'f, R> Task<'f, R> {
    pub(crate) fn new(future: impl Future<Output = R> + 'f) -> Self {
        Self {
            future: Box::pin(future),
            bell: Arc::default(),
        }
    }

    pub(crate) fn poll(&mut self) -> Poll<R> {
        let waker = Waker::from(self.bell.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// Polls it and returns its outcome, which is there.
    #[track_caller]
    pub(crate) fn end(mut self) -> R {
        match self.poll() {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => panic!("the task still waits"),
        }
    }

    /// Returns how often it was woken.
    pub(crate) fn wakes(&self) -> usize {
        self.bell.0.load(Ordering::SeqCst)
    }
}

/// Does what the handler of the device's interrupts does, as often as there is one; returns how often that was.
pub(crate) fn deliver<M: DeviceModel>(
    device: &AnyDevice<M>,
    signal: &Signal,
    handle: &impl Interrupt,
) -> usize {
    let mut count = 0;
    while device.is_interrupting() {
        assert!(!signal.on_interrupt(handle).is_empty());
        count += 1;
    }
    if let AnyDevice::Pci(device, true) = device {
        for message in device.take_messages() {
            assert!(!signal.on_vector(handle, message.vector).is_empty());
            count += 1;
        }
    }
    count
}
