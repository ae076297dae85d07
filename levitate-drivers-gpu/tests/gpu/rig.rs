//! A device, its memory and its time: [`Rig`].

use std::time::Duration;

use levitate_drivers_gpu::{Chunk, Gpu, GpuStorage, InitError, Options};
use levitate_host::any::ModelledTransport;
use levitate_host::device::DeviceModel;
use levitate_host::gpu::{Command, GpuRequest};
use levitate_host::{AnyDevice, Behaviour, GpuModel, Plug, Pool, VirtualClock};
use levitate_virtio::Features;

use crate::picture::Picture;

pub(crate) type Transport<M> = ModelledTransport<M>;
pub(crate) type Platform = (Pool, VirtualClock);
pub(crate) type TestGpu<'s, M = GpuModel> = Gpu<'s, Transport<M>, Platform>;

pub(crate) struct Rig<M: DeviceModel = GpuModel> {
    pub(crate) pool: Pool,
    pub(crate) clock: VirtualClock,
    pub(crate) device: AnyDevice<M>,
}

/// A display with one screen, which also reports a driver that does not do what is only recommended.
pub(crate) fn display(width: u32, height: u32) -> GpuModel {
    GpuModel::new(width, height).watching_recommendations()
}

impl Rig {
    /// A device with one screen.
    pub(crate) fn new(plug: impl Into<Plug>, width: u32, height: u32) -> Self {
        Self::plug(display(width, height), plug, |_| ())
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
        plug: impl Into<Plug>,
        change: impl FnOnce(&mut Behaviour),
    ) -> Self {
        Self::plug_on(
            Pool::builder().exact_alignment().build(),
            model,
            plug,
            change,
        )
    }

    /// On memory of the test's choice.
    pub(crate) fn plug_on(
        pool: Pool,
        model: M,
        plug: impl Into<Plug>,
        change: impl FnOnce(&mut Behaviour),
    ) -> Self {
        // A millisecond a look: a missed deadline of 5 s takes 5000 of them.
        let clock = VirtualClock::with_step(Duration::from_millis(1));
        let device = AnyDevice::plug(plug.into(), model, &pool, &clock, change);
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

    /// Checks that nothing is left over, and that both sides kept the rules.
    pub(crate) fn assert_tidy(&self) {
        self.device.assert_clean();
        self.pool.assert_no_stray_accesses();
        self.pool.assert_no_leaks();
    }
}

/// Chunks without memory.
pub(crate) fn chunks(count: usize) -> Vec<Chunk<Pool>> {
    (0..count).map(|_| Chunk::new()).collect()
}
