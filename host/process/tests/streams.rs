//! Streams and ends of commands that do not behave.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use holdfast_base::cancel::{Cancel, Reason};
use holdfast_process::{Cancelled, Child, Command, HELD_OPEN_MAX, HeldOpen, OnLine, resolve};
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn shell(script: &str) -> Command {
    Command {
        program: resolve("sh").unwrap(),
        arguments: vec!["-c".into(), script.into()],
        ..Command::default()
    }
}

fn spawn(script: &str) -> Child {
    shell(script).spawn(&Cancel::new()).unwrap()
}

fn line(from: &mut impl Read) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while from.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

fn is_gone(pid: &str) -> bool {
    (0..150).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .map_or(true, |stat| stat.contains(") Z "))
    })
}

fn raise_after(cancel: &Cancel, milliseconds: u64, reason: Reason) {
    let cancel = cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(milliseconds));
        cancel.raise(reason);
    });
}

fn cause<T: std::error::Error + Clone + 'static>(error: &io::Error) -> Option<T> {
    error.get_ref()?.downcast_ref::<T>().cloned()
}

#[test]
fn output_that_a_grandchild_holds_open_ends_with_an_error_that_names_it() {
    let started = Instant::now();
    let mut child = spawn("echo out; sleep 4713 & exit 0");
    let mut text = Vec::new();
    let mut stdout = child.take_stdout().unwrap();
    let error = stdout.read_to_end(&mut text).unwrap_err();
    assert_eq!(text, b"out\n");
    let held = cause::<HeldOpen>(&error).unwrap();
    assert_eq!(held.stream, "standard output");
    assert!(
        error
            .to_string()
            .contains("has ended, but something that it started")
    );
    assert!((HELD_OPEN_MAX..HELD_OPEN_MAX * 2).contains(&started.elapsed()));
    assert!(child.wait().unwrap().is_success());
}

#[test]
fn a_grandchild_that_floods_after_the_end_is_stopped_too() {
    let mut child = spawn("yes & exit 0");
    let mut stdout = child.take_stdout().unwrap();
    let error = io::copy(&mut stdout, &mut io::sink()).unwrap_err();
    assert!(cause::<HeldOpen>(&error).is_some(), "{error}");
    child.wait().unwrap();
}

#[test]
fn a_slow_reader_gets_all_that_was_written_before_the_end() {
    let mut child = spawn("head -c 900000 /dev/zero");
    let mut stdout = child.take_stdout().unwrap();
    std::thread::sleep(HELD_OPEN_MAX + Duration::from_millis(300));
    assert_eq!(io::copy(&mut stdout, &mut io::sink()).unwrap(), 900_000);
    assert!(child.wait().unwrap().is_success());
}

#[test]
fn standard_error_that_is_held_open_outside_of_the_group_does_not_hold_the_end() {
    let mut child = spawn("setsid sleep 7 & echo said >&2; exit 5");
    drop(child.take_stdout());
    let started = Instant::now();
    let status = child.wait().unwrap();
    assert_eq!(status.to_string(), "ended with status 5: said");
    assert!(started.elapsed() < HELD_OPEN_MAX + Duration::from_secs(1));
}

#[test]
fn an_interrupted_command_is_asked_first_and_killed_if_it_does_not_listen() {
    let cancel = Cancel::new();
    let polite = "trap 'echo bye >&2; exit 9' TERM; echo ready; while :; do sleep 0.02; done";
    let mut child = shell(polite).spawn(&cancel).unwrap();
    assert_eq!(line(child.take_stdout().as_mut().unwrap()), "ready");
    cancel.raise(Reason::Interrupted);
    let status = child.wait().unwrap();
    assert_eq!(status.code, Some(9));
    assert!(status.stderr_tail.ends_with("bye\n"), "{status}");

    let cancel = Cancel::new();
    let deaf = "trap '' TERM; echo ready; while :; do sleep 0.02; done";
    let mut child = shell(deaf).spawn(&cancel).unwrap();
    let mut stdout = child.take_stdout().unwrap();
    assert_eq!(line(&mut stdout), "ready");
    let started = Instant::now();
    cancel.raise(Reason::Deadline);
    let error = stdout.read(&mut [0; 10]).unwrap_err();
    assert_eq!(
        cause::<Cancelled>(&error),
        Some(Cancelled(Reason::Deadline))
    );
    assert_eq!(child.wait().unwrap().signal, Some(9));
    let took = started.elapsed();
    assert!(
        (Duration::from_secs(2)..Duration::from_secs(4)).contains(&took),
        "{took:?}"
    );
}

