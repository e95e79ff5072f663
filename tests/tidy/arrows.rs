//! Between crates, dependencies point one way, and the floors above see no further than they should.

use crate::checkout::Checkout;
use crate::reader;

/// A crate of ours, and those of ours that it may depend on.
struct Allowed {
    folder: &'static str,
    names: &'static [&'static str],
}

const ARROWS: [Allowed; 13] = [
    Allowed {
        folder: "host/base",
        names: &[],
    },
    Allowed {
        folder: "host/direct",
        names: &[],
    },
    Allowed {
        folder: "host/filetree",
        names: &["holdfast-base", "holdfast-direct"],
    },
    Allowed {
        folder: "host/process",
        names: &["holdfast-base"],
    },
    Allowed {
        folder: "host/store",
        names: &["holdfast-base", "holdfast-direct"],
    },
    Allowed {
        folder: "host/repository",
        names: &["holdfast-base", "holdfast-store"],
    },
    Allowed {
        folder: "host/sandbox",
        names: &["holdfast-base", "holdfast-filetree", "holdfast-process"],
    },
    Allowed {
        folder: "host/jobs",
        names: &[
            "holdfast-base",
            "holdfast-filetree",
            "holdfast-repository",
            "holdfast-sandbox",
            "holdfast-store",
        ],
    },
    Allowed {
        folder: "host/cli",
        names: &["holdfast-base", "holdfast-jobs"],
    },
    Allowed {
        folder: "host/testkit",
        names: &["holdfast-base", "holdfast-repository", "holdfast-store"],
    },
    Allowed {
        folder: "sdk/holdfast-sdk",
        names: &[],
    },
    Allowed {
        folder: "sdk/cargo-holdfast",
        names: &["holdfast-base", "holdfast-sandbox"],
    },
    Allowed {
        folder: "tests/model",
        names: &[],
    },
];

/// What the tests of any crate may use besides.
const FOR_TESTS: &str = "holdfast-testkit";

/// Returns the crates of ours that a manifest depends on, and whether only its tests do.
fn read_dependencies(manifest: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut heading = "";
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            heading = line;
        }
        if !heading.contains("dependencies") {
            continue;
        }
        for (at, _) in line.match_indices("holdfast-") {
            let name: String = line[at..]
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '-')
                .collect();
            found.push((name, heading.contains("dev-dependencies")));
        }
    }
    found
}

#[test]
fn arrows_between_crates_point_one_way() {
    let checkout = Checkout::of_this_test();
    for Allowed { folder, names } in ARROWS {
        let manifest = checkout.read_text(&format!("{folder}/Cargo.toml"));
        for (name, is_for_tests) in read_dependencies(&manifest) {
            let is_allowed = names.contains(&name.as_str()) || is_for_tests && name == FOR_TESTS;
            assert!(is_allowed, "{folder} must not depend on {name}");
        }
    }
}

#[test]
fn every_crate_has_its_arrows() {
    for folder in Checkout::of_this_test().list_crates() {
        assert!(
            ARROWS.iter().any(|allowed| allowed.folder == folder),
            "{folder} is in no list of arrows"
        );
    }
}

#[test]
fn no_crate_passes_another_one_on_as_a_whole() {
    for file in Checkout::of_this_test().all_production_sources() {
        for at in reader::find_words(&file.source.code, "use") {
            let statement = file.source.code[at..].split(';').next().unwrap_or_default();
            let is_public = file.source.code[..at].trim_end().ends_with("pub");
            let named = statement.split_whitespace().nth(1).unwrap_or_default();
            let is_whole =
                named.starts_with("holdfast_") && (!named.contains("::") || named.ends_with("::*"));
            assert!(!(is_public && is_whole), "{}: `pub {statement}`", file.path);
        }
    }
}

#[test]
fn only_one_file_knows_both_the_sandbox_and_the_repository_by_their_traits() {
    let checkout = Checkout::of_this_test();
    let mut joins = checkout.list_files("host/jobs/src", ".rs");
    joins.retain(|path| {
        let text = checkout.read_text(path);
        [
            "for SessionDraft",
            "for PluginSealer",
            "for SnapshotContent",
        ]
        .iter()
        .any(|words| text.contains(words))
    });
    assert_eq!(joins, ["host/jobs/src/wire.rs"]);
}

#[test]
fn dependencies_are_read_from_every_section_in_every_form() {
    let manifest = "[package]\nname = \"holdfast-x\"\n[dependencies]\nholdfast-a.workspace = true\n\
                    b = { package = \"holdfast-b\" }\n[dev-dependencies]\nholdfast-c = { path = \"c\" }\n\
                    [target.'cfg(unix)'.dependencies.holdfast-d]\nworkspace = true\n";
    let found = read_dependencies(manifest);
    let shown: Vec<(&str, bool)> = found
        .iter()
        .map(|(name, is_for_tests)| (name.as_str(), *is_for_tests))
        .collect();
    assert_eq!(
        shown,
        [
            ("holdfast-a", false),
            ("holdfast-b", false),
            ("holdfast-c", true),
            ("holdfast-d", false)
        ]
    );
}
