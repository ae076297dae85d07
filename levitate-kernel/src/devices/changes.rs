//! What devices change about themselves while they are driven.

use core::sync::atomic::Ordering;

use log::{error, info};

use super::Devices;

impl Devices {
    /// Looks at every device that has said that its configuration changed, and says what came of it.
    pub(crate) fn follow_changes(&mut self) {
        for entry in &mut self.entries {
            // Relaxed: as where it is set.
            if !entry.has_changed.swap(false, Ordering::Relaxed) {
                continue;
            }
            let address = entry.address;
            let mut disks = self.disks.iter_mut().enumerate();
            if let Some((number, disk)) = disks.find(|(_, disk)| disk.address == address) {
                match disk.device.process_config_change() {
                    Ok(Some(resized)) => {
                        entry.state.set_role(disk.role(number));
                        info!(
                            "{address:#x}: disk {number} has {} sectors now, it had {}",
                            resized.now_sectors, resized.before_sectors
                        );
                    }
                    Ok(None) => {}
                    Err(error) => error!("{address:#x}: disk {number}: {error}"),
                }
            }
            let screen = self.screen.as_mut();
            if let Some(screen) = screen.filter(|screen| screen.address() == address) {
                match screen.process_events() {
                    Ok(Some(size)) => {
                        let role = super::start::display_role(size);
                        info!("{address:#x}: {role} now");
                        entry.state.set_role(role);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        error!("{address:#x}: the display does not follow its change: {error}")
                    }
                }
            }
        }
    }
}
