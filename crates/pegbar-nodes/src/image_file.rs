//! Picture files: reading, writing, measuring.

use crate::ffmpeg;
use crate::function::{BASE, Made, PICTURE, first_image, function, node, same_sizes};
use crate::model::name_and_directory;
use crate::value::{plain, text_value};
use pegbar_chain::{
    Cancel, Category, FrameContext, ImageInfo, Info, Input, Inputs, Node, NodeError, NodeType, Output,
    Prepare, Role, Value, ValueType,
};
use pegbar_frame::{PlanarImage, metrics};
use pegbar_media::still::{self, Format, StillImage, Subsampling, WriteOptions};
use pegbar_params::{Choice, Param, PathTarget};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A picture file.
pub(crate) static LOAD: NodeType = NodeType {
    id: "image.load",
    name: "Load Image",
    category: Category::InputOutput,
    doc: "Reads a picture: PNG, JPEG, WebP, TIFF or BMP, told by its content. It is turned upright, and an alpha channel becomes the \
          fourth channel. For all pictures of a directory see Load Images.",
    outputs: &[
        Output::image("image", "The picture."),
        Output::of(ValueType::Text, "name", "Name of the file without its extension."),
        Output::of(ValueType::Directory, "directory", "Where it lies."),
        Output::of(ValueType::Number, "width", "Columns of the picture."),
        Output::of(ValueType::Number, "height", "Rows of the picture."),
    ],
    params: &[Param::path("path", "The picture file.", PathTarget::File)],
    role: function(|prepare| Ok(Box::new(Load::new(prepare.required_path("path")?)?))),
    example: &[("path", "frame.png")],
    ..BASE
};

struct Load {
    path: PathBuf,
    size: (usize, usize),
}

impl Load {
    fn new(path: PathBuf) -> Result<Self, NodeError> {
        let size = still::dimensions(&path).map_err(|error| about_file("path", &path, &error))?;
        Ok(Self { path, size })
    }
}

/// An error about the file that a parameter names.
fn about_file(param: &str, path: &Path, error: &dyn std::fmt::Display) -> NodeError {
    NodeError::param(param, format!("{}: {error}", path.display()))
}

impl Node for Load {
    fn infer(&self, _: &[Vec<Info>]) -> Result<Vec<Info>, NodeError> {
        let (width, height) = self.size;
        let [name, directory] = name_and_directory(&self.path);
        let known = [name, directory, Value::Number(width as f64), Value::Number(height as f64)];
        let image = Info::image(ImageInfo { channels: None, ..ImageInfo::of_size(width, height) });
        Ok(std::iter::once(image).chain(known.iter().map(Info::of_value)).collect())
    }

    fn run(&self, _: &Inputs<'_>, _: &FrameContext) -> Result<Vec<Value>, NodeError> {
        let image = read(&self.path).map_err(|error| about_file("path", &self.path, &error))?;
        let (width, height) = (image.width as f64, image.height as f64);
        let [name, directory] = name_and_directory(&self.path);
        Ok(vec![Value::Image(Arc::new(image)), name, directory, Value::Number(width), Value::Number(height)])
    }

    fn stamp(&self) -> Option<String> {
        let metadata = self.path.metadata().ok()?;
        Some(format!("{} {:?}", metadata.len(), metadata.modified().ok()))
    }
}

/// A picture of 1, 3 or 4 channels from a file.
pub(crate) fn read(path: &Path) -> Result<PlanarImage, pegbar_media::MediaError> {
    let StillImage { mut image, alpha, .. } = still::read(path)?;
    if let Some(alpha) = alpha {
        if image.channels == 1 {
            image.data = image.data.repeat(3);
        }
        image.data.extend_from_slice(&alpha.data);
        image.channels = 4;
    }
    Ok(image)
}

/// The same picture as files hold it.
fn still_image(image: &PlanarImage, depth_bits: u8) -> StillImage {
    let pixels = image.width * image.height;
    let part = |channels: usize, from: usize| PlanarImage {
        width: image.width,
        height: image.height,
        channels,
        data: image.data[from * pixels..(from + channels) * pixels].to_vec(),
    };
    let (image, alpha) =
        if image.channels == 4 { (part(3, 0), Some(part(1, 3))) } else { (image.clone(), None) };
    StillImage { image, alpha, depth_bits, icc_profile: None }
}

