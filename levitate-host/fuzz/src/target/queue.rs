//! A virtqueue of any shape, next to a model that says what each look at it must find.

use levitate_hal::{Direction, DmaBuffer, DmaSlice, Mapped, Segments as _};
use levitate_virtio::features::NoFeatures;
use levitate_virtio::transport::mmio::MmioNotifier;
use levitate_virtio::{
    Data, Device, DeviceType, MmioTransport, Queue, QueueConfig, QueueIndex, Slot, Token,
    Transport as _, Wanted, stage,
};

use super::{Settings, behave, probe_transport, set_up};
use crate::bench::{Bench, Registers, TIMEOUT};
use crate::device::Kind;
use crate::device::ring::Framing;
use crate::memory::Memory;
use crate::sabotage::Sabotage;

mod model;

use model::Model;

type Buffer = DmaBuffer<Memory>;
type Slots = [Slot<Buffer, u32>; SLOTS];
type Live = Device<MmioTransport<Registers>, stage::Live>;
type LiveQueue<'s> = Queue<'s, Buffer, u32, Memory, MmioNotifier<Registers>>;

const SLOTS: usize = 5;

/// Calls a program makes at most.
const MAX_CALLS: usize = 40;

pub(crate) fn run(bytes: &[u8], sabotage: Sabotage) {
    let bench = Bench::new(bytes, Kind::Bare, sabotage);
    match bench.byte() % 4 {
        0 => run_with::<8, 0>(bench),
        1 => run_with::<0, 4>(bench),
        _ => run_with::<8, 4>(bench),
    }
}

/// Runs with headers of `H` bytes and footers of `F`.
fn run_with<const H: usize, const F: usize>(bench: Bench) {
    let settings = set_up(&bench, 0);
    bench.with(|device| {
        device.framing = Framing {
            has_header: H != 0,
            has_footer: F != 0,
        };
    });
    let segment_bytes = [64, 16, 1, 0, u32::MAX][usize::from(bench.byte() % 5)];
    let config = QueueConfig {
        header_bytes: H,
        footer_bytes: F,
        max_segments: u16::from(bench.byte() % 4),
        max_segment_bytes: segment_bytes,
        direct_descriptors: 0,
    };
    let mut slots: Slots = [const { Slot::new() }; SLOTS];
    let count = 1 + usize::from(bench.byte()) % SLOTS;
    bench.let_an_allocation_fail();
    if let Some((device, queue)) = start(&bench, config, &mut slots[..count]) {
        let mut program = Program::<H, F>::new(&bench, device, queue);
        for _ in 0..MAX_CALLS {
            if !bench.goes_on() {
                break;
            }
            program.call();
        }
        let end = program.end();
        bench.demand(end.is_some(), "a reset that the device confirms fails");
    }
    bench.settle(SLOTS);
    works::<H, F>(&bench, &settings);
    bench.settle(0);
    bench.finish();
}

fn start<'s>(
    bench: &Bench,
    config: QueueConfig,
    slots: &'s mut [Slot<Buffer, u32>],
) -> Option<(Live, LiveQueue<'s>)> {
    let transport = probe_transport(bench)?;
    if Some(transport.device_type()) != DeviceType::new(42) {
        return None;
    }
    bench.call("start", 1, || {
        let device = Device::begin(transport, &bench.clock(), TIMEOUT).ok()?;
        let (mut device, _) = device.negotiate(&Wanted::<NoFeatures>::default()).ok()?;
        let index = QueueIndex::new(0);
        let queue = device
            .prepare_queue(&bench.memory, index, config, slots)
            .ok()?;
        let device = device.go_live();
        let queue = queue.activate(&device).ok()?;
        Some((device, queue))
    })
}

/// Checks that a device that behaves answers a request, and that all memory comes back.
fn works<const H: usize, const F: usize>(bench: &Bench, settings: &Settings) {
    behave(bench, settings, &[]);
    let config = QueueConfig {
        header_bytes: H,
        footer_bytes: F,
        max_segments: 1,
        max_segment_bytes: 64,
        direct_descriptors: 0,
    };
    let mut slots: Slots = [const { Slot::new() }; SLOTS];
    let Some((device, queue)) = start(bench, config, &mut slots) else {
        bench.fail("a device that behaves does not come up".to_owned());
        return;
    };
    let mut program = Program::<H, F>::new(bench, device, queue);
    let is_done = program.echo();
    bench.demand(is_done, "a device that behaves does not answer");
    let end = program.end();
    bench.demand(end.is_some(), "a device that behaves is not reset");
}

