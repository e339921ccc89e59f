//! Small nodes that show what the executor does with them. Pictures are one pixel: a number.

use pegbar_chain::*;
use pegbar_filters::temporal::{Reach, TemporalFilter, Window};
use pegbar_frame::{PlanarImage, Rational};
use pegbar_params::{Param, ParamValues};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) fn pixel(value: f32) -> Value {
    Value::Image(Arc::new(PlanarImage { width: 1, height: 1, channels: 1, data: vec![value] }))
}

pub(crate) fn number_of(value: &Value) -> f32 {
    match value {
        Value::Image(image) => image.data[0],
        Value::Number(number) => *number as f32,
        other => panic!("no number: {other}"),
    }
}

/// A node made of a function of pictures.
struct Pixels<F>(F);

impl<F: Fn(&[f32], &FrameContext) -> Result<f32, NodeError> + Send + Sync> Node for Pixels<F> {
    fn infer(&self, inputs: &[Vec<Info>]) -> Result<Vec<Info>, NodeError> {
        Ok(vec![Info::image(same_size(inputs))])
    }

    fn run(&self, inputs: &Inputs<'_>, frame: &FrameContext) -> Result<Vec<Value>, NodeError> {
        let mut all = Vec::new();
        for port in ["image", "other"] {
            all.extend(inputs.images(port)?.iter().map(|image| image.data[0]));
        }
        (self.0)(&all, frame).map(|result| vec![pixel(result)])
    }
}

const IMAGE: &[Input] = &[Input::image("image", "A picture.")];
const OUT: &[Output] = &[Output::image("image", "A picture.")];

const BASE: NodeType = NodeType {
    id: "",
    former_ids: &[],
    name: "",
    category: Category::Structure,
    doc: "",
    inputs: IMAGE,
    outputs: OUT,
    params: &[],
    role: Role::Placeholder,
    example: &[],
};

pub(crate) static INPUT: NodeType = NodeType { id: "input", inputs: &[], role: Role::HostSource, ..BASE };
pub(crate) static OUTPUT: NodeType = NodeType { id: "output", outputs: &[], role: Role::HostSink, ..BASE };

/// Adds a number, and takes longer for some frames than for others.
pub(crate) static ADD: NodeType = NodeType {
    id: "add",
    former_ids: &["plus"],
    params: &[Param::float("by", "How much.", "", (-100.0, 100.0), 1.0)],
    role: Role::Function {
        prepare: |prepare| {
            let by = prepare.values.f32("by");
            Ok(Box::new(Pixels(move |all: &[f32], frame: &FrameContext| {
                std::thread::sleep(Duration::from_micros(frame.index * 7919 % 500));
                Ok(all[0] + by)
            })))
        },
        varies: false,
        acts: false,
    },
    ..BASE
};

/// Fails for the number 13.
pub(crate) static UNLUCKY: NodeType = NodeType {
    id: "unlucky",
    role: Role::Function {
        prepare: |_| {
            Ok(Box::new(Pixels(|all: &[f32], _: &FrameContext| {
                if all[0] == 13.0 { Err(NodeError::Failed("13".into())) } else { Ok(all[0]) }
            })))
        },
        varies: false,
        acts: false,
    },
    ..BASE
};

/// Panics always.
pub(crate) static DEFECT: NodeType = NodeType {
    id: "defect",
    role: Role::Function {
        prepare: |_| Ok(Box::new(Pixels(|_: &[f32], _: &FrameContext| panic!("oops")))),
        varies: false,
        acts: false,
    },
    ..BASE
};

pub(crate) static N_COUNTED: AtomicUsize = AtomicUsize::new(0);

/// Counts how often it runs.
pub(crate) static COUNTED: NodeType = NodeType {
    id: "counted",
    role: Role::Function {
        prepare: |_| {
            Ok(Box::new(Pixels(|all: &[f32], _: &FrameContext| {
                N_COUNTED.fetch_add(1, Ordering::SeqCst);
                Ok(all[0])
            })))
        },
        varies: false,
        acts: false,
    },
    ..BASE
};

/// First times 1000 plus the second.
pub(crate) static JOIN: NodeType = NodeType {
    id: "join",
    inputs: &[Input::image("image", "First."), Input::image("other", "Second.")],
    role: Role::Function {
        prepare: |_| Ok(Box::new(Pixels(|all: &[f32], _: &FrameContext| Ok(all[0] * 1000.0 + all[1])))),
        varies: false,
        acts: false,
    },
    ..BASE
};

