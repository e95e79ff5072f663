//! A repository that was opened with a key.

/// Objects that are sealed to the catalog key.
mod catalog;
/// What can go wrong.
mod error;
/// What opens a repository, and whether it is what it was.
pub(crate) mod openers;
/// Packs that are not relied on.
mod suspects;

pub use error::OpenError;

use crate::format::announcement::Announcement;
use crate::format::header::{Features, HOST_KEYS, Header, Purpose, Splitter, VERSION};
use crate::format::segment::IndexedPack;
use crate::format::signed::{Author, Sign as _};
use crate::ground::chance::random;
use crate::ground::names::{INDEX, PACKS, header_name, segment_name, spare_name};
use crate::ground::seal::{Identity, KeyPair, Recipient, Secret, open_bytes};
use crate::ground::setup::Setup;
use crate::index::{Segments, decode_segment};
use crate::keys::file::{self, ReadEpoch, WriteKeys};
use crate::keys::{IdKey, KeyError, KeyFile, Role, Signer, Trust, decode_header};
use crate::objects::announcements::{self, Announced};
use crate::objects::catalog::expand_small;
use crate::objects::create::create_surely;
use crate::objects::epochs::{self, Revision};
use crate::objects::error::{ObjectError, ObjectFault, require_hash};
use crate::objects::spares;
use ed25519_dalek::SigningKey;
use holdfast_base::hex;
use holdfast_base::id::{PackId, RepositoryId, SegmentId};
use holdfast_store::{Abilities, Created, Name, Probe, Store};
use std::collections::HashMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Largest plaintext of an index segment; one that expands to more is a bomb.
const SEGMENT_EXPANDED_MAX: usize = 512 << 20;

/// Whoever writes one name at the same moment, on a store that lets both, has done so after this time.
const SETTLES: Duration = Duration::from_secs(2);

/// A repository that was opened with a key.
pub struct Repository {
    pub(crate) setup: Setup,
    pub(crate) header: Header,
    pub(crate) key: KeyFile,
    pub(crate) trust: Trust,
    pub(crate) announced: Announced,
    pub(crate) id_key: Option<IdKey>,
}

/// A place where a repository can be created, and what its store was found to support.
pub struct NewPlace {
    free_epoch: u32,
    service: Option<Abilities>,
}

impl NewPlace {
    /// Tries what the store of a place supports. Needs no key, and makes none.
    ///
    /// # Errors
    /// There is a repository already, or the place cannot be used.
    pub fn probe(setup: &Setup) -> Result<Self, OpenError> {
        let store = setup.store.as_ref();
        Ok(Self {
            free_epoch: first_free_epoch(store)?,
            service: store.probing().map(Probe::find_abilities).transpose()?,
        })
    }
}

/// Reads what a repository says of itself, without any key.
///
/// # Errors
/// There is no repository, or one that this version cannot read.
pub fn read_header(store: &dyn Store) -> Result<Header, OpenError> {
    let decode = |bytes: Vec<u8>| Ok(decode_header(&bytes)?);
    let header = spares::read(store, &header_name(), &decode).map_err(|error| {
        if error.is_absence() {
            let place = store.place();
            OpenError::Absent { place }
        } else {
            error.into()
        }
    })?;
    header.ensure_features_known(Purpose::Read)?;
    Ok(header)
}

impl Repository {
    /// Creates a repository and returns its read key: the only time a key is made.
    ///
    /// # Errors
    /// There is one already, nobody is named who could open it, or the store failed.
    pub fn init(setup: &Setup, operators: &[Recipient]) -> Result<KeyFile, OpenError> {
        Self::init_on(&NewPlace::probe(setup)?, setup, operators)
    }

    /// Does the same if the place was looked at before.
    ///
    /// # Errors
    /// As for [`Repository::init`].
    pub fn init_on(
        place: &NewPlace,
        setup: &Setup,
        operators: &[Recipient],
    ) -> Result<KeyFile, OpenError> {
        Self::create(place, setup, operators, &|number| new_key(setup, number))
    }

    /// Creates a repository of the same trust group as another, and returns its read key: packs travel between
    /// the two as they are.
    ///
    /// # Errors
    /// As for [`Repository::init`], or the other's key does not read.
    pub fn init_with_keys_of(
        place: &NewPlace,
        setup: &Setup,
        operators: &[Recipient],
        other: &KeyFile,
    ) -> Result<KeyFile, OpenError> {
        other.require(Role::Read)?;
        Self::create(place, setup, operators, &|number| group_key(other, number))
    }

