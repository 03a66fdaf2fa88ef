//! The code that drives NVIDIA GPUs, on this machine's GPU where it has one, and always on a fake driver
//! (`support/fake_cuda.c`), which is as lazy as a real one may be and finds out whoever does not wait.
//!
//! A driver is opened once in the life of a process, so each scenario runs this program again, by its name, with the
//! fakes where the loader looks first.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::buffer::Buffer;
use libloading::Library;
use warpwise_gpu::nvidia::{Driver, Module, Stream, open};
use warpwise_gpu::{Device, Discovery, Error, Nvrtc};

/// Says that this process is one scenario, and which fakes it has.
const INSIDE: &str = "WARPWISE_TEST_FAKE_CUDA";

const SOURCE: &str = r#"
typedef unsigned long long u64;
extern "C" __global__ void add(u64* to, u64 count, u64 value) {
    for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < count; i += (u64)gridDim.x * blockDim.x) to[i] += value;
}
extern "C" __global__ void crash(u64* to) { *(volatile u64*)((char*)to + (1ull << 46)) = 1; }
"#;

type Anywhere = fn(&Arc<dyn Driver>);
/// What runs on any driver.
const ANYWHERE: [(&str, Anywhere); 5] =
    [("copies", copies), ("launches", launches), ("memory", memory), ("mistakes", mistakes), ("threads", threads)];

type FakeOnly = fn(&Fake);
/// What needs the fake one, and which variant of it.
const FAKE_ONLY: [(&str, &str, FakeOnly); 7] = [
    ("waits", "usual", waits),
    ("out_of_memory", "usual", out_of_memory),
    ("an_error_that_sticks", "usual", an_error_that_sticks),
    ("errors_that_pass", "usual", errors_that_pass),
    ("kept_on_disk", "usual", kept_on_disk),
    ("described", "usual", described),
    ("too_old", "old", too_old),
];

/// The fakes of this process, by functions of theirs that tests call.
struct Fake {
    cuda: Library,
    nvrtc: Library,
}

impl Fake {
    fn open(folder: &Path) -> Self {
        // SAFETY: the libraries are this test's own, and have no initializers.
        let library = |name: &str| unsafe { Library::new(folder.join(name)) }.unwrap();
        Self { cuda: library("libcuda.so"), nvrtc: library("libnvrtc.so") }
    }

    fn calls(&self, name: &str) -> i32 {
        let name = std::ffi::CString::new(name).unwrap();
        // SAFETY: the type is that of the C file.
        unsafe { self.cuda.get::<unsafe extern "C" fn(*const i8) -> i32>("fake_calls").unwrap()(name.as_ptr().cast()) }
    }

    /// The call after next `after` calls of a function fails.
    fn fail(&self, name: &'static str, after: i32, code: i32) {
        // The fake keeps the name.
        let name = std::ffi::CString::new(name).unwrap().into_raw();
        // SAFETY: as above.
        unsafe {
            self.cuda.get::<unsafe extern "C" fn(*const i8, i32, i32) -> i32>("fake_fail").unwrap()(name.cast(), after, code);
        }
    }

    /// Allocations that are not yet given back.
    fn live(&self) -> i32 {
        // SAFETY: as above.
        unsafe { self.cuda.get::<unsafe extern "C" fn() -> i32>("fake_live").unwrap()() }
    }

    fn compiled(&self) -> i32 {
        // SAFETY: as above.
        unsafe { self.nvrtc.get::<unsafe extern "C" fn() -> i32>("fake_compiled").unwrap()() }
    }
}

fn nvrtc() -> Nvrtc {
    Nvrtc::find(Path::new("/nonexistent"))
}

fn driver() -> Arc<dyn Driver> {
    open(0, &nvrtc(), None).unwrap()
}

#[test]
fn on_this_machines_gpu() {
    if std::env::var_os(INSIDE).is_some() {
        return;
    }
    match open(0, &nvrtc(), None) {
        Err(error) => println!("not run: {error}"),
        Ok(driver) => {
            for (name, scenario) in ANYWHERE {
                println!("{name}: {driver:?}");
                scenario(&driver);
            }
        }
    }
}

