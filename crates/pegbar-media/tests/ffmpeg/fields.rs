//! Interlaced, telecined and progressive clips: what they are taken for, and what the filters make of them.

use std::path::{Path, PathBuf};

use pegbar_frame::{Frame, Rational};
use pegbar_media::{
    Crop, DecodeOptions, Decoder, Deinterlacer, FieldFilter, FieldOrder, FieldRate, MediaError,
    PictureFilters, PictureOptions, Scan, ScanType, scan,
};

use crate::support::{decoder, ffmpeg, folder, frames, probed, tools};

/// Moving shapes on a still ground full of lines, at a frame rate: what `fields` are taken from.
fn motion(rate: &str, frames: usize) -> String {
    format!(
        "-f lavfi -i testsrc=s=320x240:r={rate}:d=60 -f lavfi -i mandelbrot=s=96x80:r={rate}:start_scale=0.4:end_scale=0.3 \
         -f lavfi -i color=c=yellow:s=40x60:r={rate} -frames:v {frames} -filter_complex \
         [0:v]trim=end_frame=1,loop=-1:1,setpts=N/FRAME_RATE/TB[g];[g][1:v]overlay=x=mod(n*5\\,224):y=20[a];\
         [a][2:v]overlay=x=280-mod(n*3\\,280):y=150+20*sin(n/9)"
    )
}

/// Lossless at 4:2:0, the chroma of each field within the field.
const FFV1: &str = "-c:v ffv1 -pix_fmt yuv420p";

fn make(folder: &Path, name: &str, source: &str, filters: &str, more: &str) -> PathBuf {
    let path = folder.join(name);
    ffmpeg(&format!("{source},format=yuv420p{filters} {more}"), &path);
    path
}

fn scanned(path: &Path) -> Scan {
    let probe = probed(path);
    let video = probe.video(0).unwrap();
    scan(tools().unwrap(), path, video, probe.duration_secs, &DecodeOptions::WHOLE).unwrap()
}

fn filtered(path: &Path, filters: PictureFilters) -> (Rational, Vec<Frame>) {
    let decoder = decoder(path, &DecodeOptions { filters, ..DecodeOptions::WHOLE }).unwrap();
    (decoder.time_base(), decoder.map(Result::unwrap).collect())
}

fn options(options: &[(&str, &str)]) -> PictureOptions {
    PictureOptions::from_options(options.iter().copied()).unwrap()
}

/// PSNR of the luma of two frames.
fn luma_psnr(a: &Frame, b: &Frame) -> f64 {
    let error: u64 =
        a.planes[0].data.iter().zip(&b.planes[0].data).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    let mean = error as f64 / a.planes[0].data.len() as f64;
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}

fn fields(fields: FieldFilter) -> PictureFilters {
    PictureFilters { fields, ..PictureFilters::NONE }
}

const TFF: &str = ",tinterlace=mode=interleave_top,setfield=tff";
const BFF: &str = ",tinterlace=mode=interleave_bottom,setfield=bff";
const PULLDOWN: &str = ",telecine=pattern=23";

/// Name, source, filters and encoder of a clip; what it is and which field comes first.
type Case<'a> = (&'a str, &'a str, &'a str, &'a str, ScanType, Option<FieldOrder>);

