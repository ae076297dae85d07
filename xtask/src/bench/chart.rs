//! The medians as bars, in SVG: [`render`].

use super::result::{Measurement, Outcome};

/// Width of everything, of the names on the left, and of the longest bar; height of a bar and of a heading.
const WIDTH: u32 = 860;
const NAMES: u32 = 200;
const LONGEST: u32 = 520;
const BAR: u32 = 16;
const HEADING: u32 = 26;

/// What is shown on which device; the tables have the rest.
const SHOWN: [(&str, &str); 5] = [
    ("null-co", "read-4k-one"),
    ("null-co", "read-4k-batch"),
    ("null-co", "read-128k-one"),
    ("display", "present-all"),
    ("display", "present-64x64"),
];

/// A driver's name begins with this, and its bars have this colour.
const COLOURS: [(&str, &str); 3] = [
    ("levitate", "#2f6fb4"),
    ("virtio-drivers", "#c9762b"),
    ("floor", "#9a9a9a"),
];

/// Returns the chart: a group of bars for each machine and each thing in [`SHOWN`], the longest of a group all the way.
pub(super) fn render(outcomes: &[Outcome]) -> String {
    let mut body = String::new();
    let mut y = 8;
    for outcome in outcomes {
        for (device, workload) in SHOWN {
            let found = |measured: &&Measurement| {
                measured.device == device && measured.workload == workload
            };
            let bars: Vec<&Measurement> = outcome.measurements.iter().filter(found).collect();
            let Some(longest) = bars.iter().map(|measured| measured.median_ns).max() else {
                continue;
            };
            body += &format!(
                "<text x=\"8\" y=\"{}\" font-weight=\"bold\">{}: {device}, {workload}</text>\n",
                y + 17,
                escaped(&outcome.machine)
            );
            y += HEADING;
            for measured in bars {
                body += &bar(measured, longest, y);
                y += BAR + 4;
            }
            y += 10;
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" viewBox=\"0 0 {WIDTH} {y}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Median time of one request, shorter is better</title>\n\
         <rect width=\"{WIDTH}\" height=\"{y}\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

fn bar(measured: &Measurement, longest: u64, y: u32) -> String {
    let share = measured.median_ns as f64 / longest.max(1) as f64;
    let width = f64::from(LONGEST) * share;
    let colour = COLOURS
        .iter()
        .find(|(name, _)| measured.driver.starts_with(name));
    let colour = colour.map_or("black", |(_, colour)| colour);
    let text = y + BAR - 4;
    format!(
        "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{}</text>\n\
         <rect x=\"{NAMES}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n\
         <text x=\"{:.1}\" y=\"{text}\">{:.2} µs</text>\n",
        NAMES - 6,
        escaped(&measured.driver),
        f64::from(NAMES) + width + 6.0,
        measured.median_ns as f64 / 1e3
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
        let chart = render(&[Outcome {
            machine: "a<b".to_owned(),
            measurements: vec![
                measurement("levitate", "read-4k-one", 500),
                measurement("virtio-drivers-blocking", "read-4k-one", 1000),
                measurement("floor", "not-shown", 77),
            ],
        }]);
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
        const { assert!(NAMES + LONGEST + 6 + 80 < WIDTH) };
    }
}
