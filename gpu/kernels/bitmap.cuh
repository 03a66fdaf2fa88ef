// Bitmap: a bit for each row of the source that reached the sink.
//
// A chunk's bits begin at a byte of their own, zero at the start. With eight rows a thread has a whole byte and
// stores it; with fewer, threads share a word and add their bits by an atomic. Any thread, no barrier, once per tile. Bytes
// moved per row: 1/8.

template <u32 ITEMS> INLINE void mark(u64 bitmap, u32 row, u32 marks) {
    if (marks == 0) return;
    if constexpr (ITEMS == 8) {
        ((u8*)bitmap)[row / 8] = (u8)marks;
    } else {
        atomicOr((u32*)bitmap + row / 32, marks << (row % 32));
    }
}
