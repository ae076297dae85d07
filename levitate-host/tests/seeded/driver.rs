//! A driver that keeps to every rule, over bare registers: [`Driver`].

use levitate_hal::{DmaSlice, Mmio};
use levitate_host::{Behaviour, Completion, MmioDevice, Pool, Version, VirtualClock};

use crate::life::{Outcome, Plays, QUEUE, Step};
use crate::message::{Descriptor, Message};
use crate::packed_ring::PackedRing;
use crate::ring::Ring;

pub(crate) const INDIRECT_DESC: u64 = 1 << 28;
pub(crate) const EVENT_IDX: u64 = 1 << 29;
pub(crate) const VERSION_1: u64 = 1 << 32;
const ANY_LAYOUT: u64 = 1 << 27;
pub(crate) const RING_PACKED: u64 = 1 << 34;
pub(crate) const IN_ORDER: u64 = 1 << 35;
const ORDER_PLATFORM: u64 = 1 << 36;
pub(crate) const NOTIFICATION_DATA: u64 = 1 << 38;

const MAGIC: u32 = 0x7472_6976;
const ACKNOWLEDGE: u32 = 1;
const DRIVER: u32 = 2;
const DRIVER_OK: u32 = 4;
const FEATURES_OK: u32 = 8;
const FAILED: u32 = 0x80;

/// Entries of each split queue.
pub(crate) const SIZE: u16 = 512;
/// Most descriptors of a packed one, which need be no power of two.
const PACKED_SIZE: u32 = 509;

pub(crate) struct Driver<M: Plays> {
    pub(crate) device: MmioDevice<M>,
    pub(crate) pool: Pool,
    pub(crate) version: Version,
    /// The features it accepts where they are offered.
    pub(crate) accepts: u64,
    pub(crate) offered: u64,
    pub(crate) status: u32,
    max_size: u32,
    /// The queue that is being set up.
    pub(crate) queue: u32,
    pub(crate) rings: Vec<Ring>,
    pub(crate) packed: Vec<PackedRing>,
    pub(crate) messages: Vec<Message>,
    /// The message that is being sent.
    pub(crate) message: usize,
    pub(crate) chain: Vec<Descriptor>,
    pub(crate) buffers: Vec<DmaSlice<u8, Pool>>,
    pub(crate) interrupts: u32,
    pub(crate) is_stopped: bool,
    /// It found no device that it could drive, and leaves what is there alone.
    has_no_device: bool,
    pub(crate) answers: usize,
}

impl<M: Plays> Driver<M> {
    pub(crate) fn plug(model: M, version: Version, accepts: u64, tune: fn(&mut Behaviour)) -> Self {
        let (pool, clock) = (Pool::new(), VirtualClock::new());
        let device = MmioDevice::builder(model)
            .version(version)
            .behave(tune)
            .build(&pool, &clock);
        Self {
            device,
            pool,
            version,
            accepts: accepts | M::FEATURES | VERSION_1 | RING_PACKED | ORDER_PLATFORM | ANY_LAYOUT,
            offered: 0,
            status: 0,
            max_size: 0,
            queue: 0,
            rings: Vec::new(),
            packed: Vec::new(),
            messages: Vec::new(),
            message: 0,
            chain: Vec::new(),
            buffers: Vec::new(),
            interrupts: 0,
            is_stopped: false,
            has_no_device: false,
            answers: 0,
        }
    }

    pub(crate) fn is_legacy(&self) -> bool {
        self.version == Version::One
    }

    pub(crate) fn read(&self, offset: usize) -> u32 {
        self.device.read32(offset)
    }

    pub(crate) fn write(&self, offset: usize, value: u32) {
        self.device.write32(offset, value);
    }

    /// Sets status bits, and keeps those that are set.
    pub(crate) fn set_status(&mut self, bits: u32) {
        self.status |= bits;
        self.write(0x070, self.status);
    }

    /// Ends the life before its time.
    pub(crate) fn stop(&mut self) {
        self.is_stopped = true;
    }

    pub(crate) fn fail(&mut self) {
        self.set_status(FAILED);
        self.stop();
    }

    pub(crate) fn set_up_queue(&mut self) {
        for step in QUEUE {
            self.act(step);
        }
    }

