//! The table of all rows as `docs/restoration.md` has it, and the text around it.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::strips::file_name;
use super::{Outcome, Row, Score};

/// Names of the clips, in the order of the table.
pub const CLIPS: [&str; 4] = ["drawn", "harbour", "rodents", "bunny"];

/// Columns before the numbers: defect, filter, clip.
const N_NAMES: usize = 3;

const HEADER: &str = "| defect | filter | clip | nothing | ours | ffmpeg's best | which is | clean | ours on clean \
                      | ffmpeg on clean | loses to |\n|---|---|---|---|---|---|---|---|---|---|---|\n";

/// Lines of the table by defect, filter and clip.
#[derive(Default)]
pub struct Report {
    lines: BTreeMap<[String; N_NAMES], Vec<String>>,
}

impl Report {
    /// The lines of a table that was written before.
    pub fn read(text: &str) -> Self {
        let mut lines = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| defect |")) {
            let inner = line.strip_prefix("| ").and_then(|rest| rest.strip_suffix(" |")).unwrap_or(line);
            let mut cells: Vec<String> = inner.split(" | ").map(|cell| cell.trim().to_owned()).collect();
            let n_cells = HEADER.lines().next().expect("a line").matches('|').count() - 1;
            cells.resize(n_cells, String::new());
            let numbers = cells.split_off(N_NAMES);
            lines.insert(cells.try_into().expect("three names"), numbers);
        }
        Self { lines }
    }

    /// Adds a row, or replaces what was measured of it before.
    pub fn add(&mut self, outcome: &Outcome) {
        let pair = |s: Score| format!("{:.2} / {:.4}", s.psnr, s.ssim);
        let [theirs, name, clean] = match &outcome.ffmpeg {
            Some(f) => [pair(f.restored), format!("`{}`", f.name), pair(f.clean)],
            None => ["none", "", ""].map(String::from),
        };
        let key = [outcome.defect.to_owned(), format!("`{}`", outcome.ours.name), outcome.clip.to_owned()];
        let numbers = vec![
            pair(outcome.before),
            pair(outcome.ours.restored),
            theirs,
            name,
            pair(outcome.clean_before),
            pair(outcome.ours.clean),
            clean,
            losses(outcome),
        ];
        self.lines.insert(key, numbers);
    }

    /// The lines in the order of `rows` and [`CLIPS`], and then the others.
    pub fn table(&self) -> String {
        let rows = || super::spatial_rows::ROWS.iter().chain(super::temporal_rows::ROWS);
        let place = |key: &[String; N_NAMES]| {
            let at = rows().position(|row| is_of(key, row)).unwrap_or(usize::MAX);
            (at, CLIPS.iter().position(|clip| *clip == key[2]).unwrap_or(usize::MAX))
        };
        let mut keys: Vec<_> = self.lines.keys().collect();
        keys.sort_by_key(|key| place(key));
        let mut out = HEADER.to_owned();
        for key in keys {
            let _ = writeln!(out, "| {} | {} |", key.join(" | "), self.lines[key].join(" | "));
        }
        out
    }

    /// How many rows of each clip lose to nothing, in a sentence for each clip.
    fn summary(&self) -> String {
        let mut out = String::new();
        for clip in CLIPS {
            let of_clip = || self.lines.iter().filter(|(key, _)| key[2] == clip);
            let won = of_clip().filter(|(_, numbers)| numbers.last().is_some_and(String::is_empty)).count();
            if of_clip().count() > 0 {
                let _ = writeln!(
                    out,
                    "- `{clip}`: {won} of {} rows hold in all three respects.",
                    of_clip().count()
                );
            }
        }
        out
    }

    /// The whole document; `has_picture` tells whether a strip of that file name exists.
    pub fn document(&self, has_picture: impl Fn(&str) -> bool) -> String {
        let mut pictures = String::new();
        for row in super::spatial_rows::ROWS.iter().chain(super::temporal_rows::ROWS) {
            for clip in CLIPS {
                let file = file_name(row.defect, clip);
                if has_picture(&file) {
                    let _ = writeln!(
                        pictures,
                        "{} on `{clip}`, by `{}`:\n\n![{} on {clip}](pictures/restoration/{file})\n",
                        row.defect, row.filter, row.defect,
                    );
                }
            }
        }
        let text = DOCUMENT.replace("{summary}", self.summary().trim_end());
        text.replace("{table}", self.table().trim_end()).replace("{pictures}", pictures.trim_end()) + "\n"
    }
}

fn is_of(key: &[String; N_NAMES], row: &Row) -> bool {
    key[0] == row.defect && key[1].trim_matches('`') == row.filter
}

/// What a row loses to, and by how much; empty where it holds.
fn losses(outcome: &Outcome) -> String {
    let mut losses = Vec::new();
    let ours = outcome.ours.restored;
    let mut compare = |name: &str, theirs: Score| {
        if ours.psnr <= theirs.psnr {
            losses.push(format!("{name} {:.2} dB", theirs.psnr - ours.psnr));
        }
        if ours.ssim <= theirs.ssim {
            losses.push(format!("{name} {:.4} SSIM", theirs.ssim - ours.ssim));
        }
    };
    compare("nothing", outcome.before);
    if let Some(ffmpeg) = &outcome.ffmpeg {
        compare("ffmpeg", ffmpeg.restored);
    }
    if outcome.cost_on_clean() >= 1.0 {
        losses.push(format!("clean {:.2} dB", outcome.cost_on_clean()));
    }
    losses.join(", ")
}

const DOCUMENT: &str = include_str!("restoration.md.in");
