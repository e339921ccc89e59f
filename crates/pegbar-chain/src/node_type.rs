//! The declaration of a node: everything that a check, a help page, a form and the executor know of it.

use crate::node::{Collector, FrameSource, Node, NodeError, Prepare, SegmentFilter, WindowNode};
use crate::{ImageInfo, Info, ValueType};
use pegbar_filters::temporal::TemporalFilter;
use pegbar_params::{Param, ParamValues};
use std::sync::Arc;

/// A kind of node. Declared once, as a constant.
#[derive(Debug)]
pub struct NodeType {
    /// Stable id: a room and a concept, `image.gaussian_blur`. Never reused for something else.
    pub id: &'static str,
    /// Ids that files of earlier versions call it by.
    pub former_ids: &'static [&'static str],
    /// Name for people: `Gaussian Blur`.
    pub name: &'static str,
    /// Where it stands in lists.
    pub category: Category,
    /// What it does, in full sentences.
    pub doc: &'static str,
    /// What it takes from other nodes.
    pub inputs: &'static [Input],
    /// What it gives to other nodes.
    pub outputs: &'static [Output],
    /// Its parameters. Each can also be connected, under its id, to an output of a fitting type.
    pub params: &'static [Param],
    /// How it works.
    pub role: Role,
    /// Settings of the example on its page: parameter and value as typed.
    pub example: &'static [(&'static str, &'static str)],
}

/// Where nodes stand in lists, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Where pictures come from and go to.
    InputOutput,
    /// Networks.
    Model,
    /// Repair of single frames.
    Restoration,
    /// Repair that looks at neighbouring frames.
    Temporal,
    /// Size, place, orientation.
    Geometry,
    /// Colour and tone.
    Colour,
    /// Blurs, sharpening, edges.
    Filter,
    /// Several pictures to one, one to several.
    Compositing,
    /// Masks and morphology.
    Mask,
    /// Noise and grain.
    Noise,
    /// Pictures out of nothing, text on pictures.
    Drawing,
    /// Measures of pictures.
    Measure,
    /// Numbers, text, decisions.
    Value,
    /// What holds chains together.
    Structure,
}

impl Category {
    /// All of them, in order.
    pub const ALL: [Self; 14] = [
        Self::InputOutput,
        Self::Model,
        Self::Restoration,
        Self::Temporal,
        Self::Geometry,
        Self::Colour,
        Self::Filter,
        Self::Compositing,
        Self::Mask,
        Self::Noise,
        Self::Drawing,
        Self::Measure,
        Self::Value,
        Self::Structure,
    ];

    /// Stable name, and title for people.
    pub const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::InputOutput => ("input_output", "Input and output"),
            Self::Model => ("model", "Models"),
            Self::Restoration => ("restoration", "Restoration"),
            Self::Temporal => ("temporal", "Restoration over time"),
            Self::Geometry => ("geometry", "Size and place"),
            Self::Colour => ("colour", "Colour and tone"),
            Self::Filter => ("filter", "Blur, sharpen, edges"),
            Self::Compositing => ("compositing", "Compositing"),
            Self::Mask => ("mask", "Masks"),
            Self::Noise => ("noise", "Noise and grain"),
            Self::Drawing => ("drawing", "Drawing"),
            Self::Measure => ("measure", "Measures"),
            Self::Value => ("value", "Numbers, text, decisions"),
            Self::Structure => ("structure", "Structure"),
        }
    }
}

/// What an input takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// Values of a type, and those that convert to it.
    Type(ValueType),
    /// Values of every type.
    Any,
}

/// How many values an input takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// Exactly one.
    Required,
    /// One or none.
    Optional,
    /// One or more, in order.
    Many,
}

/// An input of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// Stable id.
    pub id: &'static str,
    /// What it is for, full sentences.
    pub doc: &'static str,
    /// What it takes.
    pub accepts: Accepts,
    /// How many of them.
    pub arity: Arity,
}