    fn create(
        place: &NewPlace,
        setup: &Setup,
        operators: &[Recipient],
        make_key: &dyn Fn(u32) -> Result<KeyFile, ObjectError>,
    ) -> Result<KeyFile, OpenError> {
        if operators.is_empty() {
            let detail = "nobody is named who could open the repository".into();
            return Err(KeyError::Malformed { detail }.into());
        }
        let store = setup.store.as_ref();
        let key = make_key(unshared(store, place.free_epoch)?)?;
        let at = Revision {
            epoch: key.writing()?.epoch,
            revision: 0,
        };
        // The epoch first: a repository without `format` is none, and one with it can be opened.
        let operators = crate::objects::operators::named(setup, operators)?;
        crate::objects::operators::begin(setup, &key, at, operators).map_err(
            |error| match error {
                // Somebody else makes a repository here at the same moment.
                ObjectError::KeysChanged => exists(store),
                other => other.into(),
            },
        )?;
        let header = Header {
            holdfast: VERSION,
            repository: key.repository,
            created: setup.clock.now(),
            encryptor: setup.sealer.name().to_owned(),
            verifying_key: key.verifying_key.clone(),
            features: Features {
                read: vec![HOST_KEYS.into()],
                ..Features::default()
            },
            splitters: splitters(),
            service: place.service.map(|abilities| abilities.to_words()),
        };
        let bytes = header.encode(&Signer::root(key.root()?))?;
        match create_surely(store, &header_name(), &bytes)? {
            Created::New if is_still(store, &header_name(), &bytes)? => {
                spares::create(store, &header_name(), &bytes);
                Ok(key)
            }
            Created::New | Created::Existed => Err(exists(store)),
        }
    }

    /// Opens a repository with a key.
    ///
    /// # Errors
    /// There is none, it is newer, or the key belongs to another.
    pub fn open(setup: Setup, key: KeyFile) -> Result<Self, OpenError> {
        let header = read_header(setup.store.as_ref())?;
        if let (Some(service), Some(probing)) = (&header.service, setup.store.probing()) {
            probing.assume_abilities(Abilities::from_words(service));
        }
        if key.repository != header.repository || key.verifying_key != header.verifying_key {
            let (key, repository) = (key.repository, header.repository);
            return Err(KeyError::Foreign { key, repository }.into());
        }
        let cache = setup
            .cache
            .as_ref()
            .and_then(|cache| private_directory(cache, &header));
        let setup = Setup { cache, ..setup };
        let trust = Trust::named_by(&header)?;
        let announced = announcements::read(&setup, &key, &trust)?;
        let mut key = key;
        let mut trust = trust;
        if let Some(newest) = &announced.newest {
            trust = trust.without(newest.revoked.clone());
            if let Some(keys) = &mut key.write
                && keys.epoch < newest.epoch
            {
                keys.epoch = newest.epoch;
                keys.epoch_recipient.clone_from(&newest.epoch_recipient);
            }
        }
        let id_key = match &key.write {
            Some(keys) => Some(IdKey::new(&keys.id_secret()?)),
            None => None,
        };
        Ok(Self {
            setup,
            header,
            key,
            trust,
            announced,
            id_key,
        })
    }

    /// Opens a repository with nothing but an operator's identity.
    ///
    /// # Errors
    /// There is none, or no identity fits.
    pub fn open_as_operator(setup: Setup, identities: &[Identity]) -> Result<Self, OpenError> {
        let header = read_header(setup.store.as_ref())?;
        let (store, sealer) = (setup.store.as_ref(), setup.sealer.as_ref());
        let key = epochs::open(store, sealer, identities, &header)?;
        let mut opened = Self::open(setup.clone(), key)?;
        if let Some(newest) = opened.announcement()
            && opened.key.epoch(newest.epoch).is_err()
        {
            // An older epoch was put where a newer one would be.
            let object = Name::new(newest.epoch_object.clone())?;
            match epochs::open_object(store, sealer, identities, &header, &object) {
                Ok(key) => opened = Self::open(setup.clone(), key)?,
                Err(error) => tracing::warn!(%error, %object, "an older epoch is used"),
            }
        }
        // An epoch that was never announced is what an interruption left: nothing is sealed to it.
        if let (Some(keys), Some(newest)) = (&mut opened.key.write, &opened.announced.newest) {
            keys.epoch = newest.epoch;
            keys.epoch_recipient.clone_from(&newest.epoch_recipient);
        }
        Ok(opened)
    }

    /// Returns what the repository says of itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns what operators announced last, if anything.
    #[must_use]
    pub fn announcement(&self) -> Option<&Announcement> {
        self.announced.newest.as_ref()
    }

