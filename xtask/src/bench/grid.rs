//! A table in Markdown that also reads well on a terminal: [`render`].

/// Returns the table, each column as wide as it has to be; the first `text_columns` hold text, the others numbers, which end where
/// their heading does.
pub(super) fn render<const COLUMNS: usize>(
    headings: [&str; COLUMNS],
    text_columns: usize,
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    let mut all = vec![headings.map(str::to_owned)];
    all.extend(rows);
    let mut widths = [0; COLUMNS];
    for row in &all {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (number, row) in all.iter().enumerate() {
        let cells = row
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(column, (cell, width))| match column < text_columns {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            });
        text += &format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
        if number == 0 {
            let rules =
                widths
                    .iter()
                    .enumerate()
                    .map(|(column, width)| match column < text_columns {
                        true => "-".repeat(width + 2),
                        false => format!("{}:", "-".repeat(width + 1)),
                    });
            text += &format!("|{}|\n", rules.collect::<Vec<_>>().join("|"));
        }
    }
    text
}