#[test]
fn clips_are_taken_for_what_they_are() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let fifty = motion("50", 80);
    let film = motion("24000/1001", 64);
    let pattern = |rate: &str| format!("-f lavfi -i testsrc2=s=320x240:r={rate} -frames:v 90 -vf null");
    let mpeg2 = "-c:v mpeg2video -q:v 4";
    let interlaced = "-c:v mpeg2video -q:v 4 -flags +ildct+ilme";
    let (tff, bff) = (Some(FieldOrder::Tff), Some(FieldOrder::Bff));
    let cases: &[Case<'_>] = &[
        ("progressive.mkv", &film, "", FFV1, ScanType::Progressive, None),
        ("progressive.mpg", &motion("25", 64), "", mpeg2, ScanType::Progressive, None),
        ("progressive, flagged tff.mkv", &film, ",setfield=tff", interlaced, ScanType::Progressive, None),
        // Full of fine lines: `idet` takes nine of ten of its frames for interlaced.
        ("pattern.mkv", &pattern("24000/1001"), "", FFV1, ScanType::Progressive, None),
        ("tff.mkv", &fifty, TFF, FFV1, ScanType::Interlaced, tff),
        ("bff.mkv", &fifty, BFF, FFV1, ScanType::Interlaced, bff),
        ("tff.mpg", &fifty, TFF, interlaced, ScanType::Interlaced, tff),
        (
            "tff, flagged bff.mkv",
            &fifty,
            &format!("{TFF},setfield=bff"),
            interlaced,
            ScanType::Interlaced,
            tff,
        ),
        (
            "bff, flagged progressive.mkv",
            &fifty,
            &format!("{BFF},setfield=prog"),
            FFV1,
            ScanType::Interlaced,
            bff,
        ),
        ("ntsc.mkv", &motion("60000/1001", 80), BFF, FFV1, ScanType::Interlaced, bff),
        ("pattern, tff.mkv", &pattern("50"), TFF, FFV1, ScanType::Interlaced, tff),
        // Its patterns seem to match in a cadence, but no field comes twice.
        (
            "pattern, PAL.mkv",
            &pattern("50").replace("320x240", "720x576"),
            ",interlace=lowpass=off,trim=end_frame=60",
            FFV1,
            ScanType::Interlaced,
            tff,
        ),
        ("pattern, bff.mkv", &pattern("50"), BFF, FFV1, ScanType::Interlaced, bff),
        ("telecined.mkv", &film, PULLDOWN, FFV1, ScanType::Telecined, tff),
        ("telecined, bff.mkv", &film, ",telecine=pattern=23:first_field=b", FFV1, ScanType::Telecined, bff),
        ("telecined.mpg", &film, PULLDOWN, interlaced, ScanType::Telecined, tff),
        ("pattern, telecined.mkv", &pattern("24000/1001"), PULLDOWN, FFV1, ScanType::Telecined, tff),
        // Drawings that stay for two and for three frames of the film.
        (
            "twos.mkv",
            &motion("12000/1001", 40),
            ",fps=24000/1001,telecine=pattern=23",
            FFV1,
            ScanType::Telecined,
            tff,
        ),
        (
            "threes.mkv",
            &motion("8000/1001", 30),
            ",fps=24000/1001,telecine=pattern=23",
            FFV1,
            ScanType::Telecined,
            tff,
        ),
        (
            "shifted.mkv",
            &motion("25", 60),
            ",setfield=tff,separatefields,trim=start_frame=1,weave=first_field=bottom",
            FFV1,
            ScanType::FieldShifted,
            bff,
        ),
        // PAL with one field repeated in each half second.
        ("euro.mkv", &motion("25", 60), ",telecine=pattern=222222222223", FFV1, ScanType::FieldShifted, tff),
        (
            "still.mkv",
            "-f lavfi -i color=s=320x240:r=25 -frames:v 30 -vf null",
            "",
            FFV1,
            ScanType::Unknown,
            None,
        ),
        ("short.mkv", &film, ",trim=end_frame=4", FFV1, ScanType::Unknown, None),
    ];
    for (name, source, filters, more, scan_type, order) in cases {
        let clip = make(folder.path(), name, source, filters, more);
        let scan = scanned(&clip);
        assert_eq!((scan.scan_type, scan.field_order), (*scan_type, *order), "{name}: {scan}");
        assert_eq!(scan.picture, None, "{name}");
    }
}

#[test]
fn inverse_telecine_gives_back_the_film() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let source = motion("24000/1001", 96);
    let film = frames(&make(folder.path(), "film.mkv", &source, "", FFV1));
    for (name, pulldown, order) in [
        ("telecined.nut", PULLDOWN, FieldOrder::Tff),
        ("bottom first.nut", ",telecine=pattern=23:first_field=b", FieldOrder::Bff),
    ] {
        let clip = make(folder.path(), name, &source, pulldown, &format!("{FFV1} -f nut"));
        let probe = probed(&clip);
        let video = probe.video(0).unwrap();
        let chosen = options(&[("ivtc", "auto")]).choose(&scanned(&clip), video);
        assert_eq!(chosen.filters.fields, FieldFilter::Ivtc { order, decimate: true }, "{chosen:?}");
        assert!(chosen.warnings.is_empty() && chosen.notes.len() == 1, "{chosen:?}");
        let (time_base, restored) = filtered(&clip, chosen.filters);
        // 19 cycles of five, and one frame.
        let n = restored.len();
        assert_eq!(n, 77);
        let least =
            restored.iter().zip(&film).take(n).map(|(a, b)| luma_psnr(a, b)).fold(f64::INFINITY, f64::min);
        assert!(least > 40.0, "{name}: {least} dB");
        // Exactly 24000/1001 frames a second.
        let ticks = f64::from(1001) / 24000.0 / time_base.as_f64();
        for (k, frame) in restored.iter().take(n / 4 * 4).enumerate() {
            assert_eq!(frame.pts - restored[0].pts, (k as f64 * ticks).round() as i64, "{name}: frame {k}");
        }
        let rate = chosen.filters.frame_rate(Rational::new(30000, 1001));
        assert!((rate.as_f64() - 24000.0 / 1001.0).abs() < 1e-9);
    }
}

