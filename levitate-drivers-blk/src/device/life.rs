//! One life of the device, from its initialization to its reset: [`Life`].

use core::mem::size_of;
use core::time::Duration;

use levitate_hal::{Clock, Deadline, Dma, DmaBuffer, Platform};
use levitate_virtio::{
    Data, Device, DeviceType, Queue, QueueConfig, QueueIndex, Rejected, Status, Timeout, Transport,
    Wanted, stage,
};

use super::{Access, new_buffer};
use crate::capabilities::Capabilities;
use crate::config::Config;
use crate::error::{Error, InitError};
use crate::features::BlkFeatures;
use crate::options::Options;
use crate::request::{
    self, Completion, Context, Owner, Reclaimed, RequestError, RequestHeader, RequestKind,
    RequestStatus,
};
use crate::storage::RequestSlot;
use levitate_virtio::Token;

/// The queue for requests; the only one without `VIRTIO_BLK_F_MQ` (§5.2.2).
const REQUEST_QUEUE: QueueIndex = QueueIndex::new(0);

/// How often a wait looks whether the device has given up: seldom, for the look costs an exit to the hypervisor.
const STATUS_INTERVAL: Duration = Duration::from_millis(20);

/// A live device with its queue.
pub(super) struct Life<'s, T: Transport, D: Dma> {
    pub(super) device: Device<T, stage::Live>,
    pub(super) queue: RequestQueue<'s, T, D>,
}

type RequestQueue<'s, T, D> = Queue<'s, DmaBuffer<D>, Context, D, <T as Transport>::Notifier>;

/// What bringing a device up results in.
pub(super) struct Started<'s, T: Transport, D: Dma> {
    pub(super) life: Life<'s, T, D>,
    pub(super) capabilities: Capabilities,
    pub(super) bounce: DmaBuffer<D>,
}

/// What is left of a life.
pub(super) struct Ended<'s, T, D: Dma> {
    pub(super) transport: T,
    /// Room for another life; `None` if the queue was another device's, which `Life` rules out.
    pub(super) slots: Option<&'s mut [RequestSlot<D>]>,
}

