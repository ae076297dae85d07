//! The driver and a disk that works on a thread of its own: neither waits for the other to finish.

use std::thread;
use std::time::Duration;

use levitate_drivers_blk::{Blk, BlkStorage, Error, Options, RequestKind};
use levitate_hal::{Deadline, Direction, Mapped};
use levitate_host::device::Suppression;
use levitate_host::{
    BlockModel, Completion, Fault, MmioDevice, Policy, Pool, SystemClock, Version,
};
use levitate_virtio::{Features, MmioTransport};

use crate::bench::patterned;

const LANES: u64 = 8;
const SECTORS: u64 = 8 * LANES;
const REQUESTS: u64 = 2000;

type Storage = BlkStorage<Pool, { LANES as usize }>;
/// `QueueNotify`.
const NOTIFY: usize = 0x050;

type Disk = MmioDevice<BlockModel>;
type Driver<'s> = Blk<'s, MmioTransport<Disk>, (Pool, SystemClock)>;

/// A disk with a thread, and the platform of its driver.
struct Rig {
    pool: Pool,
    clock: SystemClock,
    disk: Disk,
}

impl Rig {
    fn new(policy: Policy, version: Version, withheld: Features) -> Self {
        let pool = Pool::builder().policy(policy).exact_alignment().build();
        let clock = SystemClock::new();
        let disk = MmioDevice::builder(BlockModel::patterned(SECTORS as usize))
            .version(version)
            .behave(|behaviour| behaviour.withhold = withheld.bits())
            .build_threaded(&pool, &clock);
        Self { pool, clock, disk }
    }

    fn drive<'s>(&self, storage: &'s mut Storage, timeout: Duration) -> Driver<'s> {
        let transport = MmioTransport::probe(self.disk.clone()).unwrap().unwrap();
        let options = Options {
            timeout,
            ..Options::default()
        };
        let platform = (self.pool.clone(), self.clock);
        Blk::with_options(transport, platform, storage, options).unwrap()
    }

    fn submit(&self, blk: &mut Driver<'_>, sector: u64, kind: RequestKind, byte: u8) {
        let buffer = Mapped::new(&self.pool, vec![byte; 512], Direction::Both)
            .unwrap()
            .into();
        match kind {
            RequestKind::Write => blk.submit_write(sector, buffer).unwrap(),
            _ => blk.submit_read(sector, buffer).unwrap(),
        };
    }
}

/// The driver broke no rule, and all memory is back.
impl Drop for Rig {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.disk.assert_clean();
            self.pool.assert_settled();
        }
    }
}

/// When the driver notifies.
#[derive(Clone, Copy, Debug)]
enum Notified {
    /// Of each request, as the device serves the one before.
    Each,
    /// Of what was submitted since the last answer.
    Batch,
}

/// Keeps a request in flight for each lane: a write of a sector, a read of it, and on to the next sector of the lane.
///
/// Each answer is waited for, so that a wake-up that is lost, on either side, is a missed deadline.
fn exchange(rig: &Rig, blk: &mut Driver<'_>, notified: Notified) {
    let byte_of = |sector: u64, done: u64| (sector * 31 + done / (2 * LANES)) as u8;
    let mut written = vec![0_u8; SECTORS as usize];
    let (mut submitted, mut done) = (LANES, 0);
    for sector in 0..LANES {
        written[sector as usize] = byte_of(sector, 0);
        rig.submit(blk, sector, RequestKind::Write, byte_of(sector, 0));
    }
    blk.notify();
    while done < REQUESTS {
        let mut next = Deadline::after(&rig.clock, Duration::from_secs(5))
            .poll(&rig.clock, || blk.poll().transpose())
            .unwrap_or_else(|| panic!("no answer after {done}"))
            .map(Some)
            .unwrap();
        // All that is done, with one notification for what follows.
        while let Some(completion) = next {
            done += 1;
            assert_eq!(completion.result, Ok(()));
            let sector = completion.sector;
            let (sector, kind, byte) = if completion.kind == RequestKind::Write {
                (sector, RequestKind::Read, 0)
            } else {
                let buffer = completion.buffer.unwrap();
                assert_eq!(buffer.as_slice(), [written[sector as usize]; 512]);
                let sector = (sector + LANES) % SECTORS;
                let byte = byte_of(sector, done);
                written[sector as usize] = byte;
                (sector, RequestKind::Write, byte)
            };
            if submitted < REQUESTS {
                submitted += 1;
                rig.submit(blk, sector, kind, byte);
                if matches!(notified, Notified::Each) {
                    blk.notify();
                }
            }
            next = blk.poll().unwrap();
        }
        blk.notify();
    }
}

#[test]
fn thousands_of_requests_with_eight_in_flight_lose_no_wake_up() {
    for version in [Version::One, Version::Two] {
        for withheld in [
            Features::empty(),
            Features::EVENT_IDX,
            Features::INDIRECT_DESC | Features::EVENT_IDX,
        ] {
            for notified in [Notified::Each, Notified::Batch] {
                let rig = Rig::new(Policy::Iommu, version, withheld);
                let mut storage = Storage::new();
                let mut blk = rig.drive(&mut storage, Duration::from_secs(5));
                exchange(&rig, &mut blk, notified);
                assert_eq!((blk.in_flight(), rig.disk.unseen(0)), (0, 0));
                let told = rig.disk.log().writes_to(NOTIFY).len();
                println!("{version:?} without {withheld:?}, {notified:?}: told {told} times");
                assert!(told <= REQUESTS as usize);
            }
        }
    }
}

/// Waits a little, a different while in each round, up to more than the device takes from an answer to its rest.
fn linger(round: u32) {
    for _ in 0..round * 7 % 1000 {
        std::hint::spin_loop();
    }
}

