//! A toy device that echoes, and a driver for it made of nothing but this crate.

use std::time::Duration;

use levitate_hal::{Deadline, DmaBuffer, DmaRegion, DmaSlice};
use levitate_host::any::ModelledTransport;
use levitate_host::device::{ConfigField, Violations};
use levitate_host::mmio::MmioBuilder;
use levitate_host::queue::Request;
use levitate_host::{
    AnyDevice, Behaviour, DeviceModel, MmioDevice, Plug, Pool, Version, VirtualClock,
};
use levitate_virtio::features::NoFeatures;
use levitate_virtio::transport::QueueAreas;
use levitate_virtio::{
    Data, Device, Features, Queue, QueueConfig, QueueIndex, QueueSize, Slot, Status, Token,
    Transport, Wanted, stage,
};

/// Answers what it is sent, over and over until the answer's room is full; its configuration counts up.
#[derive(Default)]
pub(crate) struct Echo {
    /// It answers nothing.
    pub(crate) is_silent: bool,
    pub(crate) served: Vec<Vec<u8>>,
    pub(crate) config: [u8; 16],
}

impl DeviceModel for Echo {
    fn device_id(&self) -> u32 {
        42
    }

    fn features(&self) -> u64 {
        0
    }

    fn queue_count(&self) -> u16 {
        2
    }

    fn config_fields(&self) -> &'static [ConfigField] {
        const {
            &[
                ConfigField::read_only(0, 8),
                ConfigField::read_only(8, 4).writable(),
                ConfigField::read_only(12, 2).writable(),
                ConfigField::read_only(14, 1).writable(),
            ]
        }
    }

    fn config_len(&self) -> usize {
        16
    }

    fn config(&self) -> Vec<u8> {
        self.config.to_vec()
    }

    fn write_config(&mut self, offset: usize, bytes: &[u8], _violations: &mut Violations) {
        self.config[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn serve(&mut self, _queue: u16, request: &mut Request<'_>) {
        let sent = request.read_all().unwrap();
        if !self.is_silent {
            let answers = sent.iter().copied().cycle();
            let answer: Vec<u8> = answers.take(request.writable_len()).collect();
            request.write(0, &answer);
        }
        self.served.push(sent);
    }

    fn reset(&mut self) {}
}

pub(crate) type Registers = MmioDevice<Echo>;
pub(crate) type EchoTransport = ModelledTransport<Echo>;
pub(crate) type Live = Device<EchoTransport, stage::Live>;
pub(crate) type EchoQueue<'s> =
    Queue<'s, DmaBuffer<Pool>, u32, Pool, <EchoTransport as Transport>::Notifier>;
pub(crate) type EchoSlot = Slot<DmaBuffer<Pool>, u32>;

pub(crate) const TIMEOUT: Duration = Duration::from_millis(100);
pub(crate) const CONFIG: QueueConfig = QueueConfig {
    header_bytes: 16,
    footer_bytes: 16,
    max_segments: 4,
    max_segment_bytes: 4096,
    direct_descriptors: 0,
};

pub(crate) struct Rig {
    pub(crate) pool: Pool,
    pub(crate) clock: VirtualClock,
    pub(crate) device: AnyDevice<Echo>,
}

impl Rig {
    pub(crate) fn new(plug: impl Into<Plug>) -> Self {
        Self::plug(plug, |_| {})
    }

    /// A device behind any transport.
    pub(crate) fn plug(plug: impl Into<Plug>, behave: impl FnOnce(&mut Behaviour)) -> Self {
        Self::build(|pool, clock| {
            AnyDevice::plug(plug.into(), Echo::default(), pool, clock, behave)
        })
    }

    /// A device behind memory-mapped registers.
    pub(crate) fn with(change: impl FnOnce(MmioBuilder<Echo>) -> MmioBuilder<Echo>) -> Self {
        Self::build(|pool, clock| {
            AnyDevice::Mmio(change(MmioDevice::builder(Echo::default())).build(pool, clock))
        })
    }

    pub(crate) fn build(device: impl FnOnce(&Pool, &VirtualClock) -> AnyDevice<Echo>) -> Self {
        Self::on(Pool::builder().exact_alignment().build(), device)
    }

    /// A device that reaches the memory of this pool.
    pub(crate) fn on(
        pool: Pool,
        device: impl FnOnce(&Pool, &VirtualClock) -> AnyDevice<Echo>,
    ) -> Self {
        // A missed deadline is a hundred readings, which an interpreter has time for.
        let clock = VirtualClock::with_step(TIMEOUT / 100);
        let device = device(&pool, &clock);
        Self {
            pool,
            clock,
            device,
        }
    }

    pub(crate) fn transport(&self) -> EchoTransport {
        self.device.transport()
    }

    /// Brings the device up with one queue; it offers the kind of ring that is asked for.
    pub(crate) fn start<'s>(
        &self,
        slots: &'s mut [EchoSlot],
        common: Features,
        config: QueueConfig,
    ) -> (Live, EchoQueue<'s>) {
        let rings = (common & RING_FEATURES).bits();
        self.device.behave(|behaviour| behaviour.offer |= rings);
        let wanted = Wanted::<NoFeatures> {
            common,
            ..Wanted::default()
        };
        let device = Device::begin(self.transport(), &self.clock, TIMEOUT).unwrap();
        let (mut device, _) = device.negotiate(&wanted).unwrap();
        let queue = device
            .prepare_queue(&self.pool, QueueIndex::new(0), config, slots)
            .unwrap();
        let device = device.go_live();
        let queue = queue.activate(&device).unwrap();
        (device, queue)
    }

    /// Brings the device up with `features` until it has `queue`, in memory that is there; it is not live, and serves nothing.
    pub(crate) fn enable(
        &self,
        features: Features,
        queue: QueueIndex,
    ) -> (EchoTransport, DmaRegion<Pool>) {
        let memory = DmaRegion::new(&self.pool, 0x1000, 16).unwrap();
        let mut transport = self.transport();
        let mut status = Status::empty();
        transport.write_status(status);
        assert_eq!(transport.read_status(), status);
        for bit in [Status::ACKNOWLEDGE, Status::DRIVER] {
            status |= bit;
            transport.write_status(status);
        }
        transport.read_device_features();
        transport.write_driver_features((Features::VERSION_1 | features).bits());
        status |= Status::FEATURES_OK;
        transport.write_status(status);
        assert_eq!(transport.read_status(), status);
        // SAFETY: a device that is not live reads no more of a queue than its index, and the memory is there until a reset.
        unsafe { transport.enable_queue(queue, &areas(&memory)) }.unwrap();
        (transport, memory)
    }

    /// Resets the device and gives everything back; nothing may be left.
    pub(crate) fn stop(&self, device: Live, queue: EchoQueue<'_>) {
        let (_, quiesced) = device.reset(&self.clock, TIMEOUT).unwrap();
        queue.release(&quiesced, |data, _| drop(data)).unwrap();
        self.device.assert_clean();
        self.pool.assert_no_stray_accesses();
        self.pool.assert_no_leaks();
    }

    pub(crate) fn buffer(&self, bytes: &[u8]) -> DmaBuffer<Pool> {
        let mut slice = DmaSlice::new_zeroed(&self.pool, bytes.len()).unwrap();
        slice.copy_from_slice(bytes);
        slice.into()
    }

    /// Waits for the answer to `token`.
    pub(crate) fn wait(&self, queue: &mut EchoQueue<'_>, token: Token) -> bool {
        Deadline::after(&self.clock, TIMEOUT)
            .poll(&self.clock, || {
                queue.process().unwrap();
                queue.is_done(token).then_some(())
            })
            .is_some()
    }
}

