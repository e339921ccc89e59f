//! Everything beside the picture.

use std::path::{Path, PathBuf};

use pegbar_media::{Container, DecodeOptions, StreamKind, check_container};

use crate::support::{
    FAST_H264, ffmpeg, ffprobe_says, folder, frame_hashes, packet_hashes, pass_through, probed, tools,
};

const WHOLE: DecodeOptions = DecodeOptions::WHOLE;

/// A film with a second picture, two languages, subtitles, chapters, a font and a cover, the picture not first.
fn full_film(folder: &Path) -> PathBuf {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let srt = write("a.srt", "1\n00:00:00,100 --> 00:00:00,900\nHello <i>there</i>\n");
    let ass = write(
        "b.ass",
        "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,Arial,20\n\n\
         [Events]\nFormat: Layer, Start, End, Style, Text\nDialogue: 0,0:00:00.20,0:00:00.80,Default,{\\b1}Sign\n",
    );
    let chapters = write(
        "chapters.txt",
        ";FFMETADATA1\ntitle=A film\nartist=Somebody\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=400\ntitle=One\n\
         [CHAPTER]\nTIMEBASE=1/1000\nSTART=400\nEND=1000\ntitle=Two\n",
    );
    let font = write("font.ttf", "not really a font");
    let cover = folder.join("cover.png");
    ffmpeg("-f lavfi -i testsrc=s=32x32 -frames:v 1", &cover);
    let cover = cover.display().to_string();
    let film = folder.join("film.mkv");
    ffmpeg(
        &format!(
            "-f lavfi -i sine=440:d=1 -f lavfi -i testsrc2=s=64x48:r=25:d=1 -f lavfi -i sine=880:d=1 -i {srt} -i {ass} \
             -i {chapters} -map 0 -map 1 -map 2 -map 3 -map 4 -map_metadata 5 -map_chapters 5 -c:a:0 aac -c:a:1 flac \
             -c:v libx264 -preset ultrafast -c:s copy -metadata:s:a:0 language=eng -metadata:s:a:1 language=fra \
             -metadata:s:a:1 title=Commentary -metadata:s:s:0 language=deu -disposition:a:0 default \
             -disposition:a:1 comment -disposition:s:1 forced -disposition:v:0 default -attach {font} \
             -metadata:s:t:0 mimetype=font/ttf -metadata:s:t:0 filename=font.ttf -attach {cover} \
             -metadata:s:t:1 mimetype=image/png -metadata:s:t:1 filename=cover.png"
        ),
        &film,
    );
    film
}

/// Kind, codec, language, title and dispositions of each stream.
fn describe(path: &Path) -> Vec<String> {
    probed(path)
        .streams
        .iter()
        .map(|s| {
            let codec =
                if s.kind == StreamKind::Video && !s.tags.contains_key("filename") { "" } else { &s.codec };
            let tag = |key: &str| s.tags.get(key).cloned().unwrap_or_default();
            let title = (tag("language"), tag("title"), tag("filename"));
            format!("{} {codec} {title:?} {:?}", s.kind, s.disposition)
        })
        .collect()
}

#[test]
fn matroska_keeps_everything_in_its_place() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let film = full_film(folder.path());
    let source = probed(&film);
    assert_eq!(source.streams.len(), 7);
    assert_eq!(source.video(0).unwrap().index, 1);
    assert!(check_container(&source, source.video(0).unwrap(), Container::Mkv).is_empty());
    let output = folder.path().join("out.mkv");
    let report = pass_through(&film, &output, "ffv1", &WHOLE).unwrap();
    assert!(report.warnings.is_empty(), "{report:?}");
    let result = probed(&output);
    assert_eq!(describe(&output), describe(&film));
    assert_eq!(result.chapters, source.chapters);
    assert_eq!(result.tags["title"], "A film");
    assert_eq!(result.tags["ARTIST"], "Somebody");
    assert_eq!(frame_hashes(&output, 0), frame_hashes(&film, 0));
    for specifier in ["a", "s", "v:1"] {
        assert_eq!(packet_hashes(&output, specifier), packet_hashes(&film, specifier), "{specifier}");
    }
    let font = |path: &Path| ffprobe_says(path, "-select_streams t -show_entries stream=extradata_size");
    assert_eq!(font(&output), font(&film));
    let tags = &result.streams[1].tags;
    let encoder = tags.iter().find(|(k, _)| k.eq_ignore_ascii_case("encoder"));
    assert!(encoder.is_none_or(|(_, v)| v.contains("ffv1")), "not that of the source: {encoder:?}");
}

