//! The client against a server in this process: one that behaves, and several that do not.

use super::*;
use std::io::Read;
use std::thread::JoinHandle;

const LONG: Duration = Duration::from_secs(20);

/// Says what a server says up to ServerInit, for a screen of `width` x `height`; returns what the client sent.
fn greet(stream: &mut UnixStream, width: u16, height: u16) -> Vec<u8> {
    let mut sent = Vec::new();
    let mut hear = |stream: &mut UnixStream, count: usize| {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).unwrap();
        sent.extend(bytes);
    };
    stream.write_all(VERSION).unwrap();
    hear(stream, 12);
    stream.write_all(&[2, 2, 1]).unwrap();
    hear(stream, 1);
    stream.write_all(&[0; 4]).unwrap();
    hear(stream, 1);
    stream.write_all(&width.to_be_bytes()).unwrap();
    stream.write_all(&height.to_be_bytes()).unwrap();
    stream.write_all(&[0; 16]).unwrap();
    stream.write_all(&[0, 0, 0, 4]).unwrap();
    stream.write_all(b"QEMU").unwrap();
    hear(stream, 20 + 12);
    sent
}

/// Reads one FramebufferUpdateRequest.
fn hear_request(stream: &mut UnixStream) -> [u8; 10] {
    let mut request = [0; 10];
    stream.read_exact(&mut request).unwrap();
    request
}

/// One rectangle of a FramebufferUpdate, without its pixels.
fn rectangle(x: u16, y: u16, width: u16, height: u16, encoding: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for value in [x, y, width, height] {
        bytes.extend(value.to_be_bytes());
    }
    bytes.extend(encoding.to_be_bytes());
    bytes
}

fn with_server<T: Send + 'static>(
    serve: impl FnOnce(UnixStream) -> T + Send + 'static,
) -> (Result<Vnc>, JoinHandle<T>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let server = std::thread::spawn(move || serve(theirs));
    (Vnc::over(ours, LONG), server)
}

/// A client whose screen is 2x2, and a server that answers its first request with `answer`.
fn answered(answer: Vec<u8>, deadline: Duration) -> Result<Image> {
    let (vnc, server) = with_server(move |mut stream| {
        greet(&mut stream, 2, 2);
        hear_request(&mut stream);
        // The client may have given up in the middle.
        let _ = stream.write_all(&answer);
        stream
    });
    let frame = vnc.unwrap().frame(deadline);
    server.join().unwrap();
    frame
}

#[test]
fn the_handshake_sends_what_the_protocol_wants() {
    let (vnc, server) = with_server(|mut stream| greet(&mut stream, 3, 2));
    assert_eq!(vnc.unwrap().screen.size(), (3, 2));
    let mut expected = VERSION.to_vec();
    expected.extend([1, 1]);
    expected.extend([
        0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0,
    ]);
    expected.extend([2, 0, 0, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x21]);
    assert_eq!(server.join().unwrap(), expected);
}

#[test]
fn a_frame_is_requested_whole_and_put_together_from_its_parts() {
    let (vnc, server) = with_server(|mut stream| {
        greet(&mut stream, 3, 2);
        let request = hear_request(&mut stream);
        // A bell and a cut text, which mean nothing here; then the frame, in two messages.
        stream
            .write_all(&[2, 3, 0, 0, 0, 0, 0, 0, 2, b'h', b'i'])
            .unwrap();
        let mut first = vec![0, 0, 0, 2];
        first.extend(rectangle(0, 0, 3, 1, 0));
        first.extend([3, 2, 1, 0, 6, 5, 4, 0, 9, 8, 7, 0]);
        first.extend(rectangle(2, 1, 1, 1, 0));
        first.extend([12, 11, 10, 0xff]);
        stream.write_all(&first).unwrap();
        let mut second = vec![0, 0, 0, 1];
        second.extend(rectangle(0, 1, 2, 1, 0));
        second.extend([15, 14, 13, 0, 18, 17, 16, 0]);
        stream.write_all(&second).unwrap();
        (request, stream)
    });
    let frame = vnc.unwrap().frame(LONG).unwrap();
    let pixels: Vec<_> = (0..2)
        .flat_map(|y| (0..3).map(move |x| (x, y)))
        .map(|(x, y)| frame.pixel(x, y).unwrap())
        .collect();
    assert_eq!(
        pixels,
        [
            [1, 2, 3],
            [4, 5, 6],
            [7, 8, 9],
            [13, 14, 15],
            [16, 17, 18],
            [10, 11, 12]
        ]
    );
    let (request, _stream) = server.join().unwrap();
    assert_eq!(request, [3, 0, 0, 0, 0, 0, 0, 3, 0, 2]);
}

