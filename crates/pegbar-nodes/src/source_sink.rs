//! Where the frames of a run come from and go to. Whoever runs a chain provides them; these are the declarations.

use crate::function::{BASE, IMAGE_IN};
use pegbar_chain::{Category, NodeType, Output, Role, ValueType};
use pegbar_params::{Param, ParamValues, PathTarget};

/// Which frames of a source are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// So many are left out at the beginning.
    pub skip: u64,
    /// So many are taken at most; 0 for all.
    pub limit: u64,
    /// Of so many one is taken, the first of them.
    pub step: u64,
}

impl Selection {
    /// All of them.
    pub const ALL: Self = Self { skip: 0, limit: 0, step: 1 };

    /// As the parameters of a source say.
    pub fn from_values(values: &ParamValues) -> Self {
        let whole = |id: &str| u64::try_from(values.int(id)).unwrap_or(0);
        Self { skip: whole(SKIP.id), limit: whole(LIMIT.id), step: whole(STEP.id).max(1) }
    }

    /// Those of a list that are taken, with their places in it.
    pub(crate) fn of_list<T>(self, all: Vec<T>) -> Vec<(u64, T)> {
        let limit =
            if self.limit == 0 { usize::MAX } else { usize::try_from(self.limit).unwrap_or(usize::MAX) };
        let whole = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        (0..).zip(all).skip(whole(self.skip)).step_by(whole(self.step.max(1))).take(limit).collect()
    }
}

const MOST: (i64, i64) = (0, 1_000_000_000);

/// Parameter of [`Selection`].
pub(crate) const SKIP: Param = Param::int("skip", "How many are left out at the beginning.", "", MOST, 0);
/// Parameter of [`Selection`].
pub(crate) const LIMIT: Param = Param::int("limit", "How many are taken at most; 0 for all.", "", MOST, 0);
/// Parameter of [`Selection`].
pub(crate) const STEP: Param =
    Param::int("step", "Of how many one is taken, the first of them.", "", (1, 1_000_000), 1);

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
          video is opened (part, fields, borders) is said on the command line. Frames of a video are left out by their count at its \
          mean rate, and its sound with them; a picture is always taken.",
    outputs: FRAME_OUT,
    params: &[SKIP, LIMIT, STEP],
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
    doc: "The frames of a video file, an animation, or numbered images such as frames/%06d.png. A chain with one is run without an input. \
          Frames are left out by their count at its mean rate, and its sound with them.",
    outputs: FRAME_OUT,
    params: &[
        Param::path("path", "The video file, or a pattern of numbered images.", PathTarget::File),
        SKIP,
        LIMIT,
        STEP,
    ],
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
            "Encoder: h264, h265, av1, ffv1, prores, or options of ffmpeg's such as \"-c:v libvpx-vp9 -crf 24 -b:v 0\"; empty for h264. \
             Options that might touch files are refused unless --allow-ffmpeg-files is given.",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_of_a_list() {
        let of = |skip, limit, step| -> Vec<u64> {
            let chosen = Selection { skip, limit, step }.of_list((100..110).collect());
            chosen
                .into_iter()
                .map(|(place, item): (u64, u64)| {
                    assert_eq!(item, 100 + place);
                    place
                })
                .collect()
        };
        assert_eq!(of(0, 0, 1), (0..10).collect::<Vec<_>>());
        assert_eq!(of(3, 2, 1), [3, 4]);
        assert_eq!(of(1, 3, 3), [1, 4, 7]);
        assert_eq!(of(8, 5, 1), [8, 9]);
        assert!(of(10, 0, 1).is_empty() && of(u64::MAX, 1, u64::MAX).is_empty());
    }
}
