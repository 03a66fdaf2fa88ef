//! What is kept between queries: columns at their physical types ([`columns`]) and compiled code ([`kernels`]).
//!
//! Never a result.

pub mod columns;
pub mod kernels;
mod load;
mod parallel;
mod state;

pub use columns::{ColumnCache, ColumnRequest, ColumnStatistics, Loader, ResidentColumn, SegmentRows};
pub use kernels::{KernelCache, KernelStatistics};
