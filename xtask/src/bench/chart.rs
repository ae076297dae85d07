//! Bars in SVG: [`svg`], and the medians as such, [`render`].

use super::result::{Measurement, Outcome};

/// Width of a letter, about, of the longest bar, and of a value behind it; height of a bar and of a heading.
const LETTER: u32 = 7;
const LONGEST: u32 = 520;
const VALUE: u32 = 134;
const BAR: u32 = 16;
const HEADING: u32 = 26;
/// Between a bar and the words on both of its sides.
const GAP: u32 = 6;

/// What is shown on which device; the tables have the rest.
const SHOWN: [(&str, &str); 5] = [
    ("null-co", "read-4k-one"),
    ("null-co", "read-4k-batch"),
    ("null-co", "read-128k-one"),
    ("display", "present-all"),
    ("display", "present-64x64"),
];

/// A driver's name begins with this, and its bars have this colour.
const COLOURS: [(&str, &str); 4] = [
    ("levitate", "#2f6fb4"),
    ("virtio-drivers", "#c9762b"),
    ("libblkio", "#5a9367"),
    ("floor", "#9a9a9a"),
];

/// Bars that are compared with one another.
#[derive(Debug)]
pub(super) struct Group {
    /// What it is that is shown.
    pub(super) heading: String,
    /// What of it there is.
    pub(super) bars: Vec<Bar>,
}

/// A bar.
#[derive(Debug)]
pub(super) struct Bar {
    /// Whose it is.
    pub(super) name: String,
    /// How long it is.
    pub(super) value: f64,
    /// The value, for people.
    pub(super) label: String,
}

/// Returns the chart: a group of bars for each machine and each thing in [`SHOWN`].
pub(super) fn render(outcomes: &[Outcome]) -> String {
    let mut groups = Vec::new();
    for outcome in outcomes {
        for (device, workload) in SHOWN {
            let found = |measured: &&Measurement| {
                measured.device == device && measured.workload == workload
            };
            let bars = outcome.measurements.iter().filter(found).map(bar);
            groups.push(Group {
                heading: format!("{}: {device}, {workload}", outcome.machine),
                bars: bars.collect(),
            });
        }
    }
    svg("Median time of one request, shorter is better", &groups)
}

fn bar(measured: &Measurement) -> Bar {
    Bar {
        name: measured.driver.clone(),
        value: measured.median_ns as f64,
        label: format!("{:.2} µs", measured.median_ns as f64 / 1e3),
    }
}

/// Returns groups below one another; the longest bar of each goes all the way, and one without bars is left out.
pub(super) fn svg(title: &str, groups: &[Group]) -> String {
    let all = groups.iter().flat_map(|group| &group.bars);
    let letters = all.map(|bar| bar.name.chars().count()).max().unwrap_or(0);
    let names = LETTER * u32::try_from(letters).unwrap_or(0) + 2 * GAP;
    let width = names + LONGEST + VALUE;
    let mut body = String::new();
    let mut y = 8;
    for Group { heading, bars } in groups.iter().filter(|group| !group.bars.is_empty()) {
        let longest = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
        body += &format!(
            "<text x=\"8\" y=\"{}\" font-weight=\"bold\">{}</text>\n",
            y + 17,
            escaped(heading)
        );
        y += HEADING;
        for bar in bars {
            body += &drawn(bar, longest, (names, y));
            y += BAR + 4;
        }
        y += 10;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{y}\" viewBox=\"0 0 {width} {y}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>{}</title>\n\
         <rect width=\"{width}\" height=\"{y}\" fill=\"white\"/>\n{body}</svg>\n",
        escaped(title)
    )
}

/// Returns a bar that begins at `x`, behind its name.
fn drawn(bar: &Bar, longest: f64, (x, y): (u32, u32)) -> String {
    let width = match longest > 0.0 {
        true => f64::from(LONGEST) * bar.value / longest,
        false => 0.0,
    };
    let colour = COLOURS.iter().find(|(name, _)| bar.name.starts_with(name));
    let colour = colour.map_or("black", |(_, colour)| colour);
    let text = y + BAR - 4;
    format!(
        "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{}</text>\n\
         <rect x=\"{x}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n\
         <text x=\"{:.1}\" y=\"{text}\">{}</text>\n",
        x - GAP,
        escaped(&bar.name),
        f64::from(x + GAP) + width,
        escaped(&bar.label)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::super::result::tests::measurement;
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share_and_stay_inside() {
        let measurements = vec![
            measurement("levitate", "read-4k-one", 500),
            measurement("virtio-drivers-blocking", "read-4k-one", 1000),
            measurement("floor", "not-shown", 77),
        ];
        let chart = render(&[Outcome::new("a", "a<b", measurements)]);
        assert!(chart.contains("a&lt;b: null-co, read-4k-one"), "{chart}");
        assert!(
            chart.contains("width=\"260.0\" height=\"16\" fill=\"#2f6fb4\""),
            "{chart}"
        );
        assert!(
            chart.contains("width=\"520.0\" height=\"16\" fill=\"#c9762b\""),
            "{chart}"
        );
        assert!(!chart.contains("not-shown"));
        assert_eq!(chart.matches("<rect").count(), 3);
        // The longest name has 23 letters.
        assert!(chart.contains("<rect x=\"173\" y="), "{chart}");
        assert!(
            chart.contains("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"827\""),
            "{chart}"
        );
    }
}