#[test]
fn a_gap_in_a_telecined_film_keeps_its_length() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let source = motion("24000/1001", 96);
    let clip = make(
        folder.path(),
        "gap.mkv",
        &source,
        &format!("{PULLDOWN},setpts=PTS+gte(N\\,60)*3/TB"),
        &format!("{FFV1} -fps_mode passthrough"),
    );
    let whole = frames(&clip);
    let (time_base, restored) =
        filtered(&clip, fields(FieldFilter::Ivtc { order: FieldOrder::Tff, decimate: true }));
    let secs = |frame: &Frame, base: Rational| frame.pts as f64 * base.as_f64();
    let source_base = Rational::new(1, 1000);
    let before = |frames: &[Frame], base| frames.iter().filter(|f| secs(f, base) < 3.0).count();
    assert_eq!(before(&restored, time_base), 48);
    assert!((secs(&restored[48], time_base) - secs(&whole[60], source_base)).abs() < 1e-9);
    let (last, end) =
        (secs(&restored[restored.len() - 1], time_base), secs(&whole[whole.len() - 1], source_base));
    assert!((last - end).abs() < 0.042, "{last} {end}");
}

#[test]
fn shifted_fields_are_put_back_together() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let source = motion("25", 61);
    let film = frames(&make(folder.path(), "film.mkv", &source, "", FFV1));
    let clip = make(
        folder.path(),
        "shifted.mkv",
        &source,
        ",setfield=tff,separatefields,trim=start_frame=1,weave=first_field=bottom,setpts=N/25/TB",
        &format!("-r 25 {FFV1}"),
    );
    let n_frames = frames(&clip).len();
    let chosen = options(&[("ivtc", "auto")]).choose(&scanned(&clip), probed(&clip).video(0).unwrap());
    assert_eq!(
        chosen.filters.fields,
        FieldFilter::Ivtc { order: FieldOrder::Bff, decimate: false },
        "{chosen:?}"
    );
    let (time_base, restored) = filtered(&clip, chosen.filters);
    assert_eq!((restored.len(), time_base), (n_frames, Rational::new(1, 1000)));
    for (k, frame) in restored.iter().enumerate().skip(1).take(n_frames - 2) {
        let best = film[k - 1..=k + 1].iter().map(|f| luma_psnr(f, frame)).fold(0.0, f64::max);
        assert!(best > 40.0, "frame {k}: {best} dB");
    }
}

#[test]
fn deinterlacing_keeps_frames_and_times_or_doubles_them() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let source = motion("50", 40);
    let clip = make(folder.path(), "tff.mkv", &source, TFF, FFV1);
    // The pictures that the fields were taken from.
    let pictures = frames(&make(folder.path(), "pictures.mkv", &motion("50", 80), "", FFV1));
    let whole = frames(&clip);
    for deinterlacer in [Deinterlacer::Bwdif, Deinterlacer::Yadif, Deinterlacer::W3fdif] {
        let filters = |rate| fields(FieldFilter::Deinterlace { deinterlacer, rate, order: FieldOrder::Tff });
        let (time_base, single) = filtered(&clip, filters(FieldRate::Frame));
        assert_eq!(time_base, Rational::new(1, 1000));
        let pts = |frames: &[Frame]| frames.iter().map(|f| f.pts).collect::<Vec<_>>();
        assert_eq!(pts(&single), pts(&whole), "{deinterlacer:?}");
        let (time_base, double) = filtered(&clip, filters(FieldRate::Field));
        assert_eq!((time_base, double.len()), (Rational::new(1, 2000), 2 * whole.len()), "{deinterlacer:?}");
        // Each second frame lies halfway to the next.
        let expected: Vec<i64> = (0..80).map(|k| k * 40).collect();
        assert_eq!(pts(&double), expected, "{deinterlacer:?}");
        // The right field order follows the motion; the wrong one jumps back and forth.
        let quality = |frames: &[Frame]| {
            let all = frames.iter().zip(&pictures).skip(4).take(70);
            all.map(|(a, b)| luma_psnr(a, b)).sum::<f64>() / 70.0
        };
        let wrong =
            fields(FieldFilter::Deinterlace { deinterlacer, rate: FieldRate::Field, order: FieldOrder::Bff });
        let (right, wrong) = (quality(&double), quality(&filtered(&clip, wrong).1));
        assert!(right > wrong + 1.0, "{deinterlacer:?}: {right} and {wrong} dB");
    }
}

