//! Formulas as text: a small language of numbers, in the manner of Python's expressions.

use std::f64::consts;
use std::fmt;

/// Brackets, signs and the like within each other.
const MOST_DEPTH: usize = 60;

/// Operators in a row or anywhere: a long row is a deep tree.
const MOST_OPERATORS: usize = 500;

/// A formula that has been read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression(Term);

/// What is wrong with a formula and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpressionError {
    message: String,
    /// Place, in characters from 1.
    at: usize,
    /// The formula from there on.
    rest: String,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at character {}", self.message, self.at)?;
        if self.rest.is_empty() { Ok(()) } else { write!(f, ", before {:?}", self.rest) }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Term {
    Number(f64),
    /// A name and its place.
    Name(String, usize),
    /// An operator, its place, and what it stands between or before.
    Operator(&'static str, usize, Vec<Term>),
    /// A function and what it is of.
    Call(&'static Function, usize, Vec<Term>),
    /// Comparisons in a row: all have to be so.
    Comparison(Vec<Term>, Vec<&'static str>),
    /// Condition, value if it holds, value if not.
    Choice(Box<[Term; 3]>),
}

/// A function: name, least and most arguments, and what it does.
#[derive(Debug)]
struct Function {
    name: &'static str,
    arguments: (usize, usize),
    apply: fn(&[f64]) -> f64,
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

macro_rules! functions {
    ($($name:literal $least:literal $most:literal $apply:expr;)*) => {
        &[$(Function { name: $name, arguments: ($least, $most), apply: $apply }),*]
    };
}

static FUNCTIONS: &[Function] = functions! {
    "abs" 1 1 |x| x[0].abs();
    "acos" 1 1 |x| x[0].acos();
    "asin" 1 1 |x| x[0].asin();
    "atan" 1 1 |x| x[0].atan();
    "atan2" 2 2 |x| x[0].atan2(x[1]);
    "ceil" 1 1 |x| x[0].ceil();
    "clamp" 3 3 |x| x[0].max(x[1]).min(x[2]);
    "cos" 1 1 |x| x[0].cos();
    "degrees" 1 1 |x| x[0].to_degrees();
    "exp" 1 1 |x| x[0].exp();
    "floor" 1 1 |x| x[0].floor();
    "fract" 1 1 |x| x[0] - x[0].floor();
    "hypot" 2 2 |x| x[0].hypot(x[1]);
    "if" 3 3 |x| if x[0] != 0.0 { x[1] } else { x[2] };
    "int" 1 1 |x| x[0].trunc();
    "lerp" 3 3 |x| x[0] + (x[1] - x[0]) * x[2];
    "log" 1 2 |x| x.get(1).map_or(x[0].ln(), |base| x[0].log(*base));
    "log10" 1 1 |x| x[0].log10();
    "log2" 1 1 |x| x[0].log2();
    "max" 1 99 |x| x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    "min" 1 99 |x| x.iter().copied().fold(f64::INFINITY, f64::min);
    "pow" 2 2 |x| x[0].powf(x[1]);
    "radians" 1 1 |x| x[0].to_radians();
    "round" 1 2 |x| { let scale = 10f64.powf(x.get(1).copied().unwrap_or(0.0)); (x[0] * scale).round() / scale };
    "sign" 1 1 |x| if x[0] == 0.0 { 0.0 } else { x[0].signum() };
    "sin" 1 1 |x| x[0].sin();
    "sqrt" 1 1 |x| x[0].sqrt();
    "tan" 1 1 |x| x[0].tan();
    "trunc" 1 1 |x| x[0].trunc();
};

impl Expression {
    /// Reads a formula.
    ///
    /// # Errors
    /// What is wrong and where.
    pub(crate) fn parse(text: &str) -> Result<Self, ExpressionError> {
        let mut parser = Parser { text, at: 0, depth: 0, n_operators: 0 };
        let term = parser.choice()?;
        parser.space();
        match parser.rest().is_empty() {
            true => Ok(Self(term)),
            false => Err(parser.error("an operator is expected")),
        }
    }

    /// Its value, where `variable` knows the values of names.
    ///
    /// # Errors
    /// Names that nobody knows, and divisions by zero.
    pub(crate) fn value(&self, variable: &dyn Fn(&str) -> Option<f64>) -> Result<f64, ExpressionError> {
        self.0.value(variable)
    }
}

impl Term {
    fn value(&self, variable: &dyn Fn(&str) -> Option<f64>) -> Result<f64, ExpressionError> {
        let all =
            |terms: &[Self]| terms.iter().map(|term| term.value(variable)).collect::<Result<Vec<_>, _>>();
        let wrong = |message: String, at: usize| ExpressionError { message, at, rest: String::new() };
        Ok(match self {
            Self::Number(number) => *number,
            Self::Name(name, at) => match (variable(name), name.as_str()) {
                (Some(value), _) => value,
                (_, "pi") => consts::PI,
                (_, "tau") => consts::TAU,
                (_, "e") => consts::E,
                (_, "true" | "True") => 1.0,
                (_, "false" | "False") => 0.0,
                _ => return Err(wrong(format!("there is no {name:?}"), *at)),
            },
            Self::Choice(terms) => {
                let [condition, yes, no] = &**terms;
                if condition.value(variable)? != 0.0 { yes.value(variable)? } else { no.value(variable)? }
            }
            Self::Comparison(terms, operators) => {
                let values = all(terms)?;
                let holds = values.windows(2).zip(operators).all(|(pair, operator)| match *operator {
                    "==" => pair[0] == pair[1],
                    "!=" => pair[0] != pair[1],
                    "<=" => pair[0] <= pair[1],
                    ">=" => pair[0] >= pair[1],
                    "<" => pair[0] < pair[1],
                    _ => pair[0] > pair[1],
                });
                f64::from(u8::from(holds))
            }
            Self::Call(function, _, terms) => (function.apply)(&all(terms)?),
            Self::Operator(operator, at, terms) => {
                let x = all(terms)?;
                if matches!(*operator, "/" | "//" | "%") && x[1] == 0.0 {
                    return Err(wrong("division by 0".to_owned(), *at));
                }
                match *operator {
                    "+" => x[0] + x[1],
                    "-" => x[0] - x[1],
                    "*" => x[0] * x[1],
                    "/" => x[0] / x[1],
                    "//" => (x[0] / x[1]).floor(),
                    "%" => x[0] - x[1] * (x[0] / x[1]).floor(),
                    "negative" => -x[0],
                    "not" => f64::from(u8::from(x[0] == 0.0)),
                    "and" | "&&" => f64::from(u8::from(x[0] != 0.0 && x[1] != 0.0)),
                    "or" | "||" => f64::from(u8::from(x[0] != 0.0 || x[1] != 0.0)),
                    _ => x[0].powf(x[1]),
                }
            }
        })
    }
}

/// Reads from left to right, a function for each rank of operators.
struct Parser<'a> {
    text: &'a str,
    /// Bytes read.
    at: usize,
    depth: usize,
    n_operators: usize,
}

type Parsed = Result<Term, ExpressionError>;

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Place in characters from 1.
    fn place(&self) -> usize {
        self.text[..self.at].chars().count() + 1
    }

    fn error(&self, message: impl Into<String>) -> ExpressionError {
        ExpressionError {
            message: message.into(),
            at: self.place(),
            rest: self.rest().chars().take(20).collect(),
        }
    }

    /// Reads an operator, one of several; those that others begin with come last.
    fn operator(&mut self, operators: &[&'static str]) -> Option<(&'static str, usize)> {
        self.space();
        let rest = self.rest();
        let found = operators.iter().copied().find(|operator| {
            let is_word = operator.as_bytes()[0].is_ascii_alphabetic();
            rest.strip_prefix(operator).is_some_and(|after| !is_word || !after.starts_with(is_name))
        })?;
        let place = self.place();
        self.at += found.len();
        Some((found, place))
    }

    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.depth == MOST_DEPTH {
            return Err(self.error(format!("more than {MOST_DEPTH} terms lie within each other")));
        }
        self.depth += 1;
        let term = read(self);
        self.depth -= 1;
        term
    }

    fn choice(&mut self) -> Parsed {
        self.deeper(|parser| {
            let yes = parser.any_of()?;
            if parser.operator(&["if"]).is_none() {
                return Ok(yes);
            }
            let condition = parser.any_of()?;
            if parser.operator(&["else"]).is_none() {
                return Err(parser.error("\"else\" is expected"));
            }
            let no = parser.choice()?;
            Ok(Term::Choice(Box::new([condition, yes, no])))
        })
    }

    /// Terms with operators of one rank between them, from left to right.
    fn row(&mut self, operators: &[&'static str], term: fn(&mut Self) -> Parsed) -> Parsed {
        let mut left = term(self)?;
        while let Some((operator, place)) = self.operator(operators) {
            self.n_operators += 1;
            if self.n_operators > MOST_OPERATORS {
                return Err(self.error(format!("there are more than {MOST_OPERATORS} operators")));
            }
            left = Term::Operator(operator, place, vec![left, term(self)?]);
        }
        Ok(left)
    }

    fn any_of(&mut self) -> Parsed {
        self.row(&["or", "||"], |parser| parser.row(&["and", "&&"], Self::negation))
    }

    fn negation(&mut self) -> Parsed {
        match self.operator(&["not"]) {
            Some((operator, place)) => {
                self.deeper(|parser| Ok(Term::Operator(operator, place, vec![parser.negation()?])))
            }
            None => self.comparison(),
        }
    }

    fn comparison(&mut self) -> Parsed {
        let (mut terms, mut operators) = (vec![self.sum()?], Vec::new());
        while let Some((operator, _)) = self.operator(&["==", "!=", "<=", ">=", "<", ">"]) {
            operators.push(operator);
            terms.push(self.sum()?);
        }
        match terms.pop() {
            Some(only) if terms.is_empty() => Ok(only),
            Some(last) => {
                terms.push(last);
                Ok(Term::Comparison(terms, operators))
            }
            None => Err(self.error("a number is expected")),
        }
    }

    fn sum(&mut self) -> Parsed {
        self.row(&["+", "-"], |parser| parser.row(&["//", "*", "/", "%"], Self::signed))
    }

    fn signed(&mut self) -> Parsed {
        match self.operator(&["-", "+"]) {
            Some(("-", place)) => {
                self.deeper(|parser| Ok(Term::Operator("negative", place, vec![parser.signed()?])))
            }
            Some(_) => self.deeper(Self::signed),
            None => self.power(),
        }
    }

    fn power(&mut self) -> Parsed {
        let base = self.atom()?;
        match self.operator(&["**", "^"]) {
            Some((_, place)) => {
                self.deeper(|parser| Ok(Term::Operator("**", place, vec![base, parser.signed()?])))
            }
            None => Ok(base),
        }
    }

    fn atom(&mut self) -> Parsed {
        self.space();
        let (rest, place) = (self.rest(), self.place());
        if self.operator(&["("]).is_some() {
            let inner = self.choice()?;
            return match self.operator(&[")"]) {
                Some(_) => Ok(inner),
                None => Err(self.error(format!("the bracket from character {place} is not closed"))),
            };
        }
        if rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return self.number();
        }
        let name: &str = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
        if name.is_empty() {
            return Err(self.error("a number, name or ( is expected"));
        }
        self.at += name.len();
        if self.operator(&["("]).is_none() {
            return Ok(Term::Name(name.to_owned(), place));
        }
        let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) else {
            self.at -= self.rest_from(rest);
            return Err(self.error(format!("there is no function {name:?}")));
        };
        let mut arguments = Vec::new();
        if self.operator(&[")"]).is_none() {
            loop {
                arguments.push(self.choice()?);
                match self.operator(&[",", ")"]) {
                    Some((",", _)) => {}
                    Some(_) => break,
                    None => return Err(self.error("a comma or ) is expected")),
                }
            }
        }
        let (least, most) = function.arguments;
        if (least..=most).contains(&arguments.len()) {
            return Ok(Term::Call(function, place, arguments));
        }
        let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
        let message = format!("{name} takes {wanted} numbers, not {}", arguments.len());
        Err(ExpressionError { message, at: place, rest: String::new() })
    }

    /// Bytes read since a place.
    fn rest_from(&self, before: &str) -> usize {
        before.len() - self.rest().len()
    }

    fn number(&mut self) -> Parsed {
        let rest = self.rest().as_bytes();
        let digits = |from: usize| from + rest[from..].iter().take_while(|c| c.is_ascii_digit()).count();
        let mut end = digits(0);
        if rest.get(end) == Some(&b'.') {
            end = digits(end + 1);
        }
        if rest.get(end).is_some_and(|c| matches!(c, b'e' | b'E')) {
            let sign = usize::from(rest.get(end + 1).is_some_and(|c| matches!(c, b'+' | b'-')));
            let exponent = digits(end + 1 + sign);
            if exponent > end + 1 + sign {
                end = exponent;
            }
        }
        match self.rest()[..end].parse() {
            Ok(number) => {
                self.at += end;
                Ok(Term::Number(number))
            }
            Err(_) => Err(self.error("this is no number")),
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<f64, String> {
        let variable = |name: &str| (name == "x").then_some(10.0);
        Expression::parse(text).and_then(|e| e.value(&variable)).map_err(|error| error.to_string())
    }

    #[test]
    fn ranks_of_operators() {
        for (text, expected) in [
            ("1 + 2 * 3", 7.0),
            ("(1 + 2) * 3", 9.0),
            ("2 ** 3 ** 2", 512.0),
            ("-2 ** 2", -4.0),
            ("2 ** -1", 0.5),
            ("7 // 2 + 7 % 4", 6.0),
            ("-7 % 3", 2.0),
            ("10 - 3 - 2", 5.0),
            ("1.5e1 + .5", 15.5),
            ("--3", 3.0),
            ("1 < 2 < 3", 1.0),
            ("1 < 2 > 3", 0.0),
            ("1 == 1 and 2 != 2 or 1", 1.0),
            ("0 && 1 || 1", 1.0),
            ("not 0 and not 1", 0.0),
            ("1 if x >= 10 else 2", 1.0),
            ("1 if x < 10 else 2 if x < 11 else 3", 2.0),
            ("if(x > 3, 4, 5)", 4.0),
            ("max(1, x, 3) + min(4, 5)", 14.0),
            ("round(2.345, 2)", 2.35),
            ("log(8, 2)", 3.0),
            ("clamp(x, 0, 1) + sign(-3) + fract(1.25)", 0.25),
            ("lerp(0, x, 0.5)", 5.0),
            ("True + false", 1.0),
        ] {
            let value = value(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!((value - expected).abs() < 1e-9, "{text} is {value}");
        }
    }

    #[test]
    fn errors_name_the_place() {
        for (text, expected) in [
            ("", "a number, name or ( is expected at character 1"),
            ("1 +", "a number, name or ( is expected at character 4"),
            ("1 2", "an operator is expected at character 3, before \"2\""),
            ("(1 + 2", "the bracket from character 1 is not closed at character 7"),
            ("1)", "an operator is expected at character 2, before \")\""),
            ("foo(1)", "there is no function \"foo\" at character 1, before \"foo(1)\""),
            ("sqrt(1, 2)", "sqrt takes 1 numbers, not 2 at character 1"),
            ("max()", "max takes 1 to 99 numbers, not 0 at character 1"),
            ("sqrt(1 2)", "a comma or ) is expected at character 8, before \"2)\""),
            ("1 if 2", "\"else\" is expected at character 7"),
            ("ä", "a number, name or ( is expected at character 1, before \"ä\""),
            ("y + 1", "there is no \"y\" at character 1"),
            ("1 / 0", "division by 0 at character 3"),
            ("1 % (x - 10)", "division by 0 at character 3"),
            (".", "this is no number at character 1, before \".\""),
        ] {
            assert_eq!(value(text), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        for deep in ["(", "-", "not ", "2**", "abs(", "1 if 1 else "] {
            let error = value(&deep.repeat(5000)).expect_err("too deep");
            assert!(error.contains("within each other"), "{error}");
        }
        assert_eq!(value(&format!("1{}", " + 1".repeat(500))), Ok(501.0));
        let error = value(&format!("1{}", " + 1".repeat(501))).expect_err("too long");
        assert!(error.contains("more than 500 operators"), "{error}");
    }
}
