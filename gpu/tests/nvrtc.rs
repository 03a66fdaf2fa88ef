//! Every generated kernel through NVRTC, which needs no GPU: it compiles quickly for the architectures that matter,
//! and by its machine code nothing spills and multiprocessors can be at least half full.
//!
//! Where NVRTC is absent the tests say so and pass, unless `WARPWISE_REQUIRE_NVRTC=1`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use warpwise_gpu::codegen::cuda;
use warpwise_gpu::nvidia::{Compiled, Compiler, Target};
use warpwise_gpu::program::text::parse;
use warpwise_gpu::testing::{self, Random};
use warpwise_gpu::{Error, Nvrtc};

/// A100, H100 and H200, B200.
const ARCHITECTURES: [u32; 3] = [80, 90, 100];
/// Threads of a block, as kernels are launched.
const THREADS: u32 = 256;
/// The least share of a multiprocessor's threads that can be resident, in percent.
const OCCUPANCY: u32 = 50;
/// The longest that a warm compilation takes, as `compile_warm` measures it, where an empty kernel takes `EMPTY`: as on
/// a machine of 2026 that does nothing else. Where that takes longer, so may the others.
const LONGEST: Duration = Duration::from_millis(150);
const EMPTY: Duration = Duration::from_millis(23);
/// The longest that all kernels of a query take, likewise. 500 ms are the goal; they are many short times added up, which differ
/// from run to run.
const QUERY: Duration = Duration::from_millis(750);
const TRIES: u32 = 5;
/// As often one of many kernels is compiled.
const FEW_TRIES: u32 = 2;

/// So many random programs are compiled.
const RANDOM: u64 = 30;

/// A kernel that does not depend on the generator: a filtered sum, with all that generated code needs of the language.
const SAMPLE: &str = r#"
typedef long long i64;
typedef unsigned long long u64;
template <typename T> struct Pair { T low, high; };
extern "C" __global__ void __launch_bounds__(256) sample(const i64* price, const int* quantity, u64 rows, u64* sums, double* mean) {
    __shared__ i64 partial[256];
    i64 sum = 0;
    for (u64 row = blockIdx.x * (u64)blockDim.x + threadIdx.x; row < rows; row += (u64)gridDim.x * blockDim.x) {
        if (quantity[row] < 24) sum += price[row];
    }
    partial[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        __int128 total = 0;
        for (int thread = 0; thread < 256; ++thread) total += partial[thread];
        Pair<u64> pair = {(u64)total, (u64)(total >> 64)};
        atomicAdd(&sums[0], pair.low);
        atomicAdd(&sums[1], pair.high);
        mean[blockIdx.x] = (double)sum * 0.5 + 1.0;
    }
}
"#;

/// Three kernels: one that must spill, one whose array must lie in local memory, and one with shared memory alone.
const HUNGRY: &str = r#"
extern "C" __global__ void __launch_bounds__(1024, 2) spills(double* to, const double* from) {
    double values[96];
    #pragma unroll
    for (int i = 0; i < 96; i++) values[i] = from[i * 1024 + threadIdx.x];
    for (int round = 0; round < 10; round++) {
        #pragma unroll
        for (int i = 0; i < 96; i++) values[i] = values[i] * values[(i * 7 + 3) % 96] + round;
    }
    #pragma unroll
    for (int i = 0; i < 96; i++) to[i * 1024 + threadIdx.x] = values[i];
}
extern "C" __global__ void __launch_bounds__(256) indexes(int* to, const int* at, int n) {
    int values[64];
    for (int i = 0; i < n; i++) values[at[i] & 63] = i;
    for (int i = 0; i < n; i++) to[i] = values[at[n + i] & 63];
}
extern "C" __global__ void __launch_bounds__(256) shares(int* to) {
    __shared__ int values[1000];
    values[threadIdx.x] = to[threadIdx.x];
    __syncthreads();
    to[threadIdx.x] = values[(threadIdx.x * 7) % 256];
}
"#;

/// One test at a time, as one of them takes the time.
static ALONE: Mutex<()> = Mutex::new(());

