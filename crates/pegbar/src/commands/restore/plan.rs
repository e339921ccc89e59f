//! From inputs and output to a list of jobs.

use super::Request;
use crate::commands::film;
use crate::exit::UsageError;
use anyhow::{Context, Result, anyhow};
use pegbar_job::{FOLDER_SUFFIX, folder_of};
use pegbar_media::{Container, still};
use serde::Serialize;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A still picture.
    Image,
    /// Anything that goes through ffmpeg.
    Video,
}

/// One input and its output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) input: PathBuf,
    pub(crate) output: PathBuf,
    pub(crate) kind: Kind,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) jobs: Vec<Job>,
    /// Inputs whose output exists.
    pub(crate) skipped: Vec<PathBuf>,
    /// Inputs that cannot be read.
    pub(crate) failed: Vec<(PathBuf, anyhow::Error)>,
}

/// Extensions taken for videos when a folder is searched; a file named on the command line may have any.
const VIDEO_EXTENSIONS: &[&str] = &[
    "3g2", "3gp", "apng", "asf", "avi", "divx", "dv", "f4v", "flv", "gif", "m2ts", "m2v", "m4v", "mkv",
    "mov", "mp4", "mpeg", "mpg", "mts", "mxf", "nut", "ogm", "ogv", "rm", "rmvb", "ts", "vob", "webm", "wmv",
    "y4m",
];
/// Containers that an output keeps; everything else becomes Matroska.
const KEPT_CONTAINERS: &[&str] = &["mkv", "mp4", "m4v", "mov", "gif", "apng", "webp"];

/// Plans the run.
///
/// # Errors
/// A [`UsageError`] where inputs and output do not fit together.
pub(crate) fn plan(args: &Request<'_>) -> Result<Plan> {
    check_format(&args.images.format)?;
    let mut plan = Plan::default();
    let out = args.output;
    let inputs = expand(args.inputs, &mut plan.failed);
    let to_folder =
        out.is_dir() || ends_with_separator(out) || !matches!(inputs.as_slice(), [one] if !one.is_dir());
    let is_one_file =
        Container::from_path(out).is_ok() || film::pattern(out).is_some() || still::is_image_path(out);
    if to_folder && (out.is_file() || (is_one_file && !out.is_dir() && !ends_with_separator(out))) {
        let message = format!(
            "{}: the output must be a folder for several inputs or a folder; to make one video of numbered images, name \
             them by a pattern: frames/%06d.png",
            out.display()
        );
        return Err(UsageError(message).into());
    }
    for input in &inputs {
        if input.is_dir() {
            let mut found = Vec::new();
            collect(input, args, &mut found, &mut plan.failed);
            if found.is_empty() && plan.failed.is_empty() {
                let more = if args.images.recursive { "" } else { " (--recursive looks into subfolders)" };
                let error = anyhow!("{}: there is no image or video in this folder{more}", input.display());
                plan.failed.push((input.clone(), error));
            }
            for (file, kind) in found {
                let relative = file.strip_prefix(input).unwrap_or(&file);
                let output = out.join(output_name(relative, kind, &args.images.format));
                plan.jobs.push(Job { input: file, output, kind });
            }
        } else if let Some(pattern) = film::pattern(input) {
            let name = Path::new(input.file_name().unwrap_or_default()).with_extension(&args.images.format);
            let output = if to_folder { out.join(name) } else { out.to_owned() };
            if film::pattern(&output).is_none()
                && still::Format::from_path(&output).is_ok()
                && !is_animation(&output)
            {
                let message = format!(
                    "{}: many images do not fit into one; name the output with a number in it, such as %06d.{}",
                    output.display(),
                    output.extension().unwrap_or_default().to_string_lossy()
                );
                return Err(UsageError(message).into());
            }
            if film::pattern(&output).is_some_and(|made| same_file(pattern.folder(), made.folder()))
                && pattern.path().file_name() == output.file_name()
            {
                let message = format!("{}: input and output are the same files", input.display());
                return Err(UsageError(message).into());
            }
            plan.jobs.push(Job { input: input.clone(), output, kind: Kind::Video });
        } else if !input.exists() {
            plan.failed.push((input.clone(), anyhow!("{}: there is no such file", input.display())));
        } else {
            let kind = if film::is_one_picture(input) { Kind::Image } else { Kind::Video };
            let output = if to_folder {
                let name = input.file_name().map_or(input.as_path(), Path::new);
                out.join(output_name(name, kind, &args.images.format))
            } else {
                out.to_owned()
            };
            plan.jobs.push(Job { input: input.clone(), output, kind });
        }
    }
    refuse_clashes(&plan.jobs.iter().collect::<Vec<_>>())?;
    let mut jobs = Vec::new();
    for job in std::mem::take(&mut plan.jobs) {
        if args.existing.skip_existing && exists(&job.output) {
            plan.skipped.push(job.input);
        } else {
            jobs.push(job);
        }
    }
    plan.jobs = jobs;
    Ok(plan)
}

