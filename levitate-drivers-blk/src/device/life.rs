//! One life of the device, from its initialization to its reset: [`Life`].

use core::mem::size_of;
use core::time::Duration;

use levitate_hal::{Clock, Dma, DmaBuffer, Platform};
use levitate_virtio::{
    Data, Device, DeviceType, Features, Negotiated, Queue, QueueConfig, QueueIndex, Token,
    Transport, Wanted,
};

use super::new_buffer;
use super::requests::{self, Live, RequestQueue};
use crate::capabilities::Capabilities;
use crate::config::Config;
use crate::error::{Error, InitError};
use crate::features::BlkFeatures;
use crate::options::Options;
use crate::request::{
    Completion, Context, Owner, Reclaimed, RequestError, RequestHeader, RequestStatus,
};
use crate::storage::RequestSlot;

/// The first queue for requests; the only one without `VIRTIO_BLK_F_MQ` (§5.2.2).
pub(super) const REQUEST_QUEUE: QueueIndex = QueueIndex::new(0);

/// Header, one piece of data, and status: nearly all requests.
const SHORT_CHAIN: u16 = 3;

/// A live device with its queues.
pub(super) struct Life<'s, T: Transport, D: Dma, const MORE: usize> {
    pub(super) device: Live<T>,
    pub(super) features: Negotiated<BlkFeatures>,
    /// The first one.
    pub(super) queue: RequestQueue<'s, T, D>,
    /// The others, as many as there are.
    more: [Option<RequestQueue<'s, T, D>>; MORE],
    /// How many of those are in use: the device knows the rest too, so that only a reset gives their memory back.
    more_in_use: usize,
    /// Room for requests in queues that there are not.
    spare: [Option<Slots<'s, D>>; MORE],
}

/// The slots of one queue.
type Slots<'s, D> = &'s mut [RequestSlot<D>];

/// What bringing a device up results in.
pub(super) struct Started<'s, T: Transport, D: Dma, const MORE: usize> {
    pub(super) life: Life<'s, T, D, MORE>,
    pub(super) capabilities: Capabilities,
    pub(super) bounce: DmaBuffer<D>,
}

/// What is left of a life.
pub(super) struct Ended<'s, T, D: Dma, const MORE: usize> {
    pub(super) transport: T,
    /// Room for another life; `None` if the queue was another device's, which `Life` rules out.
    pub(super) slots: Option<Slots<'s, D>>,
    /// Room in further queues of another life.
    pub(super) more_slots: [Option<Slots<'s, D>>; MORE],
}

