//! The example program `vhost_blk`, as a person runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest as _, Sha256};

use crate::fake::{self, Fake, Instead, Script};
use crate::program::find_example;
use crate::storage::{Export, PLAIN, Storage, patterned};

/// The program.
struct Example(PathBuf);

impl Example {
    /// `None` if it is not built, so that the test is skipped.
    fn find() -> Option<Self> {
        find_example("vhost_blk").map(Self)
    }

    /// Runs it against the back end at `socket`, in no hurry.
    fn run(&self, socket: &Path, arguments: &[&str]) -> Output {
        self.run_within("10", socket, arguments)
    }

    /// Runs it with so many seconds for each answer.
    fn run_within(&self, seconds: &str, socket: &Path, arguments: &[&str]) -> Output {
        Command::new(&self.0)
            .args(["--timeout", seconds, "--socket"])
            .arg(socket)
            .args(arguments)
            .output()
            .unwrap()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Checks that it did what it was told; returns what it printed.
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Checks that it failed with one line that says why.
fn assert_failed(output: &Output, why: &str) {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stderr(output);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.starts_with("vhost_blk: ") && text.contains(why),
        "{text}"
    );
    assert!(output.stdout.is_empty(), "{output:?}");
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn it_tells_checksums_reads_and_writes_an_image() {
    // No multiple of a request.
    let image = patterned(5 << 20 | 1536);
    let (Some(example), Some(storage)) = (Example::find(), Storage::serve(&image, PLAIN)) else {
        return;
    };
    let socket = storage.socket();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    let name = file.to_str().unwrap();

    let info = succeeded(&example.run(&socket, &["info"]));
    assert!(
        info.contains(&format!("capacity     {} bytes", image.len())),
        "{info}"
    );
    assert!(info.contains("id           vhost_user_blk"), "{info}");

    let output = example.run(&socket, &["checksum"]);
    assert_eq!(succeeded(&output).trim(), sha256(&image));
    let progress = format!("checksum: {} bytes in ", image.len());
    assert!(stderr(&output).starts_with(&progress), "{output:?}");

    succeeded(&example.run(&socket, &["read", name]));
    assert!(std::fs::read(&file).unwrap() == image);
    let output = example.run(&socket, &["read", "-", "--first", "7", "--sectors", "3"]);
    assert_eq!(output.stdout, image[7 * 512..10 * 512]);

    let mut other = image;
    other.reverse();
    std::fs::write(&file, &other).unwrap();
    succeeded(&example.run(&socket, &["write", name]));
    assert!(storage.image() == other);
    other[..4096].fill(0xcd);
    std::fs::write(&file, &other[..4096]).unwrap();
    succeeded(&example.run(&socket, &["write", "--partial", name]));
    assert!(storage.image() == other);
}

#[test]
fn an_image_that_does_not_fit_is_not_written() {
    let image = patterned(8192);
    let (Some(example), Some(storage)) = (Example::find(), Storage::serve(&image, PLAIN)) else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    let name = file.to_str().unwrap();
    for (len_bytes, arguments, why) in [
        (
            4096,
            vec!["write", name],
            "is short: 4096 bytes for a disk of 8192",
        ),
        (
            8704,
            vec!["write", name],
            "is too long: 8704 bytes for a disk of 8192",
        ),
        (
            1000,
            vec!["write", name, "--partial"],
            "it has 1000 bytes, and a block 512",
        ),
    ] {
        std::fs::write(&file, vec![0xee; len_bytes]).unwrap();
        assert_failed(&example.run(&storage.socket(), &arguments), why);
    }
    let missing = directory.path().join("missing");
    let output = example.run(&storage.socket(), &["write", missing.to_str().unwrap()]);
    assert_failed(&output, "No such file");
    assert_eq!(storage.image(), image);
}

#[test]
fn a_range_that_the_disk_does_not_have_leaves_the_file_as_it_is() {
    let export = Export {
        settings: "writable=on,logical-block-size=4096",
        ..PLAIN
    };
    let image = patterned(8192);
    let (Some(example), Some(storage)) = (Example::find(), Storage::serve(&image, export)) else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    let name = file.to_str().unwrap();
    std::fs::write(&file, "precious").unwrap();
    let max = u64::MAX.to_string();
    for (first, sectors, why) in [
        ("8", "9", "9 sectors from 8 on are too many"),
        ("8", &max, "are too many: the disk has 16"),
        ("16", "0", "sector 16 is past the end"),
        (&max, "1", "is past the end: the disk has 16 sectors"),
        ("1", "8", "no whole blocks, which have 8 each"),
        ("8", "1", "no whole blocks, which have 8 each"),
    ] {
        let arguments = ["read", name, "--first", first, "--sectors", sectors];
        assert_failed(&example.run(&storage.socket(), &arguments), why);
    }
    let arguments = ["read", name, "--first", "17"];
    let output = example.run(&storage.socket(), &arguments);
    assert_failed(&output, "sector 17 is past the end");
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
}

#[test]
fn a_timeout_of_nothing_or_of_more_than_a_day_is_refused() {
    let Some(example) = Example::find() else {
        return;
    };
    for seconds in ["0", "86401"] {
        let output = example.run_within(seconds, Path::new("socket"), &["info"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains("is not in 1..=86400"));
    }
}

#[test]
fn a_read_only_disk_is_not_written() {
    let export = Export {
        settings: "writable=off",
        ..PLAIN
    };
    let image = patterned(4096);
    let (Some(example), Some(storage)) = (Example::find(), Storage::serve(&image, export)) else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, [0; 4096]).unwrap();
    let output = example.run(&storage.socket(), &["write", file.to_str().unwrap()]);
    assert_failed(&output, "read-only");
    assert_eq!(storage.image(), image);
}

#[test]
fn what_is_no_good_back_end_is_said_in_one_line() {
    let Some(example) = Example::find() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let output = example.run(&socket, &["info"]);
    assert_failed(&output, &format!("cannot connect to {}", socket.display()));

    let http = Instead::Send(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    let missing = Script {
        protocol_features: fake::REPLY_ACK,
        ..Script::sound()
    };
    for (seconds, script, why) in [
        (
            "10",
            Script::sound().instead(fake::GET_FEATURES, http),
            "back end does not speak vhost-user",
        ),
        (
            "10",
            missing,
            "back end does not offer VHOST_USER_PROTOCOL_F_CONFIG",
        ),
        // Its first message, so nothing has to succeed within the second.
        (
            "1",
            Script::sound().instead(fake::GET_FEATURES, Instead::KeepSilent),
            "back end does not answer GET_FEATURES within 1s",
        ),
        // All else is well, but nobody reads the virtqueue.
        ("5", Script::sound(), "no answer within 5s"),
    ] {
        let fake = Fake::start(script);
        let output = example.run_within(seconds, &fake.socket(), &["info"]);
        assert_failed(&output, why);
    }
}
