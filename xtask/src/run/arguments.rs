//! What cannot be checked one option at a time: [`check`], and [`split`] for `--qemu-args`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cli::{Accel, MachineOptions};
use crate::platform::{Arch, Board, Transport};

/// The longest path of a Unix socket on Linux, in bytes.
const SOCKET_PATH_BYTES: usize = 107;

/// Checks everything about `options` but the disks; returns the machine, and how its devices are attached.
///
/// # Errors
///
/// What the machine cannot be, or what is wrong with a path.
pub(super) fn check(options: &MachineOptions) -> Result<(Board, Transport)> {
    let machine = machine(options.arch, options.machine, options.transport)?;
    if options.accel == Accel::Kvm {
        ensure_kvm(options.arch)?;
    }
    if let Some(path) = &options.qmp_socket {
        qmp_socket(path)?;
    }
    if let Some(path) = &options.kernel {
        ensure!(path.is_file(), "there is no kernel at {}", path.display());
    }
    if let Some(text) = &options.qemu_args {
        split(text)?;
    }
    Ok(machine)
}

/// Returns the machine that is meant, and how its devices are attached.
fn machine(
    arch: Arch,
    board: Option<Board>,
    transport: Option<Transport>,
) -> Result<(Board, Transport)> {
    let board = board.unwrap_or(arch.board());
    let (name, of) = (board.name(), board.arch().name());
    ensure!(
        board.arch() == arch,
        "--machine {name} is {of}, and --arch is {}",
        arch.name()
    );
    let transport = transport.unwrap_or(board.transport());
    let names = board.transports().iter().map(|has| has.name());
    let names: Vec<_> = names.collect();
    ensure!(
        board.transports().contains(&transport),
        "--transport {}: --machine {name} has none, but {}",
        transport.name(),
        names.join(" and ")
    );
    Ok((board, transport))
}

/// Checks that this host's CPUs can run a guest of this architecture.
///
/// # Errors
///
/// They are of another one, or nobody may use them.
pub(crate) fn ensure_kvm(arch: Arch) -> Result<()> {
    kvm(arch.name(), std::env::consts::ARCH, Path::new("/dev/kvm"))
}

fn kvm(guest: &str, host: &str, device: &Path) -> Result<()> {
    ensure!(
        host == guest,
        "--accel kvm: this host is {host}, and runs no {guest} guest on its own CPUs"
    );
    std::fs::File::options()
        .read(true)
        .write(true)
        .open(device)
        .with_context(|| format!("--accel kvm: cannot use {}", device.display()))?;
    Ok(())
}

/// Checks that a socket can be made at `path`. QEMU would remove whatever socket is there; that is not ours to do.
fn qmp_socket(path: &Path) -> Result<()> {
    let path = std::path::absolute(path)?;
    let shown = path.display();
    if path.symlink_metadata().is_ok() {
        bail!(
            "the QMP socket's path {shown} is occupied: another run may use it; if none does, remove it"
        );
    }
    ensure!(
        path.as_os_str().as_bytes().len() <= SOCKET_PATH_BYTES,
        "the QMP socket's path {shown} is longer than {SOCKET_PATH_BYTES} bytes"
    );
    ensure!(
        path.parent().is_some_and(Path::is_dir),
        "the QMP socket {shown} cannot be made: its directory is not there"
    );
    Ok(())
}

/// Returns the argument of `-qmp` for a server at `path`, with commas doubled as QEMU's option parser wants.
///
/// # Errors
///
/// The path is no text.
pub(super) fn qmp_server(path: &Path) -> Result<OsString> {
    let path = std::path::absolute(path)?;
    let text = path
        .to_str()
        .with_context(|| format!("the QMP socket's path {} is not UTF-8", path.display()))?;
    let text = text.replace(',', ",,");
    Ok(format!("unix:{text},server=on,wait=off").into())
}

