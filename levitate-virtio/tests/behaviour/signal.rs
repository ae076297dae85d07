//! What an interrupt handler says to those who wait.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use levitate_virtio::{Interrupt, InterruptStatus, Signal};

#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Says why it interrupted, by the line and by the message; counts how often it is acknowledged.
struct Fake {
    line: InterruptStatus,
    message: InterruptStatus,
    acknowledged: AtomicUsize,
}

impl Interrupt for Fake {
    fn acknowledge(&self) -> InterruptStatus {
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
        self.line
    }

    fn acknowledge_vector(&self, vector: u16) -> InterruptStatus {
        assert_eq!(vector, 3);
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
        self.message
    }
}

fn fake(line: InterruptStatus, message: InterruptStatus) -> Fake {
    Fake {
        line,
        message,
        acknowledged: AtomicUsize::new(0),
    }
}

#[test]
fn an_interrupt_is_acknowledged_once_and_wakes_once() {
    let signal = Signal::new();
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let used = fake(InterruptStatus::USED_BUFFER, InterruptStatus::USED_BUFFER);
    assert_eq!(signal.on_interrupt(&used), InterruptStatus::USED_BUFFER);
    assert_eq!(count.get(), 0, "nobody waits");
    signal.register(&waker);
    signal.on_interrupt(&used);
    signal.on_vector(&used, 3);
    assert_eq!(count.get(), 1, "who is woken is not woken again");
    signal.register(&waker);
    signal.on_vector(&used, 3);
    assert_eq!(count.get(), 2);
    assert_eq!(used.acknowledged.load(Ordering::SeqCst), 4);
    assert!(!signal.take_attention(), "nothing but buffers");
    assert!(!signal.take_config_change());
}

#[test]
fn an_interrupt_of_another_device_on_the_line_wakes_nobody() {
    let signal = Signal::new();
    let count = Arc::new(Count::default());
    signal.register(&Waker::from(count.clone()));
    let none = fake(InterruptStatus::empty(), InterruptStatus::empty());
    assert!(signal.on_interrupt(&none).is_empty());
    assert!(signal.on_vector(&none, 3).is_empty());
    assert_eq!(count.get(), 0);
}

#[test]
fn who_is_let_go_is_neither_woken_nor_kept() {
    let signal = Signal::new();
    let count = Arc::new(Count::default());
    signal.register(&Waker::from(count.clone()));
    assert_eq!(Arc::strong_count(&count), 2);
    signal.clear();
    assert_eq!(Arc::strong_count(&count), 1);
    signal.on_tick();
    assert_eq!(count.get(), 0);
}

#[test]
fn a_tick_asks_for_a_look_at_the_time() {
    let signal = Signal::new();
    let count = Arc::new(Count::default());
    signal.register(&Waker::from(count.clone()));
    assert!(!signal.take_attention());
    signal.on_tick();
    assert_eq!(count.get(), 1);
    assert!(signal.take_attention());
    assert!(!signal.take_attention(), "it is said once");
}

#[test]
fn a_change_of_the_configuration_wakes_who_waits_for_it_and_who_leads() {
    let signal = Signal::new();
    let (config, leader) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let change = fake(InterruptStatus::CONFIG_CHANGE, InterruptStatus::all());
    let waker = Waker::from(config.clone());
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(signal.config_change());
    assert_eq!(future.as_mut().poll(&mut context), Poll::Pending);
    signal.register(&Waker::from(leader.clone()));
    signal.on_interrupt(&change);
    assert_eq!((config.get(), leader.get()), (1, 1));
    // A device that needs a reset says so in this way, which the driver has to look at.
    assert!(signal.take_attention());
    assert_eq!(future.as_mut().poll(&mut context), Poll::Ready(()));
    assert!(!signal.take_config_change());

    // One that came while nobody waited is not lost.
    signal.on_vector(&change, 3);
    let mut future = pin!(signal.config_change());
    assert_eq!(future.as_mut().poll(&mut context), Poll::Ready(()));
    drop(waker);
    assert_eq!(Arc::strong_count(&config), 1, "its waker is let go");
}
