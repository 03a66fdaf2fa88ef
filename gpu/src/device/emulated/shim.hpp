// CUDA's words for the host's C++ compiler: what stands before a generated text, so that it runs without a GPU.
//
// Before it stands the file that says how a block runs, `fibres.hpp` or `threads.hpp`. No standard header is included: a
// unit compiles in a fraction of a second. Atomics have CUDA's order, which is none: what publishes says so itself.

#define EMULATED 1
#define __global__
#define __device__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __shared__ static
#define __launch_bounds__(...)

struct uint2 { unsigned x, y; };
struct uint4 { unsigned x, y, z, w; };

extern "C" {
double rint(double);
double floor(double);
double ceil(double);
double trunc(double);
double fabs(double);
double sqrt(double);
double cbrt(double);
double exp(double);
double log(double);
double log10(double);
double sin(double);
double cos(double);
double tan(double);
double asin(double);
double acos(double);
double atan(double);
double sinh(double);
double cosh(double);
double tanh(double);
double asinh(double);
double acosh(double);
double atanh(double);
double pow(double, double);
double atan2(double, double);
}

namespace emulated {

template <unsigned... I> struct Numbers {};
template <unsigned N, unsigned... I> struct Make : Make<N - 1, N - 1, I...> {};
template <unsigned... I> struct Make<0, I...> { typedef Numbers<I...> type; };

template <typename... P> struct Call {
    void (*kernel)(P...);
    const u64* words;
    template <unsigned... I> void call(Numbers<I...>) { kernel((P)words[I]...); }
    static void enter(void* self) { ((Call*)self)->call(typename Make<sizeof...(P)>::type()); }
};

// Runs a grid as `run_grid` of the file before this one does, which takes the rest.
template <typename... P, typename... Rest> static u32 run(void (*kernel)(P...), const u64* words, Rest... rest) {
    Call<P...> call = {kernel, words};
    return run_grid(Call<P...>::enter, &call, rest...);
}

template <typename T> static T shown(const unsigned char (*all)[16], u32 lane) {
    T value;
    __builtin_memcpy(&value, all[lane], sizeof(T));
    return value;
}

}  // namespace emulated

#define threadIdx (emulated::thread_index())
#define blockIdx (emulated::block_index())
#define blockDim (emulated::block_size)
#define gridDim (emulated::grid_size)

static inline void __syncthreads() { emulated::wait_block(); }
static inline void __syncwarp(unsigned = ~0u) { emulated::wait_warp(); }
static inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static inline void __threadfence_block() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

template <typename T> static T __shfl_sync(unsigned, T value, int from) {
    return emulated::shown<T>(emulated::show(value), from & 31);
}
template <typename T> static T __shfl_down_sync(unsigned, T value, unsigned by) {
    const unsigned lane = threadIdx.x & 31;
    const unsigned char(*all)[16] = emulated::show(value);
    return lane + by < 32 ? emulated::shown<T>(all, lane + by) : value;
}
template <typename T> static T __shfl_up_sync(unsigned, T value, unsigned by) {
    const unsigned lane = threadIdx.x & 31;
    const unsigned char(*all)[16] = emulated::show(value);
    return lane >= by ? emulated::shown<T>(all, lane - by) : value;
}
template <typename T> static T __shfl_xor_sync(unsigned, T value, int with) {
    const unsigned lane = threadIdx.x & 31;
    return emulated::shown<T>(emulated::show(value), (lane ^ with) & 31);
}
static inline unsigned __ballot_sync(unsigned, int predicate) {
    const unsigned char(*all)[16] = emulated::show((int)(predicate != 0));
    unsigned mask = 0;
    for (unsigned k = 0; k < 32; k++) mask |= (unsigned)emulated::shown<int>(all, k) << k;
    return mask;
}
static inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
static inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) == ~0u; }

static inline int __popc(unsigned a) { return __builtin_popcount(a); }
static inline int __popcll(unsigned long long a) { return __builtin_popcountll(a); }
static inline int __ffs(int a) { return __builtin_ffs(a); }
static inline int __ffsll(long long a) { return __builtin_ffsll(a); }
static inline int __clz(int a) { return a ? __builtin_clz((unsigned)a) : 32; }
static inline int __clzll(long long a) { return a ? __builtin_clzll((unsigned long long)a) : 64; }
static inline long long __mul64hi(long long a, long long b) { return (long long)((__int128)a * b >> 64); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}

template <typename To, typename From> static inline To emulated_bits(From a) {
    To b;
    static_assert(sizeof(To) == sizeof(From), "other sizes");
    __builtin_memcpy(&b, &a, sizeof(b));
    return b;
}
static inline unsigned __float_as_uint(float a) { return emulated_bits<unsigned>(a); }
static inline float __uint_as_float(unsigned a) { return emulated_bits<float>(a); }
static inline long long __double_as_longlong(double a) { return emulated_bits<long long>(a); }
static inline double __longlong_as_double(long long a) { return emulated_bits<double>(a); }

template <typename T> static inline T __ldg(const T* at) { return *at; }

template <typename T> static inline T emulated_add(T* at, T value) { return __atomic_fetch_add(at, value, __ATOMIC_RELAXED); }
static inline unsigned atomicAdd(unsigned* at, unsigned value) { return emulated_add(at, value); }
static inline int atomicAdd(int* at, int value) { return emulated_add(at, value); }
static inline unsigned long long atomicAdd(unsigned long long* at, unsigned long long value) { return emulated_add(at, value); }
static inline double atomicAdd(double* at, double value) {
    unsigned long long* bits = (unsigned long long*)at;
    unsigned long long old = __atomic_load_n(bits, __ATOMIC_RELAXED), sum;
    do sum = emulated_bits<unsigned long long>(emulated_bits<double>(old) + value);
    while (!__atomic_compare_exchange_n(bits, &old, sum, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return emulated_bits<double>(old);
}
template <typename T> static inline T emulated_swap(T* at, T expected, T value) {
    if (!__atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) emulated::lost();
    return expected;
}
static inline unsigned atomicCAS(unsigned* at, unsigned expected, unsigned value) { return emulated_swap(at, expected, value); }
static inline unsigned long long atomicCAS(unsigned long long* at, unsigned long long expected, unsigned long long value) {
    return emulated_swap(at, expected, value);
}
template <typename T, typename F> static inline T emulated_update(T* at, F f) {
    T old = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(at, &old, f(old), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return old;
}
#define EMULATED_UPDATES(T)                                                                                                        \
    static inline T atomicMax(T* at, T value) { return emulated_update(at, [=](T old) { return old < value ? value : old; }); }    \
    static inline T atomicMin(T* at, T value) { return emulated_update(at, [=](T old) { return value < old ? value : old; }); }    \
    static inline T atomicExch(T* at, T value) { return __atomic_exchange_n(at, value, __ATOMIC_RELAXED); }                        \
    static inline T atomicOr(T* at, T value) { return __atomic_fetch_or(at, value, __ATOMIC_RELAXED); }                            \
    static inline T atomicXor(T* at, T value) { return __atomic_fetch_xor(at, value, __ATOMIC_RELAXED); }                          \
    static inline T atomicAnd(T* at, T value) { return __atomic_fetch_and(at, value, __ATOMIC_RELAXED); }
EMULATED_UPDATES(unsigned)
EMULATED_UPDATES(int)
EMULATED_UPDATES(unsigned long long)
EMULATED_UPDATES(long long)
