//! A part of a bucket on a service that speaks S3.
//!
//! - An object is created with `If-None-Match: *`: of two writers of one name one wins, and learns it.
//! - An answer that was lost is looked for: who finds its own bytes under the name has created them.
//! - A pack waits in a file without a name until its own name is known, and then goes in parts, several
//!   at once; under its name it is to be seen whole or not at all.
//! - Packs of content may lie in a class of their own, also in one that has to be thawed.
//! - What may pass is tried again, after growing waits; what comes back is never shorter than asked.

mod client;
mod failure;
mod limit;
mod listing;
mod lock;
mod object;
mod options;
mod probe;
mod retry;
mod thaw;
mod upload;

pub use options::{Credentials, Encryption, S3Options, Style};

use crate::abilities::Abilities;
use crate::error::StoreError;
use crate::name::Name;
use crate::{Created, Extension, Listed, Lock, Store, Term, Thaw, Thawing, Upload};
use aws_sdk_s3::types::StorageClass;
use client::{Service, Shared};
use failure::{Failure, Why};
use std::sync::Arc;

/// A store in a bucket. Clones are the same store.
#[derive(Clone)]
pub struct S3Store {
    service: Service,
    bucket: Arc<Bucket>,
}

/// Where objects are, and how requests for them get there.
struct Bucket {
    shared: Arc<Shared>,
    name: String,
    prefix: String,
}

impl Bucket {
    fn key(&self, name: &Name) -> String {
        format!("{}{name}", self.prefix)
    }
}

impl S3Store {
    /// Names a bucket and the part of it that is meant. Nothing is asked of the service yet.
    ///
    /// # Errors
    /// No threads can be started.
    pub fn new(bucket: &str, prefix: &str, options: S3Options) -> Result<Self, StoreError> {
        let service = Service::new(options).map_err(|source| StoreError::Io {
            action: "start threads".into(),
            place: format!("s3://{bucket}/{prefix}"),
            source,
        })?;
        let bucket = Arc::new(Bucket {
            shared: Arc::clone(service.shared()),
            name: bucket.to_owned(),
            prefix: prefix.to_owned(),
        });
        Ok(Self { service, bucket })
    }

    /// Does something with the bucket, and says in an error what it was.
    fn ask<T, Work>(
        &self,
        action: &str,
        name: Option<&Name>,
        work: impl FnOnce(Arc<Bucket>) -> Work,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        Work: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        self.service
            .wait(work(Arc::clone(&self.bucket)))
            .map_err(|failure| self.told(action, name, failure))
    }

    /// Starts an object of some class.
    fn start_upload(&self, class: Option<StorageClass>) -> Result<Box<dyn Upload>, StoreError> {
        let spool = &self.bucket.shared.options.spool;
        let started = upload::S3Upload::start(spool, class).map_err(|source| StoreError::Io {
            action: "keep a pack on its way to the bucket".into(),
            place: spool.display().to_string(),
            source,
        })?;
        Ok(Box::new(upload::Pending {
            upload: started,
            store: self.clone(),
        }))
    }

    fn told(&self, action: &str, name: Option<&Name>, failure: Failure) -> StoreError {
        let action = match name {
            Some(name) => format!("{action} object `{name}`"),
            None => action.to_owned(),
        };
        failure.into_error(&action, name, &self.place())
    }
}

impl Store for S3Store {
    fn place(&self) -> String {
        let prefix = self.bucket.prefix.trim_end_matches('/');
        format!("s3://{}/{prefix}", self.bucket.name)
            .trim_end_matches('/')
            .to_owned()
    }

    fn get(&self, name: &Name) -> Result<Vec<u8>, StoreError> {
        let wanted = name.clone();
        self.ask("read", Some(name), |bucket| async move {
            bucket.read(&wanted, None).await
        })
    }

    fn get_range(&self, name: &Name, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        if length == 0 {
            self.size(name)?;
            return Ok(Vec::new());
        }
        let wanted = name.clone();
        let read = self.service.wait({
            let bucket = Arc::clone(&self.bucket);
            async move { bucket.read(&wanted, Some((offset, length))).await }
        });
        read.map_err(|failure| match failure.why {
            Why::Short => StoreError::Short {
                name: name.clone(),
                place: self.place(),
                offset,
                wanted: length,
            },
            _ => self.told("read", Some(name), failure),
        })
    }

    fn size(&self, name: &Name) -> Result<u64, StoreError> {
        let wanted = name.clone();
        self.ask("look at", Some(name), |bucket| async move {
            bucket.size(&wanted).await
        })
    }

    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Created, StoreError> {
        let (new, bytes) = (name.clone(), bytes::Bytes::copy_from_slice(bytes));
        self.ask("create", Some(name), |bucket| async move {
            bucket.create(&new, bytes, None).await
        })
    }

    fn create_once(&self, name: &Name, bytes: &[u8]) -> Result<Created, StoreError> {
        let (new, bytes) = (name.clone(), bytes::Bytes::copy_from_slice(bytes));
        self.ask("create", Some(name), |bucket| async move {
            bucket.create_once(&new, bytes).await
        })
    }

    fn upload(&self) -> Result<Box<dyn Upload>, StoreError> {
        self.start_upload(None)
    }

    fn upload_bulk(&self) -> Result<Box<dyn Upload>, StoreError> {
        self.start_upload(self.bucket.bulk_class())
    }

    fn is_far(&self) -> bool {
        true
    }

    fn has_cold_classes(&self) -> bool {
        true
    }

    fn thaw_state(&self, name: &Name) -> Result<Thaw, StoreError> {
        let wanted = name.clone();
        self.ask("look at", Some(name), |bucket| async move {
            Ok(bucket.frozen(&wanted).await?.0)
        })
    }

    fn thaw(&self, name: &Name, how: Thawing) -> Result<Thaw, StoreError> {
        let wanted = name.clone();
        self.ask("ask for the thawing of", Some(name), |bucket| async move {
            bucket.thaw(&wanted, how).await
        })
    }

    fn list(&self, area: &str) -> Result<Vec<Listed>, StoreError> {
        let wanted = area.to_owned();
        self.ask(&format!("list `{area}`"), None, |bucket| async move {
            bucket.list(wanted).await
        })
    }

    fn probe(&self) -> Result<Option<Abilities>, StoreError> {
        let found = self.ask("try what can be done", None, Bucket::probe)?;
        self.bucket.shared.assume(found);
        Ok(Some(found))
    }

    fn abilities(&self) -> Abilities {
        self.bucket.shared.abilities()
    }

    fn assume(&self, abilities: Abilities) {
        self.bucket.shared.assume(abilities);
    }

    fn lock(&self, name: &Name) -> Result<Lock, StoreError> {
        let wanted = name.clone();
        self.ask("look at", Some(name), |bucket| async move {
            bucket.lock(&wanted).await
        })
    }

    fn lock_until(&self, name: &Name, wanted: &Extension) -> Result<Term, StoreError> {
        let (object, wanted) = (name.clone(), *wanted);
        self.ask("lock", Some(name), |bucket| async move {
            bucket.lock_until(&object, &wanted).await
        })
    }

    fn hold(&self, name: &Name, is_held: bool) -> Result<bool, StoreError> {
        let object = name.clone();
        let action = if is_held { "hold" } else { "release" };
        self.ask(action, Some(name), |bucket| async move {
            bucket.hold(&object, is_held).await
        })
    }

    fn delete(&self, name: &Name) -> Result<(), StoreError> {
        let unwanted = name.clone();
        self.ask("remove", Some(name), |bucket| async move {
            bucket.delete(&unwanted).await
        })
    }
}
