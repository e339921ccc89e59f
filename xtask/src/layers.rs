//! `cargo xtask layers`: an arrow between crates only ever points down.
//!
//! Each crate has a layer. A normal or build dependency must stand on a lower layer; a dev-dependency may stand beside its user but not
//! above it. Development crates have no layer: they may use anything, and nothing may use them.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::Workspace;

/// Where a crate stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layer {
    /// A floor of the house, counted from the ground.
    At(u8),
    /// A crate that is only used during development.
    Development,
}

use Layer::{At, Development};

/// Every crate of the workspace and its layer.
const LAYERS: &[(&str, Layer)] = &[
    ("pegbar-params", At(0)),
    ("pegbar-frame", At(0)),
    ("pegbar-formats", At(1)),
    ("pegbar-media", At(1)),
    ("pegbar-filters", At(1)),
    ("pegbar-degrade", At(1)),
    ("pegbar-net", At(2)),
    ("pegbar-cpu", At(3)),
    ("pegbar-engine", At(4)),
    ("pegbar-job", At(4)),
    ("pegbar-chain", At(4)),
    ("pegbar-nodes", At(5)),
    ("pegbar", At(6)),
    ("pegbar-fuzz", Development),
    ("pegbar-pages", Development),
    ("xtask", Development),
];

/// Checks the workspace and says how many arrows it saw.
pub(crate) fn layers(workspace: &Workspace) -> Result<()> {
    let (n_arrows, faults) = check(&workspace.metadata, LAYERS)?;
    if !faults.is_empty() {
        bail!("the layers are broken:\n  {}", faults.join("\n  "));
    }
    println!("layers: {} crates, {n_arrows} arrows, all pointing down", LAYERS.len());
    Ok(())
}

/// Returns the number of arrows between crates of the workspace, and one sentence for each fault.
fn check(metadata: &Value, layers: &[(&str, Layer)]) -> Result<(usize, Vec<String>)> {
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let layer_of = |name: &str| layers.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer);
    let name_of = |package: &Value| -> Result<String> {
        package["name"].as_str().map(str::to_owned).context("cargo metadata has a package without a name")
    };

    let mut faults = Vec::new();
    let mut n_arrows = 0;
    let names = packages.iter().map(name_of).collect::<Result<Vec<_>>>()?;
    for (name, _) in layers {
        if !names.iter().any(|found| found == name) {
            faults.push(format!(
                "{name} stands in the table of layers but not in the workspace: take its line out"
            ));
        }
    }
    for (package, user) in packages.iter().zip(&names) {
        let Some(user_layer) = layer_of(user) else {
            faults.push(format!("{user} has no layer: give it a line in xtask/src/layers.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            // Only a crate of this workspace has a path; a crate from a registry has a source instead.
            let (Some(used), true) = (dependency["name"].as_str(), dependency["path"].is_string()) else {
                continue;
            };
            n_arrows += 1;
            let is_dev = dependency["kind"] == "dev";
            match (user_layer, layer_of(used)) {
                (_, None) => {} // its own line above already says so
                (Development, _) => {}
                (At(_), Some(Development)) if is_dev => {}
                (At(_), Some(Development)) => {
                    faults.push(format!("{user} uses {used}, which is for development only"));
                }
                (At(upper), Some(At(lower))) if lower < upper || (is_dev && lower == upper) => {}
                (At(from), Some(At(to))) => {
                    let kind = if is_dev { "dev-dependency" } else { "dependency" };
                    faults.push(format!(
                        "{user} (layer {from}) has {used} (layer {to}) as a {kind}: an arrow must point down"
                    ));
                }
            }
        }
    }
    Ok((n_arrows, faults))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TABLE: &[(&str, Layer)] =
        &[("ground", At(0)), ("other-ground", At(0)), ("top", At(3)), ("tool", Development)];

    /// A workspace of the crates in `TABLE`, with the given arrows (user, used, kind).
    fn workspace(arrows: &[(&str, &str, Option<&str>)]) -> Value {
        let packages: Vec<Value> = TABLE
            .iter()
            .map(|(name, _)| {
                let mut dependencies: Vec<Value> = arrows
                    .iter()
                    .filter(|(user, _, _)| user == name)
                    .map(|(_, used, kind)| json!({"name": used, "kind": kind, "path": format!("crates/{used}")}))
                    .collect();
                dependencies.push(json!({"name": "serde", "kind": null, "source": "a registry"}));
                json!({"name": name, "dependencies": dependencies})
            })
            .collect();
        json!({ "packages": packages })
    }

    fn faults(arrows: &[(&str, &str, Option<&str>)]) -> Vec<String> {
        check(&workspace(arrows), TABLE).unwrap().1
    }

    #[test]
    fn arrows_that_point_down_are_fine() {
        let metadata = workspace(&[
            ("top", "ground", None),
            ("tool", "top", None),
            ("top", "other-ground", Some("build")),
        ]);
        assert_eq!(check(&metadata, TABLE).unwrap(), (3, vec![]));
    }

    #[test]
    fn an_upward_arrow_names_both_crates_and_layers() {
        let faults = faults(&[("ground", "top", None)]);
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0].contains("ground (layer 0)") && faults[0].contains("top (layer 3)"),
            "{}",
            faults[0]
        );
    }

    #[test]
    fn a_sideways_arrow_is_for_tests_only() {
        assert_eq!(faults(&[("ground", "other-ground", None)]).len(), 1);
        assert_eq!(faults(&[("ground", "other-ground", Some("build"))]).len(), 1);
        assert!(faults(&[("ground", "other-ground", Some("dev"))]).is_empty());
    }

    #[test]
    fn even_tests_may_not_look_up() {
        assert_eq!(faults(&[("ground", "top", Some("dev"))]).len(), 1);
    }

    #[test]
    fn nothing_in_the_house_uses_a_tool() {
        assert_eq!(faults(&[("top", "tool", None)]).len(), 1);
    }

    #[test]
    fn a_crate_without_a_layer_and_a_line_without_a_crate_are_faults() {
        let mut metadata = workspace(&[]);
        metadata["packages"][0]["name"] = json!("newcomer");
        let (_, faults) = check(&metadata, TABLE).unwrap();
        assert_eq!(faults.len(), 2);
        assert!(faults[0].contains("ground stands in the table"), "{}", faults[0]);
        assert!(faults[1].contains("newcomer has no layer"), "{}", faults[1]);
    }
}