fn compiler() -> Option<(Arc<Compiler>, MutexGuard<'static, ()>)> {
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    match Compiler::open(&Nvrtc::find(Path::new("/nonexistent"))) {
        Ok(compiler) => Some((compiler, alone)),
        Err(error) => {
            assert!(std::env::var_os("WARPWISE_REQUIRE_NVRTC").is_none_or(|value| value != "1"), "{error}");
            println!("not run: NVRTC is not installed");
            None
        }
    }
}

/// The kernels that are kept as generated, by the names of their files. These name the headers that stand before them.
fn programs() -> BTreeMap<String, String> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = crate_folder.join("programs/generated");
    let whole = |path: &Path| {
        let listing = std::fs::read_to_string(path).unwrap();
        let line = |line: &str| match line.strip_prefix("// kernels/") {
            Some(header) => std::fs::read_to_string(crate_folder.join("kernels").join(header)).unwrap(),
            None => format!("{line}\n"),
        };
        listing.lines().map(line).collect::<String>()
    };
    let files = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut programs: BTreeMap<String, String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "cu"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), whole(&path)))
        .collect();
    programs.insert("(sample)".to_owned(), SAMPLE.to_owned());
    programs
}

/// Compiles, warm, some times; the time is that on the clock of the best, or that on the processor of all of them on
/// average: other work on the machine is not the compiler's fault.
fn compile_warm(compiler: &Compiler, name: &str, source: &str, architecture: u32, tries: u32) -> Compiled {
    let compile = || compiler.compile_cubin(source, architecture).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut best = compile();
    let began = processor_time();
    for _ in 0..tries {
        let again = compile();
        assert_eq!(again.image, best.image, "{name}: the same text gives the same machine code");
        best.time = best.time.min(again.time);
    }
    if let (Some(began), Some(ended)) = (began, processor_time()) {
        best.time = best.time.min((ended - began) / tries);
    }
    best
}

/// What this process has had of processors: the 14th and 15th field of Linux's `/proc/self/stat`, in hundredths of a second.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields = text.rsplit_once(')')?.1.split_whitespace().skip(11).take(2);
    let hundredths: u64 = fields.map(|field| field.parse::<u64>()).sum::<Result<_, _>>().ok()?;
    Some(Duration::from_millis(hundredths * 10))
}

