//! Tests of the console: what is on the screen, and how little was drawn for it.

use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::time::Duration;
use std::vec::Vec;

use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::mono_font::MonoFont;
use embedded_graphics::mono_font::iso_8859_1::{FONT_6X10, FONT_8X13, FONT_10X20};
use embedded_graphics::primitives::Rectangle;
use log::Level;

use super::style::BACKGROUND;
use super::*;
use crate::card::canvas::{Canvas, OutOfBudget};

type Small = Console<4000, 1024>;

/// Reads a screen back: looks up each cell's pixels among the font's glyphs.
fn read(canvas: &Canvas, font: &MonoFont<'_>) -> Vec<String> {
    let cell = font.character_size;
    let mut known = BTreeMap::new();
    for character in (' '..='~').chain('\u{a1}'..='\u{ff}') {
        let places = (0..cell.height).flat_map(|y| (0..cell.width).map(move |x| (x, y)));
        let glyph = font::Glyph::new(font, character);
        let glyph: Vec<bool> = places
            .map(|(x, y)| glyph.is_lit(Point::new(x as i32, y as i32)))
            .collect();
        known.entry(glyph).or_insert(character);
    }
    let Size { width, height } = canvas.size();
    let rows = (0..height / cell.height).map(|row| {
        let columns = (0..width / cell.width).map(|column| {
            let places = (0..cell.height).flat_map(|y| (0..cell.width).map(move |x| (x, y)));
            let glyph: Vec<bool> = places
                .map(|(x, y)| canvas.at(column * cell.width + x, row * cell.height + y))
                .map(|pixel| pixel != BACKGROUND && pixel != Style::Title.background())
                .collect();
            *known.get(&glyph).expect("no glyph of the font")
        });
        columns.collect::<String>().trim_end().to_string()
    });
    rows.collect()
}

/// A console of 20 columns and 6 rows below the title, and its display.
fn small() -> (Small, Canvas) {
    (Small::new(), Canvas::new(123, 75))
}

fn drawn(console: &mut Small, canvas: &mut Canvas) -> Vec<String> {
    console.draw(canvas).unwrap();
    let rows = read(canvas, &FONT_6X10);
    assert_eq!(rows.len(), 7);
    rows
}

#[test]
fn text_from_before_the_display_is_shown_under_the_title() {
    let (mut console, mut canvas) = small();
    console.set_title(format_args!("Levitate"));
    console.set_status(format_args!("{} MiB", 512));
    console.print(Style::Text, format_args!("one\ntwo"));
    console.print(Style::Warn, format_args!(" {}\n", 2));
    let rows = drawn(&mut console, &mut canvas);
    assert_eq!(
        rows,
        [" Levitate   512 MiB", "one", "two 2", "", "", "", ""]
    );
    assert!(
        canvas.pixels.iter().all(Option::is_some),
        "margins are drawn too"
    );
}

#[test]
fn a_full_screen_scrolls() {
    let (mut console, mut canvas) = small();
    for line in 0..10_usize {
        console.print(Style::Text, format_args!("line {line}\n"));
        let rows = drawn(&mut console, &mut canvas);
        let first = line.saturating_sub(5);
        for (index, row) in (first..=line).zip(&rows[1..]) {
            assert_eq!(*row, std::format!("line {index}"));
        }
    }
    write!(console, "open").unwrap();
    assert_eq!(drawn(&mut console, &mut canvas)[6], "open");
}

#[test]
fn long_lines_wrap_and_full_ones_leave_no_empty_row() {
    let (mut console, mut canvas) = small();
    write!(console, "{}\n{}\nend\n", "x".repeat(20), "y".repeat(21)).unwrap();
    let rows = drawn(&mut console, &mut canvas);
    assert_eq!(
        rows[1..],
        [
            "x".repeat(20),
            "y".repeat(20),
            "y".into(),
            "end".into(),
            String::new(),
            String::new()
        ]
    );
}

#[test]
fn only_what_changed_is_drawn() {
    let (mut console, mut canvas) = small();
    console.set_title(format_args!("T"));
    writeln!(console, "first").unwrap();
    assert_eq!(
        console.draw(&mut canvas),
        Ok(20 * 7 + 20 + 5),
        "all cells, then title and text"
    );
    canvas.fills.clear();
    assert_eq!(console.draw(&mut canvas), Ok(0));
    assert!(canvas.fills.is_empty());

    writeln!(console, "ab cd").unwrap();
    assert_eq!(console.draw(&mut canvas), Ok(4));
    let word = |x| Rectangle::new(Point::new(x, 20), Size::new(12, 10));
    assert_eq!(canvas.fills, [word(0), word(18)]);

    canvas.fills.clear();
    console.set_title(format_args!("U"));
    assert_eq!(console.draw(&mut canvas), Ok(1));
    assert_eq!(
        canvas.fills,
        [Rectangle::new(Point::new(6, 0), Size::new(6, 10))]
    );
}

