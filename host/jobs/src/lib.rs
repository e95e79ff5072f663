//! What a run is: configuration, backup, restore, verify, history.