impl<'s, T: Transport, D: Dma> Life<'s, T, D> {
    /// Goes through the initialization of §3.1.1.
    pub(super) fn start<P: Platform<Dma = D>>(
        transport: T,
        platform: &P,
        slots: &'s mut [RequestSlot<D>],
        options: &Options,
    ) -> Result<Started<'s, T, D>, InitError> {
        let found = transport.device_type();
        if found != DeviceType::BLOCK {
            return Err(InitError::WrongDevice { found });
        }
        let clock = platform.clock();
        let mut device = Device::begin(transport, clock, options.timeout)?;
        let wanted = Wanted {
            common: options.features,
            device: BlkFeatures::wanted(device.read_offered_features()),
            required: BlkFeatures::empty(),
        };
        let (mut device, features) = device.negotiate(&wanted)?;
        let config = device.read_config(|space| Config::read(space, features.device))?;
        let capabilities = Capabilities::new(&config, features.device, options.max_segments)?;
        let bounce = new_buffer(platform.dma(), bounce_bytes(&capabilities, options))?;
        let queue_config = QueueConfig {
            header_bytes: size_of::<RequestHeader>(),
            footer_bytes: size_of::<RequestStatus>(),
            max_segments: capabilities.max_segments(),
            max_segment_bytes: capabilities.max_segment_bytes(),
        };
        let queue = device.prepare_queue(platform.dma(), REQUEST_QUEUE, queue_config, slots)?;
        let device = device.go_live();
        let queue = queue.activate(&device)?;
        let life = Self { device, queue };
        match capabilities.limited_to(life.queue.max_data_bytes()) {
            Ok(capabilities) => Ok(Started {
                life,
                capabilities,
                bounce,
            }),
            Err(error) => {
                // The device knows the queue: without a confirmed reset its memory is leaked, with one it is freed.
                drop(life.end(clock, options.timeout, |_, _| {}));
                Err(error)
            }
        }
    }

    /// Resets the device, takes the queue apart and hands `reclaim` what it still carried, each with its owner.
    pub(super) fn end(
        mut self,
        clock: &impl Clock,
        timeout: Duration,
        mut reclaim: impl FnMut(Reclaimed<D>, Owner),
    ) -> Result<Ended<'s, T, D>, levitate_virtio::ResetError<T>> {
        // What is done is the driver's, whatever becomes of the device. Each turn takes one of finitely many.
        while let Some(token) = self.next_done() {
            let owner = self
                .queue
                .context(token)
                .map_or(Owner::User, |context| context.owner);
            let Some(completion) = self.take(token) else {
                break;
            };
            reclaim(
                Reclaimed {
                    kind: completion.kind,
                    sector: completion.sector,
                    result: completion.result,
                    buffer: completion.buffer,
                },
                owner,
            );
        }
        let (transport, quiesced) = self.device.reset(clock, timeout)?;
        let slots = self.queue.release(&quiesced, |data, context| {
            reclaim(
                Reclaimed {
                    kind: context.kind,
                    sector: context.sector,
                    result: Err(RequestError::Aborted),
                    buffer: data.into_inner(),
                },
                context.owner,
            );
        });
        Ok(Ended {
            transport,
            slots: slots.ok(),
        })
    }

    /// Makes a request available, without notifying the device.
    pub(super) fn submit(
        &mut self,
        kind: RequestKind,
        sector: u64,
        data: Data<DmaBuffer<D>>,
        owner: Owner,
    ) -> Result<Token, Rejected<DmaBuffer<D>, Context>> {
        let context = Context {
            kind,
            sector,
            owner,
        };
        let header = kind.header(sector);
        self.queue
            .submit(&header, data, &RequestStatus::UNWRITTEN, context)
    }

    /// Makes a read or a write of the user's available, without notifying the device.
    pub(super) fn submit_buffer(
        &mut self,
        access: Access,
        sector: u64,
        buffer: DmaBuffer<D>,
    ) -> Result<Token, crate::Rejected<D>> {
        let (kind, data) = match access {
            Access::Read => (RequestKind::Read, Data::Writable(buffer)),
            Access::Write => (RequestKind::Write, Data::Readable(buffer)),
        };
        self.submit(kind, sector, data, Owner::User)
            .map_err(|rejected| match rejected.data {
                Data::Readable(buffer) | Data::Writable(buffer) => crate::Rejected {
                    error: rejected.error.into(),
                    buffer,
                },
                Data::None => unreachable!("a queue gives back the data it was handed"),
            })
    }

    /// Takes a request back that is done, as of the last look at the queue.
    pub(super) fn take(&mut self, token: Token) -> Option<Completion<D>> {
        let completed = self.queue.take(token)?;
        Some(request::completion(token, completed))
    }

    /// Says whether the token is that of a request which has not been taken back.
    pub(super) fn knows(&self, token: Token) -> bool {
        self.queue.context(token).is_some()
    }

    /// Returns the request that has been done for longest.
    pub(super) fn next_done(&self) -> Option<Token> {
        self.queue.next_done()
    }

    /// Waits until the request is done and takes it back; others that are done stay for whoever wants them.
    pub(super) fn wait(
        &mut self,
        clock: &impl Clock,
        timeout: Duration,
        token: Token,
    ) -> Result<Completion<D>, Error> {
        let deadline = Deadline::after(clock, timeout);
        let mut next_look = Deadline::after(clock, STATUS_INTERVAL);
        let outcome = deadline.poll(clock, || {
            let processed = self.queue.process();
            if let Some(completion) = self.take(token) {
                return Some(Ok(completion));
            }
            if let Err(fault) = processed {
                return Some(Err(fault.into()));
            }
            if next_look.is_missed(clock) {
                next_look = Deadline::after(clock, STATUS_INTERVAL);
                let status = self.device.transport().read_status();
                // All ones is what a device that is gone reads; the diagnosis says so.
                let has_given_up = status.contains(Status::DEVICE_NEEDS_RESET) && !status.is_all();
                return has_given_up.then_some(Err(Error::NeedsReset { status }));
            }
            None
        });
        match outcome {
            Some(outcome) => outcome,
            None => {
                let unwritten = RequestStatus::UNWRITTEN;
                let cause = self.device.diagnose(&mut self.queue, token, &unwritten);
                Err(Timeout { timeout, cause }.into())
            }
        }
    }
}

/// Returns how long the bounce buffer is to be: whole blocks, at least one, and no more than a request can carry.
fn bounce_bytes(capabilities: &Capabilities, options: &Options) -> usize {
    let limit = usize::try_from(capabilities.max_request_bytes()).unwrap_or(usize::MAX);
    let block = usize::try_from(capabilities.block_size_bytes()).unwrap_or(usize::MAX);
    // A block is a power of two of bytes, and at least one fits into a request.
    let whole_bytes = options.bounce_bytes & !block.saturating_sub(1);
    whole_bytes.clamp(block.min(limit), limit)
}
