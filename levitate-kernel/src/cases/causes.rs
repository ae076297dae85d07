//! The causes of a device that never answers, each brought about on a real device, each to be told by its own error.
//!
//! After each of them the driver is started again on the same device, with nothing changed, and has to work.

mod names;
mod subject;
mod tampered;
mod told;
mod tricks;

use alloc::format;
use core::fmt::{self, Write};
use core::time::Duration;

use levitate_hal::{DmaAddr, DmaRegion};
use levitate_kernel::expectations::Over;
use levitate_kernel::selftest::{Outcome, Run};
use levitate_virtio::transport::mmio::MmioError;
use levitate_virtio::transport::{Area, EnableQueueError, QueueAreas};
use levitate_virtio::{
    InitError, MmioTransport, QueueError, QueueIndex, QueueSize, Status, TimeoutCause, Transport,
};
use log::info;

use self::subject::{Failure, Subject, connect};
use self::tampered::{Access, Device, Part, Tampered};
use super::{Result, ensure, is_driven};
use crate::devices::{Devices, State, Way};
use crate::memory::frames::PAGE_BYTES;
use crate::platform::{KernelDma, Registers};

/// One cause: what is done to the device's registers, and whether a failure is the one that names it.
struct Cause {
    name: &'static str,
    only: Only,
    tamper: Access,
    is_named: fn(&Failure) -> bool,
}

/// Where a cause exists; its `Display` says what kind of device that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Only {
    Anywhere,
    /// Where registers have versions.
    Mmio,
    /// On version 1.
    Legacy,
    /// On anything else.
    Modern,
    /// Where there are messages.
    Messages,
}

impl Only {
    fn has(self, way: &Way) -> bool {
        let over = way.over();
        match self {
            Self::Anywhere => true,
            Self::Mmio => matches!(way, Way::Mmio { .. }),
            Self::Legacy => over == Some(Over::Legacy),
            Self::Modern => over != Some(Over::Legacy),
            Self::Messages => over == Some(Over::Messages),
        }
    }
}

impl fmt::Display for Only {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anywhere => "VirtIO",
            Self::Mmio => "virtio-mmio",
            Self::Legacy => "legacy",
            Self::Modern => "modern",
            Self::Messages => "MSI-X",
        })
    }
}

/// How long the driver waits for an answer that does not come before it gives up, however long that is.
const SHORT: Duration = Duration::from_millis(500);
/// How long it waits for an answer that does come, on a busy host too.
const LONG: Duration = Duration::from_secs(60);

