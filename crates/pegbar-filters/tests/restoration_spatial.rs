//! The spatial filters on truth: the short version of the example `restoration`, on one drawn frame.

mod truth;

use truth::{clips, spatial_rows};

/// Defects against which ffmpeg has something better yet, by what the example's table says.
const FFMPEG_IS_AHEAD: &[&str] = &["dropped field"];

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
        let ahead = FFMPEG_IS_AHEAD.contains(&row.defect);
        let outcome =
            row.run_with(&clip, &mild, |graph| !ahead && !SLOW.iter().any(|slow| graph.starts_with(slow)));
        faults.extend(outcome.faults());
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Defects whose filter gains nothing yet on the held-out scene, or takes more than 1 dB from it, by what the
/// example's table says.
const NOT_YET: &[&str] = &["ringing", "salt"];

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
    let rows = rows.filter(|row| !NOT_YET.contains(&row.defect));
    let faults: Vec<_> = rows.flat_map(|row| row.run_with(&clip, &mild, |_| false).faults()).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
