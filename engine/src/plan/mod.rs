//! From a query's syntax tree to a plan that can run, any number of times.
//!
//! [`context`] resolves names against a transaction's snapshot; [`types`] maps type names; [`planner`] decides
//! operators as PostgreSQL does; [`rules`] lists what we add to DataFusion's rules, and where, and why;
//! [`parameter`] carries bound values into a finished plan; [`literals`] finds what texts share; [`cache`] keeps plans; [`failure`] turns
//! DataFusion's errors into PostgreSQL's.

pub mod cache;
pub mod context;
pub mod failure;
pub mod literals;
pub mod optimizer_rules;
pub mod parameter;
pub mod physical_rules;
pub mod planner;
pub mod query;
pub mod rules;
pub mod single_pass;
pub mod types;
mod union;
