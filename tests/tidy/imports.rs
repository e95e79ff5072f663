//! Finds out which module of a crate imports from which, as far as the text says it.
//!
//! - It reads `use` with nested braces, `as`, `pub use` and globs, and paths written in full.
//! - A name that a module only passes on leads to the module that it comes from as well: else a `pub use` at the head
//!   of a folder would hide a circle below it.
//!
//! It does not see methods called on values, nor names that a macro makes.

use crate::reader::{self, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A module, as the names on the way to it from the root of its crate.
pub(crate) type ModulePath = Vec<String>;

/// The modules of one crate that are files.
pub(crate) struct Crate {
    modules: BTreeMap<ModulePath, Module>,
}

struct Module {
    file: String,
    source: Source,
    uses: Vec<Use>,
    /// Modules written inside the file, with what lies between their braces.
    inline: Vec<(String, Range<usize>)>,
    items: BTreeSet<String>,
}

/// A `use`: its place in the file, and what it names.
struct Use {
    range: Range<usize>,
    leaves: Vec<Leaf>,
}

/// One name that a `use` brings in. A glob's name is `*`.
struct Leaf {
    path: Vec<String>,
    name: String,
}

/// One module imports from another; `line` shows where.
#[derive(Clone)]
pub(crate) struct Arrow {
    pub(crate) from: ModulePath,
    pub(crate) to: ModulePath,
    pub(crate) line: String,
}

/// Names that are followed from module to module before a path is given up.
const HOPS_MAX: usize = 8;

impl Crate {
    /// Takes the files of a crate, with their paths below its `src`.
    pub(crate) fn from_files(files: impl IntoIterator<Item = (String, Source)>) -> Self {
        let modules = files
            .into_iter()
            .map(|(file, source)| (module_of_file(&file), Module::from_source(file, source)))
            .collect();
        Self { modules }
    }

    /// Returns the modules and folders at the top of the crate.
    pub(crate) fn top_modules(&self) -> BTreeSet<String> {
        self.modules
            .keys()
            .filter_map(|path| path.first().cloned())
            .collect()
    }

    pub(crate) fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = Vec::new();
        for (from, module) in &self.modules {
            for (at, path) in module.named_paths() {
                let mut passed = BTreeSet::new();
                let scope = module.scope_at(from, at);
                self.resolve(&scope, &path, HOPS_MAX, &mut passed);
                passed.remove(from);
                let line = format!(
                    "{}:{}: {}",
                    module.file,
                    module.source.line_at(at),
                    module.statement_at(at)
                );
                arrows.extend(passed.into_iter().map(|to| Arrow {
                    from: from.clone(),
                    to,
                    line: line.clone(),
                }));
            }
        }
        arrows
    }

    /// Collects every module that a path leads through by name, and returns the last one.
    fn resolve(
        &self,
        scope: &ModulePath,
        path: &[String],
        hops: usize,
        passed: &mut BTreeSet<ModulePath>,
    ) -> Option<ModulePath> {
        let (mut module, rest) = self.first_module(scope, path)?;
        for (at, name) in rest.iter().enumerate() {
            let child = [module.as_slice(), std::slice::from_ref(name)].concat();
            if self.modules.contains_key(&child) {
                module = child;
            } else if let Some(leaf) = self.passing_on(&module, name).filter(|_| hops > 0) {
                passed.insert(module.clone());
                let mut onward = leaf.path.clone();
                if leaf.name == "*" {
                    onward.push(name.clone());
                }
                onward.extend_from_slice(&rest[at + 1..]);
                return self
                    .resolve(&module, &onward, hops - 1, passed)
                    .or(Some(module));
            } else {
                break;
            }
        }
        passed.insert(module.clone());
        Some(module)
    }

    /// Returns the module that a path sets out from, and what is left of the path.
    fn first_module<'path>(
        &self,
        scope: &ModulePath,
        path: &'path [String],
    ) -> Option<(ModulePath, &'path [String])> {
        let mut module = scope.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => (module, rest) = (Vec::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {}
            child => {
                module.push(child.to_owned());
                let is_child = self.modules.contains_key(&module);
                module.pop();
                if !is_child {
                    return None;
                }
            }
        }
        while let Some(("super", onward)) = rest
            .split_first()
            .map(|(first, onward)| (first.as_str(), onward))
        {
            module.pop();
            rest = onward;
        }
        // A module inside a file is the file's.
        while !self.modules.contains_key(&module) && !module.is_empty() {
            module.pop();
            rest = &[];
        }
        Some((module, rest))
    }

    /// Returns what brings a name into a module from elsewhere.
    fn passing_on(&self, module: &ModulePath, name: &str) -> Option<&Leaf> {
        let found = self.modules.get(module)?;
        if found.items.contains(name) {
            return None;
        }
        let mut leaves = found
            .uses
            .iter()
            .filter(|it| found.is_at_top(it.range.start))
            .flat_map(|it| &it.leaves);
        let named = leaves.clone().find(|leaf| leaf.name == name);
        named.or_else(|| {
            leaves.find(|leaf| {
                let target = (leaf.name == "*")
                    .then(|| self.resolve(module, &leaf.path, 0, &mut BTreeSet::new()));
                let target = target.flatten().filter(|target| target != module);
                target.is_some_and(|target| {
                    self.modules
                        .get(&target)
                        .is_some_and(|it| it.items.contains(name))
                })
            })
        })
    }
}