#[test]
fn on_a_fake_driver() {
    if std::env::var_os(INSIDE).is_some() {
        return;
    }
    let Some(usual) = build("usual", "") else { return };
    let old = build("old", "-DOLD").unwrap();
    let no_pools = build("no_pools", "-DNO_POOLS").unwrap();
    for (name, _) in ANYWHERE {
        // With a fake compiler that is older than the device, and with the real one where there is one.
        run(name, &usual, None);
        run(name, &no_pools, None);
        if let Some(library) = nvrtc().location {
            run(name, &usual, Some(&library));
        }
    }
    for (name, variant, _) in FAKE_ONLY {
        run(name, if variant == "old" { &old } else { &usual }, None);
    }
}

/// Builds a variant of the fakes, where this machine has a C compiler.
fn build(variant: &str, option: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fake-cuda-{variant}"));
    std::fs::create_dir_all(&folder).unwrap();
    let support = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support");
    for (source, library) in [("fake_cuda.c", "libcuda.so"), ("fake_nvrtc.c", "libnvrtc.so")] {
        let compiler = std::env::var("CC").unwrap_or("cc".to_owned());
        let mut command = Command::new(compiler);
        command.args(["-std=gnu11", "-O1", "-shared", "-fPIC", "-pthread"]).args(option.split_whitespace());
        command.arg(support.join(source)).arg("-o").arg(folder.join(library));
        match command.output() {
            Err(error) => {
                println!("not run: no C compiler: {error}");
                return None;
            }
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        }
    }
    Some(folder)
}

/// Runs one scenario in a process of its own.
fn run(name: &str, fakes: &Path, nvrtc: Option<&str>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["inside", "--exact", "--ignored", "--nocapture"]);
    command.env(INSIDE, name).env("LD_LIBRARY_PATH", fakes).env_remove("WARPWISE_NVRTC");
    if let Some(library) = nvrtc.filter(|library| Path::new(library).is_file()) {
        command.env("WARPWISE_NVRTC", library);
    }
    let output = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{name} with {}:\n{text}", fakes.display());
}

#[test]
#[ignore = "one scenario, which `on_a_fake_driver` runs in a process of its own"]
fn inside() {
    let name = std::env::var(INSIDE).unwrap();
    let fake = Fake::open(Path::new(&std::env::var("LD_LIBRARY_PATH").unwrap()));
    if let Some((_, scenario)) = ANYWHERE.iter().find(|(anywhere, _)| *anywhere == name) {
        let driver = driver();
        scenario(&driver);
        drop(driver);
        assert_eq!(fake.calls("pageable"), 0, "every copy goes through pinned memory");
        assert_eq!(fake.live(), 0, "all memory was given back");
        assert_eq!(fake.calls("cuStreamCreate"), fake.calls("cuStreamDestroy_v2"));
        assert_eq!(fake.calls("cuEventCreate"), fake.calls("cuEventDestroy_v2"));
        assert_eq!(fake.calls("cuMemHostAlloc"), fake.calls("cuMemFreeHost"));
        assert_eq!(fake.calls("cuModuleLoadData"), fake.calls("cuModuleUnload"));
        return;
    }
    let (_, _, scenario) = FAKE_ONLY.iter().find(|(only, _, _)| *only == name).unwrap();
    scenario(&fake);
}

/// Bytes in no pattern that a slot's size divides.
fn bytes(length: usize, seed: u64) -> Vec<u8> {
    (0..length as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(seed) >> 32) as u8).collect()
}

fn words(words: &[u64]) -> Buffer {
    Buffer::from_slice_ref(words)
}

fn read(stream: &mut dyn Stream, from: u64, count: usize) -> Vec<u64> {
    let bytes = stream.copy_out(from, count * 8).unwrap();
    bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect()
}

