//! The type a user holds: [`Gpu`], one device from its initialization on (§5.7).

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use levitate_hal::Platform;
use levitate_virtio::{ConfigError, DeviceType, Features, Negotiated, QueueCounts, Transport};

use crate::config::{Events, GpuConfig};
use crate::control::Control;
use crate::error::{Error, InitError, ResetError};
use crate::features::GpuFeatures;
use crate::life::{bring_up, shut_down};
use crate::protocol::MAX_SCANOUTS;
use crate::storage::GpuStorage;

/// How a device is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long to wait for the device each time, its reset included; 5 s if nothing else is said.
    ///
    /// A device in a busy virtual machine was seen to take a second.
    pub timeout: Duration,
    /// Device-independent features to negotiate where they are offered; [`Features::DEFAULT`] if nothing else is said.
    pub common_features: Features,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            common_features: Features::DEFAULT,
        }
    }
}

/// A GPU device, used for its displays (§5.7).
///
/// All calls that return what the device answers wait for it, at most as long as [`Options::timeout`] says;
/// [`submit_present`](Self::submit_present) and [`poll_present`](Self::poll_present) do not wait.
///
/// Dropped, it resets the device and waits until that is done; memory of the control queue is then freed.
/// That of framebuffers is not: see [`destroy_framebuffer`](Self::destroy_framebuffer) and [`stop`](Self::stop).
pub struct Gpu<'s, T: Transport, P: Platform> {
    /// `None` once a reset has failed.
    pub(crate) control: Option<Control<'s, T, P>>,
    pub(crate) platform: P,
    /// Tells drivers apart, in what they leave with chunks.
    pub(crate) id: u64,
    /// Counts confirmed resets.
    pub(crate) life: u64,
    pub(crate) next_resource_id: u32,
    /// What each scanout shows; 0 is nothing.
    pub(crate) scanouts: [u32; MAX_SCANOUTS],
    /// The wish outlives a reset.
    wants_interrupts: bool,
}

/// Proof that a device was reset for good: it reaches none of the memory it was given.
#[derive(Debug)]
pub struct Stopped {
    gpu: u64,
}

impl Stopped {
    pub(crate) const fn covers(&self, gpu: u64) -> bool {
        self.gpu == gpu
    }
}

impl<'s, T: Transport, P: Platform> Gpu<'s, T, P> {
    /// Brings a device up with the usual [`Options`].
    ///
    /// # Errors
    ///
    /// [`InitError`]; the device is then marked FAILED, or reset if it was live already, or left alone if it is no GPU.
    pub fn new<const N: usize>(
        transport: T,
        platform: P,
        storage: &'s mut GpuStorage<P::Dma, N>,
    ) -> Result<Self, InitError> {
        Self::with_options(transport, platform, storage, Options::default())
    }

    /// Brings a device up.
    ///
    /// # Errors
    ///
    /// [`InitError`]; the device is then marked FAILED, or reset if it was live already, or left alone if it is no GPU.
    pub fn with_options<const N: usize>(
        transport: T,
        platform: P,
        storage: &'s mut GpuStorage<P::Dma, N>,
        options: Options,
    ) -> Result<Self, InitError> {
        // Relaxed: only uniqueness counts; nothing else is ordered by it.
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        let found = transport.device_type();
        if found != DeviceType::GPU {
            return Err(InitError::WrongDeviceType { found });
        }
        let parts = (&mut storage.slots[..], &mut storage.frames[..]);
        let control = bring_up(transport, platform.clone(), parts, options)?;
        Ok(Self {
            control: Some(control),
            platform,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            life: 0,
            next_resource_id: 1,
            scanouts: [0; MAX_SCANOUTS],
            wants_interrupts: false,
        })
    }

    /// Returns how many scanouts the device has, counted from 0; 0 if a reset has failed.
    #[must_use]
    pub fn num_scanouts(&self) -> u32 {
        self.config().map_or(0, |config| config.num_scanouts)
    }

    /// Returns what the device said of itself when it was brought up; `None` if a reset has failed.
    #[must_use]
    pub fn config(&self) -> Option<GpuConfig> {
        self.control.as_ref().map(|control| control.config)
    }

    /// Returns what driver and device agreed on; `None` if a reset has failed.
    #[must_use]
    pub fn features(&self) -> Option<Negotiated<GpuFeatures>> {
        self.control.as_ref().map(|control| control.features)
    }

