//! The functions of the contract, a module for each interface. They work on the current host.

/// The job's settings.
pub mod config {
    use crate::testing::state::current_state;

    /// Returns the settings as a JSON object.
    #[must_use]
    pub fn settings() -> String {
        current_state().settings.borrow().clone()
    }

    /// Returns the name of the job.
    #[must_use]
    pub fn job() -> String {
        current_state().job.borrow().clone()
    }
}

/// The operator's log.
pub mod log {
    pub use crate::testing::state::Level;
    use crate::testing::state::{Line, current_state};

    /// Writes a line.
    pub fn write(level: Level, message: &str, attributes: &[(String, String)]) {
        let mut message = message.to_owned();
        for (key, value) in attributes {
            message.push_str(&format!(" {key}={value}"));
        }
        let line = Line { level, message };
        current_state().log.borrow_mut().push(line);
    }
}

/// How far the work is.
pub mod progress {
    use crate::testing::state::{ProgressReport, current_state};

    /// Reports how far the work is, and what is being done.
    pub fn report(done: u64, total: Option<u64>, label: &str) {
        let label = label.to_owned();
        let report = ProgressReport { done, total, label };
        current_state().progress.borrow_mut().push(report);
    }
}

/// The time: it begins in 2026 and moves by a millisecond whenever a plugin reads it.
pub mod clock {
    use crate::testing::state::current_state;

    const BEGIN_NS: i64 = 1_767_225_600_000_000_000;
    const STEP_NS: u64 = 1_000_000;

    /// Returns the time of day in nanoseconds since 1970.
    #[must_use]
    pub fn now_ns() -> i64 {
        BEGIN_NS + monotonic_ns() as i64
    }

    /// Returns nanoseconds that never run backwards.
    #[must_use]
    pub fn monotonic_ns() -> u64 {
        let state = current_state();
        let now = *state.time_ns.borrow() + STEP_NS;
        state.time_ns.replace(now);
        now
    }
}

/// Randomness: the same in every run of a test, and never the same twice within one.
pub mod random {
    use crate::testing::state::current_state;

    /// Returns random bytes.
    #[must_use]
    pub fn bytes(length: u32) -> Vec<u8> {
        let state = current_state();
        let draws = *state.draws.borrow();
        state.draws.replace(draws + 1);
        let mut bytes = vec![0; length as usize];
        let mut hasher = blake3::Hasher::new();
        hasher.update(&draws.to_le_bytes());
        hasher.finalize_xof().fill(&mut bytes);
        bytes
    }
}

/// Granted secrets.
pub mod secrets {
    use crate::testing::state::current_state;
    use crate::types::Failure;

    /// Returns the names of the granted secrets.
    #[must_use]
    pub fn names() -> Vec<String> {
        current_state().secrets.list_names()
    }

    /// Returns the content of a secret that the plugin may see.
    ///
    /// # Errors
    /// It is not granted, or may only be handed on.
    pub fn reveal(name: &str) -> Result<Vec<u8>, Failure> {
        current_state().secrets.reveal(name)
    }
}

/// Small durable values.
pub mod state {
    use crate::testing::state::current_state;
    use crate::types::{Failure, FailureKind};

    const VALUE_MAX: usize = 64 << 10;

    /// Returns a value.
    ///
    /// # Errors
    /// None here; a host may not be able to read it.
    pub fn get(key: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(current_state().values.borrow().get(key).cloned())
    }

    /// Sets a value of at most 64 KiB.
    ///
    /// # Errors
    /// The value is larger.
    pub fn set(key: &str, value: &[u8]) -> Result<(), Failure> {
        if value.len() > VALUE_MAX {
            let message = format!("value `{key}` has more than {VALUE_MAX} bytes");
            return Err(Failure::new(FailureKind::Limit, message));
        }
        let state = current_state();
        let mut values = state.values.borrow_mut();
        values.insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    /// Removes a value. A value that does not exist is no failure.
    ///
    /// # Errors
    /// None here.
    pub fn remove(key: &str) -> Result<(), Failure> {
        current_state().values.borrow_mut().remove(key);
        Ok(())
    }

    /// Returns the keys, sorted.
    ///
    /// # Errors
    /// None here.
    pub fn keys() -> Result<Vec<String>, Failure> {
        Ok(current_state().values.borrow().keys().cloned().collect())
    }
}

/// Granted directories.
pub mod trees {
    use crate::testing::rules::not_granted;
    use crate::testing::state::current_state;
    pub use crate::testing::trees::{
        Access, Node, NodeKind, OpenTree as Tree, TreePlace, WalkOptions,
    };
    use crate::types::Failure;