/// A request that was submitted and not taken back.
struct Request {
    token: Token,
    number: u32,
    addr: Option<u64>,
    is_done: bool,
    /// Bytes of data and of the footer that the device wrote.
    written: (usize, usize),
}

/// What a program does with a queue, and what it must then find.
struct Program<'b, 's, const H: usize, const F: usize> {
    bench: &'b Bench,
    device: Live,
    queue: LiveQueue<'s>,
    model: Model,
    requests: Vec<Request>,
    submitted: u32,
}

impl<'b, 's, const H: usize, const F: usize> Program<'b, 's, H, F> {
    fn new(bench: &'b Bench, device: Live, queue: LiveQueue<'s>) -> Self {
        let mut model = Model::new(device.transport().interface());
        model.has_stale_wrap = bench.is_sabotaged(Sabotage::StaleWrap);
        Self {
            bench,
            device,
            queue,
            model,
            requests: Vec::new(),
            submitted: 0,
        }
    }

    fn call(&mut self) {
        match self.bench.byte() % 16 {
            0..=4 => self.submit(),
            5 | 6 => {
                let _ = self.queue.notify();
            }
            7..=9 => self.process(),
            10 => self.take_any(),
            11 => self.take_next(),
            12 => {
                let wanted = self.bench.byte().is_multiple_of(2);
                self.model.wants_notifications = wanted;
                self.queue.set_used_notifications(wanted);
            }
            13 => self.diagnose(),
            _ => self.bench.pass(),
        }
    }

    /// Makes a request that may have any data, also such as does not fit.
    fn submit(&mut self) {
        let (data, addr) = self.data();
        let room = match &data {
            Data::Writable(buffer) => buffer.len_bytes() as u32,
            Data::Readable(_) | Data::None => 0,
        };
        let idle = self.queue.idle_slots();
        let number = self.submitted;
        self.submitted += 1;
        match self.queue.submit(&[3_u8; H], data, &[0xff_u8; F], number) {
            Ok(token) => {
                let is_new = self.requests.iter().all(|request| request.token != token);
                self.bench.demand(is_new, "a token is in use twice");
                self.bench
                    .demand(idle != 0, "more requests than there are slots");
                self.requests.push(Request {
                    token,
                    number,
                    addr,
                    is_done: false,
                    written: (0, 0),
                });
                let request = model::InFlight::new(number, (room, F as u32));
                self.bench
                    .with(|device| self.model.submitted(device, request));
            }
            Err(rejected) => {
                self.bench.demand(
                    rejected.context == number && addr_of(&rejected.data) == addr,
                    "a refused request does not come back as it was",
                );
            }
        }
    }

    fn process(&mut self) {
        self.look(false);
    }

    /// Looks at the used ring: what the model finds there is what the queue must find, unless it looked just before.
    fn look(&mut self, has_looked: bool) {
        let mut expected = self.bench.with(|device| self.model.process(device));
        if self.bench.is_sabotaged(Sabotage::Miscounted) {
            expected = expected.map(|count| count + 1);
        }
        let found = self.bench.call("process", 0, || self.queue.process());
        let is_expected = match (&expected, &found) {
            (Ok(expected), Ok(found)) => expected == found || has_looked && *found == 0,
            (Err(expected), Err(found)) => expected.is(*found),
            _ => false,
        };
        self.bench.demand(
            is_expected,
            &format!("the used ring has {expected:?}, the queue finds {found:?}"),
        );
        for (number, written) in self.model.done.drain(..) {
            let request = self.requests.iter_mut().find(|one| one.number == number);
            if let Some(request) = request {
                request.is_done = true;
                request.written = written;
            }
        }
        let in_flight = self.requests.iter().filter(|one| !one.is_done).count();
        self.bench.demand(
            usize::from(self.queue.in_flight()) == in_flight,
            "requests in flight are miscounted",
        );
    }

    /// Tries to take back any request, done or not.
    fn take_any(&mut self) {
        let choice = usize::from(self.bench.byte());
        if let Some(position) = choice.checked_rem(self.requests.len()) {
            self.take(position);
        }
    }

    fn take_next(&mut self) {
        if let Some(token) = self.queue.next_done() {
            let position = self.requests.iter().position(|one| one.token == token);
            match position {
                Some(position) => self.take(position),
                None => self
                    .bench
                    .fail("a request is done that was not submitted".to_owned()),
            }
        }
    }

