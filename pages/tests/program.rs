//! The program itself: what it writes passes its check, and what is spoilt does not.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn pages(folder: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_pegbar-pages");
    Command::new(program).arg(folder).args(arguments).output().expect("the program starts")
}

#[test]
fn pages_that_were_written_are_current_until_somebody_changes_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let only = ["--only", "image.flip"];
    let check = ["--only", "image.flip", "--check"];
    assert!(!pages(folder.path(), &check).status.success(), "there is nothing yet");
    assert!(!folder.path().join("image.flip.md").exists(), "a check writes nothing");
    assert!(pages(folder.path(), &only).status.success());
    assert!(folder.path().join("pictures").is_dir());
    assert!(pages(folder.path(), &check).status.success());

    let page = folder.path().join("image.flip.md");
    let text = fs::read_to_string(&page).expect("a page");
    assert!(text.contains("# Flip") && text.contains("\"type\": \"image.flip\""), "{text}");
    fs::write(&page, text + "more\n").expect("a page");
    let checked = pages(folder.path(), &check);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(!checked.status.success() && said.contains("image.flip.md: has another text"), "{said}");
}
