//! Networks: loading them, running them, mixing them.

use crate::function::{BASE, Made, function, node};
use pegbar_chain::{
    Category, FrameContext, ImageInfo, Info, Input, Inputs, Node, NodeError, NodeType, Output, Prepare,
    Shared, Value, ValueType,
};
use pegbar_engine::{Crew, Device, EngineError, Precision, Session, SessionOptions, TileChoice};
use pegbar_formats::{ModelFile, read_model};
use pegbar_frame::{Filter, PlanarImage, resize};
use pegbar_net::{Model, ModelOptions};
use pegbar_params::{Choice, Param, PathTarget};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// How models run where a node does not say: put among the [`Shared`] things of a run by whoever begins it.
#[derive(Debug, Clone, Default)]
pub struct EngineSettings(pub SessionOptions);

/// A model file.
pub(crate) static LOAD: NodeType = NodeType {
    id: "model.load",
    name: "Load Model",
    category: Category::Model,
    doc: "Reads a model file: .pth, .safetensors, .onnx, or ncnn's .param or .bin. What kind of network it is, is found out from what it \
          holds.",
    params: &[
        Param::path("path", "The model file.", PathTarget::File),
        Param::int(
            "scale",
            "Scale of the model where its file does not tell; 0 where it does.",
            "",
            (0, 16),
            0,
        ),
    ],
    outputs: &[
        Output::of(ValueType::Model, "model", "The model."),
        Output::of(ValueType::Text, "name", "Name of the file without its extension."),
        Output::of(ValueType::Directory, "directory", "Where it lies."),
    ],
    role: function(load),
    example: &[("path", "models/tiny.safetensors")],
    ..BASE
};

/// A picture through a network.
pub(crate) static UPSCALE: NodeType = NodeType {
    id: "image.upscale",
    name: "Upscale",
    category: Category::Model,
    doc: "Runs a model on the picture. The result is as large as the model makes it, or exactly as large as is asked for: the model \
          then runs as often as it must, and what is too large is shrunk by Lanczos. An alpha channel is enlarged apart from the \
          colours.",
    inputs: &[Input::image("image", "The picture."), Input::of(ValueType::Model, "model", "The model.")],
    outputs: &[Output::image("image", "The enlarged picture.")],
    params: UPSCALE_PARAMS,
    role: function(|prepare| Ok(Box::new(Upscale::new(prepare)?))),
    ..BASE
};

const UPSCALE_PARAMS: &[Param] = &[
    Param::choice(
        "target",
        "What the size of the result is taken from.",
        &[
            Choice { id: "model", doc: "The model's scale." },
            Choice { id: "factor", doc: "The factor below." },
            Choice { id: "width", doc: "The width below; the height follows." },
            Choice { id: "height", doc: "The height below; the width follows." },
            Choice { id: "size", doc: "Width and height below, whatever that does to the shape." },
        ],
        "model",
    ),
    Param::float("factor", "Size of the result over the size of the picture.", "", (0.01, 64.0), 2.0),
    Param::int("width", "Width of the result.", "px", (1, 65536), 1920),
    Param::int("height", "Height of the result.", "px", (1, 65536), 1080),
    Param::choice(
        "precision",
        "Arithmetic of the model.",
        &[
            Choice { id: "default", doc: "As the run says." },
            Choice {
                id: "fast",
                doc: "Products of 16-bit integers, above 70 dB against exact on real frames.",
            },
            Choice { id: "exact", doc: "32-bit floating point throughout." },
        ],
        "default",
    ),
    Param::int(
        "tile",
        "Side of the tiles that the picture is cut into; 0 as the run says, which is whole where memory allows. Tiles leave no trace.",
        "px",
        (0, 65536),
        0,
    ),
];

/// Two models to one.
pub(crate) static INTERPOLATE: NodeType = NodeType {
    id: "model.interpolate",
    name: "Interpolate Models",
    category: Category::Model,
    doc: "A model between two of one architecture and size, weight by weight. Both have to come from files with named weights (.pth, \
          .safetensors).",
    inputs: &[
        Input::of(ValueType::Model, "a", "First model."),
        Input::of(ValueType::Model, "b", "Second model."),
    ],
    outputs: &[Output::of(ValueType::Model, "model", "The model between.")],
    params: &[Param::float("weight", "Share of the second model.", "%", (0.0, 100.0), 50.0)],
    role: function(interpolate),
    ..BASE
};

