// kernels/prelude.cuh
// kernels/scan.cuh
// kernels/filter.cuh
// kernels/project.cuh
// kernels/decimal.cuh
// kernels/convert.cuh
// kernels/table.cuh
// kernels/order.cuh
// kernels/aggregate.cuh

enum : u32 { ITEMS = 4, TILE = BLOCK * ITEMS, CHUNK_WORDS = 6 };

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
pipeline(const u64* chunks, u64 tiles, u64 stride, u32* faults, u64 w0, u64 w1, u64 w2, u64 w3, u64 w4, u64 w5, u64 w6, u64 w7, u64 w8, u64 w9, u64 w10, u64 w11, u64 w12, u64 w13, u64 w14, u64 w15, u64 t0, u64 t0_length, u64 t1, u64 t1_length, u64 t2, u64 t2_length, u64 t3, u64 t3_length, u64 t4, u64 t4_length, u64 t5, u64 t5_length, u64 t6, u64 t6_length, u64* state) {
    const u16 p0 = (u16)w0;
    const u16 p1 = (u16)w1;
    const i64 p2 = (i64)w2;
    const i32 p3 = (i32)w3;
    const i32 p4 = (i32)w4;
    const u8 p5 = (u8)w5;
    const u8 p6 = (u8)w6;
    const i64 p7 = (i64)w7;
    const i32 p8 = (i32)w8;
    const i32 p9 = (i32)w9;
    const u16 p10 = (u16)w10;
    const u16 p11 = (u16)w11;
    const i64 p12 = (i64)w12;
    const i32 p13 = (i32)w13;
    const i32 p14 = (i32)w14;
    const i64 p15 = (i64)w15;
    enum : u32 { GROUPS = 100, COPIES = 32 };
    __shared__ u32 shared_32[GROUPS * 1 * COPIES];
    for (u32 k = threadIdx.x; k < GROUPS * 1 * COPIES; k += BLOCK) shared_32[k] = 0;
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
        Rows<u16, ITEMS> c2;
        Rows<u8, ITEMS> c3;
        if (m0) {
            c2.load(chunk[4], row);
            c3.load(chunk[5], row);
        }
        u32 m1 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            const u16 v5 = c2.get(i);
            const bool v6 = in_range(v5, p0, p1);
            m1 |= (u32)(v6) << i;
        }
        m1 &= m0;
        u32 m2 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            const u8 v14 = c3.get(i);
            const bool v15 = in_range(v14, p5, p6);
            m2 |= (u32)(v15) << i;
        }
        m2 &= m1;
        u32 m3 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            const u16 v5 = c2.get(i);
            const bool v22 = in_range(v5, p10, p11);
            m3 |= (u32)(v22) << i;
        }
        m3 &= m2;
        if (m3) {
            c0.load(chunk[2], row);
            c1.load(chunk[3], row);
        }
        u32 m4 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            const u16 v0 = c0.get(i);
            const u16 v1 = c1.get(i);
            const i32 v2 = (i32)v0;
            const i32 v3 = (i32)v1;
            const bool v4 = (v2 > v3);
            m4 |= (u32)(v4) << i;
        }
        m4 &= m3;
        u32 m5 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m4 >> i & 1) {
                const u16 v5 = c2.get(i);
                const i64 v8 = (i64)v5;
                const i64 v9 = wrap_subtract(v8, p2);
                const u64 at10 = (u64)(i64)v9;
                const i32 v10 = lookup<i32>(t0, t0_length, at10);
                const bool v13 = in_range(v10, p3, p4);
                m5 |= (u32)(v13) << i;
            }
        }
        u32 m6 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m5 >> i & 1) {
                const u8 v14 = c3.get(i);
                const i64 v17 = (i64)v14;
                const i64 v18 = wrap_subtract(v17, p7);
                const u64 at19 = (u64)(i64)v18;
                const i32 v19 = lookup<i32>(t1, t1_length, at19);
                const bool v20 = in_range(v19, p8, p9);
                m6 |= (u32)(v20) << i;
            }
        }
        u32 m7 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m6 >> i & 1) {
                const u16 v5 = c2.get(i);
                const i64 v8 = (i64)v5;
                const i64 v24 = wrap_subtract(v8, p12);
                const u64 at25 = (u64)(i64)v24;
                const i32 v25 = lookup<i32>(t2, t2_length, at25);
                const bool v26 = in_range(v25, p13, p14);
                m7 |= (u32)(v26) << i;
            }
        }
        u32 m8 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m7 >> i & 1) {
                const u16 v5 = c2.get(i);
                const i64 v8 = (i64)v5;
                const u8 v14 = c3.get(i);
                const i64 v24 = wrap_subtract(v8, p12);
                const u64 at25 = (u64)(i64)v24;
                const i32 v25 = lookup<i32>(t2, t2_length, at25);
                const i32 v27 = wrap_subtract(v25, (i32)1);
                const u64 at28 = (u64)(i64)v27;
                const u8 v28 = lookup<u8>(t3, t3_length, at28);
                const i32 v29 = (i32)v28;
                const i32 v30 = (i32)v14;
                const bool v31 = (v29 != v30);
                m8 |= (u32)(v31) << i;
            }
        }
        u32 m9 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m8 >> i & 1) {
                const u16 v5 = c2.get(i);
                const i64 v8 = (i64)v5;
                const u8 v14 = c3.get(i);
                const i32 v30 = (i32)v14;
                const i64 v33 = wrap_subtract(v8, p15);
                const u64 at34 = (u64)(i64)v33;
                const i32 v34 = lookup<i32>(t4, t4_length, at34);
                const i32 v35 = v34;
                const bool n35 = (v34 == (i32)0);
                const i32 v36 = wrap_subtract(v35, (i32)1);
                const bool n36 = n35;
                const u64 at37 = (u64)(i64)v36;
                const u8 v37 = lookup<u8>(t5, t5_length, at37);
                const bool n37 = n36;
                const i32 v38 = (i32)v37;
                const bool n38 = n37;
                const bool v39 = (v38 != v30);
                const bool n39 = n38;
                const bool v40 = n36;
                const bool v41 = !v40;
                const bool d42 = !v41 || (!v39 && !n39);
                const bool n42 = !d42 && (n39);
                const bool v42 = !d42;
                const bool v44 = n42 ? false : v42;
                const bool v45 = !v44;
                m9 |= (u32)(v45) << i;
            }
        }
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m9 >> i & 1) {
                const u8 v14 = c3.get(i);
                const i64 v17 = (i64)v14;
                const i64 v18 = wrap_subtract(v17, p7);
                const u64 at19 = (u64)(i64)v18;
                const i32 v19 = lookup<i32>(t1, t1_length, at19);
                const i32 v21 = wrap_subtract(v19, (i32)1);
                const u64 at46 = (u64)(i64)v21;
                const u8 v46 = lookup<u8>(t6, t6_length, at46);
                const u32 group = (u32)v46;
                if (group >= GROUPS) continue;
                u32* own_32 = shared_32 + group * (1 * COPIES) + lane() % COPIES;
                atomicAdd(own_32 + 0 * COPIES, 1u);
            }
        }
    }
    __syncthreads();
    for (u32 group = threadIdx.x; group < GROUPS; group += BLOCK) {
        const u32* own_32 = shared_32 + group * (1 * COPIES);
        if (gather_word<COPIES>(own_32 + 0 * COPIES) == 0) continue;
        u64* cells = state + (u64)group * 1;
        global_add(cells + 0, gather_word<COPIES>(own_32 + 0 * COPIES));
    }
}
