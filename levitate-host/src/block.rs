//! A disk in memory (§5.2): [`BlockModel`].

mod config;
mod record;
mod serve;

use std::ops::Range;

use crate::device::{ConfigField, DeviceModel, Violations};
use crate::queue::Request;

pub use record::{BlockRequest, Kind};

/// Bytes of a sector, whatever the block size.
pub const SECTOR_BYTES: usize = 512;
const ID_BYTES: usize = 20;

pub(crate) const FEATURE_SIZE_MAX: u32 = 1;
pub(crate) const FEATURE_SEG_MAX: u32 = 2;
pub(crate) const FEATURE_RO: u32 = 5;
pub(crate) const FEATURE_BLK_SIZE: u32 = 6;
pub(crate) const FEATURE_FLUSH: u32 = 9;

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
}

/// The byte that [`BlockModel::patterned`] has at `offset`.
#[must_use]
pub fn pattern(offset: usize) -> u8 {
    // A prime that is no divisor of a sector, so that neither a shift nor a swap of sectors goes unseen.
    (offset / SECTOR_BYTES * 7 + offset % 251) as u8
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
