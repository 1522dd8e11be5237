//! Recurrent layers: whole sequences as one op.

pub mod lstm;