/// What happens to a file that is there already.
pub(crate) const EXISTING: Param = Param::choice(
    "existing",
    "What happens where there is a file of that name already.",
    &[
        Choice { id: "error", doc: "The work ends with an error, and the file stays." },
        Choice { id: "skip", doc: "The file stays, and nothing is written." },
        Choice { id: "overwrite", doc: "The file is replaced." },
    ],
    "error",
);

/// A picture to a file.
pub(crate) static SAVE: NodeType = NodeType {
    id: "image.save",
    name: "Save Image",
    category: Category::InputOutput,
    doc: "Writes each picture to a file of its own. Name and directories may be connected, to those of the pictures that were read for \
          example; directories are made where they are not there. A file appears under its name when it is complete. Two pictures of \
          one run with the same name are an error, whatever happens to files of earlier runs: that this node says for itself, and \
          --overwrite of the command line is about the output of the run.",
    inputs: &[Input::image("image", "The picture: gray, RGB, or RGB and alpha.")],
    outputs: &[Output::of(ValueType::File, "file", "The file.")],
    params: &[
        Param::path("directory", "Where it is written.", PathTarget::Directory),
        Param::text("subdirectory", "Directories within that, with / between them; empty for none.", ""),
        Param::text("name", "Name of the file without its extension.", ""),
        Param::choice(
            "format",
            "What kind of file it is.",
            &[
                Choice { id: "png", doc: "PNG, without loss, 8 or 16 bits." },
                Choice { id: "jpg", doc: "JPEG, small, 8 bits; transparent parts become white." },
                Choice { id: "webp", doc: "WebP, 8 bits, without loss or, where `lossless` is off, small." },
                Choice { id: "tiff", doc: "TIFF, without loss, 8 or 16 bits." },
                Choice { id: "bmp", doc: "BMP, without loss, 8 bits." },
            ],
            "png",
        ),
        Param::int("quality", "Quality of JPEG, and of WebP with loss.", "", (1, 100), 95),
        Param::bool("lossless", "WebP without loss; with loss ffmpeg encodes it.", true),
        Param::choice(
            "subsampling",
            "Chroma subsampling of JPEG: how many pixels share a colour.",
            &[
                Choice { id: "4:4:4", doc: "None: the edges of drawings stay clean." },
                Choice { id: "4:4:0", doc: "Two in a column." },
                Choice { id: "4:2:2", doc: "Two in a row." },
                Choice { id: "4:2:0", doc: "Squares of four: the smallest files." },
            ],
            "4:4:4",
        ),
        Param::bool(
            "progressive",
            "JPEG that shows a rough picture first, and is some percent smaller.",
            false,
        ),
        Param::choice(
            "depth",
            "Bits of a sample, where the format has a choice.",
            &[
                Choice { id: "8", doc: "8 bits." },
                Choice { id: "16", doc: "16 bits: larger files, no bands in soft gradients." },
            ],
            "8",
        ),
        EXISTING,
    ],
    role: Role::Function { prepare: save, varies: true, acts: true },
    example: &[("directory", "restored"), ("name", "frame")],
    ..BASE
};

/// Files that runs have written.
#[derive(Default)]
pub(crate) struct Written(Mutex<Vec<(Cancel, HashSet<PathBuf>)>>);

/// Runs whose files are remembered: those that go on are among the latest.
const RUNS_KEPT: usize = 16;

impl Written {
    /// Notes a file; `false` where the run has written it before.
    pub(crate) fn is_new(&self, run: &Cancel, path: &Path) -> bool {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, files)) = runs.iter_mut().find(|(known, _)| known.is_same(run)) {
            return files.insert(path.to_owned());
        }
        if runs.len() == RUNS_KEPT {
            runs.remove(0);
        }
        runs.push((run.clone(), HashSet::from([path.to_owned()])));
        true
    }
}

/// What becomes of a file that is to be written.
pub(crate) enum Permission {
    Write,
    Skip,
}

/// Whether a file may be written: as [`EXISTING`] says, and once in a run.
pub(crate) fn may_write(
    path: &Path,
    existing: &str,
    written: &Written,
    run: &Cancel,
) -> Result<Permission, NodeError> {
    if !written.is_new(run, path) {
        return Err(NodeError::param(
            "name",
            format!("{} was written before in this run; give each its own name", path.display()),
        ));
    }
    match existing {
        "skip" if path.exists() => Ok(Permission::Skip),
        "error" if path.exists() => Err(NodeError::param(
            "existing",
            format!("{} is there already; choose to skip or overwrite such files", path.display()),
        )),
        _ => Ok(Permission::Write),
    }
}

