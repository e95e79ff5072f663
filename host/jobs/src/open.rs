//! Opens repositories.

use crate::config::StoreConfig;
use crate::config::store::Referred;
use crate::context::Context;
use crate::error::JobError;
use crate::error::access::{AccessError, Given};
use crate::keys::{self, Credentials};
use crate::load::load_plugin;
use crate::secrets;
use crate::state::JobState;
use crate::wire::{NullListener, PluginSealer};
use holdfast_repository::keys::Role;
use holdfast_repository::parity::ParityStore;
use holdfast_repository::seal::{SealError, Sealer};
use holdfast_repository::{ObjectError, OpenError, Repository, Setup};
use holdfast_sandbox::CallContext;
use holdfast_sandbox::grant::Effective;
use holdfast_sandbox::limits::CallLimits;
use holdfast_sandbox::manifest::PluginKind;
use holdfast_sandbox::plugin::encryptor::Encryptor;
use holdfast_sandbox::ports::SecretPort;
use holdfast_store::Store;
use holdfast_store::s3::Credentials as S3Credentials;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use toml::Spanned;

/// A store, and what opens its repository.
#[derive(Debug, Clone)]
pub struct Access {
    /// The store.
    pub store: String,
    /// What opens it.
    pub credentials: Credentials,
}

impl Access {
    /// Opens the repository.
    pub(crate) fn open(&self, context: &Context) -> Result<Arc<Repository>, JobError> {
        open_repository(context, &self.store, &self.credentials)
    }
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

/// Returns the path of a store's key file.
pub(crate) fn find_key_file(context: &Context, store: &str) -> Result<PathBuf, JobError> {
    let own = &context.config.store(store)?.key;
    Ok(own
        .clone()
        .unwrap_or_else(|| context.places.key_file(store)))
}

/// Loads the encryptor of a store.
pub(crate) fn load_sealer(context: &Context, store: &str) -> Result<Arc<dyn Sealer>, JobError> {
    let name = &context.config.store(store)?.encryptor;
    let loaded = load_plugin(context, name, PluginKind::Encryptor)?;
    let call = CallContext {
        job: format!("store {store}"),
        settings: serde_json::json!({}),
        effective: Effective::default(),
        secrets: Arc::new(NoSecrets),
        state: Arc::new(JobState::unsaved()),
        listener: Arc::new(NullListener),
        cancel: context.cancel.clone(),
        limits: CallLimits::default(),
    };
    Ok(Arc::new(PluginSealer(Encryptor::new(loaded.plugin, call)?)))
}

/// Opens the place of a store's objects.
fn open_store(context: &Context, store: &str) -> Result<Arc<dyn Store>, JobError> {
    let config = context.config.store(store)?;
    let mut options = config.s3_options(context.places.cache.join("uploads"));
    options.credentials = resolve_credentials(context, config)?;
    options.cancel = context.cancel.clone();
    let objects = holdfast_store::open_store(config.url.get_ref(), options)?;
    Ok(match config.shape() {
        Some(shape) => Arc::new(ParityStore::new(objects, shape)),
        None => objects,
    })
}

/// Resolves the credentials that a store's table refers to.
fn resolve_credentials(
    context: &Context,
    config: &StoreConfig,
) -> Result<Option<S3Credentials>, JobError> {
    let resolve = |referred: &Spanned<Referred>| {
        let reference = &referred.get_ref().secret;
        let bytes = secrets::resolve_reference(reference, context.environment.as_ref())?;
        String::from_utf8(bytes).map_err(|_| {
            let message = "this credential is no text".to_owned();
            JobError::from(context.config.wrong(referred.span(), message, None))
        })
    };
    let (Some(id), Some(secret)) = (&config.access_key_id, &config.secret_access_key) else {
        return Ok(None);
    };
    Ok(Some(S3Credentials {
        access_key_id: resolve(id)?,
        secret_access_key: resolve(secret)?,
        session_token: config.session_token.as_ref().map(resolve).transpose()?,
    }))
}

/// Gathers what a store's repository needs from outside.
pub(crate) fn prepare_setup(context: &Context, store: &str) -> Result<Setup, JobError> {
    Ok(Setup {
        store: open_store(context, store)?,
        sealer: load_sealer(context, store)?,
        cache: Some(context.places.cache.join("repositories")),
        clock: Arc::clone(&context.clock),
    })
}

/// Opens a store's repository.
///
/// # Errors
/// There is none, or the credentials do not open it.
pub(crate) fn open_repository(
    context: &Context,
    store: &str,
    credentials: &Credentials,
) -> Result<Arc<Repository>, JobError> {
    let setup = prepare_setup(context, store)?;
    let opened = if credentials.are_operators() {
        open_as_operator(setup, credentials)?
    } else {
        // That there is no repository is said before that there is no key for it.
        holdfast_repository::repository::read_header(setup.store.as_ref())?;
        let path = match &credentials.key {
            Some(path) => path.clone(),
            None => find_key_file(context, store)?,
        };
        Repository::open(setup, keys::read_key(&path)?)?
    };
    let (place, role) = (opened.place(), opened.key().role);
    tracing::info!("store {store}: {place}, opened with a {role} key");
    Ok(Arc::new(opened))
}

fn open_as_operator(setup: Setup, credentials: &Credentials) -> Result<Repository, JobError> {
    let operators = credentials.read_operators()?;
    let place = setup.store.place();
    let given = match (&*credentials.identities, &credentials.passphrase) {
        ([], _) => Given::Passphrase,
        ([_], None) => Given::Identity,
        _ => Given::Several,
    };
    let opened = Repository::open_as_operator(setup, &operators);
    opened.map_err(|error| match error {
        OpenError::Object(ObjectError::Seal(SealError::WrongKey)) => {
            AccessError::WrongOperator { given, place }.into()
        }
        other => other.into(),
    })
}

/// Refuses a key that does not read.
pub(crate) fn require_reading(repository: &Repository) -> Result<(), JobError> {
    Ok(repository.key().require(Role::Read)?)
}
