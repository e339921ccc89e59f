//! The values of a whole table.

use crate::{Param, ParamError, ParamValue, Rgba};

/// A value for each parameter of a table, always of the declared type and within the declared range.
///
/// The getters panic when the table declares no such parameter, or one of another type: what asks and what declares stand in
/// the same file, so that is a defect of the program, never of a user's file.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamValues {
    params: &'static [Param],
    values: Vec<ParamValue>,
}

impl ParamValues {
    /// Every parameter at its default.
    pub fn defaults(params: &'static [Param]) -> Self {
        Self { params, values: params.iter().map(Param::default_value).collect() }
    }

    /// The table these are values of.
    pub fn params(&self) -> &'static [Param] {
        self.params
    }

    /// Takes a value; `Ok(false)` when the table declares no such parameter.
    ///
    /// # Errors
    /// [`ParamError`] when the value is of another type or out of range.
    pub fn set(&mut self, id: &str, value: ParamValue) -> Result<bool, ParamError> {
        let Some(i) = self.params.iter().position(|p| p.id == id) else { return Ok(false) };
        self.params[i].check(&value)?;
        self.values[i] = value;
        Ok(true)
    }

    /// The value of a parameter, `None` when the table declares no such one.
    pub fn get(&self, id: &str) -> Option<&ParamValue> {
        self.params.iter().position(|p| p.id == id).map(|i| &self.values[i])
    }

    /// Each parameter with its value, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Param, &ParamValue)> {
        self.params.iter().zip(&self.values)
    }

    /// The value of a switch.
    pub fn bool(&self, id: &str) -> bool {
        match self.declared(id) {
            ParamValue::Bool(v) => *v,
            other => wrong_type(id, "a switch", other),
        }
    }

    /// The value of a whole number.
    pub fn int(&self, id: &str) -> i64 {
        match self.declared(id) {
            ParamValue::Int(v) => *v,
            other => wrong_type(id, "a whole number", other),
        }
    }

    /// The value of a whole number that is no index below zero.
    pub fn usize(&self, id: &str) -> usize {
        usize::try_from(self.int(id)).unwrap_or_else(|_| panic!("{id} may be negative"))
    }

    /// The value of a number.
    pub fn float(&self, id: &str) -> f64 {
        match self.declared(id) {
            ParamValue::Float(v) => *v,
            ParamValue::Int(v) => *v as f64,
            other => wrong_type(id, "a number", other),
        }
    }

    /// [`ParamValues::float`] as `f32`.
    pub fn f32(&self, id: &str) -> f32 {
        self.float(id) as f32
    }

    /// The value of a text or path, or the id of a choice.
    pub fn text(&self, id: &str) -> &str {
        match self.declared(id) {
            ParamValue::Text(v) => v,
            other => wrong_type(id, "text", other),
        }
    }

    /// The value of a colour.
    pub fn colour(&self, id: &str) -> Rgba {
        Rgba::parse(self.text(id)).unwrap_or_else(|| panic!("{id} is declared as no colour"))
    }

    fn declared(&self, id: &str) -> &ParamValue {
        self.get(id).unwrap_or_else(|| panic!("the table declares no parameter {id}"))
    }
}

fn wrong_type(id: &str, wanted: &str, got: &ParamValue) -> ! {
    panic!("{id} is declared as {got:?}, not as {wanted}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Param] = &[
        Param::bool("on", "On.", true),
        Param::int("n", "Count.", "", (0, 9), 3),
        Param::float("x", "Ratio.", "", (0.0, 1.0), 0.5),
        Param::text("t", "Text.", "a"),
        Param::colour("c", "Colour.", "#ffffff"),
    ];

    #[test]
    fn defaults_and_what_is_set() {
        let mut values = ParamValues::defaults(TABLE);
        assert_eq!((values.bool("on"), values.usize("n"), values.float("x")), (true, 3, 0.5));
        assert_eq!((values.text("t"), values.colour("c")), ("a", Rgba([1.0; 4])));
        assert_eq!(values.set("x", ParamValue::Int(1)), Ok(true));
        assert_eq!(values.float("x"), 1.0);
        assert_eq!(values.set("y", ParamValue::Int(1)), Ok(false));
        assert!(values.set("n", ParamValue::Int(10)).is_err());
        assert!(values.set("c", ParamValue::Text("red".into())).is_err());
        assert_eq!(values.usize("n"), 3);
    }
}
