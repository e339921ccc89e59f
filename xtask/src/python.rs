//! The Python on this machine: a way to fetch pinned packages, and to run peers in an environment of their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// A Python 3 interpreter that has pip.
pub(crate) struct Python {
    program: PathBuf,
}

impl Python {
    /// Finds a Python with pip, or says what is missing.
    pub(crate) fn find() -> Result<Python> {
        let Some(program) = ["python3", "python"].into_iter().filter_map(process::on_path).find(is_python3)
        else {
            bail!("there is no Python 3 on PATH");
        };
        if !process::succeeds(Command::new(&program).args(["-m", "pip", "--version"])) {
            bail!("{} has no pip", program.display());
        }
        Ok(Python { program })
    }

    /// Fetches one pinned package as a wheel, without what it depends on, into `folder`.
    pub(crate) fn download(&self, requirement: &str, extra: &[&str], folder: &Path) -> Result<()> {
        process::stdout(
            Command::new(&self.program)
                .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
                .args(["--no-deps", "--only-binary=:all:", "--retries", "2", "--timeout", "20"])
                .args(extra)
                .arg("--dest")
                .arg(folder)
                .arg(requirement),
        )?;
        Ok(())
    }

    /// The interpreter of a virtual environment in `folder` that holds exactly `requirements`, which name what they need in turn; made at
    /// the first call.
    pub(crate) fn environment(&self, folder: &Path, requirements: &Path) -> Result<PathBuf> {
        let bin = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
        let interpreter = folder.join(bin);
        let complete = folder.join("complete");
        if !complete.is_file() {
            println!("making a Python environment in {}", folder.display());
            process::stdout(Command::new(&self.program).args(["-m", "venv", "--clear"]).arg(folder))
                .context(
                    "cannot make a virtual environment (on Debian and Ubuntu: apt-get install python3-venv)",
                )?;
            process::stdout(
                Command::new(&interpreter)
                    .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
                    .arg("--requirement")
                    .arg(requirements),
            )?;
            std::fs::write(&complete, "")?;
        }
        Ok(interpreter)
    }
}

fn is_python3(program: &PathBuf) -> bool {
    process::succeeds(Command::new(program).args(["-c", "import sys; sys.exit(sys.version_info < (3, 8))"]))
}
