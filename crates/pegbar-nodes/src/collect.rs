//! What is known when a stream has ended: means, lists, contact sheets.

use crate::function::{BASE, image_value};
use crate::value::text_value;
use pegbar_chain::{
    Category, Collector, FrameContext, Info, Input, Inputs, NodeError, NodeType, Output, Prepare, Role,
    Value, ValueType,
};
use pegbar_frame::{Filter, PlanarImage, resize};
use pegbar_params::Param;

/// Letters that a collected text may have.
const MOST_LETTERS: usize = 64 << 20;

/// Samples that a contact sheet may have: a gigabyte of them.
const MOST_SAMPLES: usize = 1 << 28;

/// A number over a stream.
pub(crate) static AVERAGE: NodeType = NodeType {
    id: "measure.average",
    name: "Average",
    category: Category::Measure,
    doc: "Mean, least, most, sum and count of a number over the whole stream. They are there when it has ended.",
    inputs: &[Input::of(ValueType::Number, "number", "The number.")],
    outputs: &[
        Output::of(ValueType::Number, "mean", "The mean."),
        Output::of(ValueType::Number, "min", "The smallest one."),
        Output::of(ValueType::Number, "max", "The largest one."),
        Output::of(ValueType::Number, "sum", "All of them together."),
        Output::of(ValueType::Number, "count", "How many there were."),
    ],
    role: Role::Collector { prepare: |_| Ok(Box::<Average>::default()) },
    ..BASE
};

#[derive(Default)]
struct Average(Vec<f64>);

impl Collector for Average {
    fn infer(&self, _: &[Vec<Info>]) -> Result<Vec<Info>, NodeError> {
        Ok(vec![Info::of_type(ValueType::Number); 5])
    }

    fn add(&mut self, inputs: &Inputs<'_>, _: &FrameContext) -> Result<(), NodeError> {
        self.0.push(inputs.number("number")?);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Value>, NodeError> {
        if self.0.is_empty() {
            return Err(NodeError::input("number", "the stream has ended without any number"));
        }
        let sum: f64 = self.0.iter().sum();
        let min = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let max = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let count = self.0.len() as f64;
        Ok([sum / count, min, max, sum, count].map(Value::Number).to_vec())
    }
}

/// A text over a stream.
pub(crate) static TEXT_COLLECT: NodeType = NodeType {
    id: "text.collect",
    name: "Collect Text",
    category: Category::Value,
    doc: "Puts the texts of a whole stream one behind the other, to be saved as a report for example. The result is there when the stream \
          has ended.",
    inputs: &[Input::of(ValueType::Text, "text", "The text of each round.")],
    outputs: &[
        Output::of(ValueType::Text, "text", "All of them."),
        Output::of(ValueType::Number, "count", "How many there were."),
    ],
    params: &[
        Param::text("separator", "What stands between them; empty for the end of a line.", ""),
        Param::text(
            "heading",
            "What stands before the first one, in a line of its own; empty for nothing.",
            "",
        ),
    ],
    role: Role::Collector {
        prepare: |prepare| {
            let separator = match prepare.values.text("separator") {
                "" => "\n",
                separator => separator,
            };
            let heading = match prepare.values.text("heading") {
                "" => String::new(),
                heading => format!("{heading}\n"),
            };
            Ok(Box::new(Texts { separator: separator.to_owned(), text: heading, n: 0 }))
        },
    },
    example: &[("separator", ", ")],
    ..BASE
};

struct Texts {
    separator: String,
    text: String,
    n: u64,
}

impl Collector for Texts {
    fn infer(&self, _: &[Vec<Info>]) -> Result<Vec<Info>, NodeError> {
        Ok(vec![Info::of_type(ValueType::Text), Info::of_type(ValueType::Number)])
    }

