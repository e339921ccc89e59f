//! Typed filters that make a picture of each picture.

use super::{How, prepared, with_options, wrapped};
use crate::function::PICTURE;
use pegbar_chain::{Category, NodeError, NodeType, Role};
use pegbar_frame::PixelFormat;
use pegbar_params::{Choice, Param, PathTarget};

const RESTORATION: NodeType = NodeType { category: Category::Restoration, ..PICTURE };
const TEMPORAL: NodeType = NodeType { category: Category::Temporal, ..PICTURE };
const SHARPNESS: NodeType = NodeType { category: Category::Filter, ..PICTURE };
const COLOUR: NodeType = NodeType { category: Category::Colour, ..PICTURE };

/// hqdn3d.
pub(crate) static HQDN3D: NodeType = NodeType {
    id: "ffmpeg.hqdn3d",
    name: "hqdn3d",
    doc: "Fast denoiser over space and time (ffmpeg's hqdn3d, from MPlayer): a low-pass that follows small changes only. Good against \
          light analogue noise and shimmer; too much of it leaves trails behind what moves. 16 bits.",
    params: &[
        Param::float("luma-spatial", "Strength within the picture.", "", (0.0, 100.0), 4.0),
        Param::float("chroma-spatial", "The same for colour.", "", (0.0, 100.0), 3.0),
        Param::float("luma-temporal", "Strength over time.", "", (0.0, 100.0), 6.0),
        Param::float("chroma-temporal", "The same for colour.", "", (0.0, 100.0), 4.5),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            wrapped(
                prepare,
                "hqdn3d",
                &["luma_spatial", "chroma_spatial", "luma_tmp", "chroma_tmp"],
                How::PLAIN,
            )
        },
    },
    example: &[
        ("luma-spatial", "10"),
        ("chroma-spatial", "10"),
        ("luma-temporal", "12"),
        ("chroma-temporal", "12"),
    ],
    ..TEMPORAL
};

/// nlmeans.
pub(crate) static NLMEANS: NodeType = NodeType {
    id: "ffmpeg.nlmeans",
    name: "Non-Local Means (FFmpeg)",
    doc: "Denoiser that averages patches which look alike within the picture (ffmpeg's nlmeans). Slow; keeps edges. Works at 8 bits.",
    params: &[
        Param::float("strength", "Strength.", "", (1.0, 30.0), 1.0),
        Param::int("patch", "Side of a patch; an odd number.", "px", (1, 99), 7),
        Param::int("patch-chroma", "The same for colour; 0 for that of luma.", "px", (0, 99), 0),
        Param::int(
            "research",
            "Side of the window in which patches are looked for; an odd number.",
            "px",
            (1, 99),
            15,
        ),
        Param::int("research-chroma", "The same for colour; 0 for that of luma.", "px", (0, 99), 0),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            for param in ["patch", "research", "patch-chroma", "research-chroma"] {
                let side = prepare.values.int(param);
                if side % 2 == 0 && side != 0 {
                    return Err(NodeError::param(param, format!("{side} is no odd number")));
                }
            }
            wrapped(prepare, "nlmeans", &["s", "p", "pc", "r", "rc"], How::PLAIN)
        },
    },
    example: &[("strength", "8"), ("research", "11")],
    ..RESTORATION
};

/// bm3d.
pub(crate) static BM3D: NodeType = NodeType {
    id: "ffmpeg.bm3d",
    name: "BM3D (FFmpeg)",
    doc: "Denoiser by block matching and 3D transforms within the picture (ffmpeg's bm3d, basic estimate). Among the best of the classic \
          ones and very slow. 16 bits.",
    params: &[
        Param::float(
            "sigma",
            "Strength: the noise's standard deviation in codes of 8 bits.",
            "",
            (0.0, 1000.0),
            3.0,
        ),
        Param::int("block", "Side of a block as a power of 2: 4 is 16 pixels.", "", (4, 6), 4),
        Param::int("step", "From one block to the next; smaller is slower and better.", "px", (1, 64), 4),
        Param::int(
            "group",
            "Most blocks that are filtered together; 1 looks at none but the block itself, and takes away most noise.",
            "",
            (1, 256),
            1,
        ),
        Param::int("range", "How far like blocks are looked for.", "px", (1, 128), 9),
        Param::float("hard-threshold", "Threshold of the transformed values.", "", (0.0, 100.0), 2.7),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            wrapped(prepare, "bm3d", &["sigma", "block", "bstep", "group", "range", "hdthr"], How::PLAIN)
        },
    },
    example: &[("sigma", "40")],
    ..RESTORATION
};

