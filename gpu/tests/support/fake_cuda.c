// A CUDA driver that runs on the processor and is as lazy as the real one may be: work that is put into a stream runs
// when something waits for it, and not before. So host code that reads too early, reuses pinned memory too early, or
// gives memory back too early gets wrong bytes or an illegal address here, each time. Copies whose host side is not
// pinned count as `pageable`. Kernels are those at the end of this file, found by name whatever the image holds.
//
// OLD leaves a function out, as an old driver does; NO_POOLS has a device without memory pools.

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, NOT_FOUND = 500, NOT_READY = 600, ILLEGAL_ADDRESS = 700 };
#define DEVICE_MEMORY (256ull << 20)
#define BLOCKS 4096
#define API __attribute__((visibility("default"))) int

typedef struct Block { char *at; size_t bytes; int live; } Block;
typedef struct Event { struct Stream *stream; uint64_t number; double time; } Event;
typedef struct Function { const char *name; int words; int (*run)(const uint64_t *words); } Function;
typedef struct Work {
    enum { ALLOCATE, FREE, IN, OUT, FILL, LAUNCH, RECORD, WAIT } kind;
    char *to, *from;
    size_t bytes;
    int byte;
    const Function *function;
    uint64_t words[16];
    Event *event;
    struct Stream *other;
    uint64_t number;
    struct Work *next;
} Work;
typedef struct Stream { Work *first, *last; uint64_t put, done; } Stream;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Block device[BLOCKS], pinned[BLOCKS];
static double now;  // milliseconds of kernels
static int sticky;
static int context;
static struct { const char *name; long calls; int after, code; } counted[64];
static long pageable;

static long *count_of(const char *name) {
    int at = 0;
    while (counted[at].name && strcmp(counted[at].name, name)) at++;
    if (!counted[at].name) counted[at].name = name;
    return &counted[at].calls;
}

// Every call begins so: counted, failing where it was told to, and after an error that sticks always.
static int enter(const char *name) {
    pthread_mutex_lock(&lock);
    long *calls = count_of(name);
    ++*calls;
    for (int at = 0; at < 64 && counted[at].name; at++)
        if (!strcmp(counted[at].name, name) && counted[at].code && --counted[at].after < 0) {
            int code = counted[at].code;
            counted[at].code = 0;
            if (code >= ILLEGAL_ADDRESS) sticky = code;
            return code;
        }
    return sticky;
}
#define ENTER                     \
    int status = enter(__func__); \
    if (status) return leave(status)
static int leave(int status) { pthread_mutex_unlock(&lock); return status; }

static Block *find(Block *all, const char *at, size_t bytes) {
    for (int i = 0; i < BLOCKS; i++)
        if (all[i].at && at >= all[i].at && at + bytes <= all[i].at + all[i].bytes) return &all[i];
    return 0;
}
static Block *add(Block *all, size_t bytes, int live) {
    for (int i = 0; i < BLOCKS; i++)
        if (!all[i].at) {
            all[i] = (Block){aligned_alloc(256, (bytes + 255) / 256 * 256), bytes, live};
            memset(all[i].at, 0xAA, bytes);
            return &all[i];
        }
    abort();
}
static void discard(Block *block) {
    memset(block->at, 0xDD, block->bytes);
    free(block->at);
    block->at = 0;
}
static int on_device(uint64_t at, size_t bytes) {
    Block *block = find(device, (char *)at, bytes);
    return block && block->live;
}

static void drain(Stream *stream, uint64_t until);
static void run(Work *work) {
    Block *block;
    if (sticky) return;
    switch (work->kind) {
    case ALLOCATE: find(device, work->to, 1)->live = 1; break;
    case FREE:
        block = find(device, work->to, 1);
        if (block && block->at == work->to && block->live) discard(block); else sticky = ILLEGAL_ADDRESS;
        break;
    case IN: if (on_device((uint64_t)work->to, work->bytes)) memcpy(work->to, work->from, work->bytes); else sticky = ILLEGAL_ADDRESS; break;
    case OUT: if (on_device((uint64_t)work->from, work->bytes)) memcpy(work->to, work->from, work->bytes); else sticky = ILLEGAL_ADDRESS; break;
    case FILL: if (on_device((uint64_t)work->to, work->bytes)) memset(work->to, work->byte, work->bytes); else sticky = ILLEGAL_ADDRESS; break;
    case LAUNCH:
        now += 1;
        if (!work->function->run(work->words)) sticky = ILLEGAL_ADDRESS;
        break;
    case RECORD: work->event->time = now; break;
    case WAIT: if (work->other) drain(work->other, work->number); break;
    }
}
static void drain(Stream *stream, uint64_t until) {
    while (stream->done < until && stream->first) {
        Work *work = stream->first;
        stream->first = work->next;
        if (!stream->first) stream->last = 0;
        stream->done++;
        run(work);
        free(work);
    }
}
static void put(Stream *stream, Work work) {
    Work *copy = malloc(sizeof work);
    *copy = work;
    copy->next = 0;
    if (stream->last) stream->last->next = copy; else stream->first = copy;
    stream->last = copy;
    stream->put++;
}

