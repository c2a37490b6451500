//! The HTTP contract in one room: the routes with who may call them, and the problems that they
//! answer with.
//!
//! Functions build their routers from [`routes`] and their refusals from [`problems`]; tests walk
//! both. What is not here does not exist for a caller.

pub mod problems;
pub mod routes;

/// The OpenAPI document: the whole contract for programs.
pub const OPENAPI: &str = include_str!("../openapi.json");
