//! Filters that change how many frames there are, or what fields they are made of.

use super::{How, Times, frame_rate, prepared, wrapped};
use crate::function::PICTURE;
use pegbar_chain::{Category, NodeType, Role};
use pegbar_params::{Choice, Param};

const TEMPORAL: NodeType = NodeType { category: Category::Temporal, ..PICTURE };

const ORDER: Param = Param::choice(
    "order",
    "Which field of a frame is the earlier one.",
    &[
        Choice { id: "tff", doc: "The one with the top line: most video." },
        Choice { id: "bff", doc: "The one with the second line: DV." },
    ],
    "tff",
);

/// bwdif, yadif, w3fdif.
pub(crate) static DEINTERLACE: NodeType = NodeType {
    id: "video.deinterlace",
    name: "Deinterlace",
    doc: "Makes whole frames of fields, by filters of ffmpeg's. Better done where the video is opened (--deinterlace): there it sees the \
          source's own samples, with colour as it is stored. 16 bits.",
    params: &[
        Param::choice(
            "method",
            "Which filter.",
            &[
                Choice { id: "bwdif", doc: "Bob Weaver: looks at two frames before and after." },
                Choice { id: "yadif", doc: "Looks at one frame before and after." },
                Choice { id: "w3fdif", doc: "The BBC's filter of three fields." },
            ],
            "bwdif",
        ),
        ORDER,
        Param::choice(
            "rate",
            "How many frames are made.",
            &[
                Choice { id: "frame", doc: "One of each frame." },
                Choice { id: "field", doc: "One of each field: twice as many, as smooth as the source was." },
            ],
            "frame",
        ),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            let values = prepare.values;
            let (method, order) = (values.text("method"), values.text("order"));
            let is_field = values.text("rate") == "field";
            let mode = match (method, is_field) {
                ("w3fdif", true) => "field",
                ("w3fdif", false) => "frame",
                (_, true) => "send_field",
                (_, false) => "send_frame",
            };
            let graph = format!("{method}=mode={mode}:parity={order}:deint=all");
            let times = if is_field { Times::Fields } else { Times::Same };
            prepared(prepare, "", graph, None, How { keeps_frames: !is_field, times, ..How::PLAIN })
        },
    },
    ..TEMPORAL
};

/// fieldmatch and dropping one frame of five.
pub(crate) static IVTC: NodeType = NodeType {
    id: "video.ivtc",
    name: "Inverse Telecine",
    doc: "Puts the fields of a film that was made into video back together (ffmpeg's fieldmatch; frames that stay combed are \
          deinterlaced), and drops the frame of five that is one too many. Better done where the video is opened (--ivtc). Works at 8 \
          bits.",
    params: &[
        ORDER,
        Param::bool(
            "decimate",
            "Whether one frame of five is dropped: 2:3 pulldown. The others are spread over its time.",
            true,
        ),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            let order = prepare.values.text("order");
            let graph = format!(
                "fieldmatch=order={order}:combmatch=full,bwdif=mode=send_frame:parity={order}:deint=interlaced"
            );
            let decimates = prepare.values.bool("decimate");
            let times = if decimates { Times::Decimated } else { Times::Same };
            prepared(prepare, "", graph, None, How { keeps_frames: !decimates, times, ..How::PLAIN })
        },
    },
    ..TEMPORAL
};

/// mpdecimate.
pub(crate) static DECIMATE: NodeType = NodeType {
    id: "video.decimate",
    name: "Drop Duplicates",
    doc: "Drops frames that repeat the one before (ffmpeg's mpdecimate). Those that stay are unchanged, and keep their times.",
    params: &[
        Param::int("most", "Most frames that are dropped one after the other.", "", (1, 60), 5),
        Param::int(
            "high",
            "Frames stay that differ by more than this in any block of 8 by 8 pixels, summed up.",
            "",
            (0, 16_320),
            768,
        ),
        Param::int("low", "Blocks that differ by more than this count.", "", (0, 16_320), 320),
        Param::float(
            "fraction",
            "Frames stay where more than this share of the blocks counts.",
            "",
            (0.0, 1.0),
            0.33,
        ),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            let how = How { keeps_frames: false, selects: true, ..How::PLAIN };
            wrapped(prepare, "mpdecimate", &["max", "hi", "lo", "frac"], how)
        },
    },
    example: &[("high", "64"), ("low", "32"), ("fraction", "0")],
    ..TEMPORAL
};

