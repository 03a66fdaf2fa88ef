//! The kernel cache: one compilation for all who ask, failures that are tried again, and the coldest that goes first.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use warpwise_gpu::cache::KernelCache;
use warpwise_gpu::program::{Pipeline, Scalar, Sink, Statement, Type, ValueType};
use warpwise_gpu::{Bandwidth, Device, Error, Execution, Kernel, Kind, Memory, Result, Run};

/// A device that counts what it compiles, and runs nothing.
#[derive(Debug, Default)]
struct Counting {
    name: &'static str,
    compiled: AtomicUsize,
    fails: AtomicBool,
    panics: AtomicBool,
}

#[derive(Debug)]
struct Idle(Pipeline);

impl Kernel for Idle {
    fn pipeline(&self) -> &Pipeline {
        &self.0
    }

    fn text(&self) -> String {
        String::new()
    }

    fn compile_time(&self) -> Duration {
        Duration::ZERO
    }

    fn start(self: Arc<Self>, _: Run) -> Result<Box<dyn Execution>> {
        Err(Error::Unsupported("it runs nothing".to_owned()))
    }
}

impl Device for Counting {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn kind(&self) -> Kind {
        Kind::Cpu
    }

    fn model(&self) -> &str {
        "a counter"
    }

    fn memory(&self) -> Result<Memory> {
        Ok(Memory { total: 0, free: 0 })
    }

    fn describe(&self) -> Vec<(&'static str, String)> {
        vec![]
    }

    fn measure_bandwidth(&self) -> Result<Bandwidth> {
        Err(Error::Absent("it has no memory".to_owned()))
    }

    fn compile(&self, pipeline: &Pipeline) -> Result<Arc<dyn Kernel>> {
        std::thread::sleep(Duration::from_millis(10));
        assert!(!self.panics.load(Ordering::Relaxed), "on purpose");
        if self.fails.load(Ordering::Relaxed) {
            return Err(Error::Failed("it does not compile".to_owned()));
        }
        self.compiled.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(Idle(pipeline.clone())))
    }
}

/// Pipelines that differ in a constant.
fn pipeline(number: i128) -> Pipeline {
    use warpwise_gpu::program::{Expr, ExprId};
    let constant = Expr::Constant { ty: Type::I64, value: Some(Scalar::Int(number)) };
    Pipeline {
        columns: vec![ValueType::of(Type::I64)],
        parameters: vec![],
        tables: vec![],
        indexes: vec![],
        exprs: vec![constant],
        body: vec![Statement::Emit],
        sink: Sink::Materialize { columns: vec![ExprId(0)] },
    }
}

#[test]
fn a_pipeline_is_compiled_once_for_each_device() {
    let cache = KernelCache::default();
    let (one, other) = (Counting { name: "one", ..Counting::default() }, Counting { name: "other", ..Counting::default() });
    let (first, compiled) = cache.get_or_compile(&one, &pipeline(1)).unwrap();
    assert!(compiled);
    let (again, compiled) = cache.get_or_compile(&one, &pipeline(1)).unwrap();
    assert!(!compiled && Arc::ptr_eq(&first, &again));
    assert!(cache.get_or_compile(&other, &pipeline(1)).unwrap().1);
    assert!(cache.get_or_compile(&one, &pipeline(2)).unwrap().1);
    let statistics = cache.statistics();
    assert_eq!((statistics.kernels, statistics.hits, statistics.compiled), (3, 1, 3));
    cache.clear();
    assert_eq!(cache.statistics().kernels, 0);
    assert!(cache.get_or_compile(&one, &pipeline(1)).unwrap().1);
}

#[test]
fn requests_at_once_wait_for_one_compilation() {
    let (cache, device, ready) = (KernelCache::default(), Counting::default(), Barrier::new(8));
    let compiled: usize = std::thread::scope(|scope| {
        let ask = || {
            ready.wait();
            usize::from(cache.get_or_compile(&device, &pipeline(1)).unwrap().1)
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((compiled, device.compiled.into_inner()), (1, 1));
    assert_eq!(cache.statistics().hits, 7);
}

#[test]
fn a_failure_is_tried_again() {
    let (cache, device) = (KernelCache::default(), Counting::default());
    device.fails.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        let error = cache.get_or_compile(&device, &pipeline(1)).unwrap_err();
        assert_eq!(error, Error::Failed("it does not compile".to_owned()));
    }
    device.panics.store(true, Ordering::Relaxed);
    let panicking = || cache.get_or_compile(&device, &pipeline(1)).is_ok();
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panicking)).is_err());
    assert_eq!(cache.statistics().failed, 3);
    device.fails.store(false, Ordering::Relaxed);
    device.panics.store(false, Ordering::Relaxed);
    assert!(cache.get_or_compile(&device, &pipeline(1)).unwrap().1);
}

#[test]
fn the_one_not_asked_for_longest_goes() {
    let (cache, device) = (KernelCache::new(2), Counting::default());
    for number in [1, 2, 1, 3] {
        cache.get_or_compile(&device, &pipeline(number)).unwrap();
    }
    let statistics = cache.statistics();
    assert_eq!((statistics.kernels, statistics.evictions), (2, 1));
    assert!(!cache.get_or_compile(&device, &pipeline(1)).unwrap().1);
    assert!(cache.get_or_compile(&device, &pipeline(2)).unwrap().1);
}
