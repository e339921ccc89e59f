//! Streams of files: the pictures or models of a directory, one after the other.

use crate::function::BASE;
use crate::model::{name_and_directory, read_model_file};
use crate::source_sink::{LIMIT, SKIP, STEP, Selection};
use crate::value::text_value;
use globset::{GlobBuilder, GlobMatcher};
use pegbar_chain::{
    Category, FrameSource, ImageInfo, Info, NodeError, NodeType, Output, Prepare, Role, Round, Value,
    ValueType,
};
use pegbar_media::still::is_image_path;
use pegbar_params::{Choice, Param, PathTarget};
use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use walkdir::WalkDir;

/// Directories within each other that are walked into.
const MOST_DEPTH: usize = 64;

const PLACE_OUT: [Output; 4] = [
    Output::of(ValueType::Directory, "directory", "The directory that is read."),
    Output::of(
        ValueType::Text,
        "subdirectory",
        "Where in it the file lies, with / between directories; empty at its top.",
    ),
    Output::of(ValueType::Text, "name", "Name of the file without its extension."),
    Output::of(ValueType::Number, "index", "How many of the directory are before it."),
];

const FOLDER_PARAMS: &[Param] = &[
    Param::path("directory", "The directory.", PathTarget::Directory),
    Param::text(
        "glob",
        "Which files are taken, by a pattern for their paths within the directory, such as shot*.{png,jpg} or a/**/*.png; empty for \
         all of the kind.",
        "",
    ),
    Param::bool("recursive", "Whether directories within it are read, too.", false),
    SKIP,
    LIMIT,
    STEP,
    Param::choice(
        "on-error",
        "What happens at a file that cannot be read.",
        &[
            Choice { id: "stop", doc: "The stream ends there with an error." },
            Choice { id: "go-on", doc: "It is told, and the next file is read." },
        ],
        "stop",
    ),
];

/// The pictures of a directory.
pub(crate) static LOAD: NodeType = NodeType {
    id: "folder.load",
    name: "Load Images",
    category: Category::InputOutput,
    doc: "The pictures of a directory one after the other: what follows runs once for each. They come in the order of their names, \
          numbers by their value: 2.png before 10.png.",
    outputs: &[
        Output::image("image", "The picture: gray, RGB, or RGB and alpha."),
        PLACE_OUT[0],
        PLACE_OUT[1],
        PLACE_OUT[2],
        PLACE_OUT[3],
        Output::of(ValueType::File, "file", "The file."),
    ],
    params: FOLDER_PARAMS,
    role: Role::Source { prepare: |prepare| Ok(Arc::new(Folder::new(prepare, Kind::Images)?)) },
    example: &[("directory", "frames")],
    ..BASE
};

/// The models of a directory.
pub(crate) static LOAD_MODELS: NodeType = NodeType {
    id: "folder.load_models",
    name: "Load Models",
    category: Category::Model,
    doc: "The models of a directory one after the other: what follows runs once for each. They come in the order of their names.",
    outputs: &[
        Output::of(ValueType::Model, "model", "The model."),
        PLACE_OUT[0],
        PLACE_OUT[1],
        PLACE_OUT[2],
        PLACE_OUT[3],
        Output::of(ValueType::File, "file", "The file."),
    ],
    params: FOLDER_PARAMS,
    role: Role::Source { prepare: |prepare| Ok(Arc::new(Folder::new(prepare, Kind::Models)?)) },
    example: &[("directory", "models")],
    ..BASE
};

/// What is read of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Images,
    Models,
}

impl Kind {
    /// Whether a file looks like one of the kind. Of ncnn's pairs of files the one with the graph counts.
    fn is_of(self, path: &Path) -> bool {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match self {
            Self::Images => is_image_path(path),
            Self::Models => {
                ["pth", "pt", "ckpt", "safetensors", "onnx", "param"].contains(&extension.as_str())
            }
        }
    }

    fn of_what(self) -> &'static str {
        match self {
            Self::Images => "pictures",
            Self::Models => "models",
        }
    }
}

struct Folder {
    kind: Kind,
    directory: PathBuf,
    /// With their places among all.
    files: Arc<Vec<(u64, PathBuf)>>,
    goes_on: bool,
    read: ReadFile,
}

/// Reads a file of the kind.
type ReadFile = Arc<dyn Fn(&Path) -> Result<Value, NodeError> + Send + Sync>;