const CAUSES: &[Cause] = &[
    Cause {
        name: "wrong-register-set",
        only: Only::Mmio,
        tamper: Access {
            read: tricks::show_the_other_version,
            ..Access::UNTOUCHED
        },
        is_named: |failure| {
            matches!(
                failure,
                Failure::Queue(QueueError::Enable(EnableQueueError::Ignored { .. }))
            )
        },
    },
    Cause {
        name: "used-ring-elsewhere",
        only: Only::Legacy,
        tamper: Access {
            write: tricks::align_queues_to_four,
            before_diagnosis: tricks::answer_aligned_to_four,
            ..Access::UNTOUCHED
        },
        is_named: |failure| {
            matches!(
                failure,
                Failure::Timeout(TimeoutCause::UsedRingElsewhere { .. })
            )
        },
    },
    Cause {
        name: "page-size-not-told",
        only: Only::Legacy,
        tamper: Access {
            write: tricks::forget_the_page_size,
            ..Access::UNTOUCHED
        },
        is_named: |failure| matches!(failure, Failure::Timeout(TimeoutCause::NotFetched { .. })),
    },
    Cause {
        name: "notification-lost",
        only: Only::Anywhere,
        tamper: Access {
            write: tricks::lose_notifications,
            ..Access::UNTOUCHED
        },
        is_named: |failure| matches!(failure, Failure::Timeout(TimeoutCause::NotFetched { .. })),
    },
    Cause {
        name: "wait-too-short",
        only: Only::Anywhere,
        tamper: Access {
            write: tricks::lose_notifications,
            before_diagnosis: tricks::answer_late,
            ..Access::UNTOUCHED
        },
        is_named: |failure| matches!(failure, Failure::Timeout(TimeoutCause::Late)),
    },
    Cause {
        name: "queue-disabled-later",
        only: Only::Anywhere,
        tamper: Access {
            read: tricks::hide_live_queues,
            write: tricks::lose_notifications,
            ..Access::UNTOUCHED
        },
        is_named: |failure| {
            matches!(
                failure,
                Failure::Timeout(TimeoutCause::QueueDisabled { .. })
            )
        },
    },
    Cause {
        name: "reset-by-somebody-else",
        only: Only::Anywhere,
        tamper: Access {
            write: tricks::reset_when_notified,
            ..Access::UNTOUCHED
        },
        is_named: |failure| matches!(failure, Failure::Timeout(TimeoutCause::NotLive { .. })),
    },
    Cause {
        name: "device-needs-reset",
        only: Only::Anywhere,
        tamper: Access {
            read: tricks::need_reset_when_live,
            write: tricks::lose_notifications,
            ..Access::UNTOUCHED
        },
        is_named: |failure| {
            matches!(
                failure,
                Failure::NeedsReset | Failure::Timeout(TimeoutCause::NeedsReset { .. })
            )
        },
    },
    Cause {
        name: "reset-never-done",
        only: Only::Anywhere,
        tamper: Access {
            read: tricks::never_finish_a_reset,
            ..Access::UNTOUCHED
        },
        is_named: |failure| matches!(failure, Failure::Init(InitError::ResetTimeout { .. })),
    },
    Cause {
        name: "features-refused",
        only: Only::Modern,
        tamper: Access {
            read: tricks::refuse_features,
            ..Access::UNTOUCHED
        },
        is_named: |failure| matches!(failure, Failure::Init(InitError::FeaturesRefused { .. })),
    },
    Cause {
        name: "vector-refused",
        only: Only::Messages,
        tamper: Access {
            read: tricks::refuse_vectors,
            ..Access::UNTOUCHED
        },
        is_named: |failure| {
            matches!(
                failure,
                Failure::Queue(QueueError::Enable(EnableQueueError::VectorRefused { .. }))
            )
        },
    },
    Cause {
        name: "configuration-vector-refused",
        only: Only::Messages,
        tamper: Access {
            read: tricks::refuse_the_configuration_vector,
            ..Access::UNTOUCHED
        },
        is_named: |failure| matches!(failure, Failure::Init(InitError::ConfigVector(_))),
    },
    Cause {
        name: "no-such-queue",
        only: Only::Anywhere,
        tamper: Access {
            read: tricks::have_no_queues,
            ..Access::UNTOUCHED
        },
        is_named: |failure| {
            matches!(
                failure,
                Failure::Queue(
                    QueueError::Enable(EnableQueueError::NoSuchQueue { .. })
                        | QueueError::TooSmall { max: 0, .. }
                )
            )
        },
    },
];

/// Brings about every cause on the first GPU and on the first disk.
pub(super) fn run(devices: &mut Devices, run: &mut Run, out: &mut impl Write) -> fmt::Result {
    for subject in [Subject::Gpu, Subject::Disk] {
        let name = subject.name();
        let device_type = subject.device_type();
        let mut entries = devices.entries.iter();
        let Some(index) = entries.position(|entry| entry.way.device_type() == device_type) else {
            let why = Outcome::skipped(format_args!("no {name}"));
            run.record(name, &why, out)?;
            continue;
        };
        let way = devices.entries[index].way.clone();
        let was_driven = matches!(devices.entries[index].state, State::Driven { .. });
        devices.stop(index);
        if let Way::Mmio { registers, .. } = &way {
            let probing = Outcome::of(probing_names_what_it_finds(registers));
            run.record(&format!("{name}-not-virtio"), &probing, out)?;
        }
        let misplaced = Outcome::of(misplaced_queues_are_refused(&way));
        run.record(&format!("{name}-queue-misplaced"), &misplaced, out)?;
        for cause in CAUSES {
            let outcome = Outcome::of(bring_about(subject, cause, &way));
            run.record(&format!("{name}-{}", cause.name), &outcome, out)?;
        }
        let by_line = Outcome::of(messages_can_be_given_up(subject, &way));
        run.record(&format!("{name}-without-messages"), &by_line, out)?;
        devices.start(index);
        if was_driven {
            let works = Outcome::of(is_driven(&devices.entries[index]));
            run.record(&format!("{name}-is-driven-again"), &works, out)?;
        }
    }
    Ok(())
}

