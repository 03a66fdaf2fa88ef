// kernels/prelude.cuh
// kernels/scan.cuh
// kernels/filter.cuh
// kernels/project.cuh
// kernels/decimal.cuh
// kernels/convert.cuh
// kernels/table.cuh
// kernels/order.cuh
// kernels/aggregate.cuh

enum : u32 { ITEMS = 8, TILE = BLOCK * ITEMS, CHUNK_WORDS = 6 };

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
pipeline(const u64* chunks, u64 tiles, u64 stride, u32* faults, u64 w0, u64 w1, u64 w2, u64 w3, u64 w4, u64 w5, u64 w6, u64 w7, u64 w8, u64 w9, u64 w10, u64 w11, u64 t0, u64 t0_length, u64 t1, u64 t1_length, u64 t2, u64 t2_length, u64* state) {
    const u16 p0 = (u16)w0;
    const u16 p1 = (u16)w1;
    const u16 p2 = (u16)w2;
    const u16 p3 = (u16)w3;
    const i64 p4 = (i64)w4;
    const i32 p5 = (i32)w5;
    const i32 p6 = (i32)w6;
    const u16 p7 = (u16)w7;
    const u16 p8 = (u16)w8;
    const i64 p9 = (i64)w9;
    const i32 p10 = (i32)w10;
    const i32 p11 = (i32)w11;
    enum : u32 { GROUPS = 1, COPIES = 32 };
    __shared__ u32 shared_32[GROUPS * 3 * COPIES];
    for (u32 k = threadIdx.x; k < GROUPS * 3 * COPIES; k += BLOCK) shared_32[k] = 0;
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
        Rows<u16, ITEMS> c1;
        Rows<u32, ITEMS> c2;
        Rows<u8, ITEMS> c3;
        if (m0) {
            c0.load(chunk[2], row);
            c1.load(chunk[3], row);
        }
        u32 m1 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            const u16 v0 = c0.get(i);
            const bool v1 = in_range(v0, p0, p1);
            m1 |= (u32)(v1) << i;
        }
        m1 &= m0;
        u32 m2 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            const u16 v2 = c1.get(i);
            const bool v3 = in_range(v2, p2, p3);
            m2 |= (u32)(v3) << i;
        }
        m2 &= m1;
        if (m2) {
            c2.load(chunk[4], row);
            c3.load(chunk[5], row);
        }
        u32 m3 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m2 >> i & 1) {
                const u16 v2 = c1.get(i);
                const i64 v5 = (i64)v2;
                const i64 v6 = wrap_subtract(v5, p4);
                const u64 at7 = (u64)(i64)v6;
                const i32 v7 = lookup<i32>(t0, t0_length, at7);
                const bool v9 = in_range(v7, p5, p6);
                m3 |= (u32)(v9) << i;
            }
        }
        u32 m4 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m3 >> i & 1) {
                const u16 v2 = c1.get(i);
                const i64 v5 = (i64)v2;
                const i64 v6 = wrap_subtract(v5, p4);
                const u64 at7 = (u64)(i64)v6;
                const i32 v7 = lookup<i32>(t0, t0_length, at7);
                const i32 v10 = wrap_subtract(v7, (i32)1);
                const u64 at11 = (u64)(i64)v10;
                const u16 v11 = lookup<u16>(t1, t1_length, at11);
                const bool v12 = in_range(v11, p7, p8);
                m4 |= (u32)(v12) << i;
            }
        }
        u32 m5 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m4 >> i & 1) {
                const u16 v2 = c1.get(i);
                const i64 v5 = (i64)v2;
                const i64 v6 = wrap_subtract(v5, p4);
                const u64 at7 = (u64)(i64)v6;
                const i32 v7 = lookup<i32>(t0, t0_length, at7);
                const i32 v10 = wrap_subtract(v7, (i32)1);
                const u64 at11 = (u64)(i64)v10;
                const u16 v11 = lookup<u16>(t1, t1_length, at11);
                const i64 v14 = (i64)v11;
                const i64 v15 = wrap_subtract(v14, p9);
                const u64 at16 = (u64)(i64)v15;
                const i32 v16 = lookup<i32>(t2, t2_length, at16);
                const bool v17 = in_range(v16, p10, p11);
                m5 |= (u32)(v17) << i;
            }
        }
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m5 >> i & 1) {
                const u16 v2 = c1.get(i);
                const i64 v5 = (i64)v2;
                const i64 v6 = wrap_subtract(v5, p4);
                const u64 at7 = (u64)(i64)v6;
                const i32 v7 = lookup<i32>(t0, t0_length, at7);
                const i32 v10 = wrap_subtract(v7, (i32)1);
                const u32 v18 = c2.get(i);
                const u8 v19 = c3.get(i);
                const i32 v21 = (i32)v19;
                const i32 v22 = wrap_subtract((i32)100, v21);
                const i32 v23 = (i32)v18;
                const i32 v24 = wrap_multiply(v23, v22);
                const u32 group = (u32)((u64)(i64)v10 - 0xffffffffffffffffull);
                if (group >= GROUPS) continue;
                u32* own_32 = shared_32 + group * (3 * COPIES) + lane() % COPIES;
                atomicAdd(own_32 + 0 * COPIES, 1u);
                shared_add<COPIES>(own_32 + 1 * COPIES, (u64)(i64)v24);
            }
        }
    }
    __syncthreads();
    for (u32 group = threadIdx.x; group < GROUPS; group += BLOCK) {
        const u32* own_32 = shared_32 + group * (3 * COPIES);
        if (gather_word<COPIES>(own_32 + 0 * COPIES) == 0) continue;
        u64* cells = state + (u64)group * 2;
        global_add(cells + 0, gather_word<COPIES>(own_32 + 0 * COPIES));
        global_add(cells + 1, gather_sum<COPIES>(own_32 + 1 * COPIES));
    }
}