fn copies(driver: &Arc<dyn Driver>) {
    let mut stream = driver.stream().unwrap();
    let slot = 8 << 20;
    for length in [0, 1, 7, 4096, (64 << 10) - 1, (64 << 10) + 1, slot - 1, slot, slot + 1, 2 * slot, 5 * slot + 3] {
        let data = bytes(length, length as u64);
        let at = driver.allocate(length).unwrap();
        assert_eq!(at % 256, 0);
        stream.copy_in(at, &Buffer::from(data.clone())).unwrap();
        assert!(stream.copy_out(at, length).unwrap() == data, "{length} bytes came back as they went");
        driver.free(at);
    }
    // Many small ones, more than are kept ready, and large ones between them: none overtakes or overwrites another.
    let total = 40 << 20;
    let at = driver.allocate(total).unwrap();
    stream.fill(at, 0x55, total).unwrap();
    let mut expected = vec![0x55; total];
    let mut from = 0;
    for number in 0_usize.. {
        let length = if number % 50 == 49 { 3 << 20 } else { 1 + number * 7919 % 60_000 };
        if from + length > total {
            break;
        }
        let data = bytes(length, number as u64);
        stream.copy_in(at + from as u64, &Buffer::from(data.clone())).unwrap();
        expected[from..from + length].copy_from_slice(&data);
        from += length + 13;
    }
    assert!(stream.copy_out(at, total).unwrap() == expected);
    assert!(stream.copy_out(at + 100, 50_000).unwrap() == expected[100..50_100]);
    driver.free(at);
}

fn launches(driver: &Arc<dyn Driver>) {
    assert!(driver.processors() > 0);
    let module = driver.compile(SOURCE).unwrap();
    assert!(module.compile_time() > Duration::ZERO);
    assert_eq!(driver.compile(SOURCE).unwrap().compile_time(), Duration::ZERO);
    let count = 100_000_u64;
    let at = driver.allocate(count as usize * 8).unwrap();
    let mut stream = driver.stream().unwrap();
    stream.copy_in(at, &words(&(0..count).collect::<Vec<_>>())).unwrap();
    for value in 0..200 {
        stream.launch(&module, "add", 64, 256, &[at, count, value]).unwrap();
    }
    stream.launch(&module, "add", 0, 256, &[at, count, 1 << 60]).unwrap();
    // The module goes before its kernels ran.
    drop(module);
    let sum: u64 = (0..200).sum();
    let found = read(&mut *stream, at, count as usize);
    assert!(found.iter().zip(0..).all(|(found, before)| *found == before + sum));
    let time = stream.kernel_time();
    assert!(time > Duration::ZERO);
    stream.synchronize().unwrap();
    assert_eq!(stream.kernel_time(), time);
    driver.free(at);
    drop(stream);
    assert_eq!(driver.stream().unwrap().kernel_time(), Duration::ZERO);
}

fn memory(driver: &Arc<dyn Driver>) {
    let module = driver.compile(SOURCE).unwrap();
    let count = 50_000;
    let (mut left, mut right) = (driver.stream().unwrap(), driver.stream().unwrap());
    let kept = driver.allocate(count * 8).unwrap();
    left.fill(kept, 0, count * 8).unwrap();
    // Memory is given back while work with it waits in one stream, and taken and used at once by the other.
    for round in 1..20 {
        let passing = driver.allocate(count * 8).unwrap();
        left.fill(passing, 0, count * 8).unwrap();
        left.launch(&module, "add", 8, 128, &[passing, count as u64, round]).unwrap();
        left.launch(&module, "add", 8, 128, &[kept, count as u64, round]).unwrap();
        driver.free(passing);
        let next = driver.allocate(count * 8).unwrap();
        right.copy_in(next, &words(&vec![round; count])).unwrap();
        right.launch(&module, "add", 8, 128, &[next, count as u64, 1]).unwrap();
        assert!(read(&mut *right, next, count).iter().all(|word| *word == round + 1));
        driver.free(next);
    }
    assert!(read(&mut *left, kept, count).iter().all(|word| *word == 190));
    driver.free(kept);
    let error = driver.allocate(1 << 45).unwrap_err();
    assert!(matches!(&error, Error::OutOfMemory(text) if text.contains("32768 GiB")), "{error}");
    let after = driver.allocate(1000).unwrap();
    driver.free(after);
}

