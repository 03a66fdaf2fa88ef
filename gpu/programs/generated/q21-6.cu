// kernels/prelude.cuh
// kernels/scan.cuh
// kernels/project.cuh
// kernels/decimal.cuh
// kernels/convert.cuh
// kernels/table.cuh
// kernels/compact.cuh
// kernels/order.cuh
// kernels/top_k.cuh

enum : u32 { ITEMS = 8, TILE = BLOCK * ITEMS, CHUNK_WORDS = 4 };

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
pipeline(const u64* chunks, u64 tiles, u64 stride, u32* faults, u64 t0, u64 t0_length, u64 threshold, u64* counter, i64* o0, u32* o1, u8* o2, i64* o3) {
    for (u32 tile = blockIdx.x; tile < (u32)tiles; tile += gridDim.x) {
        const u32 number = tile / (u32)stride;
        const u64* chunk = chunks + (u64)number * CHUNK_WORDS;
        const u32 rows = (u32)chunk[0];
        const u32 begin = (tile - number * (u32)stride) * TILE;
        if (begin >= rows) continue;
        const u32 row = begin + threadIdx.x * ITEMS;
        const u32 m0 = rows_mask<ITEMS>(row, rows);
        Rows<u8, ITEMS> c0;
        Rows<i64, ITEMS> c1;
        if (m0) {
            c0.load(chunk[2], row);
            c1.load(chunk[3], row);
        }
        u32 m1 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m0 >> i & 1) {
                const i64 v1 = c1.get(i);
                m1 |= (u32)(~order_code(v1) <= threshold) << i;
            }
        }
        u64 place2 = reserve(counter, (u32)__popc(m1));
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m1 >> i & 1) {
                const u8 v0 = c0.get(i);
                const i64 v1 = c1.get(i);
                const u64 at2 = (u64)(i64)v0;
                const u32 v2 = lookup<u32>(t0, t0_length, at2);
                o0[place2] = (i64)(v1);
                o1[place2] = (u32)(v2);
                o2[place2] = (u8)(v0);
                o3[place2] = (i64)(v1);
                place2++;
            }
        }
    }
}