struct NumberNode(f64);

impl Node for NumberNode {
    fn infer(&self, _: &[Vec<Info>]) -> Result<Vec<Info>, NodeError> {
        Ok(vec![Info::of_type(ValueType::Number)])
    }

    fn run(&self, _: &Inputs<'_>, _: &FrameContext) -> Result<Vec<Value>, NodeError> {
        Ok(vec![Value::Number(self.0)])
    }
}

pub(crate) static NUMBER: NodeType = NodeType {
    id: "number",
    inputs: &[],
    outputs: &[Output::of(ValueType::Number, "number", "The number.")],
    params: &[Param::float("value", "The number.", "", (-1e9, 1e9), 0.0)],
    role: Role::Function {
        prepare: |prepare| Ok(Box::new(NumberNode(prepare.values.float("value")))),
        varies: false,
        acts: false,
    },
    ..BASE
};

struct ValueOf;

impl Node for ValueOf {
    fn infer(&self, _: &[Vec<Info>]) -> Result<Vec<Info>, NodeError> {
        Ok(vec![Info::of_type(ValueType::Number)])
    }

    fn run(&self, inputs: &Inputs<'_>, _: &FrameContext) -> Result<Vec<Value>, NodeError> {
        Ok(vec![Value::Number(f64::from(inputs.image("image")?.data[0]))])
    }
}

/// The number that a picture is.
pub(crate) static VALUE_OF: NodeType = NodeType {
    id: "value_of",
    outputs: &[Output::of(ValueType::Number, "number", "The number.")],
    role: Role::Function { prepare: |_| Ok(Box::new(ValueOf)), varies: false, acts: false },
    ..BASE
};

/// One of two.
pub(crate) static CHOOSE: NodeType = NodeType {
    id: "choose",
    inputs: &[Input::any("then", "One."), Input::any("else", "The other.")],
    outputs: &[Output::same("value", "One of them.")],
    params: &[Param::bool("condition", "Whether it is the first.", true)],
    role: Role::Choice { choose: |values: &ParamValues, _| Ok((usize::from(!values.bool("condition")), 0)) },
    ..BASE
};

/// The sum of the frames within reach.
struct Sum(Reach);

impl TemporalFilter for Sum {
    fn reach(&self) -> Reach {
        self.0
    }

    fn measure(&self, previous: Option<&PlanarImage>, frame: &PlanarImage) -> Vec<f32> {
        vec![previous.map_or(-1.0, |previous| previous.data[0]), frame.data[0]]
    }

    fn apply(&self, window: &Window<'_>) -> PlanarImage {
        for (frame, measure) in window.frames.iter().zip(window.measures) {
            assert_eq!(frame.data[0], measure[1], "measures belong to their frames");
        }
        for pair in window.measures.windows(2) {
            assert_eq!(pair[1][0], pair[0][1], "a frame is measured against the one before");
        }
        let sum = window.frames.iter().map(|frame| frame.data[0]).sum();
        PlanarImage { data: vec![sum], ..window.frame().clone() }
    }
}

pub(crate) static SUM: NodeType = NodeType {
    id: "sum",
    params: &[
        Param::int("before", "Frames before.", "", (0, 9), 1),
        Param::int("after", "Frames after.", "", (0, 9), 1),
    ],
    role: Role::Temporal {
        prepare: |prepare| {
            let reach =
                Reach { before: prepare.values.usize("before"), after: prepare.values.usize("after") };
            Ok(Arc::new(Sum(reach)))
        },
    },
    ..BASE
};

/// Tells the sum of the frames within reach.
struct Tell(Reach);

impl WindowNode for Tell {
    fn reach(&self) -> Reach {
        self.0
    }

    fn infer(&self, _: &Info) -> Result<Vec<Info>, NodeError> {
        Ok(vec![Info::of_type(ValueType::Number)])
    }

    fn run(&self, frames: &[&PlanarImage], centre: usize) -> Result<Vec<Value>, NodeError> {
        assert!(centre < frames.len());
        Ok(vec![Value::Number(frames.iter().map(|frame| f64::from(frame.data[0])).sum())])
    }
}

pub(crate) static TELL: NodeType = NodeType {
    id: "tell",
    outputs: &[Output::of(ValueType::Number, "sum", "The sum.")],
    params: SUM.params,
    role: Role::Window {
        prepare: |prepare| {
            let reach =
                Reach { before: prepare.values.usize("before"), after: prepare.values.usize("after") };
            Ok(Arc::new(Tell(reach)))
        },
    },
    ..BASE
};

