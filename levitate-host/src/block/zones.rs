//! The state machine of a disk's zones (§5.2.6): [`Zones`].

use std::ops::Range;

use super::status::{Served, Status};
use super::zoned::{Zone, ZoneKind, ZoneModel, ZoneState, Zoned};

/// All zones of a disk, in order.
#[derive(Clone, Debug)]
pub(super) struct Zones {
    zoned: Zoned,
    zones: Vec<Zone>,
}

impl Zones {
    /// Divides a disk into zones that are empty; a drive-managed one has none.
    pub(super) fn new(zoned: Zoned, disk_sectors: u64) -> Self {
        let size = u64::from(zoned.zone_sectors);
        let count = match zoned.model {
            ZoneModel::DriveManaged => 0,
            ZoneModel::HostManaged | ZoneModel::HostAware => disk_sectors.div_ceil(size),
        };
        let zone = |index: u64| {
            let start = index * size;
            let sectors = size.min(disk_sectors - start);
            let is_conventional = index < zoned.conventional_zones as u64;
            let (kind, state) = match zoned.model {
                _ if is_conventional => (ZoneKind::Conventional, ZoneState::NotWritePointer),
                ZoneModel::HostAware => (ZoneKind::WritePreferred, ZoneState::Empty),
                _ => (ZoneKind::WriteRequired, ZoneState::Empty),
            };
            let capacity_sectors = if is_conventional {
                sectors
            } else {
                sectors.min(u64::from(zoned.capacity_sectors))
            };
            Zone {
                kind,
                state,
                start,
                sectors,
                capacity_sectors,
                write_pointer: start,
            }
        };
        Self {
            zoned,
            zones: (0..count).map(zone).collect(),
        }
    }

    pub(super) fn as_slice(&self) -> &[Zone] {
        &self.zones
    }

    pub(super) fn set_state(&mut self, index: usize, state: ZoneState) {
        self.zones[index].state = state;
    }

    /// Returns which zone has `sector`.
    pub(super) fn index_of(&self, sector: u64) -> Option<usize> {
        let index = usize::try_from(sector / u64::from(self.zoned.zone_sectors)).ok()?;
        self.zones
            .get(index)
            .is_some_and(|zone| sector < zone.end())
            .then_some(index)
    }

    /// Returns which zone begins with `sector`.
    pub(super) fn index_starting_at(&self, sector: u64) -> Option<usize> {
        let index = self.index_of(sector)?;
        (self.zones[index].start == sector).then_some(index)
    }

    /// Returns the parts of `sectors` that are in one zone each, with the zone's index.
    pub(super) fn pieces(&self, sectors: &Range<u64>) -> Vec<(usize, Range<u64>)> {
        let piece = |(index, zone): (usize, &Zone)| {
            let (start, end) = (sectors.start.max(zone.start), sectors.end.min(zone.end()));
            (start < end).then_some((index, start..end))
        };
        self.zones.iter().enumerate().filter_map(piece).collect()
    }

    /// ZONE_OPEN.
    pub(super) fn open(&mut self, index: usize) -> Served {
        if !self.zones[index].state.is_writable() {
            return Err(Status::ZoneInvalidCommand);
        }
        self.make_room(index)?;
        self.zones[index].state = ZoneState::ExplicitlyOpen;
        Ok(())
    }

    /// ZONE_CLOSE.
    pub(super) fn close(&mut self, index: usize) -> Served {
        let zone = &mut self.zones[index];
        zone.state = match zone.state {
            ZoneState::ExplicitlyOpen if zone.write_pointer == zone.start => ZoneState::Empty,
            state if state.is_active() => ZoneState::Closed,
            _ => return Err(Status::ZoneInvalidCommand),
        };
        Ok(())
    }

    /// ZONE_FINISH; the specification has no way from empty or closed to full.
    pub(super) fn finish(&mut self, index: usize) -> Served {
        let zone = &mut self.zones[index];
        if !zone.state.is_open() && zone.state != ZoneState::Full {
            return Err(Status::ZoneInvalidCommand);
        }
        zone.state = ZoneState::Full;
        Ok(())
    }

