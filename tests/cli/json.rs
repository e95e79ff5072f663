//! `--json`: every answer has the form that the operator guide documents, and nothing else beside it.

use holdfast_testkit::servers;
use holdfast_tests::{Ended, World, plugin, recipient};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const JOBS: &str = "\
[job.tree]
source = \"files\"
[job.tree.with]
paths = [\"{w}/tree\"]
[job.db]
source = \"command\"
verify = [\"archive-check\"]
[job.db.with]
entry = \"db.sql\"
command = [\"echo\", \"hello\"]
restore-command = [\"cat\"]
";

/// The keys of each answer, as the operator guide has them.
struct Guide(BTreeMap<String, BTreeSet<String>>);

impl Guide {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operator-guide.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (_, section) = text.split_once("\n## JSON\n").unwrap();
        let rows = section.lines().take_while(|line| !line.starts_with("## "));
        let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in rows.filter(|row| row.starts_with('|')) {
            let [_, answer, _, held, _] = row.split('|').collect::<Vec<_>>()[..] else {
                panic!("{row}");
            };
            let quoted = |cell: &str| -> Vec<String> {
                cell.split('`')
                    .skip(1)
                    .step_by(2)
                    .map(str::to_owned)
                    .collect()
            };
            let held = match held.trim().strip_prefix("those of") {
                Some(other) => keys[&quoted(other)[0]].clone(),
                None => quoted(held).into_iter().collect(),
            };
            let answers = match quoted(answer) {
                none if none.is_empty() => vec![answer.trim().to_owned()],
                some => some,
            };
            keys.extend(answers.into_iter().map(|answer| (answer, held.clone())));
        }
        Self(keys)
    }

    /// Demands the keys of an answer.
    #[track_caller]
    fn holds(&self, answer: &str, value: &Value) {
        let object = value
            .as_object()
            .unwrap_or_else(|| panic!("{answer}: {value}"));
        let keys: BTreeSet<String> = object.keys().cloned().collect();
        assert_eq!(keys, self.0[answer], "{answer}");
    }

    /// Demands the keys of all parts of an array.
    #[track_caller]
    fn all_hold(&self, answer: &str, value: &Value) {
        let parts = value
            .as_array()
            .unwrap_or_else(|| panic!("{answer}: {value}"));
        assert!(!parts.is_empty(), "{answer}: there is nothing to look at");
        for part in parts {
            self.holds(answer, part);
        }
    }
}

/// Returns the lines of an answer, each of which is JSON.
fn lines(ended: &Ended) -> Vec<Value> {
    let lines = ended.stdout.lines();
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    lines.map(parse).collect()
}

/// Returns an answer that is one value.
#[track_caller]
fn one(ended: &Ended) -> Value {
    let mut lines = lines(ended);
    assert_eq!(lines.len(), 1, "{}", ended.stdout);
    lines.remove(0)
}

/// A world, its guide, and a way to ask the operator's questions in it.
struct Asked {
    world: World,
    guide: Guide,
}

impl Asked {
    fn new() -> Self {
        let world = World::ready(JOBS, &["files", "command", "archive-check"]);
        world.write("tree/a", "a");
        world.write("tree/b", "b");
        let guide = Guide::read();
        Self { world, guide }
    }

    #[track_caller]
    fn ask(&self, words: &[&str], code: i32) -> Ended {
        self.world.run(&[words, &["--json"]].concat()).expect(code)
    }

    #[track_caller]
    fn ask_as_operator(&self, words: &[&str], code: i32) -> Ended {
        let identity = self.world.at("operator.key");
        let identity = ["--identity", identity.to_str().unwrap()];
        self.ask(&[words, &identity].concat(), code)
    }

    /// Demands that an answer is lines of this form.
    #[track_caller]
    fn are(&self, answer: &str, ended: &Ended) -> Vec<Value> {
        let lines = lines(ended);
        assert!(!lines.is_empty(), "{answer}: {}", ended.stderr);
        for line in &lines {
            self.guide.holds(answer, line);
        }
        lines
    }
}

#[test]
fn runs_and_snapshots_have_their_documented_form() {
    let asked = Asked::new();
    let run = asked.are("run", &asked.ask(&["run", "--all"], 0));
    assert_eq!(run.len(), 2);
    asked.guide.holds("source", &run[0]["source"]);
    asked.guide.holds("counts", &run[0]["counts"]);
    asked.world.write("tree/a", "another");
    std::fs::remove_file(asked.world.at("tree/b")).unwrap();
    asked.world.write("tree/c", "c");
    asked.ask(&["run", "tree"], 0);
    let listed = one(&asked.ask(&["list"], 0));
    asked.guide.all_hold("list", &listed);
    assert_eq!(listed.as_array().unwrap().len(), 3);
    asked.are("show", &asked.ask(&["show", "tree"], 0));
    let entries = asked.are("ls", &asked.ask_as_operator(&["ls", "tree"], 0));
    let kinds: BTreeSet<_> = entries
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["directory", "file"].into());
    asked.are("find", &asked.ask_as_operator(&["find", "a"], 0));
    let first = run.iter().find(|run| run["job"] == "tree").unwrap();
    let first = format!("tree@{}", first["snapshot"].as_str().unwrap());
    let changes = asked.are("diff", &asked.ask_as_operator(&["diff", &first, "tree"], 0));
    let changes: BTreeSet<_> = changes
        .iter()
        .map(|c| c["change"].as_str().unwrap())
        .collect();
    assert_eq!(changes, ["added", "content", "metadata", "removed"].into());
    let history = asked.are("history", &asked.ask(&["history"], 0));
    assert_eq!(history.len(), 3);
    let collected = asked.are("gc", &asked.ask(&["gc"], 0));
    for amount in [
        "stored",
        "named",
        "waiting",
        "kept",
        "repacked",
        "removed",
        "locked",
        "locked-without-end",
    ] {
        asked.guide.holds(amount, &collected[0][amount]);
    }
}

#[test]
fn retention_has_its_documented_form() {
    let asked = Asked::new();
    asked.ask(&["run", "tree"], 0);
    asked.ask(&["run", "tree", "--tag", "t"], 0);
    asked.ask(&["run", "tree"], 0);
    let jobs = JOBS.replacen("source", "keep = { last = 1 }\nburst-limit = 1\nsource", 1);
    asked.world.jobs(&jobs);
    let listed = one(&asked.ask(&["list"], 0));
    let id = |n: usize| listed[n]["snapshot"].as_str().unwrap();
    let hold = ["hold", id(0), "--reason", "why", "--until", "2099-12-31"];
    asked.are("hold", &asked.ask(&hold, 0));
    let held = one(&asked.ask(&["list"], 0));
    asked.guide.holds("held", &held[0]["held"]);
    assert!(held[1]["held"].is_null());
    let frozen = asked.are("forget JOB", &asked.ask(&["forget", "tree"], 3));
    asked.guide.all_hold("frozen", &frozen[0]["frozen"]);
    asked.guide.all_hold("verdicts", &frozen[0]["verdicts"]);
    asked.are("release", &asked.ask(&["release", id(0)], 0));
    asked.are("forget SNAPSHOT", &asked.ask(&["forget", id(1)], 0));
    asked.guide.all_hold(
        "list --forgotten",
        &one(&asked.ask(&["list", "--forgotten"], 0)),
    );
    asked.are("undelete", &asked.ask(&["undelete", id(1)], 0));
}

#[test]
fn checks_and_restores_have_their_documented_form() {
    let asked = Asked::new();
    asked.ask(&["run", "--all"], 0);
    let target = asked.world.at("out").display().to_string();
    let restore = ["restore", "tree", "--target", &target];
    let dry = [&restore[..], &["--dry-run"]].concat();
    asked.are("restore --dry-run", &asked.ask_as_operator(&dry, 0));
    asked.are("restore", &asked.ask_as_operator(&restore, 0));
    let inner = format!("out{}", asked.world.at("tree/a").display());
    asked.world.write(&inner, "somebody's own");
    let refused = one(&asked.ask_as_operator(&restore, 3));
    asked.guide.all_hold("refused", &refused["refused"]);
    let back = asked.ask_as_operator(&["restore", "db", "--to-source"], 0);
    asked.are("restore --to-source", &back);
    let verified = one(&asked.ask_as_operator(&["verify", "db"], 4));
    asked.guide.all_hold("verify", &verified);
    asked.guide.all_hold("findings", &verified[0]["findings"]);
    asked.are("check", &asked.ask(&["check"], 0));
    let pack = &asked.world.files("repository/packs")[0];
    std::fs::remove_file(pack).unwrap();
    let damaged = one(&asked.ask(&["check"], 4));
    asked.guide.holds("check", &damaged);
    asked.guide.all_hold("damage", &damaged["damage"]);
    asked.guide.all_hold("signers", &damaged["signers"]);
    let repair = ["check", "--data", "--repair"];
    let said = one(&asked.ask_as_operator(&[&repair[..], &["--dry-run"]].concat(), 4));
    asked.guide.holds("check --repair", &said);
    assert!(said["after"].is_null());
    let repaired = one(&asked.ask_as_operator(&repair, 4));
    asked.guide.holds("check --repair", &repaired);
    asked.guide.all_hold("deeds", &repaired["deeds"]);
    asked.guide.holds("before", &repaired["before"]);
    asked.guide.holds("after", &repaired["after"]);
    let works = asked.are(
        "run --check",
        &asked.ask(&["run", "--check", "tree", "db"], 0),
    );
    assert!(works.iter().all(|job| job["works"] == true));
    std::fs::remove_dir_all(asked.world.at("tree")).unwrap();
    let fails = asked.are("run --check", &asked.ask(&["run", "--check", "tree"], 2));
    assert_eq!(fails[0]["works"], false);
    asked.guide.all_hold("findings", &fails[0]["findings"]);
    std::fs::remove_file(asked.world.at("keys/local.key")).unwrap();
    let doctor = one(&asked.ask(&["doctor"], 11));
    asked.guide.all_hold("doctor", &doctor);
    let fine: Vec<_> = doctor
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["ok"] == true)
        .collect();
    assert!(fine.contains(&true) && fine.contains(&false));
    asked.are("config check", &asked.ask(&["config", "check"], 0));
}

#[test]
fn plugins_and_keys_have_their_documented_form() {
    let asked = Asked::new();
    let files = plugin("files");
    let files = files.to_str().unwrap();
    asked.are("plugin list", &asked.ask(&["plugin", "list"], 0));
    asked.are("plugin show", &asked.ask(&["plugin", "show", "files"], 0));
    asked.are("plugin show", &asked.ask(&["plugin", "show", files], 0));
    asked.are(
        "plugin remove",
        &asked.ask(&["plugin", "remove", "files"], 0),
    );
    // Nobody is asked, and nothing but the error is said.
    asked.are("any error", &asked.ask(&["plugin", "install", files], 2));
    asked.are(
        "plugin install",
        &asked.ask(&["plugin", "install", files, "--yes"], 0),
    );
    asked.are(
        "plugin grant",
        &asked.ask(&["plugin", "grant", "files", "--yes"], 0),
    );
    let key = asked.world.at("audit.key").display().to_string();
    asked.are(
        "key export",
        &asked.ask(&["key", "export", "audit", &key], 0),
    );
    std::fs::remove_file(asked.world.at("keys/local.key")).unwrap();
    asked.are(
        "key recover",
        &asked.ask_as_operator(&["key", "recover"], 0),
    );
    std::fs::remove_dir_all(asked.world.at("repository")).unwrap();
    std::fs::remove_file(asked.world.at("keys/local.key")).unwrap();
    let identity = asked.world.at("second.key").display().to_string();
    asked.are(
        "init",
        &asked.ask(&["init", "--new-identity", &identity], 0),
    );
}

#[test]
fn errors_have_their_documented_form_wrong_command_lines_too() {
    let asked = Asked::new();
    let none = asked.world.at("none.toml").display().to_string();
    for (words, code) in [
        (["run", "nope"].as_slice(), 2),
        (&["nonsense"], 2),
        (&["run"], 2),
        (&["history", "--last", "x"], 2),
        (&["ls", "tree"], 2),
        (&["check", "--key", &none], 11),
        (&["list", "--identity", &none], 11),
    ] {
        let ended = asked.ask(words, code);
        let error = &asked.are("any error", &ended)[0];
        assert_eq!(error["exit-code"], code, "{words:?}");
        let message = error["error"].as_str().unwrap();
        assert!(
            !message.is_empty() && !message.starts_with("error"),
            "{message}"
        );
        // People read the same.
        ended.says(&format!("error: {}", message.lines().next().unwrap()));
    }
    // One job fails, and the other is told all the same.
    std::fs::remove_dir_all(asked.world.at("tree")).unwrap();
    let both = lines(&asked.ask(&["run", "tree", "db"], 1));
    asked.guide.holds("any error", &both[0]);
    asked.guide.holds("run", &both[1]);
}

#[test]
fn copies_have_their_documented_form() {
    let asked = Asked::new();
    let (world, operator) = (&asked.world, asked.world.at("operator.key"));
    world.run(&["run", "--all"]).expect(0);
    let text = std::fs::read_to_string(world.at("holdfast.toml")).unwrap();
    let directory = world.path().display();
    let offsite = format!("\n[store.offsite]\nurl = \"file://{directory}/offsite\"\n");
    std::fs::write(world.at("holdfast.toml"), text + &offsite).unwrap();
    world
        .run(&["init", "offsite", "--recipient", &recipient(&operator)])
        .expect(0);
    let copy = ["copy", "--from", "local", "--to", "offsite"];
    let dry = [&copy[..], &["--dry-run"]].concat();
    asked.are("copy --dry-run", &asked.ask_as_operator(&dry, 0));
    asked.are("copy", &asked.ask_as_operator(&copy, 0));
}

#[test]
fn locks_have_their_documented_form() {
    let server = servers::moto();
    let bucket = server.bucket_with(&["-h", "x-amz-bucket-object-lock-enabled:true"]);
    let world = World::new();
    world.write("id", &server.key);
    world.write("secret", &server.secret);
    let store = format!(
        "[store.bucket]\nurl = \"s3://{bucket}/one\"\nendpoint = \"{}\"\n\
         access-key-id = {{ secret = \"file:{{w}}/id\" }}\n\
         secret-access-key = {{ secret = \"file:{{w}}/secret\" }}\n{JOBS}",
        server.endpoint
    );
    let store = store.replace("{w}", &world.path().display().to_string());
    std::fs::write(world.at("holdfast.toml"), store).unwrap();
    world.set_up(&["files", "command", "archive-check"]);
    world.write("tree/a", "a");
    let guide = Guide::read();
    let asked = Asked { world, guide };
    asked.ask(&["run", "tree"], 0);
    let plan = asked.are("lock", &asked.ask(&["lock", "--for", "1d", "--dry-run"], 0));
    assert_eq!(plan[0]["done"], Value::Null);
    let done = asked.are("lock", &asked.ask(&["lock", "tree", "--for", "1d"], 0));
    asked.guide.holds("done", &done[0]["done"]);
    let hold = ["hold", "tree", "--reason", "x"];
    let held = asked.are("hold", &asked.ask(&hold, 0));
    assert!(held[0]["locked-objects"].as_u64().unwrap() > 3);
    let released = asked.are("release", &asked.ask(&["release", "tree"], 0));
    assert!(released[0]["unlocked-objects"].as_u64().unwrap() > 3);
    assert!(released[0]["locked-until"].is_string());
}
