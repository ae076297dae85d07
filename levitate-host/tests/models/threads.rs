//! A device with a thread of its own: it serves by itself, on time, and ends with its last handle.

use std::sync::{Arc, mpsc};
use std::thread::ThreadId;
use std::time::Duration;

use levitate_hal::{Clock as _, Deadline, DmaRegion, Mmio};
use levitate_host::device::{ConfigField, DeviceModel, Violations};
use levitate_host::queue::Request;
use levitate_host::{Completion, MmioDevice, Pool, SystemClock};

const PATIENCE: Duration = Duration::from_secs(5);

/// Answers nothing, and says who asked.
struct Witness {
    served: mpsc::Sender<ThreadId>,
    /// Gone when the model is.
    _alive: Arc<()>,
    is_clumsy: bool,
}

impl DeviceModel for Witness {
    fn device_id(&self) -> u32 {
        4
    }

    fn features(&self) -> u64 {
        0
    }

    fn queue_count(&self) -> u16 {
        1
    }

    fn config_fields(&self) -> &'static [ConfigField] {
        &[]
    }

    fn config_len(&self) -> usize {
        0
    }

    fn config(&self) -> Vec<u8> {
        Vec::new()
    }

    fn write_config(&mut self, _: usize, _: &[u8], _: &mut Violations) {}

    fn serve(&mut self, _: u16, _: &mut Request<'_>) {
        self.served.send(std::thread::current().id()).unwrap();
        assert!(!self.is_clumsy, "clumsy");
    }

    fn reset(&mut self) {}
}

struct Rig {
    device: MmioDevice<Witness>,
    served: mpsc::Receiver<ThreadId>,
    alive: std::sync::Weak<()>,
    pool: Pool,
    ring: DmaRegion<Pool>,
    clock: SystemClock,
}

/// A live device with one queue of 4 entries, in which one chain is available that no one was notified of.
fn live(is_clumsy: bool) -> Rig {
    let (pool, clock) = (Pool::new(), SystemClock::new());
    let (sender, served) = mpsc::channel();
    let token = Arc::new(());
    let alive = Arc::downgrade(&token);
    let model = Witness {
        served: sender,
        _alive: token,
        is_clumsy,
    };
    let device = MmioDevice::builder(model).build_threaded(&pool, &clock);
    let ring = DmaRegion::new(&pool, 4096, 4096).unwrap();
    let at = ring.device_addr().get();
    for probe in [0x000, 0x004, 0x008] {
        device.read32(probe);
    }
    let write = |offset: usize, value: u32| device.write32(offset, value);
    for status in [0, 1, 3] {
        write(0x070, status);
        device.read32(0x070);
    }
    write(0x024, 1);
    write(0x020, 1);
    write(0x070, 0xb);
    device.read32(0x070);
    write(0x030, 0);
    device.read32(0x044);
    device.read32(0x034);
    write(0x038, 4);
    for (register, offset) in [(0x080, 0), (0x090, 0x100), (0x0a0, 0x200)] {
        write(register, (at + offset) as u32);
        write(register + 4, ((at + offset) >> 32) as u32);
    }
    write(0x044, 1);
    write(0x070, 0xf);
    // One descriptor of 16 bytes to read, and the available index.
    ring.write(0, &(at + 0x800).to_le_bytes()).unwrap();
    ring.write(8, &16_u32.to_le_bytes()).unwrap();
    ring.write(0x102, &1_u16.to_le_bytes()).unwrap();
    Rig {
        device,
        served,
        alive,
        pool,
        ring,
        clock,
    }
}

impl Rig {
    fn used_index(&self) -> u16 {
        // Whole, as the device's thread may be writing it.
        let at = self.ring.device_addr().get() + 0x202;
        self.pool.device_memory().load_u16(at).unwrap()
    }

    fn wait_for_answer(&self) {
        let answered = Deadline::after(&self.clock, PATIENCE)
            .poll(&self.clock, || (self.used_index() == 1).then_some(()));
        assert_eq!(answered, Some(()));
    }

    fn reset(&self) {
        self.device.write32(0x070, 0);
        assert_eq!(self.device.read32(0x070), 0);
    }
}

#[test]
fn requests_are_served_on_a_thread_that_ends_with_the_last_handle() {
    let rig = live(false);
    assert_eq!(rig.used_index(), 0, "nobody has told it");
    rig.device.write32(0x050, 0);
    let server = rig.served.recv_timeout(PATIENCE).unwrap();
    assert_ne!(server, std::thread::current().id());
    rig.wait_for_answer();
    rig.device.assert_clean();
    rig.reset();
    let Rig { device, alive, .. } = rig;
    let other = device.clone();
    drop(device);
    assert!(alive.upgrade().is_some());
    drop(other);
    assert!(alive.upgrade().is_none(), "joined, and all is gone");
}

#[test]
fn an_answer_that_takes_time_comes_by_itself() {
    let rig = live(false);
    let delay = Duration::from_millis(2);
    rig.device.set_completion(Completion::After(delay));
    let before = rig.clock.now();
    rig.device.write32(0x050, 0);
    rig.wait_for_answer();
    assert!(rig.clock.now().since(before) >= delay);
    rig.reset();
}

#[test]
fn a_device_that_is_looked_at_by_a_test_works_on_its_thread_too() {
    let rig = live(false);
    rig.device.look_at(0);
    let server = rig.served.recv_timeout(PATIENCE).unwrap();
    assert_ne!(server, std::thread::current().id());
    rig.reset();
}

#[test]
#[should_panic(expected = "the device's thread panicked")]
fn a_panic_of_the_thread_fails_the_test() {
    let rig = live(true);
    rig.device.write32(0x050, 0);
    rig.served.recv_timeout(PATIENCE).unwrap();
}
