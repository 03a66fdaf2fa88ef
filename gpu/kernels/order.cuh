// Order: values as unsigned numbers whose order is PostgreSQL's: NaN greatest, -0 and 0 the same.
//
// What least, greatest and first-k compare, so that one atomic maximum serves every type. Pure functions of registers.

template <typename T> INLINE u64 order_code(T a) {
    return Integer<T>::SIGNED ? (u64)(i64)a ^ (1ull << 63) : (u64)a;
}
template <> __device__ __forceinline__ u64 order_code(bool a) { return a; }
template <> __device__ __forceinline__ u64 order_code(f64 a) {
    if (a != a) return ~0ull;
    const u64 bits = a == 0 ? 0ull : bits_of(a);
    return bits >> 63 ? ~bits : bits | 1ull << 63;
}
template <> __device__ __forceinline__ u64 order_code(f32 a) {
    if (a != a) return 0xffffffffull;
    const u32 bits = a == 0 ? 0u : bits_of(a);
    return bits >> 31 ? (u32)~bits : bits | 1u << 31;
}
// 128 bits in 64: what passes 64 bits stands at the end. Never against the order, sometimes without telling two apart.
template <> __device__ __forceinline__ u64 order_code(i128 a) {
    const i64 near = fits_64(a) ? (i64)a : a < 0 ? least<i64>() : ~least<i64>();
    return order_code(near);
}
// 128 bits exactly.
INLINE u128 wide_order_code(i128 a) { return (u128)a ^ ((u128)1 << 127); }

// A value's bits for equality: one number for all that are equal.
template <typename T> INLINE u64 key_bits(T a) { return (u64)a & (~0ull >> (64 - Integer<T>::BITS)); }
template <> __device__ __forceinline__ u64 key_bits(bool a) { return a; }
template <> __device__ __forceinline__ u64 key_bits(f64 a) {
    return a != a ? 0x7ff8000000000000ull : a == 0 ? 0ull : bits_of(a);
}
template <> __device__ __forceinline__ u64 key_bits(f32 a) { return a != a ? 0x7fc00000u : a == 0 ? 0u : bits_of(a); }
