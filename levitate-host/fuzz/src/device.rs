//! The hostile device: registers that do what they like, over memory of which it keeps account ([`Device`]).

mod answer;
mod gpu;
mod mischief;
pub(crate) mod ring;

use levitate_host::dma::DeviceMemory;

pub(crate) use gpu::Screen;
pub(crate) use mischief::Menu;
use ring::packed::Packed;
use ring::{Chain, Framing, Ring};

use crate::sabotage::Sabotage;
use crate::script::Script;
use crate::spec::{self, register};

/// Bytes of configuration space there are.
pub(crate) const CONFIG_BYTES: usize = 96;

/// What the device pretends to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing in particular: it answers with any bytes.
    Bare,
    Block,
    Gpu,
}

/// A register that reads something else for a while.
#[derive(Debug)]
struct Lie {
    offset: usize,
    value: u32,
    reads: u8,
}

/// A device behind MMIO registers.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) memory: DeviceMemory,
    pub(crate) kind: Kind,
    pub(crate) version: u32,
    pub(crate) region_bytes: usize,
    /// It does what the specification says from now on.
    pub(crate) behaves: bool,
    pub(crate) menu: Menu,
    pub(crate) offered: u64,
    pub(crate) config: [u8; CONFIG_BYTES],
    /// Every content the configuration had.
    pub(crate) history: Vec<[u8; CONFIG_BYTES]>,
    /// The configuration changed without a word.
    pub(crate) is_config_false: bool,
    pub(crate) queue_size_max: u32,
    pub(crate) framing: Framing,
    /// It never says that a length in a packed ring has a meaning, as QEMU.
    pub(crate) lacks_write_flag: bool,
    /// Moments between a request and its answer; at 255 there is none.
    pub(crate) patience: u8,
    pub(crate) ring: Option<Ring>,
    /// Queues it was told of that did not come into being; their memory is its own as well.
    pub(crate) stillborn: usize,
    pub(crate) screen: Screen,
    /// What the blocks of a disk that behaves hold.
    pub(crate) disk: Vec<(u64, [u8; 512])>,
    /// What it answers behind the header, in place of the truth, if there is any.
    pub(crate) told_lies: Vec<u8>,
    pub(crate) failures: Vec<String>,
    pub(crate) sabotage: Sabotage,
    lies: Vec<Lie>,
    quiet: u8,
    waited: u8,
    mute: u8,
    status: u32,
    is_resetting: bool,
    /// How often it says that its reset is not done.
    stubborn: u8,
    accepted: u64,
    feature_sel: u32,
    accepted_sel: u32,
    generation: u32,
    is_restless: bool,
    interrupt: u32,
    queue_sel: u32,
    queue_size: u32,
    areas: [u64; 3],
    ready: u32,
}

impl Device {
    pub(crate) fn new(memory: DeviceMemory, kind: Kind) -> Self {
        Self {
            memory,
            kind,
            version: 2,
            region_bytes: register::CONFIG + CONFIG_BYTES,
            behaves: false,
            menu: Menu::All,
            offered: spec::F_VERSION_1,
            config: [0; CONFIG_BYTES],
            history: Vec::new(),
            is_config_false: false,
            queue_size_max: 16,
            framing: Framing {
                has_header: true,
                has_footer: true,
            },
            lacks_write_flag: false,
            patience: 0,
            ring: None,
            stillborn: 0,
            screen: Screen::default(),
            disk: Vec::new(),
            told_lies: Vec::new(),
            failures: Vec::new(),
            sabotage: Sabotage::None,
            lies: Vec::new(),
            quiet: 0,
            waited: 0,
            mute: 0,
            status: 0,
            is_resetting: false,
            stubborn: 0,
            accepted: 0,
            feature_sel: 0,
            accepted_sel: 0,
            generation: 0,
            is_restless: false,
            interrupt: 0,
            queue_sel: 0,
            queue_size: 0,
            areas: [0; 3],
            ready: 0,
        }
    }

    /// Has it do what the specification says from now on; what it told or did before stays.
    pub(crate) fn behave(&mut self) {
        self.behaves = true;
        self.lies.clear();
        self.stubborn = 0;
        self.patience = 0;
        self.mute = 0;
        self.is_restless = false;
    }

