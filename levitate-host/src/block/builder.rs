//! The switches of a disk before it is plugged in.

use super::offer::{EraseLimits, Geometry, Lifetime, Topology};
use super::zoned::Zoned;
use super::zones::Zones;
use super::{BlockModel, ID_BYTES};

impl BlockModel {
    /// Offers RO, and refuses writes.
    #[must_use]
    pub const fn read_only(mut self) -> Self {
        self.offer.is_read_only = true;
        self
    }

    /// Does not offer FLUSH: each write is durable at once. It panics when plugged in if it offers CONFIG_WCE.
    #[must_use]
    pub const fn without_flush(mut self) -> Self {
        self.offer.has_flush = false;
        self
    }

    /// Offers CONFIG_WCE: the driver can choose whether writes are volatile. They are at first.
    #[must_use]
    pub const fn switchable_cache(mut self) -> Self {
        self.offer.has_cache_switch = true;
        self
    }

    /// Offers SIZE_MAX: no segment may be longer than `bytes`.
    #[must_use]
    pub const fn size_max(mut self, bytes: u32) -> Self {
        self.offer.size_max = Some(bytes);
        self
    }

    /// Offers SEG_MAX: no request may have more than `segments` data segments.
    #[must_use]
    pub const fn seg_max(mut self, segments: u32) -> Self {
        self.offer.seg_max = Some(segments);
        self
    }

    /// Offers GEOMETRY.
    #[must_use]
    pub const fn geometry(mut self, geometry: Geometry) -> Self {
        self.offer.geometry = Some(geometry);
        self
    }

    /// Offers BLK_SIZE.
    #[must_use]
    pub const fn block_size(mut self, bytes: u32) -> Self {
        self.offer.block_size = Some(bytes);
        self
    }

    /// Offers TOPOLOGY.
    #[must_use]
    pub const fn topology(mut self, topology: Topology) -> Self {
        self.offer.topology = Some(topology);
        self
    }

    /// Offers MQ with so many queues.
    #[must_use]
    pub const fn queues(mut self, queues: u16) -> Self {
        self.offer.queues = Some(queues);
        self
    }

    /// Offers DISCARD.
    #[must_use]
    pub const fn discard(mut self, limits: EraseLimits) -> Self {
        self.offer.discard = Some(limits);
        self
    }

    /// Offers WRITE_ZEROES, which keeps the space of what it writes.
    #[must_use]
    pub const fn write_zeroes(mut self, limits: EraseLimits) -> Self {
        self.offer.write_zeroes = Some(limits);
        self
    }

    /// Sets `write_zeroes_may_unmap`: with the flag `unmap`, WRITE_ZEROES gives space back.
    #[must_use]
    pub const fn write_zeroes_may_unmap(mut self) -> Self {
        self.offer.may_unmap = true;
        self
    }

    /// Offers SECURE_ERASE.
    #[must_use]
    pub const fn secure_erase(mut self, limits: EraseLimits) -> Self {
        self.offer.secure_erase = Some(limits);
        self
    }

    /// Offers LIFETIME.
    #[must_use]
    pub const fn lifetime(mut self, lifetime: Lifetime) -> Self {
        self.offer.lifetime = Some(lifetime);
        self
    }

    /// Offers ZONED, with zones that are empty: what the disk held in sequential ones is out of sight.
    ///
    /// It panics when plugged in if an append may be longer than the segments of a request, or if the alignment of SECURE_ERASE
    /// is no multiple of the zones' length: no device may be so (§5.2.5.2).
    #[must_use]
    pub fn zoned(mut self, zoned: Zoned) -> Self {
        self.offer.zoned = Some(zoned);
        self.zones = Some(Zones::new(zoned, self.capacity_sectors));
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
}