/// What is known of a model.
pub(crate) static MODEL_INFO: NodeType = NodeType {
    id: "model.info",
    name: "Model Info",
    category: Category::Model,
    doc: "What is known of a model, for texts and calculations.",
    inputs: &[Input::of(ValueType::Model, "model", "The model.")],
    outputs: &[
        Output::of(ValueType::Number, "scale", "Size of a result over that of the picture."),
        Output::of(ValueType::Text, "architecture", "Id of the architecture."),
        Output::of(ValueType::Number, "input_channels", "Channels that it takes."),
        Output::of(ValueType::Number, "output_channels", "Channels that it makes."),
    ],
    role: function(|_| {
        node(
            |_| {
                let number = Info::of_type(ValueType::Number);
                Ok(vec![number.clone(), Info::of_type(ValueType::Text), number.clone(), number])
            },
            |inputs, _| {
                let model = inputs.model("model")?;
                Ok(vec![
                    Value::Number(model.scale as f64),
                    Value::Text(model.architecture.into()),
                    Value::Number(model.input_channels as f64),
                    Value::Number(model.output_channels as f64),
                ])
            },
        )
    }),
    ..BASE
};

/// Models that have been read, by file; each is read once.
#[derive(Default)]
struct OpenModels(Mutex<HashMap<(PathBuf, i64), OpenModel>>);

struct OpenModel {
    model: Arc<Model>,
    stamp: Stamp,
}

/// Size and date of a file: what has others was changed.
type Stamp = (u64, Option<SystemTime>);

/// From which files models come that have been read.
#[derive(Default)]
struct ModelFiles(Mutex<HashMap<usize, PathBuf>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stands for a model as long as it lives.
fn address(model: &Arc<Model>) -> usize {
    Arc::as_ptr(model) as usize
}

/// Reads a model file, or takes it as it was read before.
pub(crate) fn open_model(shared: &Shared, path: &Path, scale: i64) -> Result<Arc<Model>, NodeError> {
    let wrong = |why: &dyn std::fmt::Display| NodeError::param("path", format!("{}: {why}", path.display()));
    let metadata = path.metadata().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => wrong(&"there is no such model file"),
        _ => wrong(&error),
    })?;
    let stamp = (metadata.len(), metadata.modified().ok());
    let open = shared.get::<OpenModels>();
    let mut open = lock(&open.0);
    let key = (path.to_owned(), scale);
    if let Some(known) = open.get(&key).filter(|known| known.stamp == stamp) {
        return Ok(known.model.clone());
    }
    let model = read_model_file(path, scale)?;
    lock(&shared.get::<ModelFiles>().0).insert(address(&model), path.to_owned());
    open.insert(key, OpenModel { model: model.clone(), stamp });
    Ok(model)
}

/// Reads a model file, whether it was read before or not.
pub(crate) fn read_model_file(path: &Path, scale: i64) -> Result<Arc<Model>, NodeError> {
    let wrong = |why: &dyn std::fmt::Display| NodeError::param("path", format!("{}: {why}", path.display()));
    let options =
        ModelOptions { scale: usize::try_from(scale).ok().filter(|&scale| scale > 0), file_name: None };
    let model = Model::from_file_with(path, &options).map_err(|error| match NodeError::failed(&error) {
        NodeError::Failed(message) => wrong(&message),
        other => other,
    })?;
    for note in &model.notes {
        tracing::warn!("{}: {note}", path.display());
    }
    Ok(Arc::new(model))
}

/// Name without extension, and folder.
pub(crate) fn name_and_directory(path: &Path) -> [Value; 2] {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    [Value::Text(name.as_ref().into()), Value::Directory(path.parent().unwrap_or(Path::new("")).into())]
}

fn load(prepare: &Prepare<'_>) -> Made {
    let path = prepare.required_path("path")?;
    let model = open_model(prepare.shared, &path, prepare.values.int("scale"))?;
    let [name, directory] = name_and_directory(&path);
    let values = vec![Value::Model(model), name, directory];
    let infos: Vec<Info> = values.iter().map(Info::of_value).collect();
    node(move |_| Ok(infos.clone()), move |_, _| Ok(values.clone()))
}

