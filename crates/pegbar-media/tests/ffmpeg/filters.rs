//! Frames through filter graphs.

use pegbar_frame::{Colour, Frame, Matrix, PixelFormat, Range, Rational};
use pegbar_media::{
    FilterSettings, MediaError, check_filter, decimated_time_base, field_time_base, run_filter,
};

use crate::support::tools;

const SIZE: (usize, usize) = (48, 36);

fn settings(graph: &str, format: PixelFormat) -> FilterSettings {
    FilterSettings {
        graph: graph.to_owned(),
        format,
        colour: Colour { matrix: Some(Matrix::Bt709), range: Some(Range::Limited), ..Colour::default() },
        width: SIZE.0,
        height: SIZE.1,
        time_base: Rational::new(1, 90_000),
        output_time_base: Rational::new(1, 90_000),
        frame_rate: Some(Rational::new(25, 1)),
        decimates: false,
        least_frames: 0,
    }
}

/// A frame of noise that is its own.
fn frame(format: PixelFormat, n: u64, pts: i64) -> Frame {
    let mut state = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = vec![0; format.frame_bytes(SIZE.0, SIZE.1)];
    for byte in &mut bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *byte = (state >> 56) as u8;
    }
    Frame::from_bytes(format, SIZE.0, SIZE.1, pts, Colour::default(), &bytes).unwrap()
}

fn run(settings: &FilterSettings, frames: Vec<Frame>) -> Result<Vec<Frame>, MediaError> {
    let tools = tools().unwrap();
    let mut frames = frames.into_iter();
    let mut results = Vec::new();
    run_filter(tools, settings, &mut || frames.next(), &mut |frame| {
        results.push(frame);
        true
    })?;
    Ok(results)
}

/// Uneven times that begin below zero.
fn times(n: u64) -> Vec<i64> {
    (0..n as i64).map(|i| i * 3600 - 1_234_567 + i % 3 * 17 + if i > 5 { 900_000 } else { 0 }).collect()
}

#[test]
fn nothing_changes_but_what_the_filter_does() {
    if tools().is_none() {
        return;
    }
    for format in [PixelFormat::YUV444P16, PixelFormat::GBRP16, PixelFormat::GRAY16, PixelFormat::YUV444P] {
        let times = times(12);
        let frames: Vec<_> = times.iter().zip(0..).map(|(&pts, n)| frame(format, n, pts)).collect();
        let results = run(&settings("null", format), frames.clone()).unwrap();
        assert_eq!(results.len(), frames.len());
        for (result, frame) in results.iter().zip(&frames) {
            assert_eq!(result.pts, frame.pts, "{format}");
            assert!(result.planes == frame.planes, "{format} at {}", frame.pts);
        }
    }
}

#[test]
fn fields_lie_between_frames_and_four_of_five_are_left() {
    if tools().is_none() {
        return;
    }
    let format = PixelFormat::YUV444P;
    let frames: Vec<_> = (0..10).map(|n| frame(format, n, 777 + n as i64 * 3003)).collect();
    let mut fields = settings("bwdif=mode=send_field:parity=tff:deint=all", format);
    fields.output_time_base = field_time_base(fields.time_base);
    let results = run(&fields, frames.clone()).unwrap();
    let pts: Vec<_> = results.iter().map(|frame| frame.pts).collect();
    assert_eq!(pts, (0..20).map(|n| 2 * 777 + n * 3003).collect::<Vec<_>>());

    let mut film = settings("null", format);
    film.output_time_base = decimated_time_base(film.time_base);
    film.decimates = true;
    let mut telecined = frames;
    for at in [3, 8] {
        telecined[at].planes = telecined[at - 1].planes.clone();
    }
    let pts: Vec<_> = run(&film, telecined).unwrap().iter().map(|frame| frame.pts).collect();
    assert_eq!(pts, (0..8).map(|n| 4 * 777 + n * 5 * 3003).collect::<Vec<_>>());
}

#[test]
fn a_short_stream_is_filled_up_and_results_may_be_refused() {
    let Some(tools) = tools() else { return };
    let format = PixelFormat::YUV444P16;
    let mut filter = settings("atadenoise=s=9", format);
    filter.least_frames = 9;
    check_filter(tools, &filter).unwrap();
    for n in [1, 4, 9, 12] {
        let frames: Vec<_> = times(n).iter().zip(0..).map(|(&pts, n)| frame(format, n, pts)).collect();
        let pts: Vec<_> = run(&filter, frames).unwrap().iter().map(|frame| frame.pts).collect();
        assert_eq!(pts, times(n));
    }
    assert!(run(&filter, Vec::new()).unwrap().is_empty());

    let mut given = 0;
    let mut taken = 0;
    let mut endless = || {
        given += 1;
        Some(frame(format, 1, given * 10))
    };
    run_filter(tools, &settings("null", format), &mut endless, &mut |_| {
        taken += 1;
        taken < 3
    })
    .unwrap();
    assert_eq!(taken, 3);
}

#[test]
fn what_is_wrong_is_said_in_the_words_of_ffmpeg() {
    let Some(tools) = tools() else { return };
    let format = PixelFormat::YUV444P16;
    let error = |graph: &str| check_filter(tools, &settings(graph, format)).unwrap_err();
    assert!(error("nosuchfilter").to_string().contains("nosuchfilter"));
    assert!(
        error("hqdn3d=luma_spatial=much").to_string().contains("much"),
        "{}",
        error("hqdn3d=luma_spatial=much")
    );
    assert!(matches!(error("nlmeans"), MediaError::GraphFormat { .. }), "it takes 8 bits only");
    assert_eq!(check_filter(tools, &settings("crop=20:10", format)).unwrap(), Some((20, 10)));
    assert_eq!(check_filter(tools, &settings("select=0", format)).ok(), Some(None));

    let mut frames = vec![frame(format, 0, 0), frame(PixelFormat::GRAY8, 1, 10)].into_iter();
    let mixed = run_filter(tools, &settings("null", format), &mut || frames.next(), &mut |_| true);
    assert!(matches!(mixed, Err(MediaError::WrongFrame { n_frames: 1, .. })), "{mixed:?}");
}