#[test]
fn a_part_is_the_same_through_filters() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let clip = make(folder.path(), "tff.mkv", &motion("50", 120), TFF, &format!("{FFV1} -g 1"));
    let filters = fields(FieldFilter::Deinterlace {
        deinterlacer: Deinterlacer::Bwdif,
        rate: FieldRate::Field,
        order: FieldOrder::Tff,
    });
    let (_, whole) = filtered(&clip, filters);
    let part =
        DecodeOptions { start_secs: Some(3.02), duration_secs: Some(0.5), filters, ..DecodeOptions::WHOLE };
    let part: Vec<Frame> = decoder(&clip, &part).unwrap().map(Result::unwrap).collect();
    assert_eq!(part.len(), 25);
    assert!(part == whole[151..176], "frames {} to {}", part[0].pts, part[24].pts);
}

#[test]
fn combed_frames_are_warned_of_and_auto_acts_where_it_is_sure() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let choose = |clip: &Path, given: &[(&str, &str)]| {
        options(given).choose(&scanned(clip), probed(clip).video(0).unwrap())
    };
    let both: &[(&str, &str)] = &[("deinterlace", "auto"), ("ivtc", "auto"), ("deinterlace-rate", "field")];
    let tff = make(folder.path(), "tff.mkv", &motion("50", 50), TFF, FFV1);
    let silent = choose(&tff, &[]);
    assert_eq!(silent.filters, PictureFilters::NONE);
    assert!(
        silent.warnings[0].contains("interlaced") && silent.warnings[0].contains("--deinterlace auto"),
        "{silent:?}"
    );
    let bwdif = FieldFilter::Deinterlace {
        deinterlacer: Deinterlacer::Bwdif,
        rate: FieldRate::Field,
        order: FieldOrder::Tff,
    };
    assert_eq!(choose(&tff, both).filters.fields, bwdif);
    let film = motion("24000/1001", 64);
    let telecined = make(folder.path(), "telecined.mkv", &film, PULLDOWN, FFV1);
    for given in [&[] as &[_], &[("deinterlace", "auto")]] {
        let kept = choose(&telecined, given);
        assert_eq!(kept.filters, PictureFilters::NONE);
        assert!(kept.warnings[0].contains("--ivtc auto"), "{kept:?}");
    }
    let progressive = make(folder.path(), "progressive.mkv", &film, "", FFV1);
    let nothing = choose(&progressive, both);
    assert_eq!((nothing.filters, nothing.warnings.len()), (PictureFilters::NONE, 0), "{nothing:?}");
    assert!(choose(&progressive, &[]).notes.is_empty());
    assert_eq!(choose(&progressive, &[("deinterlace", "bwdif")]).warnings.len(), 1);
    assert!(!choose(&tff, &[("ivtc", "on")]).warnings.is_empty());
    let order = choose(&tff, &[("deinterlace", "yadif"), ("field-order", "bff")]);
    assert!(matches!(order.filters.fields, FieldFilter::Deinterlace { order: FieldOrder::Bff, .. }));
    // Half of it interlaced, half of it progressive.
    let parts: Vec<PathBuf> = ["a.mkv", "b.mkv"].iter().map(|name| folder.path().join(name)).collect();
    ffmpeg(&format!("{},format=yuv420p {FFV1}", motion("25", 250)), &parts[0]);
    ffmpeg(&format!("{},format=yuv420p{TFF} {FFV1}", motion("50", 250)), &parts[1]);
    let list = folder.path().join("list.txt");
    std::fs::write(&list, "file a.mkv\nfile b.mkv\n").unwrap();
    let mixed = folder.path().join("mixed.mkv");
    ffmpeg(&format!("-f concat -i {} -c copy", list.display()), &mixed);
    let scan = scanned(&mixed);
    assert_eq!((scan.scan_type, scan.n_samples), (ScanType::Mixed, 8), "{scan}");
    let kept = choose(&mixed, both);
    assert_eq!((kept.filters.fields, kept.warnings.len()), (FieldFilter::Keep, 1), "{kept:?}");
}

