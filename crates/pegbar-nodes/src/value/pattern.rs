//! Texts with places to be filled: `{1}`, `{name}`; `{{` and `}}` stand for the brackets themselves.

/// A pattern that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// Name, and its place in characters from 1.
    Place(String, usize),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence that names the place.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut chars = text.chars().enumerate().peekable();
        while let Some((at, c)) = chars.next() {
            let is_double = matches!(c, '{' | '}') && chars.peek().is_some_and(|(_, next)| *next == c);
            match c {
                _ if is_double => {
                    chars.next();
                    plain.push(c);
                }
                '{' => {
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some((_, '}')) => break,
                            Some((_, c)) if c != '{' => name.push(c),
                            _ => {
                                return Err(format!(
                                    "the bracket at character {} is not closed; write {{{{ for a bracket itself",
                                    at + 1
                                ));
                            }
                        }
                    }
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Place(name, at + 1));
                }
                '}' => {
                    return Err(format!(
                        "the bracket at character {} closes nothing; write }}}} for a bracket itself",
                        at + 1
                    ));
                }
                c => plain.push(c),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// The text, where `value` knows what stands for a name.
    ///
    /// # Errors
    /// A sentence about a name that nobody knows.
    pub(crate) fn fill<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text += plain,
                Piece::Place(name, at) => {
                    text += value(name)
                        .ok_or_else(|| format!("there is nothing for {{{name}}} at character {at}"))?;
                }
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled() {
        let fill = |text: &str| {
            Pattern::parse(text)?.fill(|name| match name {
                "1" => Some("one"),
                "name" => Some("x"),
                _ => None,
            })
        };
        assert_eq!(fill("a{1}b{name}"), Ok("aonebx".to_owned()));
        assert_eq!(fill("{{1}} {1}}}"), Ok("{1} one}".to_owned()));
        assert_eq!(fill(""), Ok(String::new()));
        assert_eq!(fill("é{2}"), Err("there is nothing for {2} at character 2".to_owned()));
        for (wrong, at) in [("a{1", "2"), ("a{1{2}", "2"), ("}", "1")] {
            let error = fill(wrong).expect_err("wrong");
            assert!(error.contains(&format!("character {at} ")), "{error}");
        }
    }
}
