//! A store that does one thing otherwise than others do.

use holdfast_store::{Listed, Name, Store, StoreError};
use std::io::ErrorKind;
use std::sync::Arc;

type Lists = Box<dyn Fn(Vec<Listed>) -> Vec<Listed> + Send + Sync>;

/// A store that is bent in one way.
pub(crate) struct Bent {
    inner: Arc<dyn Store>,
    /// What it makes of its listings.
    lists: Lists,
    /// Whether it keeps all that it has.
    keeps: bool,
}

impl Bent {
    /// One in which nobody may remove anything.
    pub(crate) fn keeping(inner: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Self {
            inner,
            lists: Box::new(|listed| listed),
            keeps: true,
        })
    }

    /// One whose listings are what is made of them.
    pub(crate) fn listing(
        inner: Arc<dyn Store>,
        lists: impl Fn(Vec<Listed>) -> Vec<Listed> + Send + Sync + 'static,
    ) -> Arc<dyn Store> {
        Arc::new(Self {
            inner,
            lists: Box::new(lists),
            keeps: false,
        })
    }
}

impl Store for Bent {
    holdfast_store::pass_on!(inner: place get get_range size create upload);

    fn list(&self, area: &str) -> Result<Vec<Listed>, StoreError> {
        Ok((self.lists)(self.inner.list(area)?))
    }

    fn delete(&self, name: &Name) -> Result<(), StoreError> {
        if !self.keeps {
            return self.inner.delete(name);
        }
        Err(StoreError::Io {
            action: format!("remove object `{name}`"),
            place: self.place(),
            source: ErrorKind::PermissionDenied.into(),
        })
    }
}
