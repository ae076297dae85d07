//! From the bytes of a request to its status (§5.2.6).

use std::ops::Range;

use super::{
    BlockModel, FEATURE_FLUSH, FEATURE_SEG_MAX, FEATURE_SIZE_MAX, ID_BYTES, Kind, SECTOR_BYTES,
};
use crate::queue::{Buffer, Request};

const HEADER_BYTES: usize = 16;
const STATUS_OK: u8 = 0;
const STATUS_IO_ERROR: u8 = 1;
const STATUS_UNSUPPORTED: u8 = 2;
const ANY_LAYOUT: u64 = 1 << 27;
const VERSION_1: u64 = 1 << 32;

/// The parts of a request.
pub(super) struct Parsed {
    pub(super) kind: Kind,
    pub(super) sector: u64,
    pub(super) data: Vec<u8>,
    pub(super) room: usize,
}

impl BlockModel {
    /// Checks the layout of a request and finds its parts (§5.2.6).
    pub(super) fn parse(&self, request: &mut Request<'_>) -> Option<Parsed> {
        let bytes = request.read_all().ok()?;
        let Some((&header, data)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            request.violation("BLK-40", format!("{} bytes are no header", bytes.len()));
            return None;
        };
        if request.writable_len() == 0 {
            request.violation("BLK-40", "there is no room for the status".to_owned());
            return None;
        }
        self.check_framing(request);
        let [t0, t1, t2, t3, _, _, _, _, s0, s1, s2, s3, s4, s5, s6, s7] = header;
        Some(Parsed {
            kind: Kind::from_number(u32::from_le_bytes([t0, t1, t2, t3])),
            sector: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            data: data.to_vec(),
            room: request.writable_len() - 1,
        })
    }

    fn check_framing(&self, request: &mut Request<'_>) {
        let (readable, writable) = (request.readable(), request.writable());
        let is_split = readable.first().map(|first| first.len_bytes) == Some(16)
            && writable.last().map(|last| last.len_bytes) == Some(1);
        if request.features() & (ANY_LAYOUT | VERSION_1) == 0 && !is_split {
            request.violation(
                "LEG-23",
                "header, data and status share a descriptor".to_owned(),
            );
        }
        if !is_split {
            return;
        }
        let data: Vec<Buffer> = readable
            .iter()
            .skip(1)
            .chain(writable.iter().rev().skip(1))
            .copied()
            .collect();
        let features = request.features();
        if let Some(max) = self.size_max
            && features & (1 << FEATURE_SIZE_MAX) != 0
            && let Some(segment) = data.iter().find(|segment| segment.len_bytes > max)
        {
            request.violation(
                "BLK-41",
                format!(
                    "a segment of {} bytes, SIZE_MAX is {max}",
                    segment.len_bytes
                ),
            );
        }
        if let Some(max) = self.seg_max
            && features & (1 << FEATURE_SEG_MAX) != 0
            && data.len() > max as usize
        {
            request.violation(
                "BLK-41",
                format!("{} data segments, SEG_MAX is {max}", data.len()),
            );
        }
    }

    /// Returns the bytes that `len_bytes` from `sector` on are, if the disk has them and they are good.
    fn locate(
        &self,
        request: &mut Request<'_>,
        parsed: &Parsed,
        len_bytes: usize,
    ) -> Option<Range<usize>> {
        if len_bytes == 0 || !len_bytes.is_multiple_of(SECTOR_BYTES) {
            request.violation("BLK-16", format!("{:?} of {len_bytes} bytes", parsed.kind));
            return None;
        }
        let sectors = (len_bytes / SECTOR_BYTES) as u64;
        let end = parsed.sector.checked_add(sectors);
        let Some(end) = end.filter(|end| *end <= self.capacity_sectors) else {
            let what = format!(
                "{sectors} sectors from {}, capacity {}",
                parsed.sector, self.capacity_sectors
            );
            request.violation("BLK-12", what);
            return None;
        };
        let is_bad = |bad: &Range<u64>| bad.start < end && parsed.sector < bad.end;
        if self.bad_sectors.iter().any(is_bad) {
            return None;
        }
        let start = usize::try_from(parsed.sector)
            .ok()?
            .checked_mul(SECTOR_BYTES)?;
        let bytes = start..start.checked_add(len_bytes)?;
        (bytes.end <= self.content.len()).then_some(bytes)
    }

    pub(super) fn act(&mut self, request: &mut Request<'_>, parsed: &Parsed) -> u8 {
        match parsed.kind {
            Kind::In => {
                if !parsed.data.is_empty() {
                    request.violation("BLK-40", "a read has data for the device".to_owned());
                }
                match self.locate(request, parsed, parsed.room) {
                    Some(bytes) => request.write(0, &self.content[bytes]),
                    None => return STATUS_IO_ERROR,
                }
                STATUS_OK
            }
            Kind::Out => self.write(request, parsed),
            Kind::Flush => self.flush(request, parsed),
            Kind::GetId => {
                if parsed.room != ID_BYTES {
                    request.violation("BLK-18", format!("GET_ID with {} bytes", parsed.room));
                }
                let id = self.id;
                request.write(0, &id[..ID_BYTES.min(parsed.room)]);
                STATUS_OK
            }
            Kind::Other(_) => STATUS_UNSUPPORTED,
        }
    }

    fn write(&mut self, request: &mut Request<'_>, parsed: &Parsed) -> u8 {
        if parsed.room != 0 {
            request.violation("BLK-40", "a write has data for the driver".to_owned());
        }
        let Some(bytes) = self.locate(request, parsed, parsed.data.len()) else {
            return STATUS_IO_ERROR;
        };
        if self.is_read_only {
            return STATUS_IO_ERROR;
        }
        self.content[bytes.clone()].copy_from_slice(&parsed.data);
        // A device must not keep volatile what a driver cannot flush (§5.2.6.2).
        if !self.has_flush || request.features() & (1 << FEATURE_FLUSH) == 0 {
            self.durable[bytes].copy_from_slice(&parsed.data);
        }
        STATUS_OK
    }

    fn flush(&mut self, request: &mut Request<'_>, parsed: &Parsed) -> u8 {
        if parsed.sector != 0 {
            request.violation("BLK-14", format!("a flush has sector {}", parsed.sector));
        }
        if !parsed.data.is_empty() || parsed.room != 0 {
            request.violation("BLK-15", "a flush has data".to_owned());
        }
        if request.features() & (1 << FEATURE_FLUSH) == 0 {
            return STATUS_UNSUPPORTED;
        }
        if self.failing_flushes > 0 {
            self.failing_flushes -= 1;
            return STATUS_IO_ERROR;
        }
        self.durable.copy_from_slice(&self.content);
        STATUS_OK
    }
}
