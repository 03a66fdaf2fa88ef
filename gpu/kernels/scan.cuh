// Scan: a tile of rows, and a thread's rows of a column in registers.
//
// A launch covers many chunks. The chunk table in device memory has, for each, its number of rows, the address of
// its part of a bitmap sink (or 0), and for each column the address of its values and, where it can be NULL, of its
// validity (0: none is NULL in this chunk). A tile is BLOCK * ITEMS consecutive rows of one chunk; thread t has the
// ITEMS rows from t * ITEMS on, so that a narrow column is one vector load: eight u16 are 16 bytes, eight u8 are 8.
//
// Phases: load (a thread loads its rows of a column if any of them is still wanted), get. Nothing is shared, nothing is
// synchronized. Bytes moved per row: the column's width, plus 1/8 where it can be NULL. Reads past the chunk's last row
// stay inside the column's allocation, which is rounded up to 256 bytes; those rows are never in a mask.

// The rows of a thread that exist, a bit each.
template <u32 ITEMS> INLINE u32 rows_mask(u32 row, u32 rows) {
    const u32 all = (1u << ITEMS) - 1;
    if (row + ITEMS <= rows) return all;
    return row < rows ? all >> (row + ITEMS - rows) : 0u;
}

// `N` values of `T`, packed as they lie in memory: registers hold no more than the column's width.
template <typename T, u32 N> struct Rows {
    enum : u32 { BYTES = sizeof(T) * N, WORDS = (BYTES + 3) / 4 };
    u32 words[WORDS];

    INLINE_MEMBER void load(u64 values, u32 row) {
        const char* at = (const char*)values + (u64)row * sizeof(T);
        if constexpr (BYTES % 16 == 0) {
#pragma unroll
            for (u32 k = 0; k < WORDS; k += 4) {
                const uint4 part = __ldg((const uint4*)at + k / 4);
                words[k] = part.x;
                words[k + 1] = part.y;
                words[k + 2] = part.z;
                words[k + 3] = part.w;
            }
        } else if constexpr (BYTES == 8) {
            const uint2 part = __ldg((const uint2*)at);
            words[0] = part.x;
            words[1] = part.y;
        } else if constexpr (BYTES == 4) {
            words[0] = __ldg((const u32*)at);
        } else if constexpr (BYTES == 2) {
            words[0] = __ldg((const u16*)at);
        } else {
            words[0] = __ldg((const u8*)at);
        }
    }

    INLINE_MEMBER T get(u32 i) const {
        if constexpr (sizeof(T) == 1) {
            return (T)(u8)(words[i / 4] >> (8 * (i % 4)));
        } else if constexpr (sizeof(T) == 2) {
            return (T)(u16)(words[i / 2] >> (16 * (i % 2)));
        } else if constexpr (sizeof(T) == 4) {
            return from_bits((T)0, words[i]);
        } else if constexpr (sizeof(T) == 8) {
            return from_bits((T)0, (u64)words[2 * i] | (u64)words[2 * i + 1] << 32);
        } else {
            const u64 low = (u64)words[4 * i] | (u64)words[4 * i + 1] << 32;
            const u64 high = (u64)words[4 * i + 2] | (u64)words[4 * i + 3] << 32;
            return (T)((u128)high << 64 | low);
        }
    }

    static INLINE_MEMBER i32 from_bits(i32, u32 bits) { return (i32)bits; }
    static INLINE_MEMBER u32 from_bits(u32, u32 bits) { return bits; }
    static INLINE_MEMBER f32 from_bits(f32, u32 bits) { return f32_of(bits); }
    static INLINE_MEMBER i64 from_bits(i64, u64 bits) { return (i64)bits; }
    static INLINE_MEMBER u64 from_bits(u64, u64 bits) { return bits; }
    static INLINE_MEMBER f64 from_bits(f64, u64 bits) { return f64_of(bits); }
};

// A thread's bits of a bitmap, lowest first: `ITEMS` rows from `row`, a multiple of `ITEMS`, lie in one byte.
template <u32 ITEMS> INLINE u32 load_bits(u64 bitmap, u32 row) {
    return (u32)__ldg((const u8*)bitmap + row / 8) >> (row % 8);
}

// Likewise of a validity bitmap, which a chunk without NULLs does not have.
template <u32 ITEMS> INLINE u32 load_validity(u64 bitmap, u32 row) {
    return bitmap ? load_bits<ITEMS>(bitmap, row) : ~0u;
}
