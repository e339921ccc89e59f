//! The rows of the spatial filters.

use pegbar_degrade::spatial as defects;
use pegbar_degrade::spatial::{AliasingKind, NoiseKind};
use pegbar_filters::spatial as filters;
use pegbar_frame::PlanarImage;
use pegbar_params::ParamValues;

use super::{Row, clips};

/// Each frame by itself.
fn each(frames: &[PlanarImage], change: impl Fn(&PlanarImage) -> PlanarImage) -> Vec<PlanarImage> {
    frames.iter().map(change).collect()
}

/// Each frame by itself, with a seed of its own.
fn seeded(frames: &[PlanarImage], change: impl Fn(&PlanarImage, u64) -> PlanarImage) -> Vec<PlanarImage> {
    frames.iter().zip(1..).map(|(frame, seed)| change(frame, seed)).collect()
}

/// A filter of ours with its default parameters, on each frame.
macro_rules! ours {
    ($module:ident, $filter:ident) => {
        |frames| {
            let filter = filters::$filter::from_values(&ParamValues::defaults(filters::$module::PARAMS));
            each(frames, |frame| filter.apply(frame))
        }
    };
}

/// Rows that are about drawn lines: on a rendered film their filters find little to do, or help less than ffmpeg's.
const DRAWN: &[&str] = &["drawn", "harbour"];

