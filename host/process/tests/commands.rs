//! Real commands, well-behaved and not.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use holdfast_base::cancel::{Cancel, Reason};
use holdfast_process::{Cancelled, Command, SecretFile, resolve};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

fn shell(script: &str) -> Command {
    Command {
        program: resolve("sh").unwrap(),
        arguments: vec!["-c".into(), script.into()],
        ..Command::default()
    }
}

fn output(command: &Command) -> (String, holdfast_process::ExitStatus) {
    let mut child = command.spawn(&Cancel::new()).unwrap();
    let mut text = String::new();
    child
        .take_stdout()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    (text, child.wait().unwrap())
}

#[test]
fn the_exit_status_and_the_end_of_stderr_come_back() {
    let (text, status) = output(&shell(
        "echo out; echo first >&2; echo FATAL: no >&2; exit 3",
    ));
    assert_eq!(text, "out\n");
    assert_eq!(status.code, Some(3));
    assert_eq!(status.to_string(), "ended with status 3: first / FATAL: no");
    let (_, status) = output(&shell("kill -9 $$"));
    assert_eq!((status.code, status.signal), (None, Some(9)));
}

#[test]
fn the_environment_is_scrubbed_and_privileges_cannot_be_gained() {
    let (text, _) = output(&shell(
        "env | cut -d= -f1 | sort | tr '\\n' ' '; grep NoNewPrivs /proc/self/status; ls /proc/self/fd | wc -l",
    ));
    assert!(text.starts_with("HOME LANG PATH PWD "), "{text}");
    assert!(text.contains("NoNewPrivs:\t1"));
    // Standard streams, and the one that `ls` opens.
    assert!(text.ends_with("4\n"), "{text}");
}

#[test]
fn a_secret_file_is_read_by_the_command_and_named_nowhere() {
    let secret = SecretFile {
        variable: "PASSFILE".into(),
        content: b"hunter2".to_vec().into(),
    };
    let command = Command {
        secret_files: vec![secret],
        ..shell(
            "cat \"$PASSFILE\"; tr '\\0' ' ' < /proc/self/cmdline; env | grep hunter || echo; echo x > $PASSFILE || echo sealed",
        )
    };
    let (text, _) = output(&command);
    assert!(text.starts_with("hunter2"));
    assert_eq!(text.matches("hunter2").count(), 1, "{text}");
}

#[test]
fn much_output_on_both_streams_does_not_block() {
    let mut child = shell("head -c 3000000 /dev/zero >&2; head -c 50000000 /dev/zero")
        .spawn(&Cancel::new())
        .unwrap();
    let copied = std::io::copy(&mut child.take_stdout().unwrap(), &mut std::io::sink()).unwrap();
    assert_eq!(copied, 50_000_000);
    assert!(child.wait().unwrap().is_success());
}

#[test]
fn input_is_fed_and_a_command_that_closes_it_is_an_error_not_a_signal() {
    let mut command = shell("wc -c");
    command.stdin = true;
    let mut child = command.spawn(&Cancel::new()).unwrap();
    let mut stdin = child.take_stdin().unwrap();
    let feeder = std::thread::spawn(move || stdin.write_all(&vec![7; 5_000_000]));
    let mut text = String::new();
    child
        .take_stdout()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    feeder.join().unwrap().unwrap();
    assert_eq!(text.trim(), "5000000");
    let mut command = shell("exec <&-; sleep 0.1; exit 4");
    command.stdin = true;
    let mut child = command.spawn(&Cancel::new()).unwrap();
    assert!(
        child
            .take_stdin()
            .unwrap()
            .write_all(&vec![7; 5_000_000])
            .is_err()
    );
    assert_eq!(child.wait().unwrap().code, Some(4));
}

#[test]
fn cancelling_ends_a_blocked_read_and_kills_the_whole_group() {
    let cancel = Cancel::new();
    let mut child = shell("sleep 4711 & echo $!; wait").spawn(&cancel).unwrap();
    let mut stdout = child.take_stdout().unwrap();
    let mut line = [0; 32];
    let count = stdout.read(&mut line).unwrap();
    let grandchild = String::from_utf8_lossy(&line[..count]).trim().to_owned();
    let started = Instant::now();
    let raise = cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        raise.raise(Reason::Deadline);
    });
    let error = stdout.read(&mut line).err();
    let cancelled = error
        .as_ref()
        .and_then(|e| e.get_ref()?.downcast_ref::<Cancelled>());
    assert!(cancelled.is_none_or(|c| *c == Cancelled(Reason::Deadline)));
    assert!(!child.wait().unwrap().is_success());
    assert!(started.elapsed() < Duration::from_secs(3));
    assert!(is_gone(&grandchild));
}

#[test]
fn dropping_a_child_kills_its_group() {
    let mut child = shell("sleep 4712 & echo $!; wait")
        .spawn(&Cancel::new())
        .unwrap();
    let mut line = [0; 32];
    let count = child.take_stdout().unwrap().read(&mut line).unwrap();
    drop(child);
    assert!(is_gone(String::from_utf8_lossy(&line[..count]).trim()));
}

fn is_gone(pid: &str) -> bool {
    (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .map_or(true, |stat| stat.contains(") Z "))
    })
}
