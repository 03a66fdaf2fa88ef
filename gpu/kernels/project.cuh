// Project: arithmetic on integers of 32 and 64 bits and on floats. decimal.cuh has the 128-bit forms of the same names.
//
// Every function is total: it is also called for rows whose value is NULL, and for branches that are not taken, and
// then its result is not looked at. `checked_…` store a result (wrapped, where it does not fit) and return the
// fault, 0 for none. Pure functions of registers.

template <typename T> struct Unsigned;
template <> struct Unsigned<i32> { typedef u32 type; };
template <> struct Unsigned<i64> { typedef u64 type; };
template <> struct Unsigned<i128> { typedef u128 type; };

template <typename T> INLINE T least() {
    typedef typename Unsigned<T>::type U;
    return (T)((U)1 << (sizeof(T) * 8 - 1));
}

// Wrapping forms, for where the host has proved that nothing overflows.
template <typename T> INLINE T wrap_add(T a, T b) {
    typedef typename Unsigned<T>::type U;
    return (T)((U)a + (U)b);
}
template <typename T> INLINE T wrap_subtract(T a, T b) {
    typedef typename Unsigned<T>::type U;
    return (T)((U)a - (U)b);
}
template <typename T> INLINE T wrap_multiply(T a, T b) {
    typedef typename Unsigned<T>::type U;
    return (T)((U)a * (U)b);
}
template <typename T> INLINE T wrap_negate(T a) {
    typedef typename Unsigned<T>::type U;
    return (T)((U)0 - (U)a);
}

// Shifts by as many places as the low bits of `b` say.
template <typename T> INLINE T shift_left(T a, T b) {
    typedef typename Unsigned<T>::type U;
    return (T)((U)a << ((U)b & (sizeof(T) * 8 - 1)));
}
template <typename T> INLINE T shift_right(T a, T b) {
    typedef typename Unsigned<T>::type U;
    return a >> ((U)b & (sizeof(T) * 8 - 1));
}

template <typename T> INLINE u32 checked_add(T a, T b, u32 fault, T& result) {
    result = wrap_add(a, b);
    return ((a ^ result) & (b ^ result)) < 0 ? fault : 0u;
}
template <typename T> INLINE u32 checked_subtract(T a, T b, u32 fault, T& result) {
    result = wrap_subtract(a, b);
    return ((a ^ b) & (a ^ result)) < 0 ? fault : 0u;
}
INLINE u32 checked_multiply(i32 a, i32 b, u32 fault, i32& result) {
    const i64 wide = (i64)a * b;
    result = (i32)wide;
    return wide != result ? fault : 0u;
}
INLINE u32 checked_multiply(i64 a, i64 b, u32 fault, i64& result) {
    result = wrap_multiply(a, b);
    return __mul64hi(a, b) != result >> 63 ? fault : 0u;
}
template <typename T> INLINE u32 checked_negate(T a, u32 fault, T& result) {
    result = wrap_negate(a);
    return a == least<T>() ? fault : 0u;
}

// The machine's division, kept from its undefined cases: division by 0 and by -1 are answered before.
template <typename T> INLINE u32 divisor_fault(T a, T b, u32 fault) {
    if (b == 0) return DIVISION_BY_ZERO;
    return b == -1 && a == least<T>() ? fault : 0u;
}
template <typename T> INLINE T quotient(T a, T b) { return a / b; }
template <typename T> INLINE u32 checked_divide(T a, T b, u32 fault, T& result) {
    result = b == 0 || b == -1 ? wrap_negate(a) : quotient(a, b);
    return divisor_fault(a, b, fault);
}
template <typename T> INLINE u32 checked_remainder(T a, T b, u32, T& result) {
    result = b == 0 || b == -1 ? (T)0 : wrap_subtract(a, wrap_multiply(quotient(a, b), b));
    return b == 0 ? (u32)DIVISION_BY_ZERO : 0u;
}
template <typename T> INLINE u32 checked_floor_divide(T a, T b, u32 fault, T& result) {
    if (b == 0 || b == -1) {
        result = wrap_negate(a);
    } else {
        const T q = quotient(a, b);
        const T rest = wrap_subtract(a, wrap_multiply(q, b));
        result = q - (T)(rest != 0 && (rest < 0) != (b < 0));
    }
    return divisor_fault(a, b, fault);
}
template <typename T> INLINE u32 checked_floor_remainder(T a, T b, u32, T& result) {
    if (b == 0 || b == -1) {
        result = 0;
    } else {
        const T rest = wrap_subtract(a, wrap_multiply(quotient(a, b), b));
        result = rest != 0 && (rest < 0) != (b < 0) ? wrap_add(rest, b) : rest;
    }
    return b == 0 ? (u32)DIVISION_BY_ZERO : 0u;
}
template <typename T> INLINE u32 checked_round_divide(T a, T b, u32 fault, T& result) {
    typedef typename Unsigned<T>::type U;
    if (b == 0 || b == -1) {
        result = wrap_negate(a);
    } else {
        const T q = quotient(a, b);
        const T rest = wrap_subtract(a, wrap_multiply(q, b));
        const U r = rest < 0 ? (U)0 - (U)rest : (U)rest;
        const U d = b < 0 ? (U)0 - (U)b : (U)b;
        const T step = (a < 0) == (b < 0) ? 1 : -1;
        // The rest is nearer to the divisor than to 0, or as near.
        result = r >= d - r ? wrap_add(q, step) : q;
    }
    return divisor_fault(a, b, fault);
}

// Floats, as PostgreSQL raises.
template <typename T> INLINE bool infinite(T a) { return a - a != a - a && a == a; }
template <typename T> INLINE u32 float_add(T a, T b, T& result) {
    result = a + b;
    return infinite(result) && !infinite(a) && !infinite(b) ? (u32)FLOAT_OVERFLOW : 0u;
}
template <typename T> INLINE u32 float_subtract(T a, T b, T& result) {
    result = a - b;
    return infinite(result) && !infinite(a) && !infinite(b) ? (u32)FLOAT_OVERFLOW : 0u;
}
template <typename T> INLINE u32 float_multiply(T a, T b, T& result) {
    result = a * b;
    if (infinite(result) && !infinite(a) && !infinite(b)) return FLOAT_OVERFLOW;
    return result == 0 && a != 0 && b != 0 ? (u32)FLOAT_UNDERFLOW : 0u;
}
template <typename T> INLINE u32 float_divide(T a, T b, T& result) {
    result = a / b;
    if (b == 0 && a == a) return DIVISION_BY_ZERO;
    if (infinite(result) && !infinite(a) && !infinite(b)) return FLOAT_OVERFLOW;
    return result == 0 && a != 0 && !infinite(b) ? (u32)FLOAT_UNDERFLOW : 0u;
}