impl<'s, T: Transport, D: Dma, const MORE: usize> Life<'s, T, D, MORE> {
    /// Goes through the initialization of §3.1.1.
    pub(super) fn start<P: Platform<Dma = D>>(
        transport: T,
        platform: &P,
        (slots, mut spare): (Slots<'s, D>, [Option<Slots<'s, D>>; MORE]),
        options: &Options,
    ) -> Result<Started<'s, T, D, MORE>, InitError> {
        let found = transport.device_type();
        if found != DeviceType::BLOCK {
            return Err(InitError::WrongDevice { found });
        }
        let clock = platform.clock();
        let mut device = Device::begin(transport, clock, options.timeout)?;
        let mut wanted = Wanted {
            common: options.features,
            device: BlkFeatures::wanted(device.read_offered_features()),
            required: BlkFeatures::empty(),
        };
        wanted.device.set(BlkFeatures::MQ, MORE != 0);
        let (mut device, features) = device.negotiate(&wanted)?;
        let config = device.read_config(|space| Config::read(space, features.device))?;
        let capabilities = Capabilities::new(&config, features.device, options.max_segments)?;
        let bounce = new_buffer(platform.dma(), bounce_bytes(&capabilities, options))?;
        let queue_config = QueueConfig {
            header_bytes: size_of::<RequestHeader>(),
            footer_bytes: size_of::<RequestStatus>(),
            max_segments: capabilities.max_segments(),
            max_segment_bytes: capabilities.max_segment_bytes(),
            direct_descriptors: match features.common.contains(Features::RING_PACKED) {
                // With one each, a packed ring can say which request it waits for (`await_together`).
                true => 1,
                false => SHORT_CHAIN,
            },
        };
        let queue = device.prepare_queue(platform.dma(), REQUEST_QUEUE, queue_config, slots)?;
        let mut prepared = [const { None }; MORE];
        let indices = 1..capabilities.num_queues();
        for ((index, room), prepared) in indices.zip(&mut spare).zip(&mut prepared) {
            let Some(slots) = room.take() else { break };
            let index = QueueIndex::new(index);
            match device.prepare_queue(platform.dma(), index, queue_config, slots) {
                Ok(queue) => *prepared = Some(queue),
                // One queue is enough to drive the device, and those before this one are in its hands.
                // The slots went with the attempt: in another life there is no room for this queue either.
                Err(error) => {
                    log::warn!(
                        "block device is driven without queue {index} and those after it: {error}"
                    );
                    break;
                }
            }
        }
        let device = device.go_live();
        let queue = queue.activate(&device)?;
        let mut more = [const { None }; MORE];
        for (live, prepared) in more.iter_mut().zip(prepared) {
            *live = prepared.map(|queue| queue.activate(&device)).transpose()?;
        }
        let mut life = Self {
            device,
            features,
            queue,
            more,
            more_in_use: 0,
            spare,
        };
        life.more_in_use = life.count_with_room(&capabilities);
        let max_data_bytes = life.queues().map(Queue::max_data_bytes).min();
        match capabilities.limited_to(max_data_bytes.unwrap_or(0)) {
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

    /// Resets the device, takes the queues apart and hands `reclaim` what they still carried, each with its owner.
    pub(super) fn end(
        mut self,
        clock: &impl Clock,
        timeout: Duration,
        mut reclaim: impl FnMut(Reclaimed<D>, Owner),
    ) -> Result<Ended<'s, T, D, MORE>, levitate_virtio::ResetError<T>> {
        for queue in self.queues_mut() {
            reclaim_done::<T, D>(queue, &mut reclaim);
        }
        let (transport, quiesced) = self.device.reset(clock, timeout)?;
        let mut abort = |data, context| {
            let (request, owner) = aborted(data, context);
            reclaim(request, owner);
        };
        let slots = self.queue.release(&quiesced, &mut abort).ok();
        let mut more_slots = self.spare;
        for (room, queue) in more_slots.iter_mut().zip(self.more) {
            if let Some(queue) = queue {
                *room = queue.release(&quiesced, &mut abort).ok();
            }
        }
        Ok(Ended {
            transport,
            slots,
            more_slots,
        })
    }

    /// Returns how many queues besides the first there are before one whose size leaves no room for a block.
    fn count_with_room(&self, capabilities: &Capabilities) -> usize {
        let mut with_room = 0_usize;
        for queue in self.more.iter().flatten() {
            if let Err(error) = capabilities.limited_to(queue.max_data_bytes()) {
                log::warn!(
                    "block device is driven without queue {} and those after it: {error}",
                    queue.index()
                );
                break;
            }
            with_room = with_room.saturating_add(1);
        }
        with_room
    }

    pub(super) fn queue_count(&self) -> usize {
        self.queues().count()
    }

    pub(super) fn queues(&self) -> impl Iterator<Item = &RequestQueue<'s, T, D>> {
        let more = self.more.iter().flatten().take(self.more_in_use);
        core::iter::once(&self.queue).chain(more)
    }

    pub(super) fn queues_mut(&mut self) -> impl Iterator<Item = &mut RequestQueue<'s, T, D>> {
        let more = self.more.iter_mut().flatten().take(self.more_in_use);
        core::iter::once(&mut self.queue).chain(more)
    }

    /// Returns one of the queues, counted from 0.
    pub(super) fn queue_mut(&mut self, index: usize) -> Option<&mut RequestQueue<'s, T, D>> {
        match index.checked_sub(1) {
            None => Some(&mut self.queue),
            Some(index) if index < self.more_in_use => self.more.get_mut(index)?.as_mut(),
            Some(_) => None,
        }
    }

    /// Returns one of the queues in use, and its device.
    pub(super) fn with_queue(
        &mut self,
        index: QueueIndex,
    ) -> Option<(&mut Live<T>, &mut RequestQueue<'s, T, D>)> {
        let more = self.more.iter_mut().flatten().take(self.more_in_use);
        let queue = core::iter::once(&mut self.queue)
            .chain(more)
            .find(|queue| queue.index() == index)?;
        Some((&mut self.device, queue))
    }

    /// Returns the queue that has the request, and its device; `None` if the token is that of no request, or was taken back.
    pub(super) fn owner_of(
        &mut self,
        token: Token,
    ) -> Option<(&mut Live<T>, &mut RequestQueue<'s, T, D>)> {
        let queue = core::iter::once(&mut self.queue)
            .chain(self.more.iter_mut().flatten())
            .find(|queue| queue.context(token).is_some())?;
        Some((&mut self.device, queue))
    }

    /// Waits for a request in the first queue: [`requests::wait`].
    pub(super) fn wait_for_first(
        &mut self,
        clock: &impl Clock,
        timeout: Duration,
        token: Token,
    ) -> Result<Completion<D>, Error> {
        requests::wait(&mut self.device, &mut self.queue, clock, timeout, token)
    }
}

/// Returns what is left of a request that the device had when it, or the queue, was reset.
pub(super) fn aborted<D: Dma>(data: Data<DmaBuffer<D>>, context: Context) -> (Reclaimed<D>, Owner) {
    let request = Reclaimed {
        kind: context.kind,
        sector: context.sector,
        result: Err(RequestError::Aborted),
        buffer: data.into_inner(),
    };
    (request, context.owner)
}

/// Hands `reclaim` what is done: that is the driver's, whatever becomes of the device.
pub(super) fn reclaim_done<T: Transport, D: Dma>(
    queue: &mut RequestQueue<'_, T, D>,
    reclaim: &mut impl FnMut(Reclaimed<D>, Owner),
) {
    // Each turn takes one of finitely many.
    while let Some(token) = queue.next_done() {
        let owner = queue
            .context(token)
            .map_or(Owner::User, |context| context.owner);
        let Some(completion) = requests::take(queue, token) else {
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
}

/// Returns how long the bounce buffer is to be: whole blocks, at least one, and no more than a request can carry.
fn bounce_bytes(capabilities: &Capabilities, options: &Options) -> usize {
    let limit = usize::try_from(capabilities.max_request_bytes()).unwrap_or(usize::MAX);
    let block = usize::try_from(capabilities.block_size_bytes()).unwrap_or(usize::MAX);
    // A block is a power of two of bytes, and at least one fits into a request.
    let whole_bytes = options.bounce_bytes & !block.saturating_sub(1);
    whole_bytes.clamp(block.min(limit), limit)
}
