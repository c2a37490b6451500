//! The whole bundle on one machine.

pub mod queues;
mod random;
pub mod state;
pub mod table;
pub mod template;
