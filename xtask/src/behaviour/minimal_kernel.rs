//! The example of a kernel outside of the workspace: what it shows, what it reads, how it ends.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

use anyhow::{Context as _, Result, ensure};

use super::case::{self, BOOT_DEADLINE, Case, Context, SHUTDOWN_DEADLINE};
use super::disk_image::SECTOR_BYTES;
use super::pixels;
use crate::platform::{Board, Transport};
use crate::vm::image::{Image, Rectangle};
use crate::vm::{Disk, Machine};
use crate::workspace;

/// Its last line; the picture stays until it is answered.
const LAST_LINE: &str = "press Enter to end";

/// The cases of this file.
pub(crate) fn cases() -> Vec<Case> {
    use Board::{Microvm, Virt};
    use Transport::{Mmio, MmioLegacy};
    vec![
        Case {
            name: "minimal-kernel",
            run: Box::new(|context| shows_and_reads(context, Virt, Mmio, (1366, 768))),
        },
        Case {
            name: "minimal-kernel-legacy",
            run: Box::new(|context| shows_and_reads(context, Virt, MmioLegacy, (800, 600))),
        },
        Case {
            name: "minimal-kernel-x86-microvm",
            run: Box::new(|context| shows_and_reads(context, Microvm, Mmio, (1366, 768))),
        },
        Case {
            name: "minimal-kernel-x86-microvm-legacy",
            run: Box::new(|context| shows_and_reads(context, Microvm, MmioLegacy, (800, 600))),
        },
        Case {
            name: "minimal-kernel-readme",
            run: Box::new(readme),
        },
        Case {
            name: "minimal-kernel-no-disk",
            run: Box::new(|context| no_disk(context, Virt)),
        },
        Case {
            name: "minimal-kernel-x86-microvm-no-disk",
            run: Box::new(|context| no_disk(context, Microvm)),
        },
    ]
}

/// Returns a machine that boots the example, with neither display nor disk.
fn machine(context: &Context, board: Board) -> Machine {
    let mut machine = context.machine_of(board);
    let mut programs = context.programs.iter();
    machine.kernel = programs
        .find(|programs| programs.arch == board.arch())
        .map(|programs| programs.minimal_kernel.clone());
    machine
}

/// It prints a sector that nobody else can know, and shows its picture.
fn shows_and_reads(
    context: &Context,
    board: Board,
    transport: Transport,
    size: (u32, u32),
) -> Result<()> {
    const SECTORS: usize = 37;
    let content = random_text(SECTORS * SECTOR_BYTES);
    let path = context.dir.join("random.img");
    std::fs::write(&path, &content)?;
    let mut machine = machine(context, board);
    machine.transport = transport;
    machine.gpu = Some(size);
    machine.disks = vec![Disk::new(path)];
    machine.trace = vec![pixels::FLUSH_EVENT.to_owned()];

    let mut vm = machine.start(&context.dir)?;
    let said = vm.wait_for(LAST_LINE, BOOT_DEADLINE)?;
    let (name, (width, height)) = (board.arch().name(), size);
    let sector = &content[..SECTOR_BYTES];
    let expected = format!(
        "minimal-kernel on {name}\ndisplay: {width}x{height}\ndisk: {SECTORS} sectors\nsector 0: \"{sector}\"\n{LAST_LINE}"
    );
    ensure!(
        said.ends_with(&expected),
        "it printed:\n{said}\ninstead of:\n{expected}"
    );
    vm.screendump()?
        .ensure_equals(&gradient(size), &context.dir, "gradient")?;
    // A screendump does not tell whether the picture was flushed.
    let flushed = pixels::flushed(&vm.qemu_log()?);
    let whole = Rectangle {
        x: 0,
        y: 0,
        width,
        height,
    };
    ensure!(flushed == [whole], "flushed was {flushed:?}, not {whole}");
    vm.send("\n")?;
    case::ensure_exit(&mut vm, SHUTDOWN_DEADLINE, 0)?;
    case::ensure_no_guest_errors(&vm)
}

/// What its README says of the disk it makes is what is printed.
fn readme(context: &Context) -> Result<()> {
    let path = "docs/examples/minimal-kernel/README.md";
    let readme = std::fs::read_to_string(workspace::root().join(path))?;
    let promised = readme
        .split_once("```text\n")
        .and_then(|(_, rest)| rest.split_once("\n```"))
        .map(|(lines, _)| lines)
        .with_context(|| format!("{path} does not show what is printed"))?;
    let mut content = b"hello, sector".to_vec();
    content.resize(1024 * 1024, 0);
    let path = context.dir.join("disk.img");
    std::fs::write(&path, &content)?;
    let mut machine = machine(context, Board::Virt);
    machine.transport = Transport::MmioLegacy;
    machine.gpu = Some((1280, 800));
    machine.disks = vec![Disk::new(path)];
    let mut vm = machine.start(&context.dir)?;
    let said = vm.wait_for(LAST_LINE, BOOT_DEADLINE)?;
    ensure!(
        said.ends_with(promised),
        "it printed:\n{said}\ninstead of:\n{promised}"
    );
    vm.send("\n")?;
    case::ensure_exit(&mut vm, SHUTDOWN_DEADLINE, 0)
}

/// Without a disk it says so, and ends with the status of a failure.
fn no_disk(context: &Context, board: Board) -> Result<()> {
    let mut machine = machine(context, board);
    machine.gpu = Some((1280, 800));
    let mut vm = machine.start(&context.dir)?;
    case::ensure_exit(&mut vm, BOOT_DEADLINE, 1)?;
    let log = vm.serial_log();
    let last = log.lines().last();
    ensure!(
        last == Some("error: no block device is plugged in"),
        "the last line is {last:?}"
    );
    case::ensure_no_guest_errors(&vm)
}

/// Returns as many random digits, others at every run.
fn random_text(len_bytes: usize) -> String {
    let random = RandomState::new();
    let mut text = String::new();
    for number in 0_usize.. {
        if text.len() >= len_bytes {
            break;
        }
        let mut hasher = random.build_hasher();
        hasher.write_usize(number);
        text.push_str(&format!("{:016x}", hasher.finish()));
    }
    text.truncate(len_bytes);
    text
}

/// Draws on the host what the example shows: from the top left corner on, in 256 steps, red grows to the right and green to the bottom.
fn gradient((width, height): (u32, u32)) -> Image {
    let mut image = Image::filled(width, height, [0; 3]);
    for y in 0..height {
        for x in 0..width {
            image.set(
                x,
                y,
                [(x * 256 / width) as u8, (y * 256 / height) as u8, 0x40],
            );
        }
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_text_fits_and_is_never_the_same() {
        let text = random_text(1001);
        assert_eq!(text.len(), 1001);
        assert!(text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(text, random_text(1001));
        let mut words: Vec<_> = text.as_bytes().chunks(16).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), 63);
    }

    #[test]
    fn the_gradient_is_drawn_to_its_corners() {
        let image = gradient((512, 256));
        assert_eq!(image.pixel(0, 0), Some([0, 0, 0x40]));
        assert_eq!(image.pixel(511, 0), Some([255, 0, 0x40]));
        assert_eq!(image.pixel(0, 255), Some([0, 255, 0x40]));
        assert_eq!(image.pixel(3, 1), Some([1, 1, 0x40]));
    }
}
