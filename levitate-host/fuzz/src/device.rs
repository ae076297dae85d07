//! The hostile device: registers that do what they like, over memory of which it keeps account ([`Device`]).

mod answer;
mod gpu;
mod mischief;
mod queue_reset;
mod registers;
pub(crate) mod ring;

use levitate_host::dma::DeviceMemory;

pub(crate) use gpu::Screen;
pub(crate) use mischief::Menu;
use queue_reset::QueueReset;
use ring::{Chain, Framing, Ring};

use crate::sabotage::Sabotage;
use crate::script::Script;
use crate::spec::{self, register};

/// What a device that is nothing in particular answers with.
pub(crate) const ANSWER: u8 = 0x5a;

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
    /// What it uses in order it uses in batches.
    pub(crate) has_batches: bool,
    /// It wrote into a request, or where one may be later, what is no answer.
    pub(crate) has_scribbled: bool,
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
    queue_reset: QueueReset,
    /// How often it says that its reset, or a queue's, is not done.
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
            has_batches: false,
            has_scribbled: false,
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
            queue_reset: QueueReset::default(),
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
            .is_some_and(|ring| !ring.chains.is_empty() && !self.queue_reset.is_ongoing());
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
}
