//! What each command does, and with which error it is refused (§5.7.6.8).

use super::super::command::{Command, Rect};
use super::super::resource::{Backing, Resource};
use super::{
    FEATURE_EDID, FEATURE_RESOURCE_BLOB, FEATURE_RESOURCE_UUID, FEATURE_VIRGL, GpuModel,
    MAX_SCANOUTS,
};
use crate::queue::Request;

/// QEMU's limit on the entries of one backing.
const MAX_ENTRIES: u32 = 16384;
/// QEMU refuses scanouts narrower or lower than this.
const MIN_SCANOUT: u32 = 16;

pub(super) const OK_NODATA: u32 = 0x1100;
const OK_DISPLAY_INFO: u32 = 0x1101;
const OK_EDID: u32 = 0x1104;
pub(super) const ERR_UNSPEC: u32 = 0x1200;
const ERR_OUT_OF_MEMORY: u32 = 0x1201;
pub(super) const ERR_INVALID_SCANOUT_ID: u32 = 0x1202;
pub(super) const ERR_INVALID_RESOURCE_ID: u32 = 0x1203;
pub(super) const ERR_INVALID_PARAMETER: u32 = 0x1205;

impl GpuModel {
    /// Serves a command of the control queue; returns type and body of the response.
    pub(super) fn act(
        &mut self,
        command: &Command,
        request: &mut Request<'_>,
    ) -> Result<(u32, Vec<u8>), u32> {
        match *command {
            Command::GetDisplayInfo => {
                self.has_told_modes = true;
                self.advice.ask_modes();
                return Ok((OK_DISPLAY_INFO, self.display_info()));
            }
            Command::GetEdid { scanout } => {
                if request.features() & (1 << FEATURE_EDID) == 0 {
                    request.violation("GPU-25", "GET_EDID without VIRTIO_GPU_F_EDID".to_owned());
                }
                self.advice.ask_edid();
                return self.edid(scanout).map(|body| (OK_EDID, body));
            }
            Command::Create2d {
                resource,
                format,
                width,
                height,
            } => self.create(resource, format, width, height, request)?,
            Command::Unref { resource } => {
                self.known(resource)?;
                self.resources.remove(&resource);
                for scanout in &mut self.scanouts {
                    if scanout.source.is_some_and(|(id, _)| id == resource) {
                        scanout.detach();
                    }
                }
            }
            Command::SetScanout {
                rect,
                scanout,
                resource,
            } => self.set_scanout(rect, scanout, resource, request)?,
            Command::Flush { rect, resource } => {
                let found = self
                    .resources
                    .get(&resource)
                    .ok_or(ERR_INVALID_RESOURCE_ID)?;
                if !rect.is_inside(found.width, found.height) {
                    return Err(ERR_INVALID_PARAMETER);
                }
                for scanout in &mut self.scanouts {
                    scanout.flush(resource, rect, found);
                }
            }
            Command::Transfer {
                rect,
                offset,
                resource,
            } => self.transfer(rect, offset, resource, request)?,
            Command::AttachBacking {
                resource,
                announced,
                ref entries,
            } => self.attach(resource, announced, entries, request)?,
            Command::DetachBacking { resource } => {
                let found = self.known(resource)?;
                found.backing.take().ok_or(ERR_UNSPEC)?;
            }
            Command::UpdateCursor { .. } | Command::MoveCursor { .. } => {
                request.violation("GPU-20", "a cursor command on the control queue".to_owned());
                return Err(ERR_UNSPEC);
            }
            Command::Short(kind) => {
                request.violation(
                    "GPU-24",
                    format!("command {kind:#x} with {} bytes", request.readable_len()),
                );
                return Err(ERR_UNSPEC);
            }
            Command::Unknown(kind) => {
                check_optional(kind, request);
                return Err(ERR_UNSPEC);
            }
        }
        Ok((OK_NODATA, Vec::new()))
    }

    fn known(&mut self, resource: u32) -> Result<&mut Resource, u32> {
        self.resources
            .get_mut(&resource)
            .ok_or(ERR_INVALID_RESOURCE_ID)
    }

    fn display_info(&self) -> Vec<u8> {
        let mut modes = [[0; 24]; MAX_SCANOUTS];
        for (scanout, mode) in self.scanouts.iter().zip(&mut modes) {
            if scanout.is_enabled {
                let Rect {
                    x,
                    y,
                    width,
                    height,
                } = scanout.place;
                let words = [x, y, width, height].map(u32::to_le_bytes);
                mode[..16].copy_from_slice(words.as_flattened());
                mode[16..20].copy_from_slice(&1_u32.to_le_bytes());
            }
        }
        modes.concat()
    }

    fn edid(&self, scanout: u32) -> Result<Vec<u8>, u32> {
        if !self.has_edid {
            return Err(ERR_UNSPEC);
        }
        let scanout = self
            .scanouts
            .get(scanout as usize)
            .ok_or(ERR_INVALID_PARAMETER)?;
        let block = scanout.edid();
        let mut body = vec![0; 8 + 1024];
        body[..4].copy_from_slice(&(block.len() as u32).to_le_bytes());
        body[8..8 + block.len()].copy_from_slice(&block);
        Ok(body)
    }

