//! What can be typed about packs that lie in a cold storage class.

use clap::{Args, ValueEnum};
use std::time::Duration;

/// The heading of what is about cold storage classes.
const COLD: &str = "Cold storage classes";

/// What is done with packs that have to be thawed first.
#[derive(Args, Clone)]
pub(crate) struct Thaw {
    /// Ask the service to thaw exactly what this restore needs; the service charges for it
    #[arg(long, help_heading = COLD)]
    pub(crate) thaw: bool,
    /// Wait until it is thawed, and restore then
    #[arg(long, requires = "thaw", help_heading = COLD)]
    pub(crate) wait: bool,
    /// Look this often whether it is, such as 10m; otherwise after one minute, and then ever less often
    #[arg(long, value_name = "TIME", requires = "wait", value_parser = super::time, help_heading = COLD)]
    pub(crate) poll: Option<Duration>,
    /// How many days it can be read then
    #[arg(
        long,
        value_name = "DAYS",
        requires = "thaw",
        default_value_t = 7,
        value_parser = clap::value_parser!(u16).range(1..=365),
        help_heading = COLD
    )]
    pub(crate) thaw_days: u16,
    /// How fast, and so for how much: within two days, within half a day, or within minutes where the class
    /// can do that
    #[arg(
        long,
        value_name = "TIER",
        requires = "thaw",
        value_enum,
        default_value_t = ThawTier::Standard,
        help_heading = COLD
    )]
    pub(crate) thaw_tier: ThawTier,
}

/// How fast a service thaws.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ThawTier {
    Bulk,
    Standard,
    Expedited,
}
