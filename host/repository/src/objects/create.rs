//! Creating an object on which much depends, and knowing afterwards whether it exists.

use crate::objects::error::ObjectError;
use holdfast_store::{Attempts, Created, Name, Store, StoreError};

/// Creates an object on which much depends, and knows afterwards whether it exists.
///
/// A store can do what it was asked and lose the answer. So after an error it is asked once more, which
/// changes nothing if the object is there already, and then whether it holds these very bytes.
///
/// # Errors
/// The object does not exist, or the store does not say whether it does.
pub(crate) fn create_surely(
    store: &dyn Store,
    name: &Name,
    bytes: &[u8],
) -> Result<Created, ObjectError> {
    let error = match store.create(name, bytes, Attempts::Repeated) {
        Ok(created) => return Ok(created),
        Err(error) => error,
    };
    tracing::debug!(%error, %name, "asking once more");
    let unanswered = |source: StoreError| ObjectError::Unanswered {
        object: name.to_string(),
        source,
    };
    match store.create(name, bytes, Attempts::Repeated) {
        Ok(Created::New) => Ok(Created::New),
        Ok(Created::Existed) => match store.get(name) {
            Ok(held) if held == bytes => Ok(Created::New),
            // Torn, or another's: not what a reader would take for this one.
            Ok(_) => Err(error.into()),
            Err(again) => Err(unanswered(again)),
        },
        Err(again) => match store.size(name) {
            Err(absent) if absent.is_absent() => Err(error.into()),
            _ => Err(unanswered(again)),
        },
    }
}
