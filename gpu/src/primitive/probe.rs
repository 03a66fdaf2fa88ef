//! The number that an index has for keys which do not fit its slots.

use crate::join::Index;

/// -1 where there is none.
///
/// # Safety
///
/// An index lies there, and so many words as its layout says, behind them the address of each text.
pub(super) unsafe extern "C" fn probe(index: *const Index, words: *const u64) -> i32 {
    // SAFETY: as this function's own.
    unsafe { (*index).find(words) }.unwrap_or(-1)
}
