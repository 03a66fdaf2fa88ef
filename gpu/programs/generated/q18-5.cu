// kernels/prelude.cuh
// kernels/scan.cuh
// kernels/project.cuh
// kernels/decimal.cuh
// kernels/convert.cuh
// kernels/compact.cuh
// kernels/order.cuh
// kernels/top_k.cuh

enum : u32 { ITEMS = 4, TILE = BLOCK * ITEMS, CHUNK_WORDS = 9 };

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
pipeline(const u64* chunks, u64 tiles, u64 stride, u32* faults, u64 threshold, u64* counter, u32* o0, u16* o1, u16* o2, u16* o3, u16* o4, u16* o5, u32* o6, i64* o7, u8* o7_null) {
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
        Rows<u16, ITEMS> c3;
        Rows<u32, ITEMS> c4;
        Rows<i64, ITEMS> c5;
        u32 k5 = 0;
        if (m0) {
            c0.load(chunk[2], row);
            c1.load(chunk[3], row);
            c2.load(chunk[4], row);
            c3.load(chunk[5], row);
            c4.load(chunk[6], row);
            c5.load(chunk[7], row);
            k5 = load_validity<ITEMS>(chunk[8], row);
        }
        u32 m1 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m0 >> i & 1) {
                const u32 v4 = c4.get(i);
                m1 |= (u32)(~order_code(v4) <= threshold) << i;
            }
        }
        u64 place2 = reserve(counter, (u32)__popc(m1));
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m1 >> i & 1) {
                const u16 v0 = c0.get(i);
                const u16 v1 = c1.get(i);
                const u16 v2 = c2.get(i);
                const u16 v3 = c3.get(i);
                const u32 v4 = c4.get(i);
                const i64 v5 = c5.get(i);
                const bool n5 = !(k5 >> i & 1);
                o0[place2] = (u32)(v4);
                o1[place2] = (u16)(v3);
                o2[place2] = (u16)(v0);
                o3[place2] = (u16)(v1);
                o4[place2] = (u16)(v2);
                o5[place2] = (u16)(v3);
                o6[place2] = (u32)(v4);
                o7[place2] = (i64)(v5);
                o7_null[place2] = (u8)(n5);
                place2++;
            }
        }
    }
}
