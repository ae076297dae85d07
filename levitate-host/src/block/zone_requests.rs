//! The requests of zoned disks, and what zones ask of the others (§5.2.6).

use std::ops::Range;

use super::feature::{self, has};
use super::serve::Parsed;
use super::status::{Served, Status};
use super::transfer::bytes_of;
use super::zoned::{Zone, ZoneKind, Zoned};
use super::zones::Zones;
use super::{BlockModel, Kind, SECTOR_BYTES};
use crate::queue::Request;

const REPORT_HEADER_BYTES: usize = 64;
const DESCRIPTOR_BYTES: usize = 64;
const APPEND_SECTOR_BYTES: usize = 8;

impl BlockModel {
    /// Serves a request that only zoned disks know.
    pub(super) fn act_on_zones(&mut self, request: &mut Request<'_>, parsed: &Parsed) -> Served {
        let zoned = self
            .offer
            .zoned
            .filter(|_| has(request.features(), feature::ZONED) && !self.zones().is_empty())
            .ok_or(Status::Unsupported)?;
        let kind = parsed.kind;
        if !parsed.data.is_empty() && kind != Kind::ZoneAppend {
            request.violation("BLK-40", format!("{kind:?} has data for the device"));
        }
        match kind {
            Kind::ZoneAppend => return self.append(request, parsed, zoned),
            Kind::ZoneReport => return self.report(request, parsed),
            _ => {}
        }
        if parsed.room != 0 {
            request.violation("BLK-40", format!("{kind:?} has data for the driver"));
        }
        let Some(zones) = &mut self.zones else {
            return Err(Status::Unsupported);
        };
        if kind == Kind::ZoneResetAll {
            if parsed.sector != 0 {
                let what = format!("ZONE_RESET_ALL has sector {}", parsed.sector);
                request.violation("BLK-31", what);
            }
            zones.reset_all();
            return Ok(());
        }
        let Some(index) = zones.index_starting_at(parsed.sector) else {
            let what = format!("{kind:?}: no zone begins at sector {}", parsed.sector);
            request.violation("BLK-30", what);
            return Err(Status::ZoneInvalidCommand);
        };
        // A conventional zone is in none of the states that these begin with.
        match kind {
            Kind::ZoneOpen => zones.open(index),
            Kind::ZoneClose => zones.close(index),
            Kind::ZoneFinish => zones.finish(index),
            _ => zones.reset(index),
        }
    }

    fn report(&self, request: &mut Request<'_>, parsed: &Parsed) -> Served {
        let first = self
            .zones
            .as_ref()
            .and_then(|zones| zones.index_of(parsed.sector));
        let Some(first) = first else {
            let what = format!("a report from sector {}, in no zone", parsed.sector);
            request.violation("BLK-28", what);
            return Err(Status::ZoneInvalidCommand);
        };
        let room = parsed
            .room
            .checked_sub(REPORT_HEADER_BYTES)
            .ok_or(Status::ZoneInvalidCommand)?;
        let reported: Vec<_> = self.zones()[first..]
            .iter()
            .take(room / DESCRIPTOR_BYTES)
            .map(Zone::descriptor)
            .collect();
        let mut answer = vec![0; REPORT_HEADER_BYTES];
        answer[..8].copy_from_slice(&(reported.len() as u64).to_le_bytes());
        answer.extend(reported.concat());
        request.write(0, &answer);
        Ok(())
    }

