//! Dependencies within the engine point down only: a module names none that stands above it or beside it.
//!
//! The crate boundary cannot check this, so the sources are read: every path that starts at the crate's root, written
//! with `crate::` or with a chain of `super::`, is resolved to the top-level module it leads to. Unit tests at the end
//! of a file may use anything.

use std::fs;
use std::path::{Path, PathBuf};

/// Each top-level module with those it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("ops", &["core"]),
    ("backends", &["core", "ops"]),
    ("program", &["core", "ops", "backends"]),
    ("runtime", &["core", "ops", "backends", "program"]),
    ("recommend", &["core", "runtime"]),
];

/// The top-level modules that a source names, where `depth` is how many modules deep the file's own module lies.
fn named_modules(source: &str, depth: usize) -> Vec<String> {
    let code = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let mut named = Vec::new();
    for line in code.lines() {
        let line = line.split("//").next().unwrap_or_default();
        let to_root = "super::".repeat(depth);
        for start in ["crate::", to_root.as_str()].into_iter().filter(|start| !start.is_empty()) {
            for (at, _) in line.match_indices(start) {
                let before = line[..at].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                    continue;
                }
                let rest = &line[at + start.len()..];
                let names = match rest.strip_prefix('{') {
                    Some(group) => top_level_names(group),
                    None => vec![identifier(rest)],
                };
                named.extend(names.into_iter().filter(|name| MAY_USE.iter().any(|(module, _)| module == name)));
            }
        }
    }
    named
}

/// The first path segment of each member of `a::b, c::{d, e}, f}`.
fn top_level_names(group: &str) -> Vec<String> {
    let mut names = vec![identifier(group)];
    let mut nesting = 0;
    for (at, character) in group.char_indices() {
        match character {
            '{' => nesting += 1,
            '}' if nesting == 0 => break,
            '}' => nesting -= 1,
            ',' if nesting == 0 => names.push(identifier(group[at + 1..].trim_start())),
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the crate's sources can be listed") {
        let path = entry.expect("the crate's sources can be listed").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// How deep the module of a file below the crate's root lies: `ops/mod.rs` 1, `ops/graph.rs` 2, `ops/nn/conv.rs` 3.
fn depth(relative: &Path) -> usize {
    relative.components().count() - usize::from(relative.ends_with("mod.rs"))
}

#[test]
fn modules_use_only_those_below() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut checked = 0;
    for (module, may_use) in MAY_USE {
        let mut files = Vec::new();
        sources(&root.join(module), &mut files);
        assert!(!files.is_empty(), "there is no module {module}; MAY_USE is out of date");
        for file in files {
            let relative = file.strip_prefix(root).expect("the file was found below the root");
            let source = fs::read_to_string(&file).expect("a source is readable");
            for name in named_modules(&source, depth(relative)) {
                assert!(
                    name == *module || may_use.contains(&name.as_str()),
                    "{} uses {name}, which does not stand below {module} (see docs/architecture.md)",
                    relative.display()
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "only {checked} paths were found: the search is broken");
}

#[test]
fn every_module_has_its_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = fs::read_to_string(root.join("lib.rs")).expect("lib.rs is readable");
    for line in library.lines().filter_map(|line| line.trim_start().strip_prefix("pub mod ")) {
        let module = line.trim_end_matches(';');
        assert!(MAY_USE.iter().any(|(name, _)| *name == module), "MAY_USE has no line for the module {module}");
    }
}

#[test]
fn the_search_finds_what_it_is_meant_to_find() {
    let source = "use crate::{core::{DType, Error}, runtime::threads};\n// use crate::program::Program;\n\
                  let x: super::super::backends::Kernel; use super::local; my_crate::ops();\n\
                  #[cfg(test)]\nmod tests { use crate::recommend::svd; }";
    assert_eq!(named_modules(source, 2), ["core", "runtime", "backends"]);
    assert_eq!(depth(Path::new("ops/mod.rs")), 1);
    assert_eq!(depth(Path::new("ops/nn/conv.rs")), 3);
}
