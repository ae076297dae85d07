//! A device in another process, over the `Transport` of the drivers: [`VhostUserTransport`].

use std::fmt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;

use levitate_virtio::transport::{
    EnableQueueError, Interface, Placement, QueueAreas, QueueState, Transport,
};
use levitate_virtio::{DeviceType, QueueIndex, Status};

use super::error::{ConnectError, MessageError};
use super::handles::{VhostUserInterrupt, VhostUserNotifier};
use super::memory::Memory;
use super::options::Options;
use super::state::State;
use crate::dma::Pool;
use crate::sync::lock;

/// A device that a vhost-user back end provides: another process, over a Unix socket, with the memory of a [`Pool`] shared.
///
/// Drivers use it like any other; requests and answers are never in the socket, only in memory.
///
/// A reset is confirmed once the back end has stopped its virtqueues and has returned every chain it fetched.
/// A back end that is gone reads as all ones, like a device that was pulled; a reset of it is confirmed once its *process* is known to
/// have ended, for a closed socket alone does not say that nobody writes to the memory any more.
///
/// Two things are taken on trust there:
/// - The process that listens is the one that uses the memory. One that forks for each connection, or was handed its socket by
///   another, must not be used: the end of the listener is taken for its end.
/// - What *requests* name, such as the pages behind a GPU's pictures, is not used by itself after a reset. `vhost-user-gpu` keeps
///   those lists, but reads them only when it is told to transfer, and refuses a new picture the name of one that it still has.
pub struct VhostUserTransport {
    options: Options,
    state: Mutex<State>,
}

impl VhostUserTransport {
    /// Connects to the back end that listens at `path`, and shares `pool` with it.
    ///
    /// The pool's policy must be [`Bounce`](crate::Policy::Bounce): what is mapped elsewhere, another process cannot reach.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub fn connect(
        path: impl AsRef<Path>,
        pool: &Pool,
        options: Options,
    ) -> Result<Self, ConnectError> {
        let memory = Memory::new(pool)?;
        let state = State::connect(path.as_ref(), memory, &options)?;
        Ok(Self {
            options,
            state: Mutex::new(state),
        })
    }

    /// Gives the back end of a GPU its display, which has `num_scanouts` screens.
    ///
    /// The other end of `display` speaks the vhost-user-gpu protocol, in which the pictures are.
    ///
    /// # Errors
    ///
    /// [`MessageError`].
    pub fn set_gpu_socket(
        &mut self,
        display: &UnixStream,
        num_scanouts: u32,
    ) -> Result<(), MessageError> {
        lock(&self.state).set_gpu_socket(display, num_scanouts)
    }

    /// Returns why the back end is gone; `None` while it is there.
    pub fn loss(&self) -> Option<MessageError> {
        lock(&self.state).connection.loss()
    }

    /// Reads a field of the configuration space, all ones outside it or if the back end is gone.
    fn read_config<const N: usize>(&self, offset: usize) -> [u8; N] {
        lock(&self.state)
            .read_config()
            .get(offset..)
            .and_then(<[u8]>::first_chunk)
            .copied()
            .unwrap_or([0xff; N])
    }
}

impl Transport for VhostUserTransport {
    type Notifier = VhostUserNotifier;
    type Interrupt = VhostUserInterrupt;

    fn device_type(&self) -> DeviceType {
        self.options.device_type
    }

    fn interface(&self) -> Interface {
        Interface::Modern
    }

    fn read_device_features(&mut self) -> u64 {
        lock(&self.state).read_device_features()
    }

    fn write_driver_features(&mut self, features: u64) {
        lock(&self.state).driver_features = features;
    }

    fn read_status(&self) -> Status {
        lock(&self.state).read_status()
    }

    fn write_status(&mut self, status: Status) {
        lock(&self.state).write_status(status);
    }

    fn placement(&self) -> Placement {
        Placement::Separate
    }

    fn read_max_queue_size(&mut self, queue: QueueIndex) -> Result<u32, EnableQueueError> {
        let max = u32::from(self.options.max_queue_size);
        lock(&self.state).check_free(queue).map(|()| max)
    }

    unsafe fn enable_queue(
        &mut self,
        queue: QueueIndex,
        areas: &QueueAreas,
    ) -> Result<(), EnableQueueError> {
        let max = self.read_max_queue_size(queue)?;
        if u32::from(areas.size.get()) > max {
            let size = areas.size;
            return Err(EnableQueueError::TooLarge { queue, size, max });
        }
        lock(&self.state).set_up_queue(queue, areas)
    }

    fn read_queue_state(&mut self, queue: QueueIndex) -> QueueState {
        lock(&self.state).queue_state(queue)
    }

    fn notifier(&self, queue: QueueIndex) -> VhostUserNotifier {
        let kick = lock(&self.state).kick(queue);
        VhostUserNotifier { kick }
    }

    fn interrupt(&self) -> VhostUserInterrupt {
        let call = lock(&self.state).call.clone();
        VhostUserInterrupt { call }
    }

    fn config_len_bytes(&self) -> usize {
        self.options.config_len_bytes.into()
    }

    fn read_config_generation(&self) -> Option<u32> {
        let mut state = lock(&self.state);
        state.read_config();
        Some(state.config_generation)
    }

    fn read_config8(&self, offset: usize) -> u8 {
        u8::from_le_bytes(self.read_config(offset))
    }

    fn read_config16(&self, offset: usize) -> u16 {
        u16::from_le_bytes(self.read_config(offset))
    }

    fn read_config32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.read_config(offset))
    }

    fn write_config8(&mut self, offset: usize, value: u8) {
        lock(&self.state).write_config(offset, &value.to_le_bytes());
    }

    fn write_config16(&mut self, offset: usize, value: u16) {
        lock(&self.state).write_config(offset, &value.to_le_bytes());
    }

    fn write_config32(&mut self, offset: usize, value: u32) {
        lock(&self.state).write_config(offset, &value.to_le_bytes());
    }
}

impl fmt::Debug for VhostUserTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VhostUserTransport")
            .field("options", &self.options)
            .field("loss", &self.loss())
            .finish_non_exhaustive()
    }
}