    /// Returns the key that it was opened with.
    #[must_use]
    pub fn key(&self) -> &KeyFile {
        &self.key
    }

    /// Returns what signs for the holder of the key.
    ///
    /// # Errors
    /// The key cannot write, or was revoked.
    pub fn signer(&self) -> Result<Signer, KeyError> {
        let signer = self.key.signer()?;
        self.trust.ensure_usable(&signer).map_err(KeyError::from)?;
        Ok(signer)
    }

    /// Makes sure that nothing stands in the way of writing.
    ///
    /// # Errors
    /// The key cannot write or was revoked, or the store hides what operators announced.
    pub(crate) fn writable(&self) -> Result<(), OpenError> {
        self.signer()?;
        match &self.announced.newest {
            Some(newest) if self.announced.is_hidden => Err(OpenError::Hidden {
                number: newest.announcement,
            }),
            _ => Ok(()),
        }
    }

    /// Returns the host that the key was certified for, if it was for one.
    #[must_use]
    pub fn certified_host(&self) -> Option<String> {
        match self.key.signer().ok()?.author() {
            Author::Host { name, .. } => Some(name.clone()),
            Author::Root | Author::Nobody => None,
        }
    }

    /// Returns the host under whose name the holder of the key signs: the certified one, whatever the
    /// machine calls itself; and `here` if the key is no host's.
    #[must_use]
    pub fn host_or(&self, here: &str) -> String {
        self.certified_host().unwrap_or_else(|| here.to_owned())
    }

    /// Makes a write key for a host, certified by the root.
    ///
    /// # Errors
    /// The key is no read key, or no host can have that name.
    pub fn host_key(&self, host: &str) -> Result<KeyFile, ObjectError> {
        let seed = zeroize::Zeroizing::new(random()?);
        let now = self.setup.clock.now();
        Ok(self.key.for_host(host, now, &seed)?)
    }

    /// Returns the address of the repository.
    #[must_use]
    pub fn place(&self) -> String {
        self.setup.store.place()
    }

    pub(crate) fn id_key(&self) -> Result<&IdKey, KeyError> {
        let denied = KeyError::Role {
            held: self.key.role,
            needed: Role::Write,
        };
        self.id_key.as_ref().ok_or(denied)
    }

    pub(crate) fn catalog_identity(&self) -> [Identity; 1] {
        [Identity::Key(self.key.catalog.identity.clone())]
    }

    pub(crate) fn epoch_identity(&self, epoch: u32) -> Result<[Identity; 1], KeyError> {
        Ok([Identity::Key(self.key.epoch(epoch)?.clone())])
    }

    pub(crate) fn segments(&self) -> Result<Vec<SegmentId>, ObjectError> {
        self.listed_ids(INDEX)
    }

    /// Returns the ids of the objects of an area. What is not named by an id is passed over.
    pub(crate) fn listed_ids<I: FromStr, C: FromIterator<I>>(
        &self,
        area: &str,
    ) -> Result<C, ObjectError> {
        let listed = self.setup.store.list(area)?.into_iter();
        let ids = listed.filter_map(|object| object.name.last().parse().ok());
        Ok(ids.collect())
    }

    /// Returns the packs in the store, with their lengths.
    pub(crate) fn stored_packs(&self) -> Result<HashMap<PackId, u64>, ObjectError> {
        let listed = self.setup.store.list(PACKS)?.into_iter();
        let packs =
            listed.filter_map(|object| Some((object.name.last().parse().ok()?, object.size)));
        Ok(packs.collect())
    }

    /// Reads one index segment from the store.
    pub(crate) fn segment(&self, id: &SegmentId) -> Result<Vec<IndexedPack>, ObjectError> {
        read_segment(&self.setup, &self.catalog_identity(), id)
    }

    /// Returns what reads index segments as long as it is held.
    pub(crate) fn segment_reader(&self) -> Arc<Segments> {
        let (setup, identity) = (self.setup.clone(), self.catalog_identity());
        Arc::new(move |id| read_segment(&setup, &identity, id))
    }
}

fn read_segment(
    setup: &Setup,
    identity: &[Identity],
    id: &SegmentId,
) -> Result<Vec<IndexedPack>, ObjectError> {
    let name = segment_name(id);
    let read = || -> Result<Vec<IndexedPack>, ObjectError> {
        let sealed = setup.store.get(&name)?;
        require_hash(blake3::hash(&sealed), id.0)?;
        let plain = open_bytes(setup.sealer.as_ref(), identity, sealed)?;
        let plain = expand_small(&plain, SEGMENT_EXPANDED_MAX)?;
        decode_segment(&plain)
    };
    read().map_err(|e| e.in_sealed(name.as_str()))
}