fn interpolate(prepare: &Prepare<'_>) -> Made {
    let weight = prepare.values.float("weight");
    let (files, mixed) = (prepare.shared.get::<ModelFiles>(), prepare.shared.get::<MixedModels>());
    let mix = move |a: &Arc<Model>, b: &Arc<Model>| -> Result<Arc<Model>, NodeError> {
        let path_of = |port: &str, model: &Arc<Model>| {
            let path = lock(&files.0).get(&address(model)).cloned();
            path.ok_or_else(|| {
                NodeError::input(port, "the model does not come from a file; connect one that is loaded")
            })
        };
        let (first, second) = (path_of("a", a)?, path_of("b", b)?);
        let key = (first.clone(), second.clone(), weight.to_bits());
        if let Some(known) = lock(&mixed.0).get(&key) {
            return Ok(known.clone());
        }
        let weights = |port: &str, path: &Path| match read_model(path) {
            Ok(ModelFile::Weights(weights)) => Ok(weights.state_dict),
            Ok(_) => Err(NodeError::input(
                port,
                "the file is a graph without the names of weights; load a .pth or .safetensors",
            )),
            Err(error) => Err(NodeError::input(port, error.to_string())),
        };
        let (a, b) = (weights("a", &first)?, weights("b", &second)?);
        let dict = a.interpolate(&b, weight / 100.0).map_err(|reason| NodeError::input("b", reason))?;
        let model = Model::from_state_dict(&dict).map_err(|error| NodeError::failed(&error))?;
        let model = Arc::new(model);
        lock(&mixed.0).insert(key, model.clone());
        Ok(model)
    };
    node(
        |inputs| {
            // Known of one, known of both: they are of one shape.
            let known = inputs.iter().flatten().find_map(|info| info.model);
            Ok(vec![known.map_or_else(|| Info::of_type(ValueType::Model), Info::model)])
        },
        move |inputs, _| Ok(vec![Value::Model(mix(inputs.model("a")?, inputs.model("b")?)?)]),
    )
}

/// Models made of two, by their files and the share of the second.
#[derive(Default)]
struct MixedModels(Mutex<HashMap<(PathBuf, PathBuf, u64), Arc<Model>>>);

/// Compiled models of a run, each compiled once.
#[derive(Default)]
pub struct UpscaleSessions(Mutex<HashMap<SessionKey, OpenSession>>);

type SessionKey = (usize, Precision, usize);

struct OpenSession {
    /// Keeps the address its own.
    _model: Arc<Model>,
    session: Arc<Session>,
}

impl UpscaleSessions {
    fn open(&self, model: &Arc<Model>, options: &SessionOptions) -> Result<Arc<Session>, NodeError> {
        let tile = match options.tile {
            TileChoice::Auto => 0,
            TileChoice::Off => usize::MAX,
            TileChoice::Px(px) => px,
        };
        let key = (address(model), options.precision, tile);
        let mut sessions = lock(&self.0);
        if let Some(known) = sessions.get(&key) {
            return Ok(known.session.clone());
        }
        let session = Session::open(model, options).map_err(|error| NodeError::failed(&error))?;
        let session = Arc::new(session);
        sessions.insert(key, OpenSession { _model: model.clone(), session: session.clone() });
        Ok(session)
    }
}

/// What the size of a result is taken from.
#[derive(Debug, Clone, Copy)]
enum Target {
    Model,
    Factor(f64),
    Width(usize),
    Height(usize),
    Size(usize, usize),
}

impl Target {
    /// The wanted size; `None` for whatever the model makes.
    fn size(self, width: usize, height: usize) -> Option<(usize, usize)> {
        let scaled = |side: usize, factor: f64| ((side as f64 * factor).round() as usize).max(1);
        Some(match self {
            Self::Model => return None,
            Self::Factor(factor) => (scaled(width, factor), scaled(height, factor)),
            Self::Width(w) => (w, scaled(height, w as f64 / width.max(1) as f64)),
            Self::Height(h) => (scaled(width, h as f64 / height.max(1) as f64), h),
            Self::Size(w, h) => (w, h),
        })
    }
}

struct Upscale {
    target: Target,
    options: SessionOptions,
    sessions: Arc<UpscaleSessions>,
}

impl Upscale {
    fn new(prepare: &Prepare<'_>) -> Result<Self, NodeError> {
        let values = prepare.values;
        let mut options = prepare.shared.get::<EngineSettings>().0.clone();
        match values.text("precision") {
            "fast" => options.precision = Precision::Fast,
            "exact" => options.precision = Precision::Exact,
            _ => {}
        }
        if values.int("tile") > 0 {
            options.tile = TileChoice::Px(values.usize("tile"));
        }
        if options.device == Device::Gpu {
            return Err(NodeError::Failed(EngineError::NoGpu.to_string()));
        }
        let (width, height) = (values.usize("width"), values.usize("height"));
        let target = match values.text("target") {
            "factor" => Target::Factor(values.float("factor")),
            "width" => Target::Width(width),
            "height" => Target::Height(height),
            "size" => Target::Size(width, height),
            _ => Target::Model,
        };
        Ok(Self { target, options, sessions: prepare.shared.get() })
    }

