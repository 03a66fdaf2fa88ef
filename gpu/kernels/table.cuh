// Tables that a run brings along: bitmaps over a dictionary's codes, ranks, members of a list.
//
// Every thread reads on its own, through the read-only cache: no synchronization. Bytes moved per row: a cached read;
// `member` and `place` make log2(length) of them.

template <typename T> INLINE T table_at(u64 values, u64 at) { return __ldg((const T*)values + at); }
template <> __device__ __forceinline__ i128 table_at(u64 values, u64 at) {
    const u64* words = (const u64*)values + 2 * at;
    return (i128)((u128)__ldg(words + 1) << 64 | __ldg(words));
}
INLINE bool table_bit(u64 bits, u64 at) { return __ldg((const u8*)bits + at / 8) >> (at % 8) & 1; }

// The element, or 0 past the end.
template <typename T> INLINE T lookup(u64 values, u64 length, u64 at) { return at < length ? table_at<T>(values, at) : (T)0; }
INLINE bool lookup_bit(u64 bits, u64 length, u64 at) { return at < length && table_bit(bits, at); }

// How many of the ascending elements are not greater than `a`.
template <typename T> INLINE i32 place(u64 values, u64 length, T a) {
    u64 low = 0, count = length;
    while (count > 0) {
        const u64 half = count / 2;
        const bool right = table_at<T>(values, low + half) <= a;
        low = right ? low + half + 1 : low;
        count = right ? count - half - 1 : half;
    }
    return (i32)low;
}

// Whether `a` is among the ascending elements.
template <typename T> INLINE bool member(u64 values, u64 length, T a) {
    u64 low = 0, count = length;
    while (count > 0) {
        const u64 half = count / 2;
        const bool right = table_at<T>(values, low + half) < a;
        low = right ? low + half + 1 : low;
        count = right ? count - half - 1 : half;
    }
    return low < length && table_at<T>(values, low) == a;
}
