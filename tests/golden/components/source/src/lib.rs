//! The golden source: calls every function of its world, and puts what came of it into the snapshot.

use golden_common::{Answers, granted, network, plain, tree};
use holdfast_sdk::host::trees::{self, WalkOptions};
use holdfast_sdk::prelude::*;

#[derive(serde::Deserialize)]
struct Golden {
    paths: Vec<String>,
    command: Vec<String>,
}

impl Source for Golden {
    const MANIFEST: Manifest = Manifest::source(
        "golden-source",
        "0.1.0",
        "Calls every function of its world",
    )
    .setting(Setting::paths("paths", "one tree").required())
    .setting(Setting::command("command", "what to run").required())
    .setting(Setting::secret("token", "what to hand on"))
    .trees(Access::Write, "paths", "to work in")
    .command_from("command", "to talk to")
    .seen_secret("token", "to look at")
    .state("to remember");

    fn check(&self) -> Result<Vec<Finding>, Failure> {
        let finding = |severity| Finding::new(severity, "subject", "message").with_hint("hint");
        Ok([Severity::Info, Severity::Warning, Severity::Error]
            .map(finding)
            .into())
    }

    fn backup(&self, draft: &Draft, previous: Option<Previous>) -> Result<(), Failure> {
        let mut answers = Answers::default();
        plain(&mut answers)?;
        granted(&mut answers, &self.command)?;
        network(&mut answers);
        let path = self
            .paths
            .first()
            .ok_or_else(|| Failure::invalid("no path"))?;
        tree(&mut answers, path)?;
        let previous = previous.map(|previous| (previous.snapshot, previous.facts));
        answers.note("previous", previous);
        let options = WalkOptions {
            excludes: vec!["*.txt".into()],
            one_file_system: true,
            exclude_caches: true,
        };
        let report = draft.add_tree(&trees::open(path, trees::Access::Read)?, b"tree", &options)?;
        answers.note(
            "entries.draft.add-tree",
            (report.entries, report.bytes, report.warnings),
        );
        draft.record_fact("golden", "yes")?;
        draft.warn("subject", "a warning");
        let mut entry = draft.create(b"answers", &[("key".into(), "value".into())])?;
        entry.write_all(answers.text().as_bytes())?;
        entry.commit().map(drop)
    }

    fn committed(&self, snapshot: &str) -> Result<(), Failure> {
        log::info(&format!("{snapshot} is committed"));
        Ok(())
    }

    fn restore(&self, snapshot: &Content, request: RestoreRequest) -> Result<(), Failure> {
        let mut said = String::new();
        snapshot.open(b"answers")?.read_to_string(&mut said)?;
        let (lines, wanted) = (said.lines().count(), request.paths.len());
        Err(Failure::new(
            FailureKind::Unsupported,
            format!("{lines} lines, {wanted} paths"),
        )
        .with_hint("as expected"))
    }
}

holdfast_sdk::export!(Golden as Source);
