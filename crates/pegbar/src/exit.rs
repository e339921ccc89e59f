//! Exit codes and the sentence printed for an error.

use std::process::ExitCode;

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was done.
    Done,
    /// Nothing was done, or the one thing asked for failed.
    Failed,
    /// The command line made no sense.
    Usage,
    /// Some items failed, the rest is done.
    Partial,
}

impl Exit {
    /// The code for an error that ended a command.
    pub(crate) fn of_error(error: &anyhow::Error) -> Self {
        if error.is::<UsageError>() { Self::Usage } else { Self::Failed }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Partial => 3,
        })
    }
}

/// Options that contradict each other, or that do not fit the inputs. Exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// An error and its causes on one line, without a cause that the line before it already says.
pub(crate) fn sentence(error: &anyhow::Error) -> String {
    let mut out = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if out.is_empty() {
            out = text;
        } else if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn causes_follow_once() {
        let e = Err::<(), _>(anyhow::anyhow!("disk full")).context("film.mkv").expect_err("error");
        assert_eq!(sentence(&e), "film.mkv: disk full");
        let e = Err::<(), _>(anyhow::anyhow!("disk full")).context("film.mkv: disk full").expect_err("error");
        assert_eq!(sentence(&e), "film.mkv: disk full");
    }

    #[test]
    fn usage_errors_have_their_code() {
        assert_eq!(Exit::of_error(&UsageError("x".into()).into()), Exit::Usage);
        assert_eq!(Exit::of_error(&anyhow::anyhow!("x")), Exit::Failed);
    }
}
