//! Which of the dicts in a file is the state dict.

use super::pickle::{Object, Pickle, Value, printable};
use crate::budget::Budget;
use crate::{FormatError, Tensor};

/// Keys under which training frameworks keep the state dict, in the order in which they are tried.
const WRAPPERS: [&str; 7] =
    ["model_state_dict", "state_dict", "params_ema", "params-ema", "params", "model", "net"];
/// How many dicts may lie one within the other; a cycle ends here too.
const MAX_NESTING: usize = 8;
/// How many keys an error message lists.
const KEYS_IN_MESSAGE: usize = 8;

/// The tensors of the chosen dict.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Keys that lead to it, joined by `.`.
    pub(super) wrapper: Option<String>,
    /// Names, and values for which `is_tensor` holds. A repeated name counts with its last value.
    pub(super) items: Vec<(String, Value)>,
}

/// Takes off the wrappers around the state dict. What is no tensor in the chosen dict is left out.
pub(super) fn choose(
    pickle: &Pickle<'_>,
    is_tensor: impl Fn(Value) -> bool,
    budget: &mut Budget,
) -> Result<Chosen, FormatError> {
    let mut dict = pickle.dict(pickle.root).ok_or_else(|| not_a_dict(pickle, &is_tensor))?;
    let mut path: Vec<String> = Vec::new();

    for key in WRAPPERS {
        if let Some(inner) = entry(pickle, dict, key).and_then(|value| pickle.dict(value)) {
            path.push(key.to_owned());
            dict = inner;
            break;
        }
    }
    while path.len() < MAX_NESTING {
        // One dict and nothing else; or beside other things, as long as none of them is a tensor or a dict of tensors.
        let holds_tensors = |dict: &[(Value, Value)]| dict.iter().any(|&(_, value)| is_tensor(value));
        if holds_tensors(dict) {
            break;
        }
        let mut inner = dict.iter().filter(|&&(_, value)| pickle.dict(value).is_some());
        let only = match (inner.next(), inner.next()) {
            (Some(&only), None) if dict.len() == 1 || pickle.dict(only.1).is_some_and(holds_tensors) => only,
            _ => break,
        };
        let (Some(key), Some(inner)) = (pickle.text(only.0), pickle.dict(only.1)) else { break };
        path.push(printable(&key));
        dict = inner;
    }

    let mut items = Vec::new();
    for &(key, value) in dict {
        if let (true, Some(name)) = (is_tensor(value), pickle.text(key)) {
            // The name, the tensor to come, and their places in tables that grow by doubling.
            budget.take_string(&name, "its names")?;
            budget.take_items::<(String, Tensor, Value)>(3, "its names")?;
            items.push((name.into_owned(), value));
        }
    }
    if items.is_empty() {
        return Err(FormatError::NoTensors { found: describe_keys(pickle, dict) });
    }
    Ok(Chosen { wrapper: (!path.is_empty()).then(|| path.join(".")), items })
}

fn entry(pickle: &Pickle<'_>, dict: &[(Value, Value)], key: &str) -> Option<Value> {
    dict.iter().rev().find(|&&(k, _)| pickle.text(k).is_some_and(|k| k == key)).map(|&(_, value)| value)
}

fn not_a_dict(pickle: &Pickle<'_>, is_tensor: &impl Fn(Value) -> bool) -> FormatError {
    let found = match pickle.object(pickle.root) {
        _ if is_tensor(pickle.root) => "the file holds a single tensor, not a dict of named ones",
        Some(Object::List(_) | Object::Tuple(_)) => "the file holds a list, not a dict of named tensors",
        _ => "the file holds a single value, not a dict of named tensors",
    };
    FormatError::NoTensors { found: found.into() }
}

fn describe_keys(pickle: &Pickle<'_>, dict: &[(Value, Value)]) -> String {
    if dict.is_empty() {
        return "the dict in the file is empty".into();
    }
    let keys: Vec<String> = dict
        .iter()
        .filter_map(|&(key, _)| Some(format!("`{}`", printable(&pickle.text(key)?))))
        .take(KEYS_IN_MESSAGE)
        .collect();
    let more = if dict.len() > keys.len() { ", ..." } else { "" };
    format!("the dict in the file has the keys {}{more}, none of them a tensor", keys.join(", "))
}