fn mistakes(driver: &Arc<dyn Driver>) {
    let module = driver.compile(SOURCE).unwrap();
    let mut stream = driver.stream().unwrap();
    let error = driver.compile("this is an error").unwrap_err();
    assert!(matches!(&error, Error::Invalid(text) if text.contains("error: ")), "{error}");
    assert!(matches!(stream.launch(&module, "subtract", 1, 32, &[0]), Err(Error::Invalid(_))));
    assert!(matches!(stream.launch(&other(), "add", 1, 32, &[0, 0, 0]), Err(Error::Invalid(_))));
    assert!(matches!(stream.launch(&module, "add", 1, 100_000, &[0, 0, 0]), Err(Error::Failed(_))));
    let error = stream.launch(&module, "add", 1, 32, &[0, 0]).unwrap_err();
    assert!(matches!(&error, Error::Invalid(text) if text.contains("24 bytes")), "{error}");
    let at = driver.allocate(80).unwrap();
    stream.fill(at, 0, 80).unwrap();
    stream.launch(&module, "add", 1, 32, &[at, 10, 5]).unwrap();
    assert_eq!(read(&mut *stream, at, 10), [5; 10]);
    driver.free(at);
}

/// A module of no driver.
fn other() -> Arc<dyn Module> {
    #[derive(Debug)]
    struct Other;
    impl Module for Other {
        fn compile_time(&self) -> Duration {
            Duration::ZERO
        }
        fn as_any(&self) -> &dyn std::any::Any {
            self
        }
    }
    Arc::new(Other)
}

fn threads(driver: &Arc<dyn Driver>) {
    std::thread::scope(|scope| {
        for thread in 0..6_u64 {
            scope.spawn(move || {
                for round in 0..3 {
                    let module = driver.compile(SOURCE).unwrap();
                    let mut stream = driver.stream().unwrap();
                    let count = 1_250_000 + thread as usize;
                    let at = driver.allocate(count * 8).unwrap();
                    let before: Vec<u64> = (0..count as u64).map(|word| word * 31 + thread).collect();
                    stream.copy_in(at, &words(&before)).unwrap();
                    stream.launch(&module, "add", 16, 256, &[at, count as u64, round]).unwrap();
                    let after = read(&mut *stream, at, count);
                    assert!(before.iter().zip(&after).all(|(before, after)| before + round == *after));
                    driver.free(at);
                }
            });
        }
    });
}

/// Nothing waits but what says so.
fn waits(fake: &Fake) {
    let driver = driver();
    let module = driver.compile(SOURCE).unwrap();
    let mut stream = driver.stream().unwrap();
    let at = driver.allocate(8000).unwrap();
    let waits = || fake.calls("cuStreamSynchronize") + fake.calls("cuEventSynchronize");
    let before = waits();
    for _ in 0..100 {
        stream.copy_in(at, &words(&[0; 1000])).unwrap();
        stream.fill(at, 0, 8000).unwrap();
        stream.launch(&module, "add", 1, 32, &[at, 1000, 1]).unwrap();
    }
    assert_eq!(waits(), before, "enqueuing waits for nothing");
    assert_eq!(stream.kernel_time(), Duration::ZERO);
    stream.copy_out(at, 8000).unwrap();
    assert_eq!(waits(), before + 1, "reading back waits once");
    // A kernel of the fake takes a millisecond.
    assert_eq!(stream.kernel_time(), Duration::from_millis(100));
    driver.free(at);
    assert_eq!(waits(), before + 1, "giving memory back does not wait");
    // The second stream takes over what the first had.
    drop(stream);
    let made = fake.calls("cuStreamCreate");
    drop(driver.stream().unwrap());
    assert_eq!(fake.calls("cuStreamCreate"), made);
}

