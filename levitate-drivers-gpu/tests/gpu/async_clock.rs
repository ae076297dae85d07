//! How often a frame of a task reads the clock, which may cost an exit to the hypervisor.

use std::time::Duration;

use levitate_drivers_gpu::{GpuStorage, Signal};
use levitate_host::{Task, Version};

use crate::asynchronous::{answer_all, draw, drive};
use crate::rig::{Rig, chunks};

#[test]
fn a_frame_reads_the_clock_as_its_deadline_begins_and_where_there_is_no_answer() {
    let rig = Rig::new(Version::Two, 64, 48);
    let signal = Signal::new();
    let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(2));
    let (mut gpu, mut picture) = drive(&rig, &mut storage, &signal, &mut chunks);
    let handle = gpu.gpu().interrupt().unwrap();
    rig.clock.set_step(Duration::from_millis(1));
    let before = rig.clock.present();
    let readings = || rig.clock.present().since(before).as_millis();
    draw(&mut picture, 1);
    let mut task = Task::new(gpu.present(&mut picture));
    assert!(task.poll().is_pending());
    assert_eq!(readings(), 2);
    rig.device.release_all();
    rig.device.deliver(&signal, &handle);
    task.end().unwrap();
    assert_eq!(readings(), 2, "the answer is there");

    answer_all(&rig);
    draw(&mut picture, 9);
    Task::new(gpu.present(&mut picture)).end().unwrap();
    assert_eq!(readings(), 3, "an answer within the notification");
    gpu.into_inner().destroy_framebuffer(picture).unwrap();
}
