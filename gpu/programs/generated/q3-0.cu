// kernels/prelude.cuh
// kernels/scan.cuh
// kernels/filter.cuh
// kernels/compact.cuh

enum : u32 { ITEMS = 8, TILE = BLOCK * ITEMS, CHUNK_WORDS = 6 };

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
pipeline(const u64* chunks, u64 tiles, u64 stride, u32* faults, u64 w0, u64 w1, u64* counter, u16* o0, u16* o1, u16* o2, u8* o3) {
    const u16 p0 = (u16)w0;
    const u16 p1 = (u16)w1;
    for (u32 tile = blockIdx.x; tile < (u32)tiles; tile += gridDim.x) {
        const u32 number = tile / (u32)stride;
        const u64* chunk = chunks + (u64)number * CHUNK_WORDS;
        const u32 rows = (u32)chunk[0];
        const u32 begin = (tile - number * (u32)stride) * TILE;
        if (begin >= rows) continue;
        const u32 row = begin + threadIdx.x * ITEMS;
        const u32 m0 = rows_mask<ITEMS>(row, rows);
        Rows<u16, ITEMS> c0;
        Rows<u16, ITEMS> c1;
        Rows<u16, ITEMS> c2;
        Rows<u8, ITEMS> c3;
        if (m0) {
            c0.load(chunk[2], row);
        }
        u32 m1 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            const u16 v0 = c0.get(i);
            const bool v1 = in_range(v0, p0, p1);
            m1 |= (u32)(v1) << i;
        }
        m1 &= m0;
        if (m1) {
            c1.load(chunk[3], row);
            c2.load(chunk[4], row);
            c3.load(chunk[5], row);
        }
        u64 place2 = reserve(counter, (u32)__popc(m1));
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m1 >> i & 1) {
                const u16 v0 = c0.get(i);
                const u16 v2 = c1.get(i);
                const u16 v3 = c2.get(i);
                const u8 v4 = c3.get(i);
                o0[place2] = (u16)(v2);
                o1[place2] = (u16)(v3);
                o2[place2] = (u16)(v0);
                o3[place2] = (u8)(v4);
                place2++;
            }
        }
    }
}