    fn take(&mut self, position: usize) {
        let Request { token, is_done, .. } = self.requests[position];
        self.bench.demand(
            self.queue.is_done(token) == is_done,
            "a request is done too soon, or not when it should be",
        );
        let Some(completed) = self.queue.take::<[u8; F]>(token) else {
            self.bench
                .demand(!is_done, "a request that is done is kept");
            return;
        };
        let request = self.requests.remove(position);
        let written = (completed.data_bytes, completed.footer_bytes);
        self.bench.demand(
            is_done
                && completed.context == request.number
                && written == request.written
                && addr_of(&completed.data) == request.addr,
            "a request does not come back as it was",
        );
        let again = self.queue.take::<[u8; F]>(token).is_some();
        self.bench.demand(!again, "a request is taken twice");
        let held = request
            .addr
            .is_some_and(|addr| self.bench.with(|device| device.holds(addr, 1)));
        self.bench
            .demand(!held, "data came back that the device still has");
    }

    /// Asks why the oldest request is not done; the diagnosis looks at the ring, so the model does too.
    fn diagnose(&mut self) {
        if let Some(token) = self.queue.oldest_in_flight() {
            let _ = self.bench.call("diagnose", 0, || {
                self.device.diagnose(&mut self.queue, token, &[0xff_u8; F])
            });
            // It looked at the ring or not, as the registers said; another look brings both to the same point.
            self.look(true);
        }
    }

    /// Makes one request and waits for its answer.
    fn echo(&mut self) -> bool {
        let Ok(slice) = DmaSlice::new_zeroed(&self.bench.memory, 32) else {
            return false;
        };
        let data = Data::Writable(Buffer::from(slice));
        let Ok(token) = self.queue.submit(&[3_u8; H], data, &[0xff_u8; F], 0) else {
            return false;
        };
        self.queue.notify();
        for _ in 0..4 {
            self.bench.pass();
            if self.queue.process().is_err() {
                return false;
            }
        }
        let completed = self.queue.take::<[u8; F]>(token);
        completed.is_some_and(|completed| match completed.data {
            Data::Writable(buffer) => buffer.as_slice() == [0x5a; 32],
            _ => false,
        })
    }

    /// Resets the device, takes the queue apart and counts what comes back; `None` if the reset failed.
    fn end(self) -> Option<()> {
        let Self {
            bench,
            device,
            queue,
            requests,
            ..
        } = self;
        bench.behave();
        let clock = bench.clock();
        let (_, quiesced) = bench
            .call("reset", 1, || device.reset(&clock, TIMEOUT))
            .ok()?;
        let mut left: Vec<_> = requests.iter().map(|one| (one.number, one.addr)).collect();
        let released = queue.release(&quiesced, |data, number| {
            let key = (number, addr_of(&data));
            match left.iter().position(|other| *other == key) {
                Some(position) => drop(left.swap_remove(position)),
                None => bench.fail("a reset gives back what was not submitted".to_owned()),
            }
        });
        bench.demand(released.is_ok(), "a queue does not take its proof");
        bench.demand(left.is_empty(), "a reset does not give back everything");
        Some(())
    }

    fn data(&self) -> (Data<Buffer>, Option<u64>) {
        let kind = self.bench.byte();
        let len = 1 + usize::from(self.bench.byte() % 48);
        let memory = &self.bench.memory;
        let buffer = match kind % 3 {
            0 => None,
            1 => DmaSlice::new_zeroed(memory, len).ok().map(Buffer::from),
            _ => {
                let directions = [Direction::Both, Direction::ToDevice, Direction::FromDevice];
                let direction = directions[usize::from(kind / 3 % 3)];
                let bytes = vec![9; len].into_boxed_slice();
                Mapped::new(memory, bytes, direction).ok().map(Buffer::from)
            }
        };
        let Some(buffer) = buffer else {
            return (Data::None, None);
        };
        let addr = buffer.segment(0).map(|segment| segment.addr.get());
        match kind & 0x80 {
            0 => (Data::Readable(buffer), addr),
            _ => (Data::Writable(buffer), addr),
        }
    }
}

fn addr_of(data: &Data<Buffer>) -> Option<u64> {
    match data {
        Data::None => None,
        Data::Readable(buffer) | Data::Writable(buffer) => {
            buffer.segment(0).map(|segment| segment.addr.get())
        }
    }
}
