// kernels/prelude.cuh
// kernels/scan.cuh
// kernels/table.cuh
// kernels/compact.cuh

enum : u32 { ITEMS = 8, TILE = BLOCK * ITEMS, CHUNK_WORDS = 4 };

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
pipeline(const u64* chunks, u64 tiles, u64 stride, u32* faults, u64 t0, u64 t0_length, u64* counter, u16* o0) {
    for (u32 tile = blockIdx.x; tile < (u32)tiles; tile += gridDim.x) {
        const u32 number = tile / (u32)stride;
        const u64* chunk = chunks + (u64)number * CHUNK_WORDS;
        const u32 rows = (u32)chunk[0];
        const u32 begin = (tile - number * (u32)stride) * TILE;
        if (begin >= rows) continue;
        const u32 row = begin + threadIdx.x * ITEMS;
        const u32 m0 = rows_mask<ITEMS>(row, rows);
        Rows<u8, ITEMS> c0;
        Rows<u16, ITEMS> c1;
        if (m0) {
            c0.load(chunk[2], row);
        }
        u32 m1 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            const u8 v0 = c0.get(i);
            const u64 at1 = (u64)(i64)v0;
            const bool v1 = lookup_bit(t0, t0_length, at1);
            m1 |= (u32)(v1) << i;
        }
        m1 &= m0;
        if (m1) {
            c1.load(chunk[3], row);
        }
        u64 place2 = reserve(counter, (u32)__popc(m1));
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m1 >> i & 1) {
                const u16 v2 = c1.get(i);
                o0[place2] = (u16)(v2);
                place2++;
            }
        }
    }
}