/// Makes flags of 2:3 pulldown in an MPEG-2 stream that has none: soft telecine.
fn soften(mpeg2: &mut [u8]) {
    let starts: Vec<usize> =
        (0..mpeg2.len() - 9).filter(|&at| mpeg2[at..at + 4] == [0, 0, 1, 0xb5]).map(|at| at + 4).collect();
    let mut n = 0;
    for at in starts {
        match mpeg2[at] >> 4 {
            // Sequence extension: progressive_sequence is bit 12.
            1 => mpeg2[at + 1] &= !0x08,
            // Picture coding extension: top_field_first is bit 24, repeat_first_field bit 30, progressive_frame bit 32.
            8 => {
                let (top, repeat) = [(1, 1), (0, 0), (0, 1), (1, 0)][n % 4];
                mpeg2[at + 3] = mpeg2[at + 3] & !0x82 | top << 7 | repeat << 1;
                mpeg2[at + 4] |= 0x80;
                n += 1;
            }
            _ => {}
        }
    }
}

#[test]
fn soft_telecine_needs_nothing() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let raw = folder.path().join("soft.m2v");
    // Without B frames, coded order is the order of display. 256 rows are whole pairs of macroblocks.
    let source = motion("24000/1001", 64);
    ffmpeg(&format!("{source},scale=320:256,format=yuv420p -c:v mpeg2video -q:v 3 -bf 0"), &raw);
    let mut bytes = std::fs::read(&raw).unwrap();
    soften(&mut bytes);
    std::fs::write(&raw, bytes).unwrap();
    let scan = scanned(&raw);
    assert_eq!(scan.scan_type, ScanType::Progressive, "{scan}");
    assert!(scan.flags.is_soft_telecine(), "{:?}", scan.flags);
    assert!(scan.to_string().contains("for the player to repeat"), "{scan}");
    let chosen = options(&[("ivtc", "auto")]).choose(&scan, probed(&raw).video(0).unwrap());
    assert_eq!((chosen.filters, chosen.warnings.len()), (PictureFilters::NONE, 0), "{chosen:?}");
    assert_eq!(frames(&raw).len(), 64);
}

#[test]
fn crop_and_pad_keep_samples_format_and_times() {
    let Some(_) = tools() else { return };
    let folder = folder();
    for (name, pix_fmt, range) in
        [("a.mkv", "yuv420p", "tv"), ("b.mkv", "yuv422p10le", "pc"), ("c.avi", "yuyv422", "tv")]
    {
        let clip = folder.path().join(name);
        let codec = if pix_fmt == "yuyv422" { "rawvideo" } else { "ffv1" };
        ffmpeg(
            &format!(
                "-f lavfi -i testsrc2=s=96x64:r=25 -frames:v 4 -vf setsar=16/15 -c:v {codec} -pix_fmt {pix_fmt} -color_range {range}"
            ),
            &clip,
        );
        let whole = frames(&clip);
        let crop = Crop { width: 40, height: 30, x: 16, y: 8 };
        let (_, cut) = filtered(&clip, PictureFilters { crop: Some(crop), ..PictureFilters::NONE });
        let both = PictureFilters { crop: Some(crop), pad: Some((64, 50)), ..PictureFilters::NONE };
        let (time_base, padded) = filtered(&clip, both);
        assert_eq!((cut.len(), padded.len()), (4, 4));
        assert_eq!(time_base, probed(&clip).video(0).unwrap().time_base);
        let bytes = whole[0].format.bytes_per_sample();
        for ((whole, cut), padded) in whole.iter().zip(&cut).zip(&padded) {
            assert_eq!(
                (cut.width, cut.height, cut.format, cut.pts),
                (40, 30, whole.format, whole.pts),
                "{name}"
            );
            assert_eq!(
                (padded.width, padded.height, padded.format, padded.pts),
                (64, 50, whole.format, whole.pts)
            );
            padded.validate().unwrap();
            let sample =
                |f: &Frame, x: usize, y: usize| f.planes[0].data[(y * f.planes[0].width + x) * bytes];
            for (x, y) in [(0, 0), (39, 0), (0, 29), (39, 29), (20, 15)] {
                assert_eq!(sample(cut, x, y), sample(whole, 16 + x, 8 + y), "{name}: {x},{y}");
                assert_eq!(sample(padded, 12 + x, 10 + y), sample(cut, x, y), "{name}: {x},{y}");
            }
            assert_eq!(sample(padded, 0, 0), if range == "tv" { 16 } else { 0 }, "{name}");
        }
    }
}

