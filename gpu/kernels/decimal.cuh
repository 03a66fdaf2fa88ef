// Decimal: integers of 128 bits, the forms that project.cuh's templates do not cover.
//
// A product or a quotient of values that fit 64 bits, the usual decimal, takes the short way. Pure functions of
// registers; division is a call, so that a kernel holds one copy of it.

INLINE bool fits_64(i128 a) { return a == (i128)(i64)a; }
INLINE u128 magnitude(i128 a) { return a < 0 ? (u128)0 - (u128)a : (u128)a; }

OUTLINE bool multiply_overflows(i128 a, i128 b) {
    const u128 x = magnitude(a), y = magnitude(b);
    const u64 xh = (u64)(x >> 64), yh = (u64)(y >> 64);
    if (xh && yh) return true;
    const u128 cross = xh ? (u128)xh * (u64)y : (u128)yh * (u64)x;
    if (cross >> 64) return true;
    const u128 low = (u128)(u64)x * (u64)y;
    const u128 total = low + (cross << 64);
    const u128 most = ((u128)1 << 127) - ((a < 0) == (b < 0));
    return total < low || total > most;
}

INLINE u32 checked_multiply(i128 a, i128 b, u32 fault, i128& result) {
    result = wrap_multiply(a, b);
    if (fits_64(a) && fits_64(b)) return 0u;
    return multiply_overflows(a, b) ? fault : 0u;
}

OUTLINE i128 wide_quotient(i128 a, i128 b) { return a / b; }

template <> __device__ __forceinline__ i128 quotient(i128 a, i128 b) {
    // MIN / -1 does not come here, and no other quotient of 64 bits passes them.
    if (fits_64(a) && fits_64(b)) return (i64)a / (i64)b;
    return wide_quotient(a, b);
}
