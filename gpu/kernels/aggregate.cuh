// Aggregate: what a group keeps, at three distances from the thread.
//
// A group's state is a run of 64-bit words in device memory, all zero at the start: every kind of cell has zero for
// "nothing yet" (least and greatest are kept as the greatest order code, least's turned over). A cell is fed
//
//  - from registers, one per thread, where there is a single group; reduce.cuh makes one value of a block, and
//    thread 0 adds it to device memory: one atomic per block and cell;
//  - from shared memory, where groups are few. `COPIES` copies of every word lie side by side and lane l uses copy
//    l % COPIES: with 32, no two lanes of a warp meet on a word or on a bank. Only 32-bit integer atomics are native
//    in shared memory, so a wide sum is words with carries between them; a high word is touched only when there is
//    something to add to it. Written by all threads; a __syncthreads stands between the last row and the flush, in which
//    each thread gathers the copies of some groups and adds them to device memory;
//  - directly in device memory, where groups are many.
//
// Bytes moved per row: none from registers; 4 to 20 of shared memory per cell; a 32-byte sector of device memory per group.

// ---- device memory ----

INLINE void global_add(u64* cell, u64 value) {
    if (value) atomicAdd(cell, value);
}
INLINE void global_add_float(u64* cell, f64 value) { atomicAdd((f64*)cell, value); }
// Two words. The carry is taken where the low word's own addition passed, so that the order of threads does not matter.
INLINE u32 global_add_wide(u64* cell, i128 value, u32 fault) {
    const u64 low = (u64)value;
    const i64 high = (i64)((u128)value >> 64);
    const u64 old = low ? atomicAdd(cell, low) : 0;
    const bool carry = low && old + low < old;
    const u64 more = (u64)high + carry;
    if (more == 0) return 0u;
    const i64 before = (i64)atomicAdd(cell + 1, more);
    return fits_64((i128)before + high + carry) ? 0u : fault;
}
INLINE void global_max(u64* cell, u64 code) {
    if (code > load_relaxed(cell)) atomicMax(cell, code);
}
// Three words: a lock, the high half, the low half. The high half only grows, so a smaller one can be turned away
// without the lock.
OUTLINE void global_max_wide(u64* cell, u128 code) {
    if ((u64)(code >> 64) < load_relaxed(cell + 1)) return;
    for (bool done = false; !done;) {
        if (atomicCAS(cell, 0ull, 1ull) == 0) {
            __threadfence();
            const u128 now = (u128)load_relaxed(cell + 1) << 64 | load_relaxed(cell + 2);
            if (code > now) {
                store_relaxed(cell + 1, (u64)(code >> 64));
                store_relaxed(cell + 2, (u64)code);
            }
            __threadfence();
            atomicExch(cell, 0ull);
            done = true;
        }
    }
}
INLINE void global_see(u64* cell) {
    if (!load_relaxed(cell)) atomicOr(cell, 1ull);
}
INLINE void global_bit(u64* cell, u64 at) {
    const u64 bit = 1ull << (at % 64);
    if (!(load_relaxed(cell + at / 64) & bit)) atomicOr(cell + at / 64, bit);
}
INLINE void global_or(u64* cell, u64 bits) {
    if (bits & ~load_relaxed(cell)) atomicOr(cell, bits);
}
INLINE void global_xor(u64* cell, u64 bits) {
    if (bits) atomicXor(cell, bits);
}
// The value that a group's deviations are measured from: the first that came, whichever that is. Kept turned over: what
// would be zero then is a NaN that no operation makes, and is replaced by another.
INLINE f64 global_shift(u64* cell, f64 value) {
    const u64 own = value != value ? ~0x7ff8000000000000ull : ~bits_of(value);
    u64 found = load_relaxed(cell);
    if (found == 0) {
        found = atomicCAS(cell, 0ull, own);
        if (found == 0) found = own;
    }
    return f64_of(~found);
}

// ---- shared memory; `at` is this lane's copy of the cell's first word ----

