//! Settings of numbers and texts that depend on each other.

use super::{stored_number, stored_text};
use crate::chn::convert::{Convert, truth};
use crate::chn::sequence::{LIMIT, SKIP, STEP};
use crate::chn::translate::View;
use pegbar_params::ParamValue;

/// chaiNNer's logarithm has the base first.
pub(in crate::chn) fn math(view: &mut View<'_, '_>) {
    if stored_text(view, 1).as_deref() == Some("log") {
        view.swap("a", "b");
    }
}

/// Values that are not there are not counted.
pub(in crate::chn) fn switch(view: &mut View<'_, '_>) {
    let given = view.given(1);
    let all_there = view.n_sources("values") == given.len();
    if view.is_connected(0) || !all_there {
        if !all_there || given.iter().zip(1..).any(|(input, place)| *input != place) {
            view.setting("values that are not connected are not counted: look whether the index suits");
        }
        return;
    }
    let index = stored_number(view, 0).unwrap_or(0.0).max(0.0) as u32;
    match given.iter().position(|input| *input == index + 1) {
        Some(place) => view.set("index", ParamValue::Int(place as i64)),
        None => {
            view.setting(format!("its value {index} is the one it gives, but nothing is connected to that"))
        }
    }
}

/// Whole numbers are multiples of 1.
pub(in crate::chn) fn round(view: &mut View<'_, '_>) {
    match stored_text(view, 2).as_deref() {
        Some("Multiple of...") => view.take(3, "step", Convert::Number),
        Some("Power of...") => {
            view.set("to", ParamValue::Text("power".into()));
            if view.stored(4).is_none() && !view.is_connected(4) {
                view.set("step", ParamValue::Float(2.0));
            }
            view.take(4, "step", Convert::Number);
        }
        _ => {}
    }
}

/// Chance is another one.
pub(in crate::chn) fn random_number(view: &mut View<'_, '_>) {
    view.setting("the same seed gives another number than in chaiNNer");
}

/// Three ways to say which part.
pub(in crate::chn) fn text_slice(view: &mut View<'_, '_>) {
    match stored_number(view, 1).map(|operation| operation as i64) {
        Some(2) => {
            view.take(4, "length", Convert::Whole);
            if stored_text(view, 5).as_deref() == Some("end") {
                view.set("keep", ParamValue::Text("end".into()));
            }
        }
        operation => {
            view.take(2, "start", Convert::Whole);
            if operation == Some(1) {
                view.take(3, "length", Convert::Whole);
            }
        }
    }
}

/// A pattern holds only where it is asked for.
pub(in crate::chn) fn regex_find(view: &mut View<'_, '_>) {
    if stored_number(view, 2) == Some(1.0) {
        view.take(3, "output", Convert::Text);
    }
}

/// Gray, and alpha that counts only where it is asked for.
pub(in crate::chn) fn colour_from_channels(view: &mut View<'_, '_>) {
    let kind = stored_number(view, 0).map_or(2, |kind| kind as i64);
    let from = if kind == 0 { [1, 1, 1] } else { [2, 3, 4] };
    for (param, input) in ["red", "green", "blue"].into_iter().zip(from) {
        view.take(input, param, Convert::Number);
    }
    if kind == 2 {
        view.take(5, "alpha", Convert::Number);
    }
}

/// A range without its first number begins at the next. Numbers that a sequence leaves out, it leaves out itself.
pub(in crate::chn) fn range(view: &mut View<'_, '_>) {
    let without_first = view.stored(1).and_then(truth) == Some(false);
    let selected = [SKIP, LIMIT, STEP].iter().any(|input| view.stored(*input).is_some());
    if view.is_connected(0) || selected && (view.is_connected(2) || view.is_connected(3)) {
        if without_first {
            view.setting("the first number is one of the range");
        }
        if selected {
            view.setting("numbers that were left out behind it are there again: its ends are not known");
        }
        return;
    }
    let first = stored_number(view, 0).unwrap_or(0.0) + f64::from(u8::from(without_first));
    if !selected {
        view.set("start", ParamValue::Float(first));
        return;
    }
    let is_inclusive = view.stored(3).and_then(truth) == Some(true);
    let stop = stored_number(view, 2).unwrap_or(10.0) + f64::from(u8::from(is_inclusive));
    let (skip, step) = (stored_number(view, SKIP).unwrap_or(0.0), stored_number(view, STEP).unwrap_or(1.0));
    let n = ((stop - first - skip) / step).ceil().max(0.0);
    let n = stored_number(view, LIMIT).filter(|limit| *limit > 0.0).map_or(n, |limit| n.min(limit));
    view.set("start", ParamValue::Float(first + skip));
    view.set("stop", ParamValue::Float(first + skip + n * step));
    view.set("step", ParamValue::Float(step));
    view.unset("inclusive");
}