    fn append(&mut self, request: &mut Request<'_>, parsed: &Parsed, zoned: Zoned) -> Served {
        if parsed.room != APPEND_SECTOR_BYTES {
            let what = format!("{} bytes for append_sector and status", parsed.room + 1);
            request.violation("BLK-40", what);
            return Err(Status::IoError);
        }
        let limit = u64::from(zoned.max_append_sectors);
        if limit == 0 {
            return Err(Status::Unsupported);
        }
        let len_bytes = parsed.data.len();
        let granularity = zoned.write_granularity_bytes as usize;
        if !len_bytes.is_multiple_of(granularity) {
            let what = format!("{len_bytes} bytes, granularity {granularity}");
            request.violation("BLK-33", what);
        }
        if len_bytes == 0 || !len_bytes.is_multiple_of(SECTOR_BYTES) {
            return Err(Status::ZoneInvalidCommand);
        }
        let count = (len_bytes / SECTOR_BYTES) as u64;
        if count > limit {
            request.violation("BLK-34", format!("{count} sectors, limit {limit}"));
            return Err(Status::ZoneInvalidCommand);
        }
        let zone = self
            .zones
            .as_ref()
            .and_then(|zones| Some(zones.as_slice()[zones.index_starting_at(parsed.sector)?]));
        let Some(zone) = zone else {
            let what = format!("no zone begins at sector {}", parsed.sector);
            request.violation("BLK-32", what);
            return Err(Status::ZoneInvalidCommand);
        };
        // The pointer of a full zone is where nothing can follow.
        if zone.kind != ZoneKind::WriteRequired || !zone.state.is_writable() {
            return Err(Status::ZoneInvalidCommand);
        }
        let sectors = zone.write_pointer..zone.write_pointer + count;
        if sectors.end > zone.writable_end() {
            request.violation("BLK-38", format!("{count} sectors more in {zone:?}"));
            return Err(Status::ZoneInvalidCommand);
        }
        self.locate(request, sectors.start, count)?;
        if self.offer.is_read_only {
            return Err(Status::IoError);
        }
        self.admit_write(request.features(), &sectors)?;
        let durability = self.durability(request.features());
        self.store
            .write(bytes_of(&sectors).start, &parsed.data, durability)?;
        self.advance(&sectors);
        request.write(0, &sectors.start.to_le_bytes());
        Ok(())
    }

    /// Notes what a write to sequential zones owes them, without regard to what becomes of it.
    pub(super) fn check_zoned_write(
        &self,
        request: &mut Request<'_>,
        parsed: &Parsed,
        sectors: &Range<u64>,
    ) {
        let (Some(zoned), Some(zones)) = (self.offer.zoned, &self.zones) else {
            return;
        };
        if !has(request.features(), feature::ZONED) {
            return;
        }
        let granularity = u64::from(zoned.write_granularity_bytes);
        for (index, piece) in zones.pieces(sectors) {
            let zone = zones.as_slice()[index];
            if !zone.is_sequential() {
                continue;
            }
            if !(parsed.data.len() as u64).is_multiple_of(granularity) {
                let what = format!("{} bytes, granularity {granularity}", parsed.data.len());
                request.violation("BLK-36", what);
            }
            let start = parsed.sector * SECTOR_BYTES as u64;
            if !start.is_multiple_of(granularity) {
                let what = format!("sector {}, granularity {granularity}", parsed.sector);
                request.violation("BLK-37", what);
            }
            let behind = zone.write_pointer.saturating_add(piece.end - piece.start);
            if zone.kind == ZoneKind::WriteRequired && behind > zone.writable_end() {
                request.violation("BLK-38", format!("{sectors:?} is too much for {zone:?}"));
            }
        }
    }

    /// Lets the zones refuse a write, or open for it; a gap before one that may be anywhere becomes zero.
    pub(super) fn admit_write(&mut self, features: u64, sectors: &Range<u64>) -> Served {
        let durability = self.durability(features);
        let Some(zones) = &mut self.zones else {
            return Ok(());
        };
        zones.admit_write(sectors)?;
        for (index, piece) in zones.pieces(sectors) {
            let zone = zones.as_slice()[index];
            if zone.is_sequential() && zone.write_pointer < piece.start {
                let gap = zone.write_pointer..piece.start;
                self.store.zero(&bytes_of(&gap), false, durability)?;
            }
        }
        Ok(())
    }

    pub(super) fn advance(&mut self, sectors: &Range<u64>) {
        if let Some(zones) = &mut self.zones {
            zones.advance(sectors);
        }
    }

    /// Zeroes what is beyond write pointers in `bytes`, which are those of `sectors` (§5.2.6.2).
    pub(super) fn hide_unwritten(&self, sectors: &Range<u64>, bytes: &mut [u8]) {
        let pieces = |zones: &Zones| zones.pieces(sectors);
        for (index, piece) in self.zones.as_ref().map(pieces).unwrap_or_default() {
            let zone = self.zones()[index];
            let written = zone.write_pointer.clamp(piece.start, piece.end);
            if zone.is_sequential() {
                let at = |sector: u64| (sector - sectors.start) as usize * SECTOR_BYTES;
                bytes[at(written)..at(piece.end)].fill(0);
            }
        }
    }
}
