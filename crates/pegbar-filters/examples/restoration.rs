//! Restoration on truth: prints a Markdown table of every defect, doing nothing, our filter and ffmpeg's best.
//!
//! `restoration [--frames N] [--clips A,B..] [--strips FOLDER] [--write DOCS] [DEFECT..]`: without names, all
//! defects, on the clips drawn, harbour and rodents; bunny is larger and has to be named. `PEGBAR_SHARED` names the
//! folder with the films, without it there are the drawn clips alone. `--write` puts what was measured into
//! `restoration.md` and `pictures/restoration` of a folder. Ends with an error when a row does not hold on a clip
//! that its filter is made for.

#[path = "../tests/truth/mod.rs"]
mod truth;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use truth::clips::{self, Clip};
use truth::report::Report;
use truth::{spatial_rows, strips, temporal_rows};

/// Rows of which the document shows the film, too.
const SHOWN_ON_FILM: &[&str] = &["banding", "dust", "composite"];

/// Filters of single frames are measured on so many.
const N_STILLS: usize = 3;

fn main() -> ExitCode {
    let (mut n_frames, mut strip_folder, mut docs, mut defects) = (8, None, None, Vec::new());
    let mut names = vec!["drawn".to_owned(), "harbour".into(), "rodents".into()];
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} takes a value"));
        match arg.as_str() {
            "--frames" => n_frames = value().parse().expect("--frames takes a number"),
            "--strips" => strip_folder = Some(PathBuf::from(value())),
            "--write" => docs = Some(PathBuf::from(value())),
            "--clips" => names = value().split(',').map(str::to_owned).collect(),
            _ => defects.push(arg),
        }
    }
    let load: [(&str, &dyn Fn() -> Option<Clip>); 4] = [
        ("drawn", &|| Some(clips::drawn(n_frames, 640, 360))),
        ("harbour", &|| Some(clips::harbour(n_frames, 640, 360))),
        ("rodents", &|| clips::film("rodents", "bbb_rodents_360p_reference.mp4", 2.0, n_frames)),
        ("bunny", &|| clips::film("bunny", "bbb_bunny_720p.mp4", 1.0, n_frames)),
    ];
    let (mut report, mut faults) = (Report::default(), Vec::new());
    for (name, load) in load {
        if !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let Some(clip) = load() else { continue };
        let mild = clips::mildly_encoded(&clip.frames).expect("ffmpeg encodes H.264");
        let stills = Clip { name: clip.name, frames: clip.frames[..N_STILLS.min(n_frames)].to_vec() };
        let spatial = spatial_rows::ROWS.iter().map(|row| (row, &stills));
        for (row, clip) in spatial.chain(temporal_rows::ROWS.iter().map(|row| (row, &clip))) {
            if !defects.is_empty() && !defects.iter().any(|name| name == row.defect || name == row.filter) {
                continue;
            }
            let outcome = row.run(clip, &mild[..clip.frames.len()]);
            let theirs = outcome.ffmpeg.as_ref().map_or(0.0, |party| party.millis);
            eprintln!("{} on {name}: {:.0} ms a frame, ffmpeg {theirs:.0}", row.defect, outcome.ours.millis);
            if row.is_for(name) {
                faults.extend(outcome.faults());
            }
            if let Some(folder) = &strip_folder {
                strips::write(folder, clip, &outcome).expect("the folder can be written to");
            }
            report.add(&outcome);
            if let Some(docs) = &docs {
                let shown = name == "drawn" || name == "rodents" && SHOWN_ON_FILM.contains(&row.defect);
                if shown {
                    strips::write(&pictures(docs), clip, &outcome).expect("the folder can be written to");
                }
                let path = docs.join("restoration.md");
                let mut whole = Report::read(&std::fs::read_to_string(&path).unwrap_or_default());
                whole.add(&outcome);
                let text = whole.document(|file| pictures(docs).join(file).is_file());
                std::fs::write(path, text).expect("the folder can be written to");
            }
        }
    }
    print!("{}", report.table());
    for fault in &faults {
        eprintln!("{fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn pictures(docs: &Path) -> PathBuf {
    docs.join("pictures/restoration")
}
