//! Runs a component against what a host expects of its kind.
//!
//! - Every case is a sentence about behaviour. A plugin that breaks, loops or hoards fails this case only.
//! - A refusal must come from the plugin itself, in words: a trap is not one.
//! - The component is granted what its manifest asks for and the given settings name, and nothing else.

mod encryptor;
mod notifier;
mod ports;
mod source;
mod verifier;

use crate::failure::Json;
use crate::{Failure, Trying};
use holdfast_base::advice::Advice;
use holdfast_base::error::join_causes;
use holdfast_sandbox::cache::Compiler;
use holdfast_sandbox::component::{Inspection, inspect, read};
use holdfast_sandbox::grant::{Effective, Grant, effective};
use holdfast_sandbox::limits::CallLimits;
use holdfast_sandbox::manifest::{Manifest, PluginKind};
use holdfast_sandbox::{CallContext, CallError, Plugin, Sandbox, SandboxConfig};
use ports::{NullListener, Secrets, Values};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The command line of `cargo holdfast test`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The component
    file: PathBuf,
    /// A job's settings, as a JSON file; secrets are `{ "secret": "env:NAME" }`
    #[arg(long)]
    settings: Option<PathBuf>,
    /// Also restore what was backed up: it is written to where the settings say
    #[arg(long)]
    restore: bool,
    /// A directory of files that a verifier must find sound, and unsound when they are cut in half
    #[arg(long)]
    sample: Option<PathBuf>,
    /// How long one call of the plugin may take
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    call_seconds: u64,
}

/// Settings of a job.
type Given = Map<String, Value>;

/// Why a case failed.
pub(crate) type Case = Result<(), String>;

/// A component under test.
pub(crate) struct Bench {
    sandbox: Sandbox,
    bytes: Vec<u8>,
    inspection: Inspection,
    given: Given,
    settings: Given,
    restore: bool,
    sample: Option<PathBuf>,
    call_time: Duration,
    failed: u32,
    passed: u32,
}

pub(crate) fn test_component(arguments: &Arguments) -> Result<(), Failure> {
    let mut bench = Bench::new(arguments)?;
    for kind in bench.inspection.kinds.clone() {
        match kind {
            PluginKind::Source => source::test_source(&mut bench)?,
            PluginKind::Encryptor => encryptor::test_encryptor(&mut bench)?,
            PluginKind::Verifier => verifier::test_verifier(&mut bench)?,
            PluginKind::Notifier => notifier::test_notifier(&mut bench)?,
        }
    }
    bench.conclude()
}

/// Names what an operator could do. An author has no operator's commands, so the name of the step is enough.
fn spell_for_author(advice: &Advice) -> String {
    match advice {
        Advice::Words(words) => words.clone(),
        Advice::Snapshot(step) => format!("{step:?}"),
        Advice::Key(step) => format!("{step:?}"),
        Advice::Plugin(step) => format!("{step:?}"),
        Advice::Access(step) => format!("{step:?}"),
        Advice::Job(step) => format!("{step:?}"),
    }
}

/// Reads a job's settings, and fills in what they leave out.
fn read_settings(file: Option<&Path>, manifest: &Manifest) -> Result<(Given, Given), Failure> {
    let file = file.map(Json::read_file).transpose()?;
    let given: Given = match &file {
        Some(json) => json.parse_as()?,
        None => Map::new(),
    };
    let settings = manifest.settings(&given).map_err(|error| {
        let hint = error.suggestion.clone();
        let hint = hint.unwrap_or_else(|| "Give settings with: --settings FILE".to_owned());
        let words = format!("{error}\nhint: {hint}");
        match &file {
            Some(json) => json.wrong_at(&error.setting, &words),
            None => Failure::Usage(words),
        }
    })?;
    Ok((given, settings))
}

