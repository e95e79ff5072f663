//! The golden verifier: calls every function of its world, and says what came of it in findings.

use golden_common::{Answers, granted, network, plain, tree};
use holdfast_sdk::Verifier;
use holdfast_sdk::host::trees;
use holdfast_sdk::prelude::*;

#[derive(serde::Deserialize)]
struct Golden {
    paths: Vec<String>,
    command: Vec<String>,
}

impl Verifier for Golden {
    const MANIFEST: Manifest = Manifest::verifier(
        "golden-verifier",
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
        Ok(vec![Finding::info("subject", "message")])
    }

    fn verify(&self, snapshot: &Content) -> Result<Vec<Finding>, Failure> {
        let mut answers = Answers::default();
        plain(&mut answers)?;
        granted(&mut answers, &self.command)?;
        network(&mut answers);
        let path = self
            .paths
            .first()
            .ok_or_else(|| Failure::invalid("no path"))?;
        tree(&mut answers, path)?;
        for entry in snapshot.entries(b"")? {
            let entry = entry?;
            let path = String::from_utf8_lossy(&entry.path).into_owned();
            answers.note(
                "entries.listing.next",
                (
                    path,
                    entry.kind,
                    entry.size,
                    entry.modified_ns,
                    entry.attributes,
                ),
            );
        }
        let mut text = String::new();
        snapshot.open(b"dump.sql")?.read_to_string(&mut text)?;
        answers.note("entries.content.open", text);
        answers.tried(
            "entries.content.open, other",
            snapshot.open(b"nothing").map(drop),
        );
        let target = trees::open(path, trees::Access::Write)?;
        let report = snapshot.extract(b"restored", &target)?;
        answers.note(
            "entries.content.extract",
            (report.entries, report.bytes, report.warnings),
        );
        answers.note("entries.content.facts", snapshot.facts());
        Ok(answers
            .0
            .into_iter()
            .map(|line| Finding::info("answers", line))
            .collect())
    }
}

holdfast_sdk::export!(Golden as Verifier);