/// vaguedenoiser.
pub(crate) static VAGUEDENOISER: NodeType = NodeType {
    id: "ffmpeg.vaguedenoiser",
    name: "Wavelet Denoiser (vaguedenoiser)",
    doc: "Denoiser by wavelets within the picture (ffmpeg's vaguedenoiser, from VapourSynth). 16 bits.",
    params: &[
        Param::float("threshold", "Strength; above 10 details go.", "", (0.0, 1000.0), 2.0),
        Param::choice(
            "method",
            "How values of the transform are treated.",
            &[
                Choice { id: "hard", doc: "Those under the threshold become 0." },
                Choice { id: "soft", doc: "All are moved towards 0 by it." },
                Choice { id: "garrote", doc: "Between both." },
            ],
            "garrote",
        ),
        Param::int("steps", "Levels of the transform.", "", (1, 32), 6),
        Param::float("percent", "Share of the filtered picture.", "%", (0.0, 100.0), 85.0),
        Param::choice(
            "type",
            "Where the threshold comes from.",
            &[
                Choice { id: "universal", doc: "The same for all levels." },
                Choice { id: "bayes", doc: "Found for each level." },
            ],
            "universal",
        ),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            wrapped(
                prepare,
                "vaguedenoiser",
                &["threshold", "method", "nsteps", "percent", "type"],
                How { least_side: 4, ..How::PLAIN },
            )
        },
    },
    example: &[("threshold", "8")],
    ..RESTORATION
};

/// atadenoise.
pub(crate) static ATADENOISE: NodeType = NodeType {
    id: "ffmpeg.atadenoise",
    name: "Temporal Averaging (atadenoise)",
    doc: "Averages each pixel over the frames in which it is nearly the same (ffmpeg's atadenoise). Takes noise and flicker off what does \
          not move, and leaves what does alone. 16 bits.",
    params: &[
        Param::float("luma-a", "Most difference from one frame, of the whole range.", "", (0.0, 0.3), 0.02),
        Param::float("luma-b", "Most difference of all frames together.", "", (0.0, 5.0), 0.04),
        Param::float("chroma-a", "The first for colour.", "", (0.0, 0.3), 0.02),
        Param::float("chroma-b", "The second for colour.", "", (0.0, 5.0), 0.04),
        Param::int("size", "Frames that are looked at; an odd number.", "", (5, 129), 9),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            let values = prepare.values;
            let size = values.usize("size");
            if size % 2 == 0 {
                return Err(NodeError::param("size", format!("{size} is no odd number")));
            }
            let (a, b) = (values.float("chroma-a"), values.float("chroma-b"));
            // Short of frames, this filter never ends.
            let how = How { least_frames: size as u64, ..How::PLAIN };
            let filter = format!("atadenoise=2a={a}:2b={b}");
            super::wrapped_more(prepare, &filter, &["0a", "0b", "1a", "1b", "s"], how)
        },
    },
    example: &[("luma-a", "0.2"), ("luma-b", "0.6"), ("chroma-a", "0.2"), ("chroma-b", "0.6")],
    ..TEMPORAL
};

/// owdenoise.
pub(crate) static OWDENOISE: NodeType = NodeType {
    id: "ffmpeg.owdenoise",
    name: "Overcomplete Wavelet Denoiser (owdenoise)",
    doc: "Denoiser by overcomplete wavelets within the picture (ffmpeg's owdenoise). Slow. Works at 12 bits.",
    params: &[
        Param::int(
            "depth",
            "Levels of the transform: more see coarser noise and take longer.",
            "",
            (8, 16),
            8,
        ),
        Param::float("luma", "Strength in codes of 8 bits.", "", (0.0, 62.0), 1.0),
        Param::float("chroma", "The same for colour.", "", (0.0, 62.0), 1.0),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            // Its strength counts in codes of the pixel format, up to 1000 of them.
            let (luma, chroma) = (16.0 * prepare.values.float("luma"), 16.0 * prepare.values.float("chroma"));
            let depth = prepare.values.int("depth");
            let graph = format!("owdenoise=depth={depth}:luma_strength={luma}:chroma_strength={chroma}");
            prepared(prepare, "", graph, Some(PixelFormat::YUV444P12), How::PLAIN)
        },
    },
    example: &[("luma", "8"), ("chroma", "8")],
    ..RESTORATION
};

