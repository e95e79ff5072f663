//! What can be typed. The doc comments are the help texts.

mod keys;
mod lock;
mod thaw;

pub(crate) use keys::{Key, NewPassphrase, Rotate};
pub(crate) use lock::Lock;
pub(crate) use thaw::{Thaw, ThawTier};

use clap::{Args, Parser, Subcommand};
use holdfast_base::id::SnapshotId;
use holdfast_base::size::ByteSize;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What follows the list of commands: a promise to scripts, as in `exit.rs`.
const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed, nothing was committed
  2    wrong usage or configuration
  3    done with warnings: something was left out, and it is named
  4    verification found damage
  5    another run holds the job
  10   there is no repository
  11   a key is missing or wrong
  12   a permission or a grant is missing
  75   temporary failure, retry later
  130  interrupted";

const INIT_EXAMPLES: &str = "\
Examples:
  holdfast init --new-identity operator.key    make an identity; keep it off this machine
  holdfast init --recipient age1…              let somebody's identity open it
  holdfast init --passphrase                   let a passphrase open it";

const RUN_EXAMPLES: &str = "\
Examples:
  holdfast run --all                           for cron or a systemd timer
  holdfast run orders --tag pre-deployment     one job, now
  holdfast run orders --check                  would it work?";

const RESTORE_EXAMPLES: &str = "\
Nothing that stands in the target is replaced without --overwrite. A restore that was interrupted
goes on when it is run again: files that are there already are compared with the snapshot.

What lies in a cold class of a bucket has to be thawed first: without --wait the command ends with 75
meanwhile, and the same command goes on later.

Examples:
  holdfast restore etc --target /tmp/etc --identity operator.key
  holdfast restore etc@3f9a '*.conf' --target /tmp/etc --dry-run --identity operator.key
  holdfast restore orders --to-source --identity operator.key";

const COPY_EXAMPLES: &str = "\
What is there already is not copied again, and a copy that was interrupted goes on. Between stores of
one trust group (`init STORE --same-keys-as OTHER`) packs travel as they are, and write keys are enough.
Between others the content is read, which takes an identity or a read key of the first store, and
stored as a backup would be.

Examples:
  holdfast copy --from local --to offsite                     all snapshots
  holdfast copy etc orders@3f9a --from local --to offsite     those of a job, and a single one
  holdfast copy --from offsite --to local                     and back";

const GC_EXAMPLES: &str = "\
It needs no lock: backups may go on. Packs are named first and removed by a later gc, when two others
have begun, the grace time is over and every run that could rely on them has ended.

An audit key is enough. With an identity or a read key, packs of which little is needed are copied
into new ones, so that the rest of them can go too.

Examples:
  holdfast gc --dry-run                        what would go, to the byte
  holdfast gc                                  for cron or a systemd timer, once a day
  holdfast gc --identity operator.key          copy what is needed out of packs of which little is";

const FORGET_EXAMPLES: &str = "\
Nothing is forgotten of a job whose newest run failed, is missing, shrank, or came in a burst, until
you accept that. What is forgotten comes back with `holdfast undelete`, until collection removes it.

Examples:
  holdfast forget orders --dry-run             which rule keeps what?
  holdfast forget --all                        for cron, where runs cannot do it
  holdfast forget orders --accept shrunk       it is smaller now, and that is right
  holdfast forget orders@3f9a                  this one";

const FIND_EXAMPLES: &str = "\
Examples:
  holdfast find nginx.conf --identity operator.key
  holdfast find '/etc/**/*.conf' --job etc --identity operator.key";

const CHECK_EXAMPLES: &str = "\
A repair deletes nothing that is damaged: it is moved to quarantine/ in the store. Without an
identity or a read key, the content of damaged packs stays as it is.

Examples:
  holdfast check --data --identity operator.key
  holdfast check --data --repair --dry-run --identity operator.key
  holdfast check --data --repair --from offsite --identity operator.key";

const PLUGIN_EXAMPLES: &str = "\
Without --yes it shows what the plugin asks for, and asks for your yes. A file that changed, or
that asks for more, needs a new one.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  holdfast completions bash > /etc/bash_completion.d/holdfast
  holdfast completions zsh > /usr/local/share/zsh/site-functions/_holdfast
  holdfast completions fish > ~/.config/fish/completions/holdfast.fish";

/// The heading of what every command takes.
const GENERAL: &str = "General options";
/// The heading of what opens a repository.
const KEYS: &str = "Keys";

