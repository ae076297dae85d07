//! One input against one driver: the device, its registers, the clock, and what must hold ([`Bench`]).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use levitate_hal::{Clock, Instant, Mmio};
use levitate_host::Policy;

use crate::device::{Device, Kind};
use crate::memory::Memory;
use crate::sabotage::Sabotage;
use crate::script::Script;
use crate::spec::register;

/// How long drivers wait for the device.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(200);

/// How much time passes with each look at the clock.
const STEP: Duration = Duration::from_millis(10);

/// Looks and register accesses a driver may need for one wait, and besides its waits.
const ACCESSES_PER_WAIT: usize = 120;
const ACCESSES_PER_CALL: usize = 2000;

/// A driver's whole surroundings.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) world: Rc<RefCell<World>>,
    pub(crate) memory: Memory,
    sabotage: Sabotage,
    /// Pieces of memory that were leaked rightly.
    leaked: Cell<usize>,
}

/// What the handles of a driver lead to.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) device: Device,
    pub(crate) script: Script,
    now: Duration,
    accesses: usize,
    limit: usize,
    is_thawed: bool,
    sabotage: Sabotage,
}

impl World {
    /// Counts a register access or a look at the clock, at which the device has its moment.
    fn moment(&mut self) {
        self.accesses += 1;
        if self.accesses == self.limit {
            self.device
                .failures
                .push(format!("no end after {} accesses", self.limit));
            self.is_thawed = true;
        }
        // Whoever still goes on does not look at the clock; a driver that is dropped by the panic may come here again.
        assert!(
            self.accesses < 10 * self.limit || std::thread::panicking(),
            "a loop without an end, and without a look at the clock"
        );
        self.device.moment(&mut self.script);
    }
}

impl Bench {
    pub(crate) fn new(bytes: &[u8], kind: Kind, sabotage: Sabotage) -> Self {
        // Where buffers are copied, a sync that is forgotten shows; the length decides, so that no byte means anything else by it.
        let policy = match kind {
            Kind::Bare if !bytes.len().is_multiple_of(2) => Policy::Bounce,
            _ => Policy::Iommu,
        };
        let memory = Memory::new(policy, sabotage);
        let mut device = Device::new(memory.pool().device_memory(), kind);
        device.sabotage = sabotage;
        let world = World {
            device,
            script: Script::new(bytes),
            now: Duration::ZERO,
            accesses: 0,
            limit: ACCESSES_PER_CALL,
            is_thawed: false,
            sabotage,
        };
        Self {
            world: Rc::new(RefCell::new(world)),
            memory,
            sabotage,
            leaked: Cell::new(0),
        }
    }

