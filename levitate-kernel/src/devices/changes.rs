//! What devices change about themselves while they are driven.

use levitate_kernel::changes::{MAX_LOOKS, Next};
use log::{error, info, warn};

use super::start::display_role;
use super::{Devices, Disk, Entry};
use crate::drivers::DriverError;
use crate::screen::Screen;

impl Devices {
    /// Looks at every device that has said that its configuration changed, and says what came of it.
    ///
    /// A look that fails is repeated the next time this is called, [`MAX_LOOKS`] times in all.
    pub(crate) fn follow_changes(&mut self) {
        for entry in &mut self.entries {
            let location = entry.location;
            let screen = self.screen.as_mut();
            let mut screen = screen.filter(|screen| screen.location() == location);
            let was_reset = screen.as_mut().is_some_and(|screen| screen.take_reset());
            let has_changed = entry.signal.take_config_change();
            let is_due = entry.follow_up.is_due(has_changed || was_reset);
            let mut looked = Ok(());
            let mut disks = self.disks.iter_mut().enumerate();
            if let Some((number, disk)) = disks.find(|(_, disk)| disk.location == location) {
                if is_due {
                    looked = disk.device.process_config_change();
                }
                // Not only then: a disk that was reset in between may have come up with another length, and no word of it.
                entry.follow_length(disk, number);
            }
            if let Some(screen) = screen
                && is_due
            {
                looked = entry.follow_display(screen);
                // A reset by the look itself is no other reason to look, or there would be no end of looks that fail.
                screen.take_reset();
            }
            match looked {
                Ok(()) => entry.follow_up.succeeded(),
                Err(error) => entry.look_failed(&error),
            }
        }
    }
}

impl Entry {
    /// Says that a disk has another length than it was said to have.
    fn follow_length(&mut self, disk: &mut Disk, number: usize) {
        let now = disk.device.info().capacity_sectors;
        if let Some(before) = disk.told_sectors.update(now) {
            let location = self.location;
            match disk.role(number) {
                Ok(role) => self.state.set_role(role),
                Err(error) => warn!("{location}: what it is now is not known: {error}"),
            }
            info!("{location}: disk {number} has {now} sectors now, it had {before}");
        }
    }

    fn follow_display(&mut self, screen: &mut Screen) -> Result<(), DriverError> {
        if let Some(size) = screen.process_events()? {
            let role = display_role(size);
            info!("{}: {role} now", self.location);
            self.state.set_role(role);
        }
        Ok(())
    }

    fn look_failed(&mut self, error: &DriverError) {
        let location = self.location;
        error!("{location}: its change is not followed: {error}");
        if self.follow_up.failed() == Next::GiveUp {
            warn!(
                "{location}: {MAX_LOOKS} looks have failed; its change is given up until it changes again"
            );
        }
    }
}
