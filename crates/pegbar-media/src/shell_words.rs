//! Splitting a line of options as a shell would, without running one.

/// Splits at blanks; quotes and backslashes work as in a POSIX shell, nothing is expanded.
///
/// # Errors
/// A sentence when a quote is not closed.
pub(crate) fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\\' => {
                let next = chars.next().ok_or("a backslash at the end stands before nothing")?;
                word.get_or_insert_default().push(next);
            }
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err(format!("the quote {c} is not closed")),
                        Some(end) if end == c => break,
                        // In double quotes a backslash keeps itself unless it escapes one of these.
                        Some('\\') if c == '"' => match chars.next() {
                            None => return Err(format!("the quote {c} is not closed")),
                            Some(next @ ('"' | '\\' | '$' | '`')) => word.push(next),
                            Some(next) => word.extend(['\\', next]),
                        },
                        Some(inside) => word.push(inside),
                    }
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell() {
        for (line, words) in [
            ("", &[][..]),
            ("  -c:v  libx264\t-crf 18 ", &["-c:v", "libx264", "-crf", "18"][..]),
            (r#"-x "a b" 'c "d' e\ f ''"#, &["-x", "a b", "c \"d", "e f", ""][..]),
            (r#""a\"b\n""#, &[r#"a"b\n"#][..]),
            ("a'b'\"c\"", &["abc"][..]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        for line in ["'", "\"a", "a\\", "\"\\"] {
            assert!(split(line).is_err(), "{line}");
        }
    }
}
