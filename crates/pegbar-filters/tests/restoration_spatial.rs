//! The spatial filters on truth: the short version of the example `restoration`, on one drawn frame.

mod truth;

use truth::{clips, spatial_rows};

/// Filter graphs of ffmpeg that take seconds a frame are left to the example.
const SLOW: &[&str] = &["bm3d", "nlmeans", "dctdnoiz"];

#[test]
fn filters_restore_what_they_are_for_and_leave_clean_frames_alone() {
    if !clips::has_ffmpeg() {
        eprintln!("skipped: restoration on truth (there is no ffmpeg)");
        return;
    }
    let clip = clips::drawn(1, 640, 360);
    let mild = clips::mildly_encoded(&clip.frames).expect("ffmpeg encodes H.264");
    let mut faults = Vec::new();
    for row in spatial_rows::ROWS.iter().filter(|row| row.is_for(clip.name)) {
        let outcome = row.run_with(&clip, &mild, |graph| !SLOW.iter().any(|slow| graph.starts_with(slow)));
        faults.extend(outcome.faults());
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Defects whose filter still takes more than 1 dB from a single clean frame of the held-out scene.
const COSTLY: &[&str] =
    &["halo thin", "halo wide", "halo and detail", "ringing", "JPEG blocks", "MPEG-2 blocks", "salt"];

/// On a scene that no filter was tuned on, against doing nothing.
#[test]
fn filters_hold_on_a_scene_that_was_held_out() {
    if !clips::has_ffmpeg() {
        eprintln!("skipped: restoration of a held-out scene (there is no ffmpeg)");
        return;
    }
    let clip = clips::harbour(1, 640, 360);
    let mild = clips::mildly_encoded(&clip.frames).expect("ffmpeg encodes H.264");
    let rows = spatial_rows::ROWS.iter().filter(|row| row.is_for(clip.name));
    let mut faults = Vec::new();
    for row in rows {
        let found = row.run_with(&clip, &mild, |_| false).faults();
        let costly = COSTLY.contains(&row.defect);
        faults.extend(found.into_iter().filter(|fault| !(costly && fault.ends_with("lost on clean frames"))));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