impl Folder {
    fn new(prepare: &Prepare<'_>, kind: Kind) -> Result<Self, NodeError> {
        let values = prepare.values;
        let directory = prepare.required_path("directory")?;
        let glob = glob(values.text("glob"))?;
        let files = list(&directory, values.bool("recursive"), |path, within| match &glob {
            Some(glob) => glob.is_match(within),
            None => kind.is_of(path),
        })?;
        if files.is_empty() {
            let pattern = glob.as_ref().map_or(String::new(), |glob| format!(" that fit {}", glob.glob()));
            let message = format!("there are no {} in {}{pattern}", kind.of_what(), directory.display());
            return Err(NodeError::param("directory", message));
        }
        let n = files.len();
        let files = Selection::from_values(values).of_list(files);
        if files.is_empty() {
            let message =
                format!("there are {n} {} in {}, and all are left out", kind.of_what(), directory.display());
            return Err(NodeError::param("skip", message));
        }
        let read: ReadFile = match kind {
            Kind::Images => Arc::new(|path| {
                let image = crate::image_file::read(path).map_err(|error| NodeError::failed(&error));
                image.map(|image| Value::Image(Arc::new(image)))
            }),
            // One after the other: none is kept.
            Kind::Models => Arc::new(|path| match read_model_file(path, 0) {
                Err(NodeError::Param { message, .. }) => Err(NodeError::Failed(message)),
                read => read.map(Value::Model),
            }),
        };
        let goes_on = values.text("on-error") == "go-on";
        Ok(Self { kind, directory, files: Arc::new(files), goes_on, read })
    }
}

impl FrameSource for Folder {
    fn infer(&self) -> Result<Vec<Info>, NodeError> {
        let first = match self.kind {
            Kind::Images => Info::image(ImageInfo::UNKNOWN),
            Kind::Models => Info::of_type(ValueType::Model),
        };
        let directory = Value::Directory(self.directory.as_path().into());
        Ok(vec![
            first,
            Info::of_value(&directory),
            Info::of_type(ValueType::Text),
            Info::of_type(ValueType::Text),
            Info::of_type(ValueType::Number),
            Info::of_type(ValueType::File),
        ])
    }

    fn len(&self) -> Option<u64> {
        Some(self.files.len() as u64)
    }

    fn open(&self) -> Result<Box<dyn Iterator<Item = Round> + Send>, NodeError> {
        let (files, directory, read, goes_on) =
            (self.files.clone(), self.directory.clone(), self.read.clone(), self.goes_on);
        let mut stopped = false;
        let mut next = 0;
        Ok(Box::new(std::iter::from_fn(move || {
            let (index, path) = files.get(next).filter(|_| !stopped)?;
            next += 1;
            let value = match read(path) {
                Ok(value) => value,
                Err(error) => {
                    stopped = !goes_on;
                    let text = error.to_string();
                    let shown = path.display().to_string();
                    let message = if text.contains(&shown) { text } else { format!("{shown}: {text}") };
                    return Some(Err(NodeError::Failed(message)));
                }
            };
            let [name, _] = name_and_directory(path);
            let within = path
                .parent()
                .and_then(|parent| parent.strip_prefix(&directory).ok())
                .unwrap_or(Path::new(""));
            let within: Vec<_> = within.iter().map(|part| part.to_string_lossy()).collect();
            Some(Ok(vec![
                value,
                Value::Directory(directory.as_path().into()),
                text_value(within.join("/")),
                name,
                Value::Number(*index as f64),
                Value::File(path.as_path().into()),
            ]))
        })))
    }
}

fn glob(pattern: &str) -> Result<Option<GlobMatcher>, NodeError> {
    if pattern.is_empty() {
        return Ok(None);
    }
    let glob = GlobBuilder::new(pattern).literal_separator(true).case_insensitive(cfg!(windows)).build();
    glob.map(|glob| Some(glob.compile_matcher())).map_err(|error| NodeError::param("glob", error.to_string()))
}

/// The files of a directory that are wanted, in order; asked for each are its path and its path within the directory.
fn list(
    directory: &Path,
    recursive: bool,
    is_wanted: impl Fn(&Path, &Path) -> bool,
) -> Result<Vec<PathBuf>, NodeError> {
    let wrong = |why: String| NodeError::param("directory", format!("{}: {why}", directory.display()));
    if !directory.is_dir() {
        return Err(wrong("there is no such directory; correct the path".into()));
    }
    let mut files = Vec::new();
    let depth = if recursive { MOST_DEPTH } else { 1 };
    for entry in WalkDir::new(directory).max_depth(depth).follow_links(true) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.depth() == 0 => return Err(wrong(error.to_string())),
            Err(error) => {
                tracing::warn!("{error}");
                continue;
            }
        };
        let within = entry.path().strip_prefix(directory).unwrap_or(entry.path());
        if entry.file_type().is_file() && is_wanted(entry.path(), within) {
            files.push(entry.into_path());
        }
    }
    let key = |path: &Path| path.strip_prefix(directory).unwrap_or(path).to_string_lossy().into_owned();
    files.sort_by_cached_key(|path| NaturalKey(key(path)));
    Ok(files)
}

