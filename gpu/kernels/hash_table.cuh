// Hash table: groups by key, open addressing, linear probing, in device memory.
//
// A slot is `WIDTH` 64-bit words: a tag, then (unless the keys fit the tag) the keys, then the group's cells as in
// aggregate.cuh. A slot of zeros is empty. The host guarantees before each launch that at most half of the slots can be
// taken when it ends, so that probing always ends; a table never grows inside a kernel. `grow` moves the slots to
// a larger one between two launches, `gather` lists those taken.
//
// Two ways to claim a slot:
//  - packed: the keys with their NULL flags fit 63 bits. The tag is the key, bit 63 set; one compare-and-swap both
//    claims the slot and publishes the key. Cells are zero already, so nothing else has to be seen.
//  - wide: the tag holds 62 bits of the hash and a state. A compare-and-swap makes it BUSY; the owner writes the
//    keys and then, by a releasing store, READY. Who finds BUSY with its own hash waits with acquiring loads, and reads the
//    keys only behind READY. The owner publishes before it does anything else and waits for nobody, so the wait ends;
//    threads of one warp make progress independently since sm_70, so it ends there too. text_state.cuh has the form for keys
//    that are texts, whose words say where the bytes are.
//
// Any thread, no barrier. Bytes moved per row: a sector of 32 for each probe (1.5 on average at half load), and one
// for each further sector of the slot.

INLINE u64 mix(u64 a) {
    a ^= a >> 30;
    a *= 0xbf58476d1ce4e5b9ull;
    a ^= a >> 27;
    a *= 0x94d049bb133111ebull;
    return a ^ a >> 31;
}

enum : u64 { BUSY = 1, READY = 3 };

// The group's cells.
template <u32 WIDTH> INLINE u64* find_packed(u64* slots, u64 mask, u64* groups, u64 key) {
    const u64 tag = key | 1ull << 63;
    for (u64 at = mix(key) & mask;; at = (at + 1) & mask) {
        u64* slot = slots + at * WIDTH;
        u64 found = load_relaxed(slot);
        if (found == 0) {
            found = atomicCAS(slot, 0ull, tag);
            if (found == 0) {
                atomicAdd(groups, 1ull);
                return slot + 1;
            }
        }
        if (found == tag) return slot + 1;
    }
}

// Whether a slot holds these keys, which are its words.
struct SameWords {
    template <u32 KEYS> static INLINE_MEMBER bool of(const u64* slot, const u64 (&keys)[KEYS]) {
        bool same = true;
#pragma unroll
        for (u32 k = 0; k < KEYS; k++) same = same && load_relaxed(slot + k) == keys[k];
        return same;
    }
};

template <u32 WIDTH, typename Same, u32 KEYS>
INLINE u64* find_hashed(u64* slots, u64 mask, u64* groups, const u64 (&keys)[KEYS], u64 hash) {
    const u64 ready = hash | READY;
    const u64 busy = (hash & ~(u64)READY) | BUSY;
    for (u64 at = (hash >> 2) & mask;; at = (at + 1) & mask) {
        u64* slot = slots + at * WIDTH;
        u64 found = load_acquire(slot);
        if (found == 0) {
            found = atomicCAS(slot, 0ull, busy);
            if (found == 0) {
#pragma unroll
                for (u32 k = 0; k < KEYS; k++) store_relaxed(slot + 1 + k, keys[k]);
                store_release(slot, ready);
                atomicAdd(groups, 1ull);
                return slot + 1 + KEYS;
            }
        }
        while (found == busy) found = load_acquire(slot);
        // Read again even if the swap itself met READY: only an acquiring load orders the keys behind it.
        if (found == ready && load_acquire(slot) == ready && Same::of(slot + 1, keys)) return slot + 1 + KEYS;
    }
}

template <u32 WIDTH, u32 KEYS> INLINE u64* find_wide(u64* slots, u64 mask, u64* groups, const u64 (&keys)[KEYS]) {
    u64 hash = 0;
#pragma unroll
    for (u32 k = 0; k < KEYS; k++) hash = mix(hash * 31 + keys[k] + 0x9e3779b97f4a7c15ull);
    return find_hashed<WIDTH, SameWords>(slots, mask, groups, keys, hash);
}

// Where the probing for a slot that is taken begins.
template <bool PACKED> INLINE u64 home(u64 tag) { return PACKED ? mix(tag & ~(1ull << 63)) : tag >> 2; }

// Moves every slot taken to a larger, empty table; keys are distinct already, so the first free slot will do.
template <u32 WIDTH, bool PACKED> INLINE void grow_table(const u64* from, u64 capacity, u64* to, u64 mask) {
    for (u64 i = (u64)blockIdx.x * BLOCK + threadIdx.x; i < capacity; i += (u64)gridDim.x * BLOCK) {
        const u64* slot = from + i * WIDTH;
        const u64 tag = slot[0];
        if (tag == 0) continue;
        u64 at = home<PACKED>(tag) & mask;
        while (atomicCAS(to + at * WIDTH, 0ull, tag) != 0) at = (at + 1) & mask;
        for (u32 k = 1; k < WIDTH; k++) to[at * WIDTH + k] = slot[k];
    }
}

// Copies every slot taken to the next place of a list.
template <u32 WIDTH> INLINE void gather_table(const u64* from, u64 capacity, u64* to, u64* count) {
    for (u64 i = (u64)blockIdx.x * BLOCK + threadIdx.x; i < capacity; i += (u64)gridDim.x * BLOCK) {
        const u64* slot = from + i * WIDTH;
        if (slot[0] == 0) continue;
        const u64 at = atomicAdd(count, 1ull);
        for (u32 k = 0; k < WIDTH; k++) to[at * WIDTH + k] = slot[k];
    }
}
