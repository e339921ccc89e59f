//! The measured tables, as they stand in docs/performance.md.

use super::peak;
use super::results::Results;
use super::workload::{WORKLOADS, Workload};
use crate::performance_page::table;
use crate::turns::Precision;
use crate::turns::tables::{Row, conditions, memory, notes, psnr, ratio_cells, seconds};

/// The whole section.
pub(super) fn section(results: &Results) -> String {
    let known = rows(results);
    let rows: Vec<Row<'_>> = known.iter().map(|(_, row)| *row).collect();
    let mut parts = vec![
        "## Against other engines".to_owned(),
        "Every engine computes the same network on the same frame, pinned to as many cores as it has threads, and they take turns frame by \
         frame; seconds are the middle of the rounds. A ratio is the fastest peer's time over Pegbar's. The peers' results equal Pegbar's \
         exact one but for rounding in f32, which is checked before a time counts."
            .to_owned(),
        conditions(&rows),
        ratios(&known),
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
    parts.extend(limit(results, &known));
    parts.join("\n\n")
}

/// In the table's order; kept results of workloads that are no more are left out.
fn rows(results: &Results) -> Vec<(&'static Workload, Row<'_>)> {
    WORKLOADS
        .iter()
        .filter_map(|workload| Some((workload, results.workloads.get(workload.name)?)))
        .flat_map(|(workload, by_threads)| {
            by_threads.iter().map(move |(&threads, measurement)| {
                (workload, Row { title: workload.title, threads, measurement })
            })
        })
        .collect()
}

/// The comparison in short.
fn ratios(rows: &[(&Workload, Row<'_>)]) -> String {
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
    for (workload, Row { title, threads, measurement }) in rows {
        let n_rounds = measurement.own(Precision::Fast).map_or(0, |timing| timing.seconds.len());
        let mut line = vec![(*title).to_owned(), threads.to_string(), n_rounds.to_string()];
        for (precision, minimum) in
            [(Precision::Fast, workload.fast_minimum), (Precision::Exact, workload.exact_minimum)]
        {
            line.extend(ratio_cells(measurement, precision));
            let verdict = match measurement.ratio(precision) {
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

/// The share of the processor's limit, for the network that is nothing but 3x3 convolutions.
fn limit(results: &Results, rows: &[(&Workload, Row<'_>)]) -> Option<String> {
    let shares: Vec<(String, usize, f64)> = rows
        .iter()
        .filter(|(workload, _)| workload.model == "compact-x2" && !workload.avx2)
        .filter_map(|(_, row)| {
            let share = peak::share(row.measurement, row.threads, &results.peaks)?;
            Some((row.title.to_owned(), row.threads, share))
        })
        .collect();
    peak::paragraph(&results.peaks, &shares)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turns::example;

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
