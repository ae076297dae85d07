//! What the front end keeps of a device: [`State`], with the device status the back end has no register for (§2.1).

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use levitate_virtio::transport::{EnableQueueError, Interface, QueueAreas, QueueState};
use levitate_virtio::{QueueIndex, Status};
use vhost::VhostBackend as _;
use vhost::vhost_user::VhostUserFrontend as _;
use vhost::vhost_user::message::VhostUserConfigFlags;
use vmm_sys_util::eventfd::EventFd;

use super::connection::{Connection, PROTOCOL_FEATURES_BIT};
use super::error::{ConnectError, MessageError};
use super::handles::event;
use super::memory::Memory;
use super::options::Options;
use super::queue::{Placed, Ring, Stopped};

/// What a driver may be offered (§6): bits of the device type, INDIRECT_DESC, EVENT_IDX, VERSION_1 and ORDER_PLATFORM.
///
/// Of the rest, bits 26 and 30 mean something else to vhost-user, and this front end has neither packed rings, nor an IOTLB, nor
/// notifications with data, nor a reset of single queues.
const OFFERED: u64 = 0x00ff_ffff | 1 << 28 | 1 << 29 | 1 << 32 | 1 << 36 | !((1 << 50) - 1);

/// The front end's half of a device.
pub(super) struct State {
    pub(super) connection: Connection,
    memory: Memory,
    is_memory_shared: bool,
    /// As the driver wrote it.
    status: Status,
    pub(super) driver_features: u64,
    /// An event for each queue the device has.
    kicks: Vec<Arc<EventFd>>,
    pub(super) call: Arc<EventFd>,
    error: Arc<EventFd>,
    rings: Vec<Ring>,
    /// Queues of a reset that is not confirmed yet.
    stopped: Vec<Stopped>,
    /// A reset was written, and nothing since.
    is_reset: bool,
    config: Vec<u8>,
    /// The beginning of the configuration space, where it is not the back end's but this front end's.
    own_config: Vec<u8>,
    pub(super) config_generation: u32,
}

impl State {
    pub(super) fn connect(
        path: &Path,
        memory: Memory,
        options: &Options,
    ) -> Result<Self, ConnectError> {
        let connection = Connection::open(path, options)?;
        let kicks = (0..connection.queues()).map(|_| event());
        Ok(Self {
            kicks: kicks.collect::<Result<_, _>>()?,
            connection,
            memory,
            is_memory_shared: false,
            status: Status::empty(),
            driver_features: 0,
            call: event()?,
            error: event()?,
            rings: Vec::new(),
            stopped: Vec::new(),
            is_reset: false,
            config: vec![0xff; options.config_len_bytes.into()],
            own_config: Vec::new(),
            config_generation: 0,
        })
    }

    /// Gives the back end of a GPU its display, which has so many scanouts.
    ///
    /// The back end does not know how many: events and scanouts are the front end's part of the configuration space (§5.7.4).
    pub(super) fn set_gpu_socket(
        &mut self,
        display: &UnixStream,
        num_scanouts: u32,
    ) -> Result<(), MessageError> {
        self.connection.set_gpu_socket(display)?;
        let (events_read, events_clear) = (0, 0);
        let fields: [u32; 3] = [events_read, events_clear, num_scanouts];
        self.own_config = fields.map(u32::to_le_bytes).concat();
        Ok(())
    }

    /// Reads what the back end offers, as far as this front end can do it too; nothing if the back end is gone.
    pub(super) fn read_device_features(&mut self) -> u64 {
        self.connection.features().unwrap_or_default() & OFFERED
    }

    /// Reads the status: what the driver wrote, and what has become of it.
    pub(super) fn read_status(&mut self) -> Status {
        if self.connection.loss().is_some() {
            return self.status_when_lost();
        }
        self.stopped
            .retain(|queue| !queue.is_done_with(&self.memory));
        if self.is_reset && self.rings.is_empty() && self.stopped.is_empty() {
            self.status = Status::empty();
        }
        if !self.is_reset && self.error.read().is_ok() {
            self.status |= Status::DEVICE_NEEDS_RESET;
        }
        match self.connection.status() {
            Ok(theirs) => self.status | Status::from_bits_retain(theirs.unwrap_or_default()),
            Err(_) => self.status_when_lost(),
        }
    }

    /// All ones, as of a device that was pulled, until the driver wants to know that nobody writes to its memory any more:
    /// no thread of a process that has ended does.
    fn status_when_lost(&self) -> Status {
        match self.is_reset && self.connection.has_peer_ended() {
            true => Status::empty(),
            false => Status::all(),
        }
    }

    /// Does what the bits that are new in `status` mean; an empty one is a reset.
    pub(super) fn write_status(&mut self, status: Status) {
        self.is_reset |= status.is_empty();
        if self.connection.loss().is_some() {
            return;
        }
        self.is_reset = status.is_empty();
        if status.is_empty() {
            // What fails shows when the status is read.
            let _ = self.reset();
            return;
        }
        let before = std::mem::replace(&mut self.status, status);
        let new = status.difference(before);
        if new.contains(Status::FEATURES_OK) {
            if self.accept_features().is_err() {
                self.status.remove(Status::FEATURES_OK);
            }
            return;
        }
        let outcome = match new.contains(Status::DRIVER_OK) {
            true => self.enable_queues(),
            false => self.connection.set_status(status.bits()),
        };
        if outcome.is_err() {
            self.status |= Status::DEVICE_NEEDS_RESET;
        }
    }

