//! Sources that take more than one command.

use crate::workbench::{Desk, ffmpeg};
use std::path::Path;

/// H.265 with the colours and the metadata of HDR10.
pub(crate) const HDR10: &str = "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuv420p10le -c:v libx265 -preset ultrafast \
    -x265-params log-level=error:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400 \
    -colorspace bt2020nc -color_primaries bt2020 -color_trc smpte2084 -color_range tv @0";

/// MPEG-2 of 24 frames a second that tells players to repeat fields: what most film DVDs hold.
pub(crate) fn soft_telecine(desk: &Desk, source: &Path) {
    let (progressive, flagged) = (desk.at("progressive.m2v"), desk.at("flagged.m2v"));
    ffmpeg(
        "-f lavfi -i testsrc2=s=64x48:r=30000/1001:d=0.7 -c:v mpeg2video -bf 0 -g 6 -flags +ildct -b:v 1M @0",
        &[&progressive],
    );
    let mut bytes = std::fs::read(&progressive).expect("read");
    let mut n = 0;
    for at in 0..bytes.len() - 9 {
        // A picture coding extension (ISO/IEC 13818-2, 6.2.3.1): identifier 8.
        if bytes[at..at + 4] == [0, 0, 1, 0xb5] && bytes[at + 4] >> 4 == 8 {
            // Fields shown: 3, 2, 3, 2; the first is the top one in two frames, the bottom one in the next two.
            let (top_field_first, repeat_first_field) = [(1, 1), (0, 0), (0, 1), (1, 0)][n % 4];
            bytes[at + 7] = bytes[at + 7] & 0x7d | top_field_first << 7 | repeat_first_field << 1;
            bytes[at + 8] |= 0x80; // progressive_frame
            n += 1;
        }
    }
    assert!(n >= 20, "{n} pictures");
    std::fs::write(&flagged, bytes).expect("written");
    ffmpeg("-fflags +genpts -i @0 -c copy @1", &[&flagged, source]);
}

/// A clip with a display matrix.
pub(crate) fn turned(desk: &Desk, source: &Path, degrees: i32) {
    let straight = desk.at("straight.mp4");
    ffmpeg(
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -f lavfi -i sine=d=0.5 -c:v libx264 -preset ultrafast -c:a aac @0",
        &[&straight],
    );
    // Version 5 takes the tag, later ones the option.
    ffmpeg(&format!("-i @0 -c copy -metadata:s:v rotate={degrees} @1"), &[&straight, source]);
}

const SUBTITLES: &str =
    "1\n00:00:00,100 --> 00:00:00,500\nHello\n\n2\n00:00:00,600 --> 00:00:00,900\n<i>Bye</i>\n";
const CHAPTERS: &str = ";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=400\ntitle=One\n\
    [CHAPTER]\nTIMEBASE=1/1000\nSTART=400\nEND=1000\ntitle=Zwei\n";

/// Two sound tracks, two of subtitles, chapters, a font and a cover.
pub(crate) fn everything(desk: &Desk, source: &Path) {
    let (subtitles, chapters) = (desk.at("s.srt"), desk.at("c.txt"));
    let (font, cover) = (desk.at("f.ttf"), desk.at("cover.jpg"));
    std::fs::write(&subtitles, SUBTITLES).expect("written");
    std::fs::write(&chapters, CHAPTERS).expect("written");
    std::fs::write(&font, (0..=255).collect::<Vec<u8>>()).expect("written");
    ffmpeg("-f lavfi -i testsrc2=s=32x32 -frames:v 1 @0", &[&cover]);
    ffmpeg(
        "-f lavfi -i testsrc2=s=64x48:r=25:d=1 -f lavfi -i sine=d=1 -f lavfi -i sine=f=880:d=1 -i @0 -i @1 \
         -map 0 -map 1 -map 2 -map 3 -map 3 -map_metadata 4 -map_chapters 4 -c:v libx264 -preset fast -bf 2 \
         -c:a:0 aac -c:a:1 flac -c:s:0 srt -c:s:1 ass -metadata:s:a:0 language=eng -metadata:s:a:1 language=ger \
         -metadata:s:a:1 title=Kommentar -disposition:a:0 0 -disposition:a:1 default+comment \
         -metadata:s:s:0 language=eng -metadata:s:s:1 language=fre -metadata:s:s:1 title=Signs -disposition:s:1 forced \
         -attach @2 -metadata:s:t:0 mimetype=application/x-truetype-font -attach @3 -metadata:s:t:1 mimetype=image/jpeg \
         -metadata:s:t:1 filename=cover.jpg @4",
        &[&subtitles, &chapters, &font, &cover, source],
    );
}

