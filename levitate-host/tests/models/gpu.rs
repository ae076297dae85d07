//! Pictures on their way to the screens of the display adapter.

use levitate_host::GpuModel;

use crate::adapter::*;

#[test]
fn a_picture_reaches_the_screen_with_the_flush_and_not_before() {
    let (memory, mut rig) = drawn();
    assert_eq!(visible(&rig, 5, 3), Some(0), "black");
    assert_eq!(transfer(&mut rig, WHOLE, 0, 1), OK);
    assert_eq!(visible(&rig, 5, 3), Some(0), "still black");
    let resource = rig.device.model(|gpu| gpu.resource_image(1)).unwrap();
    assert_eq!(resource.pixel(5, 3), Some(colour(5, 3)));
    assert_eq!(flush(&mut rig, WHOLE, 1), OK);
    let shown = rig.device.model(|gpu| gpu.visible(0)).unwrap();
    assert_eq!(shown, resource);
    for (at, pixel) in (0..).zip(shown.pixels()) {
        assert_eq!(*pixel, colour(at % WIDTH, at / WIDTH));
    }
    assert_eq!(shown.rgb_bytes()[3 * 33..][..3], [1, 1, 0]);
    rig.device.assert_clean();
    rig.bring_down();
    assert_eq!(rig.device.model(|gpu| gpu.visible(0)), None);
    drop(memory);
    rig.pool.assert_no_leaks();
}

#[test]
fn damage_reaches_the_screen_alone() {
    let (mut memory, mut rig) = drawn();
    transfer(&mut rig, WHOLE, 0, 1);
    flush(&mut rig, WHOLE, 1);
    memory.fill(0xee);
    let rect = [4, 2, 10, 3];
    assert_eq!(transfer(&mut rig, rect, (2 * WIDTH + 4) * 4, 1), OK);
    assert_eq!(visible(&rig, 4, 2), Some(colour(4, 2)), "not flushed");
    assert_eq!(flush(&mut rig, [0, 0, 6, 20], 1), OK);
    for (x, y, is_new) in [
        (4, 2, true),
        (5, 4, true),
        (6, 2, false),
        (3, 2, false),
        (4, 5, false),
    ] {
        let wanted = if is_new { 0xee_eeee } else { colour(x, y) };
        assert_eq!(visible(&rig, x, y), Some(wanted), "({x}, {y})");
    }
}

#[test]
fn an_offset_is_where_the_first_pixel_is() {
    let (_memory, mut rig) = drawn();
    assert_eq!(transfer(&mut rig, [0, 0, 2, 2], (7 * WIDTH + 3) * 4, 1), OK);
    let resource = rig.device.model(|gpu| gpu.resource_image(1)).unwrap();
    assert_eq!(resource.pixel(0, 0), Some(colour(3, 7)));
    assert_eq!(
        resource.pixel(1, 1),
        Some(colour(4, 8)),
        "rows are a resource apart"
    );
    rig.device.assert_clean();
    assert_eq!(
        transfer(&mut rig, WHOLE, 4, 1),
        OK,
        "QEMU copies what there is"
    );
    assert_eq!(rig.device.violations()[0].id, "GPU-24");
}

#[test]
fn backing_may_be_scattered_across_pixels() {
    let mut rig = small();
    let (memory, at) = picture(&rig, colour);
    create(&mut rig, 9, 2, WIDTH, HEIGHT);
    let all = WIDTH * HEIGHT * 4;
    let second = rig.buffer(&memory[1001..2000]);
    let entries = [(at, 1001), (second.1, 999), (at + 2000, all - 2000)];
    assert_eq!(attach(&mut rig, 9, &entries), OK);
    drop(memory);
    assert_eq!(
        rig.pool.take_misuses().len(),
        1,
        "attached memory is the device's"
    );
    rig.bring_down();
    let mut rig = small();
    let (_memory, at) = picture(&rig, colour);
    create(&mut rig, 9, 2, WIDTH, HEIGHT);
    let entries = [(at, 1001), (at + 1001, 999), (at + 2000, all - 2000)];
    assert_eq!(attach(&mut rig, 9, &entries), OK);
    assert_eq!(transfer(&mut rig, WHOLE, 0, 9), OK);
    let image = rig.device.model(|gpu| gpu.resource_image(9)).unwrap();
    assert!(
        (0..)
            .zip(image.pixels())
            .all(|(at, pixel)| *pixel == colour(at % WIDTH, at / WIDTH))
    );
    assert_eq!(command(&mut rig, 0x0107, &[9, 0]).0, OK);
    assert_eq!(
        command(&mut rig, 0x0107, &[9, 0]).0,
        0x1200,
        "nothing to detach"
    );
    rig.device.assert_clean();
}