/// A name that is sorted as people do.
#[derive(PartialEq, Eq)]
struct NaturalKey(String);

impl PartialOrd for NaturalKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for NaturalKey {
    fn cmp(&self, other: &Self) -> Ordering {
        natural_order(&self.0, &other.0).then_with(|| self.0.cmp(&other.0))
    }
}

/// Numbers within names by their value, letters whether capital or small.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (n, m) = (digits(a), digits(b));
        if n > 0 && m > 0 {
            let (x, y) = (a[..n].trim_start_matches('0'), b[..m].trim_start_matches('0'));
            match x.len().cmp(&y.len()).then_with(|| x.cmp(y)) {
                Ordering::Equal => (a, b) = (&a[n..], &b[m..]),
                unequal => return unequal,
            }
            continue;
        }
        let (mut rest_a, mut rest_b) = (a.chars(), b.chars());
        match (rest_a.next(), rest_b.next()) {
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(x), Some(y)) => match x.to_lowercase().cmp(y.to_lowercase()) {
                Ordering::Equal => (a, b) = (rest_a.as_str(), rest_b.as_str()),
                unequal => return unequal,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::params_of;
    use pegbar_chain::Shared;

    /// The rounds of a folder, each as texts, or what is wrong.
    fn rounds(params: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let values = params_of(&LOAD, params);
        let shared = Shared::default();
        let prepare = Prepare { values: &values, folder: Path::new("/"), shared: &shared };
        let folder = Folder::new(&prepare, Kind::Images).map_err(|error| error.to_string())?;
        let rounds = folder.open().map_err(|error| error.to_string())?;
        Ok(rounds
            .map(|round| match round {
                Ok(values) => format!("{}/{} {}", values[2], values[3], values[4]),
                Err(error) => format!("! {}", error.to_string().rsplit('/').next().unwrap_or_default()),
            })
            .collect())
    }

    #[test]
    fn pictures_of_a_directory_come_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            let image = pegbar_frame::PlanarImage::zeros(3, 4, 5);
            let still =
                pegbar_media::still::StillImage { image, alpha: None, depth_bits: 8, icc_profile: None };
            let format = pegbar_media::still::Format::from_path(&path).expect("a format");
            let options = pegbar_media::still::WriteOptions::new(format, 90);
            pegbar_media::still::write(&path, &still, &options).expect("written");
        };
        ["f10.png", "f2.png", "F1.bmp", "sub/x.png", "sub/deep/y2.png", "sub/deep/y10.png"]
            .iter()
            .for_each(|n| write(n));
        std::fs::write(folder.path().join("f3.png"), b"damage").expect("written");
        std::fs::write(folder.path().join("notes.txt"), b"no picture").expect("written");
        let directory = folder.path().display().to_string();
        let with = |more: &[(&str, &str)]| {
            let mut params = vec![("directory", directory.as_str())];
            params.extend_from_slice(more);
            rounds(&params)
        };
        assert_eq!(with(&[]).expect("read")[..2], ["/F1 0", "/f2 1"]);
        let stopped = with(&[]).expect("read");
        assert!(stopped.len() == 3 && stopped[2].starts_with("! f3.png: "), "{stopped:?}");
        let all = with(&[("on-error", "go-on"), ("recursive", "on")]).expect("read");
        let names: Vec<_> = all.iter().map(|round| round.split(' ').next().unwrap_or_default()).collect();
        assert_eq!(names, ["/F1", "/f2", "!", "/f10", "sub/deep/y2", "sub/deep/y10", "sub/x"]);
        assert_eq!(with(&[("limit", "1")]).expect("read"), ["/F1 0"]);
        let globbed = with(&[("glob", "sub/**/y*.{png,jpg}"), ("recursive", "on")]).expect("read");
        assert_eq!(globbed, ["sub/deep/y2 0", "sub/deep/y10 1"]);
        assert!(with(&[("glob", "*.jpg")]).expect_err("none").contains("there are no pictures in"));
        assert!(with(&[("glob", "{a")]).expect_err("no glob").starts_with("parameter glob: "));
        let missing = rounds(&[("directory", "/nowhere/at/all")]).expect_err("missing");
        assert!(missing.contains("there is no such directory"), "{missing}");
    }

    #[test]
    fn names_are_sorted_as_people_do() {
        let mut names = ["b", "a10", "a2", "A3", "a02b", "a", "10", "9", "ä"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["9", "10", "a", "a2", "a02b", "A3", "a10", "b", "ä"]);
    }
}