/// dedot.
pub(crate) static DEDOT: NodeType = NodeType {
    id: "ffmpeg.dedot",
    name: "Dot Crawl and Rainbows (dedot)",
    doc: "Takes off what composite video leaves (ffmpeg's dedot): dots that crawl along edges of colour, and rainbows over fine patterns. \
          For pictures that were not scaled. 16 bits.",
    params: &[
        Param::choice(
            "mode",
            "What is taken off.",
            &[
                Choice { id: "dotcrawl+rainbows", doc: "Both." },
                Choice { id: "dotcrawl", doc: "Crawling dots." },
                Choice { id: "rainbows", doc: "Rainbows." },
            ],
            "dotcrawl+rainbows",
        ),
        Param::float("spatial-luma", "Least difference from neighbours of a dot.", "", (0.0, 1.0), 0.079),
        Param::float("temporal-luma", "How like frames before and after have to be.", "", (0.0, 1.0), 0.079),
        Param::float(
            "chroma-tolerance",
            "How like colours before and after have to be.",
            "",
            (0.0, 1.0),
            0.058,
        ),
        Param::float("temporal-chroma", "Least change of colour of a rainbow.", "", (0.0, 1.0), 0.019),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            // It looks at two frames before and after, and gives nothing short of them.
            let how = How { least_frames: 5, ..How::PLAIN };
            wrapped(prepare, "dedot", &["m", "lt", "tl", "tc", "ct"], how)
        },
    },
    ..TEMPORAL
};

/// deflicker.
pub(crate) static DEFLICKER: NodeType = NodeType {
    id: "ffmpeg.deflicker",
    name: "Deflicker (FFmpeg)",
    doc: "Evens out the brightness of whole frames over time (ffmpeg's deflicker): for films whose exposure pumps. 16 bits.",
    params: &[
        Param::int("size", "Frames that brightness is averaged over.", "", (2, 129), 5),
        Param::choice(
            "mode",
            "What average it is.",
            &[
                Choice { id: "am", doc: "Arithmetic mean." },
                Choice { id: "gm", doc: "Geometric mean." },
                Choice { id: "hm", doc: "Harmonic mean." },
                Choice { id: "qm", doc: "Quadratic mean." },
                Choice { id: "cm", doc: "Cubic mean." },
                Choice { id: "pm", doc: "Power mean." },
                Choice { id: "median", doc: "Median." },
            ],
            "am",
        ),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            let how = How { least_frames: prepare.values.usize("size") as u64, ..How::PLAIN };
            wrapped(prepare, "deflicker", &["size", "mode"], how)
        },
    },
    ..TEMPORAL
};

/// deband.
pub(crate) static DEBAND: NodeType = NodeType {
    id: "ffmpeg.deband",
    name: "Deband (FFmpeg)",
    doc: "Takes bands off soft gradients (ffmpeg's deband): a pixel near its neighbours becomes their mean. 16 bits.",
    params: &[
        Param::float("luma", "Most difference of neighbours.", "", (0.00003, 0.5), 0.02),
        Param::float("chroma-blue", "The same for the first colour difference.", "", (0.00003, 0.5), 0.02),
        Param::float("chroma-red", "The same for the second one.", "", (0.00003, 0.5), 0.02),
        Param::int("range", "How far away neighbours lie at most.", "px", (1, 256), 16),
        Param::bool(
            "blur",
            "Whether it is the mean of four neighbours that counts, else each of them.",
            true,
        ),
        Param::bool("coupling", "Whether all planes have to be near for any to change.", false),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            wrapped(prepare, "deband", &["1thr", "2thr", "3thr", "range", "blur", "coupling"], How::PLAIN)
        },
    },
    example: &[("luma", "0.06"), ("chroma-blue", "0.06"), ("chroma-red", "0.06")],
    ..RESTORATION
};

