//! A pickle machine that builds data and runs nothing.
//!
//! Python's pickle is a stack language; its danger is that `REDUCE` calls any function by name. Here names come from
//! [`globals`](super::globals) and a call is kept as a note. Objects live in one list and refer to each other by index,
//! so that cycles leak nothing and deep nesting cannot exhaust the thread's stack when it is dropped. Strings and bytes
//! are ranges of the input.

use super::damaged;
use super::globals::{self, Global};
use crate::FormatError;
use crate::budget::Budget;
use std::borrow::Cow;

/// Python's pickler hands containers over in batches of 1000 items, so honest stacks stay far below.
const MAX_STACK: usize = 1 << 14;
const MAX_MARKS: usize = 1 << 12;

/// A part of the pickle's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    len: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits: little-endian two's complement.
    BigInt(Span),
    Float,
    Text(Span),
    Bytes(Span),
    Global(Global),
    /// Index into the pickle's objects.
    Object(u32),
}

#[derive(Debug)]
pub(super) enum Object {
    Tuple(Box<[Value]>),
    List(Vec<Value>),
    /// Pairs in order of insertion; of equal keys the last counts.
    Dict(Vec<(Value, Value)>),
    /// A call that was not made.
    Call {
        function: Global,
        args: Value,
    },
    /// Something outside the pickle, by the id it was saved under.
    Persistent(Value),
    /// A value nobody asks about.
    Inert,
}

/// What a pickle built.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    data: &'a [u8],
    pub(super) objects: Vec<Object>,
    pub(super) root: Value,
    /// Bytes from the start up to and including `STOP`.
    pub(super) len: usize,
}

impl<'a> Pickle<'a> {
    pub(super) fn bytes(&self, span: Span) -> &'a [u8] {
        &self.data[span.start as usize..][..span.len as usize]
    }

    pub(super) fn text(&self, value: Value) -> Option<Cow<'a, str>> {
        match value {
            // Python 2 wrote names as bytes.
            Value::Text(span) | Value::Bytes(span) => Some(String::from_utf8_lossy(self.bytes(span))),
            _ => None,
        }
    }

    pub(super) fn object(&self, value: Value) -> Option<&Object> {
        match value {
            Value::Object(index) => self.objects.get(index as usize),
            _ => None,
        }
    }

    pub(super) fn tuple(&self, value: Value) -> Option<&[Value]> {
        match self.object(value)? {
            Object::Tuple(items) => Some(items),
            Object::List(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn dict(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.object(value)? {
            Object::Dict(pairs) => Some(pairs),
            _ => None,
        }
    }
}

/// Runs the pickle at the start of `data`.
pub(super) fn load<'a>(data: &'a [u8], budget: &mut Budget) -> Result<Pickle<'a>, FormatError> {
    let mut machine = Machine {
        data,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
        objects: Vec::new(),
        budget,
    };
    let root = machine.run()?;
    Ok(Pickle { data, len: machine.at, objects: machine.objects, root })
}

struct Machine<'a, 'b> {
    data: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    /// Heights of the stack at each open mark.
    marks: Vec<usize>,
    memo: Vec<Option<Value>>,
    objects: Vec<Object>,
    budget: &'b mut Budget,
}

type Step<T> = Result<T, FormatError>;

