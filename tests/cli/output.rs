//! Where words and data go: pipes that close, full disks, terminals, JSON.

use holdfast_tests::{Ended, TREE, World, on_terminal};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// A world whose listings are longer than a pipe holds.
fn long() -> World {
    let world = World::ready(TREE, &["files"]);
    for n in 0..2000 {
        let directory = "long".repeat(20);
        world.write(&format!("tree/{directory}/{n}"), "");
    }
    world.write("tree/big", vec![b'x'; 1 << 20]);
    world.run(&["run", "tree"]).expect(0);
    world
}

fn commands(world: &World) -> [Vec<String>; 5] {
    let big = world.at("tree/big").display().to_string();
    let identity = world.at("operator.key").display().to_string();
    let with = |words: &[&str]| {
        let identity = ["--identity", &identity];
        words
            .iter()
            .chain(&identity)
            .map(ToString::to_string)
            .collect()
    };
    [
        with(&["ls", "tree"]),
        with(&["ls", "tree", "--json"]),
        with(&["find", "*"]),
        with(&["cat", "tree", &big]),
        vec!["completions".into(), "zsh".into()],
    ]
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let world = long();
    for words in commands(&world) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut child = world.start(&words);
        // As `head -1` does.
        let mut line = Vec::new();
        let mut reader = BufReader::with_capacity(64, child.stdout.take().unwrap());
        reader.read_until(b'x', &mut line).unwrap();
        drop(reader);
        assert!(!line.is_empty());
        let ended: Ended = child.wait_with_output().unwrap().into();
        let ended = ended.expect(0);
        assert_eq!(ended.stderr, "", "{words:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let world = long();
    for words in commands(&world) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = world.command(&words);
        let output = command.stdout(Stdio::from(full)).output().unwrap();
        let ended: Ended = output.into();
        ended
            .expect(75)
            .says("cannot write to standard output")
            .says("No space left on device");
    }
}

#[test]
fn long_work_shows_on_a_terminal_how_far_it_is_and_nowhere_else() {
    let world = World::ready(TREE, &["files", "archive-check"]);
    world.write(
        "tree/a.sql",
        "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCOMMIT;\n",
    );
    let target = world.at("out").display().to_string();
    let identity = world.at("operator.key").display().to_string();
    let works: [(&[&str], &str); 4] = [
        (&["run", "tree"], " new"),
        (&["restore", "tree", "--target", &target], " restored"),
        (&["check", "--data"], "structure"),
        (&["verify", "tree", "--with", "archive-check"], " read"),
    ];
    for (words, sign) in works {
        let mut command = world.command(words);
        if words[0] != "run" {
            command.args(["--identity", &identity]);
        }
        command.env("TERM", "xterm");
        let shown = on_terminal(&command, &[]).expect(0).stdout;
        // What is drawn is taken away again.
        assert!(shown.contains("\x1b[2K"), "{words:?}: {shown:?}");
        assert!(shown.contains(sign), "{words:?}: {shown:?}");
        let quiet = on_terminal(command.arg("--quiet"), &[]).expect(0).stdout;
        assert!(!quiet.contains('\x1b'), "{words:?}: {quiet:?}");
    }
    let plain = world.run(&["run", "tree"]).expect(0);
    assert_eq!(plain.stderr, "");
}

#[test]
fn who_wants_to_hear_more_or_less_says_so() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a", "a");
    let told = world.run(&["run", "tree", "-v"]).expect(0);
    assert!(told.stdout.contains("tree@"), "{}", told.stdout);
    told.says("opened with a write key")
        .says("plugin `files`")
        .says("no snapshot before");
    let quiet = world.run(&["run", "tree", "--quiet"]).expect(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    // What was asked for is no chatter.
    assert!(world.run(&["list", "-q"]).expect(0).stdout.contains("tree"));
    std::fs::remove_dir_all(world.at("tree")).unwrap();
    world
        .run(&["run", "tree", "-q"])
        .expect(1)
        .says("nothing was committed");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let world = World::ready(TREE, &["files"]);
    let mut command = world.command(&["run", "nope"]);
    let red = "\x1b[1;31merror\x1b[0m: ";
    let shown = on_terminal(&command, &[]).expect(2).stdout;
    assert!(shown.contains(red), "{shown:?}");
    let plain = on_terminal(command.env("NO_COLOR", "1"), &[])
        .expect(2)
        .stdout;
    assert!(
        !plain.contains('\x1b') && plain.contains("error: "),
        "{plain:?}"
    );
    let mut usage = world.command(&["nonsense"]);
    let plain = on_terminal(usage.env("NO_COLOR", "1"), &[])
        .expect(2)
        .stdout;
    assert!(!plain.contains('\x1b'), "{plain:?}");
    let piped = world.run(&["run", "nope"]).expect(2);
    assert!(!piped.stderr.contains('\x1b'));
}
