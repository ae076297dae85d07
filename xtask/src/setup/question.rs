//! A question to whoever sits at the terminal.

use std::io::Write as _;

use anyhow::Result;

/// Asks `question`; an empty answer means yes, the end of the input does not.
pub(super) fn is_agreed(question: &str) -> Result<bool> {
    eprint!("{question} [Y/n] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    let count = std::io::stdin().read_line(&mut answer)?;
    let answer = answer.trim().to_lowercase();
    Ok(count > 0 && matches!(answer.as_str(), "" | "y" | "yes"))
}