#[test]
fn scrolling_draws_only_cells_that_differ() {
    let (mut console, mut canvas) = small();
    for line in 0..6 {
        writeln!(console, "line {line}").unwrap();
    }
    console.draw(&mut canvas).unwrap();
    writeln!(console, "line 6").unwrap();
    assert_eq!(console.draw(&mut canvas), Ok(6), "a digit in each row");
}

#[test]
fn log_lines_read_as_on_the_serial_line_and_show_their_level() {
    let mut console = Small::new();
    let mut canvas = Canvas::new(480, 75);
    let mut wanted = Vec::new();
    for level in Level::iter() {
        let line = Line {
            uptime: Duration::from_micros(1_000_001),
            level,
            target: "boot",
            message: format_args!("a\nb {}", '\u{1b}'),
        };
        console.log(&line);
        wanted.push(line.to_string());
    }
    let rows = drawn(&mut console, &mut canvas);
    assert_eq!(rows[1..6], wanted);
    assert_eq!(rows[1], r"[   1.000001] error boot: a\nb \u{1b}");
    for (index, level) in (1..).zip(Level::iter()) {
        let places = (0..10).flat_map(|y| (14 * 6..19 * 6).map(move |x| (x, y)));
        let colours = places.map(|(x, y)| canvas.at(x, index * 10 + y));
        let foreground = Style::of_level(level).foreground();
        assert!(colours.clone().any(|colour| colour == foreground));
        assert!(
            colours
                .clone()
                .all(|colour| colour == foreground || colour == BACKGROUND)
        );
    }
}

#[test]
fn what_the_font_lacks_is_a_question_mark() {
    let (mut console, mut canvas) = small();
    write!(console, "é\tß → \u{7f}\u{85}\u{9f}\r!").unwrap();
    assert_eq!(drawn(&mut console, &mut canvas)[1], "é ß ? ????!");
}

#[test]
fn a_title_that_is_too_long_is_cut_and_wins_over_the_status() {
    let (mut console, mut canvas) = small();
    console.set_title(format_args!("{}", "a".repeat(18)));
    console.set_status(format_args!("status"));
    assert_eq!(
        drawn(&mut console, &mut canvas)[0],
        std::format!(" {}s", "a".repeat(18))
    );
    console.set_title(format_args!("{}", "b\n".repeat(300)));
    assert_eq!(
        drawn(&mut console, &mut canvas)[0],
        std::format!(" {}b", "b\\n".repeat(6))
    );
}

#[test]
fn an_invalidated_or_resized_display_is_drawn_whole() {
    let (mut console, mut canvas) = small();
    writeln!(console, "text").unwrap();
    console.draw(&mut canvas).unwrap();
    let before = canvas.pixels.clone();
    canvas.pixels.fill(None);
    console.invalidate();
    console.draw(&mut canvas).unwrap();
    assert!(canvas.pixels == before);

    let mut larger = Canvas::new(1024, 768);
    console.draw(&mut larger).unwrap();
    assert_eq!(read(&larger, &FONT_10X20)[1], "text");
    let mut middle = Canvas::new(800, 600);
    console.draw(&mut middle).unwrap();
    assert_eq!(read(&middle, &FONT_8X13)[1], "text");
    console.draw(&mut canvas).unwrap();
    assert!(canvas.pixels == before);

    larger.budget = 0;
    assert_eq!(console.draw(&mut larger), Err(OutOfBudget));
    canvas.pixels.fill(None);
    console.draw(&mut canvas).unwrap();
    assert!(
        canvas.pixels == before,
        "a change that failed leaves nothing to rely on"
    );
}

#[test]
fn what_an_error_left_out_is_drawn_by_the_next_call() {
    let (mut console, mut whole) = small();
    console.set_title(format_args!("T"));
    writeln!(console, "one two three\nfour").unwrap();
    console.draw(&mut whole).unwrap();
    for budget in 0..whole.fills.len() {
        let (_, mut canvas) = small();
        console.invalidate();
        canvas.budget = budget;
        assert_eq!(console.draw(&mut canvas), Err(OutOfBudget));
        canvas.budget = usize::MAX;
        console.draw(&mut canvas).unwrap();
        assert!(canvas.pixels == whole.pixels, "after {budget} fills");
    }
}