fn out_of_memory(fake: &Fake) {
    let driver = driver();
    let mut stream = driver.stream().unwrap();
    // The device has 256 MiB.
    let first = driver.allocate(200 << 20).unwrap();
    stream.fill(first, 1, 200 << 20).unwrap();
    driver.free(first);
    // It is on its way back, and that is waited for.
    let second = driver.allocate(200 << 20).unwrap();
    assert_eq!(fake.live(), 1);
    let error = driver.allocate(100 << 20).unwrap_err();
    assert!(matches!(&error, Error::OutOfMemory(text) if text.contains("100 MiB")), "{error}");
    driver.free(second);
    // Pinned memory may be short as well.
    let at = driver.allocate(1 << 20).unwrap();
    fake.fail("cuMemHostAlloc", 0, 2);
    let data = Buffer::from(bytes(1 << 20, 3));
    assert!(matches!(stream.copy_in(at, &data), Err(Error::OutOfMemory(_))));
    stream.copy_in(at, &data).unwrap();
    assert!(stream.copy_out(at, 1 << 20).unwrap() == data.as_slice());
    driver.free(at);
}

fn an_error_that_sticks(_: &Fake) {
    let driver = driver();
    let module = driver.compile(SOURCE).unwrap();
    let (mut stream, mut bystander) = (driver.stream().unwrap(), driver.stream().unwrap());
    let at = driver.allocate(1 << 20).unwrap();
    stream.launch(&module, "crash", 1, 1, &[at]).unwrap();
    let error = stream.synchronize().unwrap_err();
    assert!(matches!(&error, Error::Failed(text) if text.contains("illegal memory access")), "{error}");
    let later = [
        stream.synchronize().unwrap_err(),
        stream.fill(at, 0, 8).unwrap_err(),
        bystander.copy_in(at, &words(&[1])).unwrap_err(),
        bystander.copy_out(at, 8).unwrap_err(),
        bystander.launch(&module, "add", 1, 1, &[at, 1, 1]).unwrap_err(),
        driver.allocate(8).unwrap_err(),
        driver.compile(SOURCE).unwrap_err(),
        driver.stream().err().unwrap(),
        open(0, &nvrtc(), None).unwrap_err(),
    ];
    for error in later {
        let Error::Failed(text) = &error else { panic!("{error:?}") };
        assert!(text.contains("until the process starts again") && text.contains("illegal memory access"), "{error}");
    }
    driver.free(at);
}

fn errors_that_pass(fake: &Fake) {
    let driver = driver();
    let mut stream = driver.stream().unwrap();
    let data = Buffer::from(bytes(20 << 20, 5));
    let at = driver.allocate(data.len()).unwrap();
    // More often than there are slots, in both directions and in small.
    for round in 0..30 {
        fake.fail("cuMemcpyHtoDAsync_v2", round % 3, 1);
        assert!(matches!(stream.copy_in(at, &data), Err(Error::Failed(_))), "{round}");
    }
    stream.copy_in(at, &data).unwrap();
    for round in 0..30 {
        fake.fail("cuMemcpyDtoHAsync_v2", round % 3, 1);
        assert!(matches!(stream.copy_out(at, data.len()), Err(Error::Failed(_))), "{round}");
    }
    fake.fail("cuMemcpyHtoDAsync_v2", 0, 1);
    assert!(stream.copy_in(at, &words(&[1])).is_err());
    fake.fail("cuStreamSynchronize", 0, 1);
    assert!(stream.copy_out(at, 8).is_err());
    assert!(stream.copy_out(at, data.len()).unwrap() == data.as_slice());
    fake.fail("cuMemAllocFromPoolAsync", 0, 1);
    assert!(matches!(driver.allocate(8), Err(Error::Failed(_))));
    let module = driver.compile(SOURCE).unwrap();
    fake.fail("cuLaunchKernel", 0, 1);
    assert!(stream.launch(&module, "add", 1, 1, &[at, 1, 1]).is_err());
    stream.launch(&module, "add", 1, 1, &[at, 1, 1]).unwrap();
    stream.synchronize().unwrap();
    assert_eq!(stream.kernel_time(), Duration::from_millis(1));
    driver.free(at);
}

