//! What a call may use, and for which job it is made.

use crate::grant::Effective;
use crate::limits::CallLimits;
use crate::ports::{Listener, SecretPort, StatePort};
use holdfast_base::cancel::Cancel;
use std::sync::Arc;

/// What a call may use, and for which job it is made.
pub struct CallContext {
    /// The job.
    pub job: String,
    /// Its settings, checked and filled in.
    pub settings: serde_json::Value,
    /// What the plugin may do.
    pub effective: Effective,
    /// Resolves its secrets.
    pub secrets: Arc<dyn SecretPort>,
    /// Keeps its values.
    pub state: Arc<dyn StatePort>,
    /// Hears how far the work is.
    pub listener: Arc<dyn Listener>,
    /// Ends the call.
    pub cancel: Cancel,
    /// What the call may take.
    pub limits: CallLimits,
}
