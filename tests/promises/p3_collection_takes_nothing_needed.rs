//! Collection never removes what a committed or committing snapshot needs, whatever the clocks say.

use holdfast_tests::{Ended, World, noise};
use rustix::process::Signal;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

/// A dump that gives a file, says that it has, and then waits for a word before it ends well.
const JOBS: &str = r#"
[job.fails]
source = "command"
[job.fails.with]
command = ["sh", "-c", "cat DIR/content; exit 1"]
[job.waits]
source = "command"
[job.waits.with]
command = ["sh", "-c", "cat DIR/content; echo > DIR/given; cat DIR/go; cat DIR/content"]
"#;

struct Scene {
    world: World,
    content: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        world.jobs(&JOBS.replace("DIR", world.path().to_str().unwrap()));
        world.set_up(&["command"]);
        // Longer than what waits in the pipeline: most of it is stored before the dump ends.
        let content = noise(1, 100 << 20);
        world.write("content", &content);
        Self { world, content }
    }

    /// Collects, and returns what it says.
    fn collect(&self, more: &[&str]) -> String {
        let words = [&["gc", "--grace", "0s"], more].concat();
        self.world.run(&words).expect(0).stdout
    }

    /// Starts a run, and returns when its source has given its content and waits.
    fn run_until_it_waits(&self) -> Run {
        let go = self.world.at("go");
        if !go.exists() {
            assert!(Command::new("mkfifo").arg(&go).status().unwrap().success());
        }
        let mut command = self.world.command(&["run", "waits"]);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        let run = Run(Some(command.spawn().unwrap()));
        wait_for(&self.world.at("given"));
        std::fs::remove_file(self.world.at("given")).unwrap();
        run
    }

    /// Lets the run go on to its end.
    fn go_on(&self, run: Run) -> Ended {
        std::fs::write(self.world.at("go"), b"").unwrap();
        run.end()
    }

    fn comes_back(&self) {
        let restored = self.world.restore("waits");
        let twice = [&self.content[..], &self.content[..]].concat();
        let file = std::fs::read_dir(&restored)
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        assert!(
            std::fs::read(file).unwrap() == twice,
            "another content came back"
        );
        self.world.as_operator(&["check", "--data"]).expect(0);
    }
}

/// A run that is killed, with its source, when the test is over.
struct Run(Option<Child>);

impl Run {
    fn kill(&self) {
        let group = self.0.as_ref().map(rustix::process::Pid::from_child);
        let _ = rustix::process::kill_process_group(group.unwrap(), Signal::KILL);
    }

    fn end(mut self) -> Ended {
        self.0.take().unwrap().wait_with_output().unwrap().into()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.0.is_some() {
            self.kill();
        }
    }
}

fn wait_for(path: &Path) {
    while !path.exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_a_run_relies_on_stays_while_it_runs() {
    let scene = Scene::new();
    // Packs that no snapshot needs, and that the next run finds and reuses.
    scene.world.run(&["run", "fails"]).expect(1);
    let run = scene.run_until_it_waits();
    for _ in 0..4 {
        let said = scene.collect(&[]);
        assert!(said.contains("still open since"), "{said}");
        assert!(said.contains("run of job `waits`"), "{said}");
    }
    scene.go_on(run).expect(0);
    for _ in 0..4 {
        scene.collect(&[]);
    }
    scene.comes_back();
}

#[test]
fn a_run_whose_clock_and_session_are_a_year_off_loses_nothing() {
    let scene = Scene::new();
    scene.world.run(&["run", "fails"]).expect(1);
    let run = scene.run_until_it_waits();
    #[expect(
        clippy::disallowed_methods,
        reason = "files get a time beside that of the program under test"
    )]
    let long_ago = SystemTime::now() - Duration::from_secs(366 * 86_400);
    for session in scene.world.files("repository/sessions") {
        let file = std::fs::File::options().append(true).open(session).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    let said = scene.collect(&[]);
    assert!(said.contains("ended: it can no longer commit"), "{said}");
    scene.go_on(run).expect(0).says("goes on in a new session");
    for _ in 0..4 {
        scene.collect(&[]);
    }
    scene.comes_back();
}

#[test]
fn a_run_whose_packs_are_gone_commits_nothing_and_the_next_one_all() {
    let scene = Scene::new();
    scene.world.run(&["run", "fails"]).expect(1);
    let run = scene.run_until_it_waits();
    let session = scene.world.files("repository/sessions");
    let session = session
        .last()
        .unwrap()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    scene.collect(&["--expire", &session]);
    for _ in 0..3 {
        scene.collect(&[]);
    }
    scene
        .go_on(run)
        .expect(75)
        .says("was removed while it ran")
        .says("Run it again");
    assert_eq!(scene.world.snapshots(), 0);
    let run = scene.run_until_it_waits();
    scene.go_on(run).expect(0);
    scene.comes_back();
}

#[test]
fn what_killed_runs_left_goes() {
    let scene = Scene::new();
    let run = scene.run_until_it_waits();
    run.kill();
    run.end();
    assert!(!scene.world.files("repository/packs").is_empty());
    let said = scene.collect(&[]);
    assert!(said.contains("ended: it can no longer commit"), "{said}");
    for _ in 0..3 {
        scene.collect(&[]);
    }
    assert_eq!(
        scene.world.files("repository/packs"),
        Vec::<std::path::PathBuf>::new()
    );
    scene.world.run(&["check"]).expect(0);
}
