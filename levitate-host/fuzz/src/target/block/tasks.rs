//! Tasks that wait for a request each, and are polled and dropped as the bytes say ([`wait`]).

use levitate_drivers_blk::{AsyncBlk, Completion, Error, Request, Signal, Token};
use levitate_host::Task;
use levitate_virtio::MmioTransport;

use super::Driver;
use super::program::Program;
use crate::bench::{Bench, Registers, Time};
use crate::memory::Memory;

pub(super) type AsyncDriver<'s> = AsyncBlk<'s, MmioTransport<Registers>, (Memory, Time)>;
pub(super) type AsyncRequest<'f, 's> = Request<'f, 's, MmioTransport<Registers>, (Memory, Time)>;
type Waiting<'f> = (Token, Task<'f, Result<Completion<Memory>, Error>>);

/// Steps that tasks make at most before the driver is one for blocking calls again.
const MAX_STEPS: u8 = 16;

/// Has tasks use the driver for a while; what they leave with the device stays there.
pub(super) fn wait<'s>(
    bench: &Bench,
    program: &mut Program<'_>,
    driver: Driver<'s>,
    signal: &'s Signal,
) -> Driver<'s> {
    let blk = AsyncBlk::new(driver, signal);
    let mut tasks = Vec::new();
    for _ in 0..bench.byte() % MAX_STEPS {
        if !bench.goes_on() {
            break;
        }
        step(bench, program, &blk, signal, &mut tasks);
    }
    for (token, task) in tasks {
        drop(task);
        program.abandoned(token);
    }
    blk.into_inner()
}

fn step<'b>(
    bench: &Bench,
    program: &mut Program<'_>,
    blk: &'b AsyncDriver<'_>,
    signal: &Signal,
    tasks: &mut Vec<Waiting<'b>>,
) {
    let choice = bench.byte();
    match choice % 12 {
        0..=3 => {
            if let Some(request) = program.submit_for_task(blk, (choice % 72).into()) {
                tasks.push((request.token(), Task::new(request)));
            }
        }
        // As an executor does with those that were woken, in the order in which they were made.
        4 | 5 => tasks.retain_mut(|task| poll(bench, program, task)),
        6 | 7 => {
            let position = usize::from(choice / 12).checked_rem(tasks.len());
            if let Some(position) = position
                && !poll(bench, program, &mut tasks[position])
            {
                tasks.remove(position);
            }
        }
        8 => {
            if let Some(position) = usize::from(choice / 12).checked_rem(tasks.len()) {
                let (token, task) = tasks.remove(position);
                drop(task);
                program.abandoned(token);
            }
        }
        9 => {
            if let Some(interrupt) = blk.interrupt() {
                signal.on_interrupt(&interrupt);
            }
            signal.on_tick();
        }
        10 if choice > 200 => {
            let recovered = bench.call("recover", 4, || {
                blk.recover(|request| program.returned(request.buffer))
            });
            if recovered.is_ok() {
                program.expect_nothing_lent();
            }
        }
        10 => drop(blk.notify()),
        _ => bench.pass(),
    }
}

/// Polls a task; says whether it still waits.
fn poll(bench: &Bench, program: &mut Program<'_>, (token, task): &mut Waiting<'_>) -> bool {
    match bench.call("poll a task", 0, || task.poll()) {
        std::task::Poll::Pending => return true,
        std::task::Poll::Ready(Ok(completion)) => {
            let is_its = completion.token == *token;
            bench.demand(is_its, "a task is given another request's answer");
            program.completed(completion);
        }
        std::task::Poll::Ready(Err(_)) => program.abandoned(*token),
    }
    let held = task.held_wakers();
    bench.demand(held == 0, "a task that is done has a waker somewhere");
    false
}
