//! Installing a program through the system's package manager, when this user may, and saying what to type when not.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

/// A package manager: how it installs, and whether only root may.
struct PackageManager {
    program: &'static str,
    /// Refreshes the list of packages first, where a fresh machine has none.
    update: Option<&'static [&'static str]>,
    install: &'static [&'static str],
    needs_root: bool,
}

const MANAGERS: &[PackageManager] = &[
    PackageManager {
        program: "apt-get",
        update: Some(&["update"]),
        install: &["install", "--yes", "--no-install-recommends"],
        needs_root: true,
    },
    PackageManager { program: "dnf", update: None, install: &["install", "--assumeyes"], needs_root: true },
    PackageManager { program: "pacman", update: None, install: &["-Sy", "--noconfirm"], needs_root: true },
    PackageManager {
        program: "zypper",
        update: None,
        install: &["--non-interactive", "install"],
        needs_root: true,
    },
    PackageManager { program: "apk", update: None, install: &["add"], needs_root: true },
    PackageManager { program: "brew", update: None, install: &["install"], needs_root: false },
];

/// Installs `package`, or fails with the one line to type.
pub(crate) fn install(package: &str) -> Result<()> {
    let Some(manager) = MANAGERS.iter().find(|manager| process::on_path(manager.program).is_some()) else {
        bail!("{package} is missing and no package manager is known here. {}", elsewhere(package));
    };
    let with_sudo = if !manager.needs_root || is_root() {
        false
    } else if process::succeeds(Command::new("sudo").args(["-n", "true"])) {
        true
    } else {
        bail!("{package} is missing. Install it, then run this again:\n  {}", manager.line(package));
    };
    println!("installing {package} with {}", manager.program);
    if let Some(update) = manager.update {
        process::stdout(manager.command(with_sudo).args(update))?;
    }
    process::stdout(manager.command(with_sudo).args(manager.install).arg(package))?;
    Ok(())
}

impl PackageManager {
    fn command(&self, with_sudo: bool) -> Command {
        let mut command = Command::new(if with_sudo { "sudo" } else { self.program });
        if with_sudo {
            command.args(["-n", "DEBIAN_FRONTEND=noninteractive", self.program]);
        }
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    /// What a person types to get `package`.
    fn line(&self, package: &str) -> String {
        let sudo = if self.needs_root { "sudo " } else { "" };
        let update = self.update.map(|words| format!("{sudo}{} {} && ", self.program, words.join(" ")));
        format!("{}{sudo}{} {} {package}", update.unwrap_or_default(), self.program, self.install.join(" "))
    }
}

fn elsewhere(package: &str) -> String {
    if cfg!(windows) {
        format!("Install it, then run this again:\n  winget install {package}")
    } else {
        format!("Install {package} 5.0 or newer so that it is found on PATH, then run this again.")
    }
}

fn is_root() -> bool {
    process::stdout(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_type_is_complete() {
        let line = |program: &str| {
            MANAGERS.iter().find(|manager| manager.program == program).unwrap().line("ffmpeg")
        };
        assert_eq!(
            line("apt-get"),
            "sudo apt-get update && sudo apt-get install --yes --no-install-recommends ffmpeg"
        );
        assert_eq!(line("brew"), "brew install ffmpeg");
    }
}
