//! Paths of files and directories.

use super::{VALUE, plain, text_value};
use crate::function::function;
use pegbar_chain::{NodeError, NodeType, Output, Value, ValueType};
use pegbar_params::{Param, PathTarget};
use std::path::{Component, Path, PathBuf};

/// What a path is made of.
pub(crate) static PATH_PARTS: NodeType = NodeType {
    id: "path.parts",
    name: "Path Parts",
    doc: "Takes the path of a file apart.",
    outputs: &[
        Output::of(ValueType::Directory, "directory", "The directory that it lies in."),
        Output::of(ValueType::Text, "name", "Its name without the extension."),
        Output::of(ValueType::Text, "extension", "Its extension without the point, empty where it has none."),
        Output::of(ValueType::Text, "file_name", "Its name with the extension."),
    ],
    params: &[Param::path("path", "The path.", PathTarget::File)],
    role: function(|prepare| {
        let path = prepare.path("path");
        plain(&[ValueType::Directory, ValueType::Text, ValueType::Text, ValueType::Text], move |_| {
            let path = path.as_deref().ok_or_else(no_path)?;
            let text =
                |part: Option<&std::ffi::OsStr>| text_value(part.unwrap_or_default().to_string_lossy());
            Ok(vec![
                Value::Directory(path.parent().unwrap_or(path).into()),
                text(path.file_stem()),
                text(path.extension()),
                text(path.file_name()),
            ])
        })
    }),
    example: &[("path", "frames/frame_0001.png")],
    ..VALUE
};

fn no_path() -> NodeError {
    NodeError::param("path", "no path is given")
}

/// A directory further up.
pub(crate) static PATH_PARENT: NodeType = NodeType {
    id: "path.parent",
    name: "Parent Directory",
    doc: "The directory that a file or directory lies in, or one further up.",
    outputs: &[Output::of(ValueType::Directory, "directory", "The directory.")],
    params: &[
        Param::path("path", "The file or directory.", PathTarget::Directory),
        Param::int("levels", "How far up.", "", (0, 99), 1),
    ],
    role: function(|prepare| {
        let (path, levels) = (prepare.path("path"), prepare.values.usize("levels"));
        plain(&[ValueType::Directory], move |_| {
            let path = path.as_deref().ok_or_else(no_path)?;
            let directory = parent(path, levels).ok_or_else(|| {
                NodeError::param("levels", format!("{} does not lie so deep as {levels}", path.display()))
            })?;
            Ok(vec![Value::Directory(directory.into())])
        })
    }),
    example: &[("path", "frames/frame_0001.png")],
    ..VALUE
};

/// The directory so many levels up. Where the path does not tell by itself, as `..` does not, it is that from the root.
fn parent(path: &Path, levels: usize) -> Option<PathBuf> {
    let is_plain = path.components().all(|part| !matches!(part, Component::ParentDir | Component::CurDir));
    let up = path.ancestors().nth(levels).filter(|up| is_plain && !up.as_os_str().is_empty());
    if let Some(up) = up {
        return Some(up.to_owned());
    }
    let path = std::path::absolute(path).ok()?;
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            // Above the root there is nothing but the root.
            Component::ParentDir => drop(whole.pop()),
            other => whole.push(other),
        }
    }
    whole.ancestors().nth(levels).map(Path::to_owned)
}

/// A path in a directory.
pub(crate) static PATH_JOIN: NodeType = NodeType {
    id: "path.join",
    name: "Join Paths",
    doc: "The path of something within a directory, as a directory and as a file.",
    outputs: &[
        Output::of(ValueType::Directory, "directory", "The path, as that of a directory."),
        Output::of(ValueType::File, "file", "The path, as that of a file."),
    ],
    params: &[
        Param::path("directory", "The directory.", PathTarget::Directory),
        Param::text("name", "What lies in it: a name, or several with / between them; .. leads up.", ""),
    ],
    role: function(|prepare| {
        let (directory, name) = (prepare.path("directory"), prepare.values.text("name").to_owned());
        plain(&[ValueType::Directory, ValueType::File], move |_| {
            let directory =
                directory.as_deref().ok_or_else(|| NodeError::param("directory", "no directory is given"))?;
            let path = within(directory, &name)?;
            Ok(vec![Value::Directory(path.as_path().into()), Value::File(path.into())])
        })
    }),
    example: &[("directory", "frames"), ("name", "frame_0001.png")],
    ..VALUE
};

/// A path below or beside a directory; `..` is worked out by the names alone.
fn within(directory: &Path, name: &str) -> Result<PathBuf, NodeError> {
    let mut path = directory.to_owned();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir if path.pop() => {}
            _ => {
                return Err(NodeError::param(
                    "name",
                    format!("{name:?} leads out of {}", directory.display()),
                ));
            }
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::*;

    #[test]
    fn paths() {
        assert_eq!(shown(&PATH_PARTS, &[("path", "a/b.tar.gz")], &[]), "/chain/a | b.tar | gz | b.tar.gz");
        assert_eq!(shown(&PATH_PARTS, &[("path", "a/b")], &[]), "/chain/a | b |  | b");
        assert_eq!(shown(&PATH_PARTS, &[], &[]), "! parameter path: no path is given");
        let parent = |levels: &str| shown(&PATH_PARENT, &[("path", "/a/b/c"), ("levels", levels)], &[]);
        assert_eq!((parent("0"), parent("2")), ("/a/b/c".into(), "/a".into()));
        assert_eq!(parent("4"), "! parameter levels: /a/b/c does not lie so deep as 4");
        let parent = |path: &str| shown(&PATH_PARENT, &[("path", path), ("levels", "1")], &[]);
        assert_eq!((parent("../a"), parent("x/../y")), ("/".into(), "/chain".into()));
        let join = |name: &str| shown(&PATH_JOIN, &[("directory", "/a/b"), ("name", name)], &[]);
        assert_eq!(join("c/d.png"), "/a/b/c/d.png | /a/b/c/d.png");
        assert_eq!(join("../c"), "/a/c | /a/c");
        assert_eq!(join("/c"), "! parameter name: \"/c\" leads out of /a/b");
        assert_eq!(join("../../../c"), "! parameter name: \"../../../c\" leads out of /a/b");
    }
}
