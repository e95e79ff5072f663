//! How a job runs commands: as whom, where, with what, within which limits, and what they reach.
//! Every test drives the real program with a real command.

use holdfast_tests::World;

/// Makes a world whose job runs a line of `sh` under these terms.
fn world(line: &str, terms: &str) -> World {
    let job = format!(
        "[job.h]\nsource = \"command\"\n[job.h.with]\ncommand = [\"sh\", \"-c\", {line:?}]\n\
         [job.h.command.sh]\n{terms}\n"
    );
    World::ready(&job, &["command"])
}

fn output(world: &World) -> String {
    world.run(&["run", "h"]).expect(0);
    let id = ["cat", "h", "stdout"];
    world.as_operator(&id).expect(0).stdout
}

#[test]
fn a_command_starts_where_and_with_what_the_job_says() {
    let world = world(
        "pwd; echo $MODE",
        "directory = \"/usr\"\nenvironment = { MODE = \"full\" }",
    );
    assert_eq!(output(&world), "/usr\nfull\n");
}

#[test]
fn a_command_is_held_to_its_limits() {
    let world = world(
        "ulimit -t; ulimit -v; ulimit -n; ulimit -f; ulimit -c",
        "cpu-seconds = 7\nmemory-mib = 512\nopen-files = 33\nfile-mib = 1",
    );
    // Computing in seconds, memory in KiB, files, blocks of 512 bytes, and never a core.
    assert_eq!(output(&world), "7\n524288\n33\n2048\n0\n");
}

#[test]
fn a_command_that_exceeds_a_limit_commits_nothing() {
    let world = World::new();
    let file = world.at("big").display().to_string();
    let line = format!("echo begun; exec dd if=/dev/zero of={file} bs=64k count=64");
    let world = self::world(&line, "file-mib = 1");
    world
        .run(&["run", "h"])
        .expect(1)
        .says("signal 25")
        .says("nothing was committed");
    assert_eq!(
        std::fs::metadata(&file).map(|m| m.len()).ok(),
        Some(1 << 20)
    );
    assert_eq!(world.snapshots(), 0);
}

#[test]
fn a_command_whose_time_is_over_is_killed_and_commits_nothing() {
    let world = world("echo begun; sleep 1000 & sleep 1000", "timeout-seconds = 1");
    world
        .run(&["run", "h"])
        .expect(75)
        .says("`sh` was stopped: it ran longer than the 1 s that the job allows it")
        .says("hint: To give it more time, raise timeout-seconds in [job.h.command.sh]")
        .says("nothing was committed");
    assert_eq!(world.snapshots(), 0);
}

#[test]
fn a_command_runs_as_the_user_that_the_job_names_where_that_can_be() {
    let world = world("id -u; id -G", "user = \"65533:65534\"");
    if rustix::process::geteuid().is_root() {
        assert_eq!(output(&world), "65533\n65534\n");
    } else {
        world
            .run(&["run", "h"])
            .expect(2)
            .says("only root can run commands as `65533:65534`");
    }
}

#[test]
fn a_user_that_nobody_knows_is_named_with_its_place() {
    let world = world("id", "user = \"no-such-user\"");
    world
        .run(&["run", "h"])
        .expect(2)
        .says("holdfast.toml:8:8: there is no user `no-such-user` in /etc/passwd")
        .says("hint: Write its numbers: UID:GID");
}

#[test]
fn a_command_reads_and_writes_only_what_the_job_names_where_the_kernel_can_hold_it() {
    let place = World::new();
    place.write("open/a", "readable\n");
    place.write("closed/b", "not readable\n");
    let at = place.path().display();
    let line = format!("cat {at}/open/a; cat {at}/closed/b 2>/dev/null; echo x >{at}/open/c; :");
    let world = world(&line, &format!("read = [\"{at}/open\"]"));
    if holdfast_process::has_landlock() {
        assert_eq!(output(&world), "readable\n");
        assert!(!place.at("open/c").exists());
    } else {
        let ended = world.run(&["run", "h"]).expect(0);
        ended.says("this kernel has no Landlock");
    }
}

#[test]
fn terms_for_a_program_that_cannot_run_are_an_error() {
    let world = world("id", "[job.h.command.sch]\nopen-files = 9");
    world
        .run(&["run", "h"])
        .expect(2)
        .says("holdfast.toml:8:16: plugin `command` may not run `sch` in this job")
        .says("hint: It may run: sh");
}

#[test]
fn a_secret_that_a_command_blurts_out_is_not_told() {
    let job = "[job.h]\nsource = \"command\"\n[job.h.with]\npassword = { secret = \"file:{w}/secret\" }\n\
        command = [\"sh\", \"-c\", \"echo login failed with $PASSWORD >&2; exit 3\"]\n";
    let world = World::ready(job, &["command"]);
    world.write("secret", "correct horse battery\n");
    let ended = world
        .run(&["run", "h"])
        .expect(1)
        .says("ended with status 3: login failed with [secret]");
    assert!(!ended.stderr.contains("horse"), "{}", ended.stderr);
    let told = world.files("state").into_iter();
    let told = told.map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned());
    assert!(told.into_iter().all(|text| !text.contains("horse")));
}
