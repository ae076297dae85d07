//! What the device knows of its scanouts and their monitors (§5.7.5).

use levitate_hal::Platform;
use levitate_virtio::Transport;

use crate::device::Gpu;
use crate::edid::Edid;
use crate::error::Error;
use crate::features::GpuFeatures;
use crate::mode::{DisplayInfo, Mode, ModeSource};
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
