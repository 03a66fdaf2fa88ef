// Filter: comparisons. Integers and bool as C++ compares them, floats in PostgreSQL's total order: NaN equals NaN and
// is greater than all else, -0 equals 0.
//
// Pure functions of registers: no memory, no synchronization. A filter's verb is a mask: a bit for each of a thread's
// rows, cleared where the condition is not true; the columns behind it are loaded only by threads with a bit left.

template <typename T> INLINE bool equal(T a, T b) { return a == b; }
template <typename T> INLINE bool less(T a, T b) { return a < b; }
template <> __device__ __forceinline__ bool equal(f32 a, f32 b) { return a == b || (a != a && b != b); }
template <> __device__ __forceinline__ bool equal(f64 a, f64 b) { return a == b || (a != a && b != b); }
template <> __device__ __forceinline__ bool less(f32 a, f32 b) { return b != b ? a == a : a < b; }
template <> __device__ __forceinline__ bool less(f64 a, f64 b) { return b != b ? a == a : a < b; }

template <typename T> INLINE bool in_range(T a, T low, T high) { return !less(a, low) && !less(high, a); }
