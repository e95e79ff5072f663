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
mod object;
mod object_lock;
mod options;
mod probe;
mod retry;
mod thaw;
mod upload;

pub use options::{Credentials, Encryption, S3Options, Style};

use crate::abilities::{Abilities, Probe};
use crate::cold::{ColdStorage, Thaw, Thawing};
use crate::error::StoreError;
use crate::name::Name;
use crate::object_lock::{Extension, ObjectLock, Protection, Term};
use crate::{Attempts, Created, Listed, Placement, Store, Upload};
use client::{Service, Shared};
use failure::{Failure, Why};
use std::sync::Arc;

/// A store in a bucket. Clones are the same store.
#[derive(Clone)]
pub struct S3Store {
    service: Service,
    bucket: Arc<Bucket>,
}

/// The part of a bucket that objects lie in, and how requests for them get there.
struct Bucket {
    shared: Arc<Shared>,
    name: String,
    prefix: String,
}

impl Bucket {
    fn object_key(&self, name: &Name) -> String {
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
    fn send_request<T, Work>(
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
            .block_on(work(Arc::clone(&self.bucket)))
            .map_err(|failure| self.store_error(action, name, failure))
    }

    fn store_error(&self, action: &str, name: Option<&Name>, failure: Failure) -> StoreError {
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
        self.send_request("read", Some(name), |bucket| async move {
            bucket.read_object(&wanted, None).await
        })
    }

    fn get_range(&self, name: &Name, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        if length == 0 {
            self.size(name)?;
            return Ok(Vec::new());
        }
        let wanted = name.clone();
        let read = self.service.block_on({
            let bucket = Arc::clone(&self.bucket);
            async move { bucket.read_object(&wanted, Some((offset, length))).await }
        });
        read.map_err(|failure| match failure.why {
            Why::Short => StoreError::Short {
                name: name.clone(),
                place: self.place(),
                offset,
                wanted: length,
            },
            _ => self.store_error("read", Some(name), failure),
        })
    }

    fn size(&self, name: &Name) -> Result<u64, StoreError> {
        let wanted = name.clone();
        self.send_request("look at", Some(name), |bucket| async move {
            bucket.object_size(&wanted).await
        })
    }

    fn create(&self, name: &Name, bytes: &[u8], attempts: Attempts) -> Result<Created, StoreError> {
        let (new, bytes) = (name.clone(), bytes::Bytes::copy_from_slice(bytes));
        self.send_request("create", Some(name), |bucket| async move {
            match attempts {
                Attempts::Repeated => bucket.create(&new, bytes, None).await,
                Attempts::Single => bucket.create_once(&new, bytes).await,
            }
        })
    }

    fn upload(&self, placement: Placement) -> Result<Box<dyn Upload>, StoreError> {
        let class = match placement {
            Placement::Standard => None,
            Placement::Bulk => self.bucket.bulk_class(),
        };
        let spool = &self.bucket.shared.options.spool;
        let started = upload::S3Upload::create_spool(spool, class);
        let started = started.map_err(|source| StoreError::Io {
            action: "keep a pack on its way to the bucket".into(),
            place: spool.display().to_string(),
            source,
        })?;
        Ok(Box::new(upload::Pending {
            upload: started,
            store: self.clone(),
        }))
    }

    fn list(&self, area: &str) -> Result<Vec<Listed>, StoreError> {
        let wanted = area.to_owned();
        self.send_request(&format!("list `{area}`"), None, |bucket| async move {
            bucket.list_area(wanted).await
        })
    }

    fn delete(&self, name: &Name) -> Result<(), StoreError> {
        let unwanted = name.clone();
        self.send_request("remove", Some(name), |bucket| async move {
            bucket.delete(&unwanted).await
        })
    }

    fn is_far(&self) -> bool {
        true
    }

    fn abilities(&self) -> Abilities {
        self.bucket.shared.abilities()
    }

    fn probing(&self) -> Option<&dyn Probe> {
        Some(self)
    }

    fn object_lock(&self) -> Option<&dyn ObjectLock> {
        Some(self)
    }

    fn cold_storage(&self) -> Option<&dyn ColdStorage> {
        Some(self)
    }
}

impl Probe for S3Store {
    fn find_abilities(&self) -> Result<Abilities, StoreError> {
        let found = self.send_request("try what can be done", None, Bucket::probe_abilities)?;
        self.bucket.shared.assume_abilities(found);
        Ok(found)
    }

    fn assume_abilities(&self, abilities: Abilities) {
        self.bucket.shared.assume_abilities(abilities);
    }
}

impl ObjectLock for S3Store {
    fn protection(&self, name: &Name) -> Result<Protection, StoreError> {
        let wanted = name.clone();
        self.send_request("look at", Some(name), |bucket| async move {
            bucket.protection(&wanted).await
        })
    }

    fn retain(&self, name: &Name, wanted: &Extension) -> Result<Term, StoreError> {
        let (object, wanted) = (name.clone(), *wanted);
        self.send_request("lock", Some(name), |bucket| async move {
            bucket.retain(&object, &wanted).await
        })
    }

    fn set_hold(&self, name: &Name, is_held: bool) -> Result<bool, StoreError> {
        let object = name.clone();
        let action = if is_held { "hold" } else { "release" };
        self.send_request(action, Some(name), |bucket| async move {
            bucket.set_hold(&object, is_held).await
        })
    }
}

impl ColdStorage for S3Store {
    fn thaw_state(&self, name: &Name) -> Result<Thaw, StoreError> {
        let wanted = name.clone();
        self.send_request("look at", Some(name), |bucket| async move {
            Ok(bucket.thaw_state(&wanted).await?.0)
        })
    }

    fn request_thaw(&self, name: &Name, how: Thawing) -> Result<Thaw, StoreError> {
        let wanted = name.clone();
        let action = "ask for the thawing of";
        self.send_request(action, Some(name), |bucket| async move {
            bucket.request_thaw(&wanted, how).await
        })
    }
}
