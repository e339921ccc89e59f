//! Sources of all kinds through the built binary: what goes in comes out, twice as large, and whatever cannot is said.

mod checks;
mod making;
mod row;
mod sources;
mod told;
#[path = "../workbench/mod.rs"]
mod workbench;

use checks::{Pair, complaints};
use row::{Outcome, Output, Row};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use told::Told;
use workbench::{Desk, has_ffmpeg, leftovers};

#[test]
fn frame_rates() {
    run(sources::RATES);
}

#[test]
fn sizes_aspects_and_rotations() {
    run(sources::GEOMETRY);
}

#[test]
fn pixel_formats() {
    run(sources::PIXELS);
}

#[test]
fn colours() {
    run(sources::COLOURS);
}

#[test]
fn time_stamps() {
    run(sources::TIMES);
}

#[test]
fn streams_beside_the_picture() {
    run(sources::STREAMS);
}

#[test]
fn old_containers() {
    run(sources::OLD_CONTAINERS);
}

#[test]
fn new_containers() {
    run(sources::NEW_CONTAINERS);
}

#[test]
fn what_is_refused() {
    run(sources::REFUSED);
}

/// Runs all rows and reports all that fail.
fn run(rows: &[Row]) {
    if !has_ffmpeg("the matrix of sources") {
        return;
    }
    let desk = Desk::new();
    let mut failures = Vec::new();
    for row in rows {
        if let Some(missing) = row.needs.iter().find(|name| !has_encoder(name)) {
            eprintln!("skipped: {} (this ffmpeg has no encoder {missing})", row.name);
            continue;
        }
        let source = desk.at(row.file);
        row.make.run(&desk, &source);
        let mut fail = |what: &str, wrong: Vec<String>| {
            failures.extend(wrong.into_iter().map(|w| format!("{}, {what}: {w}", row.name)));
        };
        match row.outcome {
            Outcome::Kept(outputs) => {
                let told = Told::of(&source);
                for output in outputs {
                    fail(output.container, kept(&desk, row, (&source, &told), output));
                }
            }
            Outcome::Refused(says) => fail("refusal", refused(&desk, row, &source, says)),
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

/// Names of this ffmpeg's encoders.
fn has_encoder(name: &str) -> bool {
    static ENCODERS: OnceLock<String> = OnceLock::new();
    let list = ENCODERS.get_or_init(|| {
        let output =
            Command::new("ffmpeg").args(["-v", "error", "-encoders"]).output().expect("ffmpeg starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    list.lines().any(|line| line.split_whitespace().nth(1) == Some(name))
}

fn upscale(desk: &Desk, row: &Row, source: &Path, name: &str) -> (workbench::Ran, std::path::PathBuf) {
    // As fast as the usual encoder can, where the row names no other.
    let quick: &[&str] =
        if row.options.contains(&"--encode") { &["--json"] } else { &["--json", "--preset=ultrafast"] };
    desk.upscale(source, name, &[quick, row.options].concat())
}

/// What is said of the fields of sources, by their names. These are too short, or move too little, for more.
const SAID_OF_FIELDS: &[(&str, &str)] = &[
    ("hard telecine 2:3", "should frames be combed"),
    ("interlaced, top field first", "should frames be combed"),
    ("interlaced, bottom field first", "should frames be combed"),
    ("DV", "should frames be combed"),
];

fn kept(desk: &Desk, row: &Row, source: (&Path, &Told), expected: &Output) -> Vec<String> {
    let (ran, output) = upscale(desk, row, source.0, &format!("{}-out.{}", row.file, expected.container));
    let mut wrong = ended_in_order(desk, &ran);
    if ran.code != Some(0) {
        wrong.push(format!("exit code {:?}: {}", ran.code, ran.stderr.trim()));
        return wrong;
    }
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
    let warnings: Vec<String> = report["done"][0]["warnings"]
        .as_array()
        .map(|list| list.iter().map(|w| w.as_str().unwrap_or("").to_owned()).collect())
        .unwrap_or_default();
    for word in expected.says {
        if !warnings.iter().any(|w| w.contains(word)) {
            wrong.push(format!("warnings: {word:?} is not said in {warnings:?}"));
        }
    }
    for (_, word) in SAID_OF_FIELDS.iter().filter(|(name, _)| *name == row.name) {
        if !warnings.iter().any(|w| w.contains(word)) {
            wrong.push(format!("warnings: {word:?} is not said of its fields in {warnings:?}"));
        }
    }
    let is_said_of_fields =
        |w: &str| SAID_OF_FIELDS.iter().any(|(name, word)| *name == row.name && w.contains(word));
    let is_expected = |w: &String| is_said_of_fields(w) || expected.says.iter().any(|word| w.contains(word));
    for warning in warnings.iter().filter(|w| !is_expected(w)) {
        wrong.push(format!("warnings: nobody expects {warning:?}"));
    }
    let told = Told::of(&output);
    if report["done"][0]["frames"].as_u64() != Some(told.frame_times().len() as u64) {
        wrong.push(format!(
            "report: {} frames, {} in the file",
            report["done"][0]["frames"],
            told.frame_times().len()
        ));
    }
    wrong.extend(complaints(&Pair { source, output: (&output, &told), expected }));
    wrong
}

/// A refusal comes as one sentence, before any work, and leaves nothing.
fn refused(desk: &Desk, row: &Row, source: &Path, says: &[&str]) -> Vec<String> {
    let (ran, output) = upscale(desk, row, source, &format!("{}-out.mkv", row.file));
    let mut wrong = ended_in_order(desk, &ran);
    if ran.code != Some(1) {
        wrong.push(format!("exit code {:?} instead of 1", ran.code));
    }
    if ran.stderr.trim().lines().count() != 1 {
        wrong.push(format!("not one sentence: {}", ran.stderr));
    }
    for word in says {
        if !ran.stderr.contains(word) {
            wrong.push(format!("{word:?} is not said: {}", ran.stderr.trim()));
        }
    }
    if output.exists() {
        wrong.push("there is a file under the final name".into());
    }
    wrong
}

fn ended_in_order(desk: &Desk, ran: &workbench::Ran) -> Vec<String> {
    let mut wrong = Vec::new();
    if ran.stderr.contains("panicked") {
        wrong.push(format!("a panic: {}", ran.stderr));
    }
    let left = leftovers(desk.folder.path());
    if !left.is_empty() {
        wrong.push(format!("unfinished files left: {left:?}"));
    }
    wrong
}

#[test]
fn the_matrix_is_large_enough() {
    let groups = [
        sources::RATES,
        sources::GEOMETRY,
        sources::PIXELS,
        sources::COLOURS,
        sources::TIMES,
        sources::STREAMS,
        sources::OLD_CONTAINERS,
        sources::NEW_CONTAINERS,
        sources::REFUSED,
    ];
    assert!(groups.iter().map(|rows| rows.len()).sum::<usize>() >= 40);
}