    /// A moment passes: the device sees what the driver has done, and does something itself.
    pub(crate) fn moment(&mut self, script: &mut Script) {
        // First of all, what the driver published is seen as it published it.
        self.fetch();
        if !self.behaves && !script.is_empty() {
            match self.quiet.checked_sub(1) {
                Some(left) => self.quiet = left,
                None => self.act(script),
            }
        }
        if let Some(left) = self.mute.checked_sub(1) {
            self.mute = left;
            return;
        }
        let has_work = self
            .ring
            .as_ref()
            .is_some_and(|ring| !ring.chains.is_empty());
        if has_work && self.patience != u8::MAX && self.status & spec::DRIVER_OK != 0 {
            if self.waited < self.patience {
                self.waited += 1;
                return;
            }
            self.waited = 0;
            self.answer_all(script);
        }
    }

    /// Says how many queues it was told of and has not forgotten in a reset.
    pub(crate) fn told(&self) -> usize {
        usize::from(self.ring.is_some()) + self.stillborn
    }

    /// Says whether a register reads something else than it should now.
    pub(crate) const fn has_lies(&self) -> bool {
        !self.lies.is_empty()
    }

    /// Says whether it was told of the memory, as a request's data.
    pub(crate) fn holds(&self, addr: u64, len: u64) -> bool {
        let mut chains = self.ring.iter().flat_map(|ring| &ring.chains);
        chains.any(|chain| chain.holds(addr, len))
    }

    /// Sees what the driver has made available.
    pub(crate) fn fetch(&mut self) {
        let Some(ring) = &mut self.ring else {
            return;
        };
        match ring.fetch(&self.memory) {
            Ok(0) => {}
            Ok(count) => {
                if self.kind == Kind::Gpu {
                    self.note_commands(count);
                }
                // What the used ring has already may name a new request as well.
                let doubtful = self.ring.as_mut().map(|ring| ring.doubt(&self.memory));
                self.given_up(doubtful.unwrap_or_default());
            }
            Err(why) => self.failures.push(why),
        }
    }

    /// Says what follows from requests that are done, by the device's word.
    fn given_up(&mut self, chains: Vec<Chain>) {
        if self.kind == Kind::Gpu {
            self.note_answers(&chains);
        }
    }

    /// Answers a read of a register.
    pub(crate) fn read(&mut self, offset: usize, width: usize) -> u64 {
        if !self.is_inside(offset, width) {
            return u64::MAX;
        }
        if offset >= register::CONFIG {
            let mut bytes = [0xff; 8];
            let config = &self.config[(offset - register::CONFIG).min(CONFIG_BYTES)..];
            let count = width.min(config.len());
            bytes[..count].copy_from_slice(&config[..count]);
            return u64::from_le_bytes(bytes) & (u64::MAX >> (64 - 8 * width));
        }
        let mut value = self.register(offset);
        if let Some(position) = self.lies.iter().position(|lie| lie.offset == offset) {
            let lie = &mut self.lies[position];
            value = lie.value;
            lie.reads = lie.reads.saturating_sub(1);
            if lie.reads == 0 {
                self.lies.remove(position);
            }
        }
        if offset == register::DEVICE_FEATURES && self.feature_sel == 1 {
            // The books of what the device has know nothing of it.
            value &= !((spec::F_IN_ORDER >> 32) as u32);
        }
        if offset == register::STATUS && value & 0xff == 0 && self.is_resetting {
            // The driver takes this for the end of the reset.
            self.forget();
        }
        u64::from(value)
    }

    fn register(&mut self, offset: usize) -> u32 {
        let half = |value: u64, sel: u32| match sel {
            0 => value as u32,
            1 => (value >> 32) as u32,
            _ => 0,
        };
        match offset {
            register::MAGIC => spec::MAGIC,
            register::VERSION => self.version,
            register::DEVICE_ID => match self.kind {
                Kind::Bare => 42,
                Kind::Block => 2,
                Kind::Gpu => 16,
            },
            register::DEVICE_FEATURES => half(self.offered, self.feature_sel),
            register::QUEUE_SIZE_MAX if self.queue_sel == 0 => self.queue_size_max,
            register::QUEUE_PFN if self.version == 1 => self.ready,
            register::QUEUE_READY if self.version == 2 => self.ready,
            register::INTERRUPT_STATUS => self.interrupt,
            register::STATUS => match self.stubborn.checked_sub(1) {
                Some(left) if self.is_resetting => {
                    self.stubborn = left;
                    1
                }
                _ => self.status,
            },
            register::GENERATION => {
                self.generation = self.generation.wrapping_add(u32::from(self.is_restless));
                self.generation
            }
            _ => 0,
        }
    }