/// gradfun.
pub(crate) static GRADFUN: NodeType = NodeType {
    id: "ffmpeg.gradfun",
    name: "Gradient Debander (gradfun)",
    doc: "Takes bands off soft gradients and dithers (ffmpeg's gradfun). Works at 8 bits; deband keeps 16.",
    params: &[
        Param::float("strength", "Most change of a pixel in codes of 8 bits.", "", (0.51, 64.0), 1.2),
        Param::int("radius", "Size of the neighbourhood; an even number.", "px", (4, 32), 16),
    ],
    role: Role::Segment {
        prepare: |prepare| wrapped(prepare, "gradfun", &["strength", "radius"], How::PLAIN),
    },
    example: &[("strength", "12")],
    ..RESTORATION
};

/// deblock.
pub(crate) static DEBLOCK: NodeType = NodeType {
    id: "ffmpeg.deblock",
    name: "Deblock (FFmpeg)",
    doc: "Smooths the borders of blocks that compression leaves (ffmpeg's deblock). For pictures that were not scaled. 16 bits.",
    params: &[
        Param::choice(
            "filter",
            "How much is smoothed.",
            &[
                Choice { id: "weak", doc: "The border." },
                Choice { id: "strong", doc: "Pixels beside it, too." },
            ],
            "strong",
        ),
        Param::int("block", "Side of a block.", "px", (4, 512), 8),
        Param::float("alpha", "Most difference across a border.", "", (0.0, 1.0), 0.098),
        Param::float("beta", "Most difference beside it on one side.", "", (0.0, 1.0), 0.05),
        Param::float("gamma", "Most difference beside it on the other.", "", (0.0, 1.0), 0.05),
        Param::float("delta", "Most difference further away.", "", (0.0, 1.0), 0.05),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            wrapped(prepare, "deblock", &["filter", "block", "alpha", "beta", "gamma", "delta"], How::PLAIN)
        },
    },
    example: &[("alpha", "0.3"), ("beta", "0.2"), ("gamma", "0.2"), ("delta", "0.2")],
    ..RESTORATION
};

/// removegrain.
pub(crate) static REMOVEGRAIN: NodeType = NodeType {
    id: "ffmpeg.removegrain",
    name: "RemoveGrain",
    doc: "Small cleaners of 3 by 3 pixels, by the numbers of AviSynth's RemoveGrain (ffmpeg's removegrain): 1 clips to the neighbours, 2 \
          to 4 to the second to fourth of them, 5 to 9 along lines, 11 and 12 blur, 17 and 18 clip by opposite pairs. Works at 8 bits.",
    params: &[
        Param::int("luma", "Mode; 0 for none.", "", (0, 24), 1),
        Param::int("chroma-blue", "Mode of the first colour difference.", "", (0, 24), 1),
        Param::int("chroma-red", "Mode of the second one.", "", (0, 24), 1),
    ],
    role: Role::Segment {
        prepare: |prepare| wrapped(prepare, "removegrain", &["m0", "m1", "m2"], How::PLAIN),
    },
    example: &[("luma", "17"), ("chroma-blue", "17"), ("chroma-red", "17")],
    ..RESTORATION
};

/// smartblur.
pub(crate) static SMARTBLUR: NodeType = NodeType {
    id: "ffmpeg.smartblur",
    name: "Smart Blur",
    doc: "Blurs within outlines, or sharpens (ffmpeg's smartblur). Works at 8 bits.",
    params: &[
        Param::float("radius", "Radius of the blur.", "px", (0.1, 5.0), 1.0),
        Param::float("strength", "Above 0 it blurs, below it sharpens.", "", (-1.0, 1.0), 1.0),
        Param::int(
            "threshold",
            "Above 0 only flat parts are treated, below only edges, 0 treats all.",
            "",
            (-30, 30),
            0,
        ),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            wrapped(prepare, "smartblur", &["luma_radius", "luma_strength", "luma_threshold"], How::PLAIN)
        },
    },
    example: &[("radius", "3"), ("threshold", "20")],
    ..SHARPNESS
};

