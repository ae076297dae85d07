//! `cargo xtask screenshot`: boots without a window and saves what the display shows.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cli::{ScreenshotOptions, Show};
use crate::platform::{Board, Transport};
use crate::run::resolution::Resolution;
use crate::run::{Boot, boot, prepare};
use crate::setup::Setup;
use crate::vm::{Image, Machine, Vm};
use crate::{interrupt, workspace};

/// A placeholder that says a display is not active has a foreground and a background.
const PLACEHOLDER_COLOURS: usize = 2;

/// How long `shutdown` may take.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(60);

/// Saves the screenshot, and prints its path.
pub(crate) fn run(options: &ScreenshotOptions, setup: &Setup) -> Result<u8> {
    ensure!(
        !options.machine.no_gpu,
        "--no-gpu leaves nothing to photograph"
    );
    let asked = options.output.as_deref().map(output).transpose()?;
    let (machine, _) = prepare(&options.machine, setup)?;
    let path = asked.unwrap_or_else(|| default_output(&machine));
    let mut vm = machine.start(&workspace::target_dir().join("screenshot"))?;
    let _asked = interrupt::ask_first(vm.pid());
    if let Boot::Ended(status) = boot(&mut vm, &options.machine)? {
        bail!("the kernel ended before its prompt ({status})");
    }
    if options.show == Show::Card {
        let said = vm.command("gpu card")?;
        if let Some(error) = said.iter().find(|line| line.starts_with("error: ")) {
            bail!("the kernel did not draw the test card: {error}");
        }
    }
    save(&mut vm, &path, options.machine.resolution)?;
    vm.send("shutdown\n")?;
    let status = vm.wait_exit(SHUTDOWN_DEADLINE)?;
    ensure!(status.success(), "the kernel did not shut down: {status}");
    println!("{}", path.display());
    Ok(0)
}

/// Returns the file that `--output` names, whose directory must be there.
fn output(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path)?;
    ensure!(!path.is_dir(), "--output {} is a directory", path.display());
    let directory = path.parent().context("--output has no directory")?;
    ensure!(
        directory.is_dir(),
        "--output {}: its directory is not there",
        path.display()
    );
    Ok(path)
}

/// Returns the file for what `machine` shows where none is named: another one for each machine, so that two can be compared.
pub(crate) fn default_output(machine: &Machine) -> PathBuf {
    let name = file_name(machine.board, machine.transport);
    workspace::target_dir().join(name)
}

fn file_name(board: Board, transport: Transport) -> String {
    let names = [board.arch().name(), board.name(), transport.name()];
    format!("screenshot-{}.png", names.join("-"))
}

/// Saves what the display shows to `path`; a file that was there is replaced only by a picture that shows something.
pub(crate) fn save(vm: &mut Vm, path: &Path, resolution: Resolution) -> Result<()> {
    let image = vm.screendump()?;
    check(&image, resolution)?;
    image.write_png(path)
}

/// Checks that a picture is of our display, and that it shows something.
fn check(image: &Image, resolution: Resolution) -> Result<()> {
    let (width, height) = image.size();
    ensure!(
        (width, height) == (resolution.width, resolution.height),
        "the display is {width}x{height} instead of {}x{}: the driver did not set it up",
        resolution.width,
        resolution.height
    );
    let colours: HashSet<_> = (0..height)
        .flat_map(|y| (0..width).filter_map(move |x| image.pixel(x, y)))
        .collect();
    ensure!(
        colours.len() > PLACEHOLDER_COLOURS,
        "the display shows nothing: {} colours",
        colours.len()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    const RESOLUTION: Resolution = Resolution {
        width: 8,
        height: 4,
    };

    #[test]
    fn each_machine_has_a_file_of_its_own() {
        let mut names = HashSet::new();
        for board in Board::value_variants() {
            for &transport in board.transports() {
                let name = file_name(*board, transport);
                assert!(name.contains(board.arch().name()), "{name}");
                assert!(names.insert(name));
            }
        }
        assert!(names.contains("screenshot-aarch64-virt-mmio.png"));
        assert!(names.contains("screenshot-x86_64-q35-pci.png"));
    }

    #[test]
    fn another_size_is_not_our_display() {
        let error = check(&Image::filled(4, 4, [0; 3]), RESOLUTION).unwrap_err();
        assert!(error.to_string().contains("4x4 instead of 8x4"), "{error}");
    }

    #[test]
    fn a_picture_of_two_colours_shows_nothing() {
        let mut image = Image::filled(8, 4, [0; 3]);
        image.set(1, 1, [255; 3]);
        let error = check(&image, RESOLUTION).unwrap_err().to_string();
        assert!(error.contains("2 colours"), "{error}");
        image.set(2, 2, [255, 0, 0]);
        check(&image, RESOLUTION).unwrap();
    }
}