#[test]
fn mp4_keeps_what_it_can_and_says_the_rest_before() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let film = full_film(folder.path());
    let source = probed(&film);
    let notes = check_container(&source, source.video(0).unwrap(), Container::Mp4);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains("ass") && notes[1].contains("font.ttf"), "{notes:?}");
    let output = folder.path().join("out.mp4");
    let report = pass_through(&film, &output, FAST_H264, &WHOLE).unwrap();
    assert!(report.warnings.is_empty(), "{report:?}");
    let result = probed(&output);
    // The muxer adds a track of chapter titles.
    let codecs: Vec<_> =
        result.streams.iter().map(|s| s.codec.as_str()).filter(|c| *c != "bin_data").collect();
    assert_eq!(codecs, ["aac", "h264", "flac", "mov_text", "mov_text", "png"]);
    assert!(result.streams.last().unwrap().video.as_ref().unwrap().attached_pic);
    assert_eq!(packet_hashes(&output, "a"), packet_hashes(&film, "a"));
    let titles =
        |p: &pegbar_media::Probe| p.chapters.iter().map(|c| c.tags["title"].clone()).collect::<Vec<_>>();
    assert_eq!(titles(&result), titles(&source));
    assert_eq!(result.streams[2].tags["language"], "fra");
    let text = |path: &Path| crate::support::ffmpeg_says(path, "-map 0:s:0 -f srt -");
    assert!(text(&film).contains("Hello"));
    assert_eq!(text(&output), text(&film));
    // And back: what MP4 has, Matroska can hold.
    let back = folder.path().join("back.mkv");
    let notes = check_container(&result, result.video(0).unwrap(), Container::Mkv);
    assert!(notes.is_empty(), "{notes:?}");
    pass_through(&output, &back, FAST_H264, &WHOLE).unwrap();
    let codecs: Vec<_> = probed(&back).streams.iter().map(|s| s.codec.clone()).collect();
    assert_eq!(codecs, ["aac", "h264", "flac", "subrip", "subrip", "png"]);
    assert!(!probed(&back).tags.keys().any(|k| k.eq_ignore_ascii_case("major_brand")));
}

#[test]
fn presets_write_their_containers() {
    let Some(tools) = tools() else { return };
    let folder = folder();
    let source = folder.path().join("source.mkv");
    ffmpeg(
        "-f lavfi -i testsrc2=s=66x66:r=25 -f lavfi -i sine=d=0.2 -frames:v 4 -c:v ffv1 -pix_fmt yuv420p -c:a libopus",
        &source,
    );
    for (encode, extension, codec) in [
        ("h264", "mp4", "h264"),
        ("h265", "mkv", "hevc"),
        ("h265", "mp4", "hevc"),
        ("av1", "webm", "av1"),
        ("ffv1", "mkv", "ffv1"),
        ("-c:v libvpx-vp9 -crf 30 -b:v 0", "webm", "vp9"),
    ] {
        let output = folder.path().join(format!("out.{extension}"));
        let report =
            pass_through(&source, &output, encode, &WHOLE).unwrap_or_else(|e| panic!("{encode}: {e}"));
        // One version complains about each copied Opus packet.
        assert!(report.warnings.iter().all(|w| w.contains("[opus]")), "{encode}: {report:?}");
        let result = probed(&output);
        let video = result.video(0).unwrap();
        assert_eq!((video.codec.as_str(), video.pix_fmt.as_str()), (codec, "yuv420p"));
        assert_eq!(frame_hashes(&output, 0).len(), 4);
        assert_eq!(packet_hashes(&output, "a"), packet_hashes(&source, "a"));
    }
    // ProRes is 4:2:2 at 10 bits, which frames must be converted to first.
    let source = folder.path().join("source10.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=64x64:r=25 -frames:v 4 -c:v ffv1 -pix_fmt yuv422p10le", &source);
    let output = folder.path().join("out.mov");
    pass_through(&source, &output, "prores", &WHOLE).unwrap();
    assert_eq!(probed(&output).video(0).unwrap().profile.as_deref(), Some("HQ"));
    assert!(tools.has_encoder("prores_ks").unwrap());
}

#[test]
fn a_turned_film_stays_turned() {
    let Some(tools) = tools() else { return };
    let folder = folder();
    let upright = folder.path().join("upright.mp4");
    ffmpeg("-f lavfi -i testsrc2=s=64x32:r=25 -f lavfi -i sine=d=0.2 -frames:v 4 -c:v libx264", &upright);
    let source = folder.path().join("source.mp4");
    if tools.version_number.major >= 6 {
        ffmpeg(&format!("-display_rotation 90 -i {} -c copy", upright.display()), &source);
    } else {
        ffmpeg(&format!("-i {} -c copy -metadata:s:v:0 rotate=90", upright.display()), &source);
    }
    let degrees = probed(&source).video(0).unwrap().rotation_degrees;
    assert_eq!(degrees.abs(), 90.0);
    let output = folder.path().join("out.mp4");
    pass_through(&source, &output, "-c:v libx264 -qp 0", &WHOLE).unwrap();
    let result = probed(&output);
    let video = result.video(0).unwrap();
    assert_eq!((video.width, video.height, video.rotation_degrees), (64, 32, degrees));
    let output = folder.path().join("out.mkv");
    let report = pass_through(&source, &output, "-c:v libx264 -qp 0", &WHOLE).unwrap();
    let kept = probed(&output).video(0).unwrap().rotation_degrees == degrees;
    assert!(kept != report.warnings.iter().any(|w| w.contains("turned")), "{report:?}");
}
