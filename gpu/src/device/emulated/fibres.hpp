// How a block runs: the threads as fibres of one thread of the host, the blocks one after the other.
//
// Each fibre runs until it waits, at a barrier or for its warp, and then the next one does. A block whose threads
// wait for different things is found out, not waited for. `threads.hpp` is the other way.

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
static Dim block_at, block_size, grid_size;
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

static u32 run_grid(void (*f)(void*), void* of, u32 blocks, u32 size, char* stacks, u64 stack_bytes) {
    body = f;
    body_of = of;
    count = size;
    grid_size = Dim{blocks, 1, 1};
    block_size = Dim{size, 1, 1};
    failed = 0;
    for (u32 b = 0; b < blocks && !failed; b++) {
        block_at = Dim{b, 0, 0};
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

// Another thread was quicker; here none runs until this one waits.
static void lost() {}

static const Dim& thread_index() { return now->index; }
static const Dim& block_index() { return block_at; }
static void wait_block() { wait(block); }
static void wait_warp() { wait(warps[now->index.x / LANES].gate); }

}  // namespace emulated
