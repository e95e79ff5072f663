//! The plugin author guide, from an empty directory to an installed plugin in a job, run as it stands.
//!
//! - Blocks of shell are run one after the other by one shell. A file that a block of Rust shows is
//!   written to where the line before says.
//! - A block of text is what the block of shell before it says: each of its lines must be there.
//! - What the guide installs with cargo is beside these tests already; that those crates exist is checked.

use super::{command, programs, root, workplace};
use holdfast_tests::Ended;
use std::fmt::Write as _;
use std::path::Path;

const GUIDE: &str = include_str!("../../docs/plugin-author-guide.md");
/// The file that the guide's Rust is.
const SOURCE: &str = "src/lib.rs";

/// A fenced block.
struct Block<'a> {
    language: &'a str,
    text: &'a str,
}

fn blocks(mut text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    while let Some((_, rest)) = text.split_once("\n```") {
        let (language, rest) = rest.split_once('\n').unwrap();
        let (block, rest) = rest.split_once("\n```\n").unwrap();
        blocks.push(Block {
            language,
            text: block,
        });
        text = rest;
    }
    blocks
}

/// Checks what stands for the programs that the guide installs.
fn installs(block: &str) {
    for line in block.lines() {
        if let Some(path) = line.strip_prefix("cargo install --locked --path \"$HOLDFAST/") {
            let manifest = root().join(path.trim_end_matches('"')).join("Cargo.toml");
            let manifest = std::fs::read_to_string(&manifest).unwrap();
            let named = |line: &str| {
                line.strip_prefix("name = \"")?
                    .strip_suffix('"')
                    .map(str::to_owned)
            };
            let name = manifest.lines().find_map(named).unwrap();
            assert!(programs().join(&name).exists(), "{name} is not built");
        } else {
            assert_eq!(line, "rustup target add wasm32-wasip2");
        }
    }
}

fn has_wasi() -> bool {
    let rustc = std::process::Command::new("rustc")
        .args(["--print", "sysroot"])
        .output();
    let sysroot = String::from_utf8(rustc.unwrap().stdout).unwrap();
    Path::new(sysroot.trim())
        .join("lib/rustlib/wasm32-wasip2/lib")
        .is_dir()
}

/// Puts the guide's blocks into one script, which writes what each says into a file of its number.
fn script(blocks: &[Block<'_>]) -> String {
    let mut script = "set -eo pipefail\n".to_owned();
    for (number, block) in blocks.iter().enumerate().skip(1) {
        match block.language {
            "sh" => {
                writeln!(script, "{{\n{}\n}} > \"$SAID/{number}\" 2>&1", block.text).unwrap();
                // The versions that this repository's plugins build with.
                if block.text.contains("cargo holdfast new") {
                    script = script.replace(
                        "\ncargo test\n",
                        "\ncp \"$HOLDFAST/plugins/Cargo.lock\" .\ncargo test\n",
                    );
                }
            }
            "rust" => writeln!(
                script,
                "cat > {SOURCE} <<'END_OF_FILE'\n{}\nEND_OF_FILE",
                block.text
            )
            .unwrap(),
            "text" => {}
            other => panic!("a block of `{other}`"),
        }
    }
    script
}

#[test]
fn every_block_of_the_guide_does_what_it_says() {
    let mut blocks = blocks(GUIDE);
    installs(blocks[0].text);
    if !has_wasi() {
        eprintln!(
            "not run, since rustup's target wasm32-wasip2 is not here: packing what plain cargo builds"
        );
        blocks.retain(|block| !block.text.contains("--target wasm32-wasip2"));
    }
    let place = workplace("guide");
    let said = workplace("guide-said");
    let ended: Ended = command("bash", &place)
        .args(["-c", &script(&blocks)])
        .env("HOLDFAST", root())
        .env("SAID", &said)
        .output()
        .unwrap()
        .into();
    let said =
        |number: usize| std::fs::read_to_string(said.join(number.to_string())).unwrap_or_default();
    let last = (1..blocks.len())
        .rev()
        .find(|number| !said(*number).is_empty())
        .unwrap_or(1);
    assert_eq!(
        ended.code,
        Some(0),
        "{}\n{}\n{}",
        blocks[last].text,
        said(last),
        ended.stderr
    );
    for (number, block) in blocks
        .iter()
        .enumerate()
        .filter(|(_, block)| block.language == "text")
    {
        let said = said(number - 1);
        for line in block.text.lines() {
            assert!(said.contains(line), "`{line}` is not in: {said}");
        }
    }
}
