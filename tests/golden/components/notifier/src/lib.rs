//! The golden notifier: calls every function of its world, and fails with what came of it.

use golden_common::{Answers, granted, network, plain};
use holdfast_sdk::prelude::*;
use holdfast_sdk::{Event, Notifier};

#[derive(serde::Deserialize)]
struct Golden {
    command: Vec<String>,
}

impl Notifier for Golden {
    const MANIFEST: Manifest = Manifest::notifier(
        "golden-notifier",
        "0.1.0",
        "Calls every function of its world",
    )
    .setting(Setting::command("command", "what to run").required())
    .setting(Setting::secret("token", "what to hand on"))
    .command_from("command", "to talk to")
    .seen_secret("token", "to look at")
    .state("to remember");

    fn check(&self) -> Result<Vec<Finding>, Failure> {
        Ok(vec![Finding::warning("subject", "message")])
    }

    fn notify(&self, event: &Event) -> Result<(), Failure> {
        let mut answers = Answers::default();
        plain(&mut answers)?;
        granted(&mut answers, &self.command)?;
        network(&mut answers);
        answers.note(
            "event",
            (
                &event.name,
                event.severity,
                &event.title,
                &event.body,
                &event.attributes,
            ),
        );
        Err(Failure::new(FailureKind::Unavailable, answers.text()).with_hint("as expected"))
    }
}

holdfast_sdk::export!(Golden as Notifier);
