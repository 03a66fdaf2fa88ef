// Text: references to UTF-8 bytes, compared, searched and cut.
//
// A reference is an address and a length; nothing here copies bytes. Texts are ordered byte by byte, a text before all that
// it begins. Characters are counted by the bytes that are no continuation, 10xxxxxx.
//
// Bytes are read as aligned words of eight, moved together where a text does not begin at one. A word is read only where
// the text has a byte in it, and memory comes in multiples of 256 bytes, so no read leaves its allocation. Every
// function is total: under a NULL there is an empty text, or a number that means nothing.
//
// Pure functions of registers and of memory that no kernel writes meanwhile: any thread, no synchronization. Bytes moved per
// row: two offsets, and a sector of 32 for each that the bytes looked at lie in.

struct text {
    const u8* at;
    u64 length;
};

// A text of no bytes, which stands under a NULL; what holds no text yet has the address 0 too.
INLINE text no_text() { return text{nullptr, 0}; }
INLINE text text_of(u64 at, u64 length) { return text{(const u8*)at, length}; }

// A thread's rows of a column of texts: `N` offsets, the one behind them, and where the bytes are.
template <u32 N> struct Texts {
    Rows<u32, N> begins;
    u32 last;
    u64 bytes;

    INLINE_MEMBER void load(u64 offsets, u64 from, u32 row, u32 rows) {
        begins.load(offsets, row);
        last = __ldg((const u32*)offsets + (row + N < rows ? row + N : rows));
        bytes = from;
    }

    INLINE_MEMBER text get(u32 i) const {
        const u32 begin = begins.get(i), end = i + 1 < N ? begins.get(i + 1 < N ? i + 1 : i) : last;
        // Behind the chunk's last row there are no offsets.
        return text_of(bytes + begin, end - begin);
    }
};

enum : u64 { EACH = 0x0101010101010101ull };

// The next bytes of a text of which `left`, at least one, are left: up to eight, the first lowest, zeros behind them.
INLINE u64 text_word(const u8* at, u64 left) {
    const u32 inside = (u32)((u64)at & 7);
    const u64* words = (const u64*)((u64)at - inside);
    u64 found = __ldg(words) >> (8 * inside);
    if (inside + left > 8 && inside > 0) found |= __ldg(words + 1) << (64 - 8 * inside);
    return left < 8 ? found & ~(~0ull << (8 * left)) : found;
}

// Letters of ASCII in lower case.
INLINE u64 fold_word(u64 a) {
    const u64 low = a & 0x7f * EACH;
    const u64 upper = (low + (0x80 - 'A') * EACH) & ~(low + (0x7f - 'Z') * EACH) & ~a & 0x80 * EACH;
    return a | upper >> 2;
}
template <bool FOLD> INLINE u64 folded(u64 a) { return FOLD ? fold_word(a) : a; }

// Characters that begin in a word of `count` bytes.
INLINE u32 begins_in(u64 word, u64 count) {
    const u64 continued = word >> 7 & ~(word >> 6) & EACH;
    return (u32)(count < 8 ? count : 8) - (u32)__popcll(continued);
}
INLINE bool begins_character(u8 byte) { return (byte & 0xc0) != 0x80; }

// Whether two runs of `length` bytes are the same.
template <bool FOLD> INLINE bool same_bytes(const u8* a, const u8* b, u64 length) {
#pragma unroll 1
    for (u64 at = 0; at < length; at += 8) {
        if (folded<FOLD>(text_word(a + at, length - at)) != folded<FOLD>(text_word(b + at, length - at))) return false;
    }
    return true;
}

INLINE bool equal(text a, text b) { return a.length == b.length && (a.at == b.at || same_bytes<false>(a.at, b.at, a.length)); }

// Less than 0, 0, or more, as `a` is before `b`, the same, or behind it.
INLINE i32 text_compare(text a, text b) {
    const u64 both = a.length < b.length ? a.length : b.length;
#pragma unroll 1
    for (u64 at = 0; at < both; at += 8) {
        const u64 x = text_word(a.at + at, both - at), y = text_word(b.at + at, both - at);
        if (x != y) {
            const u32 first = (u32)(__ffsll((i64)(x ^ y)) - 1) & ~7u;
            return (x >> first & 0xff) < (y >> first & 0xff) ? -1 : 1;
        }
    }
    return a.length < b.length ? -1 : a.length > b.length ? 1 : 0;
}
INLINE bool less(text a, text b) { return text_compare(a, b) < 0; }