fn bring_about(subject: Subject, cause: &Cause, way: &Way) -> Result {
    if !cause.only.has(way) {
        return Err(Outcome::skipped(format_args!(
            "not on a {} device",
            cause.only
        )));
    }
    match subject.attempt(way, cause.tamper, SHORT) {
        Ok(()) => {
            return Err(Outcome::failed(format_args!(
                "the device answered all the same"
            )));
        }
        Err(failure) => {
            ensure!((cause.is_named)(&failure), "it is called: {failure}");
            info!("{} {}: {failure}", subject.name(), cause.name);
        }
    }
    works(subject, way)
}

/// Drives the device with nothing changed.
fn works(subject: Subject, way: &Way) -> Result {
    let again = subject.attempt(way, Access::UNTOUCHED, LONG);
    again.map_err(|failure| Outcome::failed(format_args!("afterwards, untouched: {failure}")))
}

/// A device whose messages are of no use works without, and then with them.
fn messages_can_be_given_up(subject: Subject, way: &Way) -> Result {
    let mut without = way.clone();
    if !without.give_up_messages() {
        let messages = Only::Messages;
        return Err(Outcome::skipped(format_args!("not on a {messages} device")));
    }
    ensure!(without.over() == Some(Over::Line), "it sends messages");
    works(subject, &without)?;
    works(subject, way)
}

fn probing_names_what_it_finds(registers: &Registers) -> Result {
    let probe = |read| {
        let access = Access {
            read,
            ..Access::UNTOUCHED
        };
        let device = Device::mmio(registers.clone());
        let tampered = Tampered::new(registers.clone(), Part::Mmio, access, device);
        MmioTransport::probe(tampered).map(|found| found.is_some())
    };
    let found = probe(tricks::have_no_magic);
    ensure!(
        matches!(found, Err(MmioError::BadMagic { found: 0 })),
        "{found:?}"
    );
    let found = probe(tricks::show_version_three);
    ensure!(
        matches!(found, Err(MmioError::UnsupportedVersion { version: 3 })),
        "{found:?}"
    );
    let found = probe(tricks::be_an_empty_slot);
    ensure!(matches!(found, Ok(false)), "{found:?}");
    let found = MmioTransport::probe(registers.clone()).map(|found| found.is_some());
    ensure!(matches!(found, Ok(true)), "{found:?}");
    Ok(())
}

/// A descriptor table that is not aligned, and a used ring where the specification's formula does not have it.
fn misplaced_queues_are_refused(way: &Way) -> Result {
    const DESCRIPTORS: u16 = 16;
    /// Right after the available ring, whatever its alignment.
    const USED_RING: u64 = 16 * DESCRIPTORS as u64 + 6 + 2 * DESCRIPTORS as u64;
    let size = QueueSize::new(DESCRIPTORS)
        .ok_or_else(|| Outcome::failed(format_args!("{DESCRIPTORS} is no queue size")))?;
    let region = DmaRegion::new(&KernelDma, 2 * PAGE_BYTES, PAGE_BYTES)?;
    let place = |offset: u64| DmaAddr::new(region.device_addr().get() + offset);
    let transport = connect(way, Access::UNTOUCHED);
    let mut transport = transport.map_err(|error| Outcome::failed(format_args!("{error}")))?;
    for (base, used_ring, wrong) in [
        (8, PAGE_BYTES as u64, Area::Descriptor),
        (0, USED_RING, Area::Device),
    ] {
        let areas = QueueAreas {
            size,
            descriptor: place(base),
            driver: place(base + 16 * u64::from(DESCRIPTORS)),
            device: place(base + used_ring),
        };
        // SAFETY: the areas lie in `region`. It may be freed only when the device was told of nothing, or reset:
        // it is refused, or reset below.
        let enabled = unsafe { transport.enable_queue(QueueIndex::new(0), &areas) };
        if enabled.is_ok() {
            transport.write_status(Status::empty());
        }
        ensure!(
            matches!(enabled, Err(EnableQueueError::Misplaced { area, .. }) if area == wrong),
            "with the {wrong} area misplaced: {enabled:?}"
        );
    }
    Ok(())
}
