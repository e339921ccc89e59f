//! The measured tables, as they stand in docs/performance.md.

use std::collections::BTreeSet;

use super::peak;
use super::results::{Measurement, Precision, Results, Timing};
use super::workload::{WORKLOADS, Workload};
use crate::performance_page::table;

/// A workload at one number of threads, and what was measured.
type Row<'a> = (&'static Workload, usize, &'a Measurement);

/// The whole section.
pub(super) fn section(results: &Results) -> String {
    let rows = rows(results);
    let mut parts = vec![
        "## Against other engines".to_owned(),
        "Every engine computes the same network on the same frame, pinned to as many cores as it has threads, and they take turns frame by \
         frame; seconds are the middle of the rounds. A ratio is the fastest peer's time over Pegbar's. The peers' results equal Pegbar's \
         exact one but for rounding in f32, which is checked before a time counts."
            .to_owned(),
        conditions(&rows),
        ratios(&rows),
        "Seconds a frame. One number in brackets is one round only: after it the engine could not be the fastest of its precision any \
         more, being behind by more than twice."
            .to_owned(),
        seconds(&rows),
    ];
    let notes = notes(&rows);
    if !notes.is_empty() {
        parts.push(notes);
    }
    parts.push(
        "Accuracy: PSNR in dB against Pegbar's exact result, peak 1, on a drawn frame and with random weights; with trained weights it \
         depends on the picture."
            .to_owned(),
    );
    parts.push(psnr(&rows));
    parts.push("Most memory that each process had resident after two frames, in MB, with its program and its weights.".to_owned());
    parts.push(memory(&rows));
    parts.extend(limit(results, &rows));
    parts.join("\n\n")
}

/// In the table's order; kept results of workloads that are no more are left out.
fn rows(results: &Results) -> Vec<Row<'_>> {
    WORKLOADS
        .iter()
        .filter_map(|workload| Some((workload, results.workloads.get(workload.name)?)))
        .flat_map(|(workload, by_threads)| by_threads.iter().map(move |(&threads, m)| (workload, threads, m)))
        .collect()
}

