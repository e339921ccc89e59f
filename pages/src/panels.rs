//! Puts what went in and what came out side by side, with captions, to one picture.

use crate::run::{Panel, Ran};
use crate::scene::View;
use anyhow::Result;
use pegbar_filters::picture::stack::{self, Stack};
use pegbar_filters::picture::text::{self, Caption};
use pegbar_frame::{Filter, PlanarImage, resize};
use pegbar_params::{ParamValue, ParamValues};

/// Width that a picture has at most, about that of a page's column.
const WIDTH_PX: usize = 492;
/// Height of a panel at most.
const HEIGHT_PX: usize = 200;
const GAP_PX: usize = 4;
const LETTERS_PX: f64 = 12.0;
/// Frames of a strip that stand in a row.
const IN_A_STRIP: usize = 8;
/// Side of the squares that stand for what is transparent.
const SQUARE_PX: usize = 8;

/// The picture of a run, `None` where there is nothing to be seen.
pub(crate) fn picture(ran: &Ran) -> Result<Option<PlanarImage>> {
    if ran.after.is_empty() {
        return Ok(None);
    }
    Ok(Some(match ran.view {
        View::Strip | View::Frames(_) => {
            let rows = [titled("before", &ran.before), titled("after", &ran.after)];
            let rows = rows.map(|panels| row(&panels, ran.view));
            column(&rows.into_iter().collect::<Result<Vec<_>>>()?)?
        }
        _ if ran.before.len() + ran.after.len() > 3 => {
            let rows = [&ran.before, &ran.after].map(|panels| row(&shown(panels), ran.view));
            column(&rows.into_iter().collect::<Result<Vec<_>>>()?)?
        }
        _ => row(&[shown(&ran.before), shown(&ran.after)].concat(), ran.view)?,
    }))
}

/// A picture with its caption.
type Shown = (String, PlanarImage);

fn shown(panels: &[Panel]) -> Vec<Shown> {
    panels.iter().map(|panel| (panel.caption.clone(), in_colour(&panel.image))).collect()
}

/// Frames in order, which their row is named by.
fn titled(title: &str, panels: &[Panel]) -> Vec<Shown> {
    let panels = panels.iter().take(IN_A_STRIP).map(|panel| {
        let caption = if panel.caption.ends_with(" s") { &panel.caption } else { title };
        (caption.to_owned(), in_colour(&panel.image))
    });
    panels.collect()
}

fn row(panels: &[Shown], view: View) -> Result<PlanarImage> {
    let slots = if view == View::Strip { panels.len().max(6) } else { panels.len().max(2) };
    let most = (WIDTH_PX - GAP_PX * (slots - 1)) / slots;
    let mut captioned = Vec::new();
    for (caption, image) in panels {
        let fitted = fitted(viewed(image, view), most)?;
        captioned.push(with_caption(&fitted, caption)?);
    }
    stacked(&captioned, "horizontal")
}

fn column(rows: &[PlanarImage]) -> Result<PlanarImage> {
    stacked(rows, "vertical")
}

fn stacked(images: &[PlanarImage], orientation: &str) -> Result<PlanarImage> {
    let mut values = ParamValues::defaults(stack::PARAMS);
    for (id, value) in [
        ("orientation", ParamValue::Text(orientation.into())),
        ("gap", ParamValue::Int(GAP_PX as i64)),
        ("sizes", ParamValue::Text("pad".into())),
        ("colour", ParamValue::Text("#ffffff".into())),
    ] {
        if !values.set(id, value)? {
            anyhow::bail!("stack has no parameter {id}");
        }
    }
    Ok(Stack::from_values(&values).apply(&images.iter().collect::<Vec<_>>())?)
}

fn with_caption(image: &PlanarImage, caption: &str) -> Result<PlanarImage> {
    let mut values = ParamValues::defaults(text::CAPTION_PARAMS);
    for (id, value) in [
        ("text", ParamValue::Text(caption.into())),
        ("size", ParamValue::Float(LETTERS_PX)),
        ("position", ParamValue::Text("top".into())),
        ("colour", ParamValue::Text("#303030".into())),
        ("background", ParamValue::Text("#ffffff".into())),
    ] {
        if !values.set(id, value)? {
            anyhow::bail!("caption has no parameter {id}");
        }
    }
    Ok(Caption::from_values(&values).apply(image)?)
}

/// The part of a frame that a view shows, enlarged.
fn viewed(image: &PlanarImage, view: View) -> PlanarImage {
    let View::Part { x, y, width, height, zoom } = view else { return image.clone() };
    let mut out = PlanarImage::zeros(image.channels, height * zoom, width * zoom);
    for c in 0..image.channels {
        let from = image.plane(c);
        for (i, sample) in out.plane_mut(c).iter_mut().enumerate() {
            let (row, column) = (i / (width * zoom) / zoom, i % (width * zoom) / zoom);
            let (row, column) = ((y + row).min(image.height - 1), (x + column).min(image.width - 1));
            *sample = from[row * image.width + column];
        }
    }
    out
}

/// The picture no wider than `most` and no higher than [`HEIGHT_PX`].
fn fitted(image: PlanarImage, most: usize) -> Result<PlanarImage> {
    let scale = (most as f64 / image.width as f64).min(HEIGHT_PX as f64 / image.height as f64);
    if scale >= 1.0 {
        return Ok(image);
    }
    let side = |n: usize| ((n as f64 * scale).round() as usize).max(1);
    Ok(resize(&image, side(image.width), side(image.height), Filter::Area)?)
}

/// Gray as colour, and what is transparent over squares.
fn in_colour(image: &PlanarImage) -> PlanarImage {
    let (width, height) = (image.width, image.height);
    let mut out = PlanarImage::zeros(3, height, width);
    for c in 0..3 {
        let from = image.plane(if image.channels < 3 { 0 } else { c });
        let alpha = (image.channels == 4).then(|| image.plane(3));
        for (i, sample) in out.plane_mut(c).iter_mut().enumerate() {
            let opacity = alpha.map_or(1.0, |alpha| alpha[i].clamp(0.0, 1.0));
            let is_dark = (i / width / SQUARE_PX + i % width / SQUARE_PX) % 2 == 1;
            let behind = if is_dark { 0.7 } else { 0.95 };
            *sample = (from[i].clamp(0.0, 1.0) * opacity + behind * (1.0 - opacity)).clamp(0.0, 1.0);
        }
    }
    out
}
