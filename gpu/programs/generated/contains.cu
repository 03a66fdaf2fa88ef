// kernels/prelude.cuh
// kernels/scan.cuh
// kernels/text.cuh
// kernels/project.cuh
// kernels/decimal.cuh
// kernels/convert.cuh
// kernels/reduce.cuh
// kernels/order.cuh
// kernels/aggregate.cuh

enum : u32 { ITEMS = 2, TILE = BLOCK * ITEMS, CHUNK_WORDS = 5 };

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
pipeline(const u64* chunks, u64 tiles, u64 stride, u32* faults, u64 w0, u64 w1, u64* state) {
    const text p0 = text_of(w0, w1);
    u64 a0 = 0;
    for (u32 tile = blockIdx.x; tile < (u32)tiles; tile += gridDim.x) {
        const u32 number = tile / (u32)stride;
        const u64* chunk = chunks + (u64)number * CHUNK_WORDS;
        const u32 rows = (u32)chunk[0];
        const u32 begin = (tile - number * (u32)stride) * TILE;
        if (begin >= rows) continue;
        const u32 row = begin + threadIdx.x * ITEMS;
        const u32 m0 = rows_mask<ITEMS>(row, rows);
        Texts<ITEMS> c0;
        u32 k0 = 0;
        if (m0) {
            c0.load(chunk[2], chunk[3], row, rows);
            k0 = load_validity<ITEMS>(chunk[4], row);
        }
        u32 m1 = 0;
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m0 >> i & 1) {
                const text v0 = c0.get(i);
                const bool n0 = !(k0 >> i & 1);
                const bool v1 = text_contains<false>(v0, p0);
                const bool n1 = n0;
                m1 |= (u32)(v1 && !n1) << i;
            }
        }
        a0 += (u64)__popc(m1);
        #pragma unroll
        for (u32 i = 0; i < ITEMS; i++) {
            if (m1 >> i & 1) {
            }
        }
    }
    __shared__ i128 scratch[WARPS];
    a0 = block_reduce<Sum, u64>(a0, 0, scratch);
    if (threadIdx.x == 0) { global_add(state + 0, a0); }
}
