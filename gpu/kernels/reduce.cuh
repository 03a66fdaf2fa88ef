// Reduce: one value of all the threads of a block.
//
// Phases: lanes by shuffle (5 steps), a partial of each warp to shared memory, warp 0 reduces the partials. Every thread of
// the block must call; thread 0 has the result. `scratch` may be reused after the next __syncthreads, which the
// next reduction begins with. Bytes moved: 8 or 16 per warp, shared.

INLINE u64 shuffle_down(u64 a, u32 by) { return __shfl_down_sync(ALL_LANES, a, by); }
INLINE f64 shuffle_down(f64 a, u32 by) { return __shfl_down_sync(ALL_LANES, a, by); }
INLINE i128 shuffle_down(i128 a, u32 by) {
    const u64 low = __shfl_down_sync(ALL_LANES, (u64)a, by);
    const u64 high = __shfl_down_sync(ALL_LANES, (u64)((u128)a >> 64), by);
    return (i128)((u128)high << 64 | low);
}
INLINE u128 shuffle_down(u128 a, u32 by) { return (u128)shuffle_down((i128)a, by); }

struct Sum {
    template <typename T> static INLINE_MEMBER T of(T a, T b) { return a + b; }
    static INLINE_MEMBER i128 of(i128 a, i128 b) { return (i128)((u128)a + (u128)b); }
};
struct Greatest {
    template <typename T> static INLINE_MEMBER T of(T a, T b) { return b > a ? b : a; }
};
struct Either {
    template <typename T> static INLINE_MEMBER T of(T a, T b) { return a | b; }
};
struct Differing {
    template <typename T> static INLINE_MEMBER T of(T a, T b) { return a ^ b; }
};

template <typename Op, typename T> INLINE T warp_reduce(T a) {
#pragma unroll
    for (u32 by = WARP / 2; by > 0; by /= 2) a = Op::of(a, shuffle_down(a, by));
    return a;
}

// `identity` stands for warps that are not there.
template <typename Op, typename T> INLINE T block_reduce(T a, T identity, i128* scratch) {
    T* partials = (T*)scratch;
    a = warp_reduce<Op>(a);
    __syncthreads();
    if (lane() == 0) partials[warp()] = a;
    __syncthreads();
    if (warp() == 0) {
        a = lane() < WARPS ? partials[lane()] : identity;
        a = warp_reduce<Op>(a);
    }
    return a;
}
