//! Tells damage from a store that does not answer: only the first is repaired, or read around.

use crate::objects::error::ObjectFault;
use holdfast_base::error::error_chain;
use std::io;

/// What systems answer when a medium does not give back what was written: EIO, EBADMSG, EUCLEAN.
const MEDIUM: [i32; 3] = [5, 74, 117];

/// Returns whether an error means that stored bytes have changed or cannot be read from their medium.
pub(crate) fn means_damage(error: &(impl ObjectFault + 'static)) -> bool {
    if error.is_damage() {
        return true;
    }
    error_chain(error).any(|error| {
        let answer = error.downcast_ref().and_then(io::Error::raw_os_error);
        answer.is_some_and(|answer| MEDIUM.contains(&answer))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::seal::SealError;
    use crate::objects::error::ObjectError;
    use holdfast_store::StoreError;

    fn answered(code: i32) -> ObjectError {
        let inner = StoreError::Io {
            action: "read".into(),
            place: "here".into(),
            source: io::Error::from_raw_os_error(code),
        };
        SealError::Io(io::Error::other(inner)).into()
    }

    #[test]
    fn a_sector_that_cannot_be_read_is_damage_and_a_lost_connection_is_not() {
        assert!(means_damage(&answered(5)));
        assert!(!means_damage(&answered(104)));
        assert!(means_damage(&ObjectError::ContentMismatch));
    }
}
