//! Where the frames of a run come from and go to. Whoever runs a chain provides them; these are the declarations.

use crate::function::{BASE, IMAGE_IN};
use pegbar_chain::{Category, NodeType, Output, Role, ValueType};
use pegbar_params::{Param, PathTarget};

const FRAME_OUT: &[Output] = &[
    Output::image("image", "The picture, or each frame."),
    Output::of(ValueType::Number, "index", "Number of the frame, from 0."),
    Output::of(ValueType::Number, "seconds", "Time of the frame in seconds."),
    Output::of(ValueType::Text, "name", "Name of the file without its extension."),
    Output::of(ValueType::Directory, "directory", "Where it lies."),
];

/// The input of the run.
pub(crate) static INPUT: NodeType = NodeType {
    id: "input",
    name: "Input",
    category: Category::InputOutput,
    doc: "What the chain is run on: \"pegbar run CHAIN INPUT -o OUTPUT\". A picture, or the frames of a video one after the other. How a \
          video is opened (part, fields, borders) is said on the command line.",
    outputs: FRAME_OUT,
    role: Role::HostSource,
    ..BASE
};

/// The output of the run.
pub(crate) static OUTPUT: NodeType = NodeType {
    id: "output",
    name: "Output",
    category: Category::InputOutput,
    doc: "What the chain makes: \"pegbar run CHAIN INPUT -o OUTPUT\". How a video is encoded is said on the command line.",
    inputs: IMAGE_IN,
    role: Role::HostSink,
    ..BASE
};

/// A video file of the chain's own.
pub(crate) static VIDEO_LOAD: NodeType = NodeType {
    id: "video.load",
    name: "Load Video",
    category: Category::InputOutput,
    doc: "The frames of a video file, an animation, or numbered images such as frames/%06d.png. A chain with one is run without an input.",
    outputs: FRAME_OUT,
    params: &[Param::path("path", "The video file, or a pattern of numbered images.", PathTarget::File)],
    role: Role::HostSource,
    example: &[("path", "episode.mkv")],
    ..BASE
};

/// A video file of the chain's own.
pub(crate) static VIDEO_SAVE: NodeType = NodeType {
    id: "video.save",
    name: "Save Video",
    category: Category::InputOutput,
    doc: "Encodes the frames to a video file, an animation, or numbered images, with all other streams of the source. What the command \
          line says of encoding comes first. A chain with one is run without an output.",
    inputs: IMAGE_IN,
    params: &[
        Param::path("path", "The file to write, or a pattern of numbered images.", PathTarget::File),
        Param::text(
            "encode",
            "Encoder: h264, h265, av1, ffv1, prores, or options of ffmpeg's such as \"-c:v libvpx-vp9 -crf 24 -b:v 0\"; empty for h264.",
            "",
        ),
        Param::text(
            "crf",
            "Constant rate factor of h264, h265 and av1; empty for the encoder's default.",
            "",
        ),
        Param::text("preset", "Speed preset of the encoder; empty for its default.", ""),
        Param::text("pix-fmt", "Pixel format, ffmpeg's name; empty for 4:2:0 at the source's depth.", ""),
    ],
    role: Role::HostSink,
    example: &[("path", "restored.mkv"), ("encode", "h265"), ("crf", "18")],
    ..BASE
};
