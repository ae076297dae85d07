//! Bringing a device up in the order of the specification, a type for each stage: [`Device`] (§3.1.1).

use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use levitate_hal::{Barriers, Clock, Dma, Segments};
use thiserror::Error;

use crate::config::{self, ConfigError, ConfigSpace, ConfigWriter};
use crate::features::{DeviceFeatures, Features, Negotiated, Wanted};
use crate::queue::{
    Format, PreparedQueue, QueueConfig, QueueError, QueueIndex, Slot, SplitOrPacked,
};
use crate::status::Status;
use crate::transport::{CutOff, Interface, Transport, VectorRefused};

mod given_up;
pub mod queue_reset;
mod reset;
pub mod stage;

pub use given_up::GivenUp;
pub use reset::{Quiesced, ResetError};
use reset::{is_gone, quiesce, reset};

/// One life of a device, from one reset to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(u64);

impl Identity {
    pub(crate) fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Relaxed: only uniqueness counts; nothing else is ordered by it.
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Says whether it was made before `other`, by one who knows of both.
    pub(crate) const fn is_before(self, other: Self) -> bool {
        self.0 < other.0
    }
}

/// Why a device was not brought up; it is marked FAILED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InitError {
    /// The device is gone from its bus.
    #[error("device cannot be brought up: {}", CutOff::Gone)]
    Gone,
    /// The device did not finish its reset.
    #[error("device is not reset after {timeout:?}: its status reads {status}")]
    ResetTimeout {
        /// How long was waited.
        timeout: Duration,
        /// What the status read last.
        status: Status,
    },
    /// The device does not offer what the driver cannot do without.
    #[error("device does not offer required features: {missing:#x} of {offered:#x} offered")]
    MissingFeatures {
        /// The bits that are missing.
        missing: u64,
        /// The bits the device offers.
        offered: u64,
    },
    /// The device is used through the modern interface and does not offer VERSION_1, which goes with it (§6.1).
    #[error(
        "device does not offer VERSION_1, which goes with the modern (version 2) registers: {offered:#x} are offered; \
         it may have the other register version"
    )]
    NoVersion1 {
        /// The bits the device offers.
        offered: u64,
    },
    /// The device does not work with the features that were accepted.
    #[error(
        "device refuses features {accepted:#x} of {offered:#x} offered: FEATURES_OK does not stay set"
    )]
    FeaturesRefused {
        /// The bits that were accepted.
        accepted: u64,
        /// The bits the device offers.
        offered: u64,
    },
    /// The device would not interrupt for changes of its configuration as it was told to.
    #[error(transparent)]
    ConfigVector(#[from] VectorRefused),
}

/// A device at one stage of its initialization (§3.1.1).
///
/// Dropped before it is live, it is marked FAILED; dropped while live, it is told to reset.
/// Neither is confirmed, so the memory of its queues is not freed then: use [`Device::reset`] for that.
#[derive(Debug)]
#[must_use = "dropped before it is live, the device is marked FAILED"]
pub struct Device<T: Transport, Stage> {
    guard: Guard<T>,
    identity: Identity,
    stage: Stage,
}

/// Leaves the device in a known state, whatever happens to its driver.
#[derive(Debug)]
struct Guard<T: Transport> {
    transport: ManuallyDrop<T>,
    is_live: bool,
}

impl<T: Transport> Guard<T> {
    /// Takes the transport out, and leaves the device as it is.
    fn into_transport(self) -> T {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped and not used again, so its transport is taken out once.
        unsafe { ManuallyDrop::take(&mut this.transport) }
    }
}

impl<T: Transport> Drop for Guard<T> {
    fn drop(&mut self) {
        if self.is_live {
            self.transport.write_status(Status::empty());
        } else {
            add_status(&mut *self.transport, Status::FAILED);
        }
        // SAFETY: drop runs once and `into_transport` prevents it; nothing uses the transport afterwards.
        unsafe { ManuallyDrop::drop(&mut self.transport) }
    }
}

/// Sets status bits without turning any off (§2.1.1).
fn add_status<T: Transport>(transport: &mut T, bits: Status) {
    let status = transport.read_status();
    transport.write_status(status | bits);
}

