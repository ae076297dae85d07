//! The requirements, as docs/driver-requirements.md has them: [`Section`], [`Requirement`].

/// The sections that concern what is driven, or might be soon.
const SECTIONS: [&str; 17] = [
    "STATUS", "FEAT", "RESET", "CFG", "VQR", "INIT", "CLEAN", "SPLIT", "PACKED", "DN", "PCI",
    "MMIO", "LMMIO", "LEG", "RSVD", "BLK", "GPU",
];

/// A part of the ledger.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// What its rows begin with, such as `STATUS`.
    pub(super) prefix: String,
    pub(super) title: String,
    pub(super) requirements: Vec<Requirement>,
}

/// A row of the ledger.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    pub(super) id: String,
    pub(super) level: String,
    pub(super) text: String,
}

/// Reads the sections that concern us, in the order they have there.
pub(super) fn parse(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut is_wanted = false;
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let (prefix, title) = heading.split_once(" - ").unwrap_or((heading, ""));
            is_wanted = SECTIONS.contains(&prefix);
            if is_wanted {
                sections.push(Section {
                    prefix: prefix.to_owned(),
                    title: title.to_owned(),
                    requirements: Vec::new(),
                });
            }
        } else if is_wanted
            && let Some(section) = sections.last_mut()
            && let Some(requirement) = row(line, &section.prefix)
        {
            section.requirements.push(requirement);
        }
    }
    sections
}

fn row(line: &str, prefix: &str) -> Option<Requirement> {
    let mut cells = line.strip_prefix("| ")?.split(" | ");
    let id = cells.next().filter(|id| id.starts_with(prefix))?;
    Some(Requirement {
        id: id.to_owned(),
        level: cells.next()?.to_owned(),
        text: cells.next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_known_sections_are_read_and_others_are_not() {
        let text = "# Title\n\n## RESET - Device reset\n\n| id | level | requirement | spec |\n| --- | --- | --- | --- |\n\
                    | RESET-01 | SHOULD | Wait | 2.4 |\n| OTHER-01 | MUST | x | y |\n\n## NET - Network\n\n| NET-01 | MUST | x | y |\n\
                    ## Left out\n| RESET-02 | MUST | x | y |\n";
        let sections = parse(text);
        assert_eq!(sections.len(), 1);
        assert_eq!(
            (sections[0].prefix.as_str(), sections[0].title.as_str()),
            ("RESET", "Device reset")
        );
        let requirement = Requirement {
            id: "RESET-01".to_owned(),
            level: "SHOULD".to_owned(),
            text: "Wait".to_owned(),
        };
        assert_eq!(sections[0].requirements, [requirement]);
    }
}
