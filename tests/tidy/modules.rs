//! Inside a crate, imports point one way.
//!
//! - In every folder the files and folders beside each other form no circle; a folder stands for all that lies in it.
//! - In the crates that have floors, nothing imports from a floor above its own.
//!
//! The file of a folder itself (`a.rs` beside `a/`, or `a/mod.rs`) stands above what lies in the folder and is no
//! part of the circles in it: it may name its parts, and they may use what it declares for all of them.

use crate::checkout::Checkout;
use crate::imports::{Arrow, Crate, ModulePath};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Modules of a folder that import from each other.
pub(crate) struct Circle {
    /// The folder, and all modules of it that each of them leads to.
    pub(crate) folder: ModulePath,
    pub(crate) members: BTreeSet<String>,
    /// A line of the source for each step of a shortest way round.
    steps: Vec<String>,
}

/// What lies beside each other in a folder: who imports from whom, and the first line that says so.
type Neighbours = BTreeMap<String, BTreeMap<String, String>>;

pub(crate) fn read_crate(checkout: &Checkout, krate: &str) -> Crate {
    let below = format!("{krate}/src/");
    let files = checkout.production_sources(krate);
    Crate::from_files(
        files
            .into_iter()
            .map(|file| (file.path[below.len()..].to_owned(), file.source)),
    )
}

/// Returns every circle of a crate, in every folder.
pub(crate) fn find_circles(krate: &Crate) -> Vec<Circle> {
    let mut circles = Vec::new();
    for (folder, neighbours) in arrange_by_folder(&krate.arrows()) {
        let mut seen = BTreeSet::new();
        for start in neighbours.keys() {
            let Some(round) =
                shortest_way_round(&neighbours, start).filter(|_| !seen.contains(start))
            else {
                continue;
            };
            let members: BTreeSet<String> = reachable(&neighbours, start)
                .into_iter()
                .filter(|other| reachable(&neighbours, other).contains(start))
                .collect();
            seen.extend(members.iter().cloned());
            let steps = (round.iter().zip(&round[1..]))
                .map(|(from, to)| format!("{from} -> {to}: {}", neighbours[from][to]))
                .collect();
            circles.push(Circle {
                folder: folder.clone(),
                members,
                steps,
            });
        }
    }
    circles
}

/// Returns what an arrow means in the folder in which its two ends part.
fn parting(arrow: &Arrow) -> Option<(ModulePath, &str, &str)> {
    let shared = arrow
        .from
        .iter()
        .zip(&arrow.to)
        .take_while(|(from, to)| from == to)
        .count();
    Some((
        arrow.from[..shared].to_vec(),
        arrow.from.get(shared)?,
        arrow.to.get(shared)?,
    ))
}

fn arrange_by_folder(arrows: &[Arrow]) -> BTreeMap<ModulePath, Neighbours> {
    let mut folders: BTreeMap<ModulePath, Neighbours> = BTreeMap::new();
    for arrow in arrows {
        if let Some((folder, from, to)) = parting(arrow) {
            let targets = folders
                .entry(folder)
                .or_default()
                .entry(from.to_owned())
                .or_default();
            targets
                .entry(to.to_owned())
                .or_insert_with(|| arrow.line.clone());
        }
    }
    folders
}

fn reachable(neighbours: &Neighbours, start: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![start];
    while let Some(module) = left.pop() {
        for next in neighbours.get(module).into_iter().flat_map(BTreeMap::keys) {
            if found.insert(next.clone()) {
                left.push(next);
            }
        }
    }
    found
}