impl Input {
    /// One picture.
    pub const fn image(id: &'static str, doc: &'static str) -> Self {
        Self::of(ValueType::Image, id, doc)
    }

    /// One picture or none.
    pub const fn optional_image(id: &'static str, doc: &'static str) -> Self {
        Self { arity: Arity::Optional, ..Self::of(ValueType::Image, id, doc) }
    }

    /// One value of a type.
    pub const fn of(value_type: ValueType, id: &'static str, doc: &'static str) -> Self {
        Self { id, doc, accepts: Accepts::Type(value_type), arity: Arity::Required }
    }

    /// One value of any type.
    pub const fn any(id: &'static str, doc: &'static str) -> Self {
        Self { id, doc, accepts: Accepts::Any, arity: Arity::Required }
    }

    /// The same, but one or more.
    pub const fn many(self) -> Self {
        Self { arity: Arity::Many, ..self }
    }

    /// The same, but one or none.
    pub const fn optional(self) -> Self {
        Self { arity: Arity::Optional, ..self }
    }
}

/// What an output gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// Values of a type.
    Type(ValueType),
    /// What the inputs of type [`Accepts::Any`] are given; they have to agree.
    SameAsInput,
}

/// An output of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// Stable id.
    pub id: &'static str,
    /// What it is, full sentences.
    pub doc: &'static str,
    /// What it gives.
    pub gives: Gives,
}

impl Output {
    /// A picture.
    pub const fn image(id: &'static str, doc: &'static str) -> Self {
        Self::of(ValueType::Image, id, doc)
    }

    /// A value of a type.
    pub const fn of(value_type: ValueType, id: &'static str, doc: &'static str) -> Self {
        Self { id, doc, gives: Gives::Type(value_type) }
    }

    /// What is put in.
    pub const fn same(id: &'static str, doc: &'static str) -> Self {
        Self { id, doc, gives: Gives::SameAsInput }
    }
}

