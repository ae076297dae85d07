//! What an executor and an interrupt controller do, in small: [`Tasks`] and [`deliver`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use levitate_drivers_blk::{AsyncBlk, BufferError, Signal};
use levitate_hal::DmaBuffer;
use levitate_host::any::ModelledTransport;
use levitate_host::{AnyDevice, BlockModel, Completion, Pool, VirtualClock};

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
    let handle = blk.interrupt().expect("the device is running");
    let mut count = 0;
    while disk.is_interrupting() {
        assert!(!signal.on_interrupt(&handle).is_empty());
        count += 1;
    }
    if let AnyDevice::Pci(disk, true) = disk {
        for message in disk.take_messages() {
            assert!(!signal.on_vector(&handle, message.vector).is_empty());
            count += 1;
        }
    }
    count
}

/// Counts how often a task was woken, and whether it was since it was polled.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: AtomicUsize,
    heard: AtomicUsize,
}

impl Bell {
    pub(crate) fn times_rung(&self) -> usize {
        self.rung.load(Ordering::SeqCst)
    }

    /// Says whether it was rung since it was asked last.
    fn hear(&self) -> bool {
        let rung = self.times_rung();
        self.heard.swap(rung, Ordering::SeqCst) != rung
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::SeqCst);
    }
}

struct Task<'f, R> {
    /// `None` once it is done, or dropped.
    future: Option<Pin<Box<dyn Future<Output = R> + 'f>>>,
    bell: Arc<Bell>,
    polls: usize,
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
        let bell = Arc::new(Bell::default());
        // The first poll needs no bell.
        bell.heard.store(usize::MAX, Ordering::SeqCst);
        self.tasks.push(Task {
            future: Some(Box::pin(future)),
            bell,
            polls: 0,
        });
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
        let numbers = 0..self.tasks.len();
        numbers
            .filter_map(|number| Some((number, self.poll_if_woken(number)?)))
            .collect()
    }

    fn all_polls(&self) -> usize {
        self.tasks.iter().map(|task| task.polls).sum()
    }

    /// Polls a task if it was woken; returns what it came to, if it is done now.
    pub(crate) fn poll_if_woken(&mut self, number: usize) -> Option<R> {
        let task = &self.tasks[number];
        if task.future.is_none() || !task.bell.hear() {
            return None;
        }
        match self.poll(number) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }

    /// Polls a task, woken or not.
    pub(crate) fn poll(&mut self, number: usize) -> Poll<R> {
        let task = &mut self.tasks[number];
        task.polls += 1;
        let waker = Waker::from(task.bell.clone());
        let future = task.future.as_mut().expect("the task is not done");
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            task.future = None;
        }
        polled
    }

    /// Drops the future of a task.
    pub(crate) fn cancel(&mut self, number: usize) {
        self.tasks[number].future = None;
    }

    /// Says whether a task is neither done nor dropped.
    pub(crate) fn is_alive(&self, number: usize) -> bool {
        self.tasks[number].future.is_some()
    }

    /// Returns how many tasks are neither done nor dropped.
    pub(crate) fn alive(&self) -> usize {
        self.tasks
            .iter()
            .filter(|task| task.future.is_some())
            .count()
    }

    /// Returns how often a task was woken.
    pub(crate) fn wakes(&self, number: usize) -> usize {
        self.tasks[number].bell.times_rung()
    }

    /// Returns how often a task was polled.
    pub(crate) fn polls(&self, number: usize) -> usize {
        self.tasks[number].polls
    }
}

/// What a read of a task comes to.
pub(crate) type Outcome = Result<DmaBuffer<Pool>, BufferError<Pool>>;

/// Starts a read of each of the first sectors, which the device keeps.
pub(crate) fn hold<'f>(bench: &Bench, blk: &'f AsyncDriver<'_>, count: u64) -> Tasks<'f, Outcome> {
    bench.disk.set_completion(Completion::Held);
    let mut tasks = Tasks::new();
    for sector in 0..count {
        tasks.spawn(blk.read(sector, blk.allocate_buffer(512).unwrap()));
    }
    assert!(tasks.run().is_empty());
    tasks
}
