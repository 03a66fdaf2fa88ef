// kernels/prelude.cuh
// kernels/scan.cuh
// kernels/compact.cuh

enum : u32 { ITEMS = 8, TILE = BLOCK * ITEMS, CHUNK_WORDS = 4 };

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
pipeline(const u64* chunks, u64 tiles, u64 stride, u32* faults, u64* counter, u16* o0, u16* o1) {
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
        if (m0) {
            c0.load(chunk[2], row);
            c1.load(chunk[3], row);
        }
        u64 place1 = reserve(counter, (u32)__popc(m0));
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m0 >> i & 1) {
                const u16 v0 = c0.get(i);
                const u16 v1 = c1.get(i);
                o0[place1] = (u16)(v0);
                o1[place1] = (u16)(v1);
                place1++;
            }
        }
    }
}