impl Module {
    fn from_source(file: String, source: Source) -> Self {
        let uses = read_uses(&source.code);
        let inline = read_inline_modules(&source.code);
        let items = read_items(&source.code);
        Self {
            file,
            source,
            uses,
            inline,
            items,
        }
    }

    /// Returns every path in the file that may lead to another module, with its place.
    fn named_paths(&self) -> Vec<(usize, Vec<String>)> {
        let mut found: Vec<(usize, Vec<String>)> = self
            .uses
            .iter()
            .flat_map(|it| {
                it.leaves
                    .iter()
                    .map(|leaf| (it.range.start, leaf.path.clone()))
            })
            .collect();
        let in_full = read_full_paths(&self.source.code).into_iter();
        let in_full = in_full.filter(|(at, _)| !self.uses.iter().any(|it| it.range.contains(at)));
        found.extend(in_full.map(|(at, path)| (at, self.written_out(at, path))));
        found
    }

    /// Puts in front of a path what a `use` in the same scope brought its first name from.
    fn written_out(&self, at: usize, path: Vec<String>) -> Vec<String> {
        let here = self.scope_at(&Vec::new(), at);
        let in_scope = self
            .uses
            .iter()
            .filter(|it| self.scope_at(&Vec::new(), it.range.start) == here);
        match in_scope
            .flat_map(|it| &it.leaves)
            .find(|leaf| leaf.name == path[0])
        {
            Some(leaf) => [&leaf.path, &path[1..]].concat(),
            None => path,
        }
    }

    fn scope_at(&self, module: &ModulePath, at: usize) -> ModulePath {
        let inside = self.inline.iter().filter(|(_, range)| range.contains(&at));
        module
            .iter()
            .cloned()
            .chain(inside.map(|(name, _)| name.clone()))
            .collect()
    }

    fn is_at_top(&self, at: usize) -> bool {
        !self.inline.iter().any(|(_, range)| range.contains(&at))
    }