/// Splits at blanks; quotes of either kind keep them, and a backslash keeps any character.
///
/// # Errors
///
/// A quote is not closed, or nothing follows a backslash.
pub(super) fn split(text: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                // Even with nothing between its quotes, it is a word.
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => match letters.next() {
                Some(next) => word.get_or_insert_default().push(next),
                None => bail!("--qemu-args: nothing follows the last backslash"),
            },
            (None, blank) if blank.is_whitespace() => words.extend(word.take()),
            (_, other) => word.get_or_insert_default().push(other),
        }
    }
    if let Some(open) = quote {
        bail!("--qemu-args: a {open} is not closed");
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_depends_on_the_architecture() {
        for (arch, board, transport, meant) in [
            (Arch::Aarch64, None, None, (Board::Virt, Transport::Mmio)),
            (Arch::X86_64, None, None, (Board::Q35, Transport::Pci)),
            (
                Arch::X86_64,
                Some(Board::Microvm),
                None,
                (Board::Microvm, Transport::Mmio),
            ),
            (
                Arch::Aarch64,
                None,
                Some(Transport::PciIntx),
                (Board::Virt, Transport::PciIntx),
            ),
        ] {
            assert_eq!(machine(arch, board, transport).unwrap(), meant);
        }
    }

    #[test]
    fn a_machine_that_cannot_be_is_refused() {
        for (arch, board, transport, part) in [
            (Arch::Aarch64, Board::Q35, None, "--machine q35 is x86_64"),
            (Arch::X86_64, Board::Virt, None, "--machine virt is aarch64"),
            (
                Arch::X86_64,
                Board::Q35,
                Some(Transport::Mmio),
                "--transport mmio: --machine q35 has none, but pci and pci-intx",
            ),
            (
                Arch::X86_64,
                Board::Microvm,
                Some(Transport::PciIntx),
                "--transport pci-intx: --machine microvm has none, but mmio and mmio-legacy",
            ),
        ] {
            let error = machine(arch, Some(board), transport).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn words_are_split_as_a_shell_does() {
        for (text, words) in [
            ("", vec![]),
            ("  ", vec![]),
            ("-s -S", vec!["-s", "-S"]),
            ("a 'b c' \"d e\"", vec!["a", "b c", "d e"]),
            ("a'b'\"c\"", vec!["abc"]),
            ("'' x", vec!["", "x"]),
            (r"a\ b 'c\d' ", vec!["a b", r"c\d"]),
            (r#""a\"b""#, vec!["a\"b"]),
        ] {
            assert_eq!(split(text).unwrap(), words, "{text}");
        }
    }

    #[test]
    fn an_open_quote_is_an_error() {
        for text in ["'", "a \"b", "a\\"] {
            let error = split(text).unwrap_err().to_string();
            assert!(error.starts_with("--qemu-args"), "{error}");
        }
    }

    #[test]
    fn an_occupied_socket_path_is_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("qmp");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let error = qmp_socket(&path).unwrap_err().to_string();
        assert!(error.contains("is occupied"), "{error}");
        assert!(path.exists());
        // A link to nothing is a file too.
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/nonexistent", &link).unwrap();
        assert!(qmp_socket(&link).is_err());
    }

    #[test]
    fn a_socket_path_that_cannot_be_is_refused() {
        let error = qmp_socket(Path::new("/nonexistent/qmp")).unwrap_err();
        assert!(error.to_string().contains("directory"), "{error}");
        let long = std::env::temp_dir().join("x".repeat(120));
        let error = qmp_socket(&long).unwrap_err().to_string();
        assert!(error.contains("longer than 107 bytes"), "{error}");
    }

    #[test]
    fn commas_of_a_socket_path_are_doubled() {
        assert_eq!(
            qmp_server(Path::new("/a,b")).unwrap(),
            "unix:/a,,b,server=on,wait=off"
        );
    }

    #[test]
    fn kvm_needs_the_guests_own_architecture() {
        let error = kvm("aarch64", "x86_64", Path::new("/dev/null")).unwrap_err();
        assert!(error.to_string().contains("x86_64"), "{error}");
        let error = kvm("aarch64", "aarch64", Path::new("/nonexistent/kvm")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/kvm"), "{error}");
        kvm("aarch64", "aarch64", Path::new("/dev/null")).unwrap();
    }
}
