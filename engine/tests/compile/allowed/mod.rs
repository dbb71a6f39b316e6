//! Neighbours of the programs in `refused`, each of which differs in the one thing: they compile, and run.

mod batch_outlives_its_cursor;
mod claim_after_publish;
mod delivery_after_ack;
mod event_escapes_its_handler;
mod handler_borrows_what_ends;
mod message_escapes_its_handler;
mod receipt_waited_for_twice;
mod single_producer_shared;
mod unique_buffer_after_share;
mod value_outlives_its_batch;