#[test]
fn generated_kernels_compile_quickly_and_fill_a_multiprocessor() {
    let Some((compiler, _alone)) = compiler() else { return };
    let mut wrong = Vec::new();
    // Of a query, whose kernels are named by it and a number: what they take together, and what they may.
    let mut queries: BTreeMap<(String, u32), (Duration, Duration)> = BTreeMap::new();
    for (name, source) in programs() {
        for architecture in ARCHITECTURES {
            let query = name.split_once('-').map(|(query, _)| query.to_owned());
            let tries = if query.is_some() { FEW_TRIES } else { TRIES };
            let empty = "extern \"C\" __global__ void empty() {}";
            let empty = compile_warm(&compiler, "(empty)", empty, architecture, tries).time;
            let longest = LONGEST.mul_f64((empty.as_secs_f64() / EMPTY.as_secs_f64()).max(1.0));
            let compiled = compile_warm(&compiler, &name, &source, architecture, tries);
            println!("{name} sm_{architecture}: {} bytes in {:.1?}, empty {empty:.1?}", compiled.image.len(), compiled.time);
            if let Some(query) = query {
                let (took, may) = queries.entry((query, architecture)).or_default();
                *took += compiled.time;
                *may = QUERY.mul_f64(longest.as_secs_f64() / LONGEST.as_secs_f64()).max(*may);
            } else if compiled.time > longest {
                wrong.push(format!("{name} sm_{architecture}: compiling took {:.1?}", compiled.time));
            }
            let kernels = compiled.kernels().unwrap();
            assert!(!kernels.is_empty(), "{name}: no kernel in the machine code");
            for kernel in kernels {
                let occupancy = kernel.occupancy(THREADS);
                println!(
                    "    {}: {} registers, {} B shared, {} B stack, {} B spilled, {occupancy} % occupancy",
                    kernel.name,
                    kernel.registers,
                    kernel.shared,
                    kernel.stack,
                    kernel.spilled.map_or("?".to_owned(), |bytes| bytes.to_string()),
                );
                assert_eq!(kernel.capability, architecture);
                if kernel.registers == 0 || kernel.stack != 0 || kernel.spilled != Some(0) || occupancy < OCCUPANCY {
                    wrong.push(format!("{name} sm_{architecture}: {kernel:?}, {occupancy} % occupancy"));
                }
            }
        }
    }
    assert!(queries.len() >= ARCHITECTURES.len() * 4, "{queries:?}");
    for ((query, architecture), (took, may)) in queries {
        println!("{query} sm_{architecture}: all kernels in {took:.1?}");
        if took > may {
            wrong.push(format!("{query} sm_{architecture}: compiling all kernels took {took:.1?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever is generated compiles; how it uses a multiprocessor is said, not judged.
#[test]
fn random_programs_compile() {
    let Some((compiler, _alone)) = compiler() else { return };
    let mut wrong = Vec::new();
    for seed in 0..RANDOM {
        let case = testing::generate(&mut Random::new(seed));
        let source = cuda::generate(&case.pipeline).unwrap();
        let architecture = ARCHITECTURES[seed as usize % ARCHITECTURES.len()];
        let compiled = compiler.compile_cubin(&source.text, architecture);
        let compiled = match compiled {
            Ok(compiled) => compiled,
            Err(error) => {
                wrong.push(format!("seed {seed}: {error}"));
                continue;
            }
        };
        for kernel in compiled.kernels().unwrap() {
            println!(
                "seed {seed} sm_{architecture}: {} with {} registers, {} B stack, {:?} B spilled, {} % occupancy, in {:.0?}",
                kernel.name,
                kernel.registers,
                kernel.stack,
                kernel.spilled,
                kernel.occupancy(THREADS),
                compiled.time
            );
            assert!(kernel.parameters.is_multiple_of(8), "{} of seed {seed} takes words of 64 bits", kernel.name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Texts are compared and searched in loops of few registers: nothing spills, and a multiprocessor is half full.
#[test]
fn texts_do_not_spill() {
    let Some((compiler, _alone)) = compiler() else { return };
    let head = "pipeline\n  column 0 text\n  column 1 text nullable\n  column 2 i32\n  parameter 0 text\n  parameter 1 text\n  \
                table 0 text\n  %0 = column 0\n  %1 = column 1\n  %2 = column 2\n  %3 = parameter 0\n";
    let filter = "  body\n    if %4\n      stage\n      emit\n";
    let conditions = [
        "equal %0 %3",
        "less %1 %3",
        "in_range %0 0 1",
        "member %0 0",
        "text_match prefix %1 0",
        "text_match suffix %1 0",
        "text_match contains %0 0",
        "text_match contains %1 0 ignore_case",
        "text_match like %0 0",
        "is_distinct %0 %1",
    ];
    let sinks = [
        "group single\n    count\n    sum i64 %2\n",
        "group single\n    min %0\n    max %1\n",
        "group hash\n    key %0\n    count\n",
        "group hash\n    key %1\n    key %2\n    min %0\n    count\n",
        "materialize %0 %1 %2\n",
        "top_k 10\n    order %1\n    column %0\n",
    ];
    let each = conditions.iter().map(|condition| (*condition, sinks[0]));
    for (condition, sink) in each.chain(sinks.iter().map(|sink| (conditions[0], *sink))) {
        let text = format!("{head}  %4 = {condition}\n{filter}  {sink}");
        let pipeline = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let source = cuda::generate(&pipeline).unwrap();
        for architecture in ARCHITECTURES {
            let compiled = compiler.compile_cubin(&source.text, architecture).unwrap();
            for kernel in compiled.kernels().unwrap() {
                let occupancy = kernel.occupancy(THREADS);
                let name = format!("{condition} / {sink} on sm_{architecture}: {kernel:?}, {occupancy} % occupancy");
                assert!(kernel.stack == 0 && kernel.spilled == Some(0) && occupancy >= OCCUPANCY, "{name}");
            }
        }
    }
}

#[test]
fn what_a_kernel_takes_is_read_from_its_machine_code() {
    let Some((compiler, _alone)) = compiler() else { return };
    for architecture in ARCHITECTURES {
        let compiled = compiler.compile_cubin(HUNGRY, architecture).unwrap();
        let kernels = compiled.kernels().unwrap();
        let [indexes, shares, spills] = &kernels[..] else { panic!("three kernels, not {kernels:?}") };
        assert_eq!((indexes.name.as_str(), shares.name.as_str(), spills.name.as_str()), ("indexes", "shares", "spills"));
        assert_eq!(kernels.iter().map(|kernel| kernel.parameters).collect::<Vec<_>>(), [20, 8, 16]);
        // 64 integers of 4 bytes, which are not spilled.
        assert!(indexes.stack >= 256 && indexes.spilled == Some(0), "{indexes:?}");
        assert!(shares.shared == 4000 && shares.stack == 0 && shares.spilled == Some(0), "{shares:?}");
        // Two blocks of 1024 threads leave 32 registers each.
        assert!(spills.registers == 32 && spills.stack > 500 && spills.spilled > Some(1000), "{spills:?}");
        assert!(kernels.iter().all(|kernel| kernel.capability == architecture && kernel.registers > 0), "{kernels:?}");
        // What the assembler itself says of registers and stack.
        for kernel in &kernels {
            let (_, rest) = compiled.log.split_once(&format!("Function properties for {}", kernel.name)).unwrap();
            assert!(rest.contains(&format!("{} bytes stack frame", kernel.stack)), "{kernel:?}: {rest}");
            assert!(rest.contains(&format!("Used {} registers", kernel.registers)), "{kernel:?}: {rest}");
        }
    }
}

#[test]
fn wrong_text_is_our_error_and_quotes_the_compiler() {
    let Some((compiler, _alone)) = compiler() else { return };
    let error = compiler.compile_cubin("__global__ void f() { no_such_function(); }", 90).unwrap_err();
    let Error::Invalid(text) = &error else { panic!("not Invalid: {error:?}") };
    assert!(text.contains("no_such_function") && text.contains("sm_90") && text.lines().count() < 10, "{text}");
    assert!(matches!(compiler.compile_cubin("a\0b", 90), Err(Error::Invalid(_))));
    assert!(matches!(compiler.compile_cubin(SAMPLE, 7), Err(Error::Failed(_))));
}

#[test]
fn a_device_newer_than_the_compiler_gets_assembly() {
    let Some((compiler, _alone)) = compiler() else { return };
    assert_eq!(compiler.target(9, 0).unwrap(), Target::Cubin(90));
    let newer = compiler.target(99, 0).unwrap();
    let Target::Ptx(newest) = newer else { panic!("{newer} is machine code") };
    assert!(newest >= 90);
    assert!(matches!(compiler.target(1, 0), Err(Error::Unsupported(_))));
    let compiled = compiler.compile(SAMPLE, newer).unwrap();
    let text = std::str::from_utf8(compiled.image.strip_suffix(b"\0").unwrap()).unwrap();
    assert!(text.contains(&format!(".target sm_{newest}")) && text.contains(".entry sample"), "{text}");
    assert!(compiled.kernels().is_err());
}

/// NVRTC recurses; what it needs more stack for than a thread has ends the process.
#[test]
fn deep_programs_do_not_end_the_process() {
    let Some((compiler, _alone)) = compiler() else { return };
    let depth = 1_500;
    let (open, close) = ("(".repeat(depth), " * 3 + to[1])".repeat(depth));
    let source = format!("extern \"C\" __global__ void deep(long long* to) {{ to[0] = {open}to[2]{close}; }}");
    assert_eq!(compiler.compile_cubin(&source, 90).unwrap().kernels().unwrap().len(), 1);
}

#[test]
fn threads_compile_at_the_same_time() {
    let Some((compiler, _alone)) = compiler() else { return };
    let expected = compiler.compile_cubin(SAMPLE, 90).unwrap().image;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(compiler.compile_cubin(SAMPLE, 90).unwrap().image, expected));
        }
    });
}
