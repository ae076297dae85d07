//! Reads, writes and flushes, and what makes a write outlive a loss of power (§5.2.6).

use std::ops::Range;

use super::feature::{self, has};
use super::serve::Parsed;
use super::status::{Served, Status};
use super::store::Durability;
use super::{BlockModel, SECTOR_BYTES};
use crate::device::{Family, Violations};
use crate::queue::Request;

/// Returns where sectors are, in bytes.
pub(super) const fn bytes_of(sectors: &Range<u64>) -> Range<u64> {
    let unit = SECTOR_BYTES as u64;
    sectors.start.saturating_mul(unit)..sectors.end.saturating_mul(unit)
}

impl BlockModel {
    /// Takes a write to `writeback` (§5.2.5); what was volatile stays so.
    pub(super) fn switch_cache(&mut self, bytes: &[u8], violations: &mut Violations) {
        let is_allowed = match (self.negotiated, self.family) {
            (Some(features), _) => has(features, feature::CONFIG_WCE),
            // A legacy driver may switch before it has said what it accepts (§5.2.5.3).
            (None, Family::Legacy) => self.offer.has_cache_switch,
            (None, Family::Modern) => false,
        };
        match bytes {
            [value @ (0 | 1)] if is_allowed => self.is_writeback = *value == 1,
            [value] if is_allowed => {
                violations.add("BLK-22", format!("{value} was written to writeback"));
            }
            _ => violations.add(
                "BLK-22",
                "writeback was written without CONFIG_WCE".to_owned(),
            ),
        }
    }

    /// Says whether a write is stable once it is completed (§5.2.6.2).
    pub(super) const fn durability(&self, features: u64) -> Durability {
        let is_volatile = if has(features, feature::CONFIG_WCE) {
            self.is_writeback
        } else {
            has(features, feature::FLUSH)
        };
        if is_volatile {
            Durability::Volatile
        } else {
            Durability::Stable
        }
    }

    /// Checks that the disk has `count` sectors from `first` on, and that they are good.
    pub(super) fn locate(
        &self,
        request: &mut Request<'_>,
        first: u64,
        count: u64,
    ) -> Result<Range<u64>, Status> {
        let end = first.checked_add(count);
        let Some(end) = end.filter(|end| *end <= self.capacity_sectors) else {
            let what = format!(
                "{count} sectors from {first}, capacity {}",
                self.capacity_sectors
            );
            request.violation("BLK-12", what);
            return Err(Status::IoError);
        };
        let is_bad = |bad: &Range<u64>| bad.start < end && first < bad.end;
        if self.bad_sectors.iter().any(is_bad) {
            return Err(Status::IoError);
        }
        Ok(first..end)
    }

    /// Returns how many sectors `len_bytes` are, which have to be whole ones.
    pub(super) fn whole_sectors(
        request: &mut Request<'_>,
        parsed: &Parsed,
        len_bytes: usize,
    ) -> Result<u64, Status> {
        if len_bytes == 0 || !len_bytes.is_multiple_of(SECTOR_BYTES) {
            request.violation("BLK-16", format!("{:?} of {len_bytes} bytes", parsed.kind));
            return Err(Status::IoError);
        }
        Ok((len_bytes / SECTOR_BYTES) as u64)
    }

    pub(super) fn read(&self, request: &mut Request<'_>, parsed: &Parsed) -> Served {
        if !parsed.data.is_empty() {
            request.violation("BLK-40", "a read has data for the device".to_owned());
        }
        let count = Self::whole_sectors(request, parsed, parsed.room)?;
        let sectors = self.locate(request, parsed.sector, count)?;
        if let Some(zones) = &self.zones {
            zones.check_read(&sectors)?;
        }
        let mut bytes = self.store.read(&bytes_of(&sectors))?;
        self.hide_unwritten(&sectors, &mut bytes);
        request.write(0, &bytes);
        Ok(())
    }

    pub(super) fn write(&mut self, request: &mut Request<'_>, parsed: &Parsed) -> Served {
        if parsed.room != 0 {
            request.violation("BLK-40", "a write has data for the driver".to_owned());
        }
        let count = Self::whole_sectors(request, parsed, parsed.data.len())?;
        let sectors = self.locate(request, parsed.sector, count)?;
        if self.offer.is_read_only {
            return Err(Status::IoError);
        }
        self.check_zoned_write(request, parsed, &sectors);
        self.admit_write(request.features(), &sectors)?;
        let durability = self.durability(request.features());
        self.store
            .write(bytes_of(&sectors).start, &parsed.data, durability)?;
        self.advance(&sectors);
        Ok(())
    }

    pub(super) fn flush(&mut self, request: &mut Request<'_>, parsed: &Parsed) -> Served {
        if parsed.sector != 0 {
            request.violation("BLK-14", format!("a flush has sector {}", parsed.sector));
        }
        if !parsed.data.is_empty() || parsed.room != 0 {
            request.violation("BLK-15", "a flush has data".to_owned());
        }
        if !has(request.features(), feature::FLUSH) {
            return Err(Status::Unsupported);
        }
        if self.failing_flushes > 0 {
            self.failing_flushes -= 1;
            return Err(Status::IoError);
        }
        Ok(self.store.flush()?)
    }
}
