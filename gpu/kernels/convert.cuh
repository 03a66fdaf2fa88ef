// Casts between the types of a register. Pure functions of registers.

template <typename T> struct Integer;
template <> struct Integer<i8> { enum : u32 { BITS = 8, SIGNED = 1 }; };
template <> struct Integer<i16> { enum : u32 { BITS = 16, SIGNED = 1 }; };
template <> struct Integer<i32> { enum : u32 { BITS = 32, SIGNED = 1 }; };
template <> struct Integer<i64> { enum : u32 { BITS = 64, SIGNED = 1 }; };
template <> struct Integer<i128> { enum : u32 { BITS = 128, SIGNED = 1 }; };
template <> struct Integer<u8> { enum : u32 { BITS = 8, SIGNED = 0 }; };
template <> struct Integer<u16> { enum : u32 { BITS = 16, SIGNED = 0 }; };
template <> struct Integer<u32> { enum : u32 { BITS = 32, SIGNED = 0 }; };

// Between integers.
template <typename To, typename From> INLINE u32 checked_cast(From a, u32 fault, To& result) {
    result = (To)a;
    return (From)result != a || (result < 0) != (a < 0) ? fault : 0u;
}

// 2^k, for k in -1022..=1023.
INLINE f64 power_of_two(i32 k) { return f64_of((u64)(k + 1023) << 52); }

// The nearest float to an integer, ties to even.
template <typename To, typename From> INLINE To to_float(From a) { return (To)a; }

// A magnitude past 64 bits keeps its first 64 and whether anything was lost: no tie is decided wrongly by that.
INLINE u64 leading_64(u128 a, i32& shift) {
    shift = 64 - __clzll((i64)(u64)(a >> 64));
    return (u64)(a >> shift) | (u64)((a & (((u128)1 << shift) - 1)) != 0);
}
OUTLINE f64 wide_to_f64(i128 a) {
    const u128 m = a < 0 ? (u128)0 - (u128)a : (u128)a;
    i32 shift = 0;
    const u64 head = m >> 64 ? leading_64(m, shift) : (u64)m;
    const f64 result = (f64)head * power_of_two(shift);
    return a < 0 ? -result : result;
}
OUTLINE f32 wide_to_f32(i128 a) {
    const u128 m = a < 0 ? (u128)0 - (u128)a : (u128)a;
    i32 shift = 0;
    const u64 head = m >> 64 ? leading_64(m, shift) : (u64)m;
    const f32 result = (f32)head * (f32)power_of_two(shift);
    return a < 0 ? -result : result;
}
template <> __device__ __forceinline__ f64 to_float<f64, i128>(i128 a) { return wide_to_f64(a); }
template <> __device__ __forceinline__ f32 to_float<f32, i128>(i128 a) { return wide_to_f32(a); }

// The nearest integer to a float, ties to even; NaN and what does not fit are a fault.
template <typename To> INLINE u32 to_integer(f64 a, u32 fault, To& result) {
    const f64 whole = rint(a);
    const f64 high = power_of_two(Integer<To>::BITS - Integer<To>::SIGNED);
    const f64 low = Integer<To>::SIGNED ? -high : 0.0;
    if (!(whole >= low && whole < high)) {
        result = 0;
        return fault;
    }
    if constexpr (Integer<To>::BITS <= 64) {
        result = (To)(i64)whole;
    } else {
        // The mantissa, moved by the exponent: whole numbers only.
        const u64 bits = bits_of(whole);
        const i32 exponent = (i32)(bits >> 52 & 0x7ff) - 1075;
        const u64 mantissa = (bits & ((1ull << 52) - 1)) | 1ull << 52;
        if (whole == 0) {
            result = 0;
        } else {
            const u128 m = exponent >= 0 ? (u128)mantissa << exponent : (u128)(mantissa >> -exponent);
            result = bits >> 63 ? (i128)((u128)0 - m) : (i128)m;
        }
    }
    return 0u;
}

// f64 to f32, with PostgreSQL's faults.
INLINE u32 narrow_float(f64 a, f32& result) {
    result = (f32)a;
    if (infinite(result) && !infinite(a)) return FLOAT_OVERFLOW;
    return result == 0 && a != 0 ? (u32)FLOAT_UNDERFLOW : 0u;
}
