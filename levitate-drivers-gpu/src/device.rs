//! The type a user holds: [`Gpu`], one device from its initialization on (§5.7).

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use levitate_hal::{DmaBuffer, Platform};
use levitate_virtio::{
    ConfigError, Device, DeviceType, Features, Negotiated, QueueConfig, QueueIndex, Slot,
    Transport, Wanted,
};

use crate::config::{Events, GpuConfig};
use crate::control::{Control, Pending};
use crate::edid::Edid;
use crate::error::{Error, InitError, ResetError};
use crate::features::GpuFeatures;
use crate::frame::Frame;
use crate::mode::{DisplayInfo, Mode, ModeSource};
use crate::protocol::MAX_SCANOUTS;
use crate::protocol::display::RespDisplayInfo;
use crate::protocol::edid::{GetEdid, RespEdid};
use crate::protocol::header::GetDisplayInfo;
use crate::protocol::transfer::TransferToHost2d;
use crate::storage::GpuStorage;

/// The control queue (§5.7.2).
const CONTROLQ: QueueIndex = QueueIndex::new(0);
/// Commands that are in flight together when a framebuffer is created; a frame needs two.
pub(crate) const MIN_SLOTS: u16 = 3;

/// How a device is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long to wait for the device each time, its reset included; 5 s if nothing else is said.
    ///
    /// A device in a busy virtual machine was seen to take a second.
    pub timeout: Duration,
    /// Device-independent features to negotiate where they are offered; all that are implemented if nothing else is said.
    pub common_features: Features,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            common_features: Features::IMPLEMENTED,
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

/// The slots of the control queue.
type Slots<'s, P> = &'s mut [Slot<DmaBuffer<<P as Platform>::Dma>, Pending>];