#[test]
fn a_failure_elsewhere_kills_at_once_before_the_input_closes() {
    // The command would take the end of its input for success.
    for reason in [Reason::Failed, Reason::Interrupted, Reason::Deadline] {
        let place = tempfile::tempdir().unwrap();
        let cancel = Cancel::new();
        let mut command = shell("trap '' TERM; echo ready; cat > /dev/null; : > committed");
        command.stdin = true;
        command.current_dir = Some(place.path().to_path_buf());
        let mut child = command.spawn(&cancel).unwrap();
        let stdin = child.take_stdin().unwrap();
        assert_eq!(line(child.take_stdout().as_mut().unwrap()), "ready");
        let started = Instant::now();
        cancel.raise(reason);
        drop(stdin);
        assert_eq!(child.wait().unwrap().signal, Some(9));
        assert!(started.elapsed() < Duration::from_secs(1), "{reason:?}");
        assert!(!place.path().join("committed").exists());
    }
}

#[test]
fn a_write_that_nobody_reads_is_given_up_when_the_job_ends() {
    let cancel = Cancel::new();
    let mut command = shell("sleep 4714");
    command.stdin = true;
    let mut child = command.spawn(&cancel).unwrap();
    raise_after(&cancel, 100, Reason::Deadline);
    let error = child
        .take_stdin()
        .unwrap()
        .write_all(&vec![7; 5_000_000])
        .unwrap_err();
    assert!(cause::<Cancelled>(&error).is_some(), "{error}");
    assert!(!child.wait().unwrap().is_success());
}

#[test]
fn a_wait_is_ended_by_a_cancel() {
    let cancel = Cancel::new();
    let mut child = shell("sleep 4715").spawn(&cancel).unwrap();
    raise_after(&cancel, 100, Reason::Interrupted);
    let started = Instant::now();
    assert_eq!(child.wait().unwrap().signal, Some(15));
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_job_that_has_ended_starts_nothing() {
    let cancel = Cancel::new();
    cancel.raise(Reason::Interrupted);
    let error = shell("true").spawn(&cancel).err().unwrap();
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(
        source.to_string(),
        Cancelled(Reason::Interrupted).to_string()
    );
}

#[test]
fn many_commands_of_one_job_leave_nothing_open() {
    let cancel = Cancel::new();
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let run = || {
        let mut child = shell("echo x").spawn(&cancel).unwrap();
        assert_eq!(line(child.take_stdout().as_mut().unwrap()), "x");
        assert!(child.wait().unwrap().is_success());
    };
    run();
    let before = open();
    (0..200).for_each(|_| run());
    // Other tests run meanwhile.
    assert!(open() < before + 100, "{} {before}", open());
}

#[test]
fn what_it_says_is_heard_line_by_line() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&heard);
    let mut command = shell("echo one >&2; printf 'two\\nthr' >&2; printf 'ee' >&2; exit 1");
    command.on_stderr_line = Some(OnLine::new(move |line| {
        to.lock().unwrap().push(line.to_owned())
    }));
    let mut child = command.spawn(&Cancel::new()).unwrap();
    assert_eq!(child.wait().unwrap().code, Some(1));
    assert_eq!(*heard.lock().unwrap(), ["one", "two", "three"]);
}

#[test]
fn the_end_of_much_that_it_says_is_kept() {
    let mut child = spawn("head -c 10000000 /dev/zero | tr '\\0' 'x' >&2; echo FATAL >&2; exit 1");
    let status = child.wait().unwrap();
    assert!(status.stderr_tail.len() < 66_000);
    assert!(status.stderr_tail.starts_with("[99"));
    assert!(status.stderr_tail.ends_with("xFATAL\n"));
}

#[test]
fn output_runs_at_the_speed_of_a_pipe() {
    let started = Instant::now();
    let mut child = spawn("head -c 2000000000 /dev/zero");
    let mut stdout = child.take_stdout().unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut total = 0;
    loop {
        match stdout.read(&mut buffer).unwrap() {
            0 => break,
            count => total += count,
        }
    }
    assert_eq!(total, 2_000_000_000);
    println!("{:.0} MB/s", 2_000.0 / started.elapsed().as_secs_f64());
    assert!(started.elapsed() < Duration::from_secs(30));
}

/// Runs this test again in a process of its own, which is killed while its command runs.
#[test]
fn a_command_dies_with_holdfast_even_when_that_is_killed() {
    if let Ok(place) = std::env::var("HOLDFAST_TEST_KILLED") {
        let mut child = spawn("echo $$; exec sleep 4716");
        let pid = line(child.take_stdout().as_mut().unwrap());
        std::fs::write(&place, pid + "\n").unwrap();
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let said = place.path().join("pid");
    let mut again = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "streams::a_command_dies_with_holdfast_even_when_that_is_killed",
        ])
        .env("HOLDFAST_TEST_KILLED", &said)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pid = (0..500).find_map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        let text = std::fs::read_to_string(&said).ok()?;
        text.ends_with('\n').then(|| text.trim().to_owned())
    });
    let pid = pid.unwrap();
    assert!(std::fs::metadata(format!("/proc/{pid}")).is_ok());
    again.kill().unwrap();
    again.wait().unwrap();
    assert!(is_gone(&pid));
}
