//! What every command works with. Whoever builds it chooses the clock: nothing in this crate asks the system.

use crate::config::Config;
use crate::places::Places;
use crate::plugins::Plugins;
use crate::secrets::Environment;
use holdfast_base::cancel::Cancel;
use holdfast_base::time::Clock;
use std::sync::Arc;

/// Everything that a command works with.
#[derive(Clone)]
pub struct Context {
    /// The configuration.
    pub config: Arc<Config>,
    /// The directories and files of this machine.
    pub places: Places,
    /// Installed plugins.
    pub plugins: Arc<Plugins>,
    /// Resolves what secrets refer to.
    pub environment: Arc<dyn Environment>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Ends whatever is going on.
    pub cancel: Cancel,
}