static Stream *streams[256];
// Streams run in any order; memory goes back as early as it may.
static void drain_frees_first(Stream *stream, uint64_t until) {
    for (int i = 0; i < 256; i++)
        for (Work *work = streams[i] ? streams[i]->first : 0; work; work = work->next)
            if (work->kind == FREE) { drain(streams[i], streams[i]->put); break; }
    drain(stream, until);
}

// What the test asks.
API fake_calls(const char *name) { return (int)(!strcmp(name, "pageable") ? pageable : *count_of(name)); }
API fake_live(void) { int live = 0; for (int i = 0; i < BLOCKS; i++) live += device[i].at != 0; return live; }
API fake_fail(const char *name, int after, int code) {
    count_of(name);
    for (int at = 0; at < 64; at++)
        if (counted[at].name && !strcmp(counted[at].name, name)) { counted[at].after = after; counted[at].code = code; break; }
    return 0;
}

API cuInit(unsigned flags) { return flags; }
API cuDriverGetVersion(int *version) { *version = 12060; return SUCCESS; }
API cuDeviceGetCount(int *count) { *count = 1; return SUCCESS; }
API cuDeviceGet(int *to, int ordinal) { *to = 0; return ordinal ? INVALID_DEVICE : SUCCESS; }
API cuDeviceGetName(char *name, int length, int ordinal) { (void)ordinal; strncpy(name, "Fake GPU", (size_t)length); return SUCCESS; }
API cuDeviceTotalMem_v2(size_t *bytes, int ordinal) { (void)ordinal; *bytes = DEVICE_MEMORY; return SUCCESS; }
API cuDeviceGetAttribute(int *value, int attribute, int ordinal) {
    (void)ordinal;
    *value = attribute == 75 ? 9 : attribute == 76 ? 0 : attribute == 16 ? 4 : 0;
#ifndef NO_POOLS
    if (attribute == 115) *value = 1;
#endif
    return SUCCESS;
}
API cuGetErrorString(int code, const char **text) {
    *text = code == OUT_OF_MEMORY ? "out of memory" : code == ILLEGAL_ADDRESS ? "an illegal memory access was encountered"
          : code == INVALID_DEVICE ? "invalid device ordinal" : "some error";
    return SUCCESS;
}
API cuGetErrorName(int code, const char **text) { return cuGetErrorString(code, text); }
API cuDevicePrimaryCtxRetain(void **to, int ordinal) { (void)ordinal; *to = &context; return SUCCESS; }
API cuDevicePrimaryCtxRelease_v2(int ordinal) { (void)ordinal; return SUCCESS; }
API cuCtxSetCurrent(void *to) { return to == &context ? SUCCESS : INVALID_VALUE; }
API cuCtxGetCurrent(void **to) { *to = &context; return SUCCESS; }
API cuMemGetInfo_v2(size_t *available, size_t *total) { *available = *total = DEVICE_MEMORY; return SUCCESS; }

API cuDeviceGetMemPool(void **to, int ordinal) { (void)ordinal; ENTER; *to = &device; return leave(SUCCESS); }
API cuMemPoolSetAttribute(void *pool, int attribute, void *value) { (void)pool; (void)attribute; (void)value; ENTER; return leave(SUCCESS); }
API cuMemPoolGetAttribute(void *pool, int attribute, void *value) { (void)pool; ENTER; *(uint64_t *)value = attribute == 5 ? 100 : 60; return leave(SUCCESS); }
API cuMemPoolTrimTo(void *pool, size_t bytes) { (void)pool; (void)bytes; ENTER; return leave(SUCCESS); }

static int room(size_t bytes) {
    for (int i = 0; i < BLOCKS; i++) if (device[i].at) bytes += device[i].bytes;
    return bytes <= DEVICE_MEMORY;
}
#ifndef OLD
API cuMemAllocFromPoolAsync(uint64_t *to, size_t bytes, void *pool, Stream *stream) {
    (void)pool;
    ENTER;
    if (!room(bytes)) return leave(OUT_OF_MEMORY);
    Block *block = add(device, bytes, 0);
    *to = (uint64_t)block->at;
    put(stream, (Work){.kind = ALLOCATE, .to = block->at});
    return leave(SUCCESS);
}
#endif
API cuMemFreeAsync(uint64_t at, Stream *stream) { ENTER; put(stream, (Work){.kind = FREE, .to = (char *)at}); return leave(SUCCESS); }
API cuMemAlloc_v2(uint64_t *to, size_t bytes) {
    ENTER;
    if (!room(bytes)) return leave(OUT_OF_MEMORY);
    *to = (uint64_t)add(device, bytes, 1)->at;
    return leave(SUCCESS);
}
API cuMemFree_v2(uint64_t at) {
    ENTER;
    for (int i = 0; i < 256; i++) if (streams[i]) drain(streams[i], streams[i]->put);
    Block *block = find(device, (char *)at, 1);
    if (!block || block->at != (char *)at) return leave(INVALID_VALUE);
    discard(block);
    return leave(SUCCESS);
}
API cuMemHostAlloc(void **to, size_t bytes, unsigned flags) { (void)flags; ENTER; *to = add(pinned, bytes, 1)->at; return leave(SUCCESS); }
API cuMemFreeHost(void *at) { ENTER; discard(find(pinned, at, 1)); return leave(SUCCESS); }