/// Returns the modules on a shortest way from one back to itself, which stands at both ends.
fn shortest_way_round(neighbours: &Neighbours, start: &str) -> Option<Vec<String>> {
    let mut ways = VecDeque::from([vec![start.to_owned()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in neighbours
            .get(way.last()?)
            .into_iter()
            .flat_map(BTreeMap::keys)
        {
            let longer = [way.as_slice(), std::slice::from_ref(next)].concat();
            if next == start {
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                ways.push_back(longer);
            }
        }
    }
    None
}

/// A crate, and its floors from the ground up, each with the modules that stand on it.
struct Floors {
    krate: &'static str,
    floors: &'static [&'static [&'static str]],
}

/// The crates with floors. `host/README.md` says what each of them holds.
const FLOORS: [Floors; 2] = [
    Floors {
        krate: "host/repository",
        floors: &[
            &["ground"],
            &["format"],
            &["keys"],
            &["objects"],
            &["index"],
            &["pipeline"],
            &["repository"],
            &["snapshot"],
            &["read"],
            &["restore"],
            &["write"],
            &["upkeep"],
            &["error"],
        ],
    },
    Floors {
        krate: "host/sandbox",
        floors: &[
            &["contract", "limits", "pattern", "ports"],
            &["manifest"],
            &["grant"],
            &["codegen", "cache", "component", "watchdog"],
            &["capability"],
            &["bindings"],
            &["plugin"],
            &["engine"],
        ],
    },
];

/// Returns what is wrong with the floors of a crate.
fn find_climbs(krate: &Crate, floors: &[&[&str]]) -> Vec<String> {
    let floor_of = |module: &str| floors.iter().position(|floor| floor.contains(&module));
    let modules = krate.top_modules();
    let lost = modules.iter().filter(|module| floor_of(module).is_none());
    let mut wrong: Vec<String> = lost
        .map(|module| format!("`{module}` stands on no floor"))
        .collect();
    let named = floors.iter().copied().flatten();
    let absent = named.filter(|module| !modules.contains(**module));
    wrong.extend(absent.map(|module| format!("there is no module `{module}`")));
    let top = arrange_by_folder(&krate.arrows()).remove(&Vec::new());
    for (from, targets) in top
        .into_iter()
        .flatten()
        .filter(|(from, _)| floor_of(from).is_some())
    {
        let climbs = targets
            .into_iter()
            .filter(|(to, _)| floor_of(&from) < floor_of(to));
        wrong.extend(
            climbs.map(|(to, line)| format!("`{from}` imports from `{to}` above it: {line}")),
        );
    }
    wrong
}

#[test]
fn no_modules_form_a_circle() {
    let checkout = Checkout::of_this_test();
    let mut found = Vec::new();
    for krate in checkout.list_crates() {
        for circle in find_circles(&read_crate(&checkout, &krate)) {
            let members: Vec<_> = circle.members.into_iter().collect();
            let place = [vec![krate.clone(), "src".to_owned()], circle.folder]
                .concat()
                .join("/");
            found.push(format!(
                "{place}: {}\n    {}",
                members.join(", "),
                circle.steps.join("\n    ")
            ));
        }
    }
    assert!(
        found.is_empty(),
        "modules import from each other:\n{}",
        found.join("\n")
    );
}

#[test]
fn nothing_imports_from_a_floor_above_its_own() {
    let checkout = Checkout::of_this_test();
    for Floors { krate, floors } in FLOORS {
        let wrong = find_climbs(&read_crate(&checkout, krate), floors);
        assert!(wrong.is_empty(), "{krate}:\n{}", wrong.join("\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::{find_circles, find_climbs};
    use crate::imports::Crate;
    use crate::reader::Source;

    fn crate_of(files: &[(&str, &str)]) -> Crate {
        Crate::from_files(
            files
                .iter()
                .map(|(file, text)| ((*file).to_owned(), Source::from_text(text))),
        )
    }

    #[test]
    fn a_planted_circle_is_found_and_shown() {
        let circles = find_circles(&crate_of(&[
            ("lib.rs", "mod a; mod b; mod c; mod d;"),
            ("a.rs", "use crate::b::inner::X;"),
            ("b/mod.rs", ""),
            ("b/inner.rs", "fn call() {\n    crate::c::call();\n}"),
            ("c.rs", "use super::{a::{self, Y as Z}};"),
            ("d.rs", "use crate::a;"),
        ]));
        assert_eq!(circles.len(), 1);
        assert_eq!(
            circles[0].members.iter().collect::<Vec<_>>(),
            ["a", "b", "c"]
        );
        assert_eq!(
            circles[0].steps,
            [
                "a -> b: a.rs:1: use crate::b::inner::X;",
                "b -> c: b/inner.rs:2: crate::c::call();",
                "c -> a: c.rs:1: use super::{a::{self, Y as Z}};",
            ]
        );
    }

    #[test]
    fn a_circle_inside_a_folder_is_found_and_a_folder_with_its_file_is_none() {
        let circle = [
            ("f/one.rs", "use super::two;"),
            ("f/two.rs", "use super::X;"),
            ("f/mod.rs", "pub use one::X;"),
        ];
        let circles = find_circles(&crate_of(&[[("lib.rs", "")].as_slice(), &circle].concat()));
        assert_eq!(circles.len(), 1);
        assert_eq!(circles[0].folder, ["f"]);
        let sound = [
            ("f/one.rs", "use super::Y;"),
            ("f/mod.rs", "use self::one::X; pub struct Y;"),
        ];
        assert!(
            find_circles(&crate_of(&[[("lib.rs", "")].as_slice(), &sound].concat())).is_empty()
        );
    }

    #[test]
    fn an_arrow_that_climbs_is_named_and_so_is_a_module_without_a_floor() {
        let files = [
            ("lib.rs", ""),
            ("low.rs", "use crate::high::X;"),
            ("high.rs", "use crate::low::Y;"),
            ("new.rs", ""),
        ];
        let wrong = find_climbs(&crate_of(&files), &[&["low"], &["high"], &["gone"]]);
        assert_eq!(
            wrong,
            [
                "`new` stands on no floor",
                "there is no module `gone`",
                "`low` imports from `high` above it: low.rs:1: use crate::high::X;",
            ]
        );
    }
}