/// Two sound tracks, subtitles, chapters and a cover.
pub(crate) fn everything_in_mp4(desk: &Desk, source: &Path) {
    let (subtitles, chapters, cover) = (desk.at("s.srt"), desk.at("c.txt"), desk.at("cover.png"));
    std::fs::write(&subtitles, SUBTITLES).expect("written");
    std::fs::write(&chapters, CHAPTERS).expect("written");
    ffmpeg("-f lavfi -i testsrc2=s=32x32 -frames:v 1 @0", &[&cover]);
    ffmpeg(
        "-f lavfi -i testsrc2=s=64x48:r=25:d=1 -f lavfi -i sine=d=1 -f lavfi -i sine=f=880:d=1 -i @0 -i @1 -i @2 \
         -map 0 -map 1 -map 2 -map 3 -map 5 -map_metadata 4 -map_chapters 4 -c:v:0 libx264 -preset fast -bf 2 -c:v:1 copy \
         -c:a:0 aac -c:a:1 ac3 -c:s mov_text -metadata:s:a:0 language=eng -metadata:s:a:1 language=ger \
         -metadata:s:s:0 language=eng -disposition:v:1 attached_pic @3",
        &[&subtitles, &chapters, &cover, source],
    );
}

/// A Blu-ray's subtitles: one picture of 8x4 pixels that comes at 0.2 s and goes at 0.6 s.
fn presentation_graphics() -> Vec<u8> {
    let mut file = Vec::new();
    let mut segment = |at_ms: u32, kind: u8, body: &[u8]| {
        file.extend_from_slice(b"PG");
        file.extend_from_slice(&(at_ms * 90).to_be_bytes());
        file.extend_from_slice(&[0; 4]);
        file.push(kind);
        file.extend_from_slice(&(body.len() as u16).to_be_bytes());
        file.extend_from_slice(body);
    };
    // Each row: eight pixels of colour 1, then the end of the line.
    let rows: Vec<u8> = [0, 0x88, 1, 0, 0].repeat(4);
    let mut object = vec![0, 0, 0, 0xc0];
    object.extend_from_slice(&(rows.len() as u32 + 4).to_be_bytes()[1..]);
    object.extend_from_slice(&[0, 8, 0, 4]);
    object.extend_from_slice(&rows);
    let composition = |n: u8, objects: &[u8]| [&[0, 64, 0, 48, 0x10, 0, n, 0x80, 0, 0], objects].concat();
    let window = [1, 0, 0, 4, 0, 4, 0, 8, 0, 4];
    segment(200, 0x16, &composition(0, &[1, 0, 0, 0, 0, 0, 4, 0, 4]));
    segment(200, 0x17, &window);
    segment(200, 0x14, &[0, 0, 1, 235, 128, 128, 255]);
    segment(200, 0x15, &object);
    segment(200, 0x80, &[]);
    segment(600, 0x16, &composition(1, &[0]));
    segment(600, 0x17, &window);
    segment(600, 0x80, &[]);
    file
}

/// A film with a Blu-ray's subtitles.
pub(crate) fn bitmap_subtitles(desk: &Desk, source: &Path) {
    let pictures = desk.at("pictures.sup");
    std::fs::write(&pictures, presentation_graphics()).expect("written");
    ffmpeg(
        "-f lavfi -i testsrc2=s=64x48:r=25:d=1 -i @0 -map 0 -map 1 -c:v libx264 -preset ultrafast -c:s copy \
         -metadata:s:s language=eng @1",
        &[&pictures, source],
    );
}

/// MPEG-2, AC-3 and subtitles as on a DVD.
pub(crate) fn dvd_title(desk: &Desk, source: &Path) {
    let pictures = desk.at("pictures.sup");
    std::fs::write(&pictures, presentation_graphics()).expect("written");
    ffmpeg(
        "-f lavfi -i testsrc2=s=72x48:r=30000/1001:d=1 -f lavfi -i sine=r=48000:d=1 -i @0 -map 0 -map 1 -map 2 \
         -aspect 4:3 -c:v mpeg2video -bf 2 -g 15 -c:a ac3 -c:s dvdsub @1",
        &[&pictures, source],
    );
}

/// An MP3 with a picture.
pub(crate) fn song_with_cover(desk: &Desk, source: &Path) {
    let cover = desk.at("cover.jpg");
    ffmpeg("-f lavfi -i testsrc2=s=32x32 -frames:v 1 @0", &[&cover]);
    ffmpeg("-f lavfi -i sine=d=0.5 -i @0 -map 0 -map 1 -c:a libmp3lame -c:v copy @1", &[&cover, source]);
}

/// Subtitles without a film.
pub(crate) fn words(_: &Desk, source: &Path) {
    std::fs::write(source, SUBTITLES).expect("written");
}

/// What a camera's sensor saw, before anybody made colours of it.
pub(crate) fn sensor(desk: &Desk, source: &Path) {
    let samples = desk.at("samples.raw");
    std::fs::write(&samples, vec![100; 64 * 48 * 5]).expect("written");
    ffmpeg("-f rawvideo -pixel_format bayer_rggb8 -video_size 64x48 -i @0 -c:v copy @1", &[&samples, source]);
}
