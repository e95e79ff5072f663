//! Opens repositories, and creates them.

use crate::config::store::Referred;
use crate::config::{Config, StoreConfig};
use crate::error::JobError;
use crate::keys;
use crate::places::Places;
use crate::plugins::Plugins;
use crate::secrets::{self, Environment};
use crate::state::JobState;
use crate::wire::{Deaf, PluginSealer};
use holdfast_base::cancel::Cancel;
use holdfast_base::time::SystemClock;
use holdfast_repository::keys::{KeyFile, Role};
use holdfast_repository::parity::ParityStore;
use holdfast_repository::repository::Ground;
use holdfast_repository::seal::{Identity, KeyPair, Recipient, SealError, Sealer, Secret};
use holdfast_repository::{Repository, RepositoryError, Setup};
use holdfast_sandbox::CallContext;
use holdfast_sandbox::grant::Effective;
use holdfast_sandbox::limits::CallLimits;
use holdfast_sandbox::manifest::PluginKind;
use holdfast_sandbox::plugin::encryptor::Encryptor;
use holdfast_sandbox::ports::SecretPort;
use holdfast_store::Store;
use holdfast_store::s3::Credentials as S3Credentials;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;

/// Everything that a command works with.
#[derive(Clone)]
pub struct Context {
    /// The configuration.
    pub config: Arc<Config>,
    /// Where things are.
    pub places: Places,
    /// Installed plugins.
    pub plugins: Arc<Plugins>,
    /// What secrets may come from.
    pub environment: Arc<dyn Environment>,
    /// Ends whatever is going on.
    pub cancel: Cancel,
}

/// With what a repository is opened.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// A key file, instead of the store's own.
    pub key: Option<PathBuf>,
    /// Operators' identities: with one, no key file is needed.
    pub identities: Vec<PathBuf>,
    /// The operators' passphrase: with it, no key file is needed either.
    pub passphrase: Option<Secret>,
}

impl Credentials {
    /// Returns what operators open a repository with.
    ///
    /// # Errors
    /// An identity cannot be read.
    pub fn operators(&self) -> Result<Vec<Identity>, JobError> {
        let files = self.identities.iter().map(|path| keys::identity(path));
        let passphrase = self.passphrase.iter().cloned().map(Identity::Passphrase);
        files.chain(passphrase.map(Ok)).collect()
    }
}

/// Who shall be able to open a new repository.
#[derive(Default)]
pub struct Operators<'a> {
    /// Recipients in the encryptor's notation, beside those of the configuration.
    pub recipients: &'a [String],
    /// Where an identity that is to be made goes.
    pub new_identity: Option<&'a Path>,
    /// A passphrase.
    pub passphrase: Option<Secret>,
    /// The read key of a repository whose trust group the new one joins.
    pub same_keys_as: Option<&'a KeyFile>,
}

struct NoSecrets;

impl SecretPort for NoSecrets {
    fn resolve(&self, name: &str) -> io::Result<Vec<u8>> {
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("there is no secret `{name}`"),
        ))
    }
}

impl Context {
    /// Returns where a store's key file is.
    ///
    /// # Errors
    /// There is no such store.
    pub fn key_file(&self, store: &str) -> Result<PathBuf, JobError> {
        let config = self.config.store(store)?;
        Ok(config
            .key
            .clone()
            .unwrap_or_else(|| self.places.key_file(store)))
    }

    /// Loads the encryptor of a store.
    ///
    /// # Errors
    /// It is not installed, or no encryptor.
    pub fn sealer(&self, store: &str) -> Result<Arc<dyn Sealer>, JobError> {
        let name = &self.config.store(store)?.encryptor;
        let (plugin, _) = self.named(name, PluginKind::Encryptor)?;
        let context = CallContext {
            job: format!("store {store}"),
            settings: serde_json::json!({}),
            effective: Effective::default(),
            secrets: Arc::new(NoSecrets),
            state: Arc::new(JobState::open(Path::new("/nonexistent"))?),
            listener: Arc::new(Deaf),
            cancel: self.cancel.clone(),
            limits: CallLimits::default(),
        };
        Ok(Arc::new(PluginSealer(Encryptor::new(plugin, context)?)))
    }

    /// Opens the place where a store's objects are.
    fn objects(&self, store: &str) -> Result<Arc<dyn Store>, JobError> {
        let config = self.config.store(store)?;
        let mut options = config.s3_options(self.places.cache.join("uploads"));
        options.credentials = self.store_credentials(config)?;
        options.cancel = self.cancel.clone();
        Ok(holdfast_store::open_store(config.url.get_ref(), options)?)
    }

    /// Resolves the credentials that a store's table refers to.
    fn store_credentials(&self, config: &StoreConfig) -> Result<Option<S3Credentials>, JobError> {
        let resolved = |referred: &Spanned<Referred>| {
            let bytes = secrets::resolve(&referred.get_ref().secret, self.environment.as_ref())?;
            String::from_utf8(bytes).map_err(|_| {
                let place = self.config.place(referred.span());
                JobError::usage(format!("{place}: this credential is no text"), None)
            })
        };
        let (Some(id), Some(secret)) = (&config.access_key_id, &config.secret_access_key) else {
            return Ok(None);
        };
        Ok(Some(S3Credentials {
            access_key_id: resolved(id)?,
            secret_access_key: resolved(secret)?,
            session_token: config.session_token.as_ref().map(resolved).transpose()?,
        }))
    }

