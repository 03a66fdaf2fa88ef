// Math: functions of f64, with PostgreSQL's errors.
//
// Those that can raise one store their value and return the fault, 0 for none; the others return the value. All are
// total: they are also called for rows whose value is NULL. Pure functions of registers, within two units of the last
// place of the C library's.

INLINE u32 math_sqrt(f64 a, f64& result) {
    result = sqrt(a);
    return a < 0 ? (u32)SQUARE_ROOT_NEGATIVE : 0u;
}
INLINE f64 math_cbrt(f64 a) { return cbrt(a); }
INLINE u32 math_exp(f64 a, f64& result) {
    result = exp(a);
    if (infinite(a)) return 0u;
    return infinite(result) ? (u32)FLOAT_OVERFLOW : result == 0 ? (u32)FLOAT_UNDERFLOW : 0u;
}
INLINE u32 logarithm_fault(f64 a) { return a == 0 ? (u32)LOGARITHM_ZERO : a < 0 ? (u32)LOGARITHM_NEGATIVE : 0u; }
INLINE u32 math_ln(f64 a, f64& result) {
    result = log(a);
    return logarithm_fault(a);
}
INLINE u32 math_log10(f64 a, f64& result) {
    result = log10(a);
    return logarithm_fault(a);
}
INLINE u32 math_sin(f64 a, f64& result) {
    result = sin(a);
    return infinite(a) ? (u32)INPUT_RANGE : 0u;
}
INLINE u32 math_cos(f64 a, f64& result) {
    result = cos(a);
    return infinite(a) ? (u32)INPUT_RANGE : 0u;
}
INLINE u32 math_tan(f64 a, f64& result) {
    result = tan(a);
    return infinite(a) ? (u32)INPUT_RANGE : 0u;
}
INLINE u32 math_cot(f64 a, f64& result) {
    result = 1.0 / tan(a);
    return infinite(a) ? (u32)INPUT_RANGE : 0u;
}
INLINE u32 math_asin(f64 a, f64& result) {
    result = asin(a);
    return fabs(a) > 1 ? (u32)INPUT_RANGE : 0u;
}
INLINE u32 math_acos(f64 a, f64& result) {
    result = acos(a);
    return fabs(a) > 1 ? (u32)INPUT_RANGE : 0u;
}
INLINE f64 math_atan(f64 a) { return atan(a); }
INLINE f64 math_sinh(f64 a) { return sinh(a); }
INLINE f64 math_cosh(f64 a) { return cosh(a); }
INLINE f64 math_tanh(f64 a) { return tanh(a); }
INLINE f64 math_asinh(f64 a) { return asinh(a); }
INLINE u32 math_acosh(f64 a, f64& result) {
    result = acosh(a);
    return a < 1 ? (u32)INPUT_RANGE : 0u;
}
INLINE u32 math_atanh(f64 a, f64& result) {
    result = atanh(a);
    return fabs(a) > 1 ? (u32)INPUT_RANGE : 0u;
}
INLINE f64 math_abs(f64 a) { return fabs(a); }
INLINE f64 math_sign(f64 a) { return a > 0 ? 1.0 : a < 0 ? -1.0 : 0.0; }
INLINE f64 math_floor(f64 a) { return floor(a); }
INLINE f64 math_ceil(f64 a) { return ceil(a); }
INLINE f64 math_round(f64 a) { return rint(a); }
INLINE f64 math_trunc(f64 a) { return trunc(a); }

INLINE u32 math_power(f64 a, f64 b, f64& result) {
    result = pow(a, b);
    if (a == 0 && b < 0) return POWER_ZERO_NEGATIVE;
    if (a < 0 && floor(b) != b && b == b) return POWER_COMPLEX;
    // Neither infinite nor NaN.
    if (a - a != 0 || b - b != 0) return 0u;
    return infinite(result) ? (u32)FLOAT_OVERFLOW : result == 0 && a != 0 ? (u32)FLOAT_UNDERFLOW : 0u;
}
INLINE f64 math_atan2(f64 a, f64 b) { return atan2(a, b); }
