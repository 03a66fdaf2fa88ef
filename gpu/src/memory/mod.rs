//! Memory as a budget: who may take how much, and what happens where there is no more.

mod reservation;

pub use reservation::{Budget, Reservation};
