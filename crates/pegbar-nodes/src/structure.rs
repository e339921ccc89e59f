//! Nodes that hold chains together.

use crate::function::{BASE, IMAGE_IN, function, node};
use pegbar_chain::{Category, Input, NodeType, Output, Role};
use pegbar_params::Param;

/// A dot on an edge.
pub(crate) static PASS_THROUGH: NodeType = NodeType {
    id: "structure.pass_through",
    name: "Pass Through",
    category: Category::Structure,
    doc: "Gives what it takes. It makes long edges tidy, and gives an input that is used in many places one name.",
    inputs: &[Input::any("value", "Anything.")],
    outputs: &[Output::same("value", "The same.")],
    role: Role::Choice { choose: |_, _| Ok((0, 0)) },
    ..BASE
};

/// A text beside the nodes.
pub(crate) static NOTE: NodeType = NodeType {
    id: "structure.note",
    name: "Note",
    category: Category::Structure,
    doc: "A text for whoever reads the chain. It does nothing.",
    params: &[Param::text("text", "What is to be said.", "")],
    role: function(|_| node(|_| Ok(Vec::new()), |_, _| Ok(Vec::new()))),
    example: &[("text", "Denoise before enlarging.")],
    ..BASE
};

/// A place to look.
pub(crate) static VIEW: NodeType = NodeType {
    id: "structure.view",
    name: "View",
    category: Category::Structure,
    doc: "A place where the picture is shown in the studio. A run does not compute what only a view needs.",
    inputs: IMAGE_IN,
    role: function(|_| node(|_| Ok(Vec::new()), |_, _| Ok(Vec::new()))),
    ..BASE
};

/// Something that another program has.
pub(crate) static PLACEHOLDER: NodeType = NodeType {
    id: "structure.placeholder",
    name: "Placeholder",
    category: Category::Structure,
    doc: "Stands for a node of another program that Pegbar does not have, with its edges and settings, so that nothing of an imported \
          chain is lost. A chain with one does not run.",
    outputs: &[Output {
        id: "value",
        doc: "What the node would give.",
        gives: pegbar_chain::Gives::SameAsInput,
    }],
    params: &[
        Param::text("original", "Name of the node in its program.", ""),
        Param::text("settings", "Its settings, as JSON.", ""),
    ],
    role: Role::Placeholder,
    example: &[("original", "Some node"), ("settings", "{}")],
    ..BASE
};