/// framestep.
pub(crate) static FRAME_STEP: NodeType = NodeType {
    id: "video.frame_step",
    name: "Frame Step",
    doc: "Takes the first of every few frames. They are unchanged, and keep their times.",
    params: &[Param::int("step", "Of so many frames one is taken.", "", (1, 1000), 2)],
    role: Role::Segment {
        prepare: |prepare| {
            let how = How { keeps_frames: false, selects: true, ..How::PLAIN };
            wrapped(prepare, "framestep", &["step"], how)
        },
    },
    ..TEMPORAL
};

const RATE: Param =
    Param::text("rate", "Frames per second of the result, such as 50, 59.94 or 60000/1001.", "25");

/// fps.
pub(crate) static FPS: NodeType = NodeType {
    id: "video.fps",
    name: "Constant Frame Rate",
    doc: "Brings a film to a constant frame rate by repeating and dropping frames (ffmpeg's fps).",
    params: &[
        RATE,
        Param::choice(
            "round",
            "Which time of the rate a frame belongs to.",
            &[
                Choice { id: "near", doc: "The nearest." },
                Choice { id: "down", doc: "The one before." },
                Choice { id: "up", doc: "The one after." },
            ],
            "near",
        ),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            let rate = frame_rate("rate", prepare.values.text("rate"))?;
            let graph = format!("fps=fps={rate}:round={}", prepare.values.text("round"));
            let how = How { keeps_frames: false, times: Times::Rate(rate), ..How::PLAIN };
            prepared(prepare, "", graph, None, how)
        },
    },
    example: &[("rate", "36")],
    ..TEMPORAL
};

/// minterpolate.
pub(crate) static MINTERPOLATE: NodeType = NodeType {
    id: "ffmpeg.minterpolate",
    name: "Motion Interpolation (minterpolate)",
    doc: "Makes frames between frames by following what moves (ffmpeg's minterpolate). Slow, and drawn animation on twos or threes mostly \
          suffers from it. Works at 8 bits.",
    params: &[
        RATE,
        Param::choice(
            "mode",
            "How frames are made.",
            &[
                Choice { id: "mci", doc: "By movement." },
                Choice { id: "blend", doc: "As a mixture of two." },
                Choice { id: "dup", doc: "By repetition." },
            ],
            "mci",
        ),
        Param::choice(
            "estimation",
            "How movement is looked for.",
            &[
                Choice { id: "bilat", doc: "From the new frame to both sides." },
                Choice { id: "bidir", doc: "From one frame to the other and back." },
            ],
            "bilat",
        ),
        Param::choice(
            "compensation",
            "How blocks are put together.",
            &[
                Choice { id: "obmc", doc: "Overlapping." },
                Choice { id: "aobmc", doc: "Overlapping, weighted by how sure they are." },
            ],
            "obmc",
        ),
        Param::int("block", "Side of the blocks; 4, 8 or 16.", "px", (4, 16), 16),
        Param::int("search", "How far movement is looked for.", "px", (4, 256), 32),
        Param::float(
            "scene-threshold",
            "From this change on, a frame begins a scene, and nothing is made before it.",
            "%",
            (0.0, 100.0),
            10.0,
        ),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            let rate = frame_rate("rate", prepare.values.text("rate"))?;
            let how = How { keeps_frames: false, times: Times::Rate(rate), ..How::PLAIN };
            let options = ["", "mi_mode", "me_mode", "mc_mode", "mb_size", "search_param", "scd_threshold"];
            super::wrapped_more(prepare, &format!("minterpolate=fps={rate}"), &options, how)
        },
    },
    example: &[("rate", "48")],
    ..TEMPORAL
};