    /// Does one step as it should be done.
    pub(crate) fn act(&mut self, step: Step) {
        match step {
            Step::ReadMagic => self.probe(0x000, |magic| magic == MAGIC),
            Step::ReadVersion => self.probe(0x004, |version| matches!(version, 1 | 2)),
            Step::ReadDeviceId => self.probe(0x008, |id| id != 0),
            Step::Reset => self.write(0x070, 0),
            Step::ConfirmReset => while self.read(0x070) != 0 {},
            Step::Acknowledge => self.set_status(ACKNOWLEDGE),
            Step::Driver => self.set_status(DRIVER),
            Step::ReadFeatures => self.read_features(),
            Step::WriteFeatures => self.write_features(),
            Step::FeaturesOk if !self.is_legacy() => self.set_status(FEATURES_OK),
            Step::ConfirmFeatures if !self.is_legacy() => {
                if self.read(0x070) & FEATURES_OK == 0 {
                    self.fail();
                }
            }
            Step::FeaturesOk | Step::ConfirmFeatures => {}
            Step::ReadConfig => M::read_config(self),
            Step::WritePageSize if self.is_legacy() => self.write(0x028, 4096),
            Step::SelectQueue => {
                if !self.is_packed() {
                    self.rings.push(Ring::new(&self.pool));
                }
                self.write(0x030, self.queue);
            }
            Step::ReadInUse => {
                self.read(if self.is_legacy() { 0x040 } else { 0x044 });
            }
            Step::ReadMaxSize => self.max_size = self.read(0x034),
            Step::WriteSize => self.write_size(),
            Step::WriteAlign if self.is_legacy() => self.write(0x03c, 4096),
            Step::WriteAddresses if !self.is_legacy() => self.write_addresses(),
            Step::WritePageSize | Step::WriteAlign | Step::WriteAddresses => {}
            Step::EnableQueue => self.enable_queue(),
            Step::DriverOk => self.set_status(DRIVER_OK),
            Step::Compose => self.messages = M::messages(self),
            Step::Build => self.build(),
            Step::WriteChain => self.write_chain(),
            Step::Publish if self.is_packed() => self.packed_ring().publish(),
            Step::Publish => self.ring().publish(0),
            Step::Notify => {
                if self.wants_notification() {
                    let data = self.notification_data();
                    self.notify_with(data);
                }
            }
            Step::TakeUsed => {
                self.device.release_all();
                self.take_used();
            }
            Step::ReadInterrupt => self.interrupts = self.read(0x060),
            Step::AckInterrupt if self.interrupts != 0 => self.write(0x064, self.interrupts),
            Step::AckInterrupt => {}
        }
    }

    /// Reads what must be right for the device to be one.
    fn probe(&mut self, offset: usize, is_right: fn(u32) -> bool) {
        if !is_right(self.read(offset)) {
            self.has_no_device = true;
            self.stop();
        }
    }

    fn read_features(&mut self) {
        self.write(0x014, 0);
        self.offered = u64::from(self.read(0x010));
        if !self.is_legacy() {
            self.write(0x014, 1);
            self.offered |= u64::from(self.read(0x010)) << 32;
        }
    }

    /// Returns what it accepts of what is offered.
    pub(crate) fn chosen(&self) -> u64 {
        let unfit = if self.is_legacy() { 0 } else { ANY_LAYOUT };
        self.offered & self.accepts & !unfit
    }

    fn write_features(&mut self) {
        let chosen = self.chosen();
        self.write(0x024, 0);
        self.write(0x020, chosen as u32);
        if !self.is_legacy() {
            self.write(0x024, 1);
            self.write(0x020, (chosen >> 32) as u32);
        }
    }

    pub(crate) fn negotiated(&self, feature: u64) -> bool {
        self.device.negotiated() & feature != 0
    }

    pub(crate) fn is_packed(&self) -> bool {
        self.negotiated(RING_PACKED)
    }

    fn write_size(&mut self) {
        if self.is_packed() {
            let size = self.max_size.min(PACKED_SIZE);
            self.packed.push(PackedRing::new(&self.pool, size as u16));
            self.write(0x038, size);
        } else {
            self.write(0x038, u32::from(SIZE));
        }
    }

    fn areas(&self) -> [u64; 3] {
        if self.is_packed() {
            self.packed.last().unwrap().areas()
        } else {
            self.rings.last().unwrap().areas()
        }
    }

    fn write_addresses(&self) {
        for (register, addr) in [0x080, 0x090, 0x0a0].into_iter().zip(self.areas()) {
            self.write(register, addr as u32);
            self.write(register + 4, (addr >> 32) as u32);
        }
    }

    fn enable_queue(&self) {
        let [descriptors, ..] = self.areas();
        if self.is_legacy() {
            self.write(0x040, (descriptors / 4096) as u32);
        } else {
            self.write(0x044, 1);
        }
    }

    /// Ends as a driver should, whatever became of it.
    pub(crate) fn end(self, is_reached: bool) -> Outcome {
        self.device.behave(|behaviour| {
            behaviour.reset_reads = 0;
            behaviour.completion = Completion::Inline;
        });
        if !self.has_no_device {
            self.write(0x070, 0);
            self.read(0x070);
        }
        let violations = self.device.take_violations();
        // What may follow from a broken rule: the device's complaints in other words, and memory that went too early.
        let mut others = self.device.take_complaints();
        others.extend(self.pool.take_misuses().iter().map(ToString::to_string));
        let strays = self.pool.take_stray_accesses();
        others.extend(strays.iter().map(ToString::to_string));
        Outcome {
            ids: violations.iter().map(|one| one.id).collect(),
            others,
            messages: self.messages.len(),
            answers: self.answers,
            is_reached,
            is_stopped: self.is_stopped,
        }
    }
}
