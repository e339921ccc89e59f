//! Restoration on truth: prints a Markdown table of every defect, doing nothing, our filter and ffmpeg's best.
//!
//! `restoration [--frames N] [--clip drawn|rodents|bunny] [--crops FOLDER] [DEFECT..]`: without names, all defects; `PEGBAR_SHARED` names
//! the folder with the films, without it there is the drawn cartoon alone. Ends with an error when a row does not hold.

#[path = "../tests/truth/mod.rs"]
mod truth;

use std::path::PathBuf;
use std::process::ExitCode;

use truth::clips::{self, Clip};
use truth::{crops, spatial_rows, table, temporal_rows};

fn main() -> ExitCode {
    let (mut n_frames, mut crop_folder, mut only_clip, mut defects) = (6, None, None, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--frames" => {
                n_frames = args.next().and_then(|n| n.parse().ok()).expect("--frames takes a number")
            }
            "--crops" => crop_folder = Some(PathBuf::from(args.next().expect("--crops takes a folder"))),
            "--clip" => only_clip = Some(args.next().expect("--clip takes a name")),
            _ => defects.push(arg),
        }
    }
    let clips: [(&str, &dyn Fn() -> Option<Clip>); 3] = [
        ("drawn", &|| Some(clips::drawn(n_frames, 640, 360))),
        ("rodents", &|| clips::film("rodents", "bbb_rodents_360p_reference.mp4", 2.0, n_frames)),
        ("bunny", &|| clips::film("bunny", "bbb_bunny_720p.mp4", 1.0, n_frames)),
    ];
    let (mut outcomes, mut faults) = (Vec::new(), Vec::new());
    for (name, load) in clips {
        if only_clip.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let Some(clip) = load() else { continue };
        let mild = clips::mildly_encoded(&clip.frames).expect("ffmpeg encodes H.264");
        for row in spatial_rows::ROWS.iter().chain(temporal_rows::ROWS) {
            if !row.is_for(name) {
                continue;
            }
            if !defects.is_empty() && !defects.iter().any(|name| name == row.defect || name == row.filter) {
                continue;
            }
            let mut outcome = row.run(&clip, &mild);
            faults.extend(outcome.faults());
            if let Some(folder) = &crop_folder {
                crops::write(folder, &clip, &outcome).expect("the folder can be written to");
            }
            outcome.drop_frames();
            outcomes.push(outcome);
        }
    }
    print!("{}", table(&outcomes));
    for fault in &faults {
        eprintln!("{fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
