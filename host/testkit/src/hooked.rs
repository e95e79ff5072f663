//! A store with a hook around every operation: the one wrapper of which all others here are made.
//!
//! An operation comes to the hook as a value, a [`Call`], with a way to run it on the store below. The hook can do
//! something before and after, run the call not at all, twice or changed, and replace the answer. That holds for
//! everything a store does: its own operations, the pieces and the end of an upload, probing, object lock and cold
//! storage. So a new hook cannot miss one, and needs no code for those that it does not care about.

use holdfast_store::{
    Abilities, Attempts, ColdStorage, Created, Extension, Listed, Name, ObjectLock, Placement,
    Probe, Protection, Store, StoreError, Term, Thaw, Thawing, Upload,
};
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

/// One operation, with its arguments.
#[derive(Debug, Clone, Copy)]
pub enum Call<'a> {
    /// [`Store::get`]
    Get(&'a Name),
    /// [`Store::get_range`]
    GetRange(&'a Name, u64, usize),
    /// [`Store::size`]
    Size(&'a Name),
    /// [`Store::create`]
    Create(&'a Name, &'a [u8], Attempts),
    /// [`Store::upload`]
    StartUpload(Placement),
    /// A piece of an upload.
    Write(&'a [u8]),
    /// The end of an upload, with all that was written to it. Run again, it creates the object from that.
    Commit(&'a Name, &'a [u8]),
    /// [`Store::list`]
    List(&'a str),
    /// [`Store::delete`]
    Delete(&'a Name),
    /// [`Probe::find_abilities`]
    FindAbilities,
    /// [`ObjectLock::protection`]
    Protection(&'a Name),
    /// [`ObjectLock::retain`]
    Retain(&'a Name, &'a Extension),
    /// [`ObjectLock::set_hold`]
    SetHold(&'a Name, bool),
    /// [`ColdStorage::thaw_state`]
    ThawState(&'a Name),
    /// [`ColdStorage::request_thaw`]
    RequestThaw(&'a Name, Thawing),
}

/// What an operation returned.
pub enum Answer {
    /// Bytes of an object.
    Bytes(Vec<u8>),
    /// The length of an object.
    Size(u64),
    /// What a create or a commit came to.
    Created(Created),
    /// An upload that was started.
    Upload(Box<dyn Upload>),
    /// A listing.
    Listed(Vec<Listed>),
    /// Nothing but that it was done.
    Done,
    /// What the place does.
    Abilities(Abilities),
    /// What keeps an object from being removed.
    Protection(Protection),
    /// The term that an object has.
    Term(Term),
    /// Whether a hold changed.
    HoldChanged(bool),
    /// Whether an object can be read.
    Thaw(Thaw),
}

/// Runs a call on the store below, as often as it is called.
pub type Run<'r> = &'r mut dyn FnMut(Call<'_>) -> Result<Answer, StoreError>;

/// What is done around every operation.
pub trait Hook: Send + Sync + 'static {
    /// Answers a call, with or without running it.
    ///
    /// # Errors
    /// Whatever the hook decides, or the store below returned.
    fn around(&self, call: Call<'_>, run: Run<'_>) -> Result<Answer, StoreError>;

    /// Returns the abilities of the place as the hook makes it.
    fn abilities(&self, below: Abilities) -> Abilities {
        below
    }
}

/// A store with a hook around every operation. Clones are the same store.
pub struct HookedStore<H> {
    pub(crate) below: Arc<dyn Store>,
    pub(crate) hook: Arc<H>,
}

impl<H> Clone for HookedStore<H> {
    fn clone(&self) -> Self {
        Self {
            below: Arc::clone(&self.below),
            hook: Arc::clone(&self.hook),
        }
    }
}

impl<H: Hook> HookedStore<H> {
    /// Puts a hook around a store.
    pub fn with_hook(below: Arc<dyn Store>, hook: H) -> Self {
        let hook = Arc::new(hook);
        Self { below, hook }
    }

    fn answer(&self, call: Call<'_>) -> Result<Answer, StoreError> {
        let below = self.below.as_ref();
        self.hook.around(call, &mut |call| run_call(below, call))
    }
}

/// Takes the value out of an answer of the one kind that a call can have.
macro_rules! take {
    ($answer:expr, $kind:ident) => {
        match $answer? {
            Answer::$kind(value) => Ok(value),
            _ => unreachable!("the answer is of another kind than the call"),
        }
    };
}

/// Runs a call on a store.
fn run_call(store: &dyn Store, call: Call<'_>) -> Result<Answer, StoreError> {
    Ok(match call {
        Call::Get(name) => Answer::Bytes(store.get(name)?),
        Call::GetRange(name, offset, length) => {
            Answer::Bytes(store.get_range(name, offset, length)?)
        }
        Call::Size(name) => Answer::Size(store.size(name)?),
        Call::Create(name, bytes, attempts) => {
            Answer::Created(store.create(name, bytes, attempts)?)
        }
        Call::StartUpload(placement) => Answer::Upload(store.upload(placement)?),
        // Pieces go to an upload and not to a store: what comes here was committed before.
        Call::Write(_) => Answer::Done,
        Call::Commit(name, bytes) => {
            Answer::Created(store.create(name, bytes, Attempts::Repeated)?)
        }
        Call::List(area) => Answer::Listed(store.list(area)?),
        Call::Delete(name) => store.delete(name).map(|()| Answer::Done)?,
        Call::FindAbilities => Answer::Abilities(match store.probing() {
            Some(probing) => probing.find_abilities()?,
            None => store.abilities(),
        }),
        Call::Protection(name) => {
            Answer::Protection(store.require_object_lock(name)?.protection(name)?)
        }
        Call::Retain(name, wanted) => {
            Answer::Term(store.require_object_lock(name)?.retain(name, wanted)?)
        }
        Call::SetHold(name, is_held) => {
            Answer::HoldChanged(store.require_object_lock(name)?.set_hold(name, is_held)?)
        }
        Call::ThawState(name) => Answer::Thaw(match store.cold_storage() {
            Some(cold) => cold.thaw_state(name)?,
            None => Thaw::Ready,
        }),
        Call::RequestThaw(name, how) => Answer::Thaw(match store.cold_storage() {
            Some(cold) => cold.request_thaw(name, how)?,
            None => Thaw::Ready,
        }),
    })
}

impl<H: Hook> Store for HookedStore<H> {
    fn place(&self) -> String {
        self.below.place()
    }

    fn get(&self, name: &Name) -> Result<Vec<u8>, StoreError> {
        take!(self.answer(Call::Get(name)), Bytes)
    }

    fn get_range(&self, name: &Name, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        take!(self.answer(Call::GetRange(name, offset, length)), Bytes)
    }

    fn size(&self, name: &Name) -> Result<u64, StoreError> {
        take!(self.answer(Call::Size(name)), Size)
    }

    fn create(&self, name: &Name, bytes: &[u8], attempts: Attempts) -> Result<Created, StoreError> {
        take!(self.answer(Call::Create(name, bytes, attempts)), Created)
    }

    fn upload(&self, placement: Placement) -> Result<Box<dyn Upload>, StoreError> {
        let below = take!(self.answer(Call::StartUpload(placement)), Upload)?;
        Ok(Box::new(HookedUpload {
            below: Some(below),
            store: self.clone(),
            written: Vec::new(),
        }))
    }

    fn list(&self, area: &str) -> Result<Vec<Listed>, StoreError> {
        take!(self.answer(Call::List(area)), Listed)
    }

    fn delete(&self, name: &Name) -> Result<(), StoreError> {
        self.answer(Call::Delete(name)).map(drop)
    }

    fn is_far(&self) -> bool {
        self.below.is_far()
    }

    fn abilities(&self) -> Abilities {
        self.hook.abilities(self.below.abilities())
    }

    fn probing(&self) -> Option<&dyn Probe> {
        // What a hook adds is found by trying, as with a service.
        let is_changed = self.abilities() != self.below.abilities();
        (is_changed || self.below.probing().is_some()).then_some(self)
    }

    fn object_lock(&self) -> Option<&dyn ObjectLock> {
        let is_added = self.abilities().object_lock.is_real();
        (is_added || self.below.object_lock().is_some()).then_some(self)
    }

    fn cold_storage(&self) -> Option<&dyn ColdStorage> {
        self.below.cold_storage().is_some().then_some(self)
    }
}

impl<H: Hook> Probe for HookedStore<H> {
    fn find_abilities(&self) -> Result<Abilities, StoreError> {
        let found = take!(self.answer(Call::FindAbilities), Abilities)?;
        Ok(self.hook.abilities(found))
    }

    fn assume_abilities(&self, abilities: Abilities) {
        if let Some(probing) = self.below.probing() {
            probing.assume_abilities(abilities);
        }
    }
}

impl<H: Hook> ObjectLock for HookedStore<H> {
    fn protection(&self, name: &Name) -> Result<Protection, StoreError> {
        take!(self.answer(Call::Protection(name)), Protection)
    }

    fn retain(&self, name: &Name, wanted: &Extension) -> Result<Term, StoreError> {
        take!(self.answer(Call::Retain(name, wanted)), Term)
    }

    fn set_hold(&self, name: &Name, is_held: bool) -> Result<bool, StoreError> {
        take!(self.answer(Call::SetHold(name, is_held)), HoldChanged)
    }
}

impl<H: Hook> ColdStorage for HookedStore<H> {
    fn thaw_state(&self, name: &Name) -> Result<Thaw, StoreError> {
        take!(self.answer(Call::ThawState(name)), Thaw)
    }

    fn request_thaw(&self, name: &Name, how: Thawing) -> Result<Thaw, StoreError> {
        take!(self.answer(Call::RequestThaw(name, how)), Thaw)
    }
}

/// An upload whose pieces and whose end come to the hook.
struct HookedUpload<H> {
    below: Option<Box<dyn Upload>>,
    store: HookedStore<H>,
    /// What was written, for a hook that creates the object again or a part of it.
    written: Vec<u8>,
}

impl<H: Hook> Write for HookedUpload<H> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (store, written) = (&self.store, &mut self.written);
        let mut run = |call: Call<'_>| match (call, &mut self.below) {
            (Call::Write(piece), Some(below)) => {
                below.write_all(piece).map_err(|source| StoreError::Io {
                    action: call.to_string(),
                    place: store.place(),
                    source,
                })?;
                written.extend_from_slice(piece);
                Ok(Answer::Done)
            }
            (call, _) => run_call(store.below.as_ref(), call),
        };
        match store.hook.around(Call::Write(bytes), &mut run) {
            Ok(_) => Ok(bytes.len()),
            Err(StoreError::Io { source, .. }) => Err(source),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.below.as_mut().map_or(Ok(()), |below| below.flush())
    }
}

impl<H: Hook> Upload for HookedUpload<H> {
    fn commit(mut self: Box<Self>, name: &Name) -> Result<Created, StoreError> {
        let (store, below) = (&self.store, &mut self.below);
        let mut run = |call: Call<'_>| {
            if let Call::Commit(name, _) = call
                && let Some(upload) = below.take()
            {
                return upload.commit(name).map(Answer::Created);
            }
            run_call(store.below.as_ref(), call)
        };
        let commit = Call::Commit(name, &self.written);
        take!(store.hook.around(commit, &mut run), Created)
    }
}

impl Call<'_> {
    /// Returns whether the call changes the store, rather than only looking.
    pub(crate) fn is_change(&self) -> bool {
        use Call::{Commit, Create, Delete, RequestThaw, Retain, SetHold, StartUpload, Write};
        matches!(
            self,
            Create(..)
                | StartUpload(_)
                | Write(_)
                | Commit(..)
                | Delete(_)
                | Retain(..)
                | SetHold(..)
                | RequestThaw(..)
        )
    }
}

impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get(name) => write!(f, "get {name}"),
            Self::GetRange(name, ..) => write!(f, "get a range of {name}"),
            Self::Size(name) => write!(f, "ask the size of {name}"),
            Self::Create(name, ..) => write!(f, "create {name}"),
            Self::StartUpload(_) => f.write_str("start an upload"),
            Self::Write(_) => f.write_str("write to an upload"),
            Self::Commit(name, _) => write!(f, "commit {name}"),
            Self::List(area) => write!(f, "list {area}"),
            Self::Delete(name) => write!(f, "delete {name}"),
            Self::FindAbilities => f.write_str("try what the place does"),
            Self::Protection(name) => write!(f, "ask for the lock of {name}"),
            Self::Retain(name, _) => write!(f, "lock {name}"),
            Self::SetHold(name, true) => write!(f, "hold {name}"),
            Self::SetHold(name, false) => write!(f, "release {name}"),
            Self::ThawState(name) => write!(f, "ask whether {name} is cold"),
            Self::RequestThaw(name, _) => write!(f, "thaw {name}"),
        }
    }
}
