//! Grants: every step can only take away.

use super::*;
use crate::manifest::{Access, Manifest};
use crate::pattern::Pattern;
use holdfast_base::advice::{Allowed, PluginAdvice};
use serde_json::{Map, Value, json};

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
    assert!(yes.check_tree(&BY, "/etc", Access::Read).is_ok());
    assert!(yes.check_tree(&BY, "/etc", Access::Write).is_err());
    assert!(yes.check_tree(&BY, "/", Access::Read).is_err());
    assert!(yes.check_command(&BY, "tar", &words("-c db")).is_ok());
    assert!(yes.check_command(&BY, "tar", &words("-c other")).is_err());
    assert!(
        yes.check_command(&BY, "pg_dump", &words("any thing"))
            .is_ok()
    );
    assert!(yes.check_command(&BY, "sh", &words("-c db")).is_err());
    assert!(yes.check_secret(&BY, "password").is_ok());
    assert!(yes.check_reveal(&BY, "password").is_err());
    assert!(yes.check_state(&BY).is_err());
}

#[test]
fn what_was_never_granted_is_named() {
    let none = effective(&all(), &Grant::default(), &settings());
    assert_eq!(none.ungranted.len(), 4);
    assert!(none.trees.is_empty() && none.commands.is_empty() && none.secrets.is_empty());
    let denial = none.check_granted(&BY).unwrap_err();
    assert_eq!(
        denial.advice(),
        PluginAdvice::GrantPlugin {
            plugin: "p".into(),
            programs: vec![],
        }
        .into()
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
    assert!(narrow.check_tree(&BY, "/srv/x", Access::Read).is_ok());
    assert!(
        narrow
            .check_command(&BY, "pg_dump", &words("--format=c db"))
            .is_ok()
    );
    assert!(narrow.check_secret(&BY, "password").is_err());
    let denial = narrow
        .check_command(&BY, "pg_dump", &words("-Fc"))
        .unwrap_err();
    assert_eq!(
        denial.to_string(),
        "plugin `p` asked to run `pg_dump -Fc`, which job `j` does not allow"
    );
    let advice = |what, values: &[&str]| {
        PluginAdvice::AllowInJob {
            owner: BY.with_role(PluginRole::Source),
            what,
            values: values.iter().map(|text| (*text).to_owned()).collect(),
        }
        .into()
    };
    assert_eq!(
        denial.advice(),
        advice(Allowed::Commands, &["pg_dump --format=* *", "pg_dump -Fc"])
    );
    let denial = narrow.check_tree(&BY, "/etc", Access::Read).unwrap_err();
    assert_eq!(denial.advice(), advice(Allowed::Paths, &["/srv", "/etc"]));
}

#[test]
fn an_install_may_grant_only_some_programs() {
    let grant = Grant {
        only_commands: vec!["sqlite3".into()],
        ..granted(&all())
    };
    let yes = effective(&all(), &grant, &settings());
    let denial = yes.check_command(&BY, "tar", &words("-c db")).unwrap_err();
    assert_eq!(
        denial.advice(),
        PluginAdvice::GrantPlugin {
            plugin: "p".into(),
            programs: vec!["sqlite3".into(), "tar".into()],
        }
        .into()
    );
}

#[test]
fn a_wider_request_needs_a_new_grant_and_a_narrower_one_does_not() {
    assert!(granted(&all()).list_missing(&all()).is_empty());
    let wider = manifest(&json!([
        {"capability": "trees", "access": "write", "from-setting": "paths", "reason": ""},
        {"capability": "process", "commands": ["pg_dump", "sh"], "reason": ""},
        {"capability": "secrets", "from-setting": "password", "reveal": true, "reason": ""},
        {"capability": "state", "reason": ""},
    ]));
    assert_eq!(granted(&all()).list_missing(&wider).len(), 4);
    let narrower = manifest(&json!([
        {"capability": "trees", "access": "read", "from-setting": "paths", "reason": ""},
        {"capability": "process", "commands": ["sh"], "reason": ""},
    ]));
    assert!(granted(&wider).list_missing(&narrower).is_empty());
}
