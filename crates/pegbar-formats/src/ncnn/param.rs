//! The text graph: a magic number, the counts of layers and blobs, then one layer a line:
//! `kind name n_inputs n_outputs inputs.. outputs.. id=value..`; `-23300-id=n,value,..` is an array.

use super::{NcnnLayer, NcnnParam, damaged};
use crate::FormatError;
use crate::budget::Budget;
use std::collections::BTreeMap;

pub(super) const MAGIC: u32 = 7_767_517;
/// Ids of arrays count down from here.
const ARRAY_BASE: i32 = -23_300;
const WHAT: &str = "its graph";

pub(super) fn parse(text: &str, budget: &mut Budget) -> Result<Vec<NcnnLayer>, FormatError> {
    let mut lines =
        text.lines().enumerate().map(|(i, line)| (i + 1, line)).filter(|(_, line)| !line.trim().is_empty());
    let (_, magic) = lines.next().unwrap_or_default();
    if magic.trim().parse() != Ok(MAGIC) {
        return Err(damaged("its .param does not begin with 7767517 (files from before 2017 do not)"));
    }
    let (_, counts) = lines.next().ok_or_else(|| damaged("its .param ends after the first line"))?;
    let mut counts = counts.split_ascii_whitespace().map(str::parse::<usize>);
    let (Some(Ok(n_layers)), Some(Ok(n_blobs))) = (counts.next(), counts.next()) else {
        return Err(damaged("line 2 of its .param is not two numbers"));
    };

    let mut layers = Vec::new();
    for (number, line) in lines.by_ref().take(n_layers) {
        budget.take_items::<NcnnLayer>(2, WHAT)?;
        layers.push(layer(line, number, budget)?);
    }
    if layers.len() < n_layers {
        return Err(damaged(format!("its .param announces {n_layers} layers and has {}", layers.len())));
    }
    if let Some((number, _)) = lines.next() {
        return Err(damaged(format!(
            "its .param announces {n_layers} layers, and line {number} is one more than that"
        )));
    }
    // ncnn allots so many: with more, as graphs edited by hand have, it runs.
    let mut made: Vec<&str> = Vec::new();
    for layer in &layers {
        budget.take_items::<&str>(2 * layer.outputs.len(), WHAT)?;
        made.extend(layer.outputs.iter().map(String::as_str));
    }
    made.sort_unstable();
    made.dedup();
    if n_blobs < made.len() {
        return Err(damaged(format!(
            "line 2 of its .param announces {n_blobs} blobs, and its layers make {}",
            made.len()
        )));
    }
    Ok(layers)
}

fn layer(line: &str, number: usize, budget: &mut Budget) -> Result<NcnnLayer, FormatError> {
    let wrong = |what: &str| damaged(format!("line {number} of its .param {what}"));
    let mut words = line.split_ascii_whitespace();
    let owned = |word: &str, budget: &mut Budget| {
        budget.take_string(word, WHAT)?;
        budget.take_items::<String>(2, WHAT)?;
        Ok::<_, FormatError>(word.to_owned())
    };
    let (Some(kind), Some(name)) = (words.next(), words.next()) else {
        return Err(wrong("has no name"));
    };
    let (kind, name) = (owned(kind, budget)?, owned(name, budget)?);
    let mut count = || words.next().and_then(|word| word.parse::<usize>().ok());
    let (Some(n_inputs), Some(n_outputs)) = (count(), count()) else {
        return Err(wrong("does not say how many inputs and outputs it has"));
    };
    let mut blobs = |n: usize, budget: &mut Budget| {
        let mut names = Vec::new();
        for _ in 0..n {
            let word = words.next().filter(|word| !word.contains('='));
            names.push(owned(word.ok_or_else(|| wrong("has too few inputs or outputs"))?, budget)?);
        }
        Ok::<_, FormatError>(names)
    };
    let inputs = blobs(n_inputs, budget)?;
    let outputs = blobs(n_outputs, budget)?;

    let mut params = BTreeMap::new();
    for word in words {
        let (id, value) = word
            .split_once('=')
            .and_then(|(id, value)| Some((id.parse::<i32>().ok()?, value)))
            .ok_or_else(|| wrong(&format!("has `{}`, which is no parameter", shortened(word))))?;
        // A tree of a few entries takes a whole node.
        budget.take_items::<(i32, NcnnParam)>(if params.is_empty() { 12 } else { 2 }, WHAT)?;
        let parsed = if id <= ARRAY_BASE {
            array(value, budget)?.map(|value| (ARRAY_BASE - id, value))
        } else {
            scalar(value).map(|value| (id, value))
        };
        let (id, value) =
            parsed.ok_or_else(|| wrong(&format!("has `{}`, whose value is no number", shortened(word))))?;
        params.insert(id, value);
    }
    Ok(NcnnLayer { kind, name, inputs, outputs, params, weights: Vec::new() })
}