    fn create(
        &mut self,
        resource: u32,
        format: u32,
        width: u32,
        height: u32,
        request: &mut Request<'_>,
    ) -> Result<(), u32> {
        if resource == 0 {
            request.violation("GPU-22", "a resource with number 0".to_owned());
            return Err(ERR_INVALID_RESOURCE_ID);
        }
        if self.resources.contains_key(&resource) {
            return Err(ERR_INVALID_RESOURCE_ID);
        }
        let used: u64 = self
            .resources
            .values()
            .map(|other| Resource::len_bytes(other.width, other.height))
            .sum();
        if used.saturating_add(Resource::len_bytes(width, height)) > self.host_memory_bytes {
            return Err(ERR_OUT_OF_MEMORY);
        }
        let made = Resource::new(format, width, height).ok_or(ERR_INVALID_PARAMETER)?;
        self.resources.insert(resource, made);
        Ok(())
    }

    fn set_scanout(
        &mut self,
        rect: Rect,
        scanout: u32,
        resource: u32,
        request: &mut Request<'_>,
    ) -> Result<(), u32> {
        if !self.has_told_modes {
            request.violation("GPU-06", "SET_SCANOUT before GET_DISPLAY_INFO".to_owned());
        }
        let screen = self
            .scanouts
            .get_mut(scanout as usize)
            .ok_or(ERR_INVALID_SCANOUT_ID)?;
        if resource == 0 {
            screen.detach();
            return Ok(());
        }
        let has_edid = request.features() & (1 << FEATURE_EDID) != 0;
        for rule in self.advice.ignored(has_edid) {
            let what = "SET_SCANOUT without asking what the screens are".to_owned();
            request.violation(rule, what);
        }
        let found = self
            .resources
            .get(&resource)
            .ok_or(ERR_INVALID_RESOURCE_ID)?;
        if found.backing.is_none() {
            request.violation(
                "GPU-24",
                "SET_SCANOUT of a resource without backing".to_owned(),
            );
            return Err(ERR_UNSPEC);
        }
        if !rect.is_inside(found.width, found.height) {
            request.violation(
                "GPU-23",
                format!("{rect:?} in a resource of {}x{}", found.width, found.height),
            );
            return Err(ERR_INVALID_PARAMETER);
        }
        if rect.width < MIN_SCANOUT || rect.height < MIN_SCANOUT {
            return Err(ERR_INVALID_PARAMETER);
        }
        screen.attach(resource, rect, found);
        Ok(())
    }

    fn transfer(
        &mut self,
        rect: Rect,
        offset: u64,
        resource: u32,
        request: &mut Request<'_>,
    ) -> Result<(), u32> {
        let found = self.known(resource)?;
        if found.backing.is_none() {
            request.violation("GPU-24", "a transfer without backing".to_owned());
            return Err(ERR_UNSPEC);
        }
        if !rect.is_inside(found.width, found.height) {
            return Err(ERR_INVALID_PARAMETER);
        }
        match found.transfer(rect, offset) {
            Ok(true) => {}
            // QEMU copies what there is and says nothing.
            Ok(false) => {
                request.violation("GPU-24", "a transfer from beyond the backing".to_owned())
            }
            // The pool has recorded it.
            Err(_) => return Err(ERR_UNSPEC),
        }
        Ok(())
    }

    fn attach(
        &mut self,
        resource: u32,
        announced: u32,
        entries: &[(u64, u32)],
        request: &mut Request<'_>,
    ) -> Result<(), u32> {
        let found = self.known(resource)?;
        if found.backing.is_some() || announced > MAX_ENTRIES {
            return Err(ERR_UNSPEC);
        }
        let Some(entries) = entries.get(..announced as usize) else {
            let what = format!("{announced} entries announced, {} there", entries.len());
            request.violation("GPU-24", what);
            return Err(ERR_UNSPEC);
        };
        found.backing = Some(Backing::new(entries.to_vec(), request.memory()));
        Ok(())
    }
}

/// Checks that the driver may use a command that needs a feature, which this device does not have (§5.7.6.8, §5.7.6.9).
fn check_optional(kind: u32, request: &mut Request<'_>) {
    let (rule, feature) = match kind {
        // There is no capability set, so that any index is too high.
        0x0108 => {
            request.violation("GPU-12", "GET_CAPSET_INFO, num_capsets is 0".to_owned());
            return;
        }
        0x010b => ("GPU-25", FEATURE_RESOURCE_UUID),
        0x010c | 0x010d | 0x0208 | 0x0209 => ("GPU-25", FEATURE_RESOURCE_BLOB),
        0x0200..=0x0207 => ("GPU-27", FEATURE_VIRGL),
        _ => return,
    };
    if request.features() & (1 << feature) == 0 {
        request.violation(rule, format!("command {kind:#x} without feature {feature}"));
    }
}