#[test]
fn an_overfull_history_keeps_whole_lines_and_their_styles() {
    let mut console = Console::<4000, 64>::new();
    let mut canvas = Canvas::new(123, 75);
    for line in 0..100 {
        console.print(Style::Error, format_args!("number"));
        console.print(Style::Warn, format_args!(" {line:02}\n"));
    }
    console.draw(&mut canvas).unwrap();
    // A line takes 12 bytes: two styles, nine characters and the newline.
    let rows = read(&canvas, &FONT_6X10);
    assert_eq!(
        rows[1..],
        [
            "number 95",
            "number 96",
            "number 97",
            "number 98",
            "number 99",
            ""
        ]
    );
    assert!((0..36).any(|x| canvas.at(x, 15) == Style::Error.foreground()));

    console.print(Style::Target, format_args!("{}", "z".repeat(1000)));
    console.draw(&mut canvas).unwrap();
    assert!(read(&canvas, &FONT_6X10)[1].starts_with("zzz"));
    let mut lit = canvas.pixels.iter().flatten();
    assert!(lit.all(|&pixel| pixel != Style::Text.foreground()));
}

#[test]
fn a_line_keeps_its_style_when_the_one_before_is_forgotten() {
    let mut console = Console::<4000, 64>::new();
    let mut canvas = Canvas::new(123, 75);
    for line in 0..100 {
        console.print(Style::Error, format_args!("number {line:02}\n"));
    }
    console.draw(&mut canvas).unwrap();
    assert_eq!(read(&canvas, &FONT_6X10)[1], "number 95");
    let lit = canvas.pixels.iter().flatten();
    assert!(lit.clone().any(|&pixel| pixel == Style::Error.foreground()));
    assert!(lit.clone().all(|&pixel| pixel != Style::Text.foreground()));
}

#[test]
fn a_display_with_more_cells_than_the_console_is_used_in_part() {
    let mut console = Console::<100, 1024>::new();
    let mut canvas = Canvas::new(123, 75);
    for line in 0..10 {
        writeln!(console, "{line}").unwrap();
    }
    console.draw(&mut canvas).unwrap();
    assert_eq!(read(&canvas, &FONT_6X10), ["", "6", "7", "8", "9", "", ""]);
}

#[test]
fn displays_of_any_size_do_no_harm() {
    let mut console = Small::new();
    write!(console, "some text\n{}", "that wraps ".repeat(20)).unwrap();
    console.set_title(format_args!("title"));
    for (width, height) in [
        (0, 0),
        (0, 9),
        (5, 9),
        (6, 10),
        (7, 1),
        (6, 2000),
        (4000, 11),
        (5000, 25),
        (1, 1),
    ] {
        let mut canvas = Canvas::new(width, height);
        console.draw(&mut canvas).unwrap();
        assert!(
            canvas.pixels.iter().all(Option::is_some),
            "{width} x {height}"
        );
    }
}

#[test]
fn a_very_wide_display_wraps_at_the_longest_row_there_is() {
    let mut console = Small::new();
    let mut canvas = Canvas::new(4000, 30);
    write!(console, "{}", "x".repeat(650)).unwrap();
    console.draw(&mut canvas).unwrap();
    assert_eq!(
        read(&canvas, &FONT_6X10)[1..],
        ["x".repeat(640), "x".repeat(10)]
    );
}

#[test]
fn the_default_console_fills_3840_by_2160() {
    let mut console = std::boxed::Box::new(Console::<DEFAULT_CELLS>::new());
    let mut canvas = Canvas::new(3840, 2160);
    for line in 100..300 {
        writeln!(console, "{line}").unwrap();
    }
    // 107 rows of three digits below an empty title, which is drawn over the cleared screen.
    assert_eq!(console.draw(&mut canvas), Ok(384 * 108 + 384 + 107 * 3));
    let lowest = canvas.fills.last().unwrap();
    assert_eq!(
        *lowest,
        Rectangle::new(Point::new(0, 2140), Size::new(30, 20))
    );
}

#[test]
fn drawing_what_changed_gives_the_same_as_drawing_all() {
    let (mut console, mut canvas) = small();
    let mut state = 5_u32;
    let mut noise = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    for round in 0..300 {
        for _ in 0..noise(4) {
            let style = Style::from_number(noise(9) as u8);
            for _ in 0..noise(30) {
                let character = char::from_u32(noise(0x180)).unwrap();
                console.print(style, format_args!("{character}"));
            }
            let end = ["", "\n", "   ", "\n\n"][noise(4) as usize];
            console.print(style, format_args!("{end}"));
        }
        if noise(5) == 0 {
            console.set_status(format_args!("{round}"));
        }
        console.draw(&mut canvas).unwrap();
        let (_, mut whole) = small();
        console.invalidate();
        console.draw(&mut whole).unwrap();
        assert!(canvas.pixels == whole.pixels, "round {round}");
    }
}
