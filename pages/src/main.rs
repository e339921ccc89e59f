//! Writes `docs/nodes/`: a page for each kind of node, with a picture of what it does, and an index.
//!
//! Text comes from the declarations; pictures are made by running the example of each node ([`pegbar_nodes::example`]) on a
//! cartoon that is drawn here, with the defect that the node is for. `cargo xtask gen` runs this program.

mod example_files;
mod page;
mod panels;
mod run;
mod scene;
mod store;

use anyhow::{Context, Result, bail};
use clap::Parser;
use pegbar_chain::{Category, NodeType};
use pegbar_nodes::NODES;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::{Change, Store};

/// The page that lists all others.
const INDEX: &str = "README.md";
/// Threads that run examples side by side.
const THREADS: usize = 2;

#[derive(Parser)]
#[command(about = "Writes the reference pages of all nodes")]
struct Arguments {
    /// The folder of the pages
    folder: PathBuf,
    /// Write nothing; fail when a page or picture is not what the nodes give
    #[arg(long)]
    check: bool,
    /// Only nodes with this in their id; the index and superfluous files are left alone
    #[arg(long, value_name = "WORD")]
    only: Option<String>,
}

fn main() -> ExitCode {
    match write(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write(arguments: &Arguments) -> Result<()> {
    let wanted = |kind: &&NodeType| arguments.only.as_ref().is_none_or(|word| kind.id.contains(word));
    let kinds: Vec<&'static NodeType> = NODES.0.iter().copied().filter(wanted).collect();
    let store = Store::new(&arguments.folder, arguments.check);
    let made = for_each(&kinds, |kind| {
        let ran = run::example(kind)?;
        let (mut changes, mut names) = (Vec::new(), vec![page::file_name(kind)]);
        if let Some(picture) = panels::picture(&ran)? {
            let (name, change) = store.picture(kind.id, &picture)?;
            changes.extend(change);
            names.push(name);
        }
        let text = page::page(kind, &ran, names.get(1).map(String::as_str));
        changes.extend(store.text(&names[0], &text)?);
        Ok((names, changes))
    })?;
    let (names, changes): (Vec<Vec<String>>, Vec<Vec<Change>>) = made.into_iter().unzip();
    let mut changes: Vec<Change> = changes.into_iter().flatten().collect();
    if arguments.only.is_none() {
        changes.extend(store.text(INDEX, &page::index())?);
        let expected = names.into_iter().flatten().chain([INDEX.to_owned()]).collect();
        changes.extend(store.superfluous(&expected)?);
    }
    report(&changes, kinds.len(), arguments.check)
}

fn report(changes: &[Change], n_kinds: usize, check: bool) -> Result<()> {
    if changes.is_empty() {
        println!("{n_kinds} pages of nodes are current");
        return Ok(());
    }
    let said: Vec<String> = changes.iter().map(ToString::to_string).collect();
    if check {
        bail!("{} files of nodes' pages are stale:\n  {}", changes.len(), said.join("\n  "));
    }
    said.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// What a function makes of each kind of node, side by side; all errors together.
fn for_each<T: Send>(
    kinds: &[&'static NodeType],
    make: impl Fn(&'static NodeType) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let made: Mutex<Vec<Option<Result<T>>>> = Mutex::new(kinds.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(kind) = kinds.get(i) else { return };
                    let result = make(kind).context(kind.id);
                    made.lock().unwrap_or_else(|error| error.into_inner())[i] = Some(result);
                }
            });
        }
    });
    let (mut good, mut wrong) = (Vec::new(), Vec::new());
    for result in made.into_inner().unwrap_or_else(|error| error.into_inner()).into_iter().flatten() {
        match result {
            Ok(one) => good.push(one),
            Err(error) => wrong.push(format!("{error:#}")),
        }
    }
    if !wrong.is_empty() {
        bail!("{} examples do not run:\n  {}", wrong.len(), wrong.join("\n  "));
    }
    Ok(good)
}

/// Nodes by category, in the order of lists.
fn by_category() -> impl Iterator<Item = (Category, Vec<&'static NodeType>)> {
    Category::ALL.into_iter().map(|category| {
        (category, NODES.0.iter().copied().filter(|kind| kind.category == category).collect())
    })
}

/// A text as a page shows it: without the folder that an example ran in.
fn without_folder(text: &str, folder: &Path) -> String {
    let folder = folder.display().to_string();
    text.replace(&format!("{folder}/"), "").replace(&format!("{folder}\\"), "").replace(&folder, ".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Ran;

    /// The table's promise: each node's example runs.
    #[test]
    fn every_example_runs() {
        if pegbar_media::Tools::find().is_err() {
            eprintln!("skipped: examples of nodes (there is no ffmpeg)");
            return;
        }
        let ran = for_each(NODES.0, run::example).unwrap_or_else(|error| panic!("{error:#}"));
        for (kind, ran) in NODES.0.iter().zip(&ran) {
            let shows_nothing = ran.before.is_empty() && ran.after.is_empty() && ran.values.is_empty();
            assert_eq!(shows_nothing, run::gives_nothing(kind).is_some(), "{}", kind.id);
            let finite = |ran: &Ran| {
                ran.after.iter().all(|panel| panel.image.data.iter().all(|sample| sample.is_finite()))
            };
            assert!(finite(ran), "{}", kind.id);
        }
    }
}
