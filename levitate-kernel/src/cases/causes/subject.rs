//! The drivers the causes are brought about on: [`Subject`], and what they call them: [`Failure`].

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::time::Duration;

use levitate_drivers_blk::{Blk, BlkStorage};
use levitate_drivers_gpu::{Gpu, GpuStorage};
use levitate_virtio::{
    AnyTransport, DeviceType, MmioTransport, PciTransport, QueueError, TimeoutCause,
};
use thiserror::Error;

use super::tampered::{Access, Device, Part, Tampered};
use crate::devices::Way;
use crate::pci;
use crate::platform::{KernelDma, Registers, platform};

/// The transport to a device whose registers are accessed in another way than they should be.
pub(super) type TamperedTransport =
    AnyTransport<MmioTransport<Tampered>, PciTransport<Tampered, pci::Access>>;

/// What a driver said, as far as the causes differ in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Failure {
    /// The device was not initialized.
    #[error(transparent)]
    Init(levitate_virtio::InitError),
    /// Its queue was not set up.
    #[error(transparent)]
    Queue(QueueError),
    /// It did not answer.
    #[error("no answer: {0}")]
    Timeout(TimeoutCause),
    /// It asked to be reset.
    #[error("device set DEVICE_NEEDS_RESET")]
    NeedsReset,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// A driver with a device to try it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Gpu,
    Disk,
}

impl Subject {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gpu => "gpu",
            Self::Disk => "disk",
        }
    }

    pub(super) const fn device_type(self) -> DeviceType {
        match self {
            Self::Gpu => DeviceType::GPU,
            Self::Disk => DeviceType::BLOCK,
        }
    }

    /// Brings the device up that `way` leads to, asks it one thing, waits at most `timeout` for the answer, and resets it.
    pub(super) fn attempt(
        self,
        way: &Way,
        access: Access,
        timeout: Duration,
    ) -> Result<(), Failure> {
        let transport = connect(way, access)?;
        match self {
            Self::Gpu => ask_gpu(transport, timeout),
            Self::Disk => ask_disk(transport, timeout),
        }
    }
}

/// Returns a transport that accesses the device's registers by `access`.
pub(super) fn connect(way: &Way, access: Access) -> Result<TamperedTransport, Failure> {
    match way {
        Way::Mmio { registers, .. } => {
            let device = Device::mmio(registers.clone());
            let registers = Tampered::new(registers.clone(), Part::Mmio, access, device);
            let transport = MmioTransport::probe(registers).map_err(other)?;
            let transport = transport.ok_or_else(|| other("no device"))?;
            Ok(AnyTransport::Mmio(transport))
        }
        Way::Pci(function) => {
            let places = function.places().map_err(other)?;
            let common = places.common.start();
            let device = Device::pci(places.common);
            let tampered = |registers: Registers| {
                let part = match registers.start() {
                    start if start == common => Part::Common,
                    start if start == places.notify => Part::Notify,
                    _ => Part::Other,
                };
                Tampered::new(registers, part, access, device.clone())
            };
            let transport = function.connect_through(tampered).map_err(other)?;
            Ok(AnyTransport::Pci(transport))
        }
    }
}

fn other(error: impl ToString) -> Failure {
    Failure::Other(error.to_string())
}

fn ask_disk(transport: TamperedTransport, timeout: Duration) -> Result<(), Failure> {
    use levitate_drivers_blk::{Error, InitError, Options};

    let options = Options {
        timeout,
        ..Options::default()
    };
    let mut storage = Box::new(BlkStorage::<KernelDma, 4>::new());
    let mut blk = Blk::with_options(transport, platform(), &mut storage, options).map_err(
        |error| match error {
            InitError::Device(error) => Failure::Init(error),
            InitError::Queue(error) => Failure::Queue(error),
            error => Failure::Other(error.to_string()),
        },
    )?;
    let id = blk.id().map(drop);
    id.map_err(|error| match error {
        Error::Timeout(timeout) => Failure::Timeout(timeout.cause),
        Error::NeedsReset { .. } => Failure::NeedsReset,
        error => Failure::Other(error.to_string()),
    })
}

fn ask_gpu(transport: TamperedTransport, timeout: Duration) -> Result<(), Failure> {
    use levitate_drivers_gpu::{Error, InitError, Options};

    let options = Options {
        timeout,
        ..Options::default()
    };
    let mut storage = Box::new(GpuStorage::<KernelDma, 4>::new());
    let mut gpu = Gpu::with_options(transport, platform(), &mut storage, options).map_err(
        |error| match error {
            InitError::Init(error) => Failure::Init(error),
            InitError::Queue(error) => Failure::Queue(error),
            error => Failure::Other(error.to_string()),
        },
    )?;
    let answer = gpu.display_info().map(drop);
    answer.map_err(|error| match error {
        Error::Timeout(timeout) => Failure::Timeout(timeout.cause),
        error => Failure::Other(error.to_string()),
    })
}