    fn setup(&self, store: &str) -> Result<Setup, JobError> {
        let objects = self.objects(store)?;
        Ok(Setup {
            store: match self.config.store(store)?.shape() {
                Some(shape) => Arc::new(ParityStore::new(objects, shape)),
                None => objects,
            },
            sealer: self.sealer(store)?,
            cache: Some(self.places.cache.join("repositories")),
            clock: Arc::new(SystemClock),
        })
    }

    /// Opens a store's repository.
    ///
    /// # Errors
    /// There is none, or the credentials do not open it.
    pub fn open(
        &self,
        store: &str,
        credentials: &Credentials,
    ) -> Result<Arc<Repository>, JobError> {
        let opened = self.opened(store, credentials)?;
        let (place, role) = (opened.place(), opened.key().role);
        tracing::info!("store {store}: {place}, opened with a {role} key");
        Ok(opened)
    }

    fn opened(&self, store: &str, credentials: &Credentials) -> Result<Arc<Repository>, JobError> {
        let setup = self.setup(store)?;
        if credentials.identities.is_empty() && credentials.passphrase.is_none() {
            // That there is no repository is said before that there is no key for it.
            holdfast_repository::repository::read_header(setup.store.as_ref())?;
            let path = match &credentials.key {
                Some(path) => path.clone(),
                None => self.key_file(store)?,
            };
            return Ok(Arc::new(Repository::open(setup, keys::read(&path)?)?));
        }
        let operators = credentials.operators()?;
        let place = setup.store.place();
        let what = match (&*credentials.identities, &credentials.passphrase) {
            ([], _) => "the passphrase",
            ([_], None) => "the identity",
            _ => "what was given",
        };
        let opened = Repository::open_as_operator(setup, &operators);
        Ok(Arc::new(opened.map_err(|error| match error {
            RepositoryError::Seal(SealError::WrongKey) => JobError::NotTheirs { what, place },
            other => other.into(),
        })?))
    }

    /// Creates a store's repository and writes its write key.
    ///
    /// Where an operator's identity is to be made, that is done when the place was found to be good.
    ///
    /// # Errors
    /// There is one already, a file is in the way, or nobody is named who could open it.
    pub fn init(&self, store: &str, who: Operators<'_>) -> Result<Created, JobError> {
        let setup = self.setup(store)?;
        if holdfast_repository::repository::read_header(setup.store.as_ref()).is_ok() {
            let place = setup.store.place();
            return Err(RepositoryError::Exists { place }.into());
        }
        let key_file = self.key_file(store)?;
        for path in [Some(key_file.as_path()), who.new_identity]
            .into_iter()
            .flatten()
        {
            if path.symlink_metadata().is_ok() {
                let path = path.display().to_string();
                return Err(JobError::InTheWay { path });
            }
        }
        let mut operators = self.recipients(store, who.recipients)?;
        operators.extend(who.passphrase.map(Recipient::Passphrase));
        if operators.is_empty() && who.new_identity.is_none() {
            return Err(JobError::usage(
                "nobody is named who could open the repository after a disaster",
                Some(
                    "Name a recipient with --recipient age1…, let an identity be made with --new-identity FILE, or \
                     use --passphrase",
                ),
            ));
        }
        // Before a key is made that would be for nothing.
        let ground = Ground::of(&setup)?;
        if let Some(path) = who.new_identity {
            let pair = setup
                .sealer
                .generate()
                .map_err(holdfast_repository::RepositoryError::from)?;
            keys::write_new(path, identity_file(&pair).as_bytes())?;
            operators.push(Recipient::PublicKey(pair.public_key));
        }
        let made = match who.same_keys_as {
            Some(other) => Repository::init_with_keys_of((&ground, &setup), &operators, other),
            None => Repository::init_on(&ground, &setup, &operators),
        };
        let key = made.map_err(keys::unusable_recipient)?;
        let place = setup.store.place();
        let repository = Repository::open(setup, key)?;
        let key = keys::of_role(&repository, Role::Write, None, &self.places.host)?;
        keys::write_key(&key_file, &key)?;
        Ok(Created {
            place,
            key_file,
            operators: operators.len(),
            service: repository.header().service.clone(),
        })
    }

    /// Returns who is to open a store's repository: as configured, and as told.
    fn recipients(&self, store: &str, told: &[String]) -> Result<Vec<Recipient>, JobError> {
        let configured = &self.config.store(store)?.recipients;
        let all = configured.iter().chain(told).cloned();
        Ok(all.map(Recipient::PublicKey).collect())
    }
}

/// Returns what an operator keeps: the identity, and whose it is where the plugin does not say so itself.
fn identity_file(pair: &KeyPair) -> String {
    let identity = pair.identity.expose();
    if identity.contains(&pair.public_key) {
        return identity.to_owned();
    }
    format!("# public key: {}\n{identity}", pair.public_key)
}

/// What `init` made.
#[derive(Debug)]
pub struct Created {
    /// Where the repository is.
    pub place: String,
    /// The write key.
    pub key_file: PathBuf,
    /// How many can open it.
    pub operators: usize,
    /// What the service was found to do, where there is one.
    pub service: Option<BTreeMap<String, String>>,
}
