//! The driver and a display that works on a thread of its own: neither waits for the other to finish.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use levitate_drivers_gpu::{AsyncGpu, Error, Framebuffer, Gpu, GpuStorage, Options, Signal};
use levitate_hal::Deadline;
use levitate_host::{Completion, GpuModel, MmioDevice, Policy, Pool, SystemClock, Version};
use levitate_virtio::MmioTransport;

use crate::picture::{Picture, card};
use crate::rig::{chunks, display};

const FRAMES: i32 = 500;

type TaskGpu<'s> = AsyncGpu<'s, MmioTransport<MmioDevice<GpuModel>>, (Pool, SystemClock)>;

/// A display with a thread, and the platform of its driver.
struct Rig {
    pool: Pool,
    clock: SystemClock,
    device: MmioDevice<GpuModel>,
}

impl Rig {
    fn new(policy: Policy, version: Version) -> Self {
        let pool = Pool::builder().policy(policy).exact_alignment().build();
        let clock = SystemClock::new();
        let device = MmioDevice::builder(display(64, 48))
            .version(version)
            .build_threaded(&pool, &clock);
        Self {
            pool,
            clock,
            device,
        }
    }

    fn gpu<'s>(
        &self,
        storage: &'s mut GpuStorage<Pool>,
        timeout: Duration,
    ) -> Gpu<'s, MmioTransport<MmioDevice<GpuModel>>, (Pool, SystemClock)> {
        let transport = MmioTransport::probe(self.device.clone()).unwrap().unwrap();
        let options = Options {
            timeout,
            ..Options::default()
        };
        Gpu::with_options(transport, (self.pool.clone(), self.clock), storage, options).unwrap()
    }

    fn visible(&self) -> Picture {
        let image = self.device.model(|gpu| gpu.visible(0)).expect("on");
        Picture::from(&image)
    }
}

/// Nothing is left over, and both sides kept the rules.
impl Drop for Rig {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.device.assert_clean();
            self.pool.assert_settled();
        }
    }
}

fn spot(n: i32) -> Rectangle {
    Rectangle::new(Point::new(n % 60, n * 7 % 40), Size::new(5, 6))
}

fn colour(n: i32) -> Rgb888 {
    Rgb888::new(n as u8, (n >> 1) as u8, 255 - n as u8)
}

/// Presents frame after frame, by turns waited for and polled for, and compares every pixel; nothing is drawn while a frame is in flight.
fn film(rig: &Rig) {
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage, Duration::from_secs(5));
    let mut chunks = chunks(3);
    let mut picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
    let mut expected = Picture::card(64, 48);
    card(&mut picture).unwrap();
    for n in 0..FRAMES {
        picture.fill_solid(&spot(n), colour(n)).unwrap();
        expected.fill_solid(&spot(n), colour(n)).unwrap();
        if n % 2 == 0 {
            gpu.present(&mut picture).unwrap();
        } else {
            let frame = gpu.submit_present(&mut picture).unwrap();
            let presented = Deadline::after(&rig.clock, Duration::from_secs(5))
                .poll(&rig.clock, || {
                    gpu.poll_present(&mut picture, frame).transpose()
                })
                .unwrap_or_else(|| panic!("no answer to frame {n}"));
            assert!(presented.unwrap().pixels > 0);
        }
        rig.visible().assert_same(&expected);
    }
    gpu.destroy_framebuffer(picture).unwrap();
}

#[test]
fn hundreds_of_frames_lose_no_wake_up_and_no_pixel() {
    for version in [Version::One, Version::Two] {
        let rig = Rig::new(Policy::Iommu, version);
        film(&rig);
    }
    film(&Rig::new(Policy::Bounce, Version::Two));
}

/// Ends the thread that handles interrupts, however the test ends.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The thread that polls; woken, it goes on.
struct Bell(Thread);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a future whenever its task is woken, and then only.
fn block_on<R>(future: impl Future<Output = R>) -> R {
    const PATIENCE: Duration = Duration::from_secs(20);
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Bell(thread::current())));
    loop {
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        if let Poll::Ready(outcome) = polled {
            return outcome;
        }
        let rested = Instant::now();
        thread::park_timeout(PATIENCE);
        assert!(rested.elapsed() < PATIENCE, "a wake-up is lost");
    }
}

/// Runs `test` with a driver for a task and a picture, while another thread handles the device's interrupts.
fn with_task(rig: &Rig, test: impl FnOnce(&mut TaskGpu<'_>, &mut Framebuffer<'_, Pool>)) {
    let signal = Signal::new();
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage, Duration::from_secs(5));
    let mut chunks = chunks(3);
    let mut picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
    let handle = gpu.interrupt().unwrap();
    let mut gpu = AsyncGpu::new(gpu, &signal);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                if rig.device.is_interrupting() {
                    signal.on_interrupt(&handle);
                } else {
                    thread::yield_now();
                }
            }
        });
        let _end = End(&is_over);
        test(&mut gpu, &mut picture);
    });
    println!("{} interrupts", rig.device.interrupts_raised());
    gpu.into_inner().destroy_framebuffer(picture).unwrap();
}

#[test]
fn a_task_that_presents_hundreds_of_frames_sleeps_through_no_answer() {
    let rig = Rig::new(Policy::Iommu, Version::Two);
    let mut expected = Picture::black(64, 48);
    with_task(&rig, |gpu, picture| {
        for n in 0..FRAMES {
            picture.fill_solid(&spot(n), colour(n)).unwrap();
            expected.fill_solid(&spot(n), colour(n)).unwrap();
            let presented = block_on(gpu.present(picture)).unwrap();
            assert!(presented.pixels > 0);
            rig.visible().assert_same(&expected);
        }
    });
}

/// What a lost wake-up comes to; the tests above would end like this.
#[test]
fn a_thread_that_does_not_wake_up_is_a_missed_deadline() {
    let rig = Rig::new(Policy::Iommu, Version::Two);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage, Duration::from_secs(1));
    let mut chunks = chunks(3);
    let mut picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
    rig.device.set_completion(Completion::Deaf);
    picture.fill_solid(&spot(0), colour(0)).unwrap();
    assert!(matches!(gpu.present(&mut picture), Err(Error::Timeout(_))));
    rig.device.set_completion(Completion::Inline);
    let (_, stopped) = gpu.stop().unwrap();
    picture.release(&stopped).unwrap();
}