/// A running total since the segment began; frames leave late.
struct Total {
    late: usize,
    every: usize,
}

impl SegmentFilter for Total {
    fn infer(&self, image: &Info) -> Result<Info, NodeError> {
        Ok(image.clone())
    }

    fn keeps_frames(&self) -> bool {
        self.every == 1
    }

    fn run(
        &self,
        _: Rational,
        frames: &mut (dyn Iterator<Item = TimedImage> + Send),
        taker: &mut FrameTaker<'_>,
        _: &Cancel,
    ) -> Result<(), NodeError> {
        let mut total = 0.0;
        let mut held = std::collections::VecDeque::new();
        for (i, TimedImage { image, pts }) in frames.enumerate() {
            total += image.data[0];
            if i % self.every == 0 {
                let image = Arc::new(PlanarImage { data: vec![total], ..(*image).clone() });
                held.push_back(TimedImage { image, pts });
            }
            if held.len() > self.late
                && let Some(first) = held.pop_front()
                && !taker(first)
            {
                return Ok(());
            }
        }
        held.into_iter().all(taker);
        Ok(())
    }
}

pub(crate) static TOTAL: NodeType = NodeType {
    id: "total",
    params: &[
        Param::int("late", "Frames held back.", "", (0, 99), 0),
        Param::int("every", "Of so many frames one is given.", "", (1, 9), 1),
    ],
    role: Role::Segment {
        prepare: |prepare| {
            Ok(Arc::new(Total { late: prepare.values.usize("late"), every: prepare.values.usize("every") }))
        },
    },
    ..BASE
};

/// Mean of all frames.
#[derive(Default)]
struct Mean(Vec<f32>);

impl Collector for Mean {
    fn infer(&self, _: &[Vec<Info>]) -> Result<Vec<Info>, NodeError> {
        Ok(vec![Info::of_type(ValueType::Number)])
    }

    fn add(&mut self, inputs: &Inputs<'_>, _: &FrameContext) -> Result<(), NodeError> {
        self.0.push(inputs.image("image")?.data[0]);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Value>, NodeError> {
        Ok(vec![Value::Number(f64::from(self.0.iter().sum::<f32>()) / self.0.len() as f64)])
    }
}

pub(crate) static MEAN: NodeType = NodeType {
    id: "mean",
    outputs: &[Output::of(ValueType::Number, "mean", "The mean.")],
    role: Role::Collector { prepare: |_| Ok(Box::<Mean>::default()) },
    ..BASE
};

pub(crate) static SHOWN: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());

struct Show;

impl Node for Show {
    fn infer(&self, _: &[Vec<Info>]) -> Result<Vec<Info>, NodeError> {
        Ok(Vec::new())
    }

    fn run(&self, inputs: &Inputs<'_>, _: &FrameContext) -> Result<Vec<Value>, NodeError> {
        SHOWN.lock().expect("no panic").push(inputs.text("text")?.to_string());
        Ok(Vec::new())
    }
}

pub(crate) static SHOW: NodeType = NodeType {
    id: "show",
    inputs: &[Input::of(ValueType::Text, "text", "A text.")],
    outputs: &[],
    role: Role::Function { prepare: |_| Ok(Box::new(Show)), varies: false, acts: true },
    ..BASE
};

pub(crate) static MISSING: NodeType = NodeType {
    id: "placeholder",
    params: &[Param::text("original", "What it stands for.", "")],
    role: Role::Placeholder,
    ..BASE
};

pub(crate) const TABLE: NodeTable = NodeTable(&[
    &INPUT, &OUTPUT, &ADD, &UNLUCKY, &DEFECT, &COUNTED, &JOIN, &NUMBER, &VALUE_OF, &CHOOSE, &SUM, &TELL,
    &TOTAL, &MEAN, &SHOW, &MISSING,
]);

/// A chain of nodes as they stand in a file.
pub(crate) fn chain(nodes: &str) -> Chain {
    Chain::from_json(&format!("{{\"pegbar\": 1, \"nodes\": {{{nodes}}}}}")).expect("a chain")
}

pub(crate) fn checked(nodes: &str) -> Result<Checked, Vec<Fault>> {
    check(&chain(nodes), &TABLE, Path::new("."), &Arc::default(), &HashMap::new())
}

/// The faults of a chain, a line each.
pub(crate) fn faults(nodes: &str) -> Vec<String> {
    match checked(nodes) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}
