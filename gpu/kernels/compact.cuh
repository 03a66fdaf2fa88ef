// Compact: where the rows that a warp keeps go.
//
// Phases: each lane says how many of its rows stay (0 to 15); four ballots give the lanes before it; one lane reserves room
// for the whole warp by one atomic on a counter in device memory; a shuffle tells the others. All lanes of
// a warp must call; every lane has its own valid result. Nothing is shared, nothing needs synchronization before reuse.
// Bytes moved: 8 per warp and tile.

INLINE u32 lanes_before() { return (1u << lane()) - 1u; }

// The sum of `count` over the lanes before, and over all.
INLINE u32 warp_prefix(u32 count, u32& total) {
    u32 before = 0;
    total = 0;
#pragma unroll
    for (u32 bit = 0; bit < 4; bit++) {
        const u32 with = __ballot_sync(ALL_LANES, count >> bit & 1);
        before += (u32)__popc(with & lanes_before()) << bit;
        total += (u32)__popc(with) << bit;
    }
    return before;
}

// The place of this lane's first row among all that were ever kept.
INLINE u64 reserve(u64* counter, u32 count) {
    u32 total;
    const u32 before = warp_prefix(count, total);
    u64 base = 0;
    if (lane() == 0 && total > 0) base = atomicAdd(counter, (u64)total);
    return __shfl_sync(ALL_LANES, base, 0) + before;
}