/// Back up databases, volumes and files, and get them back
#[derive(Parser)]
#[command(
    name = "holdfast",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = EXIT_CODES
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
    /// Use this configuration, instead of the one that is found
    #[arg(long, global = true, value_name = "FILE", help_heading = GENERAL)]
    pub(crate) config: Option<PathBuf>,
    /// Answer in JSON, errors too
    #[arg(long, global = true, help_heading = GENERAL)]
    pub(crate) json: bool,
    /// Say only what was asked for, and what went wrong
    #[arg(long, short, global = true, help_heading = GENERAL)]
    pub(crate) quiet: bool,
    /// Say more of what is done; twice for everything
    #[arg(long, short, global = true, action = clap::ArgAction::Count, help_heading = GENERAL)]
    pub(crate) verbose: u8,
}

/// Who an operator is.
#[derive(Args, Clone, Default)]
pub(crate) struct Operator {
    /// Open it with an operator's identity: that reads everything, and needs no key file
    #[arg(long, value_name = "FILE", help_heading = KEYS)]
    pub(crate) identity: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
}

/// The operators' passphrase, and where it comes from.
#[derive(Args, Clone, Default)]
pub(crate) struct Passphrase {
    /// Open it with the operators' passphrase, which is asked for on the terminal
    #[arg(id = "passphrase", long, conflicts_with = "passphrase-from", help_heading = KEYS)]
    pub(crate) ask: bool,
    /// Take that passphrase from env:NAME, file:PATH, credential:NAME or command:LINE
    #[arg(id = "passphrase-from", long, value_name = "REFERENCE", help_heading = KEYS)]
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
    /// Open it with this key file, instead of the store's own
    #[arg(long, value_name = "FILE", help_heading = KEYS)]
    pub(crate) key: Option<PathBuf>,
}

/// With what a repository is opened.
#[derive(Args, Clone, Default)]
pub(crate) struct Keys {
    #[command(flatten)]
    pub(crate) unlock: Unlock,
    /// Look into this store; needed where there are several and no job tells which
    #[arg(long, value_name = "NAME")]
    pub(crate) store: Option<String>,
}

