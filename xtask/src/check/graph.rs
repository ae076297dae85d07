//! The crate graph: which crates a library crate may depend on, and one version of each.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId, TargetKind};

/// A library crate of ours, and the crates of ours that it depends on: these, and no others.
const LIBRARIES: [(&str, &[&str]); 4] = [
    ("levitate-hal", &[]),
    ("levitate-virtio", &["levitate-hal"]),
    ("levitate-drivers-gpu", &["levitate-hal", "levitate-virtio"]),
    ("levitate-drivers-blk", &["levitate-hal", "levitate-virtio"]),
];

/// The ecosystem's crates that a library crate may depend on.
const ALLOWED: [&str; 6] = [
    "bitflags",
    "log",
    "pci_types",
    "static_assertions",
    "thiserror",
    "zerocopy",
];

/// A library crate, and a crate that it alone may depend on.
const ALLOWED_FOR: [(&str, &str); 3] = [
    ("levitate-virtio", "atomic-waker"),
    ("levitate-drivers-blk", "pin-list"),
    ("levitate-drivers-gpu", "embedded-graphics-core"),
];

/// The names that start so are ours.
const OURS: &str = "levitate-";

/// A package of the resolved graph.
#[derive(Clone, Debug, Default)]
struct Package {
    name: String,
    version: String,
    /// A procedural macro runs in the compiler; what it depends on is in no program.
    is_macro: bool,
    /// The packages it links, by identity.
    links: BTreeSet<String>,
    /// The packages its build script links.
    builds_with: BTreeSet<String>,
}

/// Packages by identity.
type Graph = BTreeMap<String, Package>;

/// Returns one line for each rule that the workspace's graph breaks.
///
/// # Errors
///
/// cargo cannot resolve the workspace.
pub(super) fn check() -> Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(crate::workspace::root().join("Cargo.toml"))
        .env("RUSTUP_AUTO_INSTALL", "0")
        // Whatever a feature brings in is looked at too.
        .other_options(vec!["--all-features".to_owned()])
        .exec()
        .context("cargo metadata failed")?;
    Ok(complaints(&graph(&metadata)?))
}

/// Takes what matters out of cargo's description: normal and build dependencies, for every target.
fn graph(metadata: &Metadata) -> Result<Graph> {
    let resolve = metadata
        .resolve
        .as_ref()
        .context("cargo resolved nothing")?;
    let mut graph = Graph::new();
    for package in &metadata.packages {
        let is_macro = package
            .targets
            .iter()
            .any(|target| target.kind.contains(&TargetKind::ProcMacro));
        graph.insert(
            identity(&package.id),
            Package {
                name: package.name.to_string(),
                version: package.version.to_string(),
                is_macro,
                ..Package::default()
            },
        );
    }
    for node in &resolve.nodes {
        let of_kind = |kind| {
            node.deps
                .iter()
                .filter(|dependency| dependency.dep_kinds.iter().any(|info| info.kind == kind))
                .map(|dependency| identity(&dependency.pkg))
                .collect()
        };
        if let Some(package) = graph.get_mut(&identity(&node.id)) {
            package.links = of_kind(DependencyKind::Normal);
            package.builds_with = of_kind(DependencyKind::Build);
        }
    }
    Ok(graph)
}

fn identity(id: &PackageId) -> String {
    id.repr.clone()
}

/// Returns one line for each rule that `graph` breaks.
fn complaints(graph: &Graph) -> Vec<String> {
    let mut wrong = Vec::new();
    for (library, own) in LIBRARIES {
        let manifest = format!("{library}/Cargo.toml");
        let Some((id, package)) = graph.iter().find(|(_, package)| package.name == library) else {
            wrong.push(format!("{manifest}: the crate is not in the workspace"));
            continue;
        };
        let names: BTreeSet<&str> = package
            .links
            .iter()
            .filter_map(|link| graph.get(link))
            .map(|package| package.name.as_str())
            .collect();
        for name in own.iter().filter(|name| !names.contains(*name)) {
            wrong.push(format!("{manifest}: {library} must depend on {name}"));
        }
        for name in &names {
            if name.starts_with(OURS) && !own.contains(name) {
                wrong.push(format!("{manifest}: {library} must not depend on {name}"));
            } else if !name.starts_with(OURS) && !is_allowed(library, name) {
                wrong.push(format!(
                    "{manifest}: {library} depends on {name}, which is not on the list of allowed crates"
                ));
            }
        }
        for link in package
            .builds_with
            .iter()
            .filter_map(|link| graph.get(link))
        {
            let name = &link.name;
            wrong.push(format!(
                "{manifest}: {library} depends on {name} to be built; a library crate has no build script"
            ));
        }
        for (name, versions) in duplicates(graph, id) {
            wrong.push(format!(
                "{manifest}: {library} is linked with more than one {name}: {versions}"
            ));
        }
    }
    wrong
}

/// Returns whether `library` may depend on the ecosystem's crate `name`.
fn is_allowed(library: &str, name: &str) -> bool {
    ALLOWED.contains(&name) || ALLOWED_FOR.contains(&(library, name))
}

