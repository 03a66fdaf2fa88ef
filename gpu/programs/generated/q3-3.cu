// kernels/prelude.cuh
// kernels/scan.cuh
// kernels/project.cuh
// kernels/decimal.cuh
// kernels/convert.cuh
// kernels/compact.cuh
// kernels/order.cuh
// kernels/top_k.cuh

enum : u32 { ITEMS = 4, TILE = BLOCK * ITEMS, CHUNK_WORDS = 7 };

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
pipeline(const u64* chunks, u64 tiles, u64 stride, u32* faults, u64 threshold, u64* counter, i64* o0, u8* o0_null, u16* o1, u16* o2, i64* o3, u8* o3_null, u16* o4, u8* o5) {
    for (u32 tile = blockIdx.x; tile < (u32)tiles; tile += gridDim.x) {
        const u32 number = tile / (u32)stride;
        const u64* chunk = chunks + (u64)number * CHUNK_WORDS;
        const u32 rows = (u32)chunk[0];
        const u32 begin = (tile - number * (u32)stride) * TILE;
        if (begin >= rows) continue;
        const u32 row = begin + threadIdx.x * ITEMS;
        const u32 m0 = rows_mask<ITEMS>(row, rows);
        Rows<u16, ITEMS> c0;
        Rows<i64, ITEMS> c1;
        u32 k1 = 0;
        Rows<u16, ITEMS> c2;
        Rows<u8, ITEMS> c3;
        if (m0) {
            c0.load(chunk[2], row);
            c1.load(chunk[3], row);
            k1 = load_validity<ITEMS>(chunk[4], row);
            c2.load(chunk[5], row);
            c3.load(chunk[6], row);
        }
        u32 m1 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m0 >> i & 1) {
                const i64 v1 = c1.get(i);
                const bool n1 = !(k1 >> i & 1);
                m1 |= (u32)(sort_code(n1 ? 0u : 1u, ~order_code(v1)) <= threshold) << i;
            }
        }
        u64 place2 = reserve(counter, (u32)__popc(m1));
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m1 >> i & 1) {
                const u16 v0 = c0.get(i);
                const i64 v1 = c1.get(i);
                const bool n1 = !(k1 >> i & 1);
                const u16 v2 = c2.get(i);
                const u8 v3 = c3.get(i);
                o0[place2] = (i64)(v1);
                o0_null[place2] = (u8)(n1);
                o1[place2] = (u16)(v2);
                o2[place2] = (u16)(v0);
                o3[place2] = (i64)(v1);
                o3_null[place2] = (u8)(n1);
                o4[place2] = (u16)(v2);
                o5[place2] = (u8)(v3);
                place2++;
            }
        }
    }
}