impl Keys {
    /// Puts together a store and what opens it.
    pub(crate) fn for_store(store: Option<&String>, unlock: &Unlock) -> Self {
        Self {
            unlock: unlock.clone(),
            store: store.cloned(),
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a repository and its write key
    #[command(after_help = INIT_EXAMPLES)]
    Init(Init),
    /// Run jobs: back up what they name
    #[command(after_help = RUN_EXAMPLES)]
    Run(Run),
    /// List snapshots
    List {
        /// Only snapshots of this job
        job: Option<String>,
        /// List what is forgotten, why, and until when it can be brought back at the least
        #[arg(long)]
        forgotten: bool,
        #[command(flatten)]
        keys: Keys,
    },
    /// Forget snapshots that no rule of their job keeps, or that are named
    #[command(after_help = FORGET_EXAMPLES)]
    Forget(Forget),
    /// Bring a forgotten snapshot back, before collection removes it
    Undelete {
        /// JOB@ID or an id, of a snapshot that is forgotten
        snapshot: String,
        #[command(flatten)]
        keys: Keys,
    },
    /// Lock what snapshots reach in a bucket with object lock, or lock it longer
    #[command(after_help = lock::LOCK_HELP)]
    Lock(Lock),
    /// Hold a snapshot: no rule and no collection removes it
    Hold(Hold),
    /// End the hold on a snapshot
    Release {
        /// JOB@ID or an id
        snapshot: String,
        #[command(flatten)]
        keys: Keys,
    },
    /// Show everything about a snapshot
    Show {
        /// JOB (its newest snapshot), JOB@ID, an id, or `latest`
        snapshot: String,
        #[command(flatten)]
        keys: Keys,
    },
    /// List the entries of a snapshot
    Ls {
        /// JOB (its newest snapshot), JOB@ID, an id, or `latest`
        snapshot: String,
        /// Only these paths, with what lies below them, or patterns such as '*.conf'
        #[arg(value_name = "PATH")]
        paths: Vec<OsString>,
        #[command(flatten)]
        keys: Keys,
    },
    /// Write the content of an entry to standard output
    Cat {
        /// JOB (its newest snapshot), JOB@ID, an id, or `latest`
        snapshot: String,
        /// The path of the entry
        path: OsString,
        #[command(flatten)]
        keys: Keys,
    },
    /// Find entries by name, path or pattern in all snapshots
    #[command(after_help = FIND_EXAMPLES)]
    Find {
        /// A name, a path with its slashes, or a pattern such as '*.conf'
        pattern: OsString,
        /// Only in snapshots of this job
        #[arg(long)]
        job: Option<String>,
        #[command(flatten)]
        keys: Keys,
    },
    /// Show what differs between two snapshots
    Diff {
        /// The older snapshot: JOB@ID, or an id
        from: String,
        /// The newer snapshot: JOB for its newest, JOB@ID, or an id
        to: String,
        #[command(flatten)]
        keys: Keys,
    },
    /// Restore a snapshot or part of it
    #[command(after_help = RESTORE_EXAMPLES)]
    Restore(Restore),
    /// Let verifier plugins judge a snapshot's content
    Verify {
        /// JOB (its newest snapshot), JOB@ID, an id, or `latest`
        snapshot: String,
        /// Ask this verifier, instead of those that the job names; may be repeated
        #[arg(long, value_name = "PLUGIN")]
        with: Vec<String>,
        #[command(flatten)]
        keys: Keys,
    },
    /// Check a repository: its structure, and with --data all that it holds; and repair it
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Copy snapshots from one store to another
    #[command(after_help = COPY_EXAMPLES)]
    Copy(Copy),
    /// Collect what nobody needs: forgotten snapshots, and packs that no snapshot needs
    #[command(after_help = GC_EXAMPLES)]
    Gc(Gc),
    /// Install, show and remove plugins
    #[command(subcommand)]
    Plugin(Plugin),
    /// Ask every plugin, store and job whether it would work now
    Doctor,
    /// Check the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Export and recover keys, and say who can open a repository
    #[command(subcommand)]
    Key(Key),
    /// Begin a new epoch: what is stored from now on is sealed to a new key
    #[command(after_help = keys::ROTATE_HELP)]
    Rotate(Rotate),
    /// Show which jobs ran on this machine, when, and how they ended
    History {
        /// Only runs of this job
        job: Option<String>,
        /// How many of the newest are shown
        #[arg(long, value_name = "COUNT", default_value_t = 20)]
        last: usize,
    },
    /// Print a script that completes holdfast's commands in a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args)]
pub(crate) struct Init {
    /// The store; the only one, where none is named
    pub(crate) store: Option<String>,
    /// Let this recipient's identity open it after a disaster (age1…); may be repeated
    #[arg(long, value_name = "RECIPIENT")]
    pub(crate) recipient: Vec<String>,
    /// Make an operator's identity that opens it, and write that to this new file
    #[arg(long, value_name = "FILE")]
    pub(crate) new_identity: Option<PathBuf>,
    /// Let it share the keys of this store's repository, so that packs travel between the two as they are
    #[arg(long, value_name = "STORE", requires = "identity")]
    pub(crate) same_keys_as: Option<String>,
    /// Open that repository with this operator's identity
    #[arg(long, value_name = "FILE", requires = "same_keys_as")]
    pub(crate) identity: Vec<PathBuf>,
    /// Let a passphrase open it; it is asked for twice on the terminal
    #[arg(id = "passphrase", long, conflicts_with = "passphrase-from")]
    pub(crate) ask: bool,
    /// The same, and take it from env:NAME, file:PATH, credential:NAME or command:LINE
    #[arg(id = "passphrase-from", long, value_name = "REFERENCE")]
    pub(crate) from: Option<String>,
}

#[derive(Args)]
pub(crate) struct Run {
    /// The jobs, one after another
    #[arg(value_name = "JOB", required_unless_present = "all")]
    pub(crate) jobs: Vec<String>,
    /// Run all jobs of the configuration; one that fails stops no other
    #[arg(long, conflicts_with = "jobs")]
    pub(crate) all: bool,
    /// Tag the snapshots; may be repeated
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    /// Only ask whether it would work now, and back up nothing
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Args)]
pub(crate) struct Copy {
    /// JOB (all its snapshots), JOB@ID or an id; all snapshots, where none is named
    #[arg(value_name = "SNAPSHOT")]
    pub(crate) snapshots: Vec<String>,
    /// The store that they are in
    #[arg(long, value_name = "STORE")]
    pub(crate) from: String,
    /// The store that they come to
    #[arg(long, value_name = "STORE")]
    pub(crate) to: String,
    /// Only say which would be copied
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) unlock: Unlock,
}

#[derive(Args)]
pub(crate) struct Gc {
    /// The store; the only one, where none is named
    pub(crate) store: Option<String>,
    /// Only say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How long packs (24h) and forgotten snapshots (7d) stay instead, such as 0s, 12h or 30d; none of
    /// it can be brought back afterwards
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) grace: Option<Duration>,
    /// Copy packs until no more than so much of all content lies unneeded in them, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) max_unused: u8,
    /// Copy no more than so much, such as 10GiB
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_repack: Option<ByteSize>,
    /// End this session, which can then no longer commit; may be repeated
    #[arg(long, value_name = "SESSION")]
    pub(crate) expire: Vec<SnapshotId>,
    #[command(flatten)]
    pub(crate) unlock: Unlock,
}

