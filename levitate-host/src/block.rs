//! A disk (§5.2): [`BlockModel`].

mod builder;
mod config;
mod erase;
mod feature;
mod offer;
mod record;
mod serve;
mod status;
mod store;
mod transfer;
mod zone_requests;
mod zoned;
mod zones;

use std::fs::File;
use std::io;
use std::ops::Range;

use crate::device::{ConfigField, DeviceModel, Family, Violations};
use crate::queue::Request;
use offer::Offer;
use store::Store;
use zones::Zones;

pub use offer::{EraseLimits, Geometry, Lifetime, Topology};
pub use record::{BlockRequest, Kind, SectorRange};
pub use store::DISCARDED;
pub use zoned::{Zone, ZoneKind, ZoneModel, ZoneState, Zoned};

/// Bytes of a sector, whatever the block size.
pub const SECTOR_BYTES: usize = 512;
const ID_BYTES: usize = 20;

/// A disk that notes every request, and distinguishes what was flushed from what was not.
///
/// Its content is in memory, or in a file. It does what the specification says and no more:
/// a sector in memory reads as [`DISCARDED`] after a discard, and one beyond a zone's write pointer as zero.
#[derive(Debug)]
pub struct BlockModel {
    store: Store,
    capacity_sectors: u64,
    id: [u8; ID_BYTES],
    offer: Offer,
    zones: Option<Zones>,
    family: Family,
    negotiated: Option<u64>,
    is_writeback: bool,
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
        let capacity_sectors = (content.len() / SECTOR_BYTES) as u64;
        Self::over(Store::memory(content), capacity_sectors)
    }

    /// Makes a disk of `sectors` sectors, each byte of which tells where it is.
    #[must_use]
    pub fn patterned(sectors: usize) -> Self {
        Self::new((0..sectors * SECTOR_BYTES).map(pattern).collect())
    }

    /// Makes a disk of what `file` holds; a flush is fdatasync, and a discard makes a hole.
    ///
    /// It offers FLUSH, and has an empty identifier. A file that cannot be written fails the requests that do.
    ///
    /// # Errors
    ///
    /// The file's length cannot be found out.
    pub fn file(file: File) -> io::Result<Self> {
        let capacity_sectors = file.metadata()?.len() / SECTOR_BYTES as u64;
        Ok(Self::over(Store::File(file), capacity_sectors))
    }

    fn over(store: Store, capacity_sectors: u64) -> Self {
        Self {
            store,
            capacity_sectors,
            id: [0; ID_BYTES],
            offer: Offer {
                has_flush: true,
                ..Offer::default()
            },
            zones: None,
            family: Family::Modern,
            negotiated: None,
            is_writeback: true,
            bad_sectors: Vec::new(),
            failing_flushes: 0,
            requests: Vec::new(),
        }
    }

    /// Claims another capacity than there is content; for a device that lies, or one that has shrunk.
    pub const fn set_capacity(&mut self, sectors: u64) {
        self.capacity_sectors = sectors;
    }

    /// Fails every request that touches `sectors`.
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

    /// Puts a zone into a state that no request can: read-only or offline, as when the hardware fails.
    ///
    /// # Panics
    ///
    /// If there is no such zone.
    pub fn set_zone_state(&mut self, index: usize, state: ZoneState) {
        let zones = self.zones.as_mut().expect("the disk has zones");
        zones.set_state(index, state);
    }

    /// Returns the zones as they are now; none if the disk has no zones.
    #[must_use]
    pub fn zones(&self) -> &[Zone] {
        self.zones.as_ref().map_or(&[], Zones::as_slice)
    }

    /// Returns the content as a read would find it, but for what is beyond write pointers.
    ///
    /// # Panics
    ///
    /// If the content is in a file: look there.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        match &self.store {
            Store::Memory(memory) => &memory.content,
            Store::File(_) => panic!("the content is in a file"),
        }
    }

    /// Returns the content that a loss of power would leave: without the writes after the last flush.
    ///
    /// # Panics
    ///
    /// If the content is in a file.
    #[must_use]
    pub fn durable(&self) -> &[u8] {
        match &self.store {
            Store::Memory(memory) => &memory.durable,
            Store::File(_) => panic!("the content is in a file"),
        }
    }

    /// Says whether `sector` takes up space; `None` if there is no such sector, or if only a file system knows.
    #[must_use]
    pub fn is_allocated(&self, sector: u64) -> Option<bool> {
        self.store.is_allocated(sector)
    }

    /// Says whether writes are volatile until a flush, as far as the driver can choose.
    #[must_use]
    pub const fn is_writeback(&self) -> bool {
        self.is_writeback
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
    /// # Panics
    ///
    /// If it offers what no disk may.
    fn plug_in(&mut self, family: Family) {
        self.offer.assert_possible();
        self.family = family;
    }

    fn device_id(&self) -> u32 {
        2
    }

    fn features(&self) -> u64 {
        self.offer.features()
    }

    /// Without ZONED, which must not be offered there (§5.2.5.2).
    fn legacy_features(&self) -> u64 {
        self.offer.features() & !(1 << feature::ZONED)
    }

    fn queue_count(&self) -> u16 {
        self.offer.queues.unwrap_or(1)
    }

    fn config_fields(&self) -> &'static [ConfigField] {
        config::FIELDS
    }

    fn config_len(&self) -> usize {
        config::LEN_BYTES
    }

    fn config(&self) -> Vec<u8> {
        let is_zoned_shown = self
            .negotiated
            .is_none_or(|features| feature::has(features, feature::ZONED));
        let zoned = self.offer.zoned.filter(|_| is_zoned_shown);
        let is_writeback = self.offer.has_cache_switch && self.is_writeback;
        config::encode(self.capacity_sectors, &self.offer, is_writeback, zoned)
    }

    fn write_config(&mut self, offset: usize, bytes: &[u8], violations: &mut Violations) {
        if offset == config::WRITEBACK {
            self.switch_cache(bytes, violations);
        }
    }

    fn check_features(&self, negotiated: u64, violations: &mut Violations) {
        if self.offer.is_read_only && !feature::has(negotiated, feature::RO) {
            violations.add("BLK-13", "VIRTIO_BLK_F_RO was not accepted".to_owned());
        }
        if self.offer.is_host_managed() && feature::has(negotiated, feature::DISCARD) {
            violations.add(
                "BLK-06",
                "VIRTIO_BLK_F_DISCARD was accepted on a host-managed disk".to_owned(),
            );
        }
    }

    /// A host-managed disk is of no use to a driver that does not know it (§5.2.5.2).
    ///
    /// The choice of features leaves the cache of a legacy disk alone (§5.2.5.3).
    fn agree(&mut self, negotiated: u64) -> bool {
        self.negotiated = Some(negotiated);
        if self.family == Family::Modern
            && feature::has(negotiated, feature::CONFIG_WCE)
            && !feature::has(negotiated, feature::FLUSH)
        {
            self.is_writeback = false;
        }
        !self.offer.is_host_managed() || feature::has(negotiated, feature::ZONED)
    }

    fn serve(&mut self, queue: u16, request: &mut Request<'_>) {
        self.answer(queue, request);
    }

    /// Content, zones and their write pointers outlive it.
    fn reset(&mut self) {
        self.negotiated = None;
        self.is_writeback = true;
    }
}