impl<'a> Machine<'a, '_> {
    fn run(&mut self) -> Step<Value> {
        loop {
            let opcode_at = self.at;
            let opcode = self.array::<1>()?[0];
            match opcode {
                // PROTO, FRAME: the machine reads every protocol, framed or not.
                0x80 => {
                    self.array::<1>()?;
                }
                0x95 => {
                    self.array::<8>()?;
                }
                b'.' => return self.pop(),

                b'(' => self.mark()?,
                b'0' => {
                    self.pop()?;
                }
                b'1' => {
                    self.above_mark()?;
                }
                b'2' => self.push(self.top()?)?,

                b'N' => self.push(Value::None)?,
                0x88 => self.push(Value::Bool(true))?,
                0x89 => self.push(Value::Bool(false))?,
                b'I' => self.decimal_int()?,
                b'L' => self.decimal_long()?,
                b'J' => {
                    let n = i32::from_le_bytes(self.array()?);
                    self.push(Value::Int(n.into()))?;
                }
                b'K' => {
                    let [n] = self.array()?;
                    self.push(Value::Int(n.into()))?;
                }
                b'M' => {
                    let n = u16::from_le_bytes(self.array()?);
                    self.push(Value::Int(n.into()))?;
                }
                0x8a => {
                    let [len] = self.array()?;
                    self.long(len.into())?;
                }
                0x8b => {
                    let len = u32::from_le_bytes(self.array()?);
                    self.long(len.into())?;
                }
                b'F' => {
                    self.line()?;
                    self.push(Value::Float)?;
                }
                b'G' => {
                    self.array::<8>()?;
                    self.push(Value::Float)?;
                }

                b'S' => self.quoted()?,
                b'V' => {
                    let line = self.line()?;
                    self.push(Value::Text(line))?;
                }
                b'U' | b'C' => {
                    let [len] = self.array()?;
                    self.push_bytes(len.into())?;
                }
                b'T' | b'B' => {
                    let len = u32::from_le_bytes(self.array()?);
                    self.push_bytes(len.into())?;
                }
                // BINBYTES8, BYTEARRAY8
                0x8e | 0x96 => {
                    let len = u64::from_le_bytes(self.array()?);
                    self.push_bytes(len)?;
                }
                0x8c => {
                    let [len] = self.array()?;
                    self.push_text(len.into())?;
                }
                b'X' => {
                    let len = u32::from_le_bytes(self.array()?);
                    self.push_text(len.into())?;
                }
                0x8d => {
                    let len = u64::from_le_bytes(self.array()?);
                    self.push_text(len)?;
                }

                b')' => self.push_tuple(Vec::new())?,
                b't' => {
                    let items = self.above_mark()?;
                    self.push_tuple(items)?;
                }
                0x85..=0x87 => {
                    let n = usize::from(opcode - 0x84);
                    let start = self.floor_checked(n)?;
                    let items = self.stack.split_off(start);
                    self.push_tuple(items)?;
                }
                b']' => self.push_object(Object::List(Vec::new()))?,
                b'l' => {
                    let items = self.above_mark()?;
                    self.push_object(Object::List(Vec::new()))?;
                    self.extend_list(items)?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend_list(vec![item])?;
                }
                b'e' => {
                    let items = self.above_mark()?;
                    self.extend_list(items)?;
                }
                b'}' => self.push_object(Object::Dict(Vec::new()))?,
                b'd' => {
                    let items = self.above_mark()?;
                    self.push_object(Object::Dict(Vec::new()))?;
                    self.extend_dict(&items)?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.extend_dict(&[key, value])?;
                }
                b'u' => {
                    let items = self.above_mark()?;
                    self.extend_dict(&items)?;
                }
                // EMPTY_SET, ADDITEMS, FROZENSET: weights have no use for sets.
                0x8f => self.push_object(Object::Inert)?,
                0x90 => {
                    self.above_mark()?;
                    self.top()?;
                }
                0x91 => {
                    self.above_mark()?;
                    self.push_object(Object::Inert)?;
                }

                b'p' => {
                    let index = self.index_line()?;
                    self.memoize(index)?;
                }
                b'q' => {
                    let [index] = self.array()?;
                    self.memoize(index.into())?;
                }
                b'r' => {
                    let index = u32::from_le_bytes(self.array()?);
                    self.memoize(index as usize)?;
                }
                0x94 => self.memoize(self.memo.len())?,
                b'g' => {
                    let index = self.index_line()?;
                    self.recall(index)?;
                }
                b'h' => {
                    let [index] = self.array()?;
                    self.recall(index.into())?;
                }
                b'j' => {
                    let index = u32::from_le_bytes(self.array()?);
                    self.recall(index as usize)?;
                }

                b'c' => {
                    let module = self.line()?;
                    let name = self.line()?;
                    self.push_global(module, name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    match (module, name) {
                        (Value::Text(module), Value::Text(name)) => self.push_global(module, name)?,
                        _ => return Err(self.broken("a global without a name")),
                    }
                }
                b'R' | 0x81 => {
                    let (args, function) = (self.pop()?, self.pop()?);
                    self.call(function, args)?;
                }
                // NEWOBJ_EX: with keyword arguments, which nothing on the list takes.
                0x92 => {
                    self.pop()?;
                    let (args, function) = (self.pop()?, self.pop()?);
                    self.call(function, args)?;
                }
                b'i' => {
                    let module = self.line()?;
                    let name = self.line()?;
                    let args = self.above_mark()?;
                    self.push_global(module, name)?;
                    let function = self.pop()?;
                    self.push_tuple(args)?;
                    let args = self.pop()?;
                    self.call(function, args)?;
                }
                b'o' => {
                    let mut items = self.above_mark()?.into_iter();
                    let function = items.next().ok_or_else(|| self.broken("an object without a class"))?;
                    self.push_tuple(items.collect())?;
                    let args = self.pop()?;
                    self.call(function, args)?;
                }
                // BUILD sets attributes, such as `_metadata` on a state dict: none of them is weights.
                b'b' => {
                    self.pop()?;
                    match self.top()? {
                        Value::Object(_) => {}
                        _ => return Err(self.broken("attributes set on what cannot have any")),
                    }
                }
                b'P' => {
                    let id = self.line()?;
                    self.push_object(Object::Persistent(Value::Text(id)))?;
                }
                b'Q' => {
                    let id = self.pop()?;
                    self.push_object(Object::Persistent(id))?;
                }
                _ => {
                    return Err(damaged(format!(
                        "byte {opcode_at} of its pickle is {opcode:#04x}, which no weights file uses"
                    )));
                }
            }
        }
    }

    // Reading

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let chunk = self.data[self.at..].first_chunk::<N>().ok_or_else(|| self.ended(N as u64))?;
        self.at += N;
        Ok(*chunk)
    }

    fn span(&mut self, len: u64) -> Step<Span> {
        if len > (self.data.len() - self.at) as u64 {
            return Err(self.ended(len));
        }
        let (Ok(start), Ok(len)) = (u32::try_from(self.at), u32::try_from(len)) else {
            return Err(self.broken("a pickle of more than 4 GiB"));
        };
        self.at += len as usize;
        Ok(Span { start, len })
    }

    /// Up to the end of the line, which is skipped.
    fn line(&mut self) -> Step<Span> {
        let rest = &self.data[self.at..];
        let len = rest.iter().position(|&b| b == b'\n').ok_or_else(|| self.ended(rest.len() as u64 + 1))?;
        let mut span = self.span(len as u64)?;
        self.at += 1;
        if rest[..len].ends_with(b"\r") {
            span.len -= 1;
        }
        Ok(span)
    }

    fn str_of(&self, span: Span) -> &'a str {
        std::str::from_utf8(&self.data[span.start as usize..][..span.len as usize]).unwrap_or("\u{fffd}")
    }

    fn decimal_int(&mut self) -> Step<()> {
        let line = self.line()?;
        let value = match self.str_of(line) {
            "01" => Value::Bool(true),
            "00" => Value::Bool(false),
            digits => Value::Int(digits.parse().map_err(|_| self.broken("a number that is none"))?),
        };
        self.push(value)
    }

    fn decimal_long(&mut self) -> Step<()> {
        let line = self.line()?;
        let digits = self.str_of(line).trim_end_matches('L');
        // Beyond 64 bits there is no use for the value in protocol 0.
        let value = digits.parse().map(Value::Int).unwrap_or(Value::None);
        self.push(value)
    }

    fn long(&mut self, len: u64) -> Step<()> {
        let span = self.span(len)?;
        let bytes = &self.data[span.start as usize..][..span.len as usize];
        let value = if bytes.len() <= 8 {
            let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
            let mut wide = [fill; 8];
            wide[..bytes.len()].copy_from_slice(bytes);
            Value::Int(i64::from_le_bytes(wide))
        } else {
            Value::BigInt(span)
        };
        self.push(value)
    }

    fn quoted(&mut self) -> Step<()> {
        let mut line = self.line()?;
        let text = self.str_of(line).as_bytes();
        let quoted = text.len() >= 2 && matches!(text[0], b'\'' | b'"') && text[0] == text[text.len() - 1];
        if !quoted || text.contains(&b'\\') {
            return Err(self.broken("a quoted string with escapes"));
        }
        line.start += 1;
        line.len -= 2;
        self.push(Value::Text(line))
    }

    fn push_bytes(&mut self, len: u64) -> Step<()> {
        let span = self.span(len)?;
        self.push(Value::Bytes(span))
    }

    fn push_text(&mut self, len: u64) -> Step<()> {
        let span = self.span(len)?;
        self.push(Value::Text(span))
    }

    fn index_line(&mut self) -> Step<usize> {
        let line = self.line()?;
        self.str_of(line).parse().map_err(|_| self.broken("a memo index that is no number"))
    }

    // Stack

    fn push(&mut self, value: Value) -> Step<()> {
        if self.stack.len() >= MAX_STACK {
            return Err(self.broken("a stack deeper than any weights need"));
        }
        self.stack.push(value);
        Ok(())
    }

    /// Where the items above the innermost mark begin.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    /// Start of the `n` topmost values, none of which lies below the innermost mark.
    fn floor_checked(&self, n: usize) -> Step<usize> {
        match self.stack.len().checked_sub(n) {
            Some(start) if start >= self.floor() => Ok(start),
            _ => Err(self.broken("an empty stack")),
        }
    }

    fn pop(&mut self) -> Step<Value> {
        self.floor_checked(1)?;
        self.stack.pop().ok_or_else(|| self.broken("an empty stack"))
    }

    fn top(&self) -> Step<Value> {
        self.floor_checked(1)?;
        self.stack.last().copied().ok_or_else(|| self.broken("an empty stack"))
    }

    fn mark(&mut self) -> Step<()> {
        if self.marks.len() >= MAX_MARKS {
            return Err(self.broken("nesting deeper than any weights need"));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn above_mark(&mut self) -> Step<Vec<Value>> {
        let start = self.marks.pop().ok_or_else(|| self.broken("the end of what never began"))?;
        Ok(self.stack.split_off(start))
    }

    // Objects

    fn push_object(&mut self, object: Object) -> Step<()> {
        self.budget.take_items::<Object>(2, "its pickle")?;
        let index = u32::try_from(self.objects.len()).map_err(|_| self.broken("too many objects"))?;
        self.objects.push(object);
        self.push(Value::Object(index))
    }

    fn push_tuple(&mut self, items: Vec<Value>) -> Step<()> {
        self.budget.take_items::<Value>(items.len() + 1, "its pickle")?;
        self.push_object(Object::Tuple(items.into_boxed_slice()))
    }

    /// Appends to the list on top of the stack.
    fn extend_list(&mut self, items: Vec<Value>) -> Step<()> {
        self.budget.take_items::<Value>(2 * items.len() + 4, "its pickle")?;
        let target = self.top()?;
        match self.object_mut(target) {
            Some(Object::List(list)) => list.extend(items),
            Some(Object::Inert) => {}
            _ => return Err(self.broken("items appended to what is no list")),
        }
        Ok(())
    }

    /// Adds `key, value, key, value, ...` to the dict on top of the stack.
    fn extend_dict(&mut self, items: &[Value]) -> Step<()> {
        self.budget.take_items::<Value>(2 * items.len() + 8, "its pickle")?;
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err(self.broken("a key without a value"));
        };
        let target = self.top()?;
        match self.object_mut(target) {
            Some(Object::Dict(dict)) => dict.extend(pairs.iter().map(|&[key, value]| (key, value))),
            Some(Object::Inert) => {}
            _ => return Err(self.broken("items set on what is no dict")),
        }
        Ok(())
    }

    fn object_mut(&mut self, value: Value) -> Option<&mut Object> {
        match value {
            Value::Object(index) => self.objects.get_mut(index as usize),
            _ => None,
        }
    }

    fn memoize(&mut self, index: usize) -> Step<()> {
        let value = self.top()?;
        if index >= self.memo.len() {
            let missing = (index - self.memo.len()).saturating_add(1);
            self.budget.take_items::<Option<Value>>(missing.saturating_mul(2), "its pickle")?;
            self.memo.resize(self.memo.len() + missing, None);
        }
        self.memo[index] = Some(value);
        Ok(())
    }

    fn recall(&mut self, index: usize) -> Step<()> {
        match self.memo.get(index) {
            Some(&Some(value)) => self.push(value),
            _ => Err(self.broken("a reference to nothing")),
        }
    }

    // Names and calls

    fn push_global(&mut self, module: Span, name: Span) -> Step<()> {
        let (module, name) = (self.str_of(module), self.str_of(name));
        match globals::lookup(module, name) {
            Some(global) => self.push(Value::Global(global)),
            None => Err(FormatError::ForbiddenGlobal { name: printable(&format!("{module}.{name}")) }),
        }
    }

    fn call(&mut self, function: Value, args: Value) -> Step<()> {
        let Value::Global(function) = function else {
            return Err(self.broken("a call of what is no function"));
        };
        match function {
            Global::OrderedDict => self.ordered_dict(args),
            Global::Size => {
                let size = match self.object_mut(args) {
                    Some(Object::Tuple(items)) => items.first().copied(),
                    _ => None,
                };
                let size = size.ok_or_else(|| self.broken("a size without numbers"))?;
                self.push(size)
            }
            Global::RebuildTensor | Global::RebuildParameter => {
                self.push_object(Object::Call { function, args })
            }
            Global::Inert => self.push_object(Object::Inert),
            Global::Storage(_) => Err(self.broken("a storage that is called instead of named")),
        }
    }

    /// `OrderedDict()`, or `OrderedDict([[key, value], ...])` as Python 2 wrote it.
    fn ordered_dict(&mut self, args: Value) -> Step<()> {
        let mut items = Vec::new();
        if let Some(list) = self.items_of(args).and_then(|args| args.first().copied()) {
            let pairs = self.items_of(list).ok_or_else(|| self.broken("a dict made of no list"))?;
            // The list was paid for item by item; a pair takes as much again.
            let n_pairs = pairs.len();
            self.budget.take_items::<(Value, Value)>(2 * n_pairs, "its pickle")?;
            for &pair in self.items_of(list).unwrap_or_default() {
                match self.items_of(pair) {
                    Some(&[key, value]) => items.extend([key, value]),
                    _ => return Err(self.broken("a dict made of no pairs")),
                }
            }
        }
        self.push_object(Object::Dict(Vec::new()))?;
        self.extend_dict(&items)
    }

    fn items_of(&self, value: Value) -> Option<&[Value]> {
        match value {
            Value::Object(index) => match self.objects.get(index as usize)? {
                Object::Tuple(items) => Some(items),
                Object::List(items) => Some(items),
                _ => None,
            },
            _ => None,
        }
    }

    // Errors

    fn broken(&self, what: &str) -> FormatError {
        damaged(format!("at byte {} its pickle has {what}", self.at))
    }

    fn ended(&self, needed: u64) -> FormatError {
        FormatError::Truncated {
            what: "its pickle".into(),
            needed,
            available: (self.data.len() - self.at) as u64,
        }
    }
}

