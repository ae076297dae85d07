//! The serial line against a kernel that is a socket, or a text.

use super::*;
use std::os::unix::net::UnixStream;
use std::time::Instant;

const LONG: Duration = Duration::from_secs(20);

fn serial() -> (Serial, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let input = ours.try_clone().unwrap();
    let echo = None::<std::io::Sink>;
    (Serial::new(input, ours, None, echo).unwrap(), theirs)
}

/// A line on which `said` came, of which at most `limit` bytes are kept.
fn line(said: &[u8], echo: Option<&mut Vec<u8>>, limit: usize) -> Serial {
    let shared = Shared::default();
    collect(said, None, echo, limit, &shared);
    Serial {
        shared,
        input: SerialInput(Arc::new(Mutex::new(Box::new(std::io::sink())))),
        cursor: 0,
    }
}

#[test]
fn a_line_that_is_echoed_never_goes_mute() {
    let mut said = b"first ".to_vec();
    said.extend([b'.'; 20_000]);
    said.extend(b"middle ");
    said.extend([b'.'; 3_000]);
    said.extend(b"last");
    let mut echo = Vec::new();
    let mut serial = line(&said, Some(&mut echo), 10_000);
    assert_eq!(echo, said);
    assert_eq!(serial.heard(), said.len());
    assert!(serial.wait_for("first", LONG).is_err());
    assert!(serial.wait_for("middle ", LONG).is_ok());
    let seen = serial.wait_for("last", LONG).unwrap();
    assert_eq!(seen.len(), 3_004);
    assert!(serial.text().len() <= 10_000);
}

#[test]
fn a_line_that_nobody_reads_is_not_read_for_ever() {
    let mut serial = line(&[b'.'; 20_000], None, 10_000);
    let error = serial.wait_for("ready", LONG).unwrap_err().to_string();
    assert!(serial.is_flooded());
    assert!(
        error.contains("\"ready\" among its first 12288 bytes"),
        "{error}"
    );
}

#[test]
fn only_silence_ends_a_wait_for_a_line_that_goes_on() {
    // The writer may be kept waiting by a busy machine, and must not seem to be silent.
    let silence = Duration::from_secs(3);
    let (mut serial, mut kernel) = serial();
    let begin = Instant::now();
    let writer = std::thread::spawn(move || {
        while begin.elapsed() < silence * 3 / 2 {
            kernel.write_all(b".").unwrap();
            std::thread::yield_now();
        }
        kernel
    });
    let error = serial.wait_unless_silent("ready", silence).unwrap_err();
    assert!(begin.elapsed() >= silence * 3 / 2);
    assert!(error.to_string().contains("was silent for 3 s"), "{error}");
    drop(writer.join().unwrap());
}

#[test]
fn a_line_that_never_stops_is_not_waited_for_for_ever() {
    // As above.
    let silence = Duration::from_secs(3);
    let (mut serial, mut kernel) = serial();
    // It ends by itself when nobody reads any more.
    let writer = std::thread::spawn(move || while kernel.write_all(b".").is_ok() {});
    let begin = Instant::now();
    let error = serial
        .wait("ready", silence, Since::LastByte(1))
        .unwrap_err();
    assert!(begin.elapsed() >= silence);
    assert!(error.to_string().contains("though it went on"), "{error}");
    drop(serial);
    drop(writer);
}

#[test]
fn a_text_that_comes_in_pieces_is_found() {
    let (mut serial, mut kernel) = serial();
    kernel.write_all(b"boot\r\nlevi").unwrap();
    let writer = std::thread::spawn(move || {
        kernel.write_all(b"tate> ").unwrap();
        kernel
    });
    assert_eq!(serial.wait_for(PROMPT, LONG).unwrap(), "boot\nlevitate> ");
    drop(writer.join().unwrap());
}

#[test]
fn what_was_matched_once_is_not_matched_again() {
    let (mut serial, mut kernel) = serial();
    kernel.write_all(b"one two one").unwrap();
    assert_eq!(serial.wait_for("one", LONG).unwrap(), "one");
    assert_eq!(serial.wait_for("one", LONG).unwrap(), " two one");
    assert!(serial.wait_for("one", Duration::from_millis(20)).is_err());
}

#[test]
fn a_miss_shows_the_last_twenty_lines() {
    let (mut serial, mut kernel) = serial();
    for line in 0..30 {
        writeln!(kernel, "line {line}.").unwrap();
    }
    serial.wait_for("line 29.", LONG).unwrap();
    let error = serial
        .wait_for("ready", Duration::from_millis(50))
        .unwrap_err()
        .to_string();
    assert!(error.contains("\"ready\" within 0.05 s"), "{error}");
    assert!(error.contains("| line 10."), "{error}");
    assert!(error.ends_with("| line 29."), "{error}");
    assert!(!error.contains("| line 9."), "{error}");
}

#[test]
fn a_closed_line_is_no_reason_to_wait() {
    let (mut serial, mut kernel) = serial();
    kernel.write_all(b"panic: broken").unwrap();
    drop(kernel);
    let begin = Instant::now();
    let error = serial.wait_for("ready", LONG).unwrap_err().to_string();
    assert!(begin.elapsed() < LONG, "{error}");
    assert!(error.contains("line was closed"), "{error}");
    assert!(error.contains("| panic: broken"), "{error}");
}

#[test]
fn a_silent_line_says_so() {
    let (mut serial, _kernel) = serial();
    let error = serial.wait_for("x", Duration::from_millis(20)).unwrap_err();
    assert!(error.to_string().ends_with("(nothing came)"), "{error}");
}

#[test]
fn what_is_sent_arrives() {
    let (serial, mut kernel) = serial();
    serial.input().send(b"help\n").unwrap();
    let mut bytes = [0; 5];
    kernel.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"help\n");
}

#[test]
fn the_echo_and_the_prompt_are_no_output() {
    let seen = "blk info\ndisk 0\n  2048 sectors\nlevitate> ";
    assert_eq!(
        command_output(seen, "blk info"),
        ["disk 0", "  2048 sectors"]
    );
    assert!(command_output("help\nlevitate> ", "help").is_empty());
}

#[test]
fn bytes_that_are_no_text_do_not_stop_it() {
    let (mut serial, mut kernel) = serial();
    kernel.write_all(&[0xff, 0xfe, b'o', b'k']).unwrap();
    assert_eq!(serial.wait_for("ok", LONG).unwrap(), "\u{fffd}\u{fffd}ok");
}
