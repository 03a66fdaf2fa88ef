// Top-k: which rows may still be among the first.
//
// The host keeps the first k rows of all launches so far; the order code of the last of them, by the first key, is
// the threshold of the next launch. A row behind it is dropped; all others are materialized (compact.cuh), and the host
// picks. The first launch is small, so that the threshold is soon a good one. Codes never go against the order, but
// may not tell two rows apart (a nullable 64-bit key loses its last bit): such rows are kept.
//
// A pure function of registers. Bytes moved per row: none.

// `rank` 0 stands before all, 2 behind all (NULLs); 1 is a value.
INLINE u64 sort_code(u32 rank, u64 code) { return rank == 1 ? (code >> 2) + (1ull << 62) : rank == 0 ? 0ull : ~0ull; }
