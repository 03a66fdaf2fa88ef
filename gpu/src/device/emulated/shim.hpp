// CUDA's words for the host's C++ compiler: what stands before a generated text, so that it runs without a GPU.
//
// Blocks run one after the other. The threads of a block are fibres: each runs until it waits, at a barrier or for its
// warp, and then the next one does. A block whose threads wait for different things is found out, not waited for.
// No standard header is included: a unit compiles in a fraction of a second.

#define EMULATED 1
#define __global__
#define __device__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __shared__ static
#define __launch_bounds__(...)

struct uint2 { unsigned x, y; };
struct uint4 { unsigned x, y, z, w; };

extern "C" double rint(double);

namespace emulated {

typedef unsigned u32;
typedef unsigned long long u64;

struct Dim { u32 x, y, z; };

enum : u32 { MOST = 1024, LANES = 32, DEADLOCK = 1 };

#if defined(__x86_64__)

// Saves what a call must keep, changes stacks, takes up what the other side saved.
asm(".text\n"
    ".type emulated_switch, @function\n"
    "emulated_switch:\n"
    "  push %rbp\n  push %rbx\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, (%rdi)\n"
    "  mov %rsi, %rsp\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbx\n  pop %rbp\n"
    "  ret\n"
    ".size emulated_switch, .-emulated_switch\n");
extern "C" void emulated_switch(void** save, void* load);

struct Context {
    void* at;
    void prepare(char* stack, u64 bytes, void (*begin)()) {
        // On entry the stack is 8 past a multiple of 16, as behind a call.
        void** top = (void**)((u64)(stack + bytes) & ~15ull) - 2;
        top[0] = (void*)begin;
        for (int k = 1; k <= 6; k++) top[-k] = 0;
        at = top - 6;
    }
    void leave_for(Context& other) { emulated_switch(&at, other.at); }
};

#else
}
#include <ucontext.h>
namespace emulated {

struct Context {
    ucontext_t at;
    void prepare(char* stack, u64 bytes, void (*begin)()) {
        getcontext(&at);
        at.uc_stack.ss_sp = stack;
        at.uc_stack.ss_size = bytes;
        at.uc_link = 0;
        makecontext(&at, begin, 0);
    }
    void leave_for(Context& other) { swapcontext(&at, &other.at); }
};

#endif

// A place where threads wait for each other.
struct Gate { u32 arrived, live, generation; };

struct Thread {
    Context context;
    Dim index;
    bool done;
};

// What the lanes of a warp show each other; two, used in turn, so that one wait per exchange is enough.
struct Warp {
    Gate gate;
    alignas(16) unsigned char shown[2][LANES][16];
};

static Thread threads[MOST];
static Warp warps[MOST / LANES];
static unsigned parity[MOST];
static Gate block;
static Context host;
static Thread* now;
static u32 count, idle, failed;
static Dim block_index, block_size, grid_size;
static void (*body)(void*);
static void* body_of;

static void next() {
    Thread* from = now;
    if (++idle > 4 * count) failed = DEADLOCK;
    if (!failed) {
        u32 at = from->index.x;
        for (u32 k = 0; k < count; k++) {
            at = at + 1 == count ? 0 : at + 1;
            if (!threads[at].done) {
                now = &threads[at];
                if (now != from) from->context.leave_for(now->context);
                return;
            }
        }
    }
    from->context.leave_for(host);
}

static void open(Gate& gate) {
    gate.arrived = 0;
    gate.generation++;
    idle = 0;
}

static void wait(Gate& gate) {
    const u32 generation = gate.generation;
    if (++gate.arrived == gate.live) return open(gate);
    while (gate.generation == generation) next();
}

static void leave(Gate& gate) {
    if (--gate.live > 0 && gate.arrived == gate.live) open(gate);
}

static void begin() {
    body(body_of);
    now->done = true;
    idle = 0;
    leave(block);
    leave(warps[now->index.x / LANES].gate);
    next();
}

static u32 run_grid(u32 blocks, u32 size, char* stacks, u64 stack_bytes, void (*f)(void*), void* of) {
    body = f;
    body_of = of;
    count = size;
    grid_size = Dim{blocks, 1, 1};
    block_size = Dim{size, 1, 1};
    failed = 0;
    for (u32 b = 0; b < blocks && !failed; b++) {
        block_index = Dim{b, 0, 0};
        block = Gate{0, size, 0};
        idle = 0;
        for (u32 t = 0; t < size; t++) {
            threads[t].index = Dim{t, 0, 0};
            threads[t].done = false;
            threads[t].context.prepare(stacks + t * stack_bytes, stack_bytes, begin);
            warps[t / LANES].gate = Gate{0, size - t / LANES * LANES < LANES ? size % LANES : (u32)LANES, 0};
        }
        now = &threads[0];
        host.leave_for(now->context);
    }
    return failed;
}

template <unsigned... I> struct Numbers {};
template <unsigned N, unsigned... I> struct Make : Make<N - 1, N - 1, I...> {};
template <unsigned... I> struct Make<0, I...> { typedef Numbers<I...> type; };

template <typename... P> struct Call {
    void (*kernel)(P...);
    const u64* words;
    template <unsigned... I> void call(Numbers<I...>) { kernel((P)words[I]...); }
    static void enter(void* self) { ((Call*)self)->call(typename Make<sizeof...(P)>::type()); }
};

template <typename... P>
static u32 run(void (*kernel)(P...), const u64* words, u32 blocks, u32 size, char* stacks, u64 stack_bytes) {
    Call<P...> call = {kernel, words};
    return run_grid(blocks, size, stacks, stack_bytes, Call<P...>::enter, &call);
}

// Shows a value to the warp and waits until all have; the values of all lanes.
template <typename T> static const unsigned char (*show(T value))[16] {
    const u32 t = now->index.x;
    Warp& warp = warps[t / LANES];
    unsigned char(*shown)[16] = warp.shown[parity[t] & 1];
    parity[t]++;
    __builtin_memcpy(shown[t % LANES], &value, sizeof(T));
    wait(warp.gate);
    return shown;
}

template <typename T> static T shown(const unsigned char (*all)[16], u32 lane) {
    T value;
    __builtin_memcpy(&value, all[lane], sizeof(T));
    return value;
}

}  // namespace emulated

#define threadIdx (emulated::now->index)
#define blockIdx (emulated::block_index)
#define blockDim (emulated::block_size)
#define gridDim (emulated::grid_size)

static inline void __syncthreads() { emulated::wait(emulated::block); }
static inline void __syncwarp(unsigned = ~0u) { emulated::wait(emulated::warps[threadIdx.x / 32].gate); }
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
    __atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
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
    static inline T atomicExch(T* at, T value) { return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST); }                        \
    static inline T atomicOr(T* at, T value) { return __atomic_fetch_or(at, value, __ATOMIC_RELAXED); }                            \
    static inline T atomicAnd(T* at, T value) { return __atomic_fetch_and(at, value, __ATOMIC_RELAXED); }
EMULATED_UPDATES(unsigned)
EMULATED_UPDATES(int)
EMULATED_UPDATES(unsigned long long)
EMULATED_UPDATES(long long)
