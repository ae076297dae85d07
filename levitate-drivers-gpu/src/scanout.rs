//! What the device knows of its scanouts and their monitors (§5.7.5).

use levitate_hal::{Deadline, Platform};
use levitate_virtio::{Timeout, TimeoutCause, Token, Transport};

use crate::config::Events;
use crate::device::Gpu;
use crate::edid::{Edid, EdidError};
use crate::error::Error;
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
        let deadline = self.deadline_for_questions()?;
        self.ask_display_info(&deadline)
    }

    /// Asks for the EDID of a scanout's monitor (GET_EDID, §5.7.6.8).
    ///
    /// While the device owes the answer to an earlier question for an EDID, no other is asked: such a question keeps its slot.
    ///
    /// # Errors
    ///
    /// [`Error::NoEdid`] and [`Error::NoSuchScanout`] before anything is sent, else [`Error`].
    pub fn edid(&mut self, scanout: u32) -> Result<Edid, Error> {
        self.check_scanout(scanout)?;
        if !self.control()?.has_edid() {
            return Err(Error::NoEdid);
        }
        self.control()?.await_silent_edid()?;
        let deadline = self.deadline_for_questions()?;
        self.ask_edid(scanout, &deadline)
    }

    /// Asks what is to be known of all scanouts: the display info, and with EDID each monitor's EDID (§5.7.5).
    ///
    /// # Errors
    ///
    /// [`Error`] if the display info cannot be had.
    /// A device that refuses an EDID, has a bad one, or does not send it is taken to have none. All questions have one deadline,
    /// and one for an EDID that was not answered in time is the last until it is answered, or the device [`reset`](Self::reset).
    pub fn screens(&mut self) -> Result<Screens, Error> {
        let deadline = self.deadline_for_questions()?;
        let info = self.ask_display_info(&deadline)?;
        let mut screens = Screens::new(&info);
        for (scanout, screen) in (0..).zip(screens.as_mut_slice()) {
            screen.edid_mode = self.edid_mode(scanout, &deadline)?;
        }
        self.control()?.knows_screens = true;
        Ok(screens)
    }

    /// Asks how large the picture on a scanout should be (§5.7.5): [`Screen::mode`].
    ///
    /// Its monitor's EDID is asked for only if the display info does not tell, and no other monitor's.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchScanout`], else as [`screens`](Self::screens).
    pub fn preferred_mode(&mut self, scanout: u32) -> Result<Mode, Error> {
        self.check_scanout(scanout)?;
        let deadline = self.deadline_for_questions()?;
        let info = self.ask_display_info(&deadline)?;
        let index = usize::try_from(scanout).unwrap_or(usize::MAX);
        // The scanout was checked to be there.
        let display = info.displays().get(index).copied().unwrap_or_default();
        let edid_mode = match display.mode() {
            Some(_) => None,
            None => self.edid_mode(scanout, &deadline)?,
        };
        Ok(Screen { display, edid_mode }.mode())
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
        if !self.has_changed_screens()? {
            return Ok(None);
        }
        let screens = self.screens()?;
        self.control()?.has_changed_screens = false;
        Ok(Some(screens))
    }

    /// Looks whether a display has changed and was not asked about since, and clears the event.
    pub(crate) fn has_changed_screens(&mut self) -> Result<bool, Error> {
        let control = self.control()?;
        let events = control.device.read_config(Events::read)?;
        if events.contains(Events::DISPLAY) {
            Events::DISPLAY.clear(&mut control.device.config_writer())?;
            control.has_changed_screens = true;
        }
        Ok(control.has_changed_screens)
    }

    /// Returns one deadline for questions that are asked in turn; there is a slot for them.
    fn deadline_for_questions(&mut self) -> Result<Deadline, Error> {
        let control = self.control()?;
        control.reserve(1)?;
        Ok(control.deadline())
    }

    fn ask_display_info(&mut self, deadline: &Deadline) -> Result<DisplayInfo, Error> {
        let control = self.control()?;
        let token = control.send::<_, RespDisplayInfo>(&GetDisplayInfo::new())?;
        let response: RespDisplayInfo = control.wait(token, deadline)?;
        Ok(DisplayInfo::new(&response, control.config.num_scanouts))
    }

    fn ask_edid(&mut self, scanout: u32, deadline: &Deadline) -> Result<Edid, Error> {
        let token = self.send_edid(scanout)?;
        let response = self.control()?.wait(token, deadline)?;
        Ok(edid_of(&response))
    }

    /// Asks for an EDID without waiting, and remembers the question in case it is not answered in time.
    pub(crate) fn send_edid(&mut self, scanout: u32) -> Result<Token, Error> {
        let control = self.control()?;
        let token = control.send::<_, RespEdid>(&GetEdid::new(scanout))?;
        control.silent_edid = Some(token);
        Ok(token)
    }

    /// Asks for the size that a monitor prefers; `None` if there is no EDID that tells.
    fn edid_mode(&mut self, scanout: u32, deadline: &Deadline) -> Result<Option<Mode>, Error> {
        if !self.may_ask_edid(scanout, deadline)? {
            return Ok(None);
        }
        mode_of(scanout, self.ask_edid(scanout, deadline))
    }

    /// Says whether an EDID is to be asked for, among other questions with the same deadline.
    ///
    /// With no time left it is not: it would be said not even to have been fetched, and with that nobody could tell a slow
    /// monitor from a device that is gone. Before the deadline there is a slot for the question: that of one that was answered in time.
    pub(crate) fn may_ask_edid(
        &mut self,
        scanout: u32,
        deadline: &Deadline,
    ) -> Result<bool, Error> {
        let control = self.control()?;
        if !control.has_edid() || control.is_silent_about_edids() {
            return Ok(false);
        }
        if deadline.is_missed(control.platform.clock()) {
            log::warn!(
                "scanout {scanout} is taken to have no EDID: those before it took all the time"
            );
            return Ok(false);
        }
        Ok(true)
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

/// Takes the EDID out of its response.
pub(crate) fn edid_of(response: &RespEdid) -> Edid {
    // Its `size` is at most the length of the array (`Response::len_bytes`).
    let len_bytes = usize::try_from(response.size.get()).unwrap_or(usize::MAX);
    Edid::new(response.edid, len_bytes)
}

/// Reads the size that a monitor prefers from what a question for its EDID came to.
///
/// # Errors
///
/// What does not concern this monitor alone.
pub(crate) fn mode_of(scanout: u32, edid: Result<Edid, Error>) -> Result<Option<Mode>, Error> {
    let timing = match edid {
        Ok(edid) => edid.preferred_timing(),
        // What else may have happened concerns all commands; here the device has just answered another one.
        Err(Error::Timeout(
            timeout @ Timeout {
                cause: TimeoutCause::NotCompleted | TimeoutCause::Late | TimeoutCause::Unknown,
                ..
            },
        )) => {
            log::warn!("scanout {scanout} is taken to have no EDID: {timeout}");
            return Ok(None);
        }
        Err(Error::Command { .. }) => return Ok(None),
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
