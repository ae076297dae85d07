//! A device, its memory and its time: [`Rig`].

use std::time::Duration;

use levitate_drivers_gpu::{Chunk, Framebuffer, Gpu, GpuStorage, InitError, Options};
use levitate_host::any::ModelledTransport;
use levitate_host::device::DeviceModel;
use levitate_host::gpu::{Command, GpuRequest};
use levitate_host::{AnyDevice, Behaviour, GpuModel, Plug, Pool, Version, VirtualClock};
use levitate_virtio::Features;

use crate::picture::Picture;

pub(crate) type Transport<M> = ModelledTransport<M>;
pub(crate) type Platform = (Pool, VirtualClock);
pub(crate) type TestGpu<'s, M = GpuModel> = Gpu<'s, Transport<M>, Platform>;

/// What a device is plugged into, and what it offers of rings beyond the usual.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variant {
    plug: Plug,
    rings: Features,
}

impl Variant {
    /// Every transport with split rings, and with packed ones where there can be such; used in order behind some.
    pub(crate) const ALL: [Self; 7] = {
        let [legacy, mmio, line, msix] = Plug::ALL;
        let packed = Features::RING_PACKED;
        let in_order = packed.union(Features::IN_ORDER);
        [
            Self::new(legacy, Features::empty()),
            Self::new(mmio, Features::empty()),
            Self::new(line, Features::empty()),
            Self::new(msix, Features::empty()),
            Self::new(mmio, in_order),
            Self::new(line, packed),
            Self::new(msix, in_order),
        ]
    };

    const fn new(plug: Plug, rings: Features) -> Self {
        Self { plug, rings }
    }
}

impl From<Plug> for Variant {
    fn from(plug: Plug) -> Self {
        Self::new(plug, Features::empty())
    }
}

impl From<Version> for Variant {
    fn from(version: Version) -> Self {
        Plug::Mmio(version).into()
    }
}

pub(crate) struct Rig<M: DeviceModel = GpuModel> {
    pub(crate) pool: Pool,
    pub(crate) clock: VirtualClock,
    pub(crate) device: AnyDevice<M>,
}

/// A display with one screen, which also reports a driver that does not do what is only recommended.
pub(crate) fn display(width: u32, height: u32) -> GpuModel {
    GpuModel::new(width, height).watching_recommendations()
}

/// A device with one screen of each variant, one after the other.
pub(crate) fn every_variant(width: u32, height: u32) -> impl Iterator<Item = Rig> {
    let variants = Variant::ALL.into_iter();
    variants.map(move |variant| {
        println!("{variant:?}");
        Rig::new(variant, width, height)
    })
}

impl Rig {
    /// A device with one screen.
    pub(crate) fn new(variant: impl Into<Variant>, width: u32, height: u32) -> Self {
        Self::plug(display(width, height), variant, |_| ())
    }

    /// As [`prepared`](Self::prepared), but the picture is on the screen, and black.
    pub(crate) fn shown<'s>(
        &self,
        storage: &'s mut GpuStorage<Pool>,
        chunks: &'s mut [Chunk<Pool>],
    ) -> (TestGpu<'s>, Framebuffer<'s, Pool>) {
        let (mut gpu, mut picture) = self.prepared(storage, chunks);
        gpu.present(&mut picture).expect("presented");
        (gpu, picture)
    }

    /// What the first screen shows.
    pub(crate) fn visible(&self) -> Picture {
        let image = self.device.model(|gpu| gpu.visible(0)).expect("on");
        Picture::from(&image)
    }

    /// What the resource holds, of which there is one.
    pub(crate) fn resource(&self) -> Picture {
        let image = self.device.model(|gpu| {
            let id = gpu.resources()[0];
            gpu.resource_image(id)
        });
        Picture::from(&image.expect("there"))
    }

    pub(crate) fn take_requests(&self) -> Vec<GpuRequest> {
        self.device.model(GpuModel::take_requests)
    }

    pub(crate) fn take_commands(&self) -> Vec<Command> {
        let requests = self.take_requests();
        requests
            .into_iter()
            .map(|request| request.command)
            .collect()
    }
}

impl<M: DeviceModel> Rig<M> {
    pub(crate) fn plug(
        model: M,
        variant: impl Into<Variant>,
        change: impl FnOnce(&mut Behaviour),
    ) -> Self {
        Self::plug_on(
            Pool::builder().exact_alignment().build(),
            model,
            variant,
            change,
        )
    }

    /// On memory of the test's choice.
    pub(crate) fn plug_on(
        pool: Pool,
        model: M,
        variant: impl Into<Variant>,
        change: impl FnOnce(&mut Behaviour),
    ) -> Self {
        // A millisecond a look: a missed deadline of 5 s takes 5000 of them.
        let clock = VirtualClock::with_step(Duration::from_millis(1));
        let Variant { plug, rings } = variant.into();
        let device = AnyDevice::plug(plug, model, &pool, &clock, |behaviour| {
            behaviour.offer |= rings.bits();
            change(behaviour);
        });
        Self {
            pool,
            clock,
            device,
        }
    }

    pub(crate) fn platform(&self) -> Platform {
        (self.pool.clone(), self.clock.clone())
    }

    pub(crate) fn try_gpu<'s, const N: usize>(
        &self,
        storage: &'s mut GpuStorage<Pool, N>,
    ) -> Result<TestGpu<'s, M>, InitError> {
        Gpu::new(self.device.transport(), self.platform(), storage)
    }

    pub(crate) fn gpu<'s, const N: usize>(
        &self,
        storage: &'s mut GpuStorage<Pool, N>,
    ) -> TestGpu<'s, M> {
        self.try_gpu(storage).expect("up")
    }

    /// A driver, and a picture of 64 times 48 pixels that was not on the first screen yet.
    pub(crate) fn prepared<'s, 'c>(
        &self,
        storage: &'s mut GpuStorage<Pool>,
        chunks: &'c mut [Chunk<Pool>],
    ) -> (TestGpu<'s, M>, Framebuffer<'c, Pool>) {
        let mut gpu = self.gpu(storage);
        let picture = gpu.create_framebuffer(0, 64, 48, chunks).expect("made");
        (gpu, picture)
    }

    pub(crate) fn gpu_with<'s>(
        &self,
        storage: &'s mut GpuStorage<Pool>,
        common_features: Features,
    ) -> TestGpu<'s, M> {
        let options = Options {
            common_features,
            ..Options::default()
        };
        Gpu::with_options(self.device.transport(), self.platform(), storage, options).expect("up")
    }

    /// How often the device was notified since the last call.
    pub(crate) fn notifications(&self) -> usize {
        let count = self.device.notifications().len();
        self.device.clear_log();
        count
    }
}

/// Nothing is left over, and both sides kept the rules.
impl<M: DeviceModel> Drop for Rig<M> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.device.assert_clean();
            self.pool.assert_settled();
        }
    }
}

/// Chunks without memory.
pub(crate) fn chunks(count: usize) -> Vec<Chunk<Pool>> {
    (0..count).map(|_| Chunk::new()).collect()
}