/// Returns the packages that a program with the package `root` has in more than one version, with those.
fn duplicates(graph: &Graph, root: &str) -> Vec<(String, String)> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut waiting = vec![root];
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        let Some(package) = graph.get(id).filter(|_| seen.insert(id)) else {
            continue;
        };
        versions
            .entry(&package.name)
            .or_default()
            .insert(&package.version);
        if !package.is_macro {
            waiting.extend(package.links.iter().map(String::as_str));
        }
    }
    versions
        .into_iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, versions)| {
            let list: Vec<&str> = versions.into_iter().collect();
            (name.to_owned(), list.join(", "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(graph: &mut Graph, name: &str, version: &str, links: &[&str]) {
        let package = Package {
            name: name.to_owned(),
            version: version.to_owned(),
            is_macro: name.ends_with("-derive"),
            links: links.iter().map(|&link| link.to_owned()).collect(),
            ..Package::default()
        };
        graph.insert(format!("{name} {version}"), package);
    }

    /// A graph that breaks no rule.
    fn good() -> Graph {
        let mut graph = Graph::new();
        let (hal, virtio) = ("levitate-hal 1", "levitate-virtio 1");
        add(&mut graph, "log", "0.4", &[]);
        add(&mut graph, "zerocopy", "0.8", &["zerocopy-derive 0.8"]);
        add(&mut graph, "zerocopy-derive", "0.8", &["syn 2"]);
        add(&mut graph, "thiserror", "2", &["thiserror-derive 2"]);
        add(&mut graph, "thiserror-derive", "2", &["syn 3"]);
        add(&mut graph, "syn", "2", &[]);
        add(&mut graph, "syn", "3", &[]);
        add(&mut graph, "levitate-hal", "1", &["zerocopy 0.8"]);
        add(
            &mut graph,
            "levitate-virtio",
            "1",
            &[hal, "thiserror 2", "zerocopy 0.8"],
        );
        add(
            &mut graph,
            "levitate-drivers-gpu",
            "1",
            &[hal, virtio, "log 0.4"],
        );
        add(&mut graph, "levitate-drivers-blk", "1", &[hal, virtio]);
        graph
    }

    const BLK: &str = "levitate-drivers-blk 1";

    fn link(graph: &mut Graph, from: &str, to: &str) {
        graph.get_mut(from).unwrap().links.insert(to.to_owned());
    }

    #[test]
    fn a_good_graph_gets_no_complaint() {
        // Two versions below procedural macros are in no program.
        assert_eq!(complaints(&good()), Vec::<String>::new());
    }

    #[test]
    fn drivers_do_not_know_each_other() {
        let mut graph = good();
        link(&mut graph, BLK, "levitate-drivers-gpu 1");
        assert_eq!(
            complaints(&graph),
            [
                "levitate-drivers-blk/Cargo.toml: levitate-drivers-blk must not depend on levitate-drivers-gpu"
            ]
        );
    }

    #[test]
    fn drivers_know_neither_kernel_nor_host() {
        for name in ["levitate-kernel", "levitate-host", "levitate-new"] {
            let mut graph = good();
            add(&mut graph, name, "1", &[]);
            link(&mut graph, BLK, &format!("{name} 1"));
            let list = complaints(&graph).concat();
            assert!(
                list.ends_with(&format!("must not depend on {name}")),
                "{list}"
            );
        }
    }

    #[test]
    fn levels_are_not_turned_round() {
        let mut graph = good();
        link(&mut graph, "levitate-hal 1", "levitate-virtio 1");
        let list = complaints(&graph).concat();
        assert!(
            list.contains("levitate-hal must not depend on levitate-virtio"),
            "{list}"
        );
    }

    #[test]
    fn a_driver_builds_on_both_crates_below_it() {
        let mut graph = good();
        graph.get_mut(BLK).unwrap().links.clear();
        let list = complaints(&graph);
        assert_eq!(list.len(), 2, "{list:?}");
        assert!(list.concat().contains("must depend on levitate-hal"));
    }

    #[test]
    fn a_crate_that_is_not_on_the_list_is_named() {
        for from in ["levitate-hal 1", "levitate-virtio 1", BLK] {
            let mut graph = good();
            add(&mut graph, "spin", "0.12", &[]);
            link(&mut graph, from, "spin 0.12");
            let list = complaints(&graph).concat();
            assert!(list.contains("depends on spin"), "{list}");
        }
    }

    #[test]
    fn what_is_for_one_crate_is_not_for_another() {
        let mut graph = good();
        add(&mut graph, "embedded-graphics-core", "0.4", &[]);
        let core = "embedded-graphics-core 0.4";
        link(&mut graph, "levitate-drivers-gpu 1", core);
        assert_eq!(complaints(&graph), Vec::<String>::new());
        for from in ["levitate-hal 1", "levitate-virtio 1", BLK] {
            let mut graph = graph.clone();
            link(&mut graph, from, core);
            let list = complaints(&graph).concat();
            assert!(list.contains("depends on embedded-graphics-core"), "{list}");
        }
    }

    #[test]
    fn a_build_script_has_dependencies_too() {
        let mut graph = good();
        add(&mut graph, "cc", "1", &[]);
        let package = graph.get_mut(BLK).unwrap();
        package.builds_with.insert("cc 1".to_owned());
        let list = complaints(&graph).concat();
        assert!(list.contains("depends on cc to be built"), "{list}");
    }

    #[test]
    fn two_versions_in_one_program_are_named() {
        let mut graph = good();
        add(&mut graph, "log", "0.3", &[]);
        link(&mut graph, "zerocopy 0.8", "log 0.3");
        let list = complaints(&graph);
        assert_eq!(
            list,
            [
                "levitate-drivers-gpu/Cargo.toml: levitate-drivers-gpu is linked with more than one log: 0.3, 0.4"
            ]
        );
    }

    #[test]
    fn a_crate_that_is_gone_is_named() {
        let mut graph = good();
        graph.remove(BLK);
        let list = complaints(&graph).concat();
        assert!(list.contains("levitate-drivers-blk"), "{list}");
    }
}
