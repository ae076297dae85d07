//! What the device knows of its scanouts and their monitors (§5.7.5).

use levitate_hal::Platform;
use levitate_virtio::Transport;

use crate::config::Events;
use crate::device::Gpu;
use crate::edid::{Edid, EdidError};
use crate::error::Error;
use crate::features::GpuFeatures;
use crate::mode::{DisplayInfo, Mode, ModeSource, Screen, Screens};
use crate::protocol::display::RespDisplayInfo;
use crate::protocol::edid::{GetEdid, RespEdid};
use crate::protocol::header::GetDisplayInfo;

impl<T: Transport, P: Platform> Gpu<'_, T, P> {
    /// Asks which scanouts are enabled and how large they are (GET_DISPLAY_INFO, §5.7.6.8).
    ///
    /// # Errors
    ///
    /// [`Error`]; sizes are not checked.
    pub fn display_info(&mut self) -> Result<DisplayInfo, Error> {
        let control = self.control()?;
        let response: RespDisplayInfo = control.run(GetDisplayInfo::new())?;
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

    /// Asks what is to be known of all scanouts: the display info, and with EDID each monitor's EDID (§5.7.5).
    ///
    /// # Errors
    ///
    /// [`Error`] if the display info cannot be had or the device does not answer.
    /// A device that refuses an EDID, or has a bad one, is taken to have none.
    pub fn screens(&mut self) -> Result<Screens, Error> {
        let info = self.display_info()?;
        let mut screens = Screens::new(&info);
        for (scanout, screen) in (0..).zip(screens.as_mut_slice()) {
            screen.edid_mode = self.edid_mode(scanout)?;
        }
        self.control()?.knows_screens = true;
        Ok(screens)
    }

    /// Asks how large the picture on a scanout should be (§5.7.5): [`Screen::mode`].
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchScanout`], else as [`screens`](Self::screens).
    pub fn preferred_mode(&mut self, scanout: u32) -> Result<Mode, Error> {
        self.check_scanout(scanout)?;
        let screens = self.screens()?;
        let index = usize::try_from(scanout).unwrap_or(usize::MAX);
        // The scanout was checked to be there.
        Ok(screens
            .as_slice()
            .get(index)
            .map_or(Mode::FALLBACK, Screen::mode))
    }

    /// Looks whether a display has changed, and if so asks about all of them again; returns what it is told (§5.7.4.2).
    ///
    /// To be called after the interrupt handle said
    /// [`CONFIG_CHANGE`](levitate_virtio::InterruptStatus::CONFIG_CHANGE), or now and then.
    /// The event is cleared before the device is asked, so a change that comes meanwhile is an event again; if the device
    /// does not answer, the next call asks once more, after a [`reset`](Self::reset) too.
    ///
    /// # Errors
    ///
    /// [`Error::Config`], else as [`screens`](Self::screens).
    pub fn process_events(&mut self) -> Result<Option<Screens>, Error> {
        let control = self.control()?;
        let events = control.device.read_config(Events::read)?;
        if events.contains(Events::DISPLAY) {
            Events::DISPLAY.clear(&mut control.device.config_writer())?;
            control.has_changed_screens = true;
        }
        if !control.has_changed_screens {
            return Ok(None);
        }
        let screens = self.screens()?;
        self.control()?.has_changed_screens = false;
        Ok(Some(screens))
    }

    /// Asks for the size that a monitor prefers; `None` if there is no EDID that tells.
    fn edid_mode(&mut self, scanout: u32) -> Result<Option<Mode>, Error> {
        let timing = match self.edid(scanout) {
            Ok(edid) => edid.preferred_timing(),
            Err(Error::NoEdid | Error::Command { .. }) => return Ok(None),
            Err(error @ Error::Response { .. }) => {
                log::warn!("scanout {scanout} is taken to have no EDID: {error}");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        match timing {
            Ok(timing) => Ok(Some(Mode {
                width: timing.width,
                height: timing.height,
                source: ModeSource::Edid,
            })),
            // So it is with a display too large for the timings of a base block.
            Err(EdidError::NoTiming) => Ok(None),
            Err(error) => {
                log::warn!("scanout {scanout} is taken to have no EDID: {error}");
                Ok(None)
            }
        }
    }

    /// Says whether the device has the scanout.
    pub(crate) fn check_scanout(&mut self, scanout: u32) -> Result<(), Error> {
        let count = self.control()?.config.num_scanouts;
        if scanout < count {
            Ok(())
        } else {
            Err(Error::NoSuchScanout { scanout, count })
        }
    }
}