    /// Changes the device, or asks it.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Device) -> R) -> R {
        f(&mut self.world.borrow_mut().device)
    }

    /// Takes a byte for the program.
    pub(crate) fn byte(&self) -> u8 {
        self.world.borrow_mut().script.program_byte()
    }

    /// Says whether the program shall go on.
    pub(crate) fn goes_on(&self) -> bool {
        let world = self.world.borrow();
        !world.script.is_empty() && world.device.failures.is_empty()
    }

    pub(crate) const fn sabotage(&self) -> Sabotage {
        self.sabotage
    }

    pub(crate) const fn is_sabotaged(&self, sabotage: Sabotage) -> bool {
        self.sabotage as u8 == sabotage as u8
    }

    pub(crate) fn registers(&self) -> Registers {
        Registers {
            world: self.world.clone(),
        }
    }

    pub(crate) fn clock(&self) -> Time {
        Time {
            world: self.world.clone(),
        }
    }

    pub(crate) fn fail(&self, why: String) {
        self.with(|device| device.failures.push(why));
    }

    /// Notes a failure unless `holds`.
    pub(crate) fn demand(&self, holds: bool, what: &str) {
        if !holds {
            self.fail(what.to_owned());
        }
    }

    /// Makes a call that may wait for the device at most `waits` times.
    pub(crate) fn call<R>(&self, name: &str, waits: u32, call: impl FnOnce() -> R) -> R {
        let begin = {
            let mut world = self.world.borrow_mut();
            world.accesses = 0;
            world.limit = ACCESSES_PER_CALL + waits as usize * ACCESSES_PER_WAIT;
            world.now
        };
        let result = call();
        let elapsed = self.world.borrow().now - begin;
        // A call looks at the clock a few times besides: to set deadlines, and once after each.
        if elapsed > (TIMEOUT + 4 * STEP) * waits + 4 * STEP {
            self.fail(format!("{name} took {elapsed:?}, of {waits} waits"));
        }
        result
    }

    /// Lets time pass without the driver.
    pub(crate) fn pass(&self) {
        let mut world = self.world.borrow_mut();
        world.accesses = 0;
        world.now += STEP;
        world.moment();
    }

    /// Has one of the next allocations fail, if the program wants it so.
    pub(crate) fn let_an_allocation_fail(&self) {
        if let failure @ 1..=3 = self.byte() {
            let successes = usize::from(failure) - 1;
            self.memory.pool().fail_allocation_after(successes);
        }
    }

    /// Accounts for the memory when a driver is gone, with all that its program had.
    ///
    /// Nothing may be missing unless a device was not reset that knows a queue: then two pieces a queue,
    /// and at most `most_data` that were in its requests.
    pub(crate) fn settle(&self, most_data: usize) {
        let live = self.memory.live();
        let missing = live.saturating_sub(self.leaked.get());
        let allowed = match self.with(|device| device.told()) {
            0 => 0,
            told => 2 * told + most_data,
        };
        if missing > allowed {
            self.fail(format!(
                "{missing} pieces of memory are leaked, not {allowed}"
            ));
        }
        self.leaked.set(live);
    }

    /// Expects `pieces` more of memory to be leaked.
    pub(crate) fn excuse(&self, pieces: usize) {
        self.leaked.set(self.leaked.get() + pieces);
    }

    /// Has the device do from now on what the specification says.
    pub(crate) fn behave(&self) {
        self.memory.pool().fail_allocation_after(usize::MAX);
        self.with(Device::behave);
    }

    /// Ends the run.
    ///
    /// # Panics
    ///
    /// If something did not hold.
    pub(crate) fn finish(self) {
        let misuses = self.memory.pool().take_misuses();
        let strays = self.memory.pool().stray_accesses();
        let failures = self.with(|device| std::mem::take(&mut device.failures));
        self.with(Device::forget);
        // SAFETY: `self` is the last to use the memory: targets end with this call, when drivers and buffers are gone.
        unsafe { self.memory.reclaim() };
        // Sabotage may have lost sight of something, and what is reclaimed while exposed is no misuse.
        drop(self.memory.pool().take_misuses());
        let misuses = misuses.iter().map(ToString::to_string);
        let strays = strays.iter().map(ToString::to_string);
        let all: Vec<String> = failures.into_iter().chain(misuses).chain(strays).collect();
        if all.is_empty() {
            self.memory.recycle();
            return;
        }
        self.memory.pool().allow_leaks();
        panic!("{}", all.join("\n"));
    }
}

/// The registers, as the driver has them.
#[derive(Clone, Debug)]
pub(crate) struct Registers {
    world: Rc<RefCell<World>>,
}

impl Registers {
    fn read(&self, offset: usize, width: usize) -> u64 {
        let mut world = self.world.borrow_mut();
        world.moment();
        match world.sabotage {
            Sabotage::OutsideRegisters => world.device.read(offset + 0x1000, width),
            Sabotage::BlindLoop if offset == register::STATUS => {
                while !std::thread::panicking() {
                    world.moment();
                }
                world.device.read(offset, width)
            }
            Sabotage::TornConfig if offset == register::GENERATION => 0,
            _ => world.device.read(offset, width),
        }
    }

    fn write(&self, offset: usize, width: usize, value: u64) {
        let mut world = self.world.borrow_mut();
        world.moment();
        world.device.write(offset, width, value);
    }
}

impl Mmio for Registers {
    fn len_bytes(&self) -> usize {
        self.world.borrow().device.region_bytes
    }

    levitate_hal::accesses_by_width!();
}

/// The clock, as the driver has it: each look takes a while, and gives the device a moment.
#[derive(Clone, Debug)]
pub(crate) struct Time {
    world: Rc<RefCell<World>>,
}

impl Clock for Time {
    fn now(&self) -> Instant {
        let mut world = self.world.borrow_mut();
        world.now += STEP;
        world.moment();
        let shown = match world.sabotage {
            _ if world.is_thawed => Duration::from_secs(1 << 20),
            Sabotage::FrozenClock => Duration::ZERO,
            Sabotage::SlowClock => world.now / 16,
            _ => world.now,
        };
        Instant::from_nanos(shown.as_nanos() as u64)
    }

    fn relax(&self) {}
}