/// unsharp.
pub(crate) static UNSHARP: NodeType = NodeType {
    id: "ffmpeg.unsharp",
    name: "Unsharp (FFmpeg)",
    doc: "Sharpens or blurs by an unsharp mask (ffmpeg's unsharp). Works at 8 bits.",
    params: &[
        Param::int("luma-width", "Width of the mask; an odd number.", "px", (3, 23), 5),
        Param::int("luma-height", "Height of the mask; an odd number.", "px", (3, 23), 5),
        Param::float("luma-amount", "Above 0 it sharpens, below it blurs.", "", (-2.0, 5.0), 1.0),
        Param::int("chroma-width", "Width of the mask for colour; an odd number.", "px", (3, 23), 5),
        Param::int("chroma-height", "Height of the mask for colour; an odd number.", "px", (3, 23), 5),
        Param::float("chroma-amount", "The same as for luma; 0 leaves colour alone.", "", (-2.0, 5.0), 0.0),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            for param in ["luma-width", "luma-height", "chroma-width", "chroma-height"] {
                let side = prepare.values.int(param);
                if side % 2 == 0 {
                    return Err(NodeError::param(param, format!("{side} is no odd number")));
                }
            }
            // At more bits it scales what it has found by 8 bits too few: at 16 it does next to nothing.
            let graph = with_options(prepare, "unsharp", &["lx", "ly", "la", "cx", "cy", "ca"], '=');
            prepared(prepare, "", graph, Some(PixelFormat::YUV444P), How::PLAIN)
        },
    },
    example: &[("luma-amount", "3")],
    ..SHARPNESS
};

/// cas.
pub(crate) static CAS: NodeType = NodeType {
    id: "ffmpeg.cas",
    name: "Contrast Adaptive Sharpening",
    doc: "Sharpens most where contrast is low, so that edges do not ring (ffmpeg's cas, after AMD's). Colour is left alone. \
          16 bits.",
    params: &[Param::float("strength", "Strength.", "", (0.0, 1.0), 0.5)],
    role: Role::Segment {
        // Without it, differences of colour would be sharpened as if they were light.
        prepare: |prepare| super::wrapped_more(prepare, "cas=planes=1", &["strength"], How::PLAIN),
    },
    example: &[("strength", "0.5")],
    ..SHARPNESS
};

/// lut3d.
pub(crate) static LUT3D: NodeType = NodeType {
    id: "ffmpeg.lut3d",
    name: "3D Lookup Table",
    doc: "Changes colours by a 3D lookup table from a file: .cube, .3dl, .dat, .m3d or .csp (ffmpeg's lut3d). 16 bits, RGB.",
    params: &[
        Param::path("file", "The file.", PathTarget::File),
        Param::choice(
            "interpolation",
            "How values between those of the table are found.",
            &[
                Choice { id: "tetrahedral", doc: "From the four corners of a tetrahedron." },
                Choice { id: "trilinear", doc: "From the eight corners of a cube." },
                Choice { id: "nearest", doc: "From the nearest one." },
            ],
            "tetrahedral",
        ),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            let path = prepare.required_path("file")?;
            if !path.is_file() {
                return Err(NodeError::param("file", format!("{}: there is no such file", path.display())));
            }
            let filter = format!("lut3d=file={}", super::escaped(&path.display().to_string()));
            super::wrapped_more(prepare, &filter, &["", "interp"], How::PLAIN)
        },
    },
    example: &[("file", "grade.cube")],
    ..COLOUR
};

/// eq.
pub(crate) static EQ: NodeType = NodeType {
    id: "ffmpeg.eq",
    name: "Brightness and Contrast (eq)",
    doc: "Brightness, contrast, saturation and gamma in YUV (ffmpeg's eq). Works at 8 bits; nodes of our own keep all of them.",
    params: &[
        Param::float("contrast", "Contrast; below 0 the picture is negative.", "", (-1000.0, 1000.0), 1.0),
        Param::float("brightness", "Brightness.", "", (-1.0, 1.0), 0.0),
        Param::float("saturation", "Saturation.", "", (0.0, 3.0), 1.0),
        Param::float("gamma", "Gamma.", "", (0.1, 10.0), 1.0),
        Param::float("gamma-weight", "How much gamma changes bright parts.", "", (0.0, 1.0), 1.0),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            wrapped(
                prepare,
                "eq",
                &["contrast", "brightness", "saturation", "gamma", "gamma_weight"],
                How::PLAIN,
            )
        },
    },
    example: &[("contrast", "1.3"), ("saturation", "1.8")],
    ..COLOUR
};

const BALANCE: (f64, f64) = (-1.0, 1.0);

