//! The table of sources, by what is special about them.

use crate::making;
use crate::row::Except::{
    Called, Dropped, Early, HiddenMastering, Rate, Rewrapped, Rewritten, Tag, Unturned,
};
use crate::row::{MKV, Outcome, Output, Row, plain, row};

const X264: &[&str] = &["libx264"];
const X265: &[&str] = &["libx265"];

/// How often frames follow one another.
pub(crate) const RATES: &[Row] = &[
    row(
        "variable rate",
        "vfr.mkv",
        X264,
        "-f lavfi -i testsrc2=s=64x48:r=25:d=1.2 -vf select=not(mod(n\\,3))+gt(n\\,20) -fps_mode vfr -c:v libx264 -preset ultrafast @0",
    ),
    row(
        "variable rate, B-frames",
        "vfr.mp4",
        X264,
        "-f lavfi -i testsrc2=s=64x48:r=24000/1001:d=1.2 -vf select=mod(n\\,5) -fps_mode vfr -c:v libx264 -preset fast -bf 3 @0",
    ),
    row(
        "23.976",
        "23.976.mp4",
        X264,
        "-f lavfi -i testsrc2=s=64x48:r=24000/1001:d=1 -c:v libx264 -preset ultrafast @0",
    ),
    row("25", "25.mkv", X264, "-f lavfi -i testsrc2=s=64x48:r=25:d=1 -c:v libx264 -preset ultrafast @0"),
    row(
        "29.97",
        "29.97.mp4",
        X264,
        "-f lavfi -i testsrc2=s=64x48:r=30000/1001:d=1 -c:v libx264 -preset ultrafast @0",
    ),
    row(
        "59.94",
        "59.94.mkv",
        X264,
        "-f lavfi -i testsrc2=s=64x48:r=60000/1001:d=0.5 -c:v libx264 -preset ultrafast @0",
    ),
    row(
        "hard telecine 2:3",
        "telecine.mpg",
        &["mpeg2video"],
        "-f lavfi -i testsrc2=s=64x48:r=24000/1001:d=1 -vf telecine=pattern=23 -c:v mpeg2video -flags +ildct+ilme -top 1 -b:v 1M @0",
    ),
    Row::made("soft telecine 2:3", "pulldown.mpg", &["mpeg2video"], making::soft_telecine),
    row(
        "interlaced, top field first",
        "tff.mkv",
        X264,
        "-f lavfi -i testsrc2=s=64x64:r=50:d=0.6 -vf tinterlace=interleave_top,setfield=tff -c:v libx264 -preset ultrafast -x264-params tff=1 @0",
    ),
    row(
        "interlaced, bottom field first",
        "bff.mpg",
        &["mpeg2video"],
        "-f lavfi -i testsrc2=s=64x64:r=60000/1001:d=0.6 -vf tinterlace=interleave_bottom,setfield=bff -c:v mpeg2video -flags +ildct+ilme -top 0 -b:v 1M @0",
    ),
    row(
        "B-frames and open GOPs",
        "bframes.mkv",
        X264,
        "-f lavfi -i testsrc2=s=64x48:r=25:d=1.2 -c:v libx264 -preset fast -bf 4 -g 8 -x264-params open-gop=1:b-pyramid=2 @0",
    ),
];

