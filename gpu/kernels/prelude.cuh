// Fixed-width types, the geometry of a block, and memory order. Every generated text begins with this file.
//
// Nothing is included from outside: NVRTC compiles the text as it stands, and so does the host's C++ compiler
// under the emulation's shim, which is told apart by EMULATED.

#ifndef EMULATED
// A text holds whole headers, of which it uses a part.
#pragma nv_diag_suppress 177
#endif

typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef __int128 i128;
typedef unsigned __int128 u128;
typedef float f32;
typedef double f64;

#define INLINE static __device__ __forceinline__
#define OUTLINE static __device__ __noinline__
#define INLINE_MEMBER __device__ __forceinline__

enum : u32 { BLOCK = 256, WARP = 32, WARPS = BLOCK / WARP, ALL_LANES = 0xffffffffu };

INLINE u32 lane() { return threadIdx.x & (WARP - 1); }
INLINE u32 warp() { return threadIdx.x / WARP; }

INLINE u32 bits_of(f32 a) { return __float_as_uint(a); }
INLINE u64 bits_of(f64 a) { return (u64)__double_as_longlong(a); }
INLINE f32 f32_of(u32 a) { return __uint_as_float(a); }
INLINE f64 f64_of(u64 a) { return __longlong_as_double((i64)a); }

// Faults are numbers other than 0; these are raised by operations that choose them themselves (program/fault.rs).
enum : u32 { FLOAT_OVERFLOW = 5, FLOAT_UNDERFLOW = 6, DIVISION_BY_ZERO = 7, DATE_RANGE = 8 };
enum : u32 { LOGARITHM_ZERO = 20, LOGARITHM_NEGATIVE = 21, SQUARE_ROOT_NEGATIVE = 22 };
enum : u32 { POWER_ZERO_NEGATIVE = 23, POWER_COMPLEX = 24, INPUT_RANGE = 25 };
enum : u32 { NEGATIVE_LENGTH = 30 };

// The first of two in the order of evaluation.
INLINE u32 first(u32 a, u32 b) { return a ? a : b; }

// Leaves a fault for the host; of several, the greatest number stays, so that the answer does not depend on timing.
// Any thread; the word is read after the launch.
INLINE void raise(u32* faults, u32 fault) { atomicMax(faults, fault); }

// Reads and writes that publish: what was written before store_release is seen after a load_acquire that saw it,
// by every thread of the device.
#ifdef EMULATED
INLINE u64 load_acquire(const u64* at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
INLINE u64 load_relaxed(const u64* at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }
INLINE u64 load_shared(const u64* at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }
INLINE void store_relaxed(u64* at, u64 value) { __atomic_store_n(at, value, __ATOMIC_RELAXED); }
INLINE void store_release(u64* at, u64 value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
// Lets whoever is waited for go on.
extern "C" int sched_yield(void);
INLINE void wait_a_little() { sched_yield(); }
#else
INLINE void wait_a_little() { __nanosleep(32); }
INLINE u64 load_acquire(const u64* at) {
    u64 value;
    asm volatile("ld.acquire.gpu.u64 %0, [%1];" : "=l"(value) : "l"(at) : "memory");
    return value;
}
INLINE u64 load_relaxed(const u64* at) {
    u64 value;
    asm volatile("ld.relaxed.gpu.u64 %0, [%1];" : "=l"(value) : "l"(at) : "memory");
    return value;
}
// The same of shared memory, where the compiler knows that it is: a relaxed load would be a generic one.
INLINE u64 load_shared(const u64* at) { return *(const volatile u64*)at; }
INLINE void store_relaxed(u64* at, u64 value) {
    asm volatile("st.relaxed.gpu.u64 [%0], %1;" : : "l"(at), "l"(value) : "memory");
}
INLINE void store_release(u64* at, u64 value) {
    asm volatile("st.release.gpu.u64 [%0], %1;" : : "l"(at), "l"(value) : "memory");
}
#endif
