//! What this machine and this call are: the only place that looks around.

use crate::args::Global;
use crate::fail::Failure;
use directories::ProjectDirs;
use holdfast_base::cancel::{Cancel, Reason};
use holdfast_base::error::{Describe, Kind};
use holdfast_base::time::SystemClock;
use holdfast_jobs::Places;
use holdfast_jobs::config::Config;
use holdfast_jobs::context::Context;
use holdfast_jobs::plugins::Plugins;
use holdfast_jobs::secrets::Environment;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The environment variable that names the configuration.
const CONFIG_VARIABLE: &str = "HOLDFAST_CONFIG";
const SYSTEM_CONFIG: &str = "/etc/holdfast/holdfast.toml";

struct Process;

impl Environment for Process {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// Prepares the process: descriptors for deep trees, and the log.
pub(crate) fn prepare_process(global: &Global) {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, _) => "debug",
    };
    // `plugin` is what plugins say themselves.
    let filter = tracing_subscriber::EnvFilter::new(format!(
        "off,plugin={level},holdfast={level},holdfast_jobs={level},holdfast_repository={level},holdfast_sandbox={level},holdfast_process={level},holdfast_filetree={level}"
    ));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .without_time()
        .with_ansi(false)
        .init();
}

/// Finds the configuration: the flag, the variable, the user's directory, the system's.
fn find_config(global: &Global, user: Option<&ProjectDirs>) -> PathBuf {
    if let Some(path) = &global.config {
        return path.clone();
    }
    if let Some(path) = std::env::var_os(CONFIG_VARIABLE).filter(|path| !path.is_empty()) {
        return path.into();
    }
    match user.map(|user| user.config_dir().join("holdfast.toml")) {
        Some(path) if path.exists() => path,
        Some(path) if !Path::new(SYSTEM_CONFIG).exists() => path,
        _ => PathBuf::from(SYSTEM_CONFIG),
    }
}

/// Finds the files and directories of holdfast on this machine.
pub(crate) fn find_places(global: &Global) -> Places {
    let user = ProjectDirs::from("", "", "holdfast");
    let fallback = |name: &str| PathBuf::from("/var/lib/holdfast").join(name);
    let config = find_config(global, user.as_ref());
    let config = std::path::absolute(&config).unwrap_or(config);
    let state = user
        .as_ref()
        .and_then(|user| user.state_dir())
        .map(Path::to_owned);
    Places {
        config,
        cache: user
            .as_ref()
            .map_or_else(|| fallback("cache"), |user| user.cache_dir().to_owned()),
        state: state.unwrap_or_else(|| fallback("state")),
        plugins: user.as_ref().map_or_else(
            || fallback("plugins"),
            |user| user.data_dir().join("plugins"),
        ),
        program: std::env::current_exe().ok(),
        host: host_name(),
    }
}

fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// Opens what a command works with, and lets signals end it.
pub(crate) fn open_context(global: &Global) -> Result<Context, Failure> {
    let places = find_places(global);
    let config = Config::load(&places.config)?;
    let plugins = Plugins::open(&places, crate::advice::spell)?;
    let cancel = Cancel::new();
    listen_for_signals(&cancel)?;
    Ok(Context {
        config: Arc::new(config),
        places,
        plugins: Arc::new(plugins),
        environment: Arc::new(Process),
        clock: Arc::new(SystemClock),
        cancel,
    })
}

/// Whether a signal has come.
static SIGNALLED: AtomicBool = AtomicBool::new(false);

/// Blames a signal for an error that came after it: a plugin that is stopped, a pipe that closes and a thread that
/// gives up each call it something else.
pub(crate) fn blame_signals(error: Failure) -> Failure {
    if SIGNALLED.load(Ordering::SeqCst) && error.kind() != Kind::Usage {
        return Failure::Interrupted(Box::new(error));
    }
    error
}

/// Ends the work on the first SIGINT, SIGTERM or SIGHUP, and the process on the second.
fn listen_for_signals(cancel: &Cancel) -> Result<(), Failure> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]);
    let mut signals = signals.map_err(Failure::system("listen for signals"))?;
    let cancel = cancel.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if cancel.is_raised() {
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
            SIGNALLED.store(true, Ordering::SeqCst);
            cancel.raise(Reason::Interrupted);
        }
    });
    Ok(())
}