/// A name that is one, and leads nowhere else.
fn check_name(param: &str, name: &str) -> Result<(), NodeError> {
    let wrong = match name {
        "" => "no name is given; set or connect it",
        "." | ".." => "this is no name",
        name if name.contains(['/', '\\', '\0']) => {
            "a name holds no / or \\; use the subdirectory for directories"
        }
        _ => return Ok(()),
    };
    Err(NodeError::param(param, format!("{name:?}: {wrong}")))
}

fn save(prepare: &Prepare<'_>) -> Made {
    let values = prepare.values;
    let directory = prepare.required_path("directory")?;
    let subdirectory = values.text("subdirectory");
    for part in subdirectory.split(['/', '\\']).filter(|_| !subdirectory.is_empty()) {
        check_name("subdirectory", part)?;
    }
    let name = values.text("name");
    check_name("name", name)?;
    let (format, extension) = match values.text("format") {
        "jpg" => (Format::Jpeg, "jpg"),
        "webp" => (Format::Webp, "webp"),
        "tiff" => (Format::Tiff, "tiff"),
        "bmp" => (Format::Bmp, "bmp"),
        _ => (Format::Png, "png"),
    };
    let folder = if subdirectory.is_empty() { directory } else { directory.join(subdirectory) };
    let path = folder.join(format!("{name}.{extension}"));
    let options = WriteOptions {
        subsampling: match values.text("subsampling") {
            "4:4:0" => Subsampling::S440,
            "4:2:2" => Subsampling::S422,
            "4:2:0" => Subsampling::S420,
            _ => Subsampling::S444,
        },
        progressive: values.bool("progressive"),
        ..WriteOptions::new(format, values.int("quality") as u8)
    };
    let depth_bits =
        if values.text("depth") == "16" && matches!(format, Format::Png | Format::Tiff) { 16 } else { 8 };
    let tools = match format {
        Format::Webp if !values.bool("lossless") => Some(ffmpeg::tools(prepare.shared)?),
        _ => None,
    };
    let existing = values.text("existing").to_owned();
    let written = prepare.shared.get::<Written>();
    node(
        |_| Ok(vec![Info::of_type(ValueType::File)]),
        move |inputs, frame| {
            let image = inputs.image("image")?;
            if let Permission::Write = may_write(&path, &existing, &written, &frame.cancel)? {
                std::fs::create_dir_all(&folder).map_err(|error| {
                    about_file("directory", &folder, &format!("the directory cannot be made: {error}"))
                })?;
                let still = still_image(image, depth_bits);
                let notes = match &tools {
                    Some(tools) => still::write_lossy_webp(tools, &path, &still, options.quality),
                    None => still::write(&path, &still, &options),
                };
                let notes = notes.map_err(|error| {
                    NodeError::Failed(format!("{}: {}", path.display(), NodeError::failed(&error)))
                })?;
                for note in notes {
                    tracing::warn!("{}: {note}", path.display());
                }
            }
            Ok(vec![Value::File(path.as_path().into())])
        },
    )
}

/// A size.
pub(crate) static DIMENSIONS: NodeType = NodeType {
    id: "image.dimensions",
    name: "Image Dimensions",
    category: Category::Measure,
    doc: "How large a picture is, for calculations and conditions.",
    outputs: &[
        Output::of(ValueType::Number, "width", "Columns."),
        Output::of(ValueType::Number, "height", "Rows."),
        Output::of(ValueType::Number, "channels", "1 for gray, 3 for RGB, 4 for RGB and alpha."),
    ],
    role: function(|_| {
        node(
            |inputs| {
                let image = first_image(inputs, 0);
                let number = |n: Option<usize>| match n {
                    Some(n) => Info::of_value(&Value::Number(n as f64)),
                    None => Info::of_type(ValueType::Number),
                };
                Ok(vec![number(image.width.known()), number(image.height.known()), number(image.channels)])
            },
            |inputs, _| {
                let image = inputs.image("image")?;
                Ok([image.width, image.height, image.channels].map(|n| Value::Number(n as f64)).to_vec())
            },
        )
    }),
    ..PICTURE
};