/// Each spatial defect with the filter against it.
pub const ROWS: &[Row] = &[
    Row {
        defect: "halo thin",
        filter: "dehalo",
        clips: DRAWN,
        spoil: |f| each(f, |i| defects::Halo { blur_px: 0.7, radius_px: 1.4, amount: 0.8 }.apply(i)),
        restore: ours!(dehalo, Dehalo),
        ffmpeg: &[
            "unsharp=5:5:-0.4",
            "unsharp=3:3:-0.6",
            "smartblur=lr=1.5:ls=0.6:lt=20",
            "smartblur=lr=1.5:ls=0.6:lt=-20",
        ],
    },
    Row {
        defect: "halo wide",
        filter: "dehalo",
        clips: DRAWN,
        spoil: |f| each(f, |i| defects::Halo { blur_px: 0.9, radius_px: 2.2, amount: 0.7 }.apply(i)),
        restore: ours!(dehalo, Dehalo),
        ffmpeg: &[
            "unsharp=5:5:-0.4",
            "unsharp=9:9:-0.3",
            "smartblur=lr=2:ls=0.6:lt=20",
            "smartblur=lr=2:ls=0.6:lt=-20",
        ],
    },
    Row {
        defect: "halo and detail",
        filter: "fine_dehalo",
        clips: DRAWN,
        spoil: |f| each(f, |i| defects::Halo { blur_px: 0.7, radius_px: 1.6, amount: 0.9 }.apply(i)),
        restore: ours!(fine_dehalo, FineDehalo),
        ffmpeg: &[
            "unsharp=5:5:-0.4",
            "unsharp=3:3:-0.6",
            "smartblur=lr=1.5:ls=0.6:lt=20",
            "smartblur=lr=1.5:ls=0.6:lt=-20",
        ],
    },
    Row {
        defect: "ringing",
        filter: "dering",
        clips: DRAWN,
        spoil: |f| each(f, |i| defects::Ringing { cutoff: 0.55, taps: 8 }.apply(i)),
        restore: ours!(dering, Dering),
        ffmpeg: &["pp=dr", "fspp=4:12", "smartblur=lr=1.5:ls=0.6:lt=20", "sab=1:1:8"],
    },
    Row {
        defect: "MPEG-2 edges",
        filter: "edge_clean",
        clips: DRAWN,
        spoil: |f| clips::encoded(f, &MPEG2_EDGES).expect("ffmpeg encodes MPEG-2"),
        restore: ours!(edge_clean, EdgeClean),
        ffmpeg: &["pp=dr", "smartblur=lr=1:ls=0.4:lt=20", "sab=1:1:8", "cas=0.2"],
    },
    Row {
        defect: "JPEG blocks",
        filter: "deblock",
        clips: &[],
        spoil: |f| each(f, |i| defects::Blocking { quality: 25, offset_x: 3, offset_y: 5 }.apply(i)),
        restore: ours!(deblock, Deblock),
        ffmpeg: &[
            "deblock=filter=strong:block=8",
            "deblock=filter=weak:block=8",
            "pp=ha/va",
            "pp=hb/vb",
            "spp=4:16",
            "fspp=4:16",
        ],
    },
    Row {
        defect: "MPEG-2 blocks",
        filter: "deblock",
        clips: &[],
        spoil: |f| clips::encoded(f, &MPEG2_BLOCKS).expect("ffmpeg encodes MPEG-2"),
        restore: ours!(deblock, Deblock),
        ffmpeg: &[
            "deblock=filter=strong:block=8",
            "deblock=filter=weak:block=8",
            "pp=ha/va",
            "pp=hb/vb",
            "spp=4:12",
            "fspp=4:12",
        ],
    },
    Row {
        defect: "banding",
        filter: "deband",
        clips: &[],
        spoil: |f| each(f, |i| defects::Banding { levels: 64 }.apply(i)),
        restore: ours!(deband, Deband),
        ffmpeg: &[
            "deband",
            "deband=1thr=0.015:2thr=0.015:3thr=0.015:r=24",
            "deband=1thr=0.03:2thr=0.03:3thr=0.03:r=32",
            "gradfun",
            "gradfun=5:24",
        ],
    },
    Row {
        defect: "chroma shift",
        filter: "chroma_shift",
        clips: &[],
        spoil: |f| each(f, |i| defects::ChromaShift { x_px: 2.5, y_px: 1.0 }.apply(i)),
        restore: ours!(chroma_shift, ChromaShift),
        // It has to be told; whole pixels are all it knows.
        ffmpeg: &["chromashift=cbh=-2:cbv=-1:crh=-2:crv=-1", "chromashift=cbh=-3:cbv=-1:crh=-3:crv=-1"],
    },
    Row {
        defect: "chroma bleed",
        filter: "chroma_bleed",
        clips: DRAWN,
        spoil: |f| {
            each(f, |i| defects::ChromaBleed { smear_px: 2.5, blur_px: 1.5, blur_down_px: 0.5 }.apply(i))
        },
        restore: ours!(chroma_bleed, ChromaBleed),
        ffmpeg: &[
            "chromanr=30:5:5",
            "smartblur=lr=0.1:ls=0:cr=2:cs=-0.8",
            "unsharp=3:3:0:7:7:1",
            "chromashift=cbh=-2:crh=-2",
        ],
    },
    Row {
        defect: "dirty border",
        filter: "border_fix",
        clips: &[],
        spoil: |f| each(f, |i| defects::DirtyBorder { lines: [2, 2, 1, 2], strength: 0.4 }.apply(i, 3)),
        restore: ours!(border_fix, BorderFix),
        ffmpeg: &["fillborders=2:2:1:2:smear", "fillborders=2:2:1:2:mirror"],
    },
    Row {
        defect: "scratches",
        filter: "descratch",
        clips: &[],
        spoil: |f| {
            seeded(f, |i, seed| {
                defects::Scratches { count: 5, width_px: 2.0, strength: 0.22, lean_px: 3.0 }.apply(i, seed)
            })
        },
        restore: ours!(descratch, Descratch),
        ffmpeg: &[
            "removegrain=4",
            "removegrain=1",
            "removegrain=11",
            "median=2:15:0.5:1",
            "median=1:15:0.5:1",
        ],
    },
    Row {
        defect: "salt",
        filter: "despeckle",
        clips: &[],
        spoil: |f| seeded(f, |i, seed| defects::Salt { share: 0.01 }.apply(i, seed)),
        restore: ours!(despeckle, Despeckle),
        ffmpeg: &["median=1", "removegrain=1", "removegrain=4", "removegrain=3"],
    },
    Row {
        defect: "noise",
        filter: "denoise",
        clips: &[],
        spoil: |f| {
            seeded(f, |i, seed| defects::Noise { kind: NoiseKind::Gaussian, sigma_codes: 8.0 }.apply(i, seed))
        },
        restore: ours!(denoise, Denoise),
        ffmpeg: &["hqdn3d", "nlmeans=4:5:9", "bm3d=8:4:2:1:9:20:0:2.7", "dctdnoiz=8", "vaguedenoiser=4"],
    },
    Row {
        defect: "noise of a sensor",
        filter: "denoise",
        clips: &[],
        spoil: |f| {
            seeded(f, |i, seed| defects::Noise { kind: NoiseKind::Iso, sigma_codes: 5.0 }.apply(i, seed))
        },
        restore: ours!(denoise, Denoise),
        ffmpeg: &["hqdn3d", "nlmeans=3:5:9", "bm3d=5:4:2:1:9:20:0:2.7", "dctdnoiz=5", "vaguedenoiser=3"],
    },
    Row {
        defect: "dropped field",
        filter: "anti_alias",
        clips: &[],
        spoil: |f| each(f, |i| defects::Aliasing { kind: AliasingKind::Field }.apply(i)),
        restore: ours!(anti_alias, AntiAlias),
        ffmpeg: &[
            "estdif=frame",
            "w3fdif=filter=complex:mode=frame",
            "smartblur=lr=1:ls=0.6:lt=30",
            "bwdif=0",
            "gblur=0.6",
        ],
    },
    Row {
        defect: "doubled picture",
        filter: "anti_alias",
        clips: &[],
        spoil: |f| each(f, |i| defects::Aliasing { kind: AliasingKind::Nearest }.apply(i)),
        restore: ours!(anti_alias, AntiAlias),
        ffmpeg: &[
            "smartblur=lr=1:ls=0.6:lt=30",
            "gblur=0.8",
            "scale=iw/2:ih/2:flags=neighbor,epx=2",
            "scale=iw/2:ih/2:flags=neighbor,xbr=2",
            "scale=iw/2:ih/2:flags=neighbor,hqx=2",
            "scale=iw/2:ih/2:flags=neighbor,scale=iw*2:ih*2:flags=bicubic",
        ],
    },
    Row {
        defect: "faded lines",
        filter: "line_darken",
        clips: DRAWN,
        spoil: |f| each(f, |i| defects::FadedLines { amount: 0.35, reach_px: 2 }.apply(i)),
        restore: ours!(line_darken, LineDarken),
        ffmpeg: &["unsharp=5:5:0.6", "cas=0.5", "eq=contrast=1.1", "eq=gamma=0.9"],
    },
    Row {
        defect: "thick lines",
        filter: "line_thin",
        clips: DRAWN,
        spoil: |f| each(f, |i| defects::ThickLines { amount: 0.6, blur_px: 0.9 }.apply(i)),
        restore: ours!(line_thin, LineThin),
        ffmpeg: &[
            "dilation",
            "dilation=threshold0=30:threshold1=0:threshold2=0",
            "unsharp=5:5:0.6",
            "cas=0.5",
        ],
    },
];

const MPEG2_EDGES: [&str; 6] = ["-c:v", "mpeg2video", "-q:v", "8", "-threads", "1"];
const MPEG2_BLOCKS: [&str; 6] = ["-c:v", "mpeg2video", "-q:v", "16", "-threads", "1"];
