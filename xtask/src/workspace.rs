//! The checkout that the command works on: where it is, what cargo knows about it, and how to build its binary.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use crate::process;

/// The cargo workspace around the current folder.
pub(crate) struct Workspace {
    /// The folder that holds the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Where cargo builds; follows `CARGO_TARGET_DIR`.
    pub(crate) target_dir: PathBuf,
    /// The answer of `cargo metadata --no-deps`.
    pub(crate) metadata: Value,
}

/// Which of its builds of `pegbar` cargo is asked for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Build {
    /// `cargo build`.
    Dev,
    /// The one that `cargo test --workspace` tests. Another build would compile some dependencies again, since the tests ask for more of
    /// their features.
    Tested,
    /// `cargo build --release`.
    Release,
}

impl Workspace {
    /// Asks cargo for the workspace around the current folder.
    pub(crate) fn find() -> Result<Workspace> {
        let json =
            process::stdout(Command::new(cargo()).args(["metadata", "--no-deps", "--format-version", "1"]))?;
        let metadata: Value = serde_json::from_str(&json).context("cargo metadata printed no JSON")?;
        let folder = |key: &str| -> Result<PathBuf> {
            metadata[key].as_str().map(PathBuf::from).with_context(|| format!("cargo metadata has no {key}"))
        };
        Ok(Workspace { root: folder("workspace_root")?, target_dir: folder("target_directory")?, metadata })
    }

    /// A cargo command that runs at the workspace root.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(cargo());
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// Builds the `pegbar` binary and returns its path. Cargo's progress goes to the terminal.
    pub(crate) fn build_pegbar(&self, build: Build) -> Result<PathBuf> {
        let [pegbar] = self.build_programs(build, ["pegbar"])?;
        Ok(pegbar)
    }

    /// The same for the programs of several packages, which bear the packages' names.
    pub(crate) fn build_programs<const N: usize>(
        &self,
        build: Build,
        packages: [&str; N],
    ) -> Result<[PathBuf; N]> {
        let mut command = self.cargo(match build {
            Build::Dev => &["build"],
            Build::Tested => &["test", "--workspace", "--no-run"],
            Build::Release => &["build", "--release"],
        });
        if build != Build::Tested {
            command.args(packages.iter().flat_map(|package| ["--package", package]));
        }
        command.args(["--message-format", "json-render-diagnostics"]).stdin(Stdio::null());
        let messages = process::stdout_with_terminal(&mut command)?;
        let messages: Vec<Value> =
            messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let executable = |package: &str| -> Result<PathBuf> {
            let path = messages
                .iter()
                // The program's unit tests bear its name, too.
                .filter(|message| message["target"]["name"] == package && message["profile"]["test"] != true)
                .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
                .next_back();
            match path {
                Some(path) if path.is_file() => Ok(path),
                _ => bail!("`{}` reported no executable of package {package}", process::shown(&command)),
            }
        };
        let built = packages.iter().map(|package| executable(package)).collect::<Result<Vec<_>>>()?;
        built.try_into().map_err(|_| anyhow!("cargo built another number of programs"))
    }

    /// The folder with reference data (`golden/`, `media/`, `models/`): `PEGBAR_SHARED`, else `shared` beside the checkout.
    pub(crate) fn shared(&self) -> Option<PathBuf> {
        let folder = match env::var_os("PEGBAR_SHARED") {
            Some(folder) => PathBuf::from(folder),
            None => self.root.parent()?.join("shared"),
        };
        folder.join("golden").is_dir().then_some(folder)
    }
}

/// The cargo that started this program, so that a `+toolchain` choice stays in force.
fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
