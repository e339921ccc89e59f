//! What was measured, as tables.

use std::collections::BTreeSet;

use super::{Measurement, Precision, Timing};
use crate::performance_page::table;

/// A network on a frame at one number of threads, and what was measured.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) title: &'a str,
    pub(crate) threads: usize,
    pub(crate) measurement: &'a Measurement,
}

/// Machine, load and versions; where rows were measured at different times, which ones were when.
pub(crate) fn conditions(rows: &[Row<'_>]) -> String {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for Row { title, threads, measurement } in rows {
        let sentence = measurement.conditions.sentence();
        let row = format!("{title} at {threads}");
        match groups.iter_mut().find(|(known, _)| *known == sentence) {
            Some((_, members)) => members.push(row),
            None => groups.push((sentence, vec![row])),
        }
    }
    let mut lines: Vec<String> = match groups.as_slice() {
        [(sentence, _)] => vec![sentence.clone()],
        _ => groups
            .iter()
            .map(|(sentence, members)| format!("- {sentence} Rows: {}.", members.join("; ")))
            .collect(),
    };
    let versions: BTreeSet<String> = rows
        .iter()
        .flat_map(|row| &row.measurement.timings)
        .filter(|timing| timing.engine != "Pegbar" && !timing.seconds.is_empty())
        .map(|timing| format!("{} {}", timing.engine, timing.version))
        .collect();
    if !versions.is_empty() {
        lines.push(format!("\nPeers: {}.", versions.into_iter().collect::<Vec<_>>().join(", ")));
    }
    lines.join("\n")
}

/// Pegbar's seconds in `precision`, the fastest peer it is compared with, that one's seconds, and the ratio.
pub(crate) fn ratio_cells(measurement: &Measurement, precision: Precision) -> [String; 4] {
    let own = measurement.own(precision).and_then(Timing::median).map_or_else(dash, in_seconds);
    let (peer, seconds) = match measurement.fastest_peer(precision) {
        Some((peer, seconds)) => (format!("{} {}", peer.engine, peer.precision.name()), in_seconds(seconds)),
        None => (dash(), dash()),
    };
    let ratio = measurement.ratio(precision).map_or_else(dash, |ratio| format!("{ratio:.2}"));
    [own, peer, seconds, ratio]
}

/// Engine and precision of every column, Pegbar first.
fn columns(rows: &[Row<'_>]) -> Vec<(String, Precision)> {
    let mut columns: Vec<(String, Precision)> = Vec::new();
    for timing in rows.iter().flat_map(|row| &row.measurement.timings) {
        let column = (timing.engine.clone(), timing.precision);
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    columns
}

/// A table with a column for each engine and precision, or for those that `wanted` picks.
fn matrix(rows: &[Row<'_>], wanted: impl Fn(Precision) -> bool, cell: impl Fn(&Timing) -> String) -> String {
    let columns: Vec<(String, Precision)> =
        columns(rows).into_iter().filter(|(_, precision)| wanted(*precision)).collect();
    let mut head = vec!["work".to_owned(), "threads".to_owned()];
    head.extend(columns.iter().map(|(engine, precision)| format!("{engine} {}", precision.name())));
    let mut lines = vec![head];
    for Row { title, threads, measurement } in rows {
        let mut line = vec![(*title).to_owned(), threads.to_string()];
        line.extend(columns.iter().map(|(engine, precision)| {
            let found = measurement.timings.iter().find(|t| t.engine == *engine && t.precision == *precision);
            found.map_or_else(dash, &cell)
        }));
        lines.push(line);
    }
    table(1, &lines)
}

/// The middle of the rounds, by engine.
pub(crate) fn seconds(rows: &[Row<'_>]) -> String {
    let n_rounds = |timing: &Timing| timing.seconds.len();
    let most = rows.iter().flat_map(|row| &row.measurement.timings).map(n_rounds).max().unwrap_or(0);
    matrix(
        rows,
        |_| true,
        |timing| {
            let mark = if timing.note.is_some() { " *" } else { "" };
            match timing.median() {
                None => format!("-{mark}"),
                Some(seconds) if n_rounds(timing) == 1 && most > 1 => {
                    format!("({}){mark}", in_seconds(seconds))
                }
                Some(seconds) => format!("{}{mark}", in_seconds(seconds)),
            }
        },
    )
}

/// What stands behind the stars.
pub(crate) fn notes(rows: &[Row<'_>]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for Row { title, measurement, .. } in rows {
        for timing in &measurement.timings {
            if let Some(note) = &timing.note {
                let line = format!("\\* {title}, {} {}: {note}.", timing.engine, timing.precision.name());
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
    }
    lines.join("\n\n")
}

/// How far results are from the exact one.
pub(crate) fn psnr(rows: &[Row<'_>]) -> String {
    // The number of threads changes no more than the order of a few sums.
    let mut titles = BTreeSet::new();
    let first: Vec<Row<'_>> = rows.iter().filter(|row| titles.insert(row.title)).copied().collect();
    matrix(
        &first,
        |precision| precision != Precision::Exact,
        |timing| match (timing.psnr_db, timing.seconds.is_empty()) {
            (_, true) => dash(),
            (None, false) => "equal".to_owned(),
            (Some(psnr), false) => format!("{psnr:.1}"),
        },
    )
}

/// Memory, by engine.
pub(crate) fn memory(rows: &[Row<'_>]) -> String {
    matrix(rows, |_| true, |timing| timing.peak_memory_mb.map_or_else(dash, |mb| format!("{mb:.0}")))
}

/// Three digits that mean something.
fn in_seconds(seconds: f64) -> String {
    match seconds {
        s if s >= 10.0 => format!("{s:.1}"),
        s if s >= 1.0 => format!("{s:.2}"),
        s if s >= 0.1 => format!("{s:.3}"),
        s => format!("{s:.4}"),
    }
}

fn dash() -> String {
    "-".to_owned()
}