    /// Returns the trees that the job grants, under the names that the job gives them.
    #[must_use]
    pub fn granted() -> Vec<(String, Access)> {
        let state = current_state();
        let trees = state.trees.borrow();
        let named = trees.iter();
        named
            .map(|(name, granted)| (name.clone(), granted.access()))
            .collect()
    }

    /// Opens a granted tree by the name that the job gives it.
    ///
    /// # Errors
    /// It is not granted, or not for writing.
    pub fn open(name: &str, access: Access) -> Result<Tree, Failure> {
        let state = current_state();
        let trees = state.trees.borrow();
        let opened = trees
            .get(name)
            .and_then(|granted| granted.open_for(access, name));
        opened.ok_or_else(|| not_granted(&format!("tree `{name}`")))
    }
}

/// Granted commands.
pub mod process {
    use crate::testing::process::{Call, Start};
    pub use crate::testing::process::{Child, Command, EnvValue, ExitStatus};
    use crate::testing::rules::not_granted;
    use crate::testing::state::current_state;
    use crate::types::Failure;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    /// Starts a command.
    ///
    /// # Errors
    /// The command, or a secret of its environment, is not granted.
    pub fn spawn(command: &Command) -> Result<Child, Failure> {
        let state = current_state();
        let programs = state.programs.borrow();
        let Some(program) = programs.get(&command.program) else {
            return Err(not_granted(&format!("command `{}`", command.program)));
        };
        let mut environment = BTreeMap::new();
        for (name, value) in &command.environment {
            let text = match value {
                EnvValue::Plain(text) => text.clone(),
                EnvValue::Secret(secret) | EnvValue::SecretFile(secret) => {
                    let content = state.secrets.hand_on(secret)?;
                    String::from_utf8_lossy(&content).into_owned()
                }
            };
            environment.insert(name.clone(), text);
        }
        Ok(Child::launch(Start {
            call: Call {
                program: command.program.clone(),
                arguments: command.arguments.clone(),
                environment,
                stdin: Vec::new(),
            },
            program: Rc::clone(program),
            has_stdin: command.stdin,
            journal: Rc::clone(&state.calls),
        }))
    }
}

/// Granted endpoints.
pub mod net {
    pub use crate::testing::network::{Connection, Protection};
    use crate::testing::rules::not_granted;
    use crate::testing::state::current_state;
    use crate::types::Failure;
    use std::rc::Rc;

    /// Connects to a granted endpoint.
    ///
    /// # Errors
    /// It is not granted.
    pub fn connect(endpoint: &str, protection: Protection) -> Result<Connection, Failure> {
        let _ = protection;
        let state = current_state();
        let endpoints = state.endpoints.borrow();
        match endpoints.get(endpoint) {
            Some(found) => Ok(found.connect(Rc::clone(&state.secrets))),
            None => Err(not_granted(&format!("endpoint `{endpoint}`"))),
        }
    }
}

/// Granted origins.
pub mod http {
    pub use crate::testing::network::{HeaderValue, Request, Response};
    use crate::testing::rules::not_granted;
    use crate::testing::state::current_state;
    use crate::types::Failure;

    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    /// The origin, or a secret of a header, is not granted.
    pub fn send(request: &Request) -> Result<Response, Failure> {
        let state = current_state();
        let origins = state.origins.borrow();
        let granted = origins.iter().find(|(origin, _)| request.is_below(origin));
        let Some((_, answer)) = granted else {
            return Err(not_granted(&format!("the origin of `{}`", request.url)));
        };
        Ok(answer(&request.with_secrets_filled_in(&state.secrets)?).into())
    }
}