/// Two pictures.
pub(crate) static METRICS: NodeType = NodeType {
    id: "image.metrics",
    name: "Image Metrics",
    category: Category::Measure,
    doc: "How much a picture differs from another of the same size. Colours are compared, and alpha as one more channel where both have \
          it; a gray picture with a gray one. Identical pictures have a PSNR of 1000 dB here, where it has no bound; SSIM needs at least \
          11 pixels a side.",
    inputs: &[
        Input::image("image", "The picture."),
        Input::image("reference", "The picture that it is compared with."),
    ],
    outputs: &[
        Output::of(
            ValueType::Number,
            "mse",
            "Mean squared difference of samples from 0 to 1; 0 for identical pictures.",
        ),
        Output::of(ValueType::Number, "psnr", "Peak signal-to-noise ratio in dB, higher is nearer."),
        Output::of(ValueType::Number, "ssim", "Structural similarity, 1 for identical pictures."),
    ],
    role: function(|_| {
        node(
            |inputs| {
                same_sizes(inputs, &["image", "reference"])?;
                Ok(vec![Info::of_type(ValueType::Number); 3])
            },
            |inputs, _| {
                let [mse, ssim] = differences(inputs.image("image")?, inputs.image("reference")?)
                    .map_err(|error| NodeError::input("reference", error.to_string()))?;
                if mse.is_nan() || ssim.is_nan() {
                    return Err(NodeError::input("image", "some samples of the pictures are no numbers"));
                }
                let psnr = (-10.0 * mse.log10()).min(1000.0);
                Ok([mse, psnr, ssim].map(Value::Number).to_vec())
            },
        )
    }),
    ..BASE
};

/// Mean squared difference and SSIM. Metrics know gray and colour: alpha is compared as a gray picture of its own, and counts as
/// one channel of four.
fn differences(image: &PlanarImage, reference: &PlanarImage) -> Result<[f64; 2], metrics::MetricError> {
    let pair = |a: &PlanarImage, b: &PlanarImage| Ok([metrics::mse(a, b)?, metrics::ssim(a, b)?]);
    if image.channels != 4 && reference.channels != 4 {
        return pair(image, reference);
    }
    let (a, b) = (still_image(image, 8), still_image(reference, 8));
    let colours = pair(&a.image, &b.image)?;
    let (Some(alpha), Some(other)) = (&a.alpha, &b.alpha) else { return Ok(colours) };
    let alphas = pair(alpha, other)?;
    Ok([0, 1].map(|i| 0.75 * colours[i] + 0.25 * alphas[i]))
}

/// A text to a file.
pub(crate) static TEXT_SAVE: NodeType = NodeType {
    id: "text.save",
    name: "Save Text",
    category: Category::InputOutput,
    doc: "Writes a text to a file, with a line end behind it. The file appears under its name when it is complete. Two texts of one run \
          with the same name are an error; to write one text for all pictures, collect it first.",
    outputs: &[Output::of(ValueType::File, "file", "The file.")],
    params: &[
        Param::path("path", "The file.", PathTarget::File),
        Param::text("text", "The text.", ""),
        EXISTING,
    ],
    role: Role::Function { prepare: save_text, varies: true, acts: true },
    example: &[("path", "report.txt"), ("text", "done")],
    ..BASE
};

fn save_text(prepare: &Prepare<'_>) -> Made {
    let path = prepare.required_path("path")?;
    let text = prepare.values.text("text").to_owned();
    let existing = prepare.values.text("existing").to_owned();
    let written = prepare.shared.get::<Written>();
    node(
        |_| Ok(vec![Info::of_type(ValueType::File)]),
        move |_, frame| {
            if let Permission::Write = may_write(&path, &existing, &written, &frame.cancel)? {
                let line =
                    if text.is_empty() || text.ends_with('\n') { text.clone() } else { format!("{text}\n") };
                write_whole(&path, line.as_bytes()).map_err(|error| {
                    about_file("path", &path, &format!("the text cannot be written: {error}"))
                })?;
            }
            Ok(vec![Value::File(path.as_path().into())])
        },
    )
}

/// Writes a file beside its place, syncs it and gives it its name.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let unfinished = folder.join(name);
    let written = std::fs::File::create(&unfinished)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&unfinished, path));
    if written.is_err() {
        // What is half-done goes; that it could not be made is told already.
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}