/// Makes a working node of its settings.
pub type PrepareNode = fn(&Prepare<'_>) -> Result<Box<dyn Node>, NodeError>;

/// Says which value is taken: the index of the input, and that of the value within it, which is 0 but for [`Arity::Many`]. Given
/// are the parameters and how many values each input has.
pub type Choose = fn(&ParamValues, &[usize]) -> Result<(usize, usize), NodeError>;

/// How a node works.
#[derive(Debug, Clone, Copy)]
pub enum Role {
    /// A function of its inputs, frame by frame.
    Function {
        /// Makes it.
        prepare: PrepareNode,
        /// Whether a result depends on nothing but inputs and parameters. Otherwise (it numbers frames, or draws noise that
        /// changes) a frame equal to the one before has a result of its own.
        varies: bool,
        /// Whether it does something outside of the chain, such as writing a file: it runs though nobody takes a result.
        acts: bool,
    },
    /// Takes one of its inputs; the others are not computed.
    Choice {
        /// Which one.
        choose: Choose,
    },
    /// Makes a frame from a picture and its neighbours in the stream: first input to first output, both pictures.
    Temporal {
        /// Makes it.
        prepare: fn(&Prepare<'_>) -> Result<Arc<dyn TemporalFilter>, NodeError>,
    },
    /// Tells of a picture and its neighbours in the stream: values of the first input, a picture.
    Window {
        /// Makes it.
        prepare: fn(&Prepare<'_>) -> Result<Arc<dyn WindowNode>, NodeError>,
    },
    /// Makes frames of frames, one segment of the stream at a time; their number may change.
    Segment {
        /// Makes it.
        prepare: fn(&Prepare<'_>) -> Result<Arc<dyn SegmentFilter>, NodeError>,
    },
    /// Gives one value after the other: the beginning of a stream.
    Source {
        /// Makes it.
        prepare: fn(&Prepare<'_>) -> Result<Arc<dyn FrameSource>, NodeError>,
    },
    /// Folds a stream to values that are there when it has ended.
    Collector {
        /// Makes it.
        prepare: fn(&Prepare<'_>) -> Result<Box<dyn Collector>, NodeError>,
    },
    /// The beginning of a stream that whoever runs the chain provides: a video, or the pictures that are its input.
    HostSource,
    /// The end of a stream, which whoever runs the chain takes: a video to be encoded, or the picture that is its output.
    HostSink,
    /// Stands for something that is not there; a check refuses it.
    Placeholder,
}

impl Role {
    /// Whether the node is an input or an output, which whoever runs the chain provides.
    pub fn is_host(self) -> bool {
        matches!(self, Self::HostSource | Self::HostSink)
    }

    /// Whether its work is wanted for itself: it is an output, or acts.
    pub fn is_root(self) -> bool {
        matches!(self, Self::HostSink | Self::Function { acts: true, .. })
    }
}

impl NodeType {
    /// Position of an input.
    pub fn input(&self, id: &str) -> Option<usize> {
        self.inputs.iter().position(|input| input.id == id)
    }

    /// Position of an output.
    pub fn output(&self, id: &str) -> Option<usize> {
        self.outputs.iter().position(|output| output.id == id)
    }

    /// What is known of the outputs where nothing is but what pictures are like; an output that gives what is put in counts as a
    /// picture.
    pub fn output_infos(&self, image: &ImageInfo) -> Vec<Info> {
        let of = |output: &Output| match output.gives {
            Gives::Type(ValueType::Image) | Gives::SameAsInput => Info::image(image.clone()),
            Gives::Type(value_type) => Info::of_type(value_type),
        };
        self.outputs.iter().map(of).collect()
    }

    /// Declaration of a parameter.
    pub fn param(&self, id: &str) -> Option<&'static Param> {
        self.params.iter().find(|param| param.id == id)
    }
}

/// All kinds of nodes that there are.
#[derive(Debug, Clone, Copy)]
pub struct NodeTable(pub &'static [&'static NodeType]);

impl NodeTable {
    /// The kind with an id, or with a former one.
    pub fn get(&self, id: &str) -> Option<&'static NodeType> {
        let known = self.0.iter().find(|kind| kind.id == id);
        known.or_else(|| self.0.iter().find(|kind| kind.former_ids.contains(&id))).copied()
    }

    /// The ids most like a wrong one, the most likely first.
    pub fn like(&self, id: &str) -> Vec<&'static str> {
        nearest(id, self.0.iter().map(|kind| kind.id))
    }
}

/// The words most like a wrong one, at most three.
pub(crate) fn nearest<'a>(wrong: &str, words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let short = |word: &'a str| word.rsplit('.').next().unwrap_or(word);
    let wrong_short = wrong.rsplit('.').next().unwrap_or(wrong).to_lowercase();
    let mut scored: Vec<(usize, &str)> = words
        .map(|word| {
            let part = short(word);
            let contained =
                !wrong_short.is_empty() && (part.contains(&wrong_short) || wrong_short.contains(part));
            let distance = edit_distance(&wrong.to_lowercase(), word).min(edit_distance(&wrong_short, part));
            (if contained { distance.min(1) } else { distance }, word)
        })
        .filter(|(distance, word)| *distance <= 1 + short(word).len() / 3)
        .collect();
    scored.sort();
    scored.truncate(3);
    scored.into_iter().map(|(_, word)| word).collect()
}

/// Levenshtein's: letters to put in, take out or replace.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}

/// The size that most filters leave as it is: that of the first picture.
pub fn same_size(inputs: &[Vec<Info>]) -> ImageInfo {
    let images = inputs.iter().flatten().filter_map(|info| info.image.clone());
    images.into_iter().next().unwrap_or(ImageInfo::UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_words_find_near_ones() {
        let words = ["image.gaussian_blur", "image.box_blur", "image.crop", "video.load"];
        assert_eq!(nearest("image.gausian_blur", words.into_iter()), ["image.gaussian_blur"]);
        assert_eq!(nearest("crop", words.into_iter()), ["image.crop"]);
        assert!(nearest("zzzz", words.into_iter()).is_empty());
    }
}