/// The inputs as a shell would give them: patterns that it has left alone become the files they stand for.
fn expand(inputs: &[PathBuf], failed: &mut Vec<(PathBuf, anyhow::Error)>) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for input in inputs {
        let text = input.to_str().filter(|text| text.contains(['*', '?', '[']) && !input.exists());
        let Some(text) = text else {
            all.push(input.clone());
            continue;
        };
        let found = glob::glob(text).map_err(|error| anyhow!("{text}: this pattern is wrong: {error}"));
        match found.map(|paths| paths.flatten().collect::<Vec<_>>()) {
            Ok(paths) if paths.is_empty() => {
                failed.push((input.clone(), anyhow!("{text}: no file fits this pattern")));
            }
            Ok(paths) => all.extend(paths),
            Err(error) => failed.push((input.clone(), error)),
        }
    }
    all
}

/// Whether an output is there, for `--skip-existing`. Of numbered images an unfinished job leaves some.
fn exists(output: &Path) -> bool {
    match film::pattern(output) {
        Some(pattern) => !folder_of(output).exists() && !pattern.numbers().is_empty(),
        None => output.exists(),
    }
}

fn is_animation(path: &Path) -> bool {
    Container::from_path(path).is_ok_and(Container::is_animation)
}

fn check_format(format: &str) -> Result<()> {
    let name = PathBuf::from(format!("x.{format}"));
    still::Format::from_path(&name)
        .map(|_| ())
        .map_err(|e| UsageError(format!("--format {format}: {e}")).into())
}

fn ends_with_separator(path: &Path) -> bool {
    path.as_os_str().to_string_lossy().ends_with(std::path::is_separator)
}

fn kind_in_folder(path: &Path) -> Option<Kind> {
    if still::is_image_path(path) {
        return Some(if film::is_one_picture(path) { Kind::Image } else { Kind::Video });
    }
    let extension = path.extension().and_then(OsStr::to_str)?.to_ascii_lowercase();
    VIDEO_EXTENSIONS.contains(&extension.as_str()).then_some(Kind::Video)
}

/// Finds images and videos in a folder, sorted by name; hidden files and the output folder are left out.
fn collect(
    folder: &Path,
    args: &Request<'_>,
    found: &mut Vec<(PathBuf, Kind)>,
    failed: &mut Vec<(PathBuf, anyhow::Error)>,
) {
    let entries = match std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => {
            let error = Err::<(), _>(error).context(format!("{}: cannot be read", folder.display()));
            failed.extend(error.err().map(|e| (folder.to_owned(), e)));
            return;
        }
    };
    let mut paths: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).collect();
    paths.sort();
    for path in paths {
        if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')) {
            continue;
        }
        let is_output = |path: &Path| args.outputs.iter().any(|output| same_file(path, output));
        // A link to a folder is not followed: it may lead back here.
        if path.is_dir() {
            let is_job = path.as_os_str().to_string_lossy().ends_with(FOLDER_SUFFIX);
            if args.images.recursive && !path.is_symlink() && !is_job && !is_output(&path) {
                collect(&path, args, found, failed);
            }
        } else if let Some(kind) = kind_in_folder(&path) {
            found.push((path, kind));
        }
    }
}

