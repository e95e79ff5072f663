//! What can be typed about object lock. The doc comments are the help texts.

use super::Keys;
use clap::Args;
use holdfast_jobs::retention::rules::Lifetime;

pub(super) const LOCK_HELP: &str = "\
What is locked can be removed by nobody before its time is over, whatever keys were stolen, and
not by `gc` either; in governance mode, only by whom the service lets end locks. A lock is made
longer and never shorter. The cost is shown first: what is locked stays, and is paid for, also
where its snapshot is forgotten. An audit key is enough; the credentials must be allowed to lock.
Runs lock by themselves where the store's table has `lock = \"30d\"`.

Examples:
  holdfast lock --dry-run                      what would it cost?
  holdfast lock --for 90d                      all snapshots that are not forgotten
  holdfast lock orders etc@3f9a --until 2030-12-31";

#[derive(Args)]
pub(crate) struct Lock {
    /// JOB (all its snapshots), JOB@ID or an id; all snapshots, where none is named
    #[arg(value_name = "SNAPSHOT")]
    pub(crate) snapshots: Vec<String>,
    /// Lock so long from now, such as 30d or 1y; without it, as long as the store's table says
    #[arg(long = "for", value_name = "TIME", value_parser = lifetime, conflicts_with = "until")]
    pub(crate) time: Option<Lifetime>,
    /// Lock until this day is over, or until a time such as 2030-12-31T12:00:00Z
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<String>,
    /// Only say what it costs, and lock nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) keys: Keys,
}

/// Reads a time such as `30d`.
fn lifetime(text: &str) -> Result<Lifetime, String> {
    Lifetime::new(text).map_err(|error| error.detail().to_owned())
}