#[derive(Args)]
pub(crate) struct Check {
    /// The store; the only one, where none is named
    pub(crate) store: Option<String>,
    /// Read and check all data too; with an identity or a read key, what is sealed as well
    #[arg(long)]
    pub(crate) data: bool,
    /// Mend what is damaged, as far as something is left of it; what cannot be mended is set aside
    #[arg(long)]
    pub(crate) repair: bool,
    /// Take what is lost from this store: a mirror, or a repository that was made with the same keys
    #[arg(long, value_name = "STORE", requires = "repair")]
    pub(crate) from: Option<String>,
    /// Open that store with this key file, instead of its own
    #[arg(long, value_name = "FILE", requires = "from", help_heading = KEYS)]
    pub(crate) from_key: Option<PathBuf>,
    /// Only say what a repair would do
    #[arg(long, requires = "repair")]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) unlock: Unlock,
}

/// Reads a time such as `24h`.
fn time(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err("write a number and a unit: s, m, h, d or w, such as 24h".into()),
    };
    let number: u64 = number.parse().map_err(|_| "there is no such number")?;
    let seconds = number
        .checked_mul(seconds)
        .filter(|s| *s <= 100 * 366 * 86_400);
    Ok(Duration::from_secs(seconds.ok_or("that is too long")?))
}

#[derive(Args)]
pub(crate) struct Forget {
    /// Jobs whose rules decide, or single snapshots: JOB@ID, or an id
    #[arg(value_name = "JOB|SNAPSHOT", required_unless_present = "all")]
    pub(crate) what: Vec<String>,
    /// All jobs that say what is kept
    #[arg(long, conflicts_with = "what")]
    pub(crate) all: bool,
    /// Only show what would be forgotten, and what keeps the rest
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Forget only snapshots with this tag; may be repeated
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    /// Look at the snapshots of this host, instead of this machine's; may be repeated
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Vec<String>,
    /// Look at the snapshots of all hosts
    #[arg(long, conflicts_with = "host")]
    pub(crate) all_hosts: bool,
    /// Say yes to what keeps a job from forgetting; `times`: what is in the store was moved there
    #[arg(
        long,
        value_name = "WHAT",
        value_parser = ["failed", "missing", "shrunk", "burst", "times"]
    )]
    pub(crate) accept: Vec<String>,
    #[command(flatten)]
    pub(crate) keys: Keys,
}

#[derive(Args)]
pub(crate) struct Hold {
    /// JOB (its newest snapshot), JOB@ID, an id, or `latest`
    pub(crate) snapshot: String,
    /// Why it is held
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Let the hold end by itself after this day, or at a time such as 2030-12-31T12:00:00Z
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<String>,
    #[command(flatten)]
    pub(crate) keys: Keys,
}

#[derive(Args)]
pub(crate) struct Restore {
    /// JOB (its newest snapshot), JOB@ID, an id, or `latest`
    pub(crate) snapshot: String,
    /// Only these paths, with what lies below them, or patterns such as '*.conf'
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<OsString>,
    /// Write files below this directory, which need not be there yet
    #[arg(long, value_name = "DIR", required_unless_present = "to_source")]
    pub(crate) target: Option<PathBuf>,
    /// Let the job's source bring it back to where it came from: into the database, in place
    #[arg(long, conflicts_with = "target")]
    pub(crate) to_source: bool,
    /// Do not save what is there before the source replaces it
    #[arg(long, requires = "to_source")]
    pub(crate) no_safety_backup: bool,
    /// Replace what stands in the way
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Leave a file of the right size and time alone without comparing its content
    #[arg(long, conflicts_with = "to_source")]
    pub(crate) trust_times: bool,
    /// Only say how much would be restored
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) thaw: Thaw,
    #[command(flatten)]
    pub(crate) keys: Keys,
}

#[derive(Subcommand)]
pub(crate) enum Plugin {
    /// Install a plugin and grant it what it asks for
    #[command(after_help = PLUGIN_EXAMPLES)]
    Install {
        /// The plugin's file: a WebAssembly component with its manifest
        file: PathBuf,
        /// Grant what it asks for without being asked
        #[arg(long, short)]
        yes: bool,
        /// Let it run only this program, of those that jobs name; may be repeated
        #[arg(long, value_name = "PROGRAM")]
        allow_command: Vec<String>,
    },
    /// Grant an installed plugin what it asks for, in place of what it was granted before
    Grant {
        /// Its name
        name: String,
        /// Say yes to what it asks for
        #[arg(long, short)]
        yes: bool,
        /// Let it run only these programs
        #[arg(long, value_name = "PROGRAM")]
        allow_command: Vec<String>,
    },
    /// List what is installed, with the first digits of each file's SHA-256
    List,
    /// Show what a plugin is, which settings it has, and what it asks for
    Show {
        /// An installed plugin, or a file
        plugin: String,
    },
    /// Remove a plugin and what it was granted
    Remove {
        /// The plugin's name
        name: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration, and the jobs' settings against their plugins
    Check,
}
