//! A store that does one thing otherwise than others do.

use holdfast_store::{Listed, Store, StoreError};
use holdfast_testkit::hooked::{Answer, Call, Hook, HookedStore, Run};
use std::io::ErrorKind;
use std::sync::Arc;

type Lists = Box<dyn Fn(Vec<Listed>) -> Vec<Listed> + Send + Sync>;

/// A store that is bent in one way.
pub(crate) enum Bent {
    /// Nobody may remove anything.
    Keeping,
    /// Listings are what is made of them.
    Listing(Lists),
}

impl Bent {
    /// One in which nobody may remove anything.
    pub(crate) fn keeping(inner: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(HookedStore::with_hook(inner, Self::Keeping))
    }

    /// One whose listings are what is made of them.
    pub(crate) fn listing(
        inner: Arc<dyn Store>,
        lists: impl Fn(Vec<Listed>) -> Vec<Listed> + Send + Sync + 'static,
    ) -> Arc<dyn Store> {
        Arc::new(HookedStore::with_hook(
            inner,
            Self::Listing(Box::new(lists)),
        ))
    }
}

impl Hook for Bent {
    fn around(&self, call: Call<'_>, run: Run<'_>) -> Result<Answer, StoreError> {
        match (self, call) {
            (Self::Keeping, Call::Delete(name)) => Err(StoreError::Io {
                action: format!("remove object `{name}`"),
                place: "a place that keeps all".to_owned(),
                source: ErrorKind::PermissionDenied.into(),
            }),
            (Self::Listing(lists), Call::List(_)) => match run(call)? {
                Answer::Listed(listed) => Ok(Answer::Listed(lists(listed))),
                other => Ok(other),
            },
            _ => run(call),
        }
    }
}