API cuStreamCreate(Stream **to, unsigned flags) {
    (void)flags;
    ENTER;
    *to = calloc(1, sizeof **to);
    for (int i = 0; i < 256; i++) if (!streams[i]) { streams[i] = *to; break; }
    return leave(SUCCESS);
}
API cuStreamDestroy_v2(Stream *stream) {
    ENTER;
    drain(stream, stream->put);
    for (int i = 0; i < 256; i++) if (streams[i] == stream) streams[i] = 0;
    return leave(SUCCESS);  // kept, as events name it
}
API cuStreamSynchronize(Stream *stream) { ENTER; drain_frees_first(stream, stream->put); return leave(sticky); }
API cuStreamQuery(Stream *stream) { ENTER; return leave(stream->first ? NOT_READY : SUCCESS); }
API cuStreamWaitEvent(Stream *stream, Event *event, unsigned flags) {
    (void)flags;
    ENTER;
    put(stream, (Work){.kind = WAIT, .other = event->stream, .number = event->number});
    return leave(SUCCESS);
}
API cuEventCreate(Event **to, unsigned flags) { (void)flags; ENTER; *to = calloc(1, sizeof **to); return leave(SUCCESS); }
API cuEventDestroy_v2(Event *event) { ENTER; free(event); return leave(SUCCESS); }
API cuEventRecord(Event *event, Stream *stream) {
    ENTER;
    put(stream, (Work){.kind = RECORD, .event = event});
    event->stream = stream;
    event->number = stream->put;
    return leave(SUCCESS);
}
API cuEventQuery(Event *event) { ENTER; return leave(event->stream && event->stream->done < event->number ? NOT_READY : SUCCESS); }
API cuEventSynchronize(Event *event) { ENTER; if (event->stream) drain_frees_first(event->stream, event->number); return leave(sticky); }
API cuEventElapsedTime(float *to, Event *start, Event *end) {
    ENTER;
    if (end->stream->done < end->number) return leave(NOT_READY);
    *to = (float)(end->time - start->time);
    return leave(SUCCESS);
}
API cuMemcpyHtoDAsync_v2(uint64_t to, char *from, size_t bytes, Stream *stream) {
    ENTER;
    pageable += !find(pinned, from, bytes);
    put(stream, (Work){.kind = IN, .to = (char *)to, .from = from, .bytes = bytes});
    return leave(SUCCESS);
}
API cuMemcpyDtoHAsync_v2(char *to, uint64_t from, size_t bytes, Stream *stream) {
    ENTER;
    pageable += !find(pinned, to, bytes);
    put(stream, (Work){.kind = OUT, .to = to, .from = (char *)from, .bytes = bytes});
    return leave(SUCCESS);
}
API cuMemsetD8Async(uint64_t at, unsigned char byte, size_t bytes, Stream *stream) {
    ENTER;
    put(stream, (Work){.kind = FILL, .to = (char *)at, .byte = byte, .bytes = bytes});
    return leave(SUCCESS);
}

// add(to, count, value): to[i] += value.
static int add_words(const uint64_t *words) {
    if (!on_device(words[0], words[1] * 8)) return 0;
    for (uint64_t i = 0; i < words[1]; i++) ((uint64_t *)words[0])[i] += words[2];
    return 1;
}
static int crash(const uint64_t *words) { (void)words; return 0; }
static const Function functions[] = {{"add", 3, add_words}, {"crash", 1, crash}};

API cuModuleLoadData(void **to, const void *image) { ENTER; (void)image; *to = malloc(1); return leave(SUCCESS); }
API cuModuleUnload(void *module) { ENTER; free(module); return leave(SUCCESS); }
API cuModuleGetFunction(const Function **to, void *module, const char *name) {
    (void)module;
    ENTER;
    for (unsigned i = 0; i < sizeof functions / sizeof *functions; i++)
        if (!strcmp(functions[i].name, name)) { *to = &functions[i]; return leave(SUCCESS); }
    return leave(NOT_FOUND);
}
API cuLaunchKernel(const Function *function, unsigned x, unsigned y, unsigned z, unsigned tx, unsigned ty, unsigned tz,
                   unsigned shared, Stream *stream, void **words, void **extra) {
    ENTER;
    if (!x || y != 1 || z != 1 || !tx || tx > 1024 || ty != 1 || tz != 1 || shared || extra) return leave(INVALID_VALUE);
    Work work = {.kind = LAUNCH, .function = function};
    for (int i = 0; i < function->words; i++) work.words[i] = *(uint64_t *)words[i];
    put(stream, work);
    return leave(SUCCESS);
}