/// A queue of 16 in a page.
pub(crate) fn areas(memory: &DmaRegion<Pool>) -> QueueAreas {
    let at = |offset| memory.device_addr_at(offset).unwrap();
    QueueAreas {
        size: QueueSize::new(16).unwrap(),
        descriptor: at(0),
        driver: at(0x400),
        device: at(0x800),
    }
}

/// Submits a header and expects it back in the footer.
pub(crate) fn echo(queue: &mut EchoQueue<'_>, number: u32) -> Token {
    queue
        .submit(&number.to_le_bytes(), Data::None, &[0_u8; 4], number)
        .unwrap_or_else(|rejected| panic!("{}", rejected.error))
}

pub(crate) fn slots<const N: usize>() -> [EchoSlot; N] {
    [const { Slot::new() }; N]
}

/// Every combination of ring features that a device so plugged in can have (§2.7, §2.8, §2.9, §6.3); under Miri, for which a device
/// takes a second, some.
pub(crate) fn ring_features(plug: impl Into<Plug>) -> impl Iterator<Item = Features> {
    let all = match plug.into() {
        // It has no bits for the others.
        Plug::Mmio(Version::One) => Features::INDIRECT_DESC | Features::EVENT_IDX,
        _ => RING_FEATURES,
    };
    let bits: Vec<Features> = all.iter().collect();
    (0..1_u32 << bits.len())
        .map(move |set| {
            let is_in = |number: &usize| set >> number & 1 != 0;
            let chosen = (0..bits.len()).filter(is_in);
            chosen.map(|number| bits[number]).collect()
        })
        .filter(|features| !cfg!(miri) || is_interpreted(*features))
}

/// Says whether Miri is given such rings: both formats with and without tables, and all there is at once.
fn is_interpreted(features: Features) -> bool {
    let has_tables = features.contains(Features::INDIRECT_DESC);
    has_tables == features.contains(Features::EVENT_IDX)
        && (!features.contains(Features::IN_ORDER) || features == RING_FEATURES)
}

/// Each of `plugs` with every combination of ring features.
pub(crate) fn rings_behind(
    plugs: impl IntoIterator<Item = Plug>,
) -> impl Iterator<Item = (Plug, Features)> {
    let plugs = plugs.into_iter();
    plugs.flat_map(|plug| ring_features(plug).map(move |features| (plug, features)))
}

/// Those of a plug with which its device may use requests in any order.
pub(crate) fn out_of_order(plug: impl Into<Plug>) -> impl Iterator<Item = Features> {
    ring_features(plug).filter(|features| !features.contains(Features::IN_ORDER))
}

/// What makes a difference to a ring, in ways that can be combined at will.
const RING_FEATURES: Features = Features::INDIRECT_DESC
    .union(Features::EVENT_IDX)
    .union(Features::RING_PACKED)
    .union(Features::IN_ORDER);
