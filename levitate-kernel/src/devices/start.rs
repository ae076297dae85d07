//! Giving a device to its driver, and taking it back.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use embedded_graphics::geometry::Size;
use levitate_kernel::changes::Told;
use levitate_kernel::command_line::{Choice, Driver, Kind};
use levitate_virtio::DeviceType;
use log::warn;

use super::discovery::Interrupts;
use super::{Devices, Disk, Entry, State};
use crate::drivers::{self, DriverError};
use crate::screen::Screen;

impl State {
    /// Says what a device that is driven is to the kernel now.
    pub(super) fn set_role(&mut self, now: String) {
        if let Self::Driven { role, .. } = self {
            *role = now;
        }
    }

    pub(super) fn failed(driver: &'static str, reason: &impl fmt::Display) -> Self {
        Self::Failed {
            driver,
            reason: reason.to_string(),
        }
    }
}

impl Devices {
    /// Gives a device to the driver the command line chose; one that is left alone is not even turned on.
    pub(super) fn drive(&mut self, entry: &mut Entry) -> State {
        let Some((kind, number)) = entry.kind else {
            return State::Unknown;
        };
        let Choice::Driver(driver) = self.options.drivers.choice(kind, number) else {
            return State::Off;
        };
        entry.hear();
        let mut started = self.start_kind(kind, driver, entry);
        if let Err(error) = &started
            && drivers::is_about_messages(error)
            && entry.give_up_messages()
        {
            let interrupts = Interrupts(&entry.way);
            warn!(
                "{}: {error}; it is driven without messages: {interrupts}",
                entry.location
            );
            started = self.start_kind(kind, driver, entry);
        }
        let driver = driver.crate_name(kind);
        match started {
            Ok(role) => State::Driven { driver, role },
            Err(error) => State::failed(driver, &error),
        }
    }

    /// Takes the driver off the device with this index: the device is reset.
    pub(crate) fn stop(&mut self, index: usize) {
        let Some(entry) = self.entries.get_mut(index) else {
            return;
        };
        let location = entry.location;
        entry.state = State::Stopped;
        self.screen.take_if(|screen| screen.location() == location);
        self.disks.retain(|disk| disk.location != location);
    }

    fn start_kind(
        &mut self,
        kind: Kind,
        driver: Driver,
        entry: &Entry,
    ) -> Result<String, DriverError> {
        match kind {
            Kind::Gpu => self.start_gpu(driver, entry),
            Kind::Blk => self.start_blk(driver, entry),
        }
    }

    fn start_gpu(&mut self, driver: Driver, entry: &Entry) -> Result<String, DriverError> {
        if self.screen.is_some() {
            return Err("there is a display already, and the kernel uses one".into());
        }
        let display = drivers::display(driver, &entry.way, entry.signal)?;
        let size = display.size();
        self.screen = Some(Screen::new(entry.location, display));
        Ok(display_role(size))
    }

    fn start_blk(&mut self, driver: Driver, entry: &Entry) -> Result<String, DriverError> {
        let location = entry.location;
        let device = drivers::disk(driver, &entry.way, entry.signal)?;
        let number = self.disks.partition_point(|disk| disk.location < location);
        let mut disk = Disk {
            location,
            told_sectors: Told::new(device.info().capacity_sectors),
            device,
        };
        let role = disk.role(number)?;
        self.disks.insert(number, disk);
        Ok(role)
    }
}

impl Disk {
    /// Returns what the disk of this number is to the kernel.
    ///
    /// # Errors
    ///
    /// The disk does not answer; one that answers need not have a serial number.
    pub(super) fn role(&mut self, number: usize) -> Result<String, DriverError> {
        let info = self.device.info();
        let id = match self.device.id() {
            Err(error) if drivers::is_unanswered(&error) => return Err(error),
            Err(error) => {
                warn!("{}: no serial number: {error}", self.location);
                String::new()
            }
            Ok(id) => id,
        };
        Ok(format!(
            "disk {number} \"{id}\", {} sectors{}",
            info.capacity_sectors,
            if info.is_read_only { ", read-only" } else { "" }
        ))
    }
}

/// Returns what the command line calls a device of this type, if the kernel has a use for it.
pub(super) const fn kind_of(device_type: DeviceType) -> Option<Kind> {
    match device_type {
        DeviceType::GPU => Some(Kind::Gpu),
        DeviceType::BLOCK => Some(Kind::Blk),
        _ => None,
    }
}

/// Returns what a display of this size is to the kernel.
pub(super) fn display_role(size: Size) -> String {
    format!("display {}x{}", size.width, size.height)
}
