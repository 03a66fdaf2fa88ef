// kernels/prelude.cuh
// kernels/scan.cuh
// kernels/compact.cuh

enum : u32 { ITEMS = 4, TILE = BLOCK * ITEMS, CHUNK_WORDS = 6 };

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
pipeline(const u64* chunks, u64 tiles, u64 stride, u32* faults, u64* counter, u8* o0, i32* o1, i64* o2, u8* o2_null) {
    for (u32 tile = blockIdx.x; tile < (u32)tiles; tile += gridDim.x) {
        const u32 number = tile / (u32)stride;
        const u64* chunk = chunks + (u64)number * CHUNK_WORDS;
        const u32 rows = (u32)chunk[0];
        const u32 begin = (tile - number * (u32)stride) * TILE;
        if (begin >= rows) continue;
        const u32 row = begin + threadIdx.x * ITEMS;
        const u32 m0 = rows_mask<ITEMS>(row, rows);
        Rows<u8, ITEMS> c0;
        Rows<i32, ITEMS> c1;
        Rows<i64, ITEMS> c2;
        u32 k2 = 0;
        if (m0) {
            c0.load(chunk[2], row);
            c1.load(chunk[3], row);
            c2.load(chunk[4], row);
            k2 = load_validity<ITEMS>(chunk[5], row);
        }
        u64 place1 = reserve(counter, (u32)__popc(m0));
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m0 >> i & 1) {
                const u8 v0 = c0.get(i);
                const i32 v1 = c1.get(i);
                const i64 v2 = c2.get(i);
                const bool n2 = !(k2 >> i & 1);
                o0[place1] = (u8)(v0);
                o1[place1] = (i32)(v1);
                o2[place1] = (i64)(v2);
                o2_null[place1] = (u8)(n2);
                place1++;
            }
        }
    }
}
