//! A driver of `virtio-drivers`, from its start to the reset after which its memory is given back: [`Life`].

use alloc::sync::Arc;
use alloc::vec::Vec;

use log::{debug, warn};
use virtio_drivers::{Error, Result};

use super::record::Record;
use super::transport::Counted;
use crate::devices::Way;
use crate::drivers::{DriverError, QueueCounts};
use crate::platform::KernelHal;

/// A driver, until an error that does not go away, or the end of this.
pub(crate) struct Life<D> {
    /// `None` once it has ended.
    driver: Option<D>,
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
        let transport = Counted::new(way)?;
        let mut life = Self {
            driver: None,
            record: transport.record(),
        };
        match start(transport) {
            Ok(driver) => {
                life.driver = Some(driver);
                Ok(life)
            }
            Err(error) => {
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
            // And with it its transport, which resets the device.
            drop(driver);
            debug!("{} notifications", self.record.notifications());
            self.settle();
        }
        self.record.is_reset()
    }

    /// Does with the memory of a driver that is gone what is right for it.
    fn settle(&self) {
        if self.record.is_reset() {
            // SAFETY: whatever was released is this driver's, for each of them is settled before anything else is called. Its
            // device is reset, and reaches no memory.
            unsafe { KernelHal::give_back() };
        } else {
            let bytes = KernelHal::leak();
            warn!("the device is not reset: the {bytes} bytes it had are not given back");
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