impl<'s, T: Transport, P: Platform> Gpu<'s, T, P> {
    /// Brings a device up with the usual [`Options`].
    ///
    /// # Errors
    ///
    /// [`InitError`]; the device is then marked FAILED, or left alone if it is no GPU.
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
    /// [`InitError`]; the device is then marked FAILED, or left alone if it is no GPU.
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
        self.control()?.queue.set_used_notifications(true);
        Ok(())
    }

    /// Asks the device for no interrupts when commands are answered, as it is at first.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`].
    pub fn disable_interrupts(&mut self) -> Result<(), Error> {
        self.control()?.queue.set_used_notifications(false);
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

    /// Asks which scanouts are enabled and how large they are (GET_DISPLAY_INFO, §5.7.6.8).
    ///
    /// # Errors
    ///
    /// [`Error`]; sizes are not checked.
    pub fn display_info(&mut self) -> Result<DisplayInfo, Error> {
        let control = self.control()?;
        let response: RespDisplayInfo = control.run(GetDisplayInfo::new())?;
        control.has_display_info = true;
        Ok(DisplayInfo::new(&response, control.config.num_scanouts))
    }

    /// Asks for the EDID of a scanout's monitor (GET_EDID, §5.7.6.8).
    ///
    /// # Errors
    ///
    /// [`Error::NoEdid`] and [`Error::NoSuchScanout`] before anything is sent, else [`Error`].
    pub fn edid(&mut self, scanout: u32) -> Result<Edid, Error> {
        self.check_scanout(scanout)?;
        let control = self.control()?;
        if !control.features.device.contains(GpuFeatures::EDID) {
            return Err(Error::NoEdid);
        }
        let response: RespEdid = control.run(GetEdid::new(scanout))?;
        // Its `size` is at most the length of the array (`Response::len_bytes`).
        let len_bytes = usize::try_from(response.size.get()).unwrap_or(usize::MAX);
        Ok(Edid::new(response.edid, len_bytes))
    }

    /// Asks how large the picture on a scanout should be (§5.7.5).
    ///
    /// That is the size of the scanout if it is enabled, else what its monitor prefers, else [`Mode::FALLBACK`].
    /// A size no picture can have counts as none.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchScanout`]; [`Error`] if the display info cannot be had or the device does not answer.
    /// A device that refuses its EDID, or has a bad one, is taken to have none.
    pub fn preferred_mode(&mut self, scanout: u32) -> Result<Mode, Error> {
        self.check_scanout(scanout)?;
        let info = self.display_info()?;
        let display = usize::try_from(scanout)
            .ok()
            .and_then(|index| info.displays().get(index));
        if let Some(mode) = display.and_then(|display| display.mode()) {
            return Ok(mode);
        }
        let timing = match self.edid(scanout) {
            Ok(edid) => edid.preferred_timing(),
            Err(Error::NoEdid | Error::Command { .. }) => return Ok(Mode::FALLBACK),
            Err(error @ Error::Response { .. }) => {
                log::warn!("scanout {scanout} is taken to have no EDID: {error}");
                return Ok(Mode::FALLBACK);
            }
            Err(error) => return Err(error),
        };
        match timing {
            Ok(timing) => Ok(Mode {
                width: timing.width,
                height: timing.height,
                source: ModeSource::Edid,
            }),
            Err(error) => {
                log::warn!("scanout {scanout} is taken to have no EDID: {error}");
                Ok(Mode::FALLBACK)
            }
        }
    }

    /// Resets the device and brings it up again, with the same options.
    ///
    /// The way out after [`Error::Timeout`] and [`Error::Device`]. The device forgets all framebuffers:
    /// [`attach`](Self::attach) lets it know them again.
    ///
    /// # Errors
    ///
    /// [`ResetError`]; all that can be done with the driver afterwards is to [`reclaim`](Self::reclaim) memory, if the reset was confirmed.
    pub fn reset(&mut self) -> Result<(), ResetError> {
        let control = self.control.take().ok_or(ResetError::Gone)?;
        let options = control.options;
        let (transport, slots, frames) =
            shut_down(control).map_err(|error| ResetError::Unconfirmed {
                timeout: error.timeout,
                status: error.status,
            })?;
        self.life = self.life.wrapping_add(1);
        self.next_resource_id = 1;
        self.scanouts = [0; MAX_SCANOUTS];
        let slots = slots.ok_or(ResetError::Gone)?;
        log::debug!("gpu was reset, and is brought up again");
        let control = bring_up(transport, self.platform.clone(), (slots, frames), options)?;
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
        match shut_down(control) {
            Ok((transport, _, _)) => Ok((transport, Stopped { gpu: self.id })),
            Err(error) => Err(ResetError::Unconfirmed {
                timeout: error.timeout,
                status: error.status,
            }),
        }
    }

    pub(crate) fn control(&mut self) -> Result<&mut Control<'s, T, P>, Error> {
        self.control.as_mut().ok_or(Error::Gone)
    }

    pub(crate) fn check_scanout(&mut self, scanout: u32) -> Result<(), Error> {
        let count = self.control()?.config.num_scanouts;
        if scanout < count {
            Ok(())
        } else {
            Err(Error::NoSuchScanout { scanout, count })
        }
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

/// Goes through the steps of §3.1.1 with a device that is a GPU.
fn bring_up<'s, T: Transport, P: Platform>(
    transport: T,
    platform: P,
    (slots, frames): (Slots<'s, P>, &'s mut [Frame]),
    options: Options,
) -> Result<Control<'s, T, P>, InitError> {
    let wanted = Wanted {
        common: options.common_features,
        device: GpuFeatures::all(),
        required: GpuFeatures::empty(),
    };
    let device = Device::begin(transport, platform.clock(), options.timeout)?;
    let (mut device, features) = device.negotiate(&wanted)?;
    let config = device.read_config(GpuConfig::read)?;
    let found = config.num_scanouts;
    if !(1..=MAX_SCANOUTS).contains(&usize::try_from(found).unwrap_or(usize::MAX)) {
        return Err(InitError::ScanoutCount { found });
    }
    let queue_config = QueueConfig {
        header_bytes: size_of::<TransferToHost2d>(),
        footer_bytes: size_of::<RespEdid>(),
        max_segments: 1,
        max_segment_bytes: u32::MAX,
    };
    let queue = device.prepare_queue(platform.dma(), CONTROLQ, queue_config, slots)?;
    let device = device.go_live();
    let queue = queue.activate(&device);
    let slots = queue.idle_slots();
    let has_data = queue.max_segments() != 0;
    let control = Control::new(device, queue, frames, platform, options, (config, features));
    if slots < MIN_SLOTS || !has_data {
        // Without proof of the reset, the queue's memory is leaked.
        drop(shut_down(control));
        return Err(InitError::TooFewSlots {
            slots,
            needed: MIN_SLOTS,
        });
    }
    log::info!("gpu is live: {found} scanouts, room for {slots} commands");
    Ok(control)
}

/// What is left of a driver whose device was reset; no slots if the queue did not take the proof.
type Remains<'s, T, P> = (T, Option<Slots<'s, P>>, &'s mut [Frame]);

/// Resets the device and frees what its queue has.
fn shut_down<'s, T: Transport, P: Platform>(
    control: Control<'s, T, P>,
) -> Result<Remains<'s, T, P>, levitate_virtio::ResetError<T>> {
    let Control {
        device,
        queue,
        frames,
        platform,
        options,
        ..
    } = control;
    let (transport, quiesced) = device.reset(platform.clock(), options.timeout)?;
    let slots = queue.release(&quiesced, |data, _| drop(data)).ok();
    Ok((transport, slots, frames))
}
