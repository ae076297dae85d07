//! A driver of `virtio-drivers`, from its start to the reset after which its memory is given back: [`Life`].

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem::ManuallyDrop;
use core::time::Duration;

use levitate_hal::Deadline;
use levitate_virtio::{Status, Transport as _};
use log::{debug, warn};
use virtio_drivers::{Error, Result};

use super::record::Record;
use super::transport::Counted;
use crate::devices::{KernelTransport, Way};
use crate::drivers::{DriverError, QueueCounts};
use crate::platform::{KernelClock, KernelHal};

/// How long a device may take to be reset.
const RESET_PATIENCE: Duration = Duration::from_secs(1);

/// A driver, until an error that does not go away, or the end of this.
pub(crate) struct Life<D> {
    /// `None` once it has ended.
    driver: Option<D>,
    /// By which it is reset: the driver, and its own transport inside it, have memory that must outlive that.
    device: KernelTransport,
    /// Whether it was when the driver ended: it reaches no memory then.
    is_reset: bool,
    record: Arc<Record>,
}

impl<D> Life<D> {
    /// Has `start` bring up the device that `way` leads to.
    ///
    /// # Errors
    ///
    /// What the driver says; the device is reset.
    pub(crate) fn start(
        way: &Way,
        start: impl FnOnce(Counted) -> Result<D>,
    ) -> core::result::Result<Self, DriverError> {
        // It turns a device on PCI on, and says how it interrupts.
        let device = way.connect()?;
        let transport = Counted::new(way)?;
        let mut life = Self {
            driver: None,
            device,
            is_reset: false,
            record: transport.record(),
        };
        match start(transport) {
            Ok(driver) => {
                life.driver = Some(driver);
                Ok(life)
            }
            Err(error) => {
                // What it has released is in a list, and it has asked for nothing yet.
                life.reset();
                life.settle();
                Err(error.into())
            }
        }
    }

    /// Returns what is known of its transport.
    pub(crate) fn record(&self) -> Arc<Record> {
        self.record.clone()
    }

    /// Returns what was counted of its queue, also once it has ended.
    pub(crate) fn counts(&self) -> Vec<QueueCounts> {
        [self.record.counts()].into()
    }

    /// Says whether it has not ended.
    pub(crate) const fn is_alive(&self) -> bool {
        self.driver.is_some()
    }

    /// Returns the driver.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub(crate) fn driver(&mut self) -> core::result::Result<&mut D, DriverError> {
        let driver = self.driver.as_mut();
        driver.ok_or_else(|| "the device was reset after an error, and stays off".into())
    }

    /// Has the driver do something; after an error that is no answer of the device, it is at an end.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub(crate) fn call<T>(
        &mut self,
        call: impl FnOnce(&mut D) -> Result<T>,
    ) -> core::result::Result<T, DriverError> {
        let result = call(self.driver()?);
        if let Err(error) = &result
            && !is_answer(error)
        {
            warn!("{error}; the device is reset");
            self.end();
        }
        Ok(result?)
    }

    /// Ends it; says whether the device was reset, which it is not if it does not say so.
    pub(crate) fn end(&mut self) -> bool {
        if let Some(driver) = self.driver.take() {
            // Whatever it has, on the heap too, the device may use until the reset.
            let driver = ManuallyDrop::new(driver);
            self.reset();
            if self.is_reset {
                drop(ManuallyDrop::into_inner(driver));
            }
            debug!("{} notifications", self.record.notifications());
            self.settle();
        }
        self.is_reset
    }

    /// Resets the device, and waits for it.
    fn reset(&mut self) {
        // The ring is read no more: its memory may be given back.
        self.record.end();
        self.device.write_status(Status::empty());
        let is_reset = || self.device.read_status().is_empty().then_some(());
        let deadline = Deadline::after(&KernelClock, RESET_PATIENCE);
        self.is_reset = deadline.poll(&KernelClock, is_reset).is_some();
    }

    /// Does with the memory that a driver has released what is right for it.
    fn settle(&self) {
        if self.is_reset {
            // SAFETY: whatever was released is this driver's, for each of them is settled before anything else is called. Its
            // device is reset, and reaches no memory.
            unsafe { KernelHal::give_back() };
        } else {
            KernelHal::leak();
            warn!("the device is not reset: the memory it had is not given back");
        }
    }
}

impl<D> Drop for Life<D> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Says whether an error is how the device answered one request, or how the driver refused it.
const fn is_answer(error: &Error) -> bool {
    matches!(
        error,
        Error::IoError | Error::Unsupported | Error::NotReady | Error::InvalidParam
    )
}