/// Sizes, aspects and display matrices.
pub(crate) const GEOMETRY: &[Row] = &[
    row(
        "PAL 4:3",
        "pal43.mp4",
        X264,
        "-f lavfi -i testsrc2=s=72x58:r=25:d=0.5 -vf setsar=16/15 -c:v libx264 -preset ultrafast @0",
    ),
    row(
        "NTSC 16:9",
        "ntsc169.mkv",
        X264,
        "-f lavfi -i testsrc2=s=72x48:r=30:d=0.5 -vf setsar=32/27 -c:v libx264 -preset ultrafast @0",
    ),
    row(
        "NTSC 4:3 on a DVD",
        "ntsc43.vob",
        &["mpeg2video"],
        "-f lavfi -i testsrc2=s=72x48:r=30000/1001:d=0.5 -aspect 4:3 -c:v mpeg2video @0",
    ),
    row(
        "PAL 16:9 in MPEG-4",
        "pal169.avi",
        &["mpeg4"],
        "-f lavfi -i testsrc2=s=72x58:r=25:d=0.5 -vf setsar=64/45 -c:v mpeg4 @0",
    ),
    row(
        "wide pixels",
        "wide.mov",
        X264,
        "-f lavfi -i testsrc2=s=48x96:r=25:d=0.5 -vf setsar=8/3 -c:v libx264 -preset ultrafast @0",
    ),
    Row::made("turned by 90 degrees", "turned90.mp4", X264, |d, out| making::turned(d, out, 90))
        .gives(TURNED),
    Row::made("turned by 180 degrees", "turned180.mp4", X264, |d, out| making::turned(d, out, 180))
        .gives(TURNED),
    row(
        "odd size",
        "odd.mkv",
        &["ffv1"],
        "-f lavfi -i testsrc2=s=719x405:r=25:d=0.12 -pix_fmt yuv420p -c:v ffv1 @0",
    )
    .gives(Outcome::Kept(&[
        Output { container: "mkv", except: TO_HD, says: &["untagged"] },
        Output { container: "mp4", except: TO_HD, says: &["untagged"] },
    ])),
    row(
        "a few pixels",
        "tiny.mkv",
        &["ffv1"],
        "-f lavfi -i testsrc2=s=18x10:r=25:d=0.4 -pix_fmt yuv420p -c:v ffv1 @0",
    ),
];

const TURNED: Outcome = Outcome::Kept(&[
    Output { container: "mkv", except: &[Unturned], says: &["turned the source"] },
    plain("mp4"),
]);
/// Twice the size is high definition, for which players guess another matrix.
const TO_HD: &[crate::row::Except] = &[Tag("color_space", "smpte170m")];

/// Layouts of samples.
pub(crate) const PIXELS: &[Row] = &[
    row(
        "4:2:0, 10 bit",
        "420p10.mkv",
        X264,
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuv420p10le -c:v libx264 -preset ultrafast @0",
    ),
    row(
        "4:2:0, 12 bit",
        "420p12.mkv",
        X265,
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuv420p12le -c:v libx265 -preset ultrafast -x265-params log-level=error @0",
    ),
    row(
        "4:2:2, 8 bit",
        "422.mkv",
        &["ffv1"],
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuv422p -c:v ffv1 @0",
    ),
    row(
        "4:2:2, 10 bit",
        "422p10.mov",
        &["v210"],
        "-f lavfi -i testsrc2=s=96x48:r=25:d=0.5 -pix_fmt yuv422p10le -c:v v210 @0",
    ),
    row(
        "4:4:4, 8 bit",
        "444.mkv",
        X264,
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuv444p -c:v libx264 -preset ultrafast @0",
    ),
    row(
        "4:4:4, 12 bit",
        "444p12.mkv",
        X265,
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuv444p12le -c:v libx265 -preset ultrafast -x265-params log-level=error @0",
    ),
    row(
        "4:1:1",
        "411.mkv",
        &["ffv1"],
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuv411p -c:v ffv1 @0",
    ),
    row(
        "4:1:0",
        "410.mkv",
        &["ffv1"],
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuv410p -c:v ffv1 @0",
    ),
    row(
        "4:4:0",
        "440.mkv",
        &["ffv1"],
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuv440p -c:v ffv1 @0",
    ),
    row(
        "packed 4:2:2",
        "yuyv.avi",
        &["rawvideo"],
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.4 -pix_fmt yuyv422 -c:v rawvideo @0",
    ),
    row("gray", "gray.mkv", &["ffv1"], "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt gray -c:v ffv1 @0"),
    row(
        "gray, 10 bit",
        "gray10.mkv",
        &["ffv1"],
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt gray10le -c:v ffv1 @0",
    ),
    row(
        "planar RGB",
        "rgb.mkv",
        &["libx264rgb"],
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt rgb24 -c:v libx264rgb -preset ultrafast @0",
    )
    .gives(RGB),
    row(
        "packed RGB",
        "qtrle.mov",
        &["qtrle"],
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt rgb24 -c:v qtrle @0",
    )
    .gives(RGB),
    row(
        "RGB, 16 bit",
        "rgb48.mkv",
        &["ffv1"],
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.3 -pix_fmt gbrp16le -c:v ffv1 @0",
    )
    .gives(RGB),
    row(
        "RGB kept as RGB",
        "rgb.avi",
        &["ffv1", "huffyuv"],
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.3 -pix_fmt rgb24 -c:v huffyuv @0",
    )
    .with(&["--encode", "ffv1"])
    .gives(Outcome::Kept(&[Output {
        container: "mkv",
        except: &[Tag("color_space", "gbr"), Tag("color_range", "pc")],
        says: &[],
    }])),
    row(
        "alpha",
        "alpha.mov",
        &["prores_ks"],
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.3 -vf format=yuva444p10le -c:v prores_ks -profile:v 4444 @0",
    )
    .gives(Outcome::Kept(&[
        Output { container: "mkv", except: &[], says: &["alpha"] },
        Output { container: "mp4", except: &[], says: &["alpha"] },
    ])),
];

