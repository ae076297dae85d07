//! A disk in memory (§5.2): [`BlockModel`].

mod config;
mod record;

use std::ops::Range;

use crate::device::{ConfigField, DeviceModel, Violations};
use crate::queue::{Buffer, Request};

pub use record::{BlockRequest, Kind};

/// Bytes of a sector, whatever the block size.
pub const SECTOR_BYTES: usize = 512;
const HEADER_BYTES: usize = 16;
const ID_BYTES: usize = 20;

const STATUS_OK: u8 = 0;
const STATUS_IO_ERROR: u8 = 1;
const STATUS_UNSUPPORTED: u8 = 2;

pub(crate) const FEATURE_SIZE_MAX: u32 = 1;
pub(crate) const FEATURE_SEG_MAX: u32 = 2;
pub(crate) const FEATURE_RO: u32 = 5;
pub(crate) const FEATURE_BLK_SIZE: u32 = 6;
pub(crate) const FEATURE_FLUSH: u32 = 9;
const ANY_LAYOUT: u64 = 1 << 27;
const VERSION_1: u64 = 1 << 32;

/// A disk that keeps its content in memory, notes every request, and distinguishes what was flushed from what was not.
#[derive(Debug)]
pub struct BlockModel {
    content: Vec<u8>,
    durable: Vec<u8>,
    capacity_sectors: u64,
    id: [u8; ID_BYTES],
    is_read_only: bool,
    has_flush: bool,
    size_max: Option<u32>,
    seg_max: Option<u32>,
    block_size: Option<u32>,
    bad_sectors: Vec<Range<u64>>,
    failing_flushes: usize,
    requests: Vec<BlockRequest>,
}

impl BlockModel {
    /// Makes a disk that holds `content`; bytes beyond the last whole sector are out of reach.
    ///
    /// It offers FLUSH, and has an empty identifier.
    #[must_use]
    pub fn new(content: Vec<u8>) -> Self {
        Self {
            capacity_sectors: (content.len() / SECTOR_BYTES) as u64,
            durable: content.clone(),
            content,
            id: [0; ID_BYTES],
            is_read_only: false,
            has_flush: true,
            size_max: None,
            seg_max: None,
            block_size: None,
            bad_sectors: Vec::new(),
            failing_flushes: 0,
            requests: Vec::new(),
        }
    }

    /// Makes a disk of `sectors` sectors, each byte of which tells where it is.
    #[must_use]
    pub fn patterned(sectors: usize) -> Self {
        Self::new((0..sectors * SECTOR_BYTES).map(pattern).collect())
    }

    /// Offers RO, and refuses writes.
    #[must_use]
    pub const fn read_only(mut self) -> Self {
        self.is_read_only = true;
        self
    }

    /// Does not offer FLUSH: each write is durable at once.
    #[must_use]
    pub const fn without_flush(mut self) -> Self {
        self.has_flush = false;
        self
    }

    /// Offers SIZE_MAX: no segment may be longer than `bytes`.
    #[must_use]
    pub const fn size_max(mut self, bytes: u32) -> Self {
        self.size_max = Some(bytes);
        self
    }

    /// Offers SEG_MAX: no request may have more than `segments` data segments.
    #[must_use]
    pub const fn seg_max(mut self, segments: u32) -> Self {
        self.seg_max = Some(segments);
        self
    }

    /// Offers BLK_SIZE.
    #[must_use]
    pub const fn block_size(mut self, bytes: u32) -> Self {
        self.block_size = Some(bytes);
        self
    }

    /// Sets what GET_ID answers: the first 20 bytes of `id`.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        let bytes = id.as_bytes();
        let len = bytes.len().min(ID_BYTES);
        self.id = [0; ID_BYTES];
        self.id[..len].copy_from_slice(&bytes[..len]);
        self
    }

    /// Claims another capacity than there is content; for a device that lies, or one that has shrunk.
    pub const fn set_capacity(&mut self, sectors: u64) {
        self.capacity_sectors = sectors;
    }

    /// Fails every read and write that touches `sectors`.
    pub fn fail_sectors(&mut self, sectors: Range<u64>) {
        self.bad_sectors.push(sectors);
    }

    /// Makes all sectors good again.
    pub fn repair(&mut self) {
        self.bad_sectors.clear();
    }

    /// Fails the next `count` flushes.
    pub const fn fail_flushes(&mut self, count: usize) {
        self.failing_flushes = count;
    }

    /// Returns the content as a read would find it.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Returns the content that a loss of power would leave: without the writes after the last flush.
    #[must_use]
    pub fn durable(&self) -> &[u8] {
        &self.durable
    }

    /// Returns the requests so far, in the order they were served.
    #[must_use]
    pub fn requests(&self) -> &[BlockRequest] {
        &self.requests
    }

    /// Returns the requests so far and forgets them.
    #[must_use]
    pub fn take_requests(&mut self) -> Vec<BlockRequest> {
        std::mem::take(&mut self.requests)
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

    fn act(&mut self, request: &mut Request<'_>, parsed: &Parsed) -> u8 {
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

/// The byte that [`BlockModel::patterned`] has at `offset`.
#[must_use]
pub fn pattern(offset: usize) -> u8 {
    // A prime that is no divisor of a sector, so that neither a shift nor a swap of sectors goes unseen.
    (offset / SECTOR_BYTES * 7 + offset % 251) as u8
}

struct Parsed {
    kind: Kind,
    sector: u64,
    data: Vec<u8>,
    room: usize,
}

impl DeviceModel for BlockModel {
    fn device_id(&self) -> u32 {
        2
    }

    fn features(&self) -> u64 {
        let bits = [
            (FEATURE_SIZE_MAX, self.size_max.is_some()),
            (FEATURE_SEG_MAX, self.seg_max.is_some()),
            (FEATURE_RO, self.is_read_only),
            (FEATURE_BLK_SIZE, self.block_size.is_some()),
            (FEATURE_FLUSH, self.has_flush),
        ];
        bits.iter()
            .filter(|(_, is_offered)| *is_offered)
            .map(|(bit, _)| 1 << bit)
            .sum()
    }

    fn queue_count(&self) -> u16 {
        1
    }

    fn config_fields(&self) -> &'static [ConfigField] {
        config::FIELDS
    }

    fn config_len(&self) -> usize {
        config::LEN_BYTES
    }

    fn config(&self) -> Vec<u8> {
        let mut config = vec![0; config::LEN_BYTES];
        config[0..8].copy_from_slice(&self.capacity_sectors.to_le_bytes());
        config[8..12].copy_from_slice(&self.size_max.unwrap_or(0).to_le_bytes());
        config[12..16].copy_from_slice(&self.seg_max.unwrap_or(0).to_le_bytes());
        config[20..24].copy_from_slice(&self.block_size.unwrap_or(0).to_le_bytes());
        config
    }

    fn write_config(&mut self, _offset: usize, _bytes: &[u8], _violations: &mut Violations) {
        // Nothing in it is for the driver to write without CONFIG_WCE, which is not offered.
    }

    fn serve(&mut self, _queue: u16, request: &mut Request<'_>) {
        let Some(parsed) = self.parse(request) else {
            // There is no place for a status, or nothing to have one about.
            return;
        };
        let status = self.act(request, &parsed);
        request.write(parsed.room, &[status]);
        let (readable, writable) = (request.readable(), request.writable());
        self.requests.push(BlockRequest {
            kind: parsed.kind,
            sector: parsed.sector,
            data_len_bytes: parsed.data.len().max(parsed.room),
            segments: (readable.len() + writable.len()).saturating_sub(2),
            status,
        });
    }

    fn reset(&mut self) {}
}
