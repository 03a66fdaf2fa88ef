// Join by texts: keys of an index among which there are such, bit `k` of TEXTS for word `k`.
//
// A text's word is its offset among the bytes of the index's texts, below, and its length, above; of what is looked for it is
// the length alone. Threads, synchronization: as in join.cuh. Bytes moved: those of join.cuh, and the text's own, twice
// where it is found.

INLINE u64 hash_text(text a) {
    u64 hash = a.length * 0xd6e8feb86659fd93ull;
#pragma unroll 1
    for (u64 at = 0; at < a.length; at += 8) hash = hash_word(hash, text_word(a.at + at, a.length - at));
    return hash;
}

// `given` and `held` have a text, and an address, for each word; those of words that are no texts mean nothing.
template <u64 TEXTS, u32 WORDS> struct TextKeys {
    text given[WORDS];
    u64 held[WORDS];
    INLINE_MEMBER u64 hash(u32 k, u64 word) const { return TEXTS >> k & 1 ? hash_text(given[k]) : word; }
    INLINE_MEMBER bool same(u32 k, u64 entry, u64 word) const {
        return TEXTS >> k & 1 ? equal(text_of(held[k] + (u32)entry, entry >> 32), given[k]) : entry == word;
    }
};
