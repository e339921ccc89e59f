//! What has changed since the frame before: cuts, and frames that show nothing new.

use crate::function::{BASE, IMAGE_IN};
use pegbar_chain::{Category, Info, NodeError, NodeType, Output, Role, Value, ValueType, WindowNode};
use pegbar_filters::temporal::{Reach, duplicate, scene_change};
use pegbar_frame::PlanarImage;
use pegbar_params::Param;
use std::sync::Arc;

/// A cut.
pub(crate) static SCENE_CHANGE: NodeType = NodeType {
    id: "measure.scene_change",
    name: "Scene Change",
    category: Category::Measure,
    doc: "How unlike the frame before a frame is, and whether a scene begins with it. Flicker, flashes, fades and moves of the camera are \
          no cuts. Of pictures that are no film, each is compared with the one before.",
    inputs: IMAGE_IN,
    outputs: &[
        Output::of(
            ValueType::Number,
            "change",
            "The share of structure that only one of both frames has, from 0 to 1: about 0.1 within a scene of much motion, 0.6 and more \
             at a cut. 1 for the very first frame.",
        ),
        Output::of(ValueType::Bool, "cut", "Whether a scene begins, as it does with the very first frame."),
    ],
    params: &[Param::float("threshold", "How much change is a cut.", "", (0.0, 1.0), 0.5)],
    role: Role::Window {
        prepare: |prepare| {
            let threshold = prepare.values.f32("threshold");
            Ok(Arc::new(SinceBefore(move |before: Option<&PlanarImage>, frame: &PlanarImage| {
                let change = before.map_or(1.0, |before| scene_change::unlikeness(before, frame));
                [Value::Number(f64::from(change)), Value::Bool(before.is_none() || change > threshold)]
            })))
        },
    },
    example: &[("threshold", "0.5")],
    ..BASE
};

/// A repeated frame.
pub(crate) static DUPLICATE: NodeType = NodeType {
    id: "measure.duplicate",
    name: "Duplicate Frame",
    category: Category::Measure,
    doc: "Whether a frame shows nothing that the frame before did not: a drawing that is held, or a frame that telecine has added. Blocks \
          are compared, so that a mouth that moves counts and what an encoder does to a still picture does not.",
    inputs: IMAGE_IN,
    outputs: &[
        Output::of(
            ValueType::Bool,
            "repeats",
            "Whether it shows nothing new; never for the very first frame.",
        ),
        Output::of(
            ValueType::Number,
            "change",
            "Change of the block that has changed most, in steps of 8 bits: 0 for the same picture. 255 for the very first frame.",
        ),
    ],
    params: &[Param::float(
        "noise",
        "Standard deviation of the noise of the film, in steps of 8 bits; 0 for a clean one.",
        "",
        (0.0, 64.0),
        0.0,
    )],
    role: Role::Window {
        prepare: |prepare| {
            let noise = prepare.values.f32("noise");
            Ok(Arc::new(SinceBefore(move |before: Option<&PlanarImage>, frame: &PlanarImage| {
                let Some(before) = before else { return [Value::Bool(false), Value::Number(255.0)] };
                let change = duplicate::change(before, frame);
                [Value::Bool(change.is_repeat(noise)), Value::Number(f64::from(change.largest_codes))]
            })))
        },
    },
    example: &[("noise", "1")],
    ..BASE
};

/// Two values of a frame and the one before.
struct SinceBefore<F>(F);

impl<F> WindowNode for SinceBefore<F>
where
    F: Fn(Option<&PlanarImage>, &PlanarImage) -> [Value; 2] + Send + Sync,
{
    fn reach(&self) -> Reach {
        Reach { before: 1, after: 0 }
    }

    fn infer(&self, _: &Info) -> Result<Vec<Info>, NodeError> {
        let blank = PlanarImage { width: 1, height: 1, channels: 1, data: vec![0.0] };
        Ok((self.0)(None, &blank).iter().map(|value| Info::of_type(value.value_type())).collect())
    }

    fn run(&self, frames: &[&PlanarImage], centre: usize) -> Result<Vec<Value>, NodeError> {
        let before = centre.checked_sub(1).map(|before| frames[before]);
        Ok((self.0)(before, frames[centre]).to_vec())
    }
}
