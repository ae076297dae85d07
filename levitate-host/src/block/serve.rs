//! From the bytes of a request to the bytes of its answer (§5.2.6).

use super::feature::{self, has};
use super::record::SectorRange;
use super::status::{Served, Status};
use super::{BlockModel, BlockRequest, ID_BYTES, Kind};
use crate::queue::{Buffer, Request};

const HEADER_BYTES: usize = 16;
const LIFETIME_BYTES: usize = 6;
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
    /// Serves a request, and notes it.
    pub(super) fn answer(&mut self, queue: u16, request: &mut Request<'_>) {
        if queue > 0 && !has(request.features(), feature::MQ) {
            request.violation("BLK-42", format!("a request by queue {queue} without MQ"));
        }
        let Some(parsed) = self.parse(request) else {
            // There is no place for a status, or nothing to have one about.
            return;
        };
        let status = match self.act(request, &parsed) {
            Ok(()) => Status::Ok,
            Err(status) if has(request.features(), feature::ZONED) => status,
            Err(status) => status.without_zones(),
        } as u8;
        request.write(parsed.room, &[status]);
        let segments = data_segments(request.readable(), request.writable(), parsed.kind).len();
        let ranges = match parsed.kind {
            Kind::Discard | Kind::WriteZeroes | Kind::SecureErase => {
                SectorRange::parse_all(&parsed.data)
            }
            _ => Vec::new(),
        };
        self.requests.push(BlockRequest {
            queue,
            kind: parsed.kind,
            sector: parsed.sector,
            data_len_bytes: parsed.data.len().max(parsed.room),
            segments,
            ranges,
            status,
        });
    }

    /// Checks the layout of a request and finds its parts (§5.2.6).
    fn parse(&self, request: &mut Request<'_>) -> Option<Parsed> {
        let bytes = request.read_all().ok()?;
        let Some((&header, data)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            request.violation("BLK-40", format!("{} bytes are no header", bytes.len()));
            return None;
        };
        if request.writable_len() == 0 {
            request.violation("BLK-40", "there is no room for the status".to_owned());
            return None;
        }
        let [t0, t1, t2, t3, _, _, _, _, s0, s1, s2, s3, s4, s5, s6, s7] = header;
        let parsed = Parsed {
            kind: Kind::from_number(u32::from_le_bytes([t0, t1, t2, t3])),
            sector: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            data: data.to_vec(),
            room: request.writable_len() - 1,
        };
        self.check_framing(request, parsed.kind);
        if parsed.kind.has_no_sector() && parsed.sector != 0 {
            let what = format!("{:?} has sector {}", parsed.kind, parsed.sector);
            request.violation("BLK-40", what);
        }
        Some(parsed)
    }

    fn check_framing(&self, request: &mut Request<'_>, kind: Kind) {
        let (readable, writable) = (request.readable(), request.writable());
        let is_split = readable.first().map(|first| first.len_bytes) == Some(16)
            && writable.last().map(|last| last.len_bytes) == Some(1);
        if request.features() & (ANY_LAYOUT | VERSION_1) == 0 && !is_split {
            request.violation(
                "LEG-23",
                "header, data and status share a descriptor".to_owned(),
            );
        }
        let data = data_segments(readable, writable, kind);
        let features = request.features();
        if let Some(max) = self.offer.size_max
            && has(features, feature::SIZE_MAX)
            && let Some(segment) = data.iter().find(|len_bytes| **len_bytes > max)
        {
            request.violation(
                "BLK-41",
                format!("a segment of {segment} bytes, SIZE_MAX is {max}"),
            );
        }
        if let Some(max) = self.offer.seg_max
            && has(features, feature::SEG_MAX)
            && data.len() > max as usize
        {
            request.violation(
                request.rule_of_segments("BLK-41"),
                format!("{} data segments, SEG_MAX is {max}", data.len()),
            );
        }
    }

    fn act(&mut self, request: &mut Request<'_>, parsed: &Parsed) -> Served {
        match parsed.kind {
            Kind::In => self.read(request, parsed),
            Kind::Out => self.write(request, parsed),
            Kind::Flush => self.flush(request, parsed),
            Kind::GetId => {
                if parsed.room != ID_BYTES {
                    request.violation("BLK-18", format!("GET_ID with {} bytes", parsed.room));
                }
                let id = self.id;
                request.write(0, &id[..ID_BYTES.min(parsed.room)]);
                Ok(())
            }
            Kind::GetLifetime => self.tell_lifetime(request, parsed),
            Kind::Discard | Kind::WriteZeroes | Kind::SecureErase => self.erase(request, parsed),
            Kind::ZoneAppend
            | Kind::ZoneReport
            | Kind::ZoneOpen
            | Kind::ZoneClose
            | Kind::ZoneFinish
            | Kind::ZoneReset
            | Kind::ZoneResetAll => self.act_on_zones(request, parsed),
            Kind::Other(_) => Err(Status::Unsupported),
        }
    }

    fn tell_lifetime(&self, request: &mut Request<'_>, parsed: &Parsed) -> Served {
        let lifetime = self
            .offer
            .lifetime
            .filter(|_| has(request.features(), feature::LIFETIME))
            .ok_or(Status::Unsupported)?;
        if parsed.room != LIFETIME_BYTES {
            let what = format!("GET_LIFETIME with {} bytes", parsed.room);
            request.violation("BLK-40", what);
            return Err(Status::IoError);
        }
        let values = [lifetime.pre_eol_info, lifetime.type_a, lifetime.type_b];
        request.write(0, &values.map(u16::to_le_bytes).concat());
        Ok(())
    }
}

/// Returns the lengths of what is left of the buffers without header and status, wherever these share a descriptor with data.
fn data_segments(mut readable: Vec<Buffer>, mut writable: Vec<Buffer>, kind: Kind) -> Vec<u32> {
    cut(readable.iter_mut(), HEADER_BYTES as u32);
    cut(writable.iter_mut().rev(), 1);
    if kind == Kind::ZoneAppend {
        // What it has for the device to write is no data.
        writable.clear();
    }
    readable
        .iter()
        .chain(&writable)
        .map(|buffer| buffer.len_bytes)
        .filter(|len_bytes| *len_bytes > 0)
        .collect()
}

/// Takes `len_bytes` from the buffers that come first.
fn cut<'a>(buffers: impl Iterator<Item = &'a mut Buffer>, mut len_bytes: u32) {
    for buffer in buffers {
        let taken = len_bytes.min(buffer.len_bytes);
        buffer.len_bytes -= taken;
        len_bytes -= taken;
    }
}