fn kept_on_disk(fake: &Fake) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fake-cuda-cache-{}", std::process::id()));
    let compile = |expected: i32| {
        let driver = open(0, &nvrtc(), Some(&folder)).unwrap();
        let module = driver.compile(SOURCE).unwrap();
        let compiled = fake.compiled();
        assert_eq!(compiled, expected);
        module.compile_time()
    };
    assert!(compile(1) > Duration::ZERO);
    assert_eq!(compile(1), Duration::ZERO);
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    assert!(compile(2) > Duration::ZERO);
    // One that the driver does not load is compiled anew.
    fake.fail("cuModuleLoadData", 0, 200);
    assert!(compile(3) > Duration::ZERO);
    assert_eq!(compile(3), Duration::ZERO);
    std::fs::remove_dir_all(&folder).unwrap();
}

fn described(_: &Fake) {
    let found = Discovery::find(Path::new("/nonexistent"));
    let devices = found.cuda.as_ref().unwrap();
    assert_eq!((devices[0].name(), devices[0].model()), ("cuda:0".to_owned(), "Fake GPU"));
    assert_eq!(devices[0].memory().unwrap().total, 256 << 20);
    assert_eq!(found.nvrtc.location.as_deref(), Some("found by the loader"));
    assert!(matches!(open(1, &found.nvrtc, None), Err(Error::Failed(text)) if text.contains("invalid device ordinal")));
    let absent = Nvrtc { location: None, install: "pip install it".to_owned() };
    assert!(matches!(open(0, &absent, None), Err(Error::Absent(text)) if text.contains("pip install it")));
}

fn too_old(_: &Fake) {
    let driver = driver();
    let error = driver.allocate(8).unwrap_err();
    let expected = "the NVIDIA driver is too old: it lacks cuMemAllocFromPoolAsync";
    assert_eq!(error, Error::Failed(expected.to_owned()));
}

/// How fast this machine's GPU takes and gives, for whoever has one.
#[test]
#[ignore = "measures: run it by name on a machine with a GPU"]
fn measure() {
    let driver = match open(0, &nvrtc(), None) {
        Ok(driver) => driver,
        Err(error) => return println!("not run: {error}"),
    };
    let best = |mut work: Box<dyn FnMut() + '_>| {
        (0..7).map(|_| (Instant::now(), work()).0.elapsed()).min().unwrap_or_default().as_secs_f64()
    };
    let mut stream = driver.stream().unwrap();
    for length in [64 << 10, 1 << 20, 64 << 20, 1 << 30] {
        let data = Buffer::from(bytes(length, 1));
        let at = driver.allocate(length).unwrap();
        let in_ = best(Box::new(|| (stream.copy_in(at, &data).unwrap(), stream.synchronize().unwrap()).1));
        let out = best(Box::new(|| drop(stream.copy_out(at, length).unwrap())));
        driver.free(at);
        let rate = |seconds: f64| length as f64 / seconds / 1e9;
        println!("{length} bytes: in {:.2} GB/s, {:.0} us; out {:.2} GB/s, {:.0} us", rate(in_), in_ * 1e6, rate(out), out * 1e6);
        let taken = best(Box::new(|| driver.free(driver.allocate(length).unwrap())));
        println!("{length} bytes: taking and giving back {:.1} us", taken * 1e6);
    }
    let module = driver.compile(SOURCE).unwrap();
    println!("compiling {:?}", module.compile_time());
    let at = driver.allocate(256 << 20).unwrap();
    let launch = best(Box::new(|| {
        (0..1000).for_each(|_| stream.launch(&module, "add", 1, 32, &[at, 1, 1]).unwrap());
        stream.synchronize().unwrap();
    }));
    println!("a launch {:.2} us", launch * 1e3);
    let before = stream.kernel_time();
    stream.launch(&module, "add", driver.processors() * 8, 256, &[at, 32 << 20, 1]).unwrap();
    stream.synchronize().unwrap();
    let time = (stream.kernel_time() - before).as_secs_f64();
    println!("reading and writing 256 MiB {:.0} us, {:.0} GB/s", time * 1e6, 2.0 * f64::from(256 << 20) / time / 1e9);
    println!("a stream {:.1} us", best(Box::new(|| drop(driver.stream().unwrap()))) * 1e6);
    driver.free(at);
}
