// Join: the number that an index has for keys, and marks of rows that were named.
//
// An index is the host's (src/join/layout.rs): slots in a row, looked through from the one that the upper bits of the
// hash say, around the end, to the first that is empty. A slot holds keys of up to 32 bits and the number, or keys of up to
// 64 bits and then the number; or half of the hash and the number, and the keys' words are the number's entry. The number is
// one more than it means. At most half of the slots are taken, so that looking always ends.
//
// Every thread reads on its own, through the read-only cache: no synchronization. Bytes moved per row: a sector of 32 for
// each slot looked at (1.5 on average at half load), and where keys lie apart one for the entry. Marks are bits in
// device memory, set by an atomic unless they are seen to be set: 4 bytes each.

INLINE u64 hash_word(u64 before, u64 word) {
    const u64 mixed = (before ^ word) * 0x9e3779b97f4a7c15ull;
    return mixed ^ mixed >> 32;
}
INLINE u64 hash_end(u64 before) { return before * 0xd6e8feb86659fd93ull; }

// -1 where there is none.
INLINE i32 probe_narrow(u64 slots, u64 shift, u64 mask, u64 key) {
    for (u64 at = hash_end(hash_word(0, key)) >> shift;; at = (at + 1) & mask) {
        const u64 slot = __ldg((const u64*)slots + at);
        // The key of an empty slot is 0, and so is its number.
        if ((slot & 0xffffffffull) == key || slot >> 32 == 0) return (i32)(slot >> 32) - 1;
    }
}
INLINE i32 probe_wide(u64 slots, u64 shift, u64 mask, u64 key) {
    for (u64 at = hash_end(hash_word(0, key)) >> shift;; at = (at + 1) & mask) {
        const u64 held = __ldg((const u64*)slots + 2 * at), number = __ldg((const u64*)slots + 2 * at + 1);
        if (held == key || number == 0) return (i32)number - 1;
    }
}

// Whether a word of an entry is a key's.
struct PlainKeys {
    INLINE_MEMBER u64 hash(u32, u64 word) const { return word; }
    INLINE_MEMBER bool same(u32, u64 held, u64 word) const { return held == word; }
};

template <typename Keys, u32 WORDS>
INLINE i32 probe_apart(u64 slots, u64 shift, u64 mask, u64 entries, const u64 (&words)[WORDS], const Keys& keys) {
    u64 hash = 0;
#pragma unroll
    for (u32 k = 0; k < WORDS; k++) hash = hash_word(hash, keys.hash(k, words[k]));
    hash = hash_end(hash);
#pragma unroll 1
    for (u64 at = hash >> shift;; at = (at + 1) & mask) {
        const u64 slot = __ldg((const u64*)slots + at);
        const u64 number = slot >> 32;
        if (number == 0) return -1;
        if ((u32)slot != (u32)hash) continue;
        const u64* entry = (const u64*)entries + (number - 1) * WORDS;
        bool same = true;
#pragma unroll
        for (u32 k = 0; k < WORDS; k++) same = same && keys.same(k, __ldg(entry + k), words[k]);
        if (same) return (i32)number - 1;
    }
}

// Sets a row's bit. Any thread; the bits are read after the launch.
INLINE void mark_row(u64* marked, u64 rows, i64 number) {
    const u64 row = (u64)number;
    if (row >= rows) return;
    u64* word = marked + row / 64;
    const u64 bit = 1ull << (row % 64);
    if ((load_relaxed(word) & bit) == 0) atomicOr(word, bit);
}
