// kernels/prelude.cuh
// kernels/scan.cuh
// kernels/filter.cuh
// kernels/project.cuh
// kernels/table.cuh
// kernels/compact.cuh

enum : u32 { ITEMS = 8, TILE = BLOCK * ITEMS, CHUNK_WORDS = 6 };

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
pipeline(const u64* chunks, u64 tiles, u64 stride, u32* faults, u64 w0, u64 w1, u64 w2, u64 t0, u64 t0_length, u64* counter, u16* o0, u16* o1, u32* o2, u16* o3) {
    const u16 p0 = (u16)w0;
    const u16 p1 = (u16)w1;
    const i64 p2 = (i64)w2;
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
        Rows<u32, ITEMS> c2;
        Rows<u16, ITEMS> c3;
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
        u32 m2 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m1 >> i & 1) {
                const u16 v0 = c0.get(i);
                const i64 v3 = (i64)v0;
                const i64 v4 = wrap_subtract(v3, p2);
                const u64 at5 = (u64)(i64)v4;
                const bool v5 = lookup_bit(t0, t0_length, at5);
                m2 |= (u32)(v5) << i;
            }
        }
        u64 place3 = reserve(counter, (u32)__popc(m2));
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m2 >> i & 1) {
                const u16 v0 = c0.get(i);
                const u16 v6 = c1.get(i);
                const u32 v7 = c2.get(i);
                const u16 v8 = c3.get(i);
                o0[place3] = (u16)(v0);
                o1[place3] = (u16)(v6);
                o2[place3] = (u32)(v7);
                o3[place3] = (u16)(v8);
                place3++;
            }
        }
    }
}
