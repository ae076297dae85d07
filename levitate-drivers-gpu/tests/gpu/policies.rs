//! The driver on every kind of platform: by CPU addresses, over a bounce area, behind an IOMMU, and where memory runs out.

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use levitate_drivers_gpu::{Error, GpuStorage};
use levitate_host::{Plug, Policy, Pool};

use crate::picture::{Picture, card};
use crate::rig::{Rig, TestGpu, chunks, display};

fn rig(policy: Policy, plug: Plug) -> Rig {
    let pool = Pool::builder().policy(policy).exact_alignment().build();
    Rig::plug_on(pool, display(64, 48), plug, |_| ())
}

/// A frame, and a smaller one on top; every pixel is compared after each.
fn scenario(rig: &Rig, gpu: &mut TestGpu<'_>) -> Result<(), Error> {
    let mut chunks = chunks(3);
    let mut picture = gpu.create_framebuffer(0, 64, 48, &mut chunks)?;
    let mut expected = Picture::card(64, 48);
    card(&mut picture).unwrap();
    gpu.present(&mut picture)?;
    rig.visible().assert_same(&expected);

    let spot = Rectangle::new(Point::new(5, 9), Size::new(4, 3));
    picture.fill_solid(&spot, Rgb888::RED).unwrap();
    expected.fill_solid(&spot, Rgb888::RED).unwrap();
    gpu.present(&mut picture)?;
    rig.visible().assert_same(&expected);
    gpu.destroy_framebuffer(picture).unwrap();
    Ok(())
}

#[test]
fn a_picture_is_the_same_on_every_platform() {
    for (policy, plug) in Plug::UNDER_POLICIES {
        println!("{policy:?}, {plug:?}");
        let rig = rig(policy, plug);
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        scenario(&rig, &mut gpu).unwrap();
    }
}

/// Fails one allocation after the other, until the driver and a framebuffer need no more.
fn fail_each_allocation(plug: Plug) {
    let mut refused = (0, 0);
    for successes in 0.. {
        let policy = Policy::FaultInjecting {
            allocations: Some(successes),
            mappings: None,
        };
        let rig = rig(policy, plug);
        let mut storage = GpuStorage::<_>::new();
        let was_refused = match rig.try_gpu(&mut storage) {
            Err(error) => {
                assert!(error.to_string().contains("out of DMA memory"), "{error}");
                refused.0 += 1;
                true
            }
            Ok(mut gpu) => match scenario(&rig, &mut gpu) {
                Err(error) => {
                    assert!(error.to_string().contains("out of DMA memory"), "{error}");
                    refused.1 += 1;
                    true
                }
                Ok(()) => false,
            },
        };
        if !was_refused {
            break;
        }
    }
    assert!(refused.0 > 0 && refused.1 > 0, "{refused:?}");
}

#[test]
fn whichever_allocation_fails_is_an_error_and_leaves_nothing_behind() {
    for plug in Plug::ALL {
        fail_each_allocation(plug);
    }
}
