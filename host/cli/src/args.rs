//! What can be typed. The doc comments are the help texts.

use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// Back up databases, volumes and files, and get them back
#[derive(Parser)]
#[command(
    name = "holdfast",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Clone)]
pub(crate) struct Global {
    /// The configuration, instead of the usual one
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say only what went wrong
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Say more; twice for everything
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Who an operator is.
#[derive(Args, Clone, Default)]
pub(crate) struct Operator {
    /// An operator's identity, which opens everything without a key file
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
}

/// The operators' passphrase, and where it comes from.
#[derive(Args, Clone, Default)]
pub(crate) struct Passphrase {
    /// Ask on the terminal for the operators' passphrase
    #[arg(id = "passphrase", long, conflicts_with = "passphrase-from")]
    pub(crate) ask: bool,
    /// Take the operators' passphrase from env:NAME, file:PATH, credential:NAME or command:LINE
    #[arg(id = "passphrase-from", long, value_name = "REFERENCE")]
    pub(crate) from: Option<String>,
}

impl Passphrase {
    /// Returns whether there is one.
    pub(crate) fn is_given(&self) -> bool {
        self.ask || self.from.is_some()
    }
}

/// What opens a repository.
#[derive(Args, Clone, Default)]
pub(crate) struct Unlock {
    #[command(flatten)]
    pub(crate) operator: Operator,
    /// A key file, instead of the store's own
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

/// With what a repository is opened.
#[derive(Args, Clone, Default)]
pub(crate) struct Keys {
    #[command(flatten)]
    pub(crate) unlock: Unlock,
    /// The store, where the configuration has several
    #[arg(long, value_name = "NAME")]
    pub(crate) store: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a repository and its write key
    Init(Init),
    /// Run jobs
    Run(Run),
    /// List snapshots
    List {
        /// Only snapshots of this job
        job: Option<String>,
        #[command(flatten)]
        keys: Keys,
    },
    /// Show everything about a snapshot
    Show {
        /// JOB, JOB@ID, an id, or `latest`
        snapshot: String,
        #[command(flatten)]
        keys: Keys,
    },
    /// List the entries of a snapshot
    Ls {
        /// JOB, JOB@ID, an id, or `latest`
        snapshot: String,
        /// Only these paths or patterns
        paths: Vec<OsString>,
        #[command(flatten)]
        keys: Keys,
    },
    /// Write the content of an entry to standard output
    Cat {
        /// JOB, JOB@ID, an id, or `latest`
        snapshot: String,
        /// The entry
        path: OsString,
        #[command(flatten)]
        keys: Keys,
    },
    /// Find entries by pattern in all snapshots
    Find {
        /// A path or pattern
        pattern: OsString,
        /// Only snapshots of this job
        #[arg(long)]
        job: Option<String>,
        #[command(flatten)]
        keys: Keys,
    },
    /// Show what differs between two snapshots
    Diff {
        /// The older one
        from: String,
        /// The newer one
        to: String,
        #[command(flatten)]
        keys: Keys,
    },
    /// Restore a snapshot or part of it
    Restore(Restore),
    /// Let verifier plugins judge a snapshot's content
    Verify {
        /// JOB, JOB@ID, an id, or `latest`
        snapshot: String,
        /// These verifiers, instead of those that the job names
        #[arg(long, value_name = "PLUGIN")]
        with: Vec<String>,
        #[command(flatten)]
        keys: Keys,
    },
    /// Check a repository's structure, and its data
    Check {
        /// The store; the only one, where none is named
        store: Option<String>,
        /// Read and check all data too
        #[arg(long)]
        data: bool,
        #[command(flatten)]
        unlock: Unlock,
    },
    /// Install, show and remove plugins
    #[command(subcommand)]
    Plugin(Plugin),
    /// Ask everything that a run needs whether it would work now
    Doctor,
    /// Check the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Export and recover keys
    #[command(subcommand)]
    Key(Key),
    /// Show what ran, when, and how it ended
    History {
        /// Only runs of this job
        job: Option<String>,
        /// How many of the newest
        #[arg(long, default_value_t = 20)]
        last: usize,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args)]
pub(crate) struct Init {
    /// The store; the only one, where none is named
    pub(crate) store: Option<String>,
    /// Who can open the repository after a disaster, in the encryptor's notation
    #[arg(long, value_name = "RECIPIENT")]
    pub(crate) recipient: Vec<String>,
    /// Make an operator's identity and write it to this new file
    #[arg(long, value_name = "FILE")]
    pub(crate) new_identity: Option<PathBuf>,
    /// Let a passphrase open the repository, and ask for it twice; nobody else can then
    #[arg(
        id = "passphrase",
        long,
        conflicts_with_all = ["passphrase-from", "recipient", "new_identity"]
    )]
    pub(crate) ask: bool,
    /// The same, from env:NAME, file:PATH, credential:NAME or command:LINE
    #[arg(
        id = "passphrase-from",
        long,
        value_name = "REFERENCE",
        conflicts_with_all = ["recipient", "new_identity"]
    )]
    pub(crate) from: Option<String>,
}

#[derive(Args)]
pub(crate) struct Run {
    /// The jobs
    #[arg(required_unless_present = "all")]
    pub(crate) jobs: Vec<String>,
    /// All jobs of the configuration
    #[arg(long, conflicts_with = "jobs")]
    pub(crate) all: bool,
    /// Tag the snapshot
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    /// Only ask whether it would work now
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Args)]
pub(crate) struct Restore {
    /// JOB, JOB@ID, an id, or `latest`
    pub(crate) snapshot: String,
    /// Only these paths or patterns
    pub(crate) paths: Vec<OsString>,
    /// Write files below this directory
    #[arg(long, value_name = "DIR", required_unless_present = "to_source")]
    pub(crate) target: Option<PathBuf>,
    /// Let the job's source bring it back to where it came from
    #[arg(long, conflicts_with = "target")]
    pub(crate) to_source: bool,
    /// Replace what stands in the way
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Only say what would be restored
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) keys: Keys,
}

#[derive(Subcommand)]
pub(crate) enum Plugin {
    /// Install a plugin and grant it what it asks for
    Install {
        /// The plugin's file
        file: PathBuf,
        /// Say yes to what it asks for
        #[arg(long, short)]
        yes: bool,
        /// Let it run only these programs
        #[arg(long, value_name = "PROGRAM")]
        allow_command: Vec<String>,
    },
    /// List what is installed
    List,
    /// Show what a plugin is, can be set, and asks for
    Show {
        /// An installed plugin, or a file
        plugin: String,
    },
    /// Remove a plugin
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration, and the jobs' settings against their plugins
    Check,
}

#[derive(Subcommand)]
pub(crate) enum Key {
    /// Export a key of a role to a new file
    Export {
        /// The role: audit, write or read
        #[arg(value_parser = ["audit", "write", "read"])]
        role: String,
        /// The new file
        file: PathBuf,
        #[command(flatten)]
        keys: Keys,
    },
    /// Make a store's write key again from an operator's identity
    Recover {
        /// The store; the only one, where none is named
        store: Option<String>,
        #[command(flatten)]
        operator: Operator,
    },
}