#[test]
fn formats_name_their_bytes_in_memory() {
    for (format, wanted) in [
        (1, 0x03_0201),
        (2, 0x03_0201),
        (3, 0x02_0304),
        (4, 0x02_0304),
        (67, 0x01_0203),
        (134, 0x01_0203),
        (68, 0x04_0302),
        (121, 0x04_0302),
    ] {
        let mut rig = small();
        let (_memory, at) = rig.buffer(&[1, 2, 3, 4]);
        assert_eq!(create(&mut rig, 1, format, 1, 1), OK);
        attach(&mut rig, 1, &[(at, 4)]);
        transfer(&mut rig, [0, 0, 1, 1], 0, 1);
        let image = rig.device.model(|gpu| gpu.resource_image(1)).unwrap();
        assert_eq!(image.pixel(0, 0), Some(wanted), "format {format}");
        rig.bring_down();
    }
}

#[test]
fn a_part_of_a_resource_may_be_on_a_screen() {
    let (_memory, mut rig) = drawn();
    transfer(&mut rig, WHOLE, 0, 1);
    assert_eq!(set_scanout(&mut rig, [8, 4, 16, 16], 0, 1), OK);
    assert_eq!(visible(&rig, 0, 0), Some(colour(8, 4)), "shown at once");
    assert_eq!(visible(&rig, 16, 0), None);
    assert_eq!(set_scanout(&mut rig, [0, 0, 0, 0], 0, 0), OK);
    assert_eq!(visible(&rig, 0, 0), None, "off");
    assert_eq!(command(&mut rig, 0x0102, &[1, 0]).0, OK);
    assert_eq!(rig.device.model(|gpu| gpu.resources()), [0; 0]);
    rig.device.assert_clean();
}

#[test]
fn a_flush_changes_only_the_screens_of_its_resource() {
    let (_memory, mut rig) = drawn();
    transfer(&mut rig, WHOLE, 0, 1);
    flush(&mut rig, WHOLE, 1);
    assert_eq!(create(&mut rig, 2, 2, WIDTH, HEIGHT), OK);
    assert_eq!(flush(&mut rig, WHOLE, 2), OK);
    assert_eq!(visible(&rig, 5, 3), Some(colour(5, 3)));
}

#[test]
fn two_screens_may_show_one_resource() {
    let mut rig = adapter(GpuModel::new(WIDTH, HEIGHT).with_scanout(16, 16));
    let (_memory, at) = picture(&rig, colour);
    create(&mut rig, 1, 2, WIDTH, HEIGHT);
    attach(&mut rig, 1, &[(at, WIDTH * HEIGHT * 4)]);
    assert_eq!(set_scanout(&mut rig, WHOLE, 0, 1), OK);
    assert_eq!(set_scanout(&mut rig, [16, 4, 16, 16], 1, 1), OK);
    transfer(&mut rig, WHOLE, 0, 1);
    flush(&mut rig, [0, 0, 20, 10], 1);
    let second = rig.device.model(|gpu| gpu.visible(1)).unwrap();
    assert_eq!(second.pixel(3, 5), Some(colour(19, 9)));
    assert_eq!((second.pixel(4, 5), second.pixel(3, 6)), (Some(0), Some(0)));
    assert_eq!(visible(&rig, 19, 9), Some(colour(19, 9)));
    assert_eq!(command(&mut rig, 0x0102, &[1, 0]).0, OK);
    assert_eq!(
        rig.device.model(|gpu| gpu.visible(1)),
        None,
        "unref ends it"
    );
    rig.bring_down();
}
