//! What is typed wrong, command by command: it is refused with a sentence, and nothing is done.

use holdfast_tests::{Ended, TREE, World, on_terminal, plugin};
use std::process::{Command, Stdio};

#[test]
fn words_that_make_no_sense_are_refused_before_anything_is_done() {
    let world = World::ready(TREE, &["files"]);
    world.write("tree/a", "a");
    world.run(&["run", "tree"]).expect(0);
    let file = world.at("tree/a").display().to_string();
    let target = world.at("out").display().to_string();
    let words: [(&[&str], &str); 18] = [
        (&[], "requires a subcommand"),
        (&["rum"], "'run'"),
        (&["run"], "<JOB>"),
        (&["run", "--all", "tree"], "cannot be used with"),
        (&["run", "tree", "--tag", ""], "`` is no tag"),
        (&["run", "tree", "--tag", "a\nb"], "`a\\nb` is no tag"),
        (&["restore", "tree"], "--target <DIR>"),
        (
            &["restore", "tree", "--target", &target, "--to-source"],
            "cannot be used with",
        ),
        (&["restore", "tree", "--target", &file], "is no directory"),
        (
            &["restore", "tree", "a", "--target", &target],
            "holdfast find NAME",
        ),
        (&["restore", "tree", "../a", "--target", &target], "`..`"),
        (
            &["restore", "tree", "*.md", "--target", &target],
            "there is no entry `*.md`",
        ),
        (
            &["restore", "tree", "*", "--to-source"],
            "a source takes paths, not patterns",
        ),
        (&["verify", "tree"], "names no verifier"),
        (
            &["verify", "tree", "--with", "files"],
            "plugin `files` is no verifier",
        ),
        (
            &["verify", "tree", "--with", "fils"],
            "Did you mean `files`?",
        ),
        (&["ls", "tree", "["], "there is no entry `[`"),
        (&["completions", "bsh"], "'bash'"),
    ];
    for (words, said) in words {
        let is_opened = ["restore", "verify", "ls"]
            .iter()
            .any(|word| words.first() == Some(word));
        let ended = if is_opened {
            world.as_operator(words)
        } else {
            world.run(words)
        };
        ended.expect(2).says(said);
    }
    assert_eq!(world.snapshots(), 1);
    assert!(!world.at("out").exists());
}

#[test]
fn plugins_are_asked_for_by_name_and_installed_by_file() {
    let world = World::new();
    let none = world.run(&["plugin", "list"]).expect(0);
    none.says("no plugin is installed");
    let config = world.at("holdfast.toml").display().to_string();
    for (file, said) in [
        ("/nowhere.wasm", "cannot read `/nowhere.wasm`"),
        (&config, "is no WebAssembly"),
    ] {
        world
            .run(&["plugin", "install", file, "--yes"])
            .expect(2)
            .says(file)
            .says(said);
    }
    let files = plugin("files");
    let install = ["plugin", "install", files.to_str().unwrap()];
    let refused = on_terminal(&world.command(&install), &[("[y/N] ", "n")]).expect(2);
    assert!(
        refused.stdout.contains("nothing was installed"),
        "{}",
        refused.stdout
    );
    on_terminal(&world.command(&install), &[("[y/N] ", "y")]).expect(0);
    let listed = world.run(&["plugin", "list"]).expect(0).stdout;
    assert!(
        listed.starts_with("files ") && listed.contains("source"),
        "{listed}"
    );
    let shown = world.run(&["plugin", "show", "files"]).expect(0).stdout;
    for words in ["kind: source", "settings:", "paths", "asks to:"] {
        assert!(shown.contains(words), "`{words}` is not in: {shown}");
    }
    for words in [["plugin", "show", "file"], ["plugin", "remove", "file"]] {
        world
            .run(&words)
            .expect(2)
            .says("is not installed")
            .says("Did you mean `files`?");
    }
    world.run(&["plugin", "remove", "files"]).expect(0);
    world
        .run(&["plugin", "list"])
        .expect(0)
        .says("no plugin is installed");
}

#[test]
fn a_shell_takes_the_completions() {
    let world = World::new();
    let script = world.run(&["completions", "bash"]).expect(0).stdout;
    world.write("completions", script);
    let ask = "source \"$1\"; COMP_WORDS=(holdfast key ex); COMP_CWORD=2; _holdfast holdfast ex key; \
        echo \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["-c", ask, "bash"]).arg(world.at("completions"));
    let ended: Ended = bash.stdin(Stdio::null()).output().unwrap().into();
    assert_eq!(ended.expect(0).stdout, "export\n");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let script = world.run(&["completions", shell]).expect(0).stdout;
        assert!(
            script.contains("holdfast") && script.contains("restore"),
            "{shell}"
        );
    }
}

#[test]
fn the_history_tells_what_ran_and_how_it_ended() {
    let world = World::ready(TREE, &["files"]);
    world
        .run(&["history"])
        .expect(0)
        .says("no run is in the history");
    world.run(&["run", "tree"]).expect(1);
    world.write("tree/a", "a");
    world.run(&["run", "tree"]).expect(0);
    let told = world.run(&["history", "tree"]).expect(0).stdout;
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].contains("failed") && lines[0].contains("No such file"),
        "{told}"
    );
    assert!(lines[1].contains("done"), "{told}");
    let last = world.run(&["history", "--last", "1"]).expect(0).stdout;
    assert_eq!(last.lines().collect::<Vec<_>>(), lines[1..]);
    world
        .run(&["history", "other"])
        .expect(0)
        .says("no run of job `other`");
}
