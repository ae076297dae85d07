//! One life of a device, from its initialization to its reset (§3.1.1, §3.3).

use levitate_hal::{DmaBuffer, Platform};
use levitate_virtio::{Device, QueueConfig, QueueIndex, Slot, Transport, Wanted};

use crate::config::GpuConfig;
use crate::control::{Control, Pending};
use crate::device::Options;
use crate::error::InitError;
use crate::features::GpuFeatures;
use crate::frame::Frame;
use crate::protocol::MAX_SCANOUTS;
use crate::protocol::edid::RespEdid;
use crate::protocol::transfer::TransferToHost2d;

/// The control queue (§5.7.2).
const CONTROLQ: QueueIndex = QueueIndex::new(0);
/// Commands that are in flight together when a framebuffer is created; a frame needs two.
pub(crate) const CREATE_SLOTS: u16 = 3;
/// A question for an EDID that is not answered takes a slot, and leaves enough for a framebuffer.
const MIN_SLOTS: u16 = CREATE_SLOTS + 1;

/// The slots of the control queue.
pub(crate) type Slots<'s, P> = &'s mut [Slot<DmaBuffer<<P as Platform>::Dma>, Pending>];

/// Goes through the steps of §3.1.1 with a device that is a GPU.
pub(crate) fn bring_up<'s, T: Transport, P: Platform>(
    transport: T,
    platform: P,
    (slots, frames): (Slots<'s, P>, &'s mut [Frame]),
    options: Options,
) -> Result<Control<'s, T, P>, InitError> {
    let wanted = Wanted {
        common: options.common_features,
        device: GpuFeatures::all(),
        required: GpuFeatures::empty(),
    };
    let device = Device::begin(transport, platform.clock(), options.timeout)?;
    let (mut device, features) = device.negotiate(&wanted)?;
    let config = device.read_config(GpuConfig::read)?;
    let found = config.num_scanouts;
    if !(1..=MAX_SCANOUTS).contains(&usize::try_from(found).unwrap_or(usize::MAX)) {
        return Err(InitError::ScanoutCount { found });
    }
    let queue_config = QueueConfig {
        header_bytes: size_of::<TransferToHost2d>(),
        footer_bytes: size_of::<RespEdid>(),
        max_segments: 1,
        max_segment_bytes: u32::MAX,
        direct_descriptors: 0,
    };
    let queue = device.prepare_queue(platform.dma(), CONTROLQ, queue_config, slots)?;
    let device = device.go_live();
    let queue = queue.activate(&device)?;
    let slots = queue.idle_slots();
    let has_data = queue.max_segments() != 0;
    let control = Control::new(device, queue, frames, platform, options, (config, features));
    if slots < MIN_SLOTS || !has_data {
        // Without proof of the reset, the queue's memory is leaked.
        drop(shut_down(control));
        return Err(InitError::TooFewSlots {
            slots,
            needed: MIN_SLOTS,
        });
    }
    log::info!("gpu is live: {found} scanouts, room for {slots} commands");
    Ok(control)
}

/// What is left of a driver whose device was reset; no slots if the queue did not take the proof.
pub(crate) type Remains<'s, T, P> = (T, Option<Slots<'s, P>>, &'s mut [Frame]);

/// Resets the device and frees what its queue has.
pub(crate) fn shut_down<'s, T: Transport, P: Platform>(
    control: Control<'s, T, P>,
) -> Result<Remains<'s, T, P>, levitate_virtio::ResetError<T>> {
    let Control {
        device,
        queue,
        frames,
        platform,
        options,
        ..
    } = control;
    let (transport, quiesced) = device.reset(platform.clock(), options.timeout)?;
    let slots = queue.release(&quiesced, |data, _| drop(data)).ok();
    Ok((transport, slots, frames))
}