    fn add(&mut self, inputs: &Inputs<'_>, _: &FrameContext) -> Result<(), NodeError> {
        if self.n > 0 {
            self.text += &self.separator;
        }
        self.text += &inputs.text("text")?;
        self.n += 1;
        if self.text.len() > MOST_LETTERS {
            return Err(NodeError::input(
                "text",
                format!("more than {MOST_LETTERS} letters have been collected"),
            ));
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Value>, NodeError> {
        Ok(vec![text_value(&self.text), Value::Number(self.n as f64)])
    }
}

/// Pictures of a stream side by side.
pub(crate) static CONTACT_SHEET: NodeType = NodeType {
    id: "image.contact_sheet",
    name: "Contact Sheet",
    category: Category::Compositing,
    doc: "Puts the pictures of a stream side by side on one sheet, each shrunk into a cell. The sheet is there when the stream has ended.",
    inputs: &[Input::image("image", "The picture of each round.")],
    outputs: &[Output::image("image", "The sheet, RGB.")],
    params: &[
        Param::int("columns", "Cells in a row.", "", (1, 100), 4),
        Param::int("width", "Width of a cell.", "px", (8, 4096), 320),
        Param::int("height", "Height of a cell.", "px", (8, 4096), 240),
        Param::int("gap", "Space between cells and around them.", "px", (0, 256), 8),
        Param::int("every", "Of so many pictures one is taken, the first of them.", "", (1, 1_000_000), 1),
        Param::int("most", "Most pictures; what follows is left out.", "", (1, 10_000), 100),
        Param::colour("background", "Colour of the sheet.", "#202020"),
    ],
    role: Role::Collector { prepare: |prepare| Ok(Box::new(Sheet::new(prepare)?)) },
    example: &[("columns", "3"), ("width", "120"), ("height", "80"), ("gap", "6")],
    ..BASE
};

struct Sheet {
    columns: usize,
    cell: (usize, usize),
    gap: usize,
    every: u64,
    most: usize,
    background: [f32; 3],
    n_seen: u64,
    cells: Vec<PlanarImage>,
}

impl Sheet {
    fn new(prepare: &Prepare<'_>) -> Result<Self, NodeError> {
        let values = prepare.values;
        let [r, g, b, _] = values.colour("background").0;
        let sheet = Self {
            columns: values.usize("columns"),
            cell: (values.usize("width"), values.usize("height")),
            gap: values.usize("gap"),
            every: values.usize("every") as u64,
            most: values.usize("most"),
            background: [r, g, b],
            n_seen: 0,
            cells: Vec::new(),
        };
        let (width, height) = sheet.size(sheet.most);
        if width * height * 3 > MOST_SAMPLES {
            let message =
                format!("a sheet of {width}x{height} is too large; take fewer pictures or smaller cells");
            return Err(NodeError::param("most", message));
        }
        Ok(sheet)
    }

    /// The picture without alpha, before the background.
    fn opaque(&self, image: &PlanarImage) -> PlanarImage {
        if image.channels != 4 {
            return image.clone();
        }
        let mut data = Vec::with_capacity(3 * image.width * image.height);
        for (channel, background) in self.background.iter().enumerate() {
            let colours = image.plane(channel).iter().zip(image.plane(3));
            data.extend(colours.map(|(value, alpha)| background + (value - background) * alpha));
        }
        PlanarImage { channels: 3, data, ..*image }
    }

    /// Size of a sheet of so many pictures.
    fn size(&self, n: usize) -> (usize, usize) {
        let side = |cells: usize, px: usize| cells * (px + self.gap) + self.gap;
        (side(n.min(self.columns), self.cell.0), side(n.div_ceil(self.columns), self.cell.1))
    }
}

impl Collector for Sheet {
    fn infer(&self, _: &[Vec<Info>]) -> Result<Vec<Info>, NodeError> {
        Ok(vec![Info::of_type(ValueType::Image)])
    }

    fn add(&mut self, inputs: &Inputs<'_>, _: &FrameContext) -> Result<(), NodeError> {
        let is_taken = self.n_seen.is_multiple_of(self.every) && self.cells.len() < self.most;
        self.n_seen += 1;
        if !is_taken {
            return Ok(());
        }
        let image = inputs.image("image")?;
        let (width, height) = self.cell;
        let factor = (width as f64 / image.width as f64).min(height as f64 / image.height as f64);
        let side = |px: usize, most: usize| ((px as f64 * factor).round() as usize).clamp(1, most);
        let opaque = self.opaque(image);
        let small = resize(&opaque, side(image.width, width), side(image.height, height), Filter::Lanczos3)
            .map_err(|error| NodeError::failed(&error))?;
        self.cells.push(small);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Value>, NodeError> {
        if self.cells.is_empty() {
            return Err(NodeError::input("image", "the stream has ended without any picture"));
        }
        let (width, height) = self.size(self.cells.len());
        let pixels = width * height;
        let mut data = Vec::with_capacity(3 * pixels);
        self.background.iter().for_each(|&value| data.resize(data.len() + pixels, value));
        for (i, cell) in self.cells.iter().enumerate() {
            let (column, row) = (i % self.columns, i / self.columns);
            let at =
                |index: usize, px: usize, inner: usize| self.gap + index * (px + self.gap) + (px - inner) / 2;
            let (left, top) = (at(column, self.cell.0, cell.width), at(row, self.cell.1, cell.height));
            for channel in 0..3 {
                let plane = cell.plane(channel.min(cell.channels - 1));
                for y in 0..cell.height {
                    let from = channel * pixels + (top + y) * width + left;
                    data[from..from + cell.width].copy_from_slice(&plane[y * cell.width..][..cell.width]);
                }
            }
        }
        Ok(vec![image_value(PlanarImage { width, height, channels: 3, data })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::params_of;
    use std::path::Path;

    fn collect(
        kind: &'static NodeType,
        params: &[(&str, &str)],
        rounds: &[Value],
    ) -> Result<Vec<Value>, NodeError> {
        let values = params_of(kind, params);
        let shared = pegbar_chain::Shared::default();
        let prepare = Prepare { values: &values, folder: Path::new("/"), shared: &shared };
        let Role::Collector { prepare: make } = kind.role else { panic!("no collector") };
        let mut collector = make(&prepare)?;
        for value in rounds {
            collector.add(&Inputs::new(kind, &[vec![value.clone()]]), &FrameContext::still())?;
        }
        collector.finish()
    }

    #[test]
    fn numbers_and_texts_are_collected() {
        let numbers = [3.0, -1.0, 4.0].map(Value::Number);
        let shown = |values: Vec<Value>| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(collect(&AVERAGE, &[], &numbers).map(shown).as_deref(), Ok("2 -1 4 6 3"));
        assert!(collect(&AVERAGE, &[], &[]).is_err());
        let texts = ["a", "b"].map(text_value);
        assert_eq!(
            collect(&TEXT_COLLECT, &[("heading", "h")], &texts).map(shown).as_deref(),
            Ok("h\na\nb 2")
        );
        assert_eq!(
            collect(&TEXT_COLLECT, &[("separator", ", ")], &texts).map(shown).as_deref(),
            Ok("a, b 2")
        );
        assert_eq!(collect(&TEXT_COLLECT, &[], &[]).map(shown).as_deref(), Ok(" 0"));
    }

    #[test]
    fn pictures_lie_side_by_side() {
        let plain = |value: f32, channels: usize| {
            image_value(PlanarImage { width: 20, height: 10, channels, data: vec![value; 200 * channels] })
        };
        let params = [
            ("columns", "2"),
            ("width", "10"),
            ("height", "10"),
            ("gap", "2"),
            ("every", "2"),
            ("background", "#000000"),
        ];
        let rounds = [plain(1.0, 1), plain(0.9, 1), plain(0.5, 3), plain(0.9, 1), plain(0.5, 4)];
        let sheet = collect(&CONTACT_SHEET, &params, &rounds).expect("a sheet");
        let Value::Image(sheet) = &sheet[0] else { panic!("no picture") };
        assert_eq!((sheet.width, sheet.height, sheet.channels), (26, 26, 3));
        let at = |x: usize, y: usize| sheet.plane(1)[y * 26 + x];
        assert_eq!((at(0, 0), at(2, 3)), (0.0, 0.0), "above the picture is the background");
        assert!((at(7, 7) - 1.0).abs() < 1e-5 && (at(19, 7) - 0.5).abs() < 1e-5);
        assert!((at(7, 19) - 0.25).abs() < 1e-5, "half a picture on black");
        assert!(collect(&CONTACT_SHEET, &[], &[]).is_err());
        let large = [("columns", "100"), ("width", "4096"), ("height", "4096"), ("most", "10000")];
        assert!(collect(&CONTACT_SHEET, &large, &rounds).is_err());
    }
}