    /// Returns the `use` at a place, or the line that holds it, on one line.
    fn statement_at(&self, at: usize) -> String {
        let text = &self.source.text;
        let shown = match self.uses.iter().find(|it| it.range.start == at) {
            Some(it) => &text[it.range.clone()],
            None => {
                let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
                text[start..].lines().next().unwrap_or_default()
            }
        };
        shown.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Returns the module that a file is: `a/mod.rs` and `a.rs` are both `a`.
fn module_of_file(file: &str) -> ModulePath {
    let path = file.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    match path {
        "lib" | "main" => Vec::new(),
        path => path.split('/').map(str::to_owned).collect(),
    }
}

fn read_uses(code: &str) -> Vec<Use> {
    reader::find_words(code, "use")
        .into_iter()
        // `impl Trait + use<'a>` is something else.
        .filter(|at| code[at + 3..].starts_with(char::is_whitespace))
        .filter_map(|at| {
            let end = at + code[at..].find(';')?;
            let mut leaves = Vec::new();
            read_leaves(&code[at + 3..end], &[], &mut leaves);
            Some(Use {
                range: at..end + 1,
                leaves,
            })
        })
        .collect()
}

/// Reads what stands between `use` and `;`, or between two braces in it.
fn read_leaves(tree: &str, before: &[String], leaves: &mut Vec<Leaf>) {
    for branch in split_at_commas(tree) {
        let (path, braces) = branch
            .split_once('{')
            .map_or((branch, None), |(path, rest)| (path, Some(rest)));
        let (path, alias) = path
            .split_once(" as ")
            .map_or((path, None), |(path, name)| (path, Some(name.trim())));
        let mut names = before.to_vec();
        names.extend(
            path.split("::")
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
        );
        if let Some(inside) = braces {
            read_leaves(inside.trim_end().trim_end_matches('}'), &names, leaves);
            continue;
        }
        let is_glob = names.pop_if(|name| name == "*").is_some();
        if names.len() > 1 {
            // `a::{self}` brings in `a`.
            names.pop_if(|name| name == "self");
        }
        let own = if is_glob {
            Some("*")
        } else {
            alias.or(names.last().map(String::as_str))
        };
        if let Some(name) = own.map(str::to_owned) {
            leaves.push(Leaf { path: names, name });
        }
    }
}

fn split_at_commas(tree: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let branches = tree.split(|letter| {
        depth += usize::from(letter == '{');
        depth = depth.saturating_sub(usize::from(letter == '}'));
        letter == ',' && depth == 0
    });
    branches
        .map(str::trim)
        .filter(|branch| !branch.is_empty())
        .collect()
}

/// Returns the paths of more than one name, wherever they stand.
fn read_full_paths(code: &str) -> Vec<(usize, Vec<String>)> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut found = Vec::new();
    let mut end = 0;
    for (at, _) in code.match_indices("::") {
        let start = code[..at].trim_end_matches(is_letter).len();
        if start < end || start == at {
            continue;
        }
        let mut path = Vec::new();
        end = start;
        while let Some(word) = reader::word_at(code, end) {
            path.push(word.to_owned());
            end += word.len();
            if !code[end..].starts_with("::") {
                break;
            }
            end += 2;
        }
        let before = code[..start].trim_end();
        if !before.ends_with("::") && !before.ends_with("(in") {
            found.push((start, path));
        }
    }
    found
}

fn read_inline_modules(code: &str) -> Vec<(String, Range<usize>)> {
    reader::find_words(code, "mod")
        .into_iter()
        .filter_map(|at| {
            let name = reader::word_at(code, reader::skip_blanks(code, at + 3))?;
            let open = reader::skip_blanks(code, reader::skip_blanks(code, at + 3) + name.len());
            let is_inline = code[open..].starts_with('{');
            is_inline.then(|| (name.to_owned(), open..reader::end_of_item(code, open)))
        })
        .collect()
}

/// Returns the names of what a file defines itself.
fn read_items(code: &str) -> BTreeSet<String> {
    [
        "fn", "struct", "enum", "trait", "type", "const", "static", "union",
    ]
    .into_iter()
    .flat_map(|word| {
        reader::find_words(code, word)
            .into_iter()
            .map(move |at| at + word.len())
    })
    .filter_map(|at| reader::word_at(code, reader::skip_blanks(code, at)))
    .map(str::to_owned)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::Crate;
    use crate::reader::Source;

    fn arrows_of(files: &[(&str, &str)]) -> Vec<String> {
        let files = files
            .iter()
            .map(|(file, text)| ((*file).to_owned(), Source::from_text(text).without_tests()));
        let mut arrows: Vec<String> = Crate::from_files(files)
            .arrows()
            .into_iter()
            .map(|arrow| format!("{} -> {}", arrow.from.join("::"), arrow.to.join("::")))
            .collect();
        arrows.dedup();
        arrows
    }

    #[test]
    fn every_way_to_write_an_import_is_read() {
        let modules = [("a.rs", ""), ("b/mod.rs", ""), ("b/c.rs", ""), ("d.rs", "")];
        let cases = [
            ("use crate::a::X;", "a"),
            ("use super::a;", "a"),
            ("pub(crate) use crate::b::c::{self, Y as Z};", "b::c"),
            ("use crate::{b::{c::{X, Y}}};", "b::c"),
            ("pub use super::b::c::*;", "b::c"),
            ("use crate::{\n    a as first,\n};", "a"),
            ("fn f() { super::b::c::call(); }", "b::c"),
            ("fn f() -> crate::a::X { todo }", "a"),
            (
                "use crate::b as other;\nfn f() { other::c::call(); }",
                "b, z -> b::c",
            ),
            ("mod inner { use super::super::a::X; }", "a"),
        ];
        for (text, to) in cases {
            let files = [modules.as_slice(), &[("z.rs", text), ("lib.rs", "")]].concat();
            assert_eq!(arrows_of(&files).join(", "), format!("z -> {to}"), "{text}");
        }
    }

    #[test]
    fn what_is_no_import_is_not_read() {
        let cases = [
            "#[cfg(test)]\nmod tests { use crate::a::X; }",
            "// use crate::a::X;",
            "const TEXT: &str = \"use crate::a::X;\";",
            "pub(in crate::a) fn f() {}",
            "use std::io; use serde::Serialize;",
            "mod inner { use super::X; }",
        ];
        for text in cases {
            let files = [("lib.rs", ""), ("a.rs", ""), ("z.rs", text)];
            assert_eq!(arrows_of(&files), [] as [&str; 0], "{text}");
        }
    }

    #[test]
    fn a_name_that_is_passed_on_leads_to_where_it_is_from() {
        let named = [
            ("lib.rs", "pub use a::X;"),
            ("a.rs", "pub struct X;"),
            ("z.rs", "use crate::X;"),
        ];
        assert_eq!(arrows_of(&named), [" -> a", "z -> ", "z -> a"]);
        let glob = [
            ("f/mod.rs", "pub use one::*;"),
            ("f/one.rs", "pub fn go() {}"),
            ("f/two.rs", "use super::go;"),
        ];
        let files = [[("lib.rs", "")].as_slice(), &glob].concat();
        assert_eq!(
            arrows_of(&files),
            ["f -> f::one", "f::two -> f", "f::two -> f::one"]
        );
    }

    #[test]
    fn a_child_is_named_without_a_prefix() {
        let files = [
            ("lib.rs", "use a::X; use b::Y;"),
            ("a.rs", "use b::Y;"),
            ("a/b.rs", ""),
        ];
        assert_eq!(arrows_of(&files), [" -> a", "a -> a::b"]);
    }
}
