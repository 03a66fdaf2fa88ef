// kernels/prelude.cuh
// kernels/scan.cuh
// kernels/filter.cuh
// kernels/project.cuh
// kernels/decimal.cuh
// kernels/convert.cuh
// kernels/table.cuh
// kernels/order.cuh
// kernels/aggregate.cuh
// kernels/hash_table.cuh

enum : u32 { ITEMS = 2, TILE = BLOCK * ITEMS, CHUNK_WORDS = 4 };
enum : u32 { WIDTH = 5 };

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
pipeline(const u64* chunks, u64 tiles, u64 stride, u32* faults, u64 w0, u64 w1, u64 w2, u64 w3, u64 w4, u64 w5, u64 w6, u64 w7, u64 w8, u64 w9, u64 t0, u64 t0_length, u64 t1, u64 t1_length, u64 t2, u64 t2_length, u64 t3, u64 t3_length, u64 t4, u64 t4_length, u64* slots, u64 mask, u64* groups) {
    const u16 p0 = (u16)w0;
    const u16 p1 = (u16)w1;
    const i64 p2 = (i64)w2;
    const i32 p3 = (i32)w3;
    const i32 p4 = (i32)w4;
    const u16 p5 = (u16)w5;
    const u16 p6 = (u16)w6;
    const i64 p7 = (i64)w7;
    const i32 p8 = (i32)w8;
    const i32 p9 = (i32)w9;
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
        }
        u32 m2 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m1 >> i & 1) {
                const u16 v0 = c0.get(i);
                const i64 v3 = (i64)v0;
                const i64 v4 = wrap_subtract(v3, p2);
                const u64 at5 = (u64)(i64)v4;
                const i32 v5 = lookup<i32>(t0, t0_length, at5);
                const bool v7 = in_range(v5, p3, p4);
                m2 |= (u32)(v7) << i;
            }
        }
        u32 m3 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m2 >> i & 1) {
                const u16 v0 = c0.get(i);
                const i64 v3 = (i64)v0;
                const i64 v4 = wrap_subtract(v3, p2);
                const u64 at5 = (u64)(i64)v4;
                const i32 v5 = lookup<i32>(t0, t0_length, at5);
                const i32 v8 = wrap_subtract(v5, (i32)1);
                const u64 at9 = (u64)(i64)v8;
                const u16 v9 = lookup<u16>(t1, t1_length, at9);
                const bool v10 = in_range(v9, p5, p6);
                m3 |= (u32)(v10) << i;
            }
        }
        u32 m4 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m3 >> i & 1) {
                const u16 v0 = c0.get(i);
                const i64 v3 = (i64)v0;
                const i64 v4 = wrap_subtract(v3, p2);
                const u64 at5 = (u64)(i64)v4;
                const i32 v5 = lookup<i32>(t0, t0_length, at5);
                const i32 v8 = wrap_subtract(v5, (i32)1);
                const u64 at9 = (u64)(i64)v8;
                const u16 v9 = lookup<u16>(t1, t1_length, at9);
                const i64 v12 = (i64)v9;
                const i64 v13 = wrap_subtract(v12, p7);
                const u64 at14 = (u64)(i64)v13;
                const i32 v14 = lookup<i32>(t2, t2_length, at14);
                const bool v15 = in_range(v14, p8, p9);
                m4 |= (u32)(v15) << i;
            }
        }
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m4 >> i & 1) {
                const u16 v0 = c0.get(i);
                const i64 v3 = (i64)v0;
                const i64 v4 = wrap_subtract(v3, p2);
                const u64 at5 = (u64)(i64)v4;
                const i32 v5 = lookup<i32>(t0, t0_length, at5);
                const i32 v8 = wrap_subtract(v5, (i32)1);
                const u64 at9 = (u64)(i64)v8;
                const u16 v9 = lookup<u16>(t1, t1_length, at9);
                const i64 v12 = (i64)v9;
                const i64 v13 = wrap_subtract(v12, p7);
                const u64 at14 = (u64)(i64)v13;
                const i32 v14 = lookup<i32>(t2, t2_length, at14);
                const i32 v16 = wrap_subtract(v14, (i32)1);
                const u64 at17 = (u64)(i64)v16;
                const u16 v17 = lookup<u16>(t3, t3_length, at17);
                const u64 at18 = (u64)(i64)v16;
                const u16 v18 = lookup<u16>(t4, t4_length, at18);
                const u8 v19 = c1.get(i);
                const u64 key[3] = { key_bits(v8), key_bits(v17), key_bits(v18) };
                u64* cells = find_wide<WIDTH, 3>(slots, mask, groups, key);
                global_add(cells + 0, (u64)(i64)v19);
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
grow(const u64* from, u64 capacity, u64* to, u64 mask) {
    grow_table<WIDTH, false>(from, capacity, to, mask);
}

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
gather(const u64* from, u64 capacity, u64* to, u64* count) {
    gather_table<WIDTH>(from, capacity, to, count);
}
