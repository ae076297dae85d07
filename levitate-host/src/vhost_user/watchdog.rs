//! Deadlines for a socket whose user only knows how to block: [`Watchdog`].
//!
//! A receive timeout of the socket is no help: the `vhost` crate takes it for a hiccup and receives again, for ever.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::sync::lock;

/// Shuts a socket down when somebody waits on it for too long: whoever blocks on it then reads its end.
///
/// The socket is of no more use afterwards, which is right: nobody knows any more which answer belongs to which question.
pub(super) struct Watchdog {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    watch: Mutex<Watch>,
    changed: Condvar,
    socket: UnixStream,
}

/// What is being watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watch {
    Nothing,
    Until(Instant),
    /// The deadline came first, and the socket is shut down.
    Missed,
    /// There is nothing to watch any more.
    Ended,
}

impl Watchdog {
    /// Watches over `socket`.
    pub(super) fn new(socket: &UnixStream) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            watch: Mutex::new(Watch::Nothing),
            changed: Condvar::new(),
            socket: socket.try_clone()?,
        });
        let watched = shared.clone();
        let thread = std::thread::Builder::new()
            .name("vhost-user watchdog".to_owned())
            .spawn(move || watched.run())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Calls `work`, which uses the socket, and says whether it took longer than `timeout`.
    pub(super) fn watch<R>(&self, timeout: Duration, work: impl FnOnce() -> R) -> (R, bool) {
        self.shared.set(Watch::Until(Instant::now() + timeout));
        let result = work();
        let is_late = self.shared.set(Watch::Nothing) == Watch::Missed;
        (result, is_late)
    }
}

impl Shared {
    /// Changes what is watched, and returns what was.
    fn set(&self, watch: Watch) -> Watch {
        let before = std::mem::replace(&mut *lock(&self.watch), watch);
        self.changed.notify_one();
        before
    }

    fn run(&self) {
        let mut watch = lock(&self.watch);
        while *watch != Watch::Ended {
            watch = match *watch {
                Watch::Until(end) => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        // It fails only if the socket is shut down already.
                        let _ = self.socket.shutdown(Shutdown::Both);
                        *watch = Watch::Missed;
                        continue;
                    }
                    let waited = self.changed.wait_timeout(watch, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                _ => {
                    let waited = self.changed.wait(watch);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.set(Watch::Ended);
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked, and there is nothing to be done about it.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    #[test]
    fn a_read_that_nobody_answers_ends_at_the_deadline() {
        let (mut ours, _theirs) = UnixStream::pair().unwrap();
        let watchdog = Watchdog::new(&ours).unwrap();
        let begin = Instant::now();
        let timeout = Duration::from_millis(20);
        let (read, is_late) = watchdog.watch(timeout, || ours.read(&mut [0]));
        assert_eq!(read.unwrap(), 0, "the end of the stream");
        assert!(is_late);
        assert!(begin.elapsed() >= timeout);
    }

    #[test]
    fn an_answer_in_time_leaves_the_socket_as_it_is() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let watchdog = Watchdog::new(&ours).unwrap();
        for byte in 0..100 {
            theirs.write_all(&[byte]).unwrap();
            let mut buffer = [0xff];
            let minute = Duration::from_secs(60);
            let (read, is_late) = watchdog.watch(minute, || ours.read_exact(&mut buffer));
            read.unwrap();
            assert!(!is_late);
            assert_eq!(buffer, [byte]);
        }
    }

    #[test]
    fn it_ends_with_its_owner() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let watchdog = Watchdog::new(&ours).unwrap();
        drop(ours);
        drop(watchdog);
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0, "no copy is left open");
    }
}
