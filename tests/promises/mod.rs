//! One file for each promise of the design that can be kept so far.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod p1_no_success_without_end;
mod p2_retention_waits_for_a_sound_backup;
mod p3_collection_takes_nothing_needed;
mod p4_keys_are_never_replaced;
mod p5_no_permission_to_delete;
mod p6_restore_needs_only_store_and_identity;
mod p7_no_plaintext_on_disk;
mod p8_stock_tools_recover;
mod p9_old_formats_stay_readable;
