//! The client against servers that keep to the protocol, and against some that do not.

use super::*;
use std::io::{BufRead, BufReader};
use std::thread::JoinHandle;

const LONG: Duration = Duration::from_secs(20);
const GREETING: &str = r#"{"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": []}}"#;

/// A server that greets, negotiates, then answers each command with the lines that `answer` makes of its id.
fn server(
    answer: impl Fn(u64) -> Vec<String> + Send + 'static,
) -> (Result<Qmp>, JoinHandle<Vec<Value>>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let server = std::thread::spawn(move || serve(theirs, answer));
    (Qmp::over(ours, LONG), server)
}

fn serve(mut stream: UnixStream, answer: impl Fn(u64) -> Vec<String>) -> Vec<Value> {
    let lines = BufReader::new(stream.try_clone().unwrap());
    writeln!(stream, "{GREETING}\r").unwrap();
    let mut commands = Vec::new();
    for line in lines.lines() {
        let command: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let id = command["id"].as_u64().unwrap();
        let answers = if command["execute"] == "qmp_capabilities" {
            vec![format!(r#"{{"return": {{}}, "id": {id}}}"#)]
        } else {
            answer(id)
        };
        commands.push(command);
        for answer in answers {
            if writeln!(stream, "{answer}\r").is_err() {
                return commands;
            }
        }
    }
    commands
}

#[test]
fn a_reply_is_returned_and_the_command_was_well_formed() {
    let (qmp, server) = server(|id| vec![format!(r#"{{"return": {{"a": 5}}, "id": {id}}}"#)]);
    let mut qmp = qmp.unwrap();
    let reply = qmp.execute("query-x", json!({ "b": 1 }), LONG).unwrap();
    assert_eq!(reply, json!({ "a": 5 }));
    drop(qmp);
    let commands = server.join().unwrap();
    assert_eq!(commands[0]["execute"], "qmp_capabilities");
    assert_eq!(commands[1]["execute"], "query-x");
    assert_eq!(commands[1]["arguments"], json!({ "b": 1 }));
    assert_ne!(commands[0]["id"], commands[1]["id"]);
}

#[test]
fn an_event_where_a_reply_was_due_is_kept() {
    let (qmp, _server) = server(|id| {
        vec![
            r#"{"event": "RESUME", "timestamp": {"seconds": 1, "microseconds": 2}}"#.to_owned(),
            format!(r#"{{"id": {id}, "return": 7}}"#),
        ]
    });
    let mut qmp = qmp.unwrap();
    assert_eq!(qmp.execute("cont", json!({}), LONG).unwrap(), json!(7));
    let events = qmp.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["event"], "RESUME");
    assert!(qmp.events().is_empty());
}

#[test]
fn a_late_reply_to_another_command_is_passed_over() {
    let (qmp, _server) = server(|id| {
        vec![
            format!(r#"{{"return": "late", "id": {}}}"#, id - 1),
            format!(r#"{{"return": "mine", "id": {id}}}"#),
        ]
    });
    let reply = qmp.unwrap().execute("stop", json!({}), LONG).unwrap();
    assert_eq!(reply, json!("mine"));
}

#[test]
fn an_error_has_qemus_words() {
    let (qmp, _server) = server(|id| {
        vec![format!(
            r#"{{"id": {id}, "error": {{"class": "DeviceNotFound", "desc": "Device 'gpu0' not found"}}}}"#
        )]
    });
    let error = qmp.unwrap().execute("screendump", json!({}), LONG);
    assert_eq!(
        error.unwrap_err().to_string(),
        "QEMU refused the QMP command screendump: Device 'gpu0' not found (DeviceNotFound)"
    );
}

#[test]
fn garbage_is_an_error() {
    for garbage in ["no json at all", "[1, 2]", "\"text\"", "{\"return\": "] {
        let (qmp, _server) = server(move |_| vec![garbage.to_owned()]);
        let error = qmp.unwrap().execute("stop", json!({}), LONG).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("no QMP message"), "{text}");
    }
}

#[test]
fn a_reply_without_a_value_is_an_error() {
    let (qmp, _server) = server(|id| vec![format!(r#"{{"id": {id}}}"#)]);
    let error = qmp.unwrap().execute("stop", json!({}), LONG).unwrap_err();
    assert!(error.to_string().contains("no return value"), "{error}");
}

#[test]
fn a_greeting_must_come_first() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"{\"return\": {}}\n").unwrap();
    let error = Qmp::over(ours, LONG).err().unwrap().to_string();
    assert!(error.contains("greeting was due"), "{error}");
}

#[test]
fn a_closed_socket_is_an_error_at_once() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    let error = Qmp::over(ours, LONG).err().unwrap();
    assert!(format!("{error:#}").contains("was closed"), "{error:#}");
}

#[test]
fn silence_ends_at_the_deadline() {
    let (qmp, _server) = server(|_| Vec::new());
    let error = qmp
        .unwrap()
        .execute("stop", json!({}), Duration::from_millis(30))
        .unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("did not answer in time"), "{text}");
    assert!(text.contains("command stop"), "{text}");
}

#[test]
fn events_without_end_do_not_outlast_the_deadline() {
    let (qmp, _server) = server(|_| vec![r#"{"event": "SPAM"}"#.to_owned(); 5000]);
    let mut qmp = qmp.unwrap();
    let error = qmp.execute("stop", json!({}), Duration::from_millis(500));
    assert!(error.is_err());
    assert!(qmp.events().len() <= EVENTS_KEPT);
}

#[test]
fn a_line_without_end_is_refused() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let writer = std::thread::spawn(move || {
        let chunk = [b' '; 65536];
        while theirs.write_all(&chunk).is_ok() {}
    });
    let error = Qmp::over(ours, LONG).err().unwrap().to_string();
    assert!(error.contains("a line of more than"), "{error}");
    writer.join().unwrap();
}