/// The ways to cut content that new repositories know.
///
/// Chunks are a quarter of a mebibyte, smaller than in other tools: frames hold several, so that
/// compression does not suffer, and an edit costs less.
fn splitters() -> Vec<Splitter> {
    let splitter = |name: &str, min, target, max| Splitter {
        name: name.into(),
        min,
        target,
        max,
    };
    vec![
        splitter("content", 64 << 10, 256 << 10, 1 << 20),
        splitter("large", 512 << 10, 2 << 20, 8 << 20),
    ]
}

fn exists(store: &dyn Store) -> OpenError {
    let place = store.place();
    OpenError::Exists { place }
}

/// Returns the epoch that a new repository begins with, if one can be made.
///
/// An `init` that was ended between its two objects leaves an epoch that belongs to no repository. It is
/// left alone, as every key is, and the next one takes the next number.
fn first_free_epoch(store: &dyn Store) -> Result<u32, OpenError> {
    for header in [header_name(), spare_name(&header_name())?] {
        match store.size(&header) {
            Ok(_) => return Err(exists(store)),
            Err(error) if error.is_absent() => {}
            // Whether there is one is not known, and so none is made.
            Err(error) => return Err(error.into()),
        }
    }
    for area in ["snapshots", "index", "packs"] {
        if !store.list(area)?.is_empty() {
            let place = store.place();
            return Err(OpenError::NoHeader { place });
        }
    }
    let taken = epochs::listed(store)?;
    Ok(taken.first().map_or(1, |last| last.epoch.saturating_add(1)))
}

/// Returns the number of an epoch that nobody else takes, if the store would let two take one.
fn unshared(store: &dyn Store, free: u32) -> Result<u32, ObjectError> {
    if store.abilities().conditional_create.is_real() {
        return Ok(free);
    }
    // By chance, so that another `init` at the same moment does not write over it; the rest is for rotations.
    let chance = u32::from_le_bytes(random()?) & (u32::MAX >> 2);
    Ok(free.saturating_add(chance))
}

/// Returns whether an object is still what was created, if the store would let another write over it.
fn is_still(store: &dyn Store, name: &Name, bytes: &[u8]) -> Result<bool, ObjectError> {
    if store.abilities().conditional_create.is_real() {
        return Ok(true);
    }
    std::thread::sleep(SETTLES);
    Ok(store.get(name)? == bytes)
}

fn new_key(setup: &Setup, number: u32) -> Result<KeyFile, ObjectError> {
    let catalog = setup.sealer.generate()?;
    let epoch = setup.sealer.generate()?;
    let write = WriteKeys {
        id_key: Secret::from_key_bytes(random()?),
        split_key: Secret::from_key_bytes(random()?),
        signing_key: None,
        certificate: None,
        epoch: number,
        epoch_recipient: epoch.public_key,
    };
    let read = ReadEpoch {
        epoch: number,
        identity: epoch.identity,
    };
    make_read_key(catalog, write, Some(vec![read]))
}

/// Makes the key of a repository that shares another's secrets, but not its root of trust.
fn group_key(other: &KeyFile, first_free: u32) -> Result<KeyFile, ObjectError> {
    let keys = other.writing()?;
    if first_free > keys.epoch {
        let detail = format!(
            "an interrupted creation left epoch {} there; remove what lies below `epochs`",
            keys.epoch
        );
        return Err(KeyError::Malformed { detail }.into());
    }
    let write = WriteKeys {
        signing_key: None,
        certificate: None,
        ..keys.clone()
    };
    make_read_key(other.catalog.clone(), write, other.read.clone())
}

/// Makes a read key with a root of trust of its own.
fn make_read_key(
    catalog: KeyPair,
    write: WriteKeys,
    read: Option<Vec<ReadEpoch>>,
) -> Result<KeyFile, ObjectError> {
    let signing = SigningKey::from_bytes(&random()?);
    Ok(KeyFile {
        holdfast_key: file::VERSION,
        role: Role::Read,
        repository: RepositoryId(random()?),
        verifying_key: hex::encode(signing.verifying_key().to_bytes()),
        root_key: Some(Secret::from_key_bytes(signing.to_bytes())),
        catalog,
        write: Some(write),
        read,
    })
}

/// Makes the repository's own cache directory; none if that is not possible.
fn private_directory(cache: &std::path::Path, header: &Header) -> Option<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let directory = cache.join(header.repository.to_string());
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory);
    match made {
        Ok(()) => Some(directory),
        Err(error) => {
            tracing::debug!(%error, "working without a cache");
            None
        }
    }
}
