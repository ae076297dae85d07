//! Tests of the editor: what a person sees and what the shell gets.

use super::*;
use std::string::{String, ToString};
use std::vec::Vec;

/// A terminal that understands what the editor sends, and checks that it is no more than that.
#[derive(Default)]
struct Terminal {
    rows: Vec<String>,
    row: Vec<char>,
    cursor: usize,
    bells: usize,
}

impl Terminal {
    fn show(&mut self, echo: &str) {
        for character in echo.chars() {
            match character {
                '\n' => {
                    self.rows.push(self.row.drain(..).collect());
                    self.cursor = 0;
                }
                '\x08' => {
                    self.cursor = self
                        .cursor
                        .checked_sub(1)
                        .expect("backspace into the prompt")
                }
                '\x07' => self.bells += 1,
                ' '..='~' => {
                    self.row.resize(self.row.len().max(self.cursor + 1), ' ');
                    self.row[self.cursor] = character;
                    self.cursor += 1;
                }
                other => panic!("{other:?} sent to the terminal"),
            }
        }
    }

    fn row(&self) -> String {
        let row: String = self.row.iter().collect();
        row.trim_end().to_string()
    }
}

/// Feeds `bytes`; returns the lines entered, Ctrl-C as `<C>`, and the terminal.
fn typed(bytes: &[u8]) -> (Vec<String>, Terminal) {
    let mut editor = LineEditor::<10, 3>::new();
    let (mut lines, mut terminal) = (Vec::new(), Terminal::default());
    for &byte in bytes {
        match editor.feed(byte, |echo| terminal.show(echo)) {
            Event::Pending => {}
            Event::Line(line) => lines.push(line.to_string()),
            Event::Cancelled => lines.push("<C>".to_string()),
        }
        assert_eq!(terminal.row(), editor.line().trim_end());
        assert_eq!(terminal.cursor, editor.line().len());
    }
    (lines, terminal)
}

#[test]
fn a_line_is_echoed_and_given_out_without_its_end() {
    let (lines, terminal) = typed(b"help me\r");
    assert_eq!(lines, ["help me"]);
    assert_eq!(terminal.rows, ["help me"]);
}

#[test]
fn each_kind_of_line_end_counts_once() {
    assert_eq!(typed(b"a\rb\nc\r\nd\r").0, ["a", "b", "c", "d"]);
    assert_eq!(typed(b"\r\r\n\n\n\r").0, [""; 5]);
    assert_eq!(typed(b"a\rx\n").0, ["a", "x"]);
}

#[test]
fn backspace_and_delete_stop_at_the_start() {
    let (lines, terminal) = typed(b"\x08\x7fab\x08c\x7f\x7f\x7f\x7fz\r");
    assert_eq!(lines, ["z"]);
    assert_eq!(terminal.rows, ["z "]);
}

#[test]
fn ctrl_u_empties_and_ctrl_c_throws_away() {
    let (lines, terminal) = typed(b"abc\x15d\refg\x03h\r");
    assert_eq!(lines, ["d", "<C>", "h"]);
    assert_eq!(terminal.rows, ["d  ", "efg^C", "h"]);
}

#[test]
fn what_does_not_fit_rings_the_bell_and_is_dropped() {
    let (lines, terminal) = typed(b"0123456789abc\x08X\r");
    assert_eq!(lines, ["012345678X"]);
    assert_eq!(terminal.bells, 3);
}

#[test]
fn arrows_walk_through_the_history() {
    let (lines, _) = typed(b"one\rtwo\r\x1b[A\x1b[A\r");
    assert_eq!(lines, ["one", "two", "one"]);
    let (lines, _) = typed(b"one\rtwo\r\x1b[A\x1b[A\x1b[A\x1b[B!\r");
    assert_eq!(lines, ["one", "two", "two!"]);
    let (lines, _) = typed(b"one\r\x1b[A\x1b[Bnew\r\x1b[B\x1b[B\r");
    assert_eq!(lines, ["one", "new", ""]);
    let (lines, _) = typed(b"one\rtwo\r\x1b[A\x1b[A\x03\x1b[A\r");
    assert_eq!(lines, ["one", "two", "<C>", "two"]);
}

#[test]
fn history_keeps_the_last_lines_without_blanks_and_repeats() {
    let up = b"\x1b[A".repeat(9);
    let (lines, _) = typed(&[b"a\rb\rb\r  \rc\r\rd\r".as_slice(), &up, b"\r"].concat());
    assert_eq!(lines.last().unwrap(), "b");
    let (lines, _) = typed(&[b"x\x03".as_slice(), &up, b"\r"].concat());
    assert_eq!(lines, ["<C>", ""]);
}

#[test]
fn an_editor_without_room_for_history_or_text_still_works() {
    let mut editor = LineEditor::<0, 0>::new();
    for &byte in b"a\x08\x1b[A\x1b[B\x15\x03" {
        let _ = editor.feed(byte, |_| {});
    }
    assert_eq!(editor.feed(b'\r', |_| {}), Event::Line(""));
}

#[test]
fn arbitrary_bytes_give_printable_lines_and_a_terminal_in_step() {
    let mut state = 7_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    // Half the bytes are from a set that reaches every state; `typed` compares the terminal after each one.
    let likely = b"\x1b\x1b[[OAB]P\\\x07\x08\x7f\r\n\x03\x15\x10\x0eab";
    for _ in 0..300 {
        let bytes: Vec<u8> = (0..400)
            .map(|_| match noise() {
                pick @ 0..128 => likely[usize::from(pick) % likely.len()],
                _ => noise(),
            })
            .collect();
        for line in typed(&bytes).0 {
            assert!(
                line.len() <= 10 && line.chars().all(|c| (' '..='~').contains(&c)),
                "{line:?}"
            );
        }
    }
}