    /// Takes a write to a register.
    pub(crate) fn write(&mut self, offset: usize, width: usize, value: u64) {
        if !self.is_inside(offset, width) || offset >= register::CONFIG {
            return;
        }
        let value = value as u32;
        let set_half = |target: &mut u64, sel: u32| match sel {
            0 => *target = *target & !0xffff_ffff | u64::from(value),
            _ => *target = *target & 0xffff_ffff | u64::from(value) << 32,
        };
        match offset {
            register::DEVICE_FEATURES_SEL => self.feature_sel = value,
            0x020 => set_half(&mut self.accepted, self.accepted_sel),
            0x024 => self.accepted_sel = value,
            register::QUEUE_SEL => self.queue_sel = value,
            register::QUEUE_SIZE => self.queue_size = value,
            register::QUEUE_PFN if self.version == 1 && value != 0 => {
                let base = u64::from(value) << 12;
                let available = base + 16 * u64::from(self.queue_size);
                let end = available + 6 + 2 * u64::from(self.queue_size);
                self.enable(value, [base, available, end.next_multiple_of(4096)]);
            }
            register::QUEUE_READY if self.version == 2 && value != 0 => {
                self.enable(value, self.areas);
            }
            // It lied about its version; the driver cannot know that it took no notice.
            register::QUEUE_PFN | register::QUEUE_READY if value != 0 => self.stillborn += 1,
            register::INTERRUPT_ACK => self.interrupt &= !value,
            register::STATUS if value == 0 => {
                self.status = 0;
                self.is_resetting = true;
            }
            register::STATUS if self.sabotage == Sabotage::NotReady => {
                self.status = value & !spec::DRIVER_OK;
            }
            register::STATUS => self.status = value,
            register::DESC_LOW => set_half(&mut self.areas[0], 0),
            register::DESC_HIGH => set_half(&mut self.areas[0], 1),
            register::DRIVER_LOW => set_half(&mut self.areas[1], 0),
            register::DRIVER_HIGH => set_half(&mut self.areas[1], 1),
            register::DEVICE_LOW => set_half(&mut self.areas[2], 0),
            register::DEVICE_HIGH => set_half(&mut self.areas[2], 1),
            _ => {}
        }
    }

    fn enable(&mut self, ready: u32, mut areas: [u64; 3]) {
        if self.sabotage == Sabotage::WrongAddress {
            areas[0] += 1 << 40;
        }
        self.ready = ready;
        if self.queue_sel != 0 {
            // There is no such queue, but its memory is known now.
            self.stillborn += 1;
            return;
        }
        let is_packed = self.accepted & spec::F_RING_PACKED != 0;
        let is_size =
            |size: &u16| size.is_power_of_two() || is_packed && (1..=1 << 15).contains(size);
        let size = u16::try_from(self.queue_size).ok();
        let Some(size) = size.filter(is_size) else {
            let size = self.queue_size;
            self.failures
                .push(format!("a queue has {size} descriptors"));
            return;
        };
        if self.ring.is_some() {
            self.failures
                .push("a queue is enabled twice between two resets".to_owned());
            return;
        }
        let packed = is_packed.then(|| Packed::new(!self.lacks_write_flag));
        match Ring::new(&self.memory, size, areas, self.framing, packed) {
            Ok(mut ring) => {
                ring.has_event_index = self.accepted & spec::F_EVENT_IDX != 0;
                self.ring = Some(ring);
            }
            Err(why) => {
                self.stillborn += 1;
                self.failures.push(why);
            }
        }
    }

    /// The reset is done, by the device's word: it reaches nothing any more.
    pub(crate) fn forget(&mut self) {
        self.is_resetting = false;
        if let Some(ring) = self.ring.take()
            && self.sabotage != Sabotage::EarlyRelease
        {
            ring.forget(&self.memory);
        }
        self.stillborn = 0;
        self.ready = 0;
        self.accepted = 0;
        self.interrupt = 0;
        self.queue_size = 0;
        self.areas = [0; 3];
        let screen = std::mem::take(&mut self.screen);
        screen.forget(&self.memory);
    }

    /// Says whether the region has such a place; an access elsewhere is a mistake of the driver.
    fn is_inside(&mut self, offset: usize, width: usize) -> bool {
        let is_inside = offset.is_multiple_of(width) && offset + width <= self.region_bytes;
        if !is_inside {
            self.failures.push(format!(
                "an access of {width} bytes at {offset:#x} to {:#x} bytes of registers",
                self.region_bytes
            ));
        }
        is_inside
    }
}
