//! What a repository needs from outside: nothing in this crate asks the system for it.

use crate::ground::seal::Sealer;
use holdfast_base::time::Clock;
use holdfast_store::Store;
use std::path::PathBuf;
use std::sync::Arc;

/// What a repository needs from outside.
#[derive(Clone)]
pub struct Setup {
    /// Where its objects lie.
    pub store: Arc<dyn Store>,
    /// Who seals and opens them.
    pub sealer: Arc<dyn Sealer>,
    /// A private directory for what can be made again; without one, more is read.
    pub cache: Option<PathBuf>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}
