//! What an executor and an interrupt controller do, in small: [`Tasks`] and [`deliver`].

use std::future::Future;
use std::task::Poll;

use levitate_drivers_blk::{AsyncBlk, BufferError, Completion, Error, Signal};
use levitate_hal::DmaBuffer;
use levitate_host::Completion::Held;
use levitate_host::any::ModelledTransport;
use levitate_host::{BlockModel, Pool, Task, VirtualClock};

use crate::bench::{Bench, Disk, Driver, Storage};

pub(crate) type AsyncDriver<'s> = AsyncBlk<'s, ModelledTransport<BlockModel>, (Pool, VirtualClock)>;

/// A driver for tasks, on the bench's disk.
pub(crate) fn drive<'s, const N: usize>(
    bench: &Bench,
    storage: &'s mut Storage<N>,
    signal: &'s Signal,
) -> AsyncDriver<'s> {
    let driver: Driver<'s> = bench.drive(storage);
    AsyncBlk::new(driver, signal)
}

/// Does what the handler of the disk's interrupts does, as often as there is one; returns how often that was.
pub(crate) fn deliver(disk: &Disk, blk: &AsyncDriver<'_>, signal: &Signal) -> usize {
    disk.deliver(signal, &blk.interrupt().expect("the device is running"))
}

/// Tasks that are polled when they are woken, and at first.
pub(crate) struct Tasks<'f, R> {
    tasks: Vec<Task<'f, R>>,
}

impl<'f, R> Tasks<'f, R> {
    pub(crate) fn new() -> Self {
        Self { tasks: Vec::new() }
    }

    /// Adds a task, which is polled with the next `run`; returns its number.
    pub(crate) fn spawn(&mut self, future: impl Future<Output = R> + 'f) -> usize {
        self.tasks.push(Task::new(future));
        self.tasks.len() - 1
    }

    /// Polls all tasks that were woken until none is; returns those that are done, with what they came to, in the order of their ends.
    pub(crate) fn run(&mut self) -> Vec<(usize, R)> {
        let mut done = Vec::new();
        loop {
            let polls = self.all_polls();
            done.extend(self.run_once());
            if self.all_polls() == polls {
                return done;
            }
        }
    }

    /// Polls each task once that was woken; returns those that are done, with what they came to.
    pub(crate) fn run_once(&mut self) -> Vec<(usize, R)> {
        (0..self.tasks.len())
            .filter_map(|number| Some((number, self.poll_if_woken(number)?)))
            .collect()
    }

    fn all_polls(&self) -> usize {
        self.tasks.iter().map(Task::polls).sum()
    }

    /// Polls a task if it was woken; returns what it came to, if it is done now.
    pub(crate) fn poll_if_woken(&mut self, number: usize) -> Option<R> {
        let outcome = self.tasks[number].poll_if_woken();
        self.check_wakers(number);
        outcome
    }

    /// Polls a task, woken or not.
    pub(crate) fn poll(&mut self, number: usize) -> Poll<R> {
        let polled = self.tasks[number].poll();
        self.check_wakers(number);
        polled
    }

    /// Drops the future of a task.
    pub(crate) fn cancel(&mut self, number: usize) {
        self.tasks[number].cancel();
        self.check_wakers(number);
    }

    /// Checks that nobody has a waker any more of a task that is done, or dropped.
    fn check_wakers(&self, number: usize) {
        let task = &self.tasks[number];
        assert!(task.is_alive() || task.held_wakers() == 0, "{task:?}");
    }

    /// Says whether a task is neither done nor dropped.
    pub(crate) fn is_alive(&self, number: usize) -> bool {
        self.tasks[number].is_alive()
    }

    /// Returns how many tasks are neither done nor dropped.
    pub(crate) fn alive(&self) -> usize {
        self.tasks.iter().filter(|task| task.is_alive()).count()
    }

    /// Returns how often a task was woken.
    pub(crate) fn wakes(&self, number: usize) -> usize {
        self.tasks[number].wakes()
    }

    /// Returns how many wakers of a task the driver has.
    pub(crate) fn held_wakers(&self, number: usize) -> usize {
        self.tasks[number].held_wakers()
    }

    /// Returns how often a task was polled.
    pub(crate) fn polls(&self, number: usize) -> usize {
        self.tasks[number].polls()
    }
}

/// What a read of a task comes to.
pub(crate) type Outcome = Result<DmaBuffer<Pool>, BufferError<Pool>>;

/// Reads one sector, into a buffer of its own.
pub(crate) fn read(blk: &AsyncDriver<'_>, sector: u64) -> impl Future<Output = Outcome> {
    blk.read(sector, blk.allocate_buffer(512).unwrap())
}

/// Starts a read of each of the first sectors, which the device keeps.
pub(crate) fn hold<'f>(bench: &Bench, blk: &'f AsyncDriver<'_>, count: u64) -> Tasks<'f, Outcome> {
    bench.disk.set_completion(Held);
    let mut tasks = Tasks::new();
    for sector in 0..count {
        tasks.spawn(read(blk, sector));
    }
    assert!(tasks.run().is_empty());
    tasks
}

/// Submits a read of each of the first sectors, which the device keeps; nobody has waited for one yet.
pub(crate) fn submit<'f>(
    bench: &Bench,
    blk: &'f AsyncDriver<'_>,
    count: u64,
) -> Tasks<'f, Result<Completion<Pool>, Error>> {
    bench.disk.set_completion(Held);
    let mut tasks = Tasks::new();
    for sector in 0..count {
        let buffer = blk.allocate_buffer(512).unwrap();
        tasks.spawn(blk.submit_read(sector, buffer).unwrap());
    }
    tasks
}