    /// Returns the way to the device; `None` if a reset has failed.
    #[must_use]
    pub fn transport(&self) -> Option<&T> {
        self.control
            .as_ref()
            .map(|control| control.device.transport())
    }

    /// Returns what the control queue has counted since the device was last brought up; zeroes if a reset has failed.
    #[must_use]
    pub fn counts(&self) -> QueueCounts {
        let control = self.control.as_ref();
        control.map_or_else(QueueCounts::default, |control| control.queue.counts())
    }

    /// Returns the handle for an interrupt handler; `None` if a reset has failed.
    #[must_use]
    pub fn interrupt(&self) -> Option<T::Interrupt> {
        self.transport().map(Transport::interrupt)
    }

    /// Has the device interrupt when commands are answered: for those who wait for a frame otherwise than by polling.
    ///
    /// Call [`poll_present`](Self::poll_present) afterwards: for what was answered before there is no interrupt.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`].
    pub fn enable_interrupts(&mut self) -> Result<(), Error> {
        self.set_interrupts(true)
    }

    /// Asks the device for no interrupts when commands are answered, as it is at first.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`].
    pub fn disable_interrupts(&mut self) -> Result<(), Error> {
        self.set_interrupts(false)
    }

    fn set_interrupts(&mut self, wanted: bool) -> Result<(), Error> {
        self.control()?.queue.set_used_notifications(wanted);
        self.wants_interrupts = wanted;
        Ok(())
    }

    /// Reads which events are pending (§5.7.4.2); none if a reset has failed.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn pending_events(&self) -> Result<Events, ConfigError> {
        match &self.control {
            Some(control) => control.device.read_config(Events::read),
            None => Ok(Events::empty()),
        }
    }

    /// Resets the device and brings it up again, with the same options and the same wish for interrupts.
    ///
    /// The way out after [`Error::Timeout`] and [`Error::Device`]. The device forgets all framebuffers:
    /// [`attach`](Self::attach) lets it know them again. What changed about its screens meanwhile may have been no event,
    /// so the next [`process_events`](Self::process_events) asks about them.
    ///
    /// # Errors
    ///
    /// [`ResetError`]; all that can be done with the driver afterwards is to [`reclaim`](Self::reclaim) memory, if the reset was confirmed.
    pub fn reset(&mut self) -> Result<(), ResetError> {
        let control = self.control.take().ok_or(ResetError::Gone)?;
        let options = control.options;
        let (transport, slots, frames) = shut_down(control)?;
        self.life = self.life.wrapping_add(1);
        self.next_resource_id = 1;
        self.scanouts = [0; MAX_SCANOUTS];
        let slots = slots.ok_or(ResetError::Gone)?;
        log::debug!("gpu was reset, and is brought up again");
        let mut control = bring_up(transport, self.platform.clone(), (slots, frames), options)?;
        control.queue.set_used_notifications(self.wants_interrupts);
        // An event that was cleared, and its question not answered, is known to nobody else now.
        control.has_changed_screens = true;
        self.control = Some(control);
        Ok(())
    }

    /// Resets the device for good and returns the way to it.
    ///
    /// The proof lets framebuffers give back their memory: [`Framebuffer::release`](crate::Framebuffer::release).
    ///
    /// # Errors
    ///
    /// [`ResetError`]; what the device was given is never freed then.
    pub fn stop(mut self) -> Result<(T, Stopped), ResetError> {
        let control = self.control.take().ok_or(ResetError::Gone)?;
        let (transport, _, _) = shut_down(control)?;
        Ok((transport, Stopped { gpu: self.id }))
    }

    pub(crate) fn control(&mut self) -> Result<&mut Control<'s, T, P>, Error> {
        self.control.as_mut().ok_or(Error::Gone)
    }
}

impl<T: Transport, P: Platform> fmt::Debug for Gpu<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gpu")
            .field("config", &self.config())
            .field("features", &self.features())
            .field("life", &self.life)
            .field("scanouts", &self.scanouts)
            .finish_non_exhaustive()
    }
}

impl<T: Transport, P: Platform> Drop for Gpu<'_, T, P> {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.control.take().map(shut_down) {
            log::warn!(
                "gpu is not reset after {:?}, its status reads {}: the memory of its queue is leaked",
                error.timeout,
                error.status
            );
        }
    }
}
