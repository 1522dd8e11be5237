//! Recurrent layers: whole sequences as one op.

pub mod gru;
pub mod lstm;
pub mod sequence;
pub mod simple_rnn;