    /// Stops every queue; one that the back end does not stop stays in use.
    fn reset(&mut self) -> Result<(), MessageError> {
        // An error of the life that ends here is none of the next one.
        let _ = self.error.read();
        while let Some(ring) = self.rings.last() {
            self.stopped.push(ring.stop(&mut self.connection)?);
            self.rings.pop();
        }
        self.connection.set_status(0)
    }

    /// Tells the back end what the driver accepts, and where its memory is.
    fn accept_features(&mut self) -> Result<(), MessageError> {
        let features = self.driver_features | PROTOCOL_FEATURES_BIT;
        self.connection
            .call("SET_FEATURES", |back| back.set_features(features))?;
        if !self.is_memory_shared {
            let region = self.memory.region();
            self.connection
                .call("SET_MEM_TABLE", |back| back.set_mem_table(&[region]))?;
            self.is_memory_shared = true;
        }
        self.connection.set_status(self.status.bits())?;
        match self.connection.status()? {
            Some(status) if !Status::from_bits_retain(status).contains(Status::FEATURES_OK) => {
                let message = "FEATURES_OK";
                Err(MessageError::Refused { message })
            }
            _ => Ok(()),
        }
    }

    /// Lets the back end fetch from the queues it was given.
    fn enable_queues(&mut self) -> Result<(), MessageError> {
        for ring in &self.rings {
            let queue = usize::from(ring.index);
            self.connection.call("SET_VRING_ENABLE", |back| {
                back.set_vring_enable(queue, true)
            })?;
        }
        self.connection.set_status(self.status.bits())
    }

    /// Checks that the device has the queue, and that it is not in use.
    pub(super) fn check_free(&mut self, queue: QueueIndex) -> Result<(), EnableQueueError> {
        if usize::from(queue.get()) >= self.kicks.len() || self.connection.loss().is_some() {
            return Err(EnableQueueError::NoSuchQueue { queue });
        }
        match self.rings.iter().any(|ring| ring.index == queue.get()) {
            true => Err(EnableQueueError::InUse { queue }),
            false => Ok(()),
        }
    }

    /// Hands a free queue to the back end.
    pub(super) fn set_up_queue(
        &mut self,
        queue: QueueIndex,
        areas: &QueueAreas,
    ) -> Result<(), EnableQueueError> {
        let placed = Placed::new(&self.memory, areas).map_err(|(area, addr)| {
            EnableQueueError::Misplaced {
                queue,
                area,
                addr,
                interface: Interface::Modern,
            }
        })?;
        let kick = &self.kicks[usize::from(queue.get())];
        // A notification of an earlier life is none of this one.
        let _ = kick.read();
        let events = [kick, &self.call, &self.error].map(|event| &**event);
        let ring = Ring::new(queue.get(), areas);
        let outcome = ring.set_up(&mut self.connection, areas.size.get(), &placed, events);
        // Also if it failed half-way: the back end may know where it is.
        self.rings.push(ring);
        outcome.map_err(|error| EnableQueueError::ReadBack {
            queue,
            register: error.message(),
            expected: 0,
            found: if error.is_survived() { 1 } else { u32::MAX },
        })
    }

    pub(super) fn queue_state(&mut self, queue: QueueIndex) -> QueueState {
        match self.check_free(queue) {
            Err(EnableQueueError::InUse { .. }) => QueueState::Enabled,
            _ => QueueState::Disabled,
        }
    }

    pub(super) fn kick(&self, queue: QueueIndex) -> Option<Arc<EventFd>> {
        self.kicks.get(usize::from(queue.get())).cloned()
    }

    /// Reads the whole configuration space, all ones if the back end is gone.
    ///
    /// In one message, for a back end may answer with its beginning wherever it was asked to begin; and each time anew, so that the
    /// generation counts every change that anybody has seen.
    pub(super) fn read_config(&mut self) -> &[u8] {
        let len_bytes = self.config.len();
        let read = self.connection.call("GET_CONFIG", |back| {
            let flags = VhostUserConfigFlags::empty();
            back.get_config(0, len_bytes as u32, flags, &vec![0; len_bytes])
        });
        let config = match read {
            Ok((_, mut config)) => {
                for (byte, own) in config.iter_mut().zip(&self.own_config) {
                    *byte = *own;
                }
                config
            }
            Err(_) => vec![0xff; len_bytes],
        };
        if config != self.config {
            self.config = config;
            self.config_generation = self.config_generation.wrapping_add(1);
        }
        &self.config
    }

    /// Writes a field of the configuration space; what the back end makes of it, reading tells.
    ///
    /// In the front end's own part nothing happens: it has no event that could be cleared.
    pub(super) fn write_config(&mut self, offset: usize, field: &[u8]) {
        let is_theirs = offset >= self.own_config.len();
        let end = offset.checked_add(field.len());
        if is_theirs && end.is_some_and(|end| end <= self.config.len()) {
            // A back end that refuses leaves the field as it is.
            let _ = self.connection.call("SET_CONFIG", |back| {
                back.set_config(offset as u32, VhostUserConfigFlags::empty(), field)
            });
        }
    }
}
