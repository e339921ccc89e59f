//! Streams of numbers.

use super::{ANY_NUMBER, VALUE};
use pegbar_chain::{FrameSource, Info, NodeError, NodeType, Output, Prepare, Role, Round, Value, ValueType};
use pegbar_params::Param;
use std::sync::Arc;

/// Rounds that a range may have.
const MOST_ROUNDS: f64 = 1e9;

/// Numbers one after the other.
pub(crate) static RANGE: NodeType = NodeType {
    id: "sequence.range",
    name: "Range",
    doc: "Numbers one after the other: what follows runs once for each.",
    outputs: &[
        Output::of(ValueType::Number, "number", "The number."),
        Output::of(ValueType::Number, "index", "How many were before it."),
    ],
    params: &[
        Param::float("start", "The first number.", "", ANY_NUMBER, 0.0),
        Param::float("stop", "Where they end.", "", ANY_NUMBER, 10.0),
        Param::float("step", "From one to the next; below 0 they go down.", "", ANY_NUMBER, 1.0),
        Param::bool("inclusive", "Whether the end itself is one of them.", false),
    ],
    role: Role::Source { prepare: range },
    example: &[("start", "10"), ("stop", "20"), ("step", "2")],
    ..VALUE
};

struct Range {
    start: f64,
    step: f64,
    n: u64,
}

fn range(prepare: &Prepare<'_>) -> Result<Arc<dyn FrameSource>, NodeError> {
    let values = prepare.values;
    let (start, stop, step) = (values.float("start"), values.float("stop"), values.float("step"));
    if step == 0.0 {
        return Err(NodeError::param("step", "with a step of 0 it would never end"));
    }
    let steps = (stop - start) / step;
    // What is whole but for the last bits is whole.
    let whole = ((steps - steps.round()).abs() <= 1e-9 * steps.abs().max(1.0)).then_some(steps.round());
    let n = match (whole, values.bool("inclusive")) {
        (Some(steps), true) => steps + 1.0,
        (Some(steps), false) => steps,
        (None, _) => steps.floor() + 1.0,
    };
    if n > MOST_ROUNDS {
        return Err(NodeError::param("stop", format!("there would be {n} numbers, more than {MOST_ROUNDS}")));
    }
    Ok(Arc::new(Range { start, step, n: n.max(0.0) as u64 }))
}

impl FrameSource for Range {
    fn infer(&self) -> Result<Vec<Info>, NodeError> {
        Ok(vec![Info::of_type(ValueType::Number); 2])
    }

    fn len(&self) -> Option<u64> {
        Some(self.n)
    }

    fn open(&self) -> Result<Box<dyn Iterator<Item = Round> + Send>, NodeError> {
        let (start, step) = (self.start, self.step);
        Ok(Box::new(
            (0..self.n)
                .map(move |i| Ok(vec![Value::Number(start + step * i as f64), Value::Number(i as f64)])),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::params_of;
    use super::*;

    fn numbers(params: &[(&str, &str)]) -> Result<String, NodeError> {
        let values = params_of(&RANGE, params);
        let shared = pegbar_chain::Shared::default();
        let source = range(&Prepare { values: &values, folder: std::path::Path::new(""), shared: &shared })?;
        let rounds = source.open()?.collect::<Result<Vec<_>, _>>()?;
        assert_eq!(source.len(), Some(rounds.len() as u64));
        Ok(rounds.iter().map(|round| round[0].to_string()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn ranges() {
        assert_eq!(numbers(&[("stop", "3")]).as_deref(), Ok("0 1 2"));
        assert_eq!(numbers(&[("stop", "3"), ("inclusive", "on")]).as_deref(), Ok("0 1 2 3"));
        assert_eq!(numbers(&[("stop", "0.5"), ("step", "0.2")]).as_deref(), Ok("0 0.2 0.4"));
        assert_eq!(numbers(&[("start", "3"), ("stop", "0"), ("step", "-1")]).as_deref(), Ok("3 2 1"));
        assert_eq!(numbers(&[("stop", "-3")]).as_deref(), Ok(""));
        assert!(numbers(&[("step", "0")]).is_err());
        assert!(numbers(&[("stop", "9e15")]).is_err());
    }
}