impl Bench {
    fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let wrong = |error| Failure::component(&arguments.file, &error);
        let bytes = read(&arguments.file).map_err(wrong)?;
        let inspection = inspect(&bytes).map_err(wrong)?;
        let (given, settings) = read_settings(arguments.settings.as_deref(), &inspection.manifest)?;
        let config = SandboxConfig {
            cache: None,
            compiler: Compiler::Here,
            spell: spell_for_author,
        };
        Ok(Self {
            sandbox: Sandbox::new(config).trying("set up the engine")?,
            bytes,
            inspection,
            given,
            settings,
            restore: arguments.restore,
            sample: arguments.sample.clone(),
            call_time: Duration::from_secs(arguments.call_seconds),
            failed: 0,
            passed: 0,
        })
    }

    /// Loads the component.
    pub(crate) fn load_plugin(&self) -> Result<Plugin, Failure> {
        let name = &self.inspection.manifest.name;
        let plugin = self
            .sandbox
            .load(name, &self.bytes, &self.inspection.sha256);
        plugin.map_err(|error| Failure::Failed(join_causes(&error)))
    }

    /// Makes the context of a call: it grants all that the manifest asks for and the settings name.
    pub(crate) fn context(&self) -> CallContext {
        let manifest = &self.inspection.manifest;
        let grant = Grant {
            capabilities: manifest.capabilities.clone(),
            ..Grant::default()
        };
        CallContext {
            job: "conformance".into(),
            settings: Value::Object(self.settings.clone()),
            effective: effective(manifest, &grant, &self.settings),
            secrets: Arc::new(Secrets(self.given.clone())),
            state: Arc::new(Values::default()),
            listener: Arc::new(NullListener),
            cancel: Default::default(),
            limits: CallLimits {
                deadline: Some(self.call_time),
                ..CallLimits::default()
            },
        }
    }

    /// Makes the context of a call that may do nothing.
    pub(crate) fn denied(&self) -> CallContext {
        CallContext {
            effective: Effective::default(),
            ..self.context()
        }
    }

    /// Tries one case and prints its result.
    #[expect(clippy::print_stdout, reason = "a program says what it found")]
    pub(crate) fn try_case(&mut self, name: &str, case: impl FnOnce() -> Case) {
        match case() {
            Ok(()) => {
                self.passed += 1;
                println!("  ok      {name}");
            }
            Err(why) => {
                self.failed += 1;
                println!("  FAILED  {name}: {why}");
            }
        }
    }

    /// Prints that a case was not tried, and the flag that it needs.
    #[expect(clippy::print_stdout, reason = "a program says what it did not do")]
    pub(crate) fn report_untried(&self, name: &str, how: &str) {
        println!("  not tried  {name} (say {how})");
    }

    #[expect(clippy::print_stdout, reason = "a program says what it found")]
    fn conclude(&self) -> Result<(), Failure> {
        let name = &self.inspection.manifest.name;
        if self.failed > 0 {
            let all = self.failed + self.passed;
            return Err(Failure::Failed(format!(
                "`{name}` failed {} of {all} cases",
                self.failed
            )));
        }
        println!("`{name}` passed all {} cases", self.passed);
        Ok(())
    }
}

/// Turns a failed call into the reason why its case fails.
pub(crate) fn demand_success<T>(result: Result<T, CallError>) -> Result<T, String> {
    result.map_err(|error| join_causes(&error))
}

/// Demands that the plugin itself refused, in words.
pub(crate) fn demand_refusal<T>(what: &str, result: Result<T, CallError>) -> Case {
    match result {
        Err(CallError::Failed { .. }) => Ok(()),
        Err(error) => Err(format!("{what}: {}", join_causes(&error))),
        Ok(_) => Err(format!("{what}: it succeeded")),
    }
}

/// Demands that the plugin itself succeeded or refused: a trap or a timeout fails the case.
pub(crate) fn demand_ending<T>(what: &str, result: Result<T, CallError>) -> Case {
    match result {
        Ok(_) | Err(CallError::Failed { .. }) => Ok(()),
        Err(error) => Err(format!("{what}: {}", join_causes(&error))),
    }
}