/// colorbalance.
pub(crate) static COLORBALANCE: NodeType = NodeType {
    id: "ffmpeg.colorbalance",
    name: "Colour Balance (FFmpeg)",
    doc: "Moves red, green and blue of shadows, midtones and highlights (ffmpeg's colorbalance). 16 bits, RGB.",
    params: &[
        Param::float("red-shadows", "Red of shadows.", "", BALANCE, 0.0),
        Param::float("green-shadows", "Green of shadows.", "", BALANCE, 0.0),
        Param::float("blue-shadows", "Blue of shadows.", "", BALANCE, 0.0),
        Param::float("red-midtones", "Red of midtones.", "", BALANCE, 0.0),
        Param::float("green-midtones", "Green of midtones.", "", BALANCE, 0.0),
        Param::float("blue-midtones", "Blue of midtones.", "", BALANCE, 0.0),
        Param::float("red-highlights", "Red of highlights.", "", BALANCE, 0.0),
        Param::float("green-highlights", "Green of highlights.", "", BALANCE, 0.0),
        Param::float("blue-highlights", "Blue of highlights.", "", BALANCE, 0.0),
        Param::bool("preserve-lightness", "Whether lightness stays as it is.", false),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            let options = ["rs", "gs", "bs", "rm", "gm", "bm", "rh", "gh", "bh", "pl"];
            wrapped(prepare, "colorbalance", &options, How::PLAIN)
        },
    },
    example: &[("red-midtones", "0.4"), ("blue-midtones", "-0.4")],
    ..COLOUR
};

/// curves.
pub(crate) static CURVES: NodeType = NodeType {
    id: "ffmpeg.curves",
    name: "Curves Preset (FFmpeg)",
    doc: "Changes tones by one of the ready-made curves of ffmpeg's curves. 16 bits, RGB.",
    params: &[Param::choice(
        "preset",
        "The curves.",
        &[
            Choice { id: "color_negative", doc: "A colour negative to a positive." },
            Choice { id: "cross_process", doc: "Slides developed as negatives." },
            Choice { id: "darker", doc: "Darker midtones." },
            Choice { id: "increase_contrast", doc: "More contrast." },
            Choice { id: "lighter", doc: "Lighter midtones." },
            Choice { id: "linear_contrast", doc: "More contrast by straight lines." },
            Choice { id: "medium_contrast", doc: "A little more contrast." },
            Choice { id: "negative", doc: "The negative." },
            Choice { id: "strong_contrast", doc: "Much more contrast." },
            Choice { id: "vintage", doc: "An old photograph." },
        ],
        "medium_contrast",
    )],
    role: Role::Segment { prepare: |prepare| wrapped(prepare, "curves", &["preset"], How::PLAIN) },
    example: &[("preset", "vintage")],
    ..COLOUR
};

/// tmix.
pub(crate) static TMIX: NodeType = NodeType {
    id: "ffmpeg.tmix",
    name: "Mix Frames (tmix)",
    doc: "The mean of a frame and those before it (ffmpeg's tmix). Takes noise off still pictures and blurs what moves. 16 bits.",
    params: &[Param::int("frames", "How many frames are mixed.", "", (2, 128), 3)],
    role: Role::Segment {
        prepare: |prepare| {
            // Without weights of their own, later frames have the last of the default's, 1.
            wrapped(prepare, "tmix", &["frames"], How::PLAIN)
        },
    },
    example: &[("frames", "3")],
    ..TEMPORAL
};

/// deshake.
pub(crate) static DESHAKE: NodeType = NodeType {
    id: "ffmpeg.deshake",
    name: "Deshake",
    doc: "Steadies a picture that shakes by a few pixels (ffmpeg's deshake). Works at 8 bits, in whole pixels.",
    params: &[
        Param::int("reach-x", "Most movement to a side.", "px", (0, 64), 16),
        Param::int("reach-y", "Most movement up or down.", "px", (0, 64), 16),
        Param::choice(
            "edge",
            "What is shown where the picture has moved away.",
            &[
                Choice { id: "mirror", doc: "The edge mirrored." },
                Choice { id: "clamp", doc: "The edge repeated." },
                Choice { id: "original", doc: "The picture as it was." },
                Choice { id: "blank", doc: "Nothing." },
            ],
            "mirror",
        ),
        Param::int("block", "Side of the blocks whose movement is measured.", "px", (4, 128), 8),
        Param::int("contrast", "Least contrast of blocks that count.", "", (1, 255), 125),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            wrapped(prepare, "deshake", &["rx", "ry", "edge", "blocksize", "contrast"], How::PLAIN)
        },
    },
    example: &[("contrast", "20"), ("block", "16")],
    ..TEMPORAL
};