/// A name from the file for an error message: one line, no terminal codes, not too long.
pub(super) fn printable(name: &str) -> String {
    name.chars().take(120).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(data: &[u8]) -> Result<Value, FormatError> {
        let mut budget = Budget::for_file(data.len() as u64);
        super::load(data, &mut budget).map(|pickle| pickle.root)
    }

    #[test]
    fn numbers_of_every_spelling() {
        for (pickle, value) in [
            (&b"I42\n."[..], 42),
            (b"L-7L\n.", -7),
            (b"J\xff\xff\xff\xff.", -1),
            (b"K\xff.", 255),
            (b"M\x00\x01.", 256),
            (b"\x8a\x00.", 0),
            (b"\x8a\x02\x00\xff.", -256),
            (b"\x8b\x01\x00\x00\x00\x05.", 5),
        ] {
            assert_eq!(load(pickle).unwrap(), Value::Int(value), "{pickle:?}");
        }
        assert_eq!(load(b"I01\n.").unwrap(), Value::Bool(true));
    }

    #[test]
    fn a_function_outside_the_list_is_refused_by_name() {
        for pickle in [
            &b"cposix\nsystem\n(S'true'\ntR."[..],
            b"\x8c\x05posix\x8c\x06system\x93.",
            b"(iposix\nsystem\n.",
        ] {
            let error = load(pickle).unwrap_err();
            assert!(
                matches!(&error, FormatError::ForbiddenGlobal { name } if name == "posix.system"),
                "{error}"
            );
        }
    }

    #[test]
    fn deep_nesting_neither_overflows_nor_costs_too_much() {
        // Two million tuples one within the other.
        let mut pickle = vec![b')'];
        pickle.resize(2_000_000, 0x85);
        pickle.push(b'.');
        assert!(matches!(load(&pickle), Err(FormatError::OutOfProportion { .. })));
        let mut pickle = vec![b'('; 1_000_000];
        pickle.push(b'.');
        assert!(load(&pickle).is_err());
        let mut pickle = vec![b'N'; 1_000_000];
        pickle.push(b'.');
        assert!(load(&pickle).is_err());
    }

    #[test]
    fn a_list_within_itself_is_no_trouble() {
        assert_eq!(load(b"]q\x00h\x00a.").unwrap(), Value::Object(0));
    }

    #[test]
    fn a_huge_memo_index_is_refused() {
        assert!(load(b"Nr\xff\xff\xff\xff.").is_err());
        assert!(load(b"Np18446744073709551615\n.").is_err());
        assert!(load(b"h\x00.").is_err());
    }

    #[test]
    fn every_opcode_survives_an_empty_stack() {
        for opcode in 0..=255u8 {
            for tail in [&b""[..], b".", b"\0\0\0\0\0\0\0\0.", b"\n\n."] {
                let mut pickle = vec![opcode];
                pickle.extend_from_slice(tail);
                let _ = load(&pickle);
                pickle.splice(0..0, *b"((N(");
                let _ = load(&pickle);
            }
        }
    }
}
