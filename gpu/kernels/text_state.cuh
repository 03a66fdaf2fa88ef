// Text state: what sinks keep of texts, as references: keys of groups, least and greatest, rows.
//
// The memory that a reference leads to stays while the reference is kept: the host holds those columns, or has `keep`
// copy the bytes to memory of their own. Bytes never change, so that two threads may compare them without a lock.
//
// Any thread, no barrier; copy_texts wants whole warps. Bytes moved per row: those of the key's slot, and a sector for each
// that the bytes compared lie in.

// Eight bytes at a time, and the length.
INLINE u64 text_hash(text a) {
    u64 hash = a.length;
#pragma unroll 1
    for (u64 at = 0; at < a.length; at += 8) hash = mix(hash * 31 + text_word(a.at + at, a.length - at) + 0x9e3779b97f4a7c15ull);
    return hash;
}

// ---- keys of a hash table ----

// Whether a slot holds these keys. Bit k of TEXTS: words k and k + 1 are a text.
template <u64 TEXTS> struct SameTexts {
    template <u32 KEYS> static INLINE_MEMBER bool of(const u64* slot, const u64 (&keys)[KEYS]) {
        bool same = true;
#pragma unroll
        for (u32 k = 0; k < KEYS; k++) {
            if (TEXTS >> k & 1) {
                same = same && equal(text_of(load_relaxed(slot + k), load_relaxed(slot + k + 1)), text_of(keys[k], keys[k + 1]));
            } else if (k == 0 || !(TEXTS >> (k - 1) & 1)) {
                same = same && load_relaxed(slot + k) == keys[k];
            }
        }
        return same;
    }
};

// As find_wide, with texts among the keys.
template <u32 WIDTH, u64 TEXTS, u32 KEYS>
INLINE u64* find_texts(u64* slots, u64 mask, u64* groups, const u64 (&keys)[KEYS]) {
    u64 hash = 0;
#pragma unroll
    for (u32 k = 0; k < KEYS; k++) {
        if (k > 0 && TEXTS >> (k - 1) & 1) continue;
        const u64 part = TEXTS >> k & 1 ? text_hash(text_of(keys[k], keys[k + 1 < KEYS ? k + 1 : k])) : keys[k];
        hash = mix(hash * 31 + part + 0x9e3779b97f4a7c15ull);
    }
    return find_hashed<WIDTH, SameTexts<TEXTS>>(slots, mask, groups, keys, hash);
}

// ---- order ----

// The first eight bytes: never against the order, but longer texts may have the same.
INLINE u64 order_code(text a) {
    u64 word = a.length ? text_word(a.at, a.length) : 0;
    word = (word & 0x00ff00ff00ff00ffull) << 8 | (word >> 8 & 0x00ff00ff00ff00ffull);
    word = (word & 0x0000ffff0000ffffull) << 16 | (word >> 16 & 0x0000ffff0000ffffull);
    return word << 32 | word >> 32;
}

// ---- least and greatest ----

// Whether `a` goes in the place of `b`; the address 0 is nothing yet.
template <bool MOST> INLINE bool text_beats(text a, text b) {
    if (a.at == nullptr || b.at == nullptr) return a.at != nullptr;
    const i32 order = text_compare(a, b);
    return MOST ? order > 0 : order < 0;
}
template <bool MOST> struct ExtremeText {
    static INLINE_MEMBER text of(text a, text b) { return text_beats<MOST>(b, a) ? b : a; }
};
INLINE text shuffle_down(text a, u32 by) {
    const u64 at = __shfl_down_sync(ALL_LANES, (u64)a.at, by);
    return text_of(at, __shfl_down_sync(ALL_LANES, a.length, by));
}

// Four words: a version, odd while somebody writes, the address, the length, and the greatest order code of all that was
// put there (of the codes turned over, for the least). Nearly every text has a lower code and goes at once; a text that has
// none, and yet does not go in the other's place, takes no lock either: who has read the same version before and behind the
// address and the length has read words that belong together, since each is published by a releasing store behind the odd
// version.
template <bool MOST> OUTLINE void global_extreme_text(u64* cell, text value) {
    if (value.at == nullptr) return;
    const u64 code = MOST ? order_code(value) : ~order_code(value);
    if (code < load_relaxed(cell + 3)) return;
    for (bool done = false; !done;) {
        const u64 version = load_acquire(cell);
        const u64 at = load_acquire(cell + 1);
        const u64 length = load_acquire(cell + 2);
        if (version & 1 || load_relaxed(cell) != version) {
            wait_a_little();
            continue;
        }
        done = !text_beats<MOST>(value, text_of(at, length));
        if (!done && atomicCAS(cell, version, version + 1) == version) {
            store_release(cell + 1, (u64)value.at);
            store_release(cell + 2, value.length);
            store_release(cell, version + 2);
            atomicMax(cell + 3, code);
            done = true;
        }
    }
}

// ---- references to bytes ----

// Copies the bytes of texts to where each has its place: a warp for each text.
INLINE void copy_texts(const u64* references, const u64* offsets, u64 to, u64 count) {
    for (u64 i = (u64)blockIdx.x * WARPS + warp(); i < count; i += (u64)gridDim.x * WARPS) {
        const u8* from = (const u8*)references[2 * i];
        const u64 begin = offsets[i], length = offsets[i + 1] - begin;
        for (u64 k = lane(); k < length; k += WARP) ((u8*)to)[begin + k] = __ldg(from + k);
    }
}

// The memory that a text takes of its own: whole words.
INLINE u64 kept_bytes(const u64* reference) { return reference[0] ? (reference[1] + 7) & ~7ull : 0ull; }

// Copies a text to memory of its own, and leads the reference there. No other thread has this reference.
INLINE void keep_text(u64* reference, u64 memory, u64* used) {
    if (reference[0] == 0) return;
    const u64 to = memory + atomicAdd(used, kept_bytes(reference));
    const text a = text_of(reference[0], reference[1]);
    for (u64 at = 0; at < a.length; at += 8) *(u64*)(to + at) = text_word(a.at + at, a.length - at);
    reference[0] = to;
}
