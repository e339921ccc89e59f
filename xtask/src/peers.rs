//! The other engines: their pinned environments, their scripts, and the networks that all engines run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::python::Python;
use crate::workspace::Workspace;
use crate::{cache, machine, process};

/// What the peers run in.
pub(crate) struct Peers {
    scripts: PathBuf,
    /// Where networks and frames are written.
    pub(crate) folder: PathBuf,
    python: PathBuf,
    /// None where it is not wanted or cannot be had.
    pytorch: Option<PathBuf>,
}

/// Which environment a script needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Environment {
    Main,
    /// Apart, for its size.
    PyTorch,
}

impl Peers {
    /// Finds or makes the environments.
    pub(crate) fn prepare(workspace: &Workspace, with_pytorch: bool) -> Result<Peers> {
        let scripts = workspace.root.join("benches/peers");
        let folder = cache::folder("peers")?;
        let interpreter = Python::find()?;
        let environment = |name: &str, requirements: &str| {
            environment(&interpreter, &folder, name, &scripts.join(requirements))
        };
        let python = environment("environment", "requirements.txt")?;
        let pytorch = match with_pytorch.then(|| environment("pytorch", PYTORCH_REQUIREMENTS)) {
            None => None,
            Some(Ok(python)) => Some(python),
            Some(Err(error)) => {
                println!("\n*** PyTorch is left out: its environment cannot be made ***\n{error:#}\n");
                None
            }
        };
        Ok(Peers { scripts, folder, python, pytorch })
    }

    /// Whether scripts of this environment can run.
    pub(crate) fn has(&self, environment: Environment) -> bool {
        environment == Environment::Main || self.pytorch.is_some()
    }

    /// Writes the networks and the frames, which are given as `WIDTHxHEIGHT`.
    pub(crate) fn make_models(&self, models: &[&str], frames: &[String]) -> Result<()> {
        let mut command = Command::new(&self.python);
        command.arg(self.scripts.join("make_models.py")).arg(&self.folder);
        command.arg("--models").args(models).arg("--frames").args(frames);
        process::run(&mut command)
    }

    /// The interpreter of most scripts.
    pub(crate) fn python(&self) -> Command {
        Command::new(&self.python)
    }

    /// A model's path without an extension.
    pub(crate) fn stem(&self, model: &str) -> PathBuf {
        self.folder.join(model)
    }

    /// The weights for Pegbar.
    pub(crate) fn weights(&self, model: &str) -> PathBuf {
        self.folder.join(format!("{model}.safetensors"))
    }

    /// The frame's path.
    pub(crate) fn frame(&self, size: &str) -> PathBuf {
        self.folder.join(format!("frame-{size}.f32"))
    }

    /// A script on its interpreter, with as many threads as it has cores.
    pub(crate) fn script(&self, environment: Environment, script: &str, cores: &[usize]) -> Command {
        let python: &Path = match (environment, &self.pytorch) {
            (Environment::PyTorch, Some(python)) => python,
            _ => &self.python,
        };
        pinned_script(python, &self.scripts.join(script), cores)
    }
}

/// PyTorch alone, and what it runs in.
pub(crate) struct PyTorch {
    scripts: PathBuf,
    /// Where networks and frames are written.
    pub(crate) folder: PathBuf,
    python: PathBuf,
}

impl PyTorch {
    /// Finds or makes its environment.
    pub(crate) fn prepare(workspace: &Workspace) -> Result<PyTorch> {
        let scripts = workspace.root.join("benches/peers");
        let folder = cache::folder("peers")?;
        let requirements = scripts.join(PYTORCH_REQUIREMENTS);
        let python = environment(&Python::find()?, &folder, "pytorch", &requirements)?;
        Ok(PyTorch { scripts, folder, python })
    }

    /// A script that is waited for.
    pub(crate) fn tool(&self, script: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(self.scripts.join(script)).arg(&self.folder);
        command
    }

    /// A script with as many threads as it has cores.
    pub(crate) fn script(&self, script: &str, cores: &[usize]) -> Command {
        pinned_script(&self.python, &self.scripts.join(script), cores)
    }
}

const PYTORCH_REQUIREMENTS: &str = "requirements-pytorch.txt";

/// The interpreter of an environment in `folder`, named by its requirements' content, so that other pins get another.
fn environment(interpreter: &Python, folder: &Path, name: &str, requirements: &Path) -> Result<PathBuf> {
    let environment = folder.join(format!("{name}-{}", &cache::sha256(requirements)?[..12]));
    interpreter.environment(&environment, requirements)
}

fn pinned_script(python: &Path, script: &Path, cores: &[usize]) -> Command {
    let mut command = machine::pinned(cores, python);
    command.arg(script);
    // Threads that spin while they wait would disturb the engine whose turn it is.
    command.env("OMP_NUM_THREADS", cores.len().to_string());
    command.envs([("OMP_WAIT_POLICY", "passive"), ("KMP_BLOCKTIME", "0")]);
    command
}
