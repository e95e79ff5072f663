//! A job that allows less than was granted: what it does not allow is refused with exit code 12 and
//! the very line that would allow it, and that line does.

use holdfast_tests::{Ended, World};

/// Takes the table and the line out of a hint.
#[track_caller]
fn line_to_add(ended: &Ended) -> (String, String) {
    let begin = "hint: To allow it, write into ";
    let mut hints = ended.stderr.lines().filter_map(|l| l.strip_prefix(begin));
    let hint = hints.next().unwrap_or_else(|| panic!("{}", ended.stderr));
    let (table, line) = hint.split_once(": ").unwrap();
    (table.to_owned(), line.to_owned())
}

/// Runs a job that is refused, does what the hint says, and runs it again.
#[track_caller]
fn refused_until_the_line_is_written(plugin: &str, job: &str, allow: &str, says: &str, line: &str) {
    let with_allow = |line: &str| format!("{job}[job.h.allow]\n{line}\n");
    let world = World::ready(&with_allow(allow), &[plugin]);
    world.write("tree/a", "a");
    world.write("other/b", "b");
    world.write("secret", "hunter2");
    let said = says.replace("{w}", &world.path().display().to_string());
    let ended = world
        .run(&["run", "h"])
        .expect(12)
        .says(&said)
        .says("nothing was committed");
    assert_eq!(world.snapshots(), 0);
    let (table, given) = line_to_add(&ended);
    assert_eq!(table, "[job.h.allow]");
    assert_eq!(
        given,
        line.replace("{w}", &world.path().display().to_string())
    );
    world.jobs(&with_allow(&given));
    world.run(&["config", "check"]).expect(0);
    world.run(&["run", "h"]).expect(0);
    assert_eq!(world.snapshots(), 1);
}

#[test]
fn a_command_that_the_job_does_not_allow_is_refused_with_the_line_to_add() {
    refused_until_the_line_is_written(
        "command",
        "[job.h]\nsource = \"command\"\n[job.h.with]\ncommand = [\"sh\", \"-c\", \"echo '*'\"]\n\
         restore-command = [\"cat\", \"-u\"]\n",
        "commands = [\"cat *\"]",
        "plugin `command` asked to run `sh -c 'echo '\\''*'\\'''`, which job `h` does not allow",
        r#"commands = ["cat *", "sh -c 'echo '\\''*'\\'''"]"#,
    );
}

#[test]
fn a_directory_that_the_job_does_not_allow_is_refused_with_the_line_to_add() {
    refused_until_the_line_is_written(
        "files",
        "[job.h]\nsource = \"files\"\n[job.h.with]\npaths = [\"{w}/tree\", \"{w}/other\"]\n",
        "paths = [\"{w}/tree\"]",
        "plugin `files` asked to read directory `{w}/other`, which job `h` does not allow",
        "paths = [\"{w}/tree\", \"{w}/other\"]",
    );
}

#[test]
fn a_secret_that_the_job_does_not_allow_is_refused_with_the_line_to_add() {
    refused_until_the_line_is_written(
        "command",
        "[job.h]\nsource = \"command\"\n[job.h.with]\ncommand = [\"echo\", \"x\"]\n\
         password = { secret = \"file:{w}/secret\" }\n",
        "secrets = []",
        "plugin `command` asked to use secret `password`, which job `h` does not allow",
        "secrets = [\"password\"]",
    );
}

#[test]
fn a_link_does_not_lead_out_of_an_allowed_directory() {
    let job = "[job.h]\nsource = \"files\"\n[job.h.with]\npaths = [\"{w}/tree/in/link\"]\n";
    let world = World::ready(
        &format!("{job}[job.h.allow]\npaths = [\"{{w}}/tree/in\"]\n"),
        &["files"],
    );
    world.write("tree/in/real/a", "a");
    world.write("tree/out/b", "b");
    std::os::unix::fs::symlink("../out", world.at("tree/in/link")).unwrap();
    world
        .run(&["run", "h"])
        .expect(12)
        .says("from where a link leads out of");
    assert_eq!(world.snapshots(), 0);
    std::fs::remove_file(world.at("tree/in/link")).unwrap();
    std::fs::rename(world.at("tree/in/real"), world.at("tree/in/link")).unwrap();
    world.run(&["run", "h"]).expect(0);
}

#[test]
fn a_job_cannot_allow_more_than_was_granted() {
    let job = "[job.h]\nsource = \"files\"\n[job.h.with]\npaths = [\"{w}/tree\"]\n[job.h.allow]\n";
    let world = World::ready(job, &["files"]);
    world.write("tree/a", "a");
    for (line, column, says) in [
        (
            "paths = [\"/etc\"]",
            10,
            "this would let plugin `files` reach `/etc`, which it was not granted",
        ),
        (
            "commands = [\"sh -c *\"]",
            13,
            "this would let plugin `files` run `sh -c *`",
        ),
        (
            "secrets = [\"password\"]",
            12,
            "this would let plugin `files` use secret `password`",
        ),
    ] {
        world.jobs(&format!("{job}{line}\n"));
        for command in [&["run", "h"][..], &["config", "check"]] {
            world
                .run(command)
                .expect(2)
                .says(&format!("holdfast.toml:8:{column}: {says}"))
                .says("hint: ");
        }
    }
    assert_eq!(world.snapshots(), 0);
}

#[test]
fn a_program_that_the_install_left_out_is_refused_with_the_grant_to_type() {
    let job = "[job.h]\nsource = \"command\"\n[job.h.with]\ncommand = [\"echo\", \"x\"]\n";
    let world = World::ready(job, &[]);
    let file = holdfast_tests::plugin("command");
    let file = file.to_str().unwrap();
    world
        .run(&["plugin", "install", file, "--yes", "--allow-command", "cat"])
        .expect(0);
    let ended = world
        .run(&["run", "h"])
        .expect(12)
        .says("asked to run `echo x`, which was not granted when it was installed");
    let grant = "holdfast plugin grant command --allow-command cat --allow-command echo";
    assert!(
        ended
            .stderr
            .contains(&format!("hint: To grant it: {grant}\n")),
        "{}",
        ended.stderr
    );
    assert_eq!(world.snapshots(), 0);
    let mut words: Vec<&str> = grant.split(' ').skip(1).collect();
    world.run(&words).expect(2).says("nothing was granted");
    world.run(&["run", "h"]).expect(12);
    words.push("--yes");
    world.run(&words).expect(0);
    world.run(&["run", "h"]).expect(0);
}
