//! Settings, log, progress, clock, chance, secrets and state.

/// The job's settings.
pub mod config {
    use crate::testing::current;

    /// Returns the settings as a JSON object.
    #[must_use]
    pub fn settings() -> String {
        current().settings.borrow().clone()
    }

    /// Returns the name of the job.
    #[must_use]
    pub fn job() -> String {
        current().job.borrow().clone()
    }
}

/// Words for the operator's log.
pub mod log {
    use crate::testing::{Line, current};

    /// How much a line matters.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Level {
        /// For plugin authors.
        Debug,
        /// For the curious.
        Info,
        /// Somebody should look.
        Warn,
        /// Something failed.
        Error,
    }

    /// Writes a line.
    pub fn write(level: Level, message: &str, attributes: &[(String, String)]) {
        let mut message = message.to_owned();
        for (key, value) in attributes {
            message.push_str(&format!(" {key}={value}"));
        }
        current().log.borrow_mut().push(Line { level, message });
    }
}

/// How far the work is.
pub mod progress {
    use crate::testing::current;

    /// Says how far the work is, and what is being done.
    pub fn report(done: u64, total: Option<u64>, label: &str) {
        let report = (done, total, label.to_owned());
        current().progress.borrow_mut().push(report);
    }
}

/// The time: it begins in 2026 and moves by a millisecond whenever somebody looks.
pub mod clock {
    use crate::testing::current;

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
        let state = current();
        let now = *state.time_ns.borrow() + STEP_NS;
        state.time_ns.replace(now);
        now
    }
}

/// Chance: the same in every run of a test, and never the same twice in one.
pub mod random {
    use crate::testing::current;

    /// Returns random bytes.
    #[must_use]
    pub fn bytes(length: u32) -> Vec<u8> {
        let state = current();
        let drawn = *state.drawn.borrow();
        state.drawn.replace(drawn + 1);
        let mut bytes = vec![0; length as usize];
        let mut hasher = blake3::Hasher::new();
        hasher.update(&drawn.to_le_bytes());
        hasher.finalize_xof().fill(&mut bytes);
        bytes
    }
}

/// Granted secrets.
pub mod secrets {
    use crate::testing::{current, not_granted};
    use crate::types::{Failure, FailureKind};

    /// Returns the names of the granted secrets.
    #[must_use]
    pub fn names() -> Vec<String> {
        current().secrets.borrow().keys().cloned().collect()
    }

    /// Returns the content of a secret that the plugin may see.
    ///
    /// # Errors
    /// It is not granted, or may only be handed on.
    pub fn reveal(name: &str) -> Result<Vec<u8>, Failure> {
        match current().secrets.borrow().get(name) {
            Some((content, true)) => Ok(content.clone()),
            Some((_, false)) => {
                let message = format!("secret `{name}` may be handed on, and not be seen");
                Err(Failure::new(FailureKind::Denied, message))
            }
            None => Err(not_granted(&format!("secret `{name}`"))),
        }
    }
}

/// Small durable values.
pub mod state {
    use crate::testing::current;
    use crate::types::{Failure, FailureKind};

    const VALUE_MAX: usize = 64 << 10;

    /// Returns a value.
    ///
    /// # Errors
    /// None here; a host may not be able to read it.
    pub fn get(key: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(current().state.borrow().get(key).cloned())
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
        let state = current();
        state
            .state
            .borrow_mut()
            .insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    /// Removes a value; one that is not there is no failure.
    ///
    /// # Errors
    /// None here.
    pub fn remove(key: &str) -> Result<(), Failure> {
        current().state.borrow_mut().remove(key);
        Ok(())
    }

    /// Returns the keys, sorted.
    ///
    /// # Errors
    /// None here.
    pub fn keys() -> Result<Vec<String>, Failure> {
        Ok(current().state.borrow().keys().cloned().collect())
    }
}
