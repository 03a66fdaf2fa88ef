// How a block runs when it is watched: each of its threads is one of the host's, and ThreadSanitizer sees what they do.
//
// What orders memory on a GPU does so here, and nothing else: barriers of the block and of the warp are told to
// ThreadSanitizer, the exchange of a shuffle or ballot is hidden from it, as CUDA promises no order of memory there.
// Fences are not known to it: what publishes does so by store_release. A unit is opened several times over, and each copy
// runs every `step`th block, so that several blocks run at once, each with shared memory of its own.

extern "C" int pthread_create(unsigned long*, const void*, void* (*)(void*), void*);
extern "C" int pthread_join(unsigned long, void**);
extern "C" int sched_yield(void);
extern "C" long syscall(long, ...);
extern "C" void __tsan_acquire(void*);
extern "C" void __tsan_release(void*);

// What ThreadSanitizer does not see.
#define UNSEEN __attribute__((no_sanitize("thread"), noinline))

namespace emulated {

typedef unsigned u32;
typedef unsigned long long u64;

struct Dim { u32 x, y, z; };

#if defined(__x86_64__)
enum : long { FUTEX = 202 };
#else
enum : long { FUTEX = 98 };
#endif
enum : u32 { MOST = 1024, LANES = 32, NO_THREAD = 2, WAIT = 128, WAKE = 129, ALL = 0x7fffffff };

// A place where threads wait for each other: how many are there, and above them how many there will be.
struct Gate {
    u64 count;
    u32 generation;
    // What ThreadSanitizer takes the gate for: one for every other generation, as who is quick may come to the next one
    // before who is slow has left this one.
    char seen[2];
};

static UNSEEN void open(Gate& gate) {
    __atomic_fetch_and(&gate.count, ~0ull << 32, __ATOMIC_RELAXED);
    __atomic_fetch_add(&gate.generation, 1u, __ATOMIC_RELEASE);
    syscall(FUTEX, &gate.generation, WAKE, (u32)ALL, 0, 0, 0);
}

static UNSEEN bool full(u64 count) { return (u32)count == (u32)(count >> 32) && (u32)count; }

static UNSEEN u32 generation(Gate& gate) { return __atomic_load_n(&gate.generation, __ATOMIC_ACQUIRE); }

static UNSEEN void wait_unseen(Gate& gate) {
    const u32 now = generation(gate);
    if (full(__atomic_add_fetch(&gate.count, 1ull, __ATOMIC_ACQ_REL))) return open(gate);
    while (generation(gate) == now) syscall(FUTEX, &gate.generation, WAIT, now, 0, 0, 0);
}

static UNSEEN void leave(Gate& gate) {
    if (full(__atomic_sub_fetch(&gate.count, 1ull << 32, __ATOMIC_ACQ_REL))) open(gate);
}

static void wait(Gate& gate) {
    char* seen = &gate.seen[generation(gate) & 1];
    __tsan_release(seen);
    wait_unseen(gate);
    __tsan_acquire(seen);
}

// What the lanes of a warp show each other; two, used in turn, so that one wait per exchange is enough.
struct Warp {
    Gate gate;
    alignas(16) unsigned char shown[2][LANES][16];
};

struct Thread {
    Dim index, block;
    u32 parity;
};

static __thread Thread self;
static Warp warps[MOST / LANES];
// The block's barrier, and where the threads meet between two blocks.
static Gate block, between;
static Dim block_size, grid_size;
static u32 first_block, step;
static void (*body)(void*);
static void* body_of;

static UNSEEN void ready(Gate& gate, u32 live) { gate.count = (u64)live << 32; }

static void* thread(void* number) {
    const u32 t = (u32)(u64)number;
    self.index = Dim{t, 0, 0};
    for (u32 b = first_block; b < grid_size.x; b += step) {
        self.block = Dim{b, 0, 0};
        self.parity = 0;
        if (t == 0) {
            ready(block, block_size.x);
            for (u32 from = 0; from < block_size.x; from += LANES) {
                const u32 rest = block_size.x - from;
                ready(warps[from / LANES].gate, rest < LANES ? rest : (u32)LANES);
            }
        }
        wait(between);
        body(body_of);
        leave(block);
        leave(warps[t / LANES].gate);
        wait(between);
    }
    return 0;
}

static u32 run_grid(void (*f)(void*), void* of, u32 blocks, u32 size, u32 first, u32 every) {
    body = f;
    body_of = of;
    grid_size = Dim{blocks, 1, 1};
    block_size = Dim{size, 1, 1};
    first_block = first;
    step = every;
    ready(between, size);
    static unsigned long threads[MOST];
    for (u32 t = 0; t < size; t++) {
        // Those that were begun wait for the others: there is no way back.
        if (pthread_create(&threads[t], 0, thread, (void*)(u64)t) != 0) __builtin_trap();
    }
    for (u32 t = 0; t < size; t++) pthread_join(threads[t], 0);
    return 0;
}

// Shows a value to the warp and waits until all have; the values of all lanes.
template <typename T> static UNSEEN const unsigned char (*show(T value))[16] {
    Warp& warp = warps[self.index.x / LANES];
    unsigned char(*shown)[16] = warp.shown[self.parity & 1];
    self.parity++;
    __builtin_memcpy(shown[self.index.x % LANES], &value, sizeof(T));
    wait_unseen(warp.gate);
    return shown;
}

// Another thread was quicker: perhaps it needs the processor.
static void lost() { sched_yield(); }

static const Dim& thread_index() { return self.index; }
static const Dim& block_index() { return self.block; }
static void wait_block() { wait(block); }
static void wait_warp() { wait(warps[self.index.x / LANES].gate); }

}  // namespace emulated

#undef UNSEEN