#[test]
fn what_filters_cannot_do_is_refused_in_words() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let clip = folder.path().join("clip.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=96x64:r=25 -frames:v 4 -c:v ffv1 -pix_fmt gbrp", &clip);
    let open = |filters| -> Result<Decoder, MediaError> {
        decoder(&clip, &DecodeOptions { filters, ..DecodeOptions::WHOLE })
    };
    let ivtc = fields(FieldFilter::Ivtc { order: FieldOrder::Tff, decimate: true });
    let error = open(ivtc).err().unwrap();
    assert!(matches!(error, MediaError::FilterFormat { filter: "fieldmatch", .. }), "{error}");
    assert!(error.to_string().contains("gbrp"), "{error}");
    let crop = Some(Crop { width: 100, height: 64, x: 0, y: 0 });
    let error = open(PictureFilters { crop, ..PictureFilters::NONE }).err().unwrap();
    assert!(error.to_string().contains("reaches out of the picture of 96x64"), "{error}");
}

#[test]
fn black_borders_are_found_in_all_samples_together() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let clip = folder.path().join("letterbox.mkv");
    // Ten seconds: the first half is wider than the second, and some of it is black altogether.
    let graph = "[0:v]lutyuv=y=val*0.7+60,format=yuv444p,pad=200:120:20:11,drawbox=x=0:y=0:w=200:h=120:c=black:t=fill:enable=between(n\\,100\\,140),\
                 drawbox=x=20:y=0:w=14:h=120:c=black:t=fill:enable=gt(n\\,160)";
    ffmpeg(
        &format!(
            "-f lavfi -i testsrc2=s=161x98:r=32 -frames:v 320 -filter_complex {graph} -c:v ffv1 -pix_fmt yuv420p"
        ),
        &clip,
    );
    let scan = scanned(&clip);
    assert_eq!(scan.n_samples, 8);
    // 161 columns from 20 on and 98 rows from 11 on, cut to whole pairs.
    assert_eq!(scan.picture, Some(Crop { width: 160, height: 96, x: 20, y: 12 }));
    let chosen =
        options(&[("crop", "auto"), ("pad", "180:110")]).choose(&scan, probed(&clip).video(0).unwrap());
    assert!(chosen.notes[0].contains("--crop 160:96:20:12"), "{chosen:?}");
    let (_, out) = filtered(&clip, chosen.filters);
    assert_eq!((out[0].width, out[0].height, out.len()), (180, 110, 320));
    let open = folder.path().join("open.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=160x98:r=25 -frames:v 20 -c:v ffv1", &open);
    assert_eq!(scanned(&open).picture, None);
}

#[test]
fn a_file_without_an_index_is_not_waited_for() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let raw = folder.path().join("film.h264");
    ffmpeg("-f lavfi -i testsrc2=s=160x120:r=25 -frames:v 500 -c:v libx264 -preset ultrafast", &raw);
    let begin = std::time::Instant::now();
    let scan = scanned(&raw);
    assert_eq!((scan.scan_type, scan.n_samples), (ScanType::Progressive, 1), "{scan}");
    assert!(begin.elapsed().as_secs() < 20);
    let noise = folder.path().join("broken.mkv");
    std::fs::write(&noise, &std::fs::read(&raw).unwrap()[..400]).unwrap();
    if let Ok(probe) = pegbar_media::probe(tools().unwrap(), &noise) {
        let found = scan_of(&noise, &probe);
        assert_eq!(found.scan_type, ScanType::Unknown);
    }
}

fn scan_of(path: &Path, probe: &pegbar_media::Probe) -> Scan {
    scan(tools().unwrap(), path, probe.video(0).unwrap(), probe.duration_secs, &DecodeOptions::WHOLE).unwrap()
}
