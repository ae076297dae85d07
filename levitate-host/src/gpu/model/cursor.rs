//! The commands of the cursor queue (§5.7.6.10).

use super::super::command::Command;
use super::super::cursor::CURSOR_SIZE;
use super::super::resource::Fill;
use super::GpuModel;
use super::act::{
    ERR_INVALID_PARAMETER, ERR_INVALID_RESOURCE_ID, ERR_INVALID_SCANOUT_ID, ERR_UNSPEC,
};
use crate::queue::Request;

impl GpuModel {
    /// Serves a command of the cursor queue; an error is the type of the response.
    pub(super) fn act_on_cursor(
        &mut self,
        command: &Command,
        request: &mut Request<'_>,
    ) -> Result<(), u32> {
        match *command {
            Command::UpdateCursor {
                scanout,
                x,
                y,
                resource,
                hot_x,
                hot_y,
            } => {
                self.load_cursor(scanout, resource, request)?;
                let cursor = &mut self.scanouts[scanout as usize].cursor;
                (cursor.hot_x, cursor.hot_y) = (hot_x, hot_y);
                (cursor.x, cursor.y) = (x, y);
                Ok(())
            }
            Command::MoveCursor { scanout, x, y } => {
                let scanout = self
                    .scanouts
                    .get_mut(scanout as usize)
                    .ok_or(ERR_INVALID_SCANOUT_ID)?;
                (scanout.cursor.x, scanout.cursor.y) = (x, y);
                Ok(())
            }
            Command::Short(kind @ (0x0300 | 0x0301)) => {
                let what = format!("command {kind:#x} with {} bytes", request.readable_len());
                request.violation("GPU-24", what);
                Err(ERR_UNSPEC)
            }
            _ => {
                request.violation("GPU-20", format!("{command:?} on the cursor queue"));
                Err(ERR_UNSPEC)
            }
        }
    }

    fn load_cursor(
        &mut self,
        scanout: u32,
        resource: u32,
        request: &mut Request<'_>,
    ) -> Result<(), u32> {
        let cursor = match self.scanouts.get_mut(scanout as usize) {
            Some(scanout) => &mut scanout.cursor,
            None => return Err(ERR_INVALID_SCANOUT_ID),
        };
        if resource == 0 {
            // The specification is silent here; this is what Linux does to hide it.
            cursor.hide();
            return Ok(());
        }
        let Some(found) = self.resources.get(&resource) else {
            request.violation(
                "GPU-10",
                format!("a cursor of resource {resource}, not made"),
            );
            return Err(ERR_INVALID_RESOURCE_ID);
        };
        if (found.width, found.height) != (CURSOR_SIZE, CURSOR_SIZE) {
            let what = format!("a cursor of {}x{}", found.width, found.height);
            request.violation("GPU-21", what);
            return Err(ERR_INVALID_PARAMETER);
        }
        if found.fill != Fill::Certain {
            let what = format!("a cursor of resource {resource}: {:?}", found.fill);
            request.violation("GPU-10", what);
        }
        cursor.load(resource, found);
        Ok(())
    }
}
