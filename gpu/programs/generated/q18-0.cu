// kernels/prelude.cuh
// kernels/scan.cuh
// kernels/project.cuh
// kernels/decimal.cuh
// kernels/convert.cuh
// kernels/order.cuh
// kernels/aggregate.cuh
// kernels/hash_table.cuh

enum : u32 { ITEMS = 2, TILE = BLOCK * ITEMS, CHUNK_WORDS = 4 };
enum : u32 { WIDTH = 2 };

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
pipeline(const u64* chunks, u64 tiles, u64 stride, u32* faults, u64* slots, u64 mask, u64* groups) {
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
            c1.load(chunk[3], row);
        }
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m0 >> i & 1) {
                const u16 v0 = c0.get(i);
                const u8 v1 = c1.get(i);
                const u64 key = key_bits(v0) << 0;
                u64* cells = find_packed<WIDTH>(slots, mask, groups, key);
                global_add(cells + 0, (u64)(i64)v1);
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
grow(const u64* from, u64 capacity, u64* to, u64 mask) {
    grow_table<WIDTH, true>(from, capacity, to, mask);
}

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
gather(const u64* from, u64 capacity, u64* to, u64* count) {
    gather_table<WIDTH>(from, capacity, to, count);
}
