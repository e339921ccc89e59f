//! Every temporal filter brings a drawn cartoon nearer to what it was, and takes next to nothing from a clean one.

mod truth;

use truth::clips::{self, Clip};
use truth::{Row, temporal_rows};

const N_FRAMES: usize = 9;

fn check(clip: &Clip, wanted: impl Fn(&str) -> bool) {
    let mild = if clips::has_ffmpeg() {
        clips::mildly_encoded(&clip.frames).expect("ffmpeg encodes H.264")
    } else {
        eprintln!("skipped: the mild encode (there is no ffmpeg); clean frames stay as they are drawn");
        clips::stored(&clip.frames)
    };
    for row in temporal_rows::ROWS.iter().filter(|row| wanted(row.defect)) {
        // What ffmpeg makes of it is for the long table.
        let outcome = Row { ffmpeg: &[], ..*row }.run(clip, &mild);
        let (gain, cost) = (outcome.gain(), outcome.cost_on_clean());
        assert!(gain > 0.0, "{}: {gain:.2} dB won", row.defect);
        assert!(outcome.ours.restored.ssim > outcome.before.ssim, "{}: SSIM falls", row.defect);
        assert!(cost < 1.0, "{}: {cost:.2} dB lost on clean frames", row.defect);
    }
}

#[test]
fn a_moving_cartoon_is_restored() {
    check(&clips::drawn(N_FRAMES, 640, 360), |_| true);
}

/// No filter was tuned on it.
#[test]
fn a_scene_that_was_held_out_is_restored() {
    check(&clips::harbour(N_FRAMES, 640, 360), |_| true);
}

/// Two frames of a composite signal make a clean one where the picture stands still.
#[test]
fn a_held_drawing_is_restored() {
    let drawn = clips::drawn(1, 640, 360);
    let clip = Clip { name: "held", frames: vec![drawn.frames[0].clone(); N_FRAMES] };
    check(&clip, |defect| ["dot crawl", "rainbow", "composite", "weave"].contains(&defect));
}