/// A device whose features are agreed on, and what they are.
pub type Agreement<T, F, R = SplitOrPacked> = (Device<T, stage::Negotiated<R>>, Negotiated<F>);

impl<T: Transport> Device<T, stage::Driven> {
    /// Resets the device, acknowledges it and says that it can be driven: steps 1 to 3.
    ///
    /// # Errors
    ///
    /// [`InitError::ResetTimeout`] or [`InitError::Gone`].
    pub fn begin(
        mut transport: T,
        clock: &impl Clock,
        timeout: Duration,
    ) -> Result<Self, InitError> {
        let outcome = reset(&mut transport, clock, timeout);
        let mut guard = Guard {
            transport: ManuallyDrop::new(transport),
            is_live: false,
        };
        if let Err(status) = outcome {
            return Err(if status.is_all() && is_gone(&mut *guard.transport) {
                InitError::Gone
            } else {
                InitError::ResetTimeout { timeout, status }
            });
        }
        add_status(&mut *guard.transport, Status::ACKNOWLEDGE);
        add_status(&mut *guard.transport, Status::DRIVER);
        Ok(Self {
            guard,
            identity: Identity::fresh(),
            stage: stage::Driven,
        })
    }

    /// Reads the features that the device offers, for a driver that must not accept one next to another.
    pub fn read_offered_features(&mut self) -> u64 {
        self.guard.transport.read_device_features()
    }

    /// Agrees with the device on what is wanted of what it offers, with code for rings of every format: steps 4 to 6.
    ///
    /// # Errors
    ///
    /// As [`negotiate_for`](Self::negotiate_for).
    pub fn negotiate<F: DeviceFeatures>(
        self,
        wanted: &Wanted<F>,
    ) -> Result<Agreement<T, F>, InitError> {
        self.negotiate_for::<F, SplitOrPacked>(wanted)
    }

