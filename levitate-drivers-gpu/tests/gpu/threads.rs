//! The driver and a display that works on a thread of its own: neither waits for the other to finish.

use std::time::Duration;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use levitate_drivers_gpu::{Error, Gpu, GpuStorage, Options};
use levitate_hal::Deadline;
use levitate_host::{Completion, GpuModel, MmioDevice, Policy, Pool, SystemClock, Version};
use levitate_virtio::MmioTransport;

use crate::picture::{Picture, card};
use crate::rig::{chunks, display};

const FRAMES: i32 = 500;

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

    fn assert_tidy(&self) {
        self.device.assert_clean();
        self.pool.assert_no_stray_accesses();
        self.pool.assert_no_leaks();
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
    let mut expected = Picture::black(64, 48);
    card(&mut picture).unwrap();
    card(&mut expected).unwrap();
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
        rig.assert_tidy();
    }
    let rig = Rig::new(Policy::Bounce, Version::Two);
    film(&rig);
    rig.assert_tidy();
}

/// What a lost wake-up comes to; the test above would end like this.
#[test]
fn a_thread_that_does_not_wake_up_is_a_missed_deadline() {
    let rig = Rig::new(Policy::Iommu, Version::Two);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage, Duration::from_secs(1));
    let mut chunks = chunks(3);
    let mut picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
    rig.device
        .behave(|behaviour| behaviour.completion = Completion::Deaf);
    picture.fill_solid(&spot(0), colour(0)).unwrap();
    assert!(matches!(gpu.present(&mut picture), Err(Error::Timeout(_))));
    rig.device
        .behave(|behaviour| behaviour.completion = Completion::Inline);
    drop(gpu);
}
