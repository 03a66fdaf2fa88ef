// kernels/prelude.cuh
// kernels/scan.cuh
// kernels/filter.cuh
// kernels/project.cuh
// kernels/decimal.cuh
// kernels/convert.cuh
// kernels/order.cuh
// kernels/aggregate.cuh

enum : u32 { ITEMS = 4, TILE = BLOCK * ITEMS, CHUNK_WORDS = 9 };

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
pipeline(const u64* chunks, u64 tiles, u64 stride, u32* faults, u64 w0, u64 w1, u64* state) {
    const u16 p0 = (u16)w0;
    const u16 p1 = (u16)w1;
    enum : u32 { GROUPS = 6, COPIES = 32 };
    __shared__ u32 shared_32[GROUPS * 12 * COPIES];
    for (u32 k = threadIdx.x; k < GROUPS * 12 * COPIES; k += BLOCK) shared_32[k] = 0;
    __syncthreads();
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
        Rows<u8, ITEMS> c3;
        Rows<u32, ITEMS> c4;
        Rows<u8, ITEMS> c5;
        Rows<u8, ITEMS> c6;
        if (m0) {
            c0.load(chunk[2], row);
            c1.load(chunk[3], row);
            c2.load(chunk[4], row);
            c3.load(chunk[5], row);
            c4.load(chunk[6], row);
            c5.load(chunk[7], row);
            c6.load(chunk[8], row);
        }
        u32 m1 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            const u16 v0 = c0.get(i);
            const bool v7 = in_range(v0, p0, p1);
            m1 |= (u32)(v7) << i;
        }
        m1 &= m0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m1 >> i & 1) {
                const u8 v1 = c1.get(i);
                const u8 v2 = c2.get(i);
                const u8 v3 = c3.get(i);
                const u32 v4 = c4.get(i);
                const u8 v5 = c5.get(i);
                const u8 v6 = c6.get(i);
                const i64 v8 = (i64)v4;
                const i64 v9 = (i64)v5;
                const i64 v10 = (i64)v6;
                const i64 v12 = wrap_subtract((i64)100, v9);
                const i64 v13 = wrap_multiply(v8, v12);
                const i64 v14 = wrap_add((i64)100, v10);
                const i64 v15 = wrap_multiply(v13, v14);
                const u32 group = ((u32)v1) * 2u + (u32)v2;
                if (group >= GROUPS) continue;
                u32* own_32 = shared_32 + group * (12 * COPIES) + lane() % COPIES;
                atomicAdd(own_32 + 0 * COPIES, 1u);
                shared_add<COPIES>(own_32 + 1 * COPIES, (u64)(i64)v3);
                shared_add<COPIES>(own_32 + 3 * COPIES, (u64)(i64)v8);
                shared_add<COPIES>(own_32 + 5 * COPIES, (u64)(i64)v13);
                shared_add_wide<COPIES>(own_32 + 7 * COPIES, (i64)v15);
                shared_add<COPIES>(own_32 + 10 * COPIES, (u64)(i64)v5);
            }
        }
    }
    __syncthreads();
    for (u32 group = threadIdx.x; group < GROUPS; group += BLOCK) {
        const u32* own_32 = shared_32 + group * (12 * COPIES);
        if (gather_word<COPIES>(own_32 + 0 * COPIES) == 0) continue;
        u64* cells = state + (u64)group * 7;
        global_add(cells + 0, gather_word<COPIES>(own_32 + 0 * COPIES));
        global_add(cells + 1, gather_sum<COPIES>(own_32 + 1 * COPIES));
        global_add(cells + 2, gather_sum<COPIES>(own_32 + 3 * COPIES));
        global_add(cells + 3, gather_sum<COPIES>(own_32 + 5 * COPIES));
        global_add_wide(cells + 4, gather_wide_64<COPIES>(own_32 + 7 * COPIES), 0u);
        global_add(cells + 6, gather_sum<COPIES>(own_32 + 10 * COPIES));
    }
}