/// Whether something is there.
pub(crate) static PATH_EXISTS: NodeType = NodeType {
    id: "path.exists",
    name: "Path Exists",
    category: Category::Value,
    doc: "Whether a file or directory is there when the run comes to it.",
    outputs: &[
        Output::of(ValueType::Bool, "exists", "Whether it is there."),
        Output::of(ValueType::Text, "kind", "file, directory, or nothing at all."),
    ],
    params: &[Param::path("path", "The file or directory.", PathTarget::File)],
    role: Role::Function {
        prepare: |prepare| {
            let path = prepare.required_path("path")?;
            plain(&[ValueType::Bool, ValueType::Text], move |_| {
                let kind = match (path.is_dir(), path.exists()) {
                    (true, _) => "directory",
                    (_, true) => "file",
                    _ => "",
                };
                Ok(vec![Value::Bool(!kind.is_empty()), text_value(kind)])
            })
        },
        varies: true,
        acts: false,
    },
    example: &[("path", "frame.png")],
    ..BASE
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{params_of, run_node, shown};
    use pegbar_chain::Shared;

    /// A gradient with a value of its own for each sample.
    fn picture(channels: usize) -> Value {
        let (width, height) = (13, 12);
        let n = width * height * channels;
        let data = (0..n).map(|i| (i * 7919 % 65536) as f32 / 65535.0).collect();
        Value::Image(Arc::new(PlanarImage { width, height, channels, data }))
    }

    fn samples(value: &Value) -> &PlanarImage {
        match value {
            Value::Image(image) => image,
            other => panic!("no picture: {other}"),
        }
    }

    #[test]
    fn pictures_come_back_as_they_were_saved() {
        let folder = tempfile::tempdir().expect("a folder");
        let directory = folder.path().display().to_string();
        for channels in [1, 3, 4] {
            for (format, depth, most) in [
                ("png", "16", 0.6 / 65535.0),
                ("tiff", "16", 0.6 / 65535.0),
                ("png", "8", 0.6 / 255.0),
                ("bmp", "8", 0.6 / 255.0),
                ("webp", "8", 0.6 / 255.0),
            ] {
                let name = format!("{format}{depth}{channels}");
                let params = [
                    ("directory", directory.as_str()),
                    ("subdirectory", "a/b"),
                    ("name", name.as_str()),
                    ("format", format),
                    ("depth", depth),
                ];
                let saved = run_node(&SAVE, &params, &[&[picture(channels)]]).expect("saved");
                let path = saved[0].to_string();
                assert_eq!(path, format!("{directory}/a/b/{name}.{format}"));
                let loaded = run_node(&LOAD, &[("path", &path)], &[]).expect("loaded");
                if (format, channels) == ("bmp", 1) {
                    continue; // BMP has no gray: it comes back as RGB
                }
                let (was, is) = (picture(channels), samples(&loaded[0]));
                if channels == 1 && matches!(format, "bmp" | "webp") {
                    assert!(is.channels == 3 || is.channels == 1, "they are read as RGB");
                    assert!((is.data[50] - samples(&was).data[50]).abs() <= most, "{name}");
                    continue;
                }
                assert_eq!(is.channels, channels, "{name}");
                let far =
                    samples(&was).data.iter().zip(&is.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(far <= most, "{name}: {far}");
                let rest: Vec<_> = loaded[1..].iter().map(ToString::to_string).collect();
                assert_eq!(rest, [name.as_str(), &format!("{directory}/a/b"), "13", "12"]);
            }
        }
    }

    #[test]
    fn files_with_loss_are_as_small_as_is_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let directory = folder.path().display().to_string();
        let size = |name: &str, settings: &[(&str, &str)]| {
            let params = [&[("directory", directory.as_str()), ("name", name)], settings].concat();
            let saved = run_node(&SAVE, &params, &[&[picture(4)]]).expect("saved");
            std::fs::metadata(saved[0].to_string()).expect("there").len()
        };
        let whole = size("a", &[("format", "webp")]);
        let lossy = size("b", &[("format", "webp"), ("lossless", "false"), ("quality", "30")]);
        assert!(lossy < whole, "{lossy} {whole}");
        let best = size("c", &[("format", "jpg"), ("quality", "60")]);
        let small = size("d", &[("format", "jpg"), ("quality", "60"), ("subsampling", "4:2:0")]);
        assert!(small < best, "{small} {best}");
        let bytes = |name: &str| std::fs::read(folder.path().join(name)).expect("there");
        size("e", &[("format", "jpg"), ("progressive", "true")]);
        assert!(
            bytes("e.jpg").windows(2).any(|w| w == [0xff, 0xc2])
                && !bytes("d.jpg").windows(2).any(|w| w == [0xff, 0xc2])
        );
    }

    #[test]
    fn nothing_is_overwritten_unasked_nor_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let directory = folder.path().display().to_string();
        let shared = Shared::default();
        let save_as = |name: &str, existing: &str, frame: &FrameContext, channels: usize| {
            let params = [("directory", directory.as_str()), ("name", name), ("existing", existing)];
            let values = params_of(&SAVE, &params);
            let node = save(&Prepare { values: &values, folder: Path::new("/"), shared: &shared })?;
            node.run(&Inputs::new(&SAVE, &[vec![picture(channels)]]), frame)
        };
        let channels = || read(&folder.path().join("x.png")).expect("read").channels;
        let run = FrameContext::still();
        assert!(save_as("x", "error", &run, 1).is_ok());
        let twice = save_as("x", "overwrite", &run, 3).expect_err("twice").to_string();
        assert!(twice.contains("was written before in this run"), "{twice}");
        let there = save_as("x", "error", &FrameContext::still(), 3).expect_err("there").to_string();
        assert!(there.contains("is there already"), "{there}");
        assert!(save_as("x", "skip", &FrameContext::still(), 3).is_ok());
        assert_eq!(channels(), 1);
        assert!(save_as("x", "overwrite", &FrameContext::still(), 3).is_ok());
        assert_eq!(channels(), 3);
        for (name, says) in [("", "no name is given"), ("a/b", "holds no /"), ("..", "no name")] {
            let error = save_as(name, "error", &run, 1).expect_err("no name").to_string();
            assert!(error.contains(says), "{error}");
        }
        let left: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").collect();
        assert_eq!(left.len(), 1, "no unfinished file is left");
    }

    #[test]
    fn missing_and_broken_files_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let broken = folder.path().join("broken.png");
        std::fs::write(&broken, b"\x89PNG\r\n\x1a\nnothing").expect("written");
        for path in [&broken, &folder.path().join("none.png")] {
            let error = shown(&LOAD, &[("path", &path.display().to_string())], &[]);
            assert!(error.starts_with(&format!("! parameter path: {}: ", path.display())), "{error}");
        }
    }

    #[test]
    fn sizes_and_differences() {
        assert_eq!(shown(&DIMENSIONS, &[], &[&[picture(3)]]), "13 | 12 | 3");
        assert_eq!(shown(&METRICS, &[], &[&[picture(1)], &[picture(1)]]), "0 | 1000 | 1");
        let shifted = samples(&picture(1)).data.iter().map(|v| v + 0.1).collect();
        let shifted = Value::Image(Arc::new(PlanarImage { data: shifted, ..samples(&picture(1)).clone() }));
        let measured = run_node(&METRICS, &[], &[&[picture(1)], &[shifted]]).expect("measured");
        let [Value::Number(mse), Value::Number(psnr), Value::Number(ssim)] = measured[..] else {
            panic!("numbers")
        };
        assert!((mse - 0.01).abs() < 1e-6 && (psnr - 20.0).abs() < 1e-4 && ssim < 1.0, "{mse} {psnr} {ssim}");
        assert!(shown(&METRICS, &[], &[&[picture(1)], &[picture(3)]]).starts_with("! input reference"));
        // Colours count, and alpha where both have it.
        assert_eq!(shown(&METRICS, &[], &[&[picture(4)], &[picture(4)]]), "0 | 1000 | 1");
        let opaque = {
            let mut image = samples(&picture(4)).clone();
            image.plane_mut(3).iter_mut().for_each(|v| *v += 0.1);
            Value::Image(Arc::new(image))
        };
        let measured =
            run_node(&METRICS, &[], &[&[picture(4)], std::slice::from_ref(&opaque)]).expect("measured");
        assert!(matches!(measured[0], Value::Number(mse) if (mse - 0.0025).abs() < 1e-6), "{measured:?}");
        let colours = PlanarImage {
            channels: 3,
            data: samples(&picture(4)).data[..3 * 13 * 12].to_vec(),
            ..samples(&picture(4)).clone()
        };
        assert_eq!(shown(&METRICS, &[], &[&[opaque], &[Value::Image(Arc::new(colours))]]), "0 | 1000 | 1");
    }

    #[test]
    fn texts_are_saved_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/report.txt");
        let shown_path = path.display().to_string();
        assert_eq!(shown(&TEXT_SAVE, &[("path", &shown_path), ("text", "x")], &[]), shown_path);
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "x\n");
        let there = shown(&TEXT_SAVE, &[("path", &shown_path), ("text", "y")], &[]);
        assert!(there.contains("is there already"), "{there}");
        assert_eq!(shown(&PATH_EXISTS, &[("path", &shown_path)], &[]), "true | file");
        assert_eq!(shown(&PATH_EXISTS, &[("path", "/nowhere/at/all")], &[]), "false | ");
    }
}
