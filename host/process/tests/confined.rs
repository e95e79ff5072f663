//! What a command gets, and what it does not.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use holdfast_base::cancel::Cancel;
use holdfast_process::{
    Child, Command, ExitStatus, LandlockRules, ResourceLimits, SecretFile, SpawnError,
    has_landlock, resolve,
};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

fn shell(script: &str) -> Command {
    Command {
        program: resolve("sh").unwrap(),
        arguments: vec!["-c".into(), script.into()],
        ..Command::default()
    }
}

fn read_all(child: &mut Child) -> String {
    let mut text = String::new();
    let mut stdout = child.take_stdout().unwrap();
    stdout.read_to_string(&mut text).unwrap();
    text
}

fn output(command: &Command) -> (String, ExitStatus) {
    let mut child = command.spawn(&Cancel::new()).unwrap();
    (read_all(&mut child), child.wait().unwrap())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_secret_file_is_one_that_clients_of_databases_accept() {
    let secret = SecretFile {
        variable: "PGPASSFILE".into(),
        content: b"*:*:*:*:hunter2\n".to_vec().into(),
    };
    for user in [None, is_root().then_some((65_534, 65_534))] {
        let command = Command {
            secret_files: vec![secret.clone()],
            user,
            // libpq wants a regular file without permissions for anybody else.
            ..shell("stat -L -c '%F %a %u' $PGPASSFILE; id -u; cat $PGPASSFILE")
        };
        let (text, status) = output(&command);
        assert!(status.is_success(), "{status}");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], format!("regular file 400 {}", lines[1]));
        assert_eq!(lines[2], "*:*:*:*:hunter2");
    }
}

#[test]
fn another_user_has_no_groups_of_ours() {
    if !is_root() {
        println!("only root becomes another user: not tried");
        return;
    }
    let command = Command {
        user: Some((1_234, 4_321)),
        ..shell("id -u; id -g; id -G; grep -c . /etc/shadow || echo denied")
    };
    assert_eq!(output(&command).0, "1234\n4321\n4321\ndenied\n");
}

#[test]
fn it_starts_where_it_is_told_without_a_terminal_and_with_a_mask() {
    let command = Command {
        current_dir: Some(PathBuf::from("/usr")),
        ..shell("pwd; umask; (: < /dev/tty) 2>/dev/null || echo no terminal; ulimit -c")
    };
    assert_eq!(output(&command).0, "/usr\n0077\nno terminal\n0\n");
    let command = Command {
        current_dir: Some(PathBuf::from("/no/such/place")),
        ..shell("true")
    };
    let refused = command.spawn(&Cancel::new()).err().unwrap();
    assert!(matches!(refused, SpawnError::Prepare { .. }), "{refused:?}");
}

#[test]
fn what_it_may_use_up_is_limited() {
    let command = Command {
        limits: ResourceLimits {
            cpu_seconds: Some(7),
            memory_bytes: Some(1 << 30),
            file_bytes: Some(512 << 10),
            open_files: Some(33),
            processes: Some(u64::MAX),
        },
        ..shell("ulimit -t; ulimit -v; ulimit -f; ulimit -n")
    };
    assert_eq!(output(&command).0, "7\n1048576\n1024\n33\n");
    let command = Command {
        limits: ResourceLimits {
            cpu_seconds: Some(1),
            ..ResourceLimits::default()
        },
        ..shell("while :; do :; done")
    };
    let signal = output(&command).1.signal;
    assert!(matches!(signal, Some(9 | 24)), "{signal:?}");
}

#[test]
fn a_descriptor_that_is_open_for_all_is_not_handed_on() {
    let file = std::fs::File::open("/etc/passwd").unwrap();
    let before = output(&shell("ls /proc/self/fd | wc -l")).0;
    // As a library in C would leave it, after the first command was started.
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    assert_eq!(output(&shell("ls /proc/self/fd | wc -l")).0, before);
    // Standard streams, and the one that `ls` opens.
    assert_eq!(before, "4\n");
}

#[test]
fn a_missing_program_is_an_error_that_names_it() {
    let command = Command {
        program: PathBuf::from("/no/such/program"),
        ..Command::default()
    };
    let error = command.spawn(&Cancel::new()).err().unwrap();
    assert_eq!(error.to_string(), "cannot start `/no/such/program`");
    let place = tempfile::tempdir().unwrap();
    let script = place.path().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let command = Command {
        program: script,
        ..Command::default()
    };
    assert!(command.spawn(&Cancel::new()).is_err());
}

#[test]
fn landlock_denies_what_was_not_granted() {
    if !has_landlock() {
        println!("this kernel has no Landlock: not tried");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    for name in ["read", "write", "neither"] {
        std::fs::create_dir(place.path().join(name)).unwrap();
        std::fs::write(place.path().join(name).join("file"), "content\n").unwrap();
    }
    let script = "
        cat read/file write/file
        cat neither/file 2>/dev/null || echo no reading
        (echo x > read/new) 2>/dev/null || echo no writing
        ls neither >/dev/null 2>&1 || echo no listing
        cat /etc/shadow >/dev/null 2>&1 || echo no shadow
        cp /bin/true write/program && write/program && echo made and run
        mv write/file write/moved && rm write/moved && echo changed
        cat $SECRET; echo gone > /dev/null && echo end";
    let command = Command {
        current_dir: Some(place.path().to_path_buf()),
        landlock: Some(LandlockRules {
            read: vec![place.path().join("read")],
            write: vec![place.path().join("write")],
        }),
        secret_files: vec![SecretFile {
            variable: "SECRET".into(),
            content: b"secret\n".to_vec().into(),
        }],
        ..shell(script)
    };
    let (text, status) = output(&command);
    assert!(status.is_success(), "{status}");
    let lines: Vec<_> = text.lines().collect();
    let expected = [
        "content",
        "content",
        "no reading",
        "no writing",
        "no listing",
        "no shadow",
        "made and run",
        "changed",
        "secret",
        "end",
    ];
    assert_eq!(lines, expected, "{status}");
    // We ourselves are held to nothing.
    assert!(std::fs::read(place.path().join("neither/file")).is_ok());
}

#[test]
fn landlock_grants_a_single_file_and_refuses_what_does_not_exist() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("one"), "one\n").unwrap();
    std::fs::write(place.path().join("two"), "two\n").unwrap();
    let rules = |read: &str| LandlockRules {
        read: vec![place.path().join(read)],
        write: Vec::new(),
    };
    let command = Command {
        current_dir: Some(place.path().to_path_buf()),
        landlock: Some(rules("one")),
        ..shell("cat one; cat two 2>/dev/null || echo denied")
    };
    let denied = if has_landlock() { "denied" } else { "two" };
    assert_eq!(output(&command).0, format!("one\n{denied}\n"));
    let command = Command {
        landlock: Some(rules("absent")),
        ..command
    };
    let refused = command.spawn(&Cancel::new()).err().unwrap();
    let SpawnError::Prepare { source, .. } = refused else {
        panic!("{refused:?}");
    };
    assert!(
        source.to_string().contains("absent` cannot be granted"),
        "{source}"
    );
}