#[test]
fn a_new_size_makes_it_ask_again() {
    let (vnc, server) = with_server(|mut stream| {
        greet(&mut stream, 2, 2);
        hear_request(&mut stream);
        let mut resized = vec![0, 0, 0, 1];
        resized.extend(rectangle(0, 0, 1, 1, ENCODING_DESKTOP_SIZE));
        stream.write_all(&resized).unwrap();
        let request = hear_request(&mut stream);
        let mut update = vec![0, 0, 0, 1];
        update.extend(rectangle(0, 0, 1, 1, 0));
        update.extend([1, 2, 3, 4]);
        stream.write_all(&update).unwrap();
        (request, stream)
    });
    let frame = vnc.unwrap().frame(LONG).unwrap();
    assert_eq!(frame, Image::filled(1, 1, [3, 2, 1]));
    assert_eq!(server.join().unwrap().0, [3, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
}

#[test]
fn a_rectangle_outside_the_screen_is_refused() {
    let mut answer = vec![0, 0, 0, 1];
    answer.extend(rectangle(1, 1, 2, 1, 0));
    let error = answered(answer, LONG).unwrap_err().to_string();
    assert!(error.contains("2x1 at (1, 1), outside"), "{error}");
}

#[test]
fn an_encoding_that_was_not_offered_is_refused() {
    let mut answer = vec![0, 0, 0, 1];
    answer.extend(rectangle(0, 0, 2, 2, 7));
    let error = answered(answer, LONG).unwrap_err().to_string();
    assert!(error.contains("encoding 7"), "{error}");
}

#[test]
fn an_unknown_message_is_refused() {
    let error = answered(vec![99], LONG).unwrap_err().to_string();
    assert!(error.contains("unknown type 99"), "{error}");
}

#[test]
fn a_size_beyond_the_limit_is_refused() {
    let mut answer = vec![0, 0, 0, 1];
    answer.extend(rectangle(0, 0, u16::MAX, u16::MAX, ENCODING_DESKTOP_SIZE));
    let error = answered(answer, LONG).unwrap_err().to_string();
    assert!(error.contains("screen is 65535x65535"), "{error}");
}

#[test]
fn half_a_frame_is_no_frame() {
    let mut answer = vec![0, 0, 0, 1];
    answer.extend(rectangle(0, 0, 2, 1, 0));
    answer.extend([0; 8]);
    let error = answered(answer, Duration::from_millis(50)).unwrap_err();
    let text = error.to_string();
    // The server closes after its answer, unless the deadline comes first.
    assert!(
        text.contains("did not answer in time") || text.contains("was closed"),
        "{text}"
    );
}

#[test]
fn a_refusal_is_told_in_the_servers_words() {
    let (vnc, _server) = with_server(|mut stream| {
        stream.write_all(VERSION).unwrap();
        stream.write_all(&[0, 0, 0, 0, 4]).unwrap();
        stream.write_all(b"busy").unwrap();
        stream
    });
    let error = format!("{:#}", vnc.err().unwrap());
    assert_eq!(error, "the VNC handshake: the server refuses: busy");
}

#[test]
fn a_password_is_not_attempted() {
    let (vnc, _server) = with_server(|mut stream| {
        stream.write_all(VERSION).unwrap();
        stream.write_all(&[1, 2]).unwrap();
        stream
    });
    let error = format!("{:#}", vnc.err().unwrap());
    assert!(error.contains("wants a password"), "{error}");
}

#[test]
fn something_that_is_no_vnc_server_is_refused() {
    let (vnc, _server) = with_server(|mut stream| {
        stream.write_all(b"HTTP/1.1 400 ").unwrap();
        stream
    });
    let error = format!("{:#}", vnc.err().unwrap());
    assert!(error.contains("not RFB 3.8"), "{error}");
}