INLINE i32 text_bytes(text a) { return (i32)a.length; }

// Characters in the first bytes of a text.
INLINE u32 characters_in(const u8* at, u64 bytes) {
    u32 count = 0;
#pragma unroll 1
    for (u64 k = 0; k < bytes; k += 8) count += begins_in(text_word(at + k, bytes - k), bytes - k);
    return count;
}
INLINE i32 text_characters(text a) { return (i32)characters_in(a.at, a.length); }

// ---- matches ----

template <bool FOLD> INLINE bool text_prefix(text a, text pattern) {
    return a.length >= pattern.length && same_bytes<FOLD>(a.at, pattern.at, pattern.length);
}
template <bool FOLD> INLINE bool text_suffix(text a, text pattern) {
    return a.length >= pattern.length && same_bytes<FOLD>(a.at + (a.length - pattern.length), pattern.at, pattern.length);
}

// Where a pattern first is in a text, in bytes; ~0 where it is not. Eight places at a time are looked at if one of their
// bytes may be the pattern's first.
template <bool FOLD> INLINE u64 text_find(text a, text pattern) {
    if (pattern.length == 0) return 0;
    if (a.length < pattern.length) return ~0ull;
    const u64 head = folded<FOLD>(text_word(pattern.at, pattern.length));
    const u64 mask = pattern.length < 8 ? ~(~0ull << (8 * pattern.length)) : ~0ull;
    const u64 first = (head & 0xff) * EACH;
    const u64 last = a.length - pattern.length;
    u64 next = folded<FOLD>(text_word(a.at, a.length));
#pragma unroll 1
    for (u64 at = 0; at <= last; at += 8) {
        const u64 word = next;
        next = at + 8 < a.length ? folded<FOLD>(text_word(a.at + at + 8, a.length - at - 8)) : 0;
        const u64 differ = word ^ first;
        if (((differ - EACH) & ~differ & 0x80 * EACH) == 0) continue;
#pragma unroll 1
        for (u32 k = 0; k < 8 && at + k <= last; k++) {
            const u64 here = k == 0 ? word : word >> (8 * k) | next << (64 - 8 * k);
            if ((here & mask) != head) continue;
            if (pattern.length <= 8 || same_bytes<FOLD>(a.at + at + k + 8, pattern.at + 8, pattern.length - 8)) return at + k;
        }
    }
    return ~0ull;
}
template <bool FOLD> INLINE bool text_contains(text a, text pattern) { return text_find<FOLD>(a, pattern) != ~0ull; }

// In characters from 1; 0 where the pattern is not.
INLINE i32 text_position(text a, text pattern) {
    const u64 found = text_find<false>(a, pattern);
    return found == ~0ull ? 0 : (i32)characters_in(a.at, found) + 1;
}

template <bool FOLD> INLINE u8 text_byte(const u8* at) {
    const u8 byte = __ldg(at);
    return FOLD && byte >= 'A' && byte <= 'Z' ? (u8)(byte + 32) : byte;
}

// `%` is any characters, `_` one, and `\` lets the byte behind it stand for itself. Where what follows the last `%` does
// not fit, it takes one character more; earlier ones need not be asked again.
template <bool FOLD> INLINE bool text_like(text a, text pattern) {
    u64 at = 0, p = 0, again = 0, behind = ~0ull;
#pragma unroll 1
    while (true) {
        bool fits = false;
        if (p < pattern.length) {
            u8 wanted = text_byte<FOLD>(pattern.at + p);
            if (wanted == '%') {
                p++;
                behind = p;
                again = at;
                if (p == pattern.length) return true;
                continue;
            }
            if (wanted == '_') {
                if (at < a.length) {
                    at++;
                    while (at < a.length && !begins_character(__ldg(a.at + at))) at++;
                    p++;
                    continue;
                }
            } else {
                u64 step = 1;
                if (wanted == '\\' && p + 1 < pattern.length) {
                    wanted = text_byte<FOLD>(pattern.at + p + 1);
                    step = 2;
                }
                fits = at < a.length && text_byte<FOLD>(a.at + at) == wanted;
                if (fits) {
                    at++;
                    p += step;
                    continue;
                }
            }
        } else if (at == a.length) {
            return true;
        }
        if (behind == ~0ull || again >= a.length) return false;
        again++;
        while (again < a.length && !begins_character(__ldg(a.at + again))) again++;
        at = again;
        p = behind;
    }
}

