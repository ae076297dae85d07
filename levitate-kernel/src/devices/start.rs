//! Giving a device to its driver, and taking it back.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use embedded_graphics::geometry::Size;
use levitate_kernel::changes::Told;
use levitate_kernel::command_line::Choice;
use levitate_virtio::{DeviceType, Signal, Transport};
use log::warn;

use super::{Devices, Disk, KernelTransport, Location, State};
use crate::drivers::block::BlockDevice as _;
use crate::drivers::display::Display;
use crate::drivers::levitate_blk::LevitateBlk;
use crate::drivers::levitate_gpu::LevitateGpu;
use crate::drivers::{DriverError, levitate_blk, levitate_gpu};
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
    /// Gives the device at `location` to the driver the command line chose.
    pub(super) fn drive(
        &mut self,
        location: Location,
        transport: KernelTransport,
        signal: &'static Signal,
    ) -> State {
        let (driver, role) = match (transport.device_type(), self.options.gpu, self.options.blk) {
            (DeviceType::GPU, Choice::Off, _) | (DeviceType::BLOCK, _, Choice::Off) => {
                return State::Off;
            }
            (DeviceType::GPU, Choice::Levitate, _) => {
                (levitate_gpu::NAME, self.start_gpu(location, transport))
            }
            (DeviceType::BLOCK, _, Choice::Levitate) => (
                levitate_blk::NAME,
                self.start_blk(location, transport, signal),
            ),
            _ => return State::Unknown,
        };
        match role {
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

    fn start_gpu(
        &mut self,
        location: Location,
        transport: KernelTransport,
    ) -> Result<String, DriverError> {
        if self.screen.is_some() {
            return Err("there is a display already, and the kernel uses one".into());
        }
        let display = LevitateGpu::new(transport)?;
        let size = display.size();
        self.screen = Some(Screen::new(location, Box::new(display)));
        Ok(display_role(size))
    }

    fn start_blk(
        &mut self,
        location: Location,
        transport: KernelTransport,
        signal: &'static Signal,
    ) -> Result<String, DriverError> {
        let device = LevitateBlk::new(transport, signal)?;
        let number = self.disks.partition_point(|disk| disk.location < location);
        let mut disk = Disk {
            location,
            told_sectors: Told::new(device.info().capacity_sectors),
            device: Box::new(device),
        };
        let role = disk.role(number);
        self.disks.insert(number, disk);
        Ok(role)
    }
}

impl Disk {
    /// Returns what the disk of this number is to the kernel.
    pub(super) fn role(&mut self, number: usize) -> String {
        let info = self.device.info();
        let id = self.device.id().unwrap_or_else(|error| {
            warn!("{}: no serial number: {error}", self.location);
            String::new()
        });
        format!(
            "disk {number} \"{id}\", {} sectors{}",
            info.capacity_sectors,
            if info.is_read_only { ", read-only" } else { "" }
        )
    }
}

/// Returns what a display of this size is to the kernel.
pub(super) fn display_role(size: Size) -> String {
    format!("display {}x{}", size.width, size.height)
}