    /// ZONE_RESET.
    pub(super) fn reset(&mut self, index: usize) -> Served {
        let zone = &mut self.zones[index];
        if !zone.state.is_writable() && zone.state != ZoneState::Full {
            return Err(Status::ZoneInvalidCommand);
        }
        zone.state = ZoneState::Empty;
        zone.write_pointer = zone.start;
        Ok(())
    }

    /// ZONE_RESET_ALL; it passes over the zones that cannot be reset.
    pub(super) fn reset_all(&mut self) {
        for index in 0..self.zones.len() {
            // That one of them cannot be is no failure.
            let _ = self.reset(index);
        }
    }

    /// Checks a read.
    pub(super) fn check_read(&self, sectors: &Range<u64>) -> Served {
        let pieces = self.pieces(sectors);
        let zones = || pieces.iter().map(|(index, _)| &self.zones[*index]);
        let is_across =
            pieces.len() > 1 && zones().any(|zone| zone.kind == ZoneKind::WriteRequired);
        if is_across || zones().any(|zone| zone.state == ZoneState::Offline) {
            return Err(Status::ZoneInvalidCommand);
        }
        Ok(())
    }

    /// Checks that none of the zones is lost for changes.
    pub(super) fn check_change(&self, sectors: &Range<u64>) -> Served {
        let is_lost = |(index, _): &(usize, Range<u64>)| {
            let state = self.zones[*index].state;
            matches!(state, ZoneState::ReadOnly | ZoneState::Offline)
        };
        if self.pieces(sectors).iter().any(is_lost) {
            return Err(Status::ZoneInvalidCommand);
        }
        Ok(())
    }

    /// Checks a write, and opens the zone that needs to be.
    pub(super) fn admit_write(&mut self, sectors: &Range<u64>) -> Served {
        self.check_change(sectors)?;
        let pieces = self.pieces(sectors);
        for (index, piece) in &pieces {
            let zone = self.zones[*index];
            if zone.kind != ZoneKind::WriteRequired {
                continue;
            }
            if pieces.len() > 1 || zone.state == ZoneState::Full || piece.end > zone.writable_end()
            {
                return Err(Status::ZoneInvalidCommand);
            }
            let granularity = u64::from(self.zoned.write_granularity_bytes);
            if piece.start != zone.write_pointer || !(piece.end * 512).is_multiple_of(granularity) {
                return Err(Status::ZoneUnalignedWritePointer);
            }
            if !zone.state.is_open() {
                self.make_room(*index)?;
                self.zones[*index].state = ZoneState::ImplicitlyOpen;
            }
        }
        Ok(())
    }

    /// Moves the write pointers behind what was written.
    pub(super) fn advance(&mut self, sectors: &Range<u64>) {
        for (index, piece) in self.pieces(sectors) {
            let zone = &mut self.zones[index];
            if !zone.is_sequential() {
                continue;
            }
            // Also of a zone that FINISH filled: what is written behind its pointer is there to be read.
            zone.write_pointer = zone.write_pointer.max(piece.end);
            if zone.write_pointer >= zone.writable_end() {
                zone.state = ZoneState::Full;
            } else if !zone.state.is_open() && zone.state != ZoneState::Full {
                // Only a zone where writes anywhere are allowed gets here; the limits do not hold for it,
                // since a driver that did not accept ZONED knows nothing of them.
                zone.state = ZoneState::ImplicitlyOpen;
            }
        }
    }

    /// Makes sure that `index` can be opened within the limits, closing a zone that a write had opened.
    fn make_room(&mut self, index: usize) -> Served {
        let state = self.zones[index].state;
        let is_at = |limit: u32, count: usize| limit > 0 && count >= limit as usize;
        let count = |counts: fn(ZoneState) -> bool| {
            self.zones.iter().filter(|zone| counts(zone.state)).count()
        };
        if !state.is_active() && is_at(self.zoned.max_active_zones, count(ZoneState::is_active)) {
            return Err(Status::ZoneActiveResource);
        }
        if state.is_open() || !is_at(self.zoned.max_open_zones, count(ZoneState::is_open)) {
            return Ok(());
        }
        let implicit = self
            .zones
            .iter_mut()
            .find(|zone| zone.state == ZoneState::ImplicitlyOpen)
            .ok_or(Status::ZoneOpenResource)?;
        implicit.state = ZoneState::Closed;
        Ok(())
    }
}
