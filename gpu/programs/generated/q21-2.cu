// kernels/prelude.cuh
// kernels/scan.cuh
// kernels/filter.cuh
// kernels/project.cuh
// kernels/table.cuh
// kernels/compact.cuh

enum : u32 { ITEMS = 8, TILE = BLOCK * ITEMS, CHUNK_WORDS = 5 };

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
pipeline(const u64* chunks, u64 tiles, u64 stride, u32* faults, u64 w0, u64 w1, u64 w2, u64 w3, u64 w4, u64 t0, u64 t0_length, u64 t1, u64 t1_length, u64* counter, u8* o0, u8* o1, u8* o2, u8* o3) {
    const u8 p0 = (u8)w0;
    const u8 p1 = (u8)w1;
    const i64 p2 = (i64)w2;
    const i32 p3 = (i32)w3;
    const i32 p4 = (i32)w4;
    for (u32 tile = blockIdx.x; tile < (u32)tiles; tile += gridDim.x) {
        const u32 number = tile / (u32)stride;
        const u64* chunk = chunks + (u64)number * CHUNK_WORDS;
        const u32 rows = (u32)chunk[0];
        const u32 begin = (tile - number * (u32)stride) * TILE;
        if (begin >= rows) continue;
        const u32 row = begin + threadIdx.x * ITEMS;
        const u32 m0 = rows_mask<ITEMS>(row, rows);
        Rows<u8, ITEMS> c0;
        Rows<u8, ITEMS> c1;
        Rows<u8, ITEMS> c2;
        if (m0) {
            c0.load(chunk[2], row);
        }
        u32 m1 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            const u8 v0 = c0.get(i);
            const bool v1 = in_range(v0, p0, p1);
            m1 |= (u32)(v1) << i;
        }
        m1 &= m0;
        if (m1) {
            c1.load(chunk[3], row);
            c2.load(chunk[4], row);
        }
        u32 m2 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m1 >> i & 1) {
                const u8 v0 = c0.get(i);
                const i64 v3 = (i64)v0;
                const i64 v4 = wrap_subtract(v3, p2);
                const u64 at5 = (u64)(i64)v4;
                const i32 v5 = lookup<i32>(t0, t0_length, at5);
                const bool v7 = in_range(v5, p3, p4);
                m2 |= (u32)(v7) << i;
            }
        }
        u64 place3 = reserve(counter, (u32)__popc(m2));
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m2 >> i & 1) {
                const u8 v0 = c0.get(i);
                const i64 v3 = (i64)v0;
                const i64 v4 = wrap_subtract(v3, p2);
                const u64 at5 = (u64)(i64)v4;
                const i32 v5 = lookup<i32>(t0, t0_length, at5);
                const i32 v8 = wrap_subtract(v5, (i32)1);
                const u64 at9 = (u64)(i64)v8;
                const u8 v9 = lookup<u8>(t1, t1_length, at9);
                const u8 v10 = c1.get(i);
                const u8 v11 = c2.get(i);
                o0[place3] = (u8)(v9);
                o1[place3] = (u8)(v10);
                o2[place3] = (u8)(v11);
                o3[place3] = (u8)(v0);
                place3++;
            }
        }
    }
}
