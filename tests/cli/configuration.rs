//! What a configuration that is wrong is answered with: the place, what is wrong there, and the way out.

use holdfast_tests::{Ended, World, plugin, program};
use std::process::Command;

/// Two jobs, of two plugins.
const JOBS: &str = "\
[job.tree]
source = \"files\"
[job.tree.with]
paths = [\"{w}/tree\"]
[job.db]
source = \"command\"
[job.db.with]
entry = \"db.sql\"
command = [\"echo\", \"hello\"]
";

/// A world with plugins and those jobs, and no repository yet.
fn world() -> World {
    let world = World::new();
    world.jobs(JOBS);
    for name in ["age", "files", "command", "archive-check"] {
        let file = plugin(name);
        world
            .run(&["plugin", "install", file.to_str().unwrap(), "--yes"])
            .expect(0);
    }
    world.write("tree/a", "a");
    world
}

/// Puts one text in the place of another, and returns what checking the configuration comes to.
fn with(world: &World, from: &str, to: &str) -> Ended {
    world.jobs(JOBS);
    let path = world.at("holdfast.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    world.run(&["config", "check"])
}

/// What is written for what, and the place, the words and the way out that must be told; `&` stands for
/// what was there, `+` begins a line.
#[rustfmt::skip]
const WRONG: [[&str; 5]; 29] = [
    ["[store.local]", "[stroe.local]", ":1:2", "unknown key `stroe`", "Did you mean `store`?"],
    ["[job.db]", "[jobs.db]", ":7:2", "unknown key `jobs`", "Did you mean `job`?"],
    ["[job.db.with]", "[job.db.wiht]", ":9:9", "unknown key `wiht`", "Did you mean `with`?"],
    ["url", "ulr", ":2:1", "unknown key `ulr`", "Did you mean `url`?"],
    ["source = \"command\"", "schedule = \"hourly\"", ":8:1", "unknown key `schedule`", "Known here: source, store"],
    ["source = \"command\"", "", ":7:1", "this table has no `source`", "source = \"files\""],
    ["url = ", "# ", ":1:1", "this table has no `url`", "url = \"file:///absolute/directory\""],
    ["file://", "ftp://", ":2:7", "no store that this version knows", "`file:///"],
    ["file://", "file://x", ":2:7", "is not an absolute path", "`file:///"],
    ["url = ", "url = 3 # ", ":2:7", "this takes no integer `3`, expected a text", ""],
    ["source = \"command\"", "source = \"comand\"", ":8:10", "plugin `comand` is not installed", "Did you mean `command`?"],
    ["source = \"command\"", "source = \"age\"", ":8:10", "plugin `age` is no source", "It is: encryptor"],
    ["source = \"command\"", "&+store = \"lokal\"", ":9:9", "there is no store `lokal`", "Did you mean `local`?"],
    ["source = \"command\"", "&+source = \"x\"", ":9:1", "duplicate key", ""],
    ["source = \"command\"", "&+compression-level = \"x\"", ":9:21", "expected a whole number", ""],
    ["source = \"command\"", "&+compression-level = 20", ":9:21", "compression-level is 1 to 19, not 20", ""],
    ["source = \"command\"", "&+timeout-minutes = 0", ":9:19", "timeout-minutes is more than 0", "Leave it out"],
    ["source = \"command\"", "&+timeout-minutes = nan", ":9:19", "timeout-minutes is more than 0", "Leave it out"],
    ["source = \"command\"", "&+tags = [\"a\", \"b,c\"]", ":9:14", "a tag has 1 to 64 letters", ""],
    ["source = \"command\"", "&+verify = [\"archive-chek\"]", ":9:11", "plugin `archive-chek` is not", "Did you mean `archive-check`?"],
    ["source = \"command\"", "&+verify = \"files\"", ":9:10", "expected a list", ""],
    ["source = \"command\"", "&+verify-with.archive-check.dupms = []", ":9:27", "has no setting `dupms`", "Did you mean `dumps`?"],
    ["source = \"command\"", "&+verify-with.archve.dumps = []", ":9:13", "plugin `archve` is not", "plugin install archve.wasm"],
    ["entry =", "entyr =", ":10:1", "plugin `command` has no setting `entyr`", "Did you mean `entry`?"],
    ["\"db.sql\"", "5", ":10:9", "setting `entry` takes a text, not 5", ""],
    ["command = [", "# [", ":8:10", "plugin `command` needs setting `command`", ""],
    ["paths = [", "paths = [\"relative\", ", ":6:9", "setting `paths` takes a list of absolute paths", ""],
    ["[job.db]", "[job.\"d b\"]+source = \"files\"+[job.db]", ":7:7", "`d b` is no name", ""],
    ["[job.db]", "[job.db", ":7:8", "unclosed table", ""],
];

#[test]
fn what_is_wrong_is_named_with_its_place_and_the_way_out() {
    let world = world();
    for [from, to, place, message, hint] in WRONG {
        let to = to.replace('&', from).replace('+', "\n");
        let ended = with(&world, from, &to).expect(2);
        let ended = ended.says(&format!("holdfast.toml{place}: ")).says(message);
        ended.says(hint);
    }
}

#[test]
fn a_secret_that_is_written_down_or_cannot_be_had_is_named_and_never_shown() {
    let world = world();
    let command = "command = [\"echo\", \"hello\"]";
    let password = |value: &str| format!("{command}\npassword = {value}");
    for value in [
        "\"hunter2\"",
        "{ secret = \"hunter2\" }",
        "{ sceret = \"env:hunter2\" }",
        "{ secret = \"env:\" }",
    ] {
        let ended = with(&world, command, &password(value)).expect(2);
        let ended = ended.says("holdfast.toml:12:12: ").says("env:NAME");
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
    let identity = world.at("operator.key").display().to_string();
    with(&world, command, command).expect(0);
    world.run(&["init", "--new-identity", &identity]).expect(0);
    for (reference, why) in [
        ("env:NOT_SET", "the environment has no variable `NOT_SET`"),
        ("file:/nowhere", "/nowhere: No such file or directory"),
        ("file:{w}", "Is a directory"),
        ("credential:db", "systemd gave no credentials to this run"),
        ("command:false", "`false` ended with exit status: 1"),
        ("command:/nowhere/program", "No such file or directory"),
    ] {
        let reference = reference.replace("{w}", &world.path().display().to_string());
        let value = format!("{{ secret = \"{reference}\" }}");
        // That it is named well can be checked without it.
        with(&world, command, &password(&value)).expect(0);
        let said = format!("cannot get secret `{reference}`");
        let place = "holdfast.toml:12:12";
        world
            .run(&["run", "db"])
            .expect(1)
            .says(&said)
            .says(why)
            .says(place);
        for check in [["run", "--check", "db"].as_slice(), &["doctor"]] {
            let told = world.run(check).expect(2).stdout;
            assert!(
                told.contains(&said) && told.contains(place),
                "{check:?}: {told}"
            );
        }
    }
    assert_eq!(world.snapshots(), 0);
}

#[test]
fn a_configuration_that_cannot_be_read_is_named() {
    let world = world();
    let path = world.at("holdfast.toml");
    std::fs::write(&path, b"[store.local]\nurl = \"\xff\"").unwrap();
    world.run(&["list"]).expect(2).says("UTF-8");
    std::fs::remove_file(&path).unwrap();
    let missing = world.run(&["list"]).expect(2);
    missing
        .says("cannot read configuration")
        .says("[store.local]");
    std::fs::create_dir(&path).unwrap();
    world.run(&["list"]).expect(2).says("Is a directory");
    std::fs::remove_dir(&path).unwrap();
    world.write("holdfast.toml", "");
    for words in [["list"].as_slice(), &["check"], &["init", "--passphrase"]] {
        world
            .run(words)
            .expect(2)
            .says("holdfast.toml has no store");
    }
    // Cron would never hear of it.
    let none = world.run(&["run", "--all"]).expect(2);
    none.says("has no job: nothing is backed up");
}

#[test]
fn one_of_several_stores_must_be_named() {
    let world = world();
    let text = std::fs::read_to_string(world.at("holdfast.toml")).unwrap();
    world.write(
        "holdfast.toml",
        format!("{text}[store.second]\nurl = \"file:///second\"\n"),
    );
    for words in [["list"].as_slice(), &["check"], &["init", "--passphrase"]] {
        world
            .run(words)
            .expect(2)
            .says("has several stores, and none was named")
            .says("Name one: local, second");
    }
    let run = world.run(&["run", "tree"]).expect(2);
    run.says("job `tree` names no store")
        .says("store = \"local\" or \"second\"");
    world
        .run(&["list", "--store", "secnd"])
        .expect(2)
        .says("Did you mean `second`?");
    world
        .run(&["check", "lokal"])
        .expect(2)
        .says("Did you mean `local`?");
}

#[test]
fn a_job_that_takes_too_long_is_ended_alone() {
    let world = World::ready(JOBS, &["files", "command"]);
    world.write("tree/a", "a");
    let command = "command = [\"echo\", \"hello\"]";
    let text = std::fs::read_to_string(world.at("holdfast.toml")).unwrap();
    let text = text
        .replace(command, "command = [\"sleep\", \"1000\"]")
        .replace(
            "source = \"command\"",
            "source = \"command\"\ntimeout-minutes = 0.01",
        );
    world.write("holdfast.toml", text);
    // `db` comes first, and `tree` gets its backup all the same.
    let ended = world.run(&["run", "--all"]).expect(75);
    ended
        .says("backup `db` failed, nothing was committed")
        .says("the run took longer than its job allows")
        .says("holdfast.toml:9:19");
    assert_eq!(world.snapshots(), 1);
}

#[test]
fn the_configuration_is_found_where_the_guide_says() {
    let world = World::new();
    let age = plugin("age");
    let found = |flag: Option<&str>, variable: Option<&str>| -> Ended {
        let mut command = Command::new(program());
        command.env_clear().env("HOME", world.path());
        for (name, directory) in [("XDG_CONFIG_HOME", "user"), ("XDG_DATA_HOME", "data")] {
            command.env(name, world.at(directory));
        }
        let flag = flag.map(|name| world.at(name));
        command.args(
            flag.iter()
                .flat_map(|path| ["--config".as_ref(), path.as_os_str()]),
        );
        if let Some(name) = variable {
            let path = if name.is_empty() {
                name.into()
            } else {
                world.at(name)
            };
            command.env("HOLDFAST_CONFIG", path);
        }
        command.args(["config", "check"]).output().unwrap().into()
    };
    let text = "[store.local]\nurl = \"file:///nowhere\"\n";
    for name in ["flag.toml", "variable.toml", "user/holdfast/holdfast.toml"] {
        world.write(name, text);
        // Plugins are granted beside each configuration.
        let config = world.at(name).display().to_string();
        let mut install = Command::new(program());
        install.env_clear().env("HOME", world.path());
        install.env("XDG_DATA_HOME", world.at("data"));
        install.args(["--config", &config, "plugin", "install", "--yes"]);
        let installed: Ended = install.arg(&age).output().unwrap().into();
        installed.expect(0);
    }
    for (flag, variable, expected) in [
        (
            Some("flag.toml"),
            Some("variable.toml"),
            "/flag.toml is sound",
        ),
        (None, Some("variable.toml"), "/variable.toml is sound"),
        (None, Some(""), "/user/holdfast/holdfast.toml is sound"),
        (None, None, "/user/holdfast/holdfast.toml is sound"),
    ] {
        let told = found(flag, variable).expect(0).stdout;
        assert!(told.trim_end().ends_with(expected), "{told}");
    }
    // One that was named and is not there is not passed over.
    for (flag, variable) in [
        (Some("none.toml"), Some("variable.toml")),
        (None, Some("none.toml")),
    ] {
        found(flag, variable)
            .expect(2)
            .says("none.toml")
            .says("or name another with --config FILE");
    }
}