/// Makes a request available just as the device is about to rest after the one before, and then does nothing but wait.
///
/// The moment is found by trying all of them: the request comes a little later in each round.
#[test]
fn the_last_request_before_a_rest_is_not_forgotten() {
    for withheld in [Features::empty(), Features::EVENT_IDX] {
        let rig = Rig::new(Policy::Iommu, Version::Two, withheld);
        let mut storage = Storage::new();
        let mut blk = rig.drive(&mut storage, Duration::from_secs(5));
        for round in 0..16_000 {
            linger(round);
            blk.flush().unwrap();
        }
        let told = rig.disk.log().writes_to(NOTIFY).len();
        println!("without {withheld:?}: told of {told} in 16000");
    }
}

#[test]
fn memory_changes_hands_in_time_under_every_policy() {
    for policy in [Policy::Identity, Policy::Bounce] {
        let rig = Rig::new(policy, Version::Two, Features::empty());
        let mut storage = Storage::new();
        let mut blk = rig.drive(&mut storage, Duration::from_secs(5));
        exchange(&rig, &mut blk, Notified::Each);
    }
}

#[test]
fn blocking_calls_wait_for_the_thread() {
    let rig = Rig::new(Policy::Iommu, Version::Two, Features::empty());
    let mut storage = Storage::new();
    let mut blk = rig.drive(&mut storage, Duration::from_secs(5));
    let mut data = [0; 1024];
    rig.disk
        .set_completion(Completion::After(Duration::from_micros(200)));
    for sector in 0..50 {
        blk.read(sector, &mut data).unwrap();
        assert_eq!(data[..], patterned(sector, 1024));
    }
}

/// The test of the last request before a rest is able to fail: a device that rests without looking once more loses a wake-up.
#[test]
fn a_device_that_does_not_look_again_forgets_a_request() {
    for withheld in [Features::empty(), Features::EVENT_IDX] {
        let rig = Rig::new(Policy::Iommu, Version::Two, withheld);
        let mut storage = Storage::new();
        let mut blk = rig.drive(&mut storage, Duration::from_secs(1));
        rig.disk
            .behave(|behaviour| behaviour.suppression = Suppression::Careless);
        let told = || rig.disk.log().writes_to(NOTIFY).len();
        let (round, error) = (0..1_000_000)
            .find_map(|round| {
                linger(round);
                blk.flush().err().map(|error| (round, error))
            })
            .expect("forgotten in the end");
        println!(
            "without {withheld:?}: forgotten in round {round}, told {} times",
            told()
        );
        assert!(matches!(error, Error::Timeout(_)), "{error}");
        assert_eq!(rig.disk.unseen(0), 1, "made available, and not looked at");
    }
}

/// Lets the driver go, which resets the disk, while that serves: when it has served none, one, and so on to all.
fn leave_in_flight(policy: Policy, version: Version, fault: Option<Fault>) {
    const ROUNDS: u32 = 72;
    let rig = Rig::new(policy, version, Features::empty());
    rig.disk.behave(|behaviour| behaviour.gives_way = true);
    let mut served = [0_usize; LANES as usize + 1];
    for round in 0..ROUNDS {
        let mut storage = Storage::new();
        let mut blk = rig.drive(&mut storage, Duration::from_secs(5));
        rig.disk.inject_always(fault);
        for lane in 0..LANES {
            let kind = if lane % 2 == 0 {
                RequestKind::Write
            } else {
                RequestKind::Read
            };
            rig.submit(&mut blk, lane, kind, lane as u8);
        }
        blk.notify();
        let wanted = round as usize % served.len();
        let deadline = Deadline::after(&rig.clock, Duration::from_secs(5));
        while rig.disk.model(|disk| disk.requests().len()) < wanted {
            assert!(!deadline.is_missed(&rig.clock), "not served");
        }
        // What a lie comes to is for other tests; here it may have broken the queue, or called a request done that the device
        // still works on, as an index that jumps does. So what comes back is kept until the device is reset.
        let returned = (round % 2 == 0).then(|| blk.poll());
        drop(blk);
        drop(returned);
        rig.disk.inject_always(None);
        served[rig.disk.model(BlockModel::take_requests).len()] += 1;
        rig.disk.assert_clean();
        rig.pool.assert_no_leaks();
    }
    println!("{policy:?}, {version:?}, {fault:?}: rounds by requests served: {served:?}");
    // The last handle, which goes now, waits for the thread.
}

#[test]
fn a_driver_that_goes_with_requests_in_flight_leaves_nothing_behind() {
    for policy in [Policy::Iommu, Policy::Bounce] {
        for version in [Version::One, Version::Two] {
            leave_in_flight(policy, version, None);
        }
    }
}

#[test]
fn nor_does_one_that_was_lied_to() {
    for fault in [
        Fault::UsedIdOutOfRange,
        Fault::UsedIdNotInFlight,
        Fault::UsedTwice,
        Fault::UsedLen(u32::MAX),
        Fault::UsedIndexJump(3),
        Fault::NoUsedElement,
        Fault::NeedsReset,
    ] {
        leave_in_flight(Policy::Iommu, Version::Two, Some(fault));
    }
}

/// What a lost wake-up comes to; the tests above would end like this.
#[test]
fn a_thread_that_does_not_wake_up_is_a_missed_deadline() {
    let rig = Rig::new(Policy::Iommu, Version::Two, Features::empty());
    let mut storage = Storage::new();
    let mut blk = rig.drive(&mut storage, Duration::from_millis(20));
    rig.disk.set_completion(Completion::Deaf);
    assert!(matches!(blk.flush(), Err(Error::Timeout(_))));
    assert_eq!(rig.disk.unseen(0), 1);
}
