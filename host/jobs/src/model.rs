//! Plain data of the floors below that answers of this crate are made of, for whoever shows them.
//!
//! Only values: nothing here opens, reads or changes a repository, or calls a plugin.

pub use holdfast_repository::RepositoryError;
pub use holdfast_repository::check::{Depth, Loss, Report as CheckReport};
pub use holdfast_repository::collect::{
    Amount, CollectProgress, Options as CollectOptions, Report as CollectReport,
};
pub use holdfast_repository::copy::Copied;
pub use holdfast_repository::forget::Held;
pub use holdfast_repository::format::announcement::{Announcement, Operator};
pub use holdfast_repository::format::item::Item;
pub use holdfast_repository::format::root::Root;
pub use holdfast_repository::format::signed::Author;
pub use holdfast_repository::keys::Role;
pub use holdfast_repository::object_lock::Locked;
pub use holdfast_repository::operators::Change;
pub use holdfast_repository::repair::{Deed, Repaired, What as RepairStep};
pub use holdfast_repository::seal::Secret;
pub use holdfast_repository::thaw::Frozen;
pub use holdfast_repository::write::Gauge;
pub use holdfast_sandbox::Inspection;
pub use holdfast_sandbox::grant::Grant;
pub use holdfast_sandbox::plugin::{Finding, Severity};
pub use holdfast_store::cold::{Thawing, Tier as ThawTier};