const TO_YUV: &[crate::row::Except] = &[Tag("color_space", "smpte170m"), Tag("color_range", "tv")];
const RGB: Outcome = Outcome::Kept(&[
    Output { container: "mkv", except: TO_YUV, says: &[] },
    Output { container: "mp4", except: TO_YUV, says: &[] },
]);

/// What the numbers mean.
pub(crate) const COLOURS: &[Row] = &[
    row("BT.601, 525 lines", "601-525.mp4", X264, "-f lavfi -i testsrc2=s=72x48:r=25:d=0.5 -c:v libx264 -preset ultrafast -colorspace smpte170m -color_primaries smpte170m -color_trc smpte170m -color_range tv @0"),
    row("BT.601, 625 lines", "601-625.mkv", X264, "-f lavfi -i testsrc2=s=72x58:r=25:d=0.5 -c:v libx264 -preset ultrafast -colorspace bt470bg -color_primaries bt470bg -color_trc gamma28 -color_range tv @0"),
    row("BT.709", "709.mkv", X264, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -c:v libx264 -preset ultrafast -colorspace bt709 -color_primaries bt709 -color_trc bt709 @0"),
    row("BT.2020, SDR", "2020.mp4", X265, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuv420p10le -c:v libx265 -preset ultrafast -x265-params log-level=error -colorspace bt2020nc -color_primaries bt2020 -color_trc bt2020-10 @0"),
    row("full range", "full.mp4", X264, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuvj420p -c:v libx264 -preset ultrafast @0"),
    row("limited range", "limited.mkv", X264, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -c:v libx264 -preset ultrafast -color_range tv @0"),
    row("untagged", "untagged.mp4", X264, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuv420p -c:v libx264 -preset ultrafast @0"),
    row("sRGB transfer, centred chroma", "srgb.mkv", X264, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuv420p -c:v libx264 -preset ultrafast -color_trc iec61966-2-1 -chroma_sample_location center @0"),
    row("HLG", "hlg.mkv", X265, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuv420p10le -c:v libx265 -preset ultrafast -x265-params log-level=error -colorspace bt2020nc -color_primaries bt2020 -color_trc arib-std-b67 @0"),
    row("HDR10 to H.265", "hdr265.mkv", X265, making::HDR10).with(&["--encode", "h265", "--preset", "ultrafast"]),
    row("HDR10 to H.264", "hdr264.mp4", X265, making::HDR10).gives(Outcome::Kept(&[
        Output { container: "mkv", except: &[HiddenMastering], says: &[] },
        Output { container: "mp4", except: &[HiddenMastering], says: &[] },
    ])),
    row("HDR10 to AV1", "hdrav1.ts", &["libx265", "libsvtav1"], making::HDR10).with(&["--encode", "av1", "--preset", "12"]),
    row("HDR10 from AV1", "av1hdr.mkv", &["libx265", "libsvtav1"], "-f lavfi -i testsrc2=s=64x64:r=25:d=0.4 -pix_fmt yuv420p10le -c:v libsvtav1 -preset 12 -colorspace bt2020nc -color_primaries bt2020 -color_trc smpte2084 -svtav1-params mastering-display=G(0.265,0.69)B(0.15,0.06)R(0.68,0.32)WP(0.3127,0.329)L(1000.0,0.0001):content-light=1000,400 @0")
        .with(&["--encode", "h265", "--preset", "ultrafast"])
        .gives(MKV),
];

/// Time stamps that do not begin at zero, or are not there.
pub(crate) const TIMES: &[Row] = &[
    row("late start", "late.mkv", X264, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -f lavfi -i sine=d=0.8 -c:v libx264 -preset fast -bf 2 -c:a aac -output_ts_offset 5 @0"),
    row("late start by an edit list", "late.mp4", X264, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -f lavfi -i sine=d=0.8 -c:v libx264 -preset fast -bf 2 -c:a aac -output_ts_offset 5 @0"),
    row("sound before the picture", "sound-first.mp4", X264, "-f lavfi -i sine=d=1.5 -itsoffset 0.5 -f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -map 1 -map 0 -c:v libx264 -preset fast -bf 2 -c:a aac @0"),
    row("picture before the sound", "picture-first.mkv", X264, "-itsoffset 0.5 -f lavfi -i sine=d=0.8 -f lavfi -i testsrc2=s=64x48:r=25:d=1.2 -map 1 -map 0 -c:v libx264 -preset fast -bf 2 -c:a aac @0"),
    row("negative DTS", "dts.mp4", X264, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -c:v libx264 -preset fast -bf 2 -avoid_negative_ts disabled -movflags negative_cts_offsets @0"),
    row("no edit list", "noedit.mp4", X264, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -c:v libx264 -preset fast -bf 2 -use_editlist 0 @0"),
    row("cut by an edit list", "cut.mp4", X264, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -f lavfi -i sine=d=0.8 -c:v libx264 -preset fast -bf 2 -c:a aac -output_ts_offset -0.4 -avoid_negative_ts disabled @0"),
    row("time stamps that wrap around", "wrap.ts", X264, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -c:v libx264 -preset fast -bf 2 -output_ts_offset 95443.3 @0"),
    row("no time stamps, H.264", "raw.h264", X264, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -c:v libx264 -preset fast -bf 2 @0").gives(RATE_25),
    row("no time stamps, MPEG-2", "raw.m2v", &["mpeg2video"], "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -c:v mpeg2video -bf 2 @0").gives(RATE_25),
    row("no time stamps, H.265", "raw.hevc", X265, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -c:v libx265 -preset ultrafast -x265-params log-level=error @0").gives(RATE_25),
    row("no time stamps, MPEG-4", "raw.m4v", &["mpeg4"], "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -c:v mpeg4 -bf 2 @0").gives(RATE_25),
];

const BY_RATE: &[crate::row::Except] = &[Rate(25, 1)];
const RATE_25: Outcome = Outcome::Kept(&[
    Output { container: "mkv", except: BY_RATE, says: &[] },
    Output { container: "mp4", except: BY_RATE, says: &[] },
]);

/// Streams beside the picture.
pub(crate) const STREAMS: &[Row] = &[
    Row::made("all that Matroska holds", "all.mkv", &["libx264", "flac"], making::everything).gives(Outcome::Kept(&[
        plain("mkv"),
        Output {
            container: "mp4",
            except: &[Rewritten("subrip", "mov_text"), Rewritten("ass", "mov_text"), Dropped("ttf")],
            says: &["styles", "ttf"],
        },
    ])),
    Row::made("all that MP4 holds", "all.mp4", X264, making::everything_in_mp4).gives(Outcome::Kept(&[
        Output { container: "mkv", except: &[Rewritten("mov_text", "subrip")], says: &[] },
        plain("mp4"),
    ])),
    Row::made("bitmap subtitles", "pgs.mkv", X264, making::bitmap_subtitles).gives(Outcome::Kept(&[
        plain("mkv"),
        Output { container: "mp4", except: &[Dropped("hdmv_pgs_subtitle")], says: &["hdmv_pgs_subtitle"] },
    ])),
    Row::made("a DVD title", "title.vob", &["mpeg2video", "ac3", "dvdsub"], making::dvd_title),
    row("two films", "two.mkv", &["libx264", "mpeg4"], "-f lavfi -i testsrc2=s=64x48:r=25:d=0.6 -f lavfi -i testsrc=s=32x32:r=10:d=0.6 -map 0 -map 1 -c:v:0 libx264 -preset ultrafast -c:v:1 mpeg4 -metadata:s:v:1 title=Other @0"),
    row("uncompressed sound", "pcm.mov", X264, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.6 -f lavfi -i sine=d=0.6 -c:v libx264 -preset ultrafast -c:a pcm_s24le -metadata:s:a language=fre @0")
        .gives(Outcome::Kept(&[
            plain("mkv"),
            Output { container: "mp4", except: &[Rewritten("pcm_s24le", "alac")], says: &["ALAC"] },
        ])),
    row("no sound", "silent.mkv", X264, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.6 -c:v libx264 -preset ultrafast -metadata:s:v title=Silent -metadata:s:v language=jpn @0"),
];

/// Containers and codecs of all times.
pub(crate) const OLD_CONTAINERS: &[Row] = &[
    row("MPEG-1", "mpeg1.mpg", &["mpeg1video", "mp2"], "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -f lavfi -i sine=d=0.8 -c:v mpeg1video -bf 2 -c:a mp2 @0").gives(LAYER2),
    row("MPEG-2 program stream", "mpeg2.mpg", &["mpeg2video", "mp2"], "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -f lavfi -i sine=d=0.8 -c:v mpeg2video -bf 2 -c:a mp2 @0").gives(LAYER2),
    row("Xvid with packed B-frames", "xvid.avi", &["libxvid", "libmp3lame"], "-f lavfi -i testsrc2=s=64x48:r=25:d=1 -f lavfi -i sine=d=1 -c:v libxvid -vtag XVID -bf 2 -g 12 -c:a libmp3lame @0"),
    row("MJPEG in AVI", "mjpeg.avi", &["mjpeg"], "-f lavfi -i testsrc2=s=64x48:r=15:d=0.8 -f lavfi -i sine=d=0.8 -c:v mjpeg -c:a pcm_s16le @0").gives(Outcome::Kept(&[
        plain("mkv"),
        Output { container: "mp4", except: &[Rewritten("pcm_s16le", "alac")], says: &["ALAC"] },
    ])),
    row("HuffYUV in AVI", "huff.avi", &["huffyuv"], "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuv422p -c:v huffyuv @0"),
    row("Cinepak in AVI", "cinepak.avi", &["cinepak"], "-f lavfi -i testsrc2=s=64x48:r=12:d=0.6 -c:v cinepak @0").gives(RGB),
    row("3GP", "phone.3gp", &["h263", "aac"], "-f lavfi -i testsrc2=s=128x96:r=15:d=0.8 -f lavfi -i sine=d=0.8:r=16000 -c:v h263 -c:a aac @0"),
    row("Flash video", "flash.flv", &["flv", "libmp3lame"], "-f lavfi -i testsrc2=s=64x48:r=15:d=0.8 -f lavfi -i sine=d=0.8 -c:v flv -c:a libmp3lame -ar 44100 @0"),
    row("Windows Media", "windows.wmv", &["wmv2", "wmav2"], "-f lavfi -i testsrc2=s=64x48:r=15:d=0.8 -f lavfi -i sine=d=0.8 -c:v wmv2 -c:a wmav2 @0").gives(MKV),
    row("RealMedia", "real.rm", &["rv10", "ac3"], "-f lavfi -i testsrc2=s=64x48:r=15:d=0.8 -f lavfi -i sine=d=0.8 -c:v rv10 -c:a ac3 @0"),
    row("Theora", "theora.ogv", &["libtheora", "libvorbis"], "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -f lavfi -i sine=d=0.8 -c:v libtheora -c:a libvorbis @0"),
    row("DV", "tape.dv", &["dvvideo"], "-f lavfi -i testsrc2=s=720x480:r=30000/1001:d=0.12 -f lavfi -i sine=r=48000:d=0.12 -ac 2 -pix_fmt yuv411p -c:v dvvideo @0")
        .gives(Outcome::Kept(&[Output { container: "mkv", except: TO_HD, says: &["untagged"] }])),
    row("GIF", "loop.gif", &["gif"], "-f lavfi -i testsrc2=s=64x48:r=10:d=1 @0").gives(Outcome::Kept(&[
        Output { container: "mkv", except: TO_YUV, says: &["alpha"] },
        Output { container: "mp4", except: TO_YUV, says: &["alpha"] },
    ])),
    row("animated PNG", "loop.apng", &["apng"], "-f lavfi -i testsrc2=s=64x48:r=10:d=1 -pix_fmt rgb24 @0").gives(RGB),
    row("y4m", "pipe.y4m", &["wrapped_avframe"], "-f lavfi -i testsrc2=s=64x48:r=25:d=0.6 -pix_fmt yuv420p @0"),
];

const LAYER2: Outcome =
    Outcome::Kept(&[plain("mkv"), Output { container: "mp4", except: &[Called("mp2", "mp3")], says: &[] }]);

/// Containers and codecs of today.
pub(crate) const NEW_CONTAINERS: &[Row] = &[
    row("transport stream", "air.ts", &["libx264", "aac"], "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -f lavfi -i sine=d=0.8 -c:v libx264 -preset fast -bf 2 -c:a aac -metadata:s:a language=eng @0").gives(ADTS),
    row("Blu-ray transport stream", "disc.m2ts", &["libx264", "ac3"], "-f lavfi -i testsrc2=s=64x48:r=24000/1001:d=0.8 -f lavfi -i sine=d=0.8 -c:v libx264 -preset fast -bf 2 -c:a ac3 @0"),
    row("WebM", "web.webm", &["libvpx-vp9", "libopus"], "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -f lavfi -i sine=d=0.8:r=48000 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus @0").gives(Outcome::Kept(&[
        Output { container: "mkv", except: &[Early("opus", 7)], says: &[] },
        plain("mp4"),
    ])),
    row("H.265", "new.mp4", &["libx265", "aac"], "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -f lavfi -i sine=d=0.8 -c:v libx265 -preset ultrafast -x265-params log-level=error:bframes=3 -tag:v hvc1 -c:a aac @0"),
    row("AV1", "newer.mp4", &["libsvtav1"], "-f lavfi -i testsrc2=s=64x64:r=25:d=0.6 -c:v libsvtav1 -preset 12 @0"),
    row("ProRes", "edit.mov", &["prores_ks"], "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuv422p10le -c:v prores_ks -timecode 01:00:00:00 @0").gives(Outcome::Kept(&[
        // The track of the time code; the time code itself is kept as a tag.
        Output { container: "mkv", except: &[Dropped("")], says: &[] },
        Output { container: "mp4", except: &[], says: &[] },
    ])),
    row("FFV1", "archive.mkv", &["ffv1", "flac"], "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -f lavfi -i sine=d=0.5 -c:v ffv1 -level 3 -c:a flac @0"),
    row("MXF", "studio.mxf", &["mpeg2video"], "-f lavfi -i testsrc2=s=64x48:r=25:d=0.6 -f lavfi -i sine=r=48000:d=0.6 -c:v mpeg2video -bf 2 -c:a pcm_s16le @0").gives(MKV),
    row("NUT", "pipe.nut", &["ffv1"], "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -c:v ffv1 @0"),
    row("fragmented MP4", "fragments.mp4", X264, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -c:v libx264 -preset fast -bf 2 -g 5 -movflags frag_keyframe+empty_moov+default_base_moof @0"),
];

/// AAC in a transport stream has headers of its own, which other containers do without.
const ADTS: Outcome = Outcome::Kept(&[
    Output { container: "mkv", except: &[Rewrapped("aac")], says: &[] },
    Output { container: "mp4", except: &[Rewrapped("aac")], says: &[] },
]);

/// What is refused.
pub(crate) const REFUSED: &[Row] = &[
    row("YCgCo", "ycgco.mkv", X264, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuv444p -c:v libx264 -preset ultrafast -colorspace ycgco @0")
        .gives(Outcome::Refused(&["colour matrix ycgco is not supported", "zscale"])),
    row("BT.2020, constant luminance", "2020c.mkv", X265, "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -pix_fmt yuv420p10le -c:v libx265 -preset ultrafast -x265-params log-level=error -colorspace bt2020c @0")
        .gives(Outcome::Refused(&["colour matrix bt2020c is not supported", "2020_ncl"])),
    row("sound only", "sound.mka", &["flac"], "-f lavfi -i sine=d=0.5 -c:a flac @0").gives(Outcome::Refused(&["sound but no video stream"])),
    Row::made("a song with a cover", "song.mp3", &["libmp3lame", "mjpeg"], making::song_with_cover)
        .gives(Outcome::Refused(&["no video stream"])),
    Row::made("subtitles only", "words.srt", &[], making::words).gives(Outcome::Refused(&["no video stream"])),
    row("floating-point RGB", "float.mkv", &["exr"], "-f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -pix_fmt gbrpf32le -c:v exr @0")
        .gives(Outcome::Refused(&["gbrpf32le is not supported", "-pix_fmt"])),
    Row::made("samples of a sensor", "sensor.nut", &["rawvideo"], making::sensor)
        .gives(Outcome::Refused(&["bayer_rggb8 is not supported"])),
];
