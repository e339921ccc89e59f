//! Running other programs: what is captured, and what the error says when one fails.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// How many of a failed program's last lines its error quotes.
const QUOTED_LINES: usize = 12;

/// Runs a command on this terminal; an error if it does not exit with 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs a command silently and returns what it printed on its standard output. On failure the error quotes its last lines.
pub(crate) fn stdout(command: &mut Command) -> Result<String> {
    let output = quiet_output(command)?;
    if !output.status.success() {
        let spoken = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
        let spoken = String::from_utf8_lossy(spoken);
        let lines: Vec<&str> = spoken.lines().collect();
        let quoted = lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n");
        bail!("`{}` failed ({}):\n{quoted}", shown(command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command whose standard output is captured while its standard error stays on this terminal.
pub(crate) fn stdout_with_terminal(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !output.status.success() {
        bail!("`{}` failed ({})", shown(command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a command can be started and exits with 0; its output is thrown away.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    quiet_output(command).is_ok_and(|output| output.status.success())
}

/// The path of a program on `PATH`, if there is one.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let file = format!("{program}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(&file)).find(|path| path.is_file())
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let word = |word: &OsStr| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_alphanumeric() || "-_./=:,+".contains(c);
        if !word.is_empty() && word.chars().all(plain) { word.into_owned() } else { format!("'{word}'") }
    };
    let mut words = vec![word(command.get_program())];
    words.extend(command.get_args().map(word));
    words.join(" ")
}

fn quiet_output(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{}`", shown(command)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_quotes_the_command_and_its_last_lines() {
        let error = stdout(Command::new("cargo").args(["no-such-subcommand"])).unwrap_err().to_string();
        assert!(error.contains("`cargo no-such-subcommand` failed"), "{error}");
        assert!(error.contains("no such command"), "{error}");
    }

    #[test]
    fn words_with_spaces_are_quoted() {
        let mut command = Command::new("ffmpeg");
        command.args(["-i", "my film.mkv", ""]);
        assert_eq!(shown(&command), "ffmpeg -i 'my film.mkv' ''");
    }
}
