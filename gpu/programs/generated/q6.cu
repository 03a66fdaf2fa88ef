// kernels/prelude.cuh
// kernels/scan.cuh
// kernels/filter.cuh
// kernels/project.cuh
// kernels/decimal.cuh
// kernels/convert.cuh
// kernels/reduce.cuh
// kernels/order.cuh
// kernels/aggregate.cuh

enum : u32 { ITEMS = 8, TILE = BLOCK * ITEMS, CHUNK_WORDS = 6 };

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
pipeline(const u64* chunks, u64 tiles, u64 stride, u32* faults, u64 w0, u64 w1, u64 w2, u64 w3, u64 w4, u64 w5, u64* state) {
    const u16 p0 = (u16)w0;
    const u16 p1 = (u16)w1;
    const u8 p2 = (u8)w2;
    const u8 p3 = (u8)w3;
    const u8 p4 = (u8)w4;
    const u8 p5 = (u8)w5;
    u64 a0 = 0;
    u64 a1 = 0;
    for (u32 tile = blockIdx.x; tile < (u32)tiles; tile += gridDim.x) {
        const u32 number = tile / (u32)stride;
        const u64* chunk = chunks + (u64)number * CHUNK_WORDS;
        const u32 rows = (u32)chunk[0];
        const u32 begin = (tile - number * (u32)stride) * TILE;
        if (begin >= rows) continue;
        const u32 row = begin + threadIdx.x * ITEMS;
        const u32 m0 = rows_mask<ITEMS>(row, rows);
        Rows<u16, ITEMS> c0;
        Rows<u8, ITEMS> c1;
        Rows<u8, ITEMS> c2;
        Rows<u32, ITEMS> c3;
        if (m0) {
            c0.load(chunk[2], row);
            c1.load(chunk[3], row);
            c2.load(chunk[4], row);
        }
        u32 m1 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            const u16 v0 = c0.get(i);
            const bool v4 = in_range(v0, p0, p1);
            m1 |= (u32)(v4) << i;
        }
        m1 &= m0;
        u32 m2 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            const u8 v1 = c1.get(i);
            const bool v5 = in_range(v1, p2, p3);
            m2 |= (u32)(v5) << i;
        }
        m2 &= m1;
        u32 m3 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            const u8 v2 = c2.get(i);
            const bool v6 = in_range(v2, p4, p5);
            m3 |= (u32)(v6) << i;
        }
        m3 &= m2;
        if (m3) {
            c3.load(chunk[5], row);
        }
        a0 += (u64)__popc(m3);
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m3 >> i & 1) {
                const u8 v1 = c1.get(i);
                const u32 v3 = c3.get(i);
                const i64 v9 = (i64)v3;
                const i64 v10 = (i64)v1;
                const i64 v11 = wrap_multiply(v9, v10);
                a1 += (u64)(i64)v11;
            }
        }
    }
    __shared__ i128 scratch[WARPS];
    a0 = block_reduce<Sum, u64>(a0, 0, scratch);
    if (threadIdx.x == 0) { global_add(state + 0, a0); }
    a1 = block_reduce<Sum, u64>(a1, 0, scratch);
    if (threadIdx.x == 0) { global_add(state + 1, a1); }
}
