//! DISCARD, WRITE_ZEROES and SECURE_ERASE, which name ranges of sectors in their data (§5.2.6).

use std::ops::Range;

use super::feature::{self, has};
use super::offer::EraseLimits;
use super::record::SectorRange;
use super::serve::Parsed;
use super::status::{Served, Status};
use super::store::Durability;
use super::transfer::bytes_of;
use super::{BlockModel, Kind};
use crate::queue::Request;

const UNMAP: u32 = 1;

impl BlockModel {
    /// Serves any of the three; nothing is changed unless all ranges are good.
    pub(super) fn erase(&mut self, request: &mut Request<'_>, parsed: &Parsed) -> Served {
        let kind = parsed.kind;
        let (bit, limits, count_rule) = match kind {
            Kind::Discard => (feature::DISCARD, self.offer.discard, "BLK-19"),
            Kind::SecureErase => (feature::SECURE_ERASE, self.offer.secure_erase, "BLK-20"),
            _ => (feature::WRITE_ZEROES, self.offer.write_zeroes, "BLK-21"),
        };
        let limits = limits
            .filter(|_| has(request.features(), bit))
            .ok_or(Status::Unsupported)?;
        if parsed.room != 0 {
            request.violation("BLK-40", format!("{kind:?} has data for the driver"));
        }
        let len_bytes = parsed.data.len();
        if len_bytes == 0 || !len_bytes.is_multiple_of(SectorRange::LEN_BYTES) {
            request.violation("BLK-17", format!("{kind:?} of {len_bytes} bytes"));
            return Err(Status::IoError);
        }
        let ranges = SectorRange::parse_all(&parsed.data);
        if ranges.len() > limits.max_segments as usize {
            let what = format!("{} segments, limit {}", ranges.len(), limits.max_segments);
            request.violation(count_rule, what);
            return Err(Status::IoError);
        }
        Self::check_flags(request, kind, &ranges)?;
        if self.offer.is_read_only {
            return Err(Status::IoError);
        }
        for range in &ranges {
            self.check_range(request, kind, limits, range)?;
        }
        let ranges = || ranges.iter().filter(|range| range.sectors > 0);
        if kind == Kind::WriteZeroes
            && let Some(mut zones) = self.zones.clone()
        {
            // Each range where the ones before leave the write pointers, on a copy of the zones.
            for range in ranges() {
                zones.admit_write(&range.extent())?;
                zones.advance(&range.extent());
            }
        }
        for range in ranges() {
            let sectors = range.extent();
            let durability = self.durability(request.features());
            match kind {
                Kind::Discard => self.store.discard(&bytes_of(&sectors), durability)?,
                Kind::SecureErase => self.erase_securely(&sectors)?,
                _ => {
                    let unmap = range.flags & UNMAP != 0 && self.offer.may_unmap;
                    self.admit_write(request.features(), &sectors)?;
                    self.store.zero(&bytes_of(&sectors), unmap, durability)?;
                    self.advance(&sectors);
                }
            }
        }
        Ok(())
    }

    fn check_flags(request: &mut Request<'_>, kind: Kind, ranges: &[SectorRange]) -> Served {
        let known = match kind {
            Kind::WriteZeroes => UNMAP,
            _ => 0,
        };
        let mut result = Ok(());
        for range in ranges {
            if kind == Kind::Discard && range.flags & UNMAP != 0 {
                request.violation("BLK-24", format!("a discard with unmap: {range:?}"));
            }
            if range.flags & !known != 0 {
                result = Err(Status::Unsupported);
            }
        }
        result
    }

    fn check_range(
        &self,
        request: &mut Request<'_>,
        kind: Kind,
        limits: EraseLimits,
        range: &SectorRange,
    ) -> Served {
        let sectors = self.locate(request, range.sector, u64::from(range.sectors))?;
        if range.sectors > limits.max_sectors {
            return Err(Status::IoError);
        }
        let (Some(zoned), Some(zones)) = (self.offer.zoned, &self.zones) else {
            return Ok(());
        };
        zones.check_change(&sectors)?;
        match kind {
            Kind::SecureErase
                if has(request.features(), feature::ZONED) && !zones.as_slice().is_empty() =>
            {
                let size = u64::from(zoned.zone_sectors);
                let is_whole = range.sectors.is_multiple_of(zoned.zone_sectors)
                    || sectors.end == self.capacity_sectors;
                if !is_whole {
                    let what = format!("{} sectors of zones of {size}", range.sectors);
                    request.violation("BLK-39", what);
                }
                if !is_whole || !range.sector.is_multiple_of(size) {
                    return Err(Status::ZoneInvalidCommand);
                }
            }
            // A zone gives its space back as a whole, with a reset.
            Kind::Discard if self.offer.is_host_managed() => {
                return Err(Status::ZoneInvalidCommand);
            }
            _ => {}
        }
        Ok(())
    }

    /// Leaves nothing of `sectors`, neither what a read finds nor what a loss of power would; whole zones are reset.
    fn erase_securely(&mut self, sectors: &Range<u64>) -> Served {
        if let Some(zones) = &mut self.zones {
            for (index, piece) in zones.pieces(sectors) {
                let zone = zones.as_slice()[index];
                if zone.is_sequential() && piece == (zone.start..zone.end()) {
                    zones.reset(index)?;
                }
            }
        }
        Ok(self
            .store
            .zero(&bytes_of(sectors), true, Durability::Stable)?)
    }
}