    fn upscale(&self, model: &Arc<Model>, image: &PlanarImage, crew: Crew) -> Result<PlanarImage, NodeError> {
        let session = self.sessions.open(model, &self.options)?;
        let run = |image: &PlanarImage| -> Result<PlanarImage, NodeError> {
            let mut result = PlanarImage::default();
            session.upscale_into(crew, image, &mut result).map_err(|error| NodeError::failed(&error))?;
            Ok(result)
        };
        let wanted = self.target.size(image.width, image.height);
        let mut picture = run(image)?;
        while let Some((width, height)) = wanted
            && (picture.width < width || picture.height < height)
            && model.scale > 1
        {
            picture = run(&picture)?;
        }
        if let Some((width, height)) = wanted.filter(|&size| size != (picture.width, picture.height)) {
            picture = resize(&picture, width, height, Filter::Lanczos3)
                .map_err(|error| NodeError::failed(&error))?;
        }
        Ok(picture)
    }
}

impl Node for Upscale {
    fn infer(&self, inputs: &[Vec<Info>]) -> Result<Vec<Info>, NodeError> {
        let image = crate::function::first_image(inputs, 0);
        let model = inputs.get(1).and_then(|infos| infos.first()).and_then(|info| info.model);
        let size = match (self.target, image.size(), model) {
            (Target::Model, _, Some(model)) => image.scaled(model.scale, 1),
            (Target::Model, _, None) => ImageInfo { channels: image.channels, ..ImageInfo::UNKNOWN },
            (Target::Size(width, height), ..) => ImageInfo::of_size(width, height),
            (target, Some((width, height)), _) => match target.size(width, height) {
                Some((width, height)) => ImageInfo::of_size(width, height),
                None => ImageInfo::UNKNOWN,
            },
            (Target::Factor(factor), None, _) => {
                // In hundredths: what users write.
                image.scaled((factor * 100.0).round() as usize, 100)
            }
            _ => ImageInfo::UNKNOWN,
        };
        Ok(vec![Info::image(ImageInfo { channels: image.channels, ..size })])
    }

    fn run(&self, inputs: &Inputs<'_>, frame: &FrameContext) -> Result<Vec<Value>, NodeError> {
        let crew = if frame.alone { Crew::Alone } else { Crew::Together };
        let (image, model) = (inputs.image("image")?, inputs.model("model")?);
        if image.channels != 4 {
            return Ok(vec![crate::function::image_value(self.upscale(model, image, crew)?)]);
        }
        let pixels = image.width * image.height;
        let part = |channels: usize, from: usize| PlanarImage {
            width: image.width,
            height: image.height,
            channels,
            data: image.data[from * pixels..(from + channels) * pixels].to_vec(),
        };
        let mut picture = self.upscale(model, &part(3, 0), crew)?;
        let alpha = part(1, 3);
        let first = alpha.data.first().copied().unwrap_or(1.0);
        if alpha.data.iter().all(|&a| a == first) {
            picture.data.extend(std::iter::repeat_n(first, picture.width * picture.height));
        } else {
            picture.data.extend(self.upscale(model, &alpha, crew)?.data);
        }
        picture.channels = 4;
        Ok(vec![crate::function::image_value(picture)])
    }

    fn frames_at_once(&self, inputs: &[Vec<Info>], threads: usize) -> usize {
        let model = inputs.get(1).and_then(|infos| infos.first()).and_then(|info| info.known.as_ref());
        let (Some(Value::Model(model)), Some((width, height))) =
            (model, crate::function::first_image(inputs, 0).size())
        else {
            return threads;
        };
        // What is wrong with it shows again when it runs.
        self.sessions
            .open(model, &self.options)
            .map_or(1, |session| session.workers(width, height).min(threads))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        assert_eq!(Target::Model.size(720, 480), None);
        assert_eq!(Target::Factor(1.5).size(720, 480), Some((1080, 720)));
        assert_eq!(Target::Width(1440).size(720, 480), Some((1440, 960)));
        assert_eq!(Target::Height(1080).size(720, 480), Some((1620, 1080)));
        assert_eq!(Target::Size(4, 3).size(720, 480), Some((4, 3)));
    }
}
