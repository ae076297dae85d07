//! One virtqueue of the back end: set up, started, stopped, and known to be done with (§2.6, §2.7).

use levitate_hal::DmaAddr;
use levitate_virtio::transport::{Area, QueueAreas};
use vhost::VhostBackend as _;
use vhost::VringConfigData;
use vhost::vhost_user::VhostUserFrontend as _;
use vmm_sys_util::eventfd::EventFd;

use super::connection::Connection;
use super::error::MessageError;
use super::memory::Memory;

/// Where the used ring has its index, after 16 bits of flags (§2.7.8).
const USED_INDEX_OFFSET: u64 = 2;

/// Bytes of a descriptor (§2.7.5), and of an entry in the used ring (§2.7.8).
const DESCRIPTOR_BYTES: u64 = 16;
const USED_ENTRY_BYTES: u64 = 8;

/// Bytes of the available ring but for its entries of two bytes, and of the used ring: flags, index, and event index (§2.7.6, §2.7.8).
const RING_FRAME_BYTES: u64 = 6;

/// Each area with its alignment (§2.7).
const ALIGNMENTS: [u64; 3] = [16, 2, 4];

/// A virtqueue that the back end knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ring {
    /// Index of the queue.
    pub(super) index: u16,
    /// Where the index of its used ring is.
    used_index: DmaAddr,
}

/// A virtqueue that the back end has stopped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopped {
    used_index: DmaAddr,
    /// How many chains the back end fetched, as the used index counts them.
    fetched: u16,
}

/// Where the areas of a queue are, as the back end is told: in this process's address space.
pub(super) struct Placed {
    areas: [u64; 3],
}

impl Placed {
    /// Looks where the areas lie; the one that is not aligned, or not in the memory that is shared, is the error.
    pub(super) fn new(memory: &Memory, areas: &QueueAreas) -> Result<Self, (Area, DmaAddr)> {
        let size = u64::from(areas.size.get());
        let parts = [
            (Area::Descriptor, areas.descriptor, DESCRIPTOR_BYTES * size),
            (Area::Driver, areas.driver, RING_FRAME_BYTES + 2 * size),
            (
                Area::Device,
                areas.device,
                RING_FRAME_BYTES + USED_ENTRY_BYTES * size,
            ),
        ];
        let mut placed = [0; 3];
        for ((place, align), (area, addr, len_bytes)) in
            placed.iter_mut().zip(ALIGNMENTS).zip(parts)
        {
            *place = memory
                .user_address(addr, len_bytes)
                .filter(|_| addr.is_aligned_to(align))
                .ok_or((area, addr))?;
        }
        Ok(Self { areas: placed })
    }
}

impl Ring {
    pub(super) fn new(index: u16, areas: &QueueAreas) -> Self {
        let used_index = areas.device.checked_add(USED_INDEX_OFFSET);
        Self {
            index,
            // An area at the end of the address space is in nobody's memory, and is refused.
            used_index: used_index.unwrap_or(areas.device),
        }
    }

    /// Hands the queue to the back end, which may fetch from it once it is enabled.
    ///
    /// The events are those of a notification, of an interrupt, and of an error.
    pub(super) fn set_up(
        &self,
        connection: &mut Connection,
        size: u16,
        placed: &Placed,
        [kick, call, error]: [&EventFd; 3],
    ) -> Result<(), MessageError> {
        let queue = usize::from(self.index);
        let [descriptor, driver, device] = placed.areas;
        let config = VringConfigData {
            queue_max_size: size,
            queue_size: size,
            flags: 0,
            desc_table_addr: descriptor,
            used_ring_addr: device,
            avail_ring_addr: driver,
            log_addr: None,
        };
        connection.call("SET_VRING_NUM", |back| back.set_vring_num(queue, size))?;
        connection.call("SET_VRING_BASE", |back| back.set_vring_base(queue, 0))?;
        connection.call("SET_VRING_ADDR", |back| back.set_vring_addr(queue, &config))?;
        connection.call("SET_VRING_ERR", |back| back.set_vring_err(queue, error))?;
        connection.call("SET_VRING_CALL", |back| back.set_vring_call(queue, call))?;
        connection.call("SET_VRING_KICK", |back| back.set_vring_kick(queue, kick))
    }

    /// Has the back end fetch no more from the queue.
    pub(super) fn stop(&self, connection: &mut Connection) -> Result<Stopped, MessageError> {
        let queue = usize::from(self.index);
        let base = connection.call("GET_VRING_BASE", |back| back.get_vring_base(queue))?;
        let Ok(fetched) = u16::try_from(base) else {
            return connection.reject("GET_VRING_BASE");
        };
        // It stays enabled otherwise, and the next life's queue were live before DRIVER_OK.
        connection.call("SET_VRING_ENABLE", |back| {
            back.set_vring_enable(queue, false)
        })?;
        Ok(Stopped {
            used_index: self.used_index,
            fetched,
        })
    }
}

impl Stopped {
    /// Says whether the back end has returned every chain it fetched, so that it has no use for any memory any more.
    ///
    /// A stopped back end fetches nothing, but may still be at work on what it fetched before: QEMU's answers first, and ends its
    /// reads and writes later.
    pub(super) fn is_done_with(&self, memory: &Memory) -> bool {
        memory.read_u16(self.used_index) == Some(self.fetched)
    }
}
