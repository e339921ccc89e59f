//! The one line that installs ffmpeg on this system.

use std::env;
use std::ffi::OsStr;

/// Package managers, the more specific first: program, what to type.
const MANAGERS: &[(&str, &str)] = &[
    ("apt-get", "apt-get install -y ffmpeg"),
    ("dnf", "dnf install -y ffmpeg"),
    ("pacman", "pacman -S --noconfirm ffmpeg"),
    ("zypper", "zypper install -y ffmpeg"),
    ("apk", "apk add ffmpeg"),
    ("brew", "brew install ffmpeg"),
    ("winget", "winget install Gyan.FFmpeg"),
    ("choco", "choco install ffmpeg -y"),
];

/// Those that a user runs as himself.
const NEEDS_NO_ROOT: &[&str] = &["brew", "winget", "choco"];

/// The line to type to get ffmpeg and ffprobe, by the package manager found on PATH; `https://ffmpeg.org/download.html`
/// in words where there is none.
pub fn install_line() -> String {
    line_for(env::var_os("PATH").as_deref(), is_root())
}

fn line_for(path: Option<&OsStr>, root: bool) -> String {
    let found = MANAGERS.iter().find(|(program, _)| crate::tools::find_on_path(program, path).is_some());
    match found {
        Some((program, line)) if root || NEEDS_NO_ROOT.contains(program) => (*line).to_owned(),
        Some((_, line)) => format!("sudo {line}"),
        None => "see https://ffmpeg.org/download.html and put ffmpeg and ffprobe on PATH, or set PEGBAR_FFMPEG to their \
                 folder"
            .to_owned(),
    }
}

#[cfg(unix)]
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(not(unix))]
fn is_root() -> bool {
    true
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_line_follows_the_package_manager() {
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path().as_os_str());
        assert!(line_for(path, false).contains("https://ffmpeg.org"));
        assert!(line_for(None, false).contains("https://ffmpeg.org"));
        let add = |name: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, "#!/bin/sh\n").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        add("brew");
        assert_eq!(line_for(path, false), "brew install ffmpeg");
        add("pacman");
        assert_eq!(line_for(path, false), "sudo pacman -S --noconfirm ffmpeg");
        assert_eq!(line_for(path, true), "pacman -S --noconfirm ffmpeg");
    }
}
