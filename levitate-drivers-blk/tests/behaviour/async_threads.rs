//! Tasks, a disk with a thread of its own, and a handler of its interrupts on another: no wake-up is lost between the three.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use levitate_drivers_blk::{AsyncBlk, Blk, BlkStorage, Signal};
use levitate_host::{BlockModel, MmioDevice, Policy, Pool, SystemClock, Version};
use levitate_virtio::{Features, MmioTransport};

use crate::bench::patterned;

const LANES: u64 = 8;
/// How long a wake-up may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

type Disk = MmioDevice<BlockModel>;
type Driver<'s> = AsyncBlk<'s, MmioTransport<Disk>, (Pool, SystemClock)>;

/// A task of the one thread that polls.
struct Bell {
    is_rung: AtomicBool,
    executor: Thread,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.is_rung.store(true, Ordering::Release);
        self.executor.unpark();
    }
}

/// Polls each future when it is woken, and rests when none is, until all are done.
fn run_all<'f>(futures: impl IntoIterator<Item = Pin<Box<dyn Future<Output = ()> + 'f>>>) {
    let mut tasks: Vec<_> = futures
        .into_iter()
        .map(|future| {
            let bell = Arc::new(Bell {
                is_rung: AtomicBool::new(true),
                executor: thread::current(),
            });
            (future, bell)
        })
        .collect();
    let mut rests_since = Instant::now();
    while !tasks.is_empty() {
        let mut is_idle = true;
        tasks.retain_mut(|(future, bell)| {
            if !bell.is_rung.swap(false, Ordering::Acquire) {
                return true;
            }
            is_idle = false;
            let waker = Waker::from(bell.clone());
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            polled.is_pending()
        });
        if is_idle {
            assert!(rests_since.elapsed() < PATIENCE, "a wake-up is lost");
            thread::park_timeout(PATIENCE);
        } else {
            rests_since = Instant::now();
        }
    }
}

/// Runs `test` with a driver, while another thread handles the disk's interrupts.
fn with_driver(withheld: Features, test: impl FnOnce(&Driver<'_>, &Disk)) {
    let pool = Pool::builder()
        .policy(Policy::Iommu)
        .exact_alignment()
        .build();
    let clock = SystemClock::new();
    let disk = MmioDevice::builder(BlockModel::patterned(64))
        .version(Version::Two)
        .behave(|behaviour| behaviour.withhold = withheld.bits())
        .build_threaded(&pool, &clock);
    let signal = Signal::new();
    let mut storage = BlkStorage::<Pool, { LANES as usize }>::new();
    let transport = MmioTransport::probe(disk.clone()).unwrap().unwrap();
    let blk = Blk::new(transport, (pool.clone(), clock), &mut storage).unwrap();
    let blk = AsyncBlk::new(blk, &signal);
    let handle = blk.interrupt().unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                if disk.is_interrupting() {
                    signal.on_interrupt(&handle);
                } else {
                    thread::yield_now();
                }
            }
        });
        // However it ends, so does the thread.
        let _end = End(&is_over);
        test(&blk, &disk);
    });
    println!("without {withheld:?}: {:?}", blk.counts());
    println!("{} interrupts", disk.interrupts_raised());
    drop(blk);
    disk.assert_clean();
    pool.assert_no_stray_accesses();
    pool.assert_no_leaks();
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Waits a little, a different while in each round, up to more than the device takes from an answer to its rest.
fn linger(round: u32) {
    for _ in 0..round * 7 % 1000 {
        std::hint::spin_loop();
    }
}

const VARIANTS: [Features; 2] = [Features::empty(), Features::EVENT_IDX];

#[test]
fn no_answer_is_missed_between_the_last_look_and_the_rest() {
    for withheld in VARIANTS {
        with_driver(withheld, |blk, _| {
            let rounds = async {
                let mut buffer = blk.allocate_buffer(512).unwrap();
                for round in 0..4000 {
                    // Submitted and notified, and then looked at a little later in each round.
                    let request = blk.submit_read(u64::from(round % 64), buffer).unwrap();
                    blk.notify();
                    linger(round);
                    let completion = request.await.unwrap();
                    assert_eq!(completion.result, Ok(()));
                    buffer = completion.buffer.unwrap();
                }
                assert_eq!(buffer.as_slice(), patterned(3999 % 64, 512));
            };
            run_all([Box::pin(rounds) as Pin<Box<dyn Future<Output = ()>>>]);
        });
    }
}

#[test]
fn tasks_that_share_a_disk_do_not_sleep_through_one_anothers_answers() {
    for withheld in VARIANTS {
        with_driver(withheld, |blk, _| {
            run_all((0..LANES).map(|lane| {
                Box::pin(async move {
                    let mut buffer = blk.allocate_buffer(512).unwrap();
                    for round in 0..300 {
                        let byte = (lane * 31 + round) as u8;
                        buffer.as_mut_slice().fill(byte);
                        buffer = blk.write(lane * 8 + round % 8, buffer).await.unwrap();
                        buffer.as_mut_slice().fill(0);
                        buffer = blk.read(lane * 8 + round % 8, buffer).await.unwrap();
                        assert_eq!(buffer.as_slice(), [byte; 512]);
                    }
                }) as Pin<Box<dyn Future<Output = ()>>>
            }));
        });
    }
}

/// Polls a future so often, and drops it then.
async fn give_up_after(polls: u64, future: impl Future) {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 || future.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        left -= 1;
        if left == 0 {
            // It is not the device that ends this wait.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}

#[test]
fn tasks_that_give_up_take_nobodys_wake_up_along() {
    for withheld in VARIANTS {
        with_driver(withheld, |blk, disk| {
            run_all((0..2 * LANES).map(|lane| {
                Box::pin(async move {
                    for round in 0..200_u64 {
                        let sector = (lane + round) % 64;
                        let read = blk.read(sector, blk.allocate_buffer(512).unwrap());
                        match (lane + round) % 4 {
                            0 => give_up_after(round % 3, read).await,
                            _ => assert_eq!(read.await.unwrap().as_slice(), patterned(sector, 512)),
                        }
                    }
                }) as Pin<Box<dyn Future<Output = ()>>>
            }));
            run_all([
                Box::pin(async { blk.flush().await.unwrap() }) as Pin<Box<dyn Future<Output = ()>>>
            ]);
            assert_eq!(disk.unseen(0), 0);
        });
    }
}