/// The one name of a file, which need not be there yet.
fn resolved(path: &Path) -> PathBuf {
    let whole = path.canonicalize().ok();
    let by_folder = || {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(folder.canonicalize().ok()?.join(path.file_name()?))
    };
    whole.or_else(by_folder).or_else(|| std::path::absolute(path).ok()).unwrap_or_else(|| path.to_owned())
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn output_name(input: &Path, kind: Kind, format: &str) -> PathBuf {
    match kind {
        Kind::Image => input.with_extension(format),
        Kind::Video => {
            let extension = input.extension().and_then(OsStr::to_str).unwrap_or("").to_ascii_lowercase();
            input.with_extension(match extension.as_str() {
                kept if KEPT_CONTAINERS.contains(&kept) => kept,
                "png" => "apng",
                _ => "mkv",
            })
        }
    }
}

/// Two jobs with one output, or an output that is an input, would lose a file.
///
/// # Errors
/// A [`UsageError`] where two jobs would write the same file, or one its own input or another's.
pub(super) fn refuse_clashes(jobs: &[&Job]) -> Result<()> {
    let mut outputs: HashMap<PathBuf, &Path> = HashMap::new();
    let inputs: HashMap<PathBuf, &Path> =
        jobs.iter().map(|job| (resolved(&job.input), job.input.as_path())).collect();
    for job in jobs {
        let output = resolved(&job.output);
        if let Some(input) = inputs.get(&output).filter(|input| !same_file(input, &job.input)) {
            let message = format!(
                "{} would be replaced by what {} becomes, and is an input itself; name another output",
                input.display(),
                job.input.display()
            );
            return Err(UsageError(message).into());
        }
        if let Some(other) = outputs.insert(output, &job.input) {
            let message = format!(
                "{} and {} would both become {}; rename one, or give them folders of their own",
                other.display(),
                job.input.display(),
                job.output.display()
            );
            return Err(UsageError(message).into());
        }
        if same_file(&job.input, &job.output) {
            let message = format!("{}: input and output are the same file", job.input.display());
            return Err(UsageError(message).into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command, UpscaleArgs};
    use clap::Parser;

    fn plan(args: &UpscaleArgs) -> Result<Plan> {
        let outputs = std::slice::from_ref(&args.output);
        super::plan(&Request::new(&args.inputs, &args.output, outputs, &args.work, &args.work.video))
    }

    fn args(line: &[&str]) -> UpscaleArgs {
        let line = ["pegbar", "upscale", "-m", "model.pth"].iter().chain(line);
        match Cli::try_parse_from(line).expect("a good command line").command {
            Command::Upscale(args) => *args,
            other => panic!("not upscale: {other:?}"),
        }
    }

    #[test]
    fn a_folder_mirrors_its_tree() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let input = dir.path().join("in");
        std::fs::create_dir_all(input.join("sub/out")).expect("folders");
        std::fs::create_dir_all(input.join("film.mkv.pegbar-job")).expect("folders");
        std::fs::write(input.join("film.mkv.pegbar-job/000000.mp4"), b"x").expect("file");
        for name in ["b.jpg", "a.PNG", "notes.txt", ".hidden.png", "film.avi", "sub/c.webp", "sub/out/d.png"]
        {
            std::fs::write(input.join(name), b"x").expect("file");
        }
        let out = input.join("sub/out");
        let (i, o) = (input.to_str().expect("UTF-8"), out.to_str().expect("UTF-8"));
        let flat = plan(&args(&[i, "-o", o])).expect("plan");
        let outputs: Vec<_> =
            flat.jobs.iter().map(|j| j.output.strip_prefix(&out).expect("inside")).collect();
        assert_eq!(outputs, [Path::new("a.png"), Path::new("b.png"), Path::new("film.mkv")]);
        let deep = plan(&args(&[i, "-o", o, "--recursive", "--format", "webp"])).expect("plan");
        let outputs: Vec<_> =
            deep.jobs.iter().map(|j| j.output.strip_prefix(&out).expect("inside")).collect();
        assert_eq!(outputs, ["a.webp", "b.webp", "film.mkv", "sub/c.webp"].map(Path::new));
    }

    #[test]
    fn clashes_and_missing_inputs_are_named() {
        let dir = tempfile::tempdir().expect("temporary folder");
        for name in ["a.jpg", "a.png"] {
            std::fs::write(dir.path().join(name), b"x").expect("file");
        }
        let at = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
        let clash = plan(&args(&[&at("a.jpg"), &at("a.png"), "-o", &at("out")])).expect_err("clash");
        assert!(clash.is::<UsageError>(), "{clash}");
        let same = plan(&args(&[&at("a.png"), "-o", &at("a.png")])).expect_err("same");
        assert!(same.to_string().contains("same file"), "{same}");
        let missing = plan(&args(&[&at("none.png"), "-o", &at("b.png")])).expect("plan");
        assert_eq!(missing.failed.len(), 1);
        assert!(plan(&args(&[&at("a.png"), "-o", &at("out/"), "--format", "xyz"])).is_err());
    }
}
