//! A device that does something of a test's choice when the driver touches a register: [`Meddler`].

use std::sync::{Arc, Mutex};

use levitate_hal::Mmio;
use levitate_host::{GpuModel, MmioDevice};

const QUEUE_NOTIFY: usize = 0x050;
const STATUS: usize = 0x070;

/// What the driver did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    /// It read the device status.
    StatusRead,
    /// It notified a queue; the device has looked at it.
    Notified,
}

type Hook = Box<dyn FnMut(&MmioDevice<GpuModel>, Touch) + Send>;

/// The registers of a device, with a hook that is called once the access is done.
#[derive(Clone)]
pub(crate) struct Meddler {
    device: MmioDevice<GpuModel>,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl Meddler {
    pub(crate) fn new(device: &MmioDevice<GpuModel>) -> Self {
        Self {
            device: device.clone(),
            hook: Arc::default(),
        }
    }

    /// Calls `hook` from now on.
    pub(crate) fn meddle(&self, hook: impl FnMut(&MmioDevice<GpuModel>, Touch) + Send + 'static) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }

    /// Leaves the device alone again.
    pub(crate) fn stop(&self) {
        *self.hook.lock().unwrap() = None;
    }

    fn touched(&self, touch: Touch) {
        if let Some(hook) = &mut *self.hook.lock().unwrap() {
            hook(&self.device, touch);
        }
    }
}

impl Mmio for Meddler {
    fn len_bytes(&self) -> usize {
        self.device.len_bytes()
    }

    fn read8(&self, offset: usize) -> u8 {
        self.device.read8(offset)
    }

    fn read16(&self, offset: usize) -> u16 {
        self.device.read16(offset)
    }

    fn read32(&self, offset: usize) -> u32 {
        let value = self.device.read32(offset);
        if offset == STATUS {
            self.touched(Touch::StatusRead);
        }
        value
    }

    fn read64(&self, offset: usize) -> u64 {
        self.device.read64(offset)
    }

    fn write8(&self, offset: usize, value: u8) {
        self.device.write8(offset, value);
    }

    fn write16(&self, offset: usize, value: u16) {
        self.device.write16(offset, value);
    }

    fn write32(&self, offset: usize, value: u32) {
        self.device.write32(offset, value);
        if offset == QUEUE_NOTIFY {
            self.touched(Touch::Notified);
        }
    }

    fn write64(&self, offset: usize, value: u64) {
        self.device.write64(offset, value);
    }
}
