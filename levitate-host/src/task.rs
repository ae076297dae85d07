//! What an executor holds of a future, for tests to poll by hand: [`Task`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// One future, which a test polls when it likes, and what wakes it.
pub struct Task<'f, R> {
    /// `None` once it is done, or dropped.
    future: Option<Pin<Box<dyn Future<Output = R> + 'f>>>,
    bell: Arc<Bell>,
    /// How often it was woken when it was polled last; none before the first poll.
    heard: Option<usize>,
    polls: usize,
}

impl<'f, R> Task<'f, R> {
    /// Makes a task that was not polled yet.
    pub fn new(future: impl Future<Output = R> + 'f) -> Self {
        Self {
            future: Some(Box::pin(future)),
            bell: Arc::default(),
            heard: None,
            polls: 0,
        }
    }

    /// Makes a task that was polled once, and waits.
    ///
    /// # Panics
    ///
    /// If it is done at once.
    #[track_caller]
    pub fn waiting(future: impl Future<Output = R> + 'f) -> Self {
        let mut task = Self::new(future);
        assert!(task.poll().is_pending(), "the task does not wait");
        task
    }

    /// Polls it, woken or not.
    ///
    /// # Panics
    ///
    /// If it is done, or dropped.
    pub fn poll(&mut self) -> Poll<R> {
        self.heard = Some(self.wakes());
        self.polls += 1;
        let waker = Waker::from(self.bell.clone());
        let future = self.future.as_mut().expect("the task is not done");
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }

    /// Polls it if it was woken since it was polled last, or never polled; returns what it came to, if it is done now.
    pub fn poll_if_woken(&mut self) -> Option<R> {
        if !self.is_alive() || self.heard == Some(self.wakes()) {
            return None;
        }
        match self.poll() {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }

    /// Polls it and returns what it came to.
    ///
    /// # Panics
    ///
    /// If it still waits.
    #[track_caller]
    pub fn end(mut self) -> R {
        match self.poll() {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => panic!("the task still waits"),
        }
    }

    /// Drops its future.
    pub fn cancel(&mut self) {
        self.future = None;
    }

    /// Says whether it is neither done nor dropped.
    #[must_use]
    pub const fn is_alive(&self) -> bool {
        self.future.is_some()
    }

    /// Returns how often it was woken.
    #[must_use]
    pub fn wakes(&self) -> usize {
        self.bell.0.load(Ordering::SeqCst)
    }

    /// Returns how many of its wakers others hold.
    #[must_use]
    pub fn held_wakers(&self) -> usize {
        Arc::strong_count(&self.bell) - 1
    }

    /// Returns how often it was polled.
    #[must_use]
    pub const fn polls(&self) -> usize {
        self.polls
    }
}

impl<R> fmt::Debug for Task<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task(alive {}, {} wakes)", self.is_alive(), self.wakes())
    }
}

/// Counts how often a task was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