// ---- parts ----

// The place behind `count` characters from `at` on, or the end.
INLINE u64 text_skip(text a, u64 at, u64 count) {
#pragma unroll 1
    while (at < a.length) {
        const u64 word = text_word(a.at + at, a.length - at);
        const u32 begins = begins_in(word, a.length - at);
        if (begins <= count) {
            count -= begins;
            at += 8;
            continue;
        }
#pragma unroll 1
        for (u32 k = 0; k < 8; k++) {
            if (begins_character((u8)(word >> (8 * k)))) {
                if (count == 0) return at + k;
                count--;
            }
        }
    }
    return a.length;
}

// The characters from `from` on, in front of `to`, both counted from 1.
INLINE text text_between(text a, i64 from, i64 to) {
    const i64 first = from < 1 ? 1 : from;
    if (to <= first) return text{a.at, 0};
    const u64 begin = text_skip(a, 0, (u64)(first - 1));
    const u64 end = text_skip(a, begin, (u64)(to - first));
    return text{a.at + begin, end - begin};
}
INLINE text text_slice(text a, i64 start) { return text_between(a, start, (i64)(~0ull >> 1)); }
INLINE u32 text_slice(text a, i64 start, i64 length, text& result) {
    const i64 most = (i64)(~0ull >> 1);
    if (length < 0) {
        result = text{a.at, 0};
        return NEGATIVE_LENGTH;
    }
    result = text_between(a, start, start > 0 && length > most - start ? most : start + length);
    return 0u;
}

// A character's bytes as a number: `count` of them.
INLINE u32 character_at(const u8* at, u32 count) {
    u32 found = 0;
#pragma unroll 1
    for (u32 k = 0; k < count; k++) found = found << 8 | __ldg(at + k);
    return found;
}
INLINE u32 character_bytes(u8 first) { return first < 0x80 ? 1u : first < 0xe0 ? 2u : first < 0xf0 ? 3u : 4u; }

// Whether a character is among others.
INLINE bool is_among(u32 character, text all) {
#pragma unroll 1
    for (u64 at = 0; at < all.length;) {
        const u32 bytes = character_bytes(__ldg(all.at + at));
        if (character_at(all.at + at, bytes) == character) return true;
        at += bytes;
    }
    return false;
}

template <bool LEADING, bool TRAILING> INLINE text text_trim(text a, text characters) {
    u64 begin = 0, end = a.length;
    if (LEADING) {
#pragma unroll 1
        while (begin < end) {
            const u32 bytes = character_bytes(__ldg(a.at + begin));
            if (!is_among(character_at(a.at + begin, bytes), characters)) break;
            begin += bytes;
        }
    }
    if (TRAILING) {
#pragma unroll 1
        while (begin < end) {
            u64 last = end - 1;
            while (last > begin && !begins_character(__ldg(a.at + last))) last--;
            if (!is_among(character_at(a.at + last, (u32)(end - last)), characters)) break;
            end = last;
        }
    }
    return text{a.at + begin, end - begin};
}

// ---- tables: offsets and bytes ----

INLINE text text_at(u64 offsets, u64 bytes, u64 at) {
    const u32 begin = __ldg((const u32*)offsets + at);
    return text_of(bytes + begin, __ldg((const u32*)offsets + at + 1) - begin);
}
// The element, or an empty text past the end.
INLINE text lookup_text(u64 offsets, u64 bytes, u64 length, u64 at) {
    return at < length ? text_at(offsets, bytes, at) : text_of(bytes, 0);
}
// Whether a text is among the ascending elements.
INLINE bool member_text(u64 offsets, u64 bytes, u64 length, text a) {
    u64 low = 0, count = length;
#pragma unroll 1
    while (count > 0) {
        const u64 half = count / 2;
        const i32 order = text_compare(text_at(offsets, bytes, low + half), a);
        if (order == 0) return true;
        low = order < 0 ? low + half + 1 : low;
        count = order < 0 ? count - half - 1 : half;
    }
    return false;
}
