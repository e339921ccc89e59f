//! The measure that filters are measured by: it must see defects, and count losses.

mod truth;

use truth::{Row, clips};

#[test]
fn doing_nothing_is_no_restoration() {
    let row = Row {
        defect: "dark",
        filter: "nothing",
        clips: &[],
        spoil: |frames| {
            let dark = |sample: &f32| sample * 0.9;
            frames
                .iter()
                .map(|f| {
                    let data = f.data.iter().map(dark).collect();
                    pegbar_frame::PlanarImage::from_data(f.channels, f.height, f.width, data).unwrap()
                })
                .collect()
        },
        restore: <[_]>::to_vec,
        ffmpeg: &["lutyuv=y=(val-16)/0.9+16:u=(val-128)/0.9+128:v=(val-128)/0.9+128"],
    };
    let clip = clips::drawn(2, 320, 180);
    let outcome = row.run(&clip, &clip.frames);
    assert_eq!(outcome.gain(), 0.0);
    assert!(outcome.before.psnr > 20.0 && outcome.before.psnr < 30.0, "{:?}", outcome.before);
    let faults = outcome.faults();
    assert!(faults.iter().any(|fault| fault.contains("no better than")), "{faults:?}");
    if clips::has_ffmpeg() {
        let ffmpeg = outcome.ffmpeg.as_ref().expect("ffmpeg has lutyuv");
        assert!(ffmpeg.restored.psnr > 40.0, "{:?}", ffmpeg.restored);
        assert!(outcome.lead().unwrap() < -10.0);
    } else {
        eprintln!("skipped: ffmpeg's part (there is no ffmpeg)");
    }
    let mut report = truth::report::Report::default();
    report.add(&outcome);
    let table = report.table();
    assert!(table.contains("| dark | `nothing` | drawn |") && table.contains("nothing 0.00 dB"), "{table}");
    assert_eq!(truth::report::Report::read(&table).table(), table);
}

#[test]
fn a_mild_encode_is_mild() {
    if !clips::has_ffmpeg() {
        eprintln!("skipped: a mild encode (there is no ffmpeg)");
        return;
    }
    let clip = clips::drawn(2, 320, 180);
    match clips::mildly_encoded(&clip.frames) {
        Ok(mild) => {
            let score = truth::score(&clip.frames, &mild);
            assert!((42.0..49.0).contains(&score.psnr), "{score:?}");
        }
        Err(message) => eprintln!("skipped: a mild encode ({message})"),
    }
}