/// ncnn's own rule: a number with a point or an exponent is a float.
fn is_float(text: &str) -> bool {
    text.contains(['.', 'e', 'E', 'n', 'N'])
}

fn scalar(text: &str) -> Option<NcnnParam> {
    Some(if is_float(text) {
        NcnnParam::Float(text.parse().ok()?)
    } else {
        NcnnParam::Int(text.parse().ok()?)
    })
}

/// `n,value,value,..`
fn array(text: &str, budget: &mut Budget) -> Result<Option<NcnnParam>, FormatError> {
    let mut items = text.split(',');
    let n = items.next().and_then(|n| n.parse::<usize>().ok());
    let n_items = items.clone().count();
    budget.take_items::<i64>(n_items + 2, WHAT)?;
    if n != Some(n_items) {
        return Ok(None);
    }
    Ok(if items.clone().any(is_float) {
        items.map(|item| item.parse().ok()).collect::<Option<_>>().map(NcnnParam::FloatArray)
    } else {
        items.map(|item| item.parse().ok()).collect::<Option<_>>().map(NcnnParam::IntArray)
    })
}

/// A word from the file for an error message.
fn shortened(word: &str) -> String {
    word.chars().take(40).filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<NcnnLayer>, FormatError> {
        super::parse(text, &mut Budget::for_file(text.len() as u64))
    }

    #[test]
    fn a_layer_line_is_taken_apart() {
        let text = "7767517\r\n1 3\r\nConcat c0 2 1 a b out 0=0 1=2.5e-1 -23305=3,1,2,-3 -23306=2,1,0.5\r\n";
        let layers = parse(text).unwrap();
        let layer = &layers[0];
        assert_eq!((&*layer.kind, &*layer.name), ("Concat", "c0"));
        assert_eq!(layer.inputs, ["a", "b"]);
        assert_eq!(layer.outputs, ["out"]);
        assert_eq!(layer.int(0, 9), 0);
        assert_eq!(layer.float(1, 9.0), 0.25);
        assert_eq!(layer.params[&5], NcnnParam::IntArray(vec![1, 2, -3]));
        assert_eq!(layer.params[&6], NcnnParam::FloatArray(vec![1.0, 0.5]));
        assert_eq!(layer.int(7, 9), 9);
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, part) in [
            ("", "7767517"),
            ("7767517", "ends after"),
            ("7767517\nx y\n", "line 2"),
            ("7767517\n2 2\nInput a 0 1 a\n", "announces 2 layers and has 1"),
            ("7767517\n1 2\nInput a 0 1 a\nInput b 0 1 b\n", "line 4"),
            ("7767517\n2 1\nInput a 0 1 a\nReLU b 1 1 a b\n", "announces 1 blobs, and its layers make 2"),
            ("7767517\n1 1\nInput\n", "line 3"),
            ("7767517\n1 1\nInput a 0 1000000000000 a\n", "too few"),
            ("7767517\n1 1\nInput a 0 1 0=3\n", "too few"),
            ("7767517\n1 1\nInput a 0 1 a 0=x\n", "`0=x`"),
            ("7767517\n1 1\nInput a 0 1 a -23300=2,1\n", "-23300=2,1"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
