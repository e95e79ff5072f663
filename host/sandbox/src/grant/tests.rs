//! Grants: every step can only take away.

use super::*;
use crate::pattern::Pattern;
use serde_json::json;

const BY: Asker<'_> = Asker {
    plugin: "p",
    job: "j",
};

fn manifest(capabilities: &Value) -> Manifest {
    let text = json!({
        "manifest": 1, "name": "p", "version": "1.0.0", "contract": "0.1.0", "kinds": ["source"],
        "licence": "x", "description": "x", "capabilities": capabilities,
        "settings": [
            {"name": "paths", "type": "paths", "help": ""},
            {"name": "command", "type": "command", "help": ""},
            {"name": "password", "type": "secret", "help": ""},
        ],
    });
    Manifest::decode(text.to_string().as_bytes()).unwrap()
}

fn all() -> Manifest {
    manifest(&json!([
        {"capability": "trees", "access": "read", "from-setting": "paths", "reason": ""},
        {"capability": "process", "from-setting": "command", "reason": ""},
        {"capability": "process", "commands": ["pg_dump"], "reason": ""},
        {"capability": "secrets", "from-setting": "password", "reason": ""},
    ]))
}

fn settings() -> Map<String, Value> {
    let value = json!({"paths": ["/etc", "/srv/x"], "command": ["tar", "-c", "db"], "password": "password"});
    value.as_object().unwrap().clone()
}

fn granted(manifest: &Manifest) -> Grant {
    Grant {
        capabilities: manifest.capabilities.clone(),
        ..Grant::default()
    }
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn only_what_is_asked_granted_and_named_is_effective() {
    let yes = effective(&all(), &granted(&all()), &settings());
    assert!(yes.tree(&BY, "/etc", Access::Read).is_ok());
    assert!(yes.tree(&BY, "/etc", Access::Write).is_err());
    assert!(yes.tree(&BY, "/", Access::Read).is_err());
    assert!(yes.command(&BY, "tar", &words("-c db")).is_ok());
    assert!(yes.command(&BY, "tar", &words("-c other")).is_err());
    assert!(yes.command(&BY, "pg_dump", &words("any thing")).is_ok());
    assert!(yes.command(&BY, "sh", &words("-c db")).is_err());
    assert!(yes.secret(&BY, "password").is_ok());
    assert!(yes.reveal(&BY, "password").is_err());
    assert!(yes.state(&BY).is_err());
}

#[test]
fn what_was_never_granted_is_named() {
    let none = effective(&all(), &Grant::default(), &settings());
    assert_eq!(none.lacking.len(), 4);
    assert!(none.trees.is_empty() && none.commands.is_empty() && none.secrets.is_empty());
    let denial = none.first_lacking(&BY).unwrap();
    assert_eq!(
        denial.hint().to_string(),
        "To grant it: holdfast plugin grant p"
    );
}

#[test]
fn what_was_granted_without_being_asked_for_is_not_effective() {
    let empty = manifest(&json!([]));
    assert_eq!(
        effective(&empty, &granted(&all()), &settings()),
        Effective::default()
    );
}

#[test]
fn a_job_takes_away_and_the_denial_shows_the_line() {
    let narrowing = Narrowing {
        commands: Some(vec![Pattern::parse("pg_dump --format=* *").unwrap()]),
        paths: Some(vec!["/srv".into()]),
        secrets: Some(vec![]),
    };
    let narrow = effective(&all(), &granted(&all()), &settings()).narrowed(&narrowing);
    assert!(narrow.tree(&BY, "/srv/x", Access::Read).is_ok());
    assert!(
        narrow
            .command(&BY, "pg_dump", &words("--format=c db"))
            .is_ok()
    );
    assert!(narrow.secret(&BY, "password").is_err());
    let denial = narrow.command(&BY, "pg_dump", &words("-Fc")).unwrap_err();
    assert_eq!(
        denial.to_string(),
        "plugin `p` asked to run `pg_dump -Fc`, which job `j` does not allow"
    );
    assert_eq!(
        denial.hint().to_string(),
        r#"To allow it, write into [job.j.allow]: commands = ["pg_dump --format=* *", "pg_dump -Fc"]"#
    );
    let denial = narrow.tree(&BY, "/etc", Access::Read).unwrap_err();
    assert!(denial.hint().to_string().contains("[job.j.allow]"));
}

#[test]
fn an_install_may_grant_only_some_programs() {
    let grant = Grant {
        only_commands: vec!["sqlite3".into()],
        ..granted(&all())
    };
    let yes = effective(&all(), &grant, &settings());
    let denial = yes.command(&BY, "tar", &words("-c db")).unwrap_err();
    assert!(denial.hint().to_string().ends_with("--allow-command tar"));
}

#[test]
fn a_wider_request_needs_a_new_yes_and_a_narrower_one_does_not() {
    assert!(granted(&all()).lacks(&all()).is_empty());
    let wider = manifest(&json!([
        {"capability": "trees", "access": "write", "from-setting": "paths", "reason": ""},
        {"capability": "process", "commands": ["pg_dump", "sh"], "reason": ""},
        {"capability": "secrets", "from-setting": "password", "reveal": true, "reason": ""},
        {"capability": "state", "reason": ""},
    ]));
    assert_eq!(granted(&all()).lacks(&wider).len(), 4);
    let narrower = manifest(&json!([
        {"capability": "trees", "access": "read", "from-setting": "paths", "reason": ""},
        {"capability": "process", "commands": ["sh"], "reason": ""},
    ]));
    assert!(granted(&wider).lacks(&narrower).is_empty());
}