    /// Agrees with the device on what is wanted of what it offers, with code for rings of the formats `R`: steps 4 to 6.
    ///
    /// What takes another format is not accepted, and there is no way to a queue of one:
    ///
    /// ```compile_fail,E0308
    /// use levitate_hal::Dma;
    /// use levitate_virtio::features::NoFeatures;
    /// use levitate_virtio::queue::{PreparedQueue, QueueConfig, QueueIndex, Slot, Split, SplitOrPacked};
    /// use levitate_virtio::{Device, Transport, Wanted, stage};
    /// fn start<T: Transport, D: Dma>(device: Device<T, stage::Driven>, dma: &D, config: QueueConfig, slots: &mut [Slot<(), ()>]) {
    ///     let (mut device, _) = device.negotiate_for::<NoFeatures, Split>(&Wanted::default()).unwrap();
    ///     let queue: PreparedQueue<'_, (), (), D, SplitOrPacked> =
    ///         device.prepare_queue(dma, QueueIndex::new(0), config, slots).unwrap();
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InitError::Gone`], [`InitError::NoVersion1`] or [`InitError::MissingFeatures`] before anything is accepted,
    /// [`InitError::FeaturesRefused`] or [`InitError::ConfigVector`] afterwards.
    pub fn negotiate_for<F: DeviceFeatures, R: Format>(
        mut self,
        wanted: &Wanted<F>,
    ) -> Result<Agreement<T, F, R>, InitError> {
        let transport = &mut *self.guard.transport;
        let interface = transport.interface();
        let offered = transport.read_device_features();
        // A legacy device is recognized by what it does not offer (§2.2.3), and only the legacy interface leads to one.
        if interface == Interface::Modern && offered & Features::VERSION_1.bits() == 0 {
            return Err(if offered == 0 && is_gone(transport) {
                InitError::Gone
            } else {
                InitError::NoVersion1 { offered }
            });
        }
        let supported = transport.supported_features() | R::FEATURES;
        let features = Negotiated::choose(offered, wanted, interface, supported);
        let missing = wanted.required.difference(features.device).bits();
        if missing != 0 {
            return Err(InitError::MissingFeatures { missing, offered });
        }
        let accepted = features.bits();
        transport.write_driver_features(accepted);
        // The legacy interface has no FEATURES_OK (§3.1.2).
        if interface == Interface::Modern {
            add_status(transport, Status::FEATURES_OK);
            if !transport.read_status().contains(Status::FEATURES_OK) {
                return Err(InitError::FeaturesRefused { accepted, offered });
            }
        }
        transport.map_config_changes()?;
        log::debug!(
            "negotiated features {accepted:#x} of {offered:#x} over the {interface} interface"
        );
        let stage = stage::Negotiated {
            features: features.common,
            rings: PhantomData,
        };
        Ok((
            Device {
                guard: self.guard,
                identity: self.identity,
                stage,
            },
            features,
        ))
    }
}

impl<T: Transport, R: Format> Device<T, stage::Negotiated<R>> {
    /// Allocates a virtqueue with room for as many requests as there are `slots`, and gives it to the device: part of step 7.
    ///
    /// The queue may have fewer slots, if the device's queue is too small for all of them.
    ///
    /// # Errors
    ///
    /// [`QueueError`].
    pub fn prepare_queue<'s, B: Segments, C, D: Dma>(
        &mut self,
        dma: &D,
        index: QueueIndex,
        config: QueueConfig,
        slots: &'s mut [Slot<B, C>],
    ) -> Result<PreparedQueue<'s, B, C, D, R>, QueueError> {
        let features = self.stage.features;
        PreparedQueue::new(
            &mut *self.guard.transport,
            features,
            self.identity,
            dma,
            index,
            config,
            slots,
        )
    }

    /// Sets DRIVER_OK: step 8.
    pub fn go_live(mut self) -> Device<T, stage::Live<R>> {
        // What is in the queues by now is in memory before the device may look at it.
        Barriers::Platform.before_notify();
        add_status(&mut *self.guard.transport, Status::DRIVER_OK);
        self.guard.is_live = true;
        Device {
            guard: self.guard,
            identity: self.identity,
            stage: stage::Live {
                features: self.stage.features,
                rings: PhantomData,
            },
        }
    }
}

impl<T: Transport, Stage: stage::Agreed> Device<T, Stage> {
    /// Returns the way to write to the configuration space; before the features are agreed on there is none (§3.1.1).
    ///
    /// ```
    /// use levitate_virtio::{ConfigError, Device, Transport, stage};
    /// fn write<T: Transport>(device: &mut Device<T, stage::Negotiated>) -> Result<(), ConfigError> {
    ///     device.config_writer().write_u32(4, 1)
    /// }
    /// ```
    ///
    /// Writing any earlier does not compile:
    ///
    /// ```compile_fail
    /// use levitate_virtio::{ConfigError, Device, Transport, stage};
    /// fn write<T: Transport>(device: &mut Device<T, stage::Driven>) -> Result<(), ConfigError> {
    ///     device.config_writer().write_u32(4, 1)
    /// }
    /// ```
    pub fn config_writer(&mut self) -> ConfigWriter<'_, T> {
        ConfigWriter {
            transport: self.transport_mut(),
        }
    }
}

impl<T: Transport, Stage> Device<T, Stage> {
    /// Reads from the configuration space until it did not change meanwhile (§2.5).
    ///
    /// # Errors
    ///
    /// What `read` returns, or [`ConfigError::NeverStable`].
    pub fn read_config<V: PartialEq>(
        &self,
        read: impl FnMut(&ConfigSpace<'_, T>) -> Result<V, ConfigError>,
    ) -> Result<V, ConfigError> {
        config::read_stable(self.transport(), read)
    }

    /// Returns the way to the device.
    pub fn transport(&self) -> &T {
        &self.guard.transport
    }

    /// Returns the way to the device, for the diagnosis of a missed deadline.
    pub(crate) fn transport_mut(&mut self) -> &mut T {
        &mut self.guard.transport
    }

    pub(crate) const fn stage(&self) -> &Stage {
        &self.stage
    }

    pub(crate) const fn identity(&self) -> Identity {
        self.identity
    }

    /// Resets the device and waits for it; the proof lets its queues be released.
    ///
    /// # Errors
    ///
    /// [`ResetError`], with the transport.
    pub fn reset(
        self,
        clock: &impl Clock,
        timeout: Duration,
    ) -> Result<(T, Quiesced), ResetError<T>> {
        quiesce(self.guard.into_transport(), self.identity, clock, timeout)
    }
}
