// kernels/prelude.cuh
// kernels/scan.cuh
// kernels/filter.cuh
// kernels/project.cuh
// kernels/decimal.cuh
// kernels/convert.cuh
// kernels/table.cuh
// kernels/order.cuh
// kernels/aggregate.cuh

enum : u32 { ITEMS = 4, TILE = BLOCK * ITEMS, CHUNK_WORDS = 8 };

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
pipeline(const u64* chunks, u64 tiles, u64 stride, u32* faults, u64 w0, u64 w1, u64 w2, u64 w3, u64 w4, u64 w5, u64 w6, u64 w7, u64 w8, u64 w9, u64 w10, u64 w11, u64 w12, u64 w13, u64 w14, u64 w15, u64 w16, u64 w17, u64 w18, u64 w19, u64 w20, u64 w21, u64 w22, u64 w23, u64 w24, u64 w25, u64 w26, u64 w27, u64 w28, u64 w29, u64 w30, u64 w31, u64 t0, u64 t0_length, u64 t1, u64 t1_length, u64 t2, u64 t2_length, u64 t3, u64 t3_length, u64 t4, u64 t4_length, u64 t5, u64 t5_length, u64 t6, u64 t6_length, u64 t7, u64 t7_length, u64 t8, u64 t8_length, u64 t9, u64 t9_length, u64* state) {
    const u16 p0 = (u16)w0;
    const u16 p1 = (u16)w1;
    const i64 p2 = (i64)w2;
    const i32 p3 = (i32)w3;
    const i32 p4 = (i32)w4;
    const u8 p5 = (u8)w5;
    const u8 p6 = (u8)w6;
    const i64 p7 = (i64)w7;
    const i64 p8 = (i64)w8;
    const u16 p9 = (u16)w9;
    const u16 p10 = (u16)w10;
    const i64 p11 = (i64)w11;
    const i64 p12 = (i64)w12;
    const i64 p13 = (i64)w13;
    const i32 p14 = (i32)w14;
    const i32 p15 = (i32)w15;
    const u16 p16 = (u16)w16;
    const u16 p17 = (u16)w17;
    const i64 p18 = (i64)w18;
    const i32 p19 = (i32)w19;
    const i32 p20 = (i32)w20;
    const u8 p21 = (u8)w21;
    const u8 p22 = (u8)w22;
    const i64 p23 = (i64)w23;
    const i32 p24 = (i32)w24;
    const i32 p25 = (i32)w25;
    const u8 p26 = (u8)w26;
    const u8 p27 = (u8)w27;
    const i64 p28 = (i64)w28;
    const i32 p29 = (i32)w29;
    const i32 p30 = (i32)w30;
    const i32 p31 = (i32)w31;
    enum : u32 { GROUPS = 175, COPIES = 16 };
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
        Rows<u8, ITEMS> c1;
        Rows<u16, ITEMS> c2;
        Rows<u32, ITEMS> c3;
        Rows<u8, ITEMS> c4;
        Rows<u8, ITEMS> c5;
        if (m0) {
            c0.load(chunk[2], row);
            c1.load(chunk[3], row);
            c2.load(chunk[4], row);
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
            const u16 v10 = c2.get(i);
            const bool v29 = in_range(v10, p16, p17);
            m2 |= (u32)(v29) << i;
        }
        m2 &= m1;
        u32 m3 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            const u8 v9 = c1.get(i);
            const bool v34 = in_range(v9, p21, p22);
            m3 |= (u32)(v34) << i;
        }
        m3 &= m2;
        u32 m4 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            const u8 v9 = c1.get(i);
            const bool v11 = in_range(v9, p5, p6);
            m4 |= (u32)(v11) << i;
        }
        m4 &= m3;
        u32 m5 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            const u16 v10 = c2.get(i);
            const bool v17 = in_range(v10, p9, p10);
            m5 |= (u32)(v17) << i;
        }
        m5 &= m4;
        if (m5) {
            c3.load(chunk[5], row);
            c4.load(chunk[6], row);
            c5.load(chunk[7], row);
        }
        u32 m6 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m5 >> i & 1) {
                const u16 v0 = c0.get(i);
                const i64 v3 = (i64)v0;
                const i64 v4 = wrap_subtract(v3, p2);
                const u64 at5 = (u64)(i64)v4;
                const i32 v5 = lookup<i32>(t0, t0_length, at5);
                const bool v7 = in_range(v5, p3, p4);
                m6 |= (u32)(v7) << i;
            }
        }
        u32 m7 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m6 >> i & 1) {
                const u16 v10 = c2.get(i);
                const i64 v18 = (i64)v10;
                const i64 v31 = wrap_subtract(v18, p18);
                const u64 at32 = (u64)(i64)v31;
                const i32 v32 = lookup<i32>(t2, t2_length, at32);
                const bool v33 = in_range(v32, p19, p20);
                m7 |= (u32)(v33) << i;
            }
        }
        u32 m8 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m7 >> i & 1) {
                const u8 v9 = c1.get(i);
                const i64 v12 = (i64)v9;
                const i64 v36 = wrap_subtract(v12, p23);
                const u64 at37 = (u64)(i64)v36;
                const i32 v37 = lookup<i32>(t3, t3_length, at37);
                const bool v38 = in_range(v37, p24, p25);
                m8 |= (u32)(v38) << i;
            }
        }
        u32 m9 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m8 >> i & 1) {
                const u8 v9 = c1.get(i);
                const i64 v12 = (i64)v9;
                const i64 v36 = wrap_subtract(v12, p23);
                const u64 at37 = (u64)(i64)v36;
                const i32 v37 = lookup<i32>(t3, t3_length, at37);
                const i32 v39 = wrap_subtract(v37, (i32)1);
                const u64 at40 = (u64)(i64)v39;
                const u8 v40 = lookup<u8>(t4, t4_length, at40);
                const bool v41 = in_range(v40, p26, p27);
                m9 |= (u32)(v41) << i;
            }
        }
        u32 m10 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m9 >> i & 1) {
                const u8 v9 = c1.get(i);
                const i64 v12 = (i64)v9;
                const i64 v36 = wrap_subtract(v12, p23);
                const u64 at37 = (u64)(i64)v36;
                const i32 v37 = lookup<i32>(t3, t3_length, at37);
                const i32 v39 = wrap_subtract(v37, (i32)1);
                const u64 at40 = (u64)(i64)v39;
                const u8 v40 = lookup<u8>(t4, t4_length, at40);
                const i64 v43 = (i64)v40;
                const i64 v44 = wrap_subtract(v43, p28);
                const u64 at45 = (u64)(i64)v44;
                const i32 v45 = lookup<i32>(t5, t5_length, at45);
                const bool v46 = in_range(v45, p29, p30);
                m10 |= (u32)(v46) << i;
            }
        }
        u32 m11 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m10 >> i & 1) {
                const u8 v9 = c1.get(i);
                const u16 v10 = c2.get(i);
                const i64 v12 = (i64)v9;
                const i64 v14 = wrap_subtract(v12, p7);
                const i64 v16 = wrap_multiply(v14, p8);
                const i64 v18 = (i64)v10;
                const i64 v20 = wrap_subtract(v18, p11);
                const i64 v22 = wrap_multiply(v20, p12);
                const i64 v23 = wrap_add(v16, v22);
                const i64 v25 = wrap_subtract(v23, p13);
                const u64 at26 = (u64)(i64)v25;
                const i32 v26 = lookup<i32>(t1, t1_length, at26);
                const bool v27 = in_range(v26, p14, p15);
                m11 |= (u32)(v27) << i;
            }
        }
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m11 >> i & 1) {
                const u16 v0 = c0.get(i);
                const i64 v3 = (i64)v0;
                const i64 v4 = wrap_subtract(v3, p2);
                const u64 at5 = (u64)(i64)v4;
                const i32 v5 = lookup<i32>(t0, t0_length, at5);
                const i32 v8 = wrap_subtract(v5, (i32)1);
                const u8 v9 = c1.get(i);
                const u16 v10 = c2.get(i);
                const i64 v12 = (i64)v9;
                const i64 v14 = wrap_subtract(v12, p7);
                const i64 v16 = wrap_multiply(v14, p8);
                const i64 v18 = (i64)v10;
                const i64 v20 = wrap_subtract(v18, p11);
                const i64 v22 = wrap_multiply(v20, p12);
                const i64 v23 = wrap_add(v16, v22);
                const i64 v25 = wrap_subtract(v23, p13);
                const u64 at26 = (u64)(i64)v25;
                const i32 v26 = lookup<i32>(t1, t1_length, at26);
                const i32 v28 = wrap_subtract(v26, (i32)1);
                const i64 v36 = wrap_subtract(v12, p23);
                const u64 at37 = (u64)(i64)v36;
                const i32 v37 = lookup<i32>(t3, t3_length, at37);
                const i32 v39 = wrap_subtract(v37, (i32)1);
                const u64 at40 = (u64)(i64)v39;
                const u8 v40 = lookup<u8>(t4, t4_length, at40);
                const i64 v43 = (i64)v40;
                const i64 v44 = wrap_subtract(v43, p28);
                const u64 at45 = (u64)(i64)v44;
                const i32 v45 = lookup<i32>(t5, t5_length, at45);
                const i32 v47 = wrap_subtract(v45, (i32)1);
                const u64 at48 = (u64)(i64)v47;
                const u8 v48 = lookup<u8>(t6, t6_length, at48);
                const u64 at49 = (u64)(i64)v8;
                const u16 v49 = lookup<u16>(t7, t7_length, at49);
                const i32 v50 = (i32)v49;
                const i32 v52 = wrap_subtract(v50, p31);
                const u64 at53 = (u64)(i64)v52;
                const u16 v53 = lookup<u16>(t8, t8_length, at53);
                const i32 v54 = (i32)v53;
                const u32 v55 = c3.get(i);
                const u8 v56 = c4.get(i);
                const i32 v58 = (i32)v56;
                const i32 v59 = wrap_subtract((i32)100, v58);
                const i32 v60 = (i32)v55;
                const i32 v61 = wrap_multiply(v60, v59);
                const u64 at62 = (u64)(i64)v28;
                const u32 v62 = lookup<u32>(t9, t9_length, at62);
                const u8 v63 = c5.get(i);
                const i32 v64 = (i32)v62;
                const i32 v65 = (i32)v63;
                const i32 v66 = wrap_multiply(v64, v65);
                const i32 v67 = wrap_multiply(v66, (i32)100);
                const i32 v68 = wrap_subtract(v61, v67);
                const u32 group = ((u32)v48) * 7u + (u32)((u64)(i64)v54 - 0x7c8ull);
                if (group >= GROUPS) continue;
                u32* own_32 = shared_32 + group * (3 * COPIES) + lane() % COPIES;
                atomicAdd(own_32 + 0 * COPIES, 1u);
                shared_add<COPIES>(own_32 + 1 * COPIES, (u64)(i64)v68);
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
