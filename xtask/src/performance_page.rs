//! `docs/performance.md`: each benchmark owns a section of it, and keeps what it measured in `docs/performance.json`.
//!
//! The sections are rendered from the JSON, so that a run over a part of the workloads leaves the others' rows as they were.

use std::fs;

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::workspace::Workspace;

const PAGE: &str = "docs/performance.md";
const DATA: &str = "docs/performance.json";

/// What the page says before anybody has added to it.
const NEW_PAGE: &str = "# Performance\n\nRatios are of one run on one machine, engines by turns; times on another machine differ, ratios less so.\n\n";

/// Results that were kept by an earlier run of `command`; none if there was no run or its form was another.
pub(crate) fn kept<T: DeserializeOwned + Default>(workspace: &Workspace, command: &str) -> Result<T> {
    let mut data = read_data(workspace)?;
    let Some(value) = data.remove(command) else {
        return Ok(T::default());
    };
    serde_json::from_value(value).or_else(|error| {
        println!("what {DATA} keeps of {command} is left out: {error}");
        Ok(T::default())
    })
}

/// Keeps the results of `command` and replaces its section; what people wrote around it stays.
pub(crate) fn write<T: Serialize>(
    workspace: &Workspace,
    command: &str,
    results: &T,
    section: &str,
) -> Result<()> {
    let mut data = read_data(workspace)?;
    data.insert(command.to_owned(), serde_json::to_value(results)?);
    let json = serde_json::to_string_pretty(&data)?;
    fs::write(workspace.root.join(DATA), json + "\n").with_context(|| format!("cannot write {DATA}"))?;

    let path = workspace.root.join(PAGE);
    let page = match fs::read_to_string(&path) {
        Ok(page) => page,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => NEW_PAGE.to_owned(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {PAGE}")),
    };
    fs::write(&path, with_section(&page, command, section))
        .with_context(|| format!("cannot write {PAGE}"))?;
    println!("wrote {PAGE} and {DATA}");
    Ok(())
}

/// Rows as a Markdown table; the first row is the head, and columns after the first `n_text` are numbers.
pub(crate) fn table(n_text: usize, rows: &[Vec<String>]) -> String {
    let mut lines: Vec<String> = rows.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
    let n_columns = rows.first().map_or(0, Vec::len);
    let ruler: Vec<&str> =
        (0..n_columns).map(|column| if column < n_text { "---" } else { "---:" }).collect();
    lines.insert(lines.len().min(1), format!("| {} |", ruler.join(" | ")));
    lines.join("\n")
}

/// The middle of the values; of an even number, between the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n => (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0,
    }
}

fn read_data(workspace: &Workspace) -> Result<Map<String, Value>> {
    match fs::read_to_string(workspace.root.join(DATA)) {
        Ok(json) => serde_json::from_str(&json).with_context(|| format!("{DATA} is damaged")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {DATA}")),
    }
}

fn with_section(page: &str, command: &str, section: &str) -> String {
    let begin_mark = format!("<!-- Written by `cargo xtask {command}`: do not edit by hand. -->");
    let end_mark = format!("<!-- End of what `cargo xtask {command}` writes. -->");
    let block = format!("{begin_mark}\n{}\n{end_mark}", section.trim_end());
    match (page.find(&begin_mark), page.find(&end_mark)) {
        (Some(begin), Some(end)) if begin < end => {
            format!("{}{block}{}", &page[..begin], &page[end + end_mark.len()..])
        }
        _ => format!("{}\n\n{block}\n", page.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_replaces_the_first_and_keeps_what_stands_around_it() {
        let page = with_section("# Performance\n\nBefore.\n", "bench-one", "first\n");
        let page = format!("{}\nAfter.\n", with_section(&page, "bench-two", "other\n"));
        let again = with_section(&page, "bench-one", "second\n");
        assert!(again.starts_with("# Performance\n\nBefore.\n\n"), "{again}");
        assert!(again.contains("second") && !again.contains("first") && again.contains("other"), "{again}");
        assert!(again.ends_with("\nAfter.\n"), "{again}");
        assert_eq!(again, with_section(&again, "bench-one", "second\n"));
    }

    #[test]
    fn the_middle_of_an_even_number_of_rounds() {
        assert_eq!(median(&[3.0, 1.0, 9.0]), 3.0);
        assert_eq!(median(&[4.0, 1.0, 9.0, 2.0]), 3.0);
    }

    #[test]
    fn a_table_has_a_ruler_under_its_head() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let text = table(1, &[row(["work", "s"]), row(["a", "1"])]);
        assert_eq!(text, "| work | s |\n| --- | ---: |\n| a | 1 |");
    }
}