/// Machine, load and versions; where rows were measured at different times, which ones were when.
fn conditions(rows: &[Row<'_>]) -> String {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (workload, threads, measurement) in rows {
        let sentence = measurement.conditions.sentence();
        let row = format!("{} at {threads}", workload.title);
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
        .flat_map(|(_, _, measurement)| &measurement.timings)
        .filter(|timing| timing.engine != "Pegbar" && !timing.seconds.is_empty())
        .map(|timing| format!("{} {}", timing.engine, timing.version))
        .collect();
    if !versions.is_empty() {
        lines.push(format!("\nPeers: {}.", versions.into_iter().collect::<Vec<_>>().join(", ")));
    }
    lines.join("\n")
}

/// The comparison in short.
fn ratios(rows: &[Row<'_>]) -> String {
    let head = [
        "work",
        "threads",
        "rounds",
        "fast s",
        "fastest peer",
        "s",
        "ratio",
        "wanted",
        "exact s",
        "fastest f32 peer",
        "s",
        "ratio",
        "wanted",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for (workload, threads, measurement) in rows {
        let n_rounds = measurement.own(Precision::Fast).map_or(0, |timing| timing.seconds.len());
        let mut line = vec![workload.title.to_owned(), threads.to_string(), n_rounds.to_string()];
        for (precision, minimum) in
            [(Precision::Fast, workload.fast_minimum), (Precision::Exact, workload.exact_minimum)]
        {
            line.push(measurement.own(precision).and_then(Timing::median).map_or_else(dash, in_seconds));
            match measurement.fastest_peer(precision) {
                Some((peer, seconds)) => {
                    line.push(format!("{} {}", peer.engine, peer.precision.name()));
                    line.push(in_seconds(seconds));
                }
                None => line.extend([dash(), dash()]),
            }
            let ratio = measurement.ratio(precision);
            line.push(ratio.map_or_else(dash, |ratio| format!("{ratio:.2}")));
            let verdict = match ratio {
                None => "not measured",
                Some(ratio) if ratio >= minimum => "met",
                Some(_) => "not met",
            };
            line.push(format!(">= {minimum:.1}: {verdict}"));
        }
        lines.push(line);
    }
    table(1, &lines)
}

/// Engine and precision of every column, Pegbar first.
fn columns(rows: &[Row<'_>]) -> Vec<(String, Precision)> {
    let mut columns: Vec<(String, Precision)> = Vec::new();
    for timing in rows.iter().flat_map(|(_, _, measurement)| &measurement.timings) {
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
    for (workload, threads, measurement) in rows {
        let mut line = vec![workload.title.to_owned(), threads.to_string()];
        line.extend(columns.iter().map(|(engine, precision)| {
            let found = measurement.timings.iter().find(|t| t.engine == *engine && t.precision == *precision);
            found.map_or_else(dash, &cell)
        }));
        lines.push(line);
    }
    table(1, &lines)
}

fn seconds(rows: &[Row<'_>]) -> String {
    let n_rounds = |timing: &Timing| timing.seconds.len();
    let most = rows.iter().flat_map(|(_, _, m)| &m.timings).map(n_rounds).max().unwrap_or(0);
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
fn notes(rows: &[Row<'_>]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (workload, _, measurement) in rows {
        for timing in &measurement.timings {
            if let Some(note) = &timing.note {
                let line =
                    format!("\\* {}, {} {}: {note}.", workload.title, timing.engine, timing.precision.name());
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
    }
    lines.join("\n\n")
}

fn psnr(rows: &[Row<'_>]) -> String {
    // The number of threads changes no more than the order of a few sums.
    let mut titles = BTreeSet::new();
    let first: Vec<Row<'_>> = rows.iter().filter(|row| titles.insert(row.0.name)).copied().collect();
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

fn memory(rows: &[Row<'_>]) -> String {
    matrix(rows, |_| true, |timing| timing.peak_memory_mb.map_or_else(dash, |mb| format!("{mb:.0}")))
}

/// The share of the processor's limit, for the network that is nothing but 3x3 convolutions.
fn limit(results: &Results, rows: &[Row<'_>]) -> Option<String> {
    let shares: Vec<(String, usize, f64)> = rows
        .iter()
        .filter(|(workload, _, _)| workload.model == "compact-x2" && !workload.avx2)
        .filter_map(|(workload, threads, measurement)| {
            let share = peak::share(measurement, *threads, &results.peaks)?;
            Some((workload.title.to_owned(), *threads, share))
        })
        .collect();
    peak::paragraph(&results.peaks, &shares)
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

#[cfg(test)]
mod tests {
    use super::super::results::example;
    use super::*;

    fn results() -> Results {
        let mut results = Results::default();
        results.workloads.entry("compact-x2".to_owned()).or_default().insert(1, example());
        results.peaks = vec![("int16 vpdpwssd zmm".to_owned(), 200.0)];
        results
    }

    #[test]
    fn the_section_tells_who_was_fastest_and_whether_that_is_enough() {
        let section = section(&results());
        let row = "| Compact 64/16 x2, 720x480 | 1 | 3 | 1.00 | OpenVINO bf16 | 3.00 | 3.00 | >= 2.5: met | 2.00 | OpenVINO f32 | 4.00 \
                   | 2.00 | >= 2.1: not met |";
        assert!(section.contains(row), "{section}");
        assert!(section.contains("(1.50) *"), "{section}");
        assert!(section.contains("1 thread: 50 %"), "{section}");
    }

    #[test]
    fn rows_of_another_time_say_so() {
        let mut results = results();
        let mut later = example();
        later.conditions.version = "2.0".to_owned();
        results.workloads.entry("span-x2".to_owned()).or_default().insert(2, later);
        let section = section(&results);
        assert!(
            section.contains("Pegbar 2.0, load average before the run 0.1. Rows: SPAN 48 x2"),
            "{section}"
        );
    }
}