template <u32 COPIES> INLINE void shared_add(u32* at, u64 value) {
    const u32 low = (u32)value;
    const u32 old = atomicAdd(at, low);
    const u32 high = (u32)(value >> 32) + (old + low < old);
    if (high) atomicAdd(at + COPIES, high);
}
// Three words, 96 bits: enough for 2^31 values of 64 bits.
template <u32 COPIES> INLINE void shared_add_wide(u32* at, i64 value) {
    const u32 low = (u32)value;
    const u32 old = atomicAdd(at, low);
    const u64 rest = (u64)(value >> 32) + (old + low < old);
    const u32 middle = (u32)rest;
    u32 top = (u32)(rest >> 32);
    if (middle) {
        const u32 before = atomicAdd(at + COPIES, middle);
        top += before + middle < before;
    }
    if (top) atomicAdd(at + 2 * COPIES, top);
}
// Five words, 160 bits.
template <u32 COPIES> INLINE void shared_add_wide(u32* at, i128 value) {
    u128 rest = (u128)value;
    u32 carry = 0;
#pragma unroll
    for (u32 k = 0; k < 4; k++) {
        const u64 part = (u64)(u32)rest + carry;
        const u32 low = (u32)part;
        const u32 old = low ? atomicAdd(at + k * COPIES, low) : 0u;
        carry = (u32)(part >> 32) + (low && old + low < old);
        rest >>= 32;
    }
    const u32 top = carry - (value < 0 ? 1u : 0u);
    if (top) atomicAdd(at + 4 * COPIES, top);
}
INLINE void shared_add_float(u64* at, f64 value) { atomicAdd((f64*)at, value); }
INLINE void shared_max(u64* at, u64 code) {
    if (code > load_shared(at)) atomicMax(at, code);
}
INLINE void shared_or(u64* at, u64 bits) {
    if (bits & ~load_shared(at)) atomicOr(at, bits);
}
INLINE void shared_xor(u64* at, u64 bits) {
    if (bits) atomicXor(at, bits);
}

// The flush: all copies of a cell as one value. After a __syncthreads.

template <u32 COPIES> INLINE u64 gather_word(const u32* at) {
    u64 total = 0;
#pragma unroll 1
    for (u32 k = 0; k < COPIES; k++) total += at[k];
    return total;
}
template <u32 COPIES> INLINE u64 gather_sum(const u32* at) {
    return gather_word<COPIES>(at) + (gather_word<COPIES>(at + COPIES) << 32);
}
template <u32 COPIES> INLINE i128 gather_top(const u32* at) {
    i64 total = 0;
#pragma unroll 1
    for (u32 k = 0; k < COPIES; k++) total += (i32)at[k];
    return total;
}
template <u32 COPIES> INLINE i128 gather_wide_64(const u32* at) {
    const i128 low = (i128)gather_word<COPIES>(at) + ((i128)gather_word<COPIES>(at + COPIES) << 32);
    return low + (i128)((u128)gather_top<COPIES>(at + 2 * COPIES) << 64);
}
template <u32 COPIES> INLINE i128 gather_wide_128(const u32* at, u32 fault, u32& raised) {
    u128 low = 0;
    u64 carry = 0;
#pragma unroll
    for (u32 k = 0; k < 4; k++) {
        const u64 part = gather_word<COPIES>(at + k * COPIES) + carry;
        low |= (u128)(u32)part << (32 * k);
        carry = part >> 32;
    }
    const i128 top = gather_top<COPIES>(at + 4 * COPIES) + carry;
    // What stands above 128 bits must be the sign and nothing else.
    if (top != ((i128)low < 0 ? -1 : 0)) raised = first(raised, fault);
    return (i128)low;
}
template <u32 COPIES> INLINE f64 gather_float(const u64* at) {
    f64 total = 0;
#pragma unroll 1
    for (u32 k = 0; k < COPIES; k++) total += f64_of(at[k]);
    return total;
}
template <u32 COPIES> INLINE u64 gather_max(const u64* at) {
    u64 most = 0;
#pragma unroll 1
    for (u32 k = 0; k < COPIES; k++) most = at[k] > most ? at[k] : most;
    return most;
}
template <u32 COPIES> INLINE u64 gather_or(const u64* at) {
    u64 bits = 0;
#pragma unroll 1
    for (u32 k = 0; k < COPIES; k++) bits |= at[k];
    return bits;
}
template <u32 COPIES> INLINE u64 gather_xor(const u64* at) {
    u64 bits = 0;
#pragma unroll 1
    for (u32 k = 0; k < COPIES; k++) bits ^= at[k];
    return bits;
}
