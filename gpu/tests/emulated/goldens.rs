//! Whole kernels as they are generated, for a reader to open. `UPDATE=1` rewrites them.

use std::path::Path;

use warpwise_gpu::codegen::cuda::generate;
use warpwise_gpu::program::Pipeline;
use warpwise_gpu::program::text::parse;

use crate::programs;

fn check(name: &str, pipeline: &Pipeline) {
    let source = generate(pipeline).unwrap();
    assert_eq!(source, generate(pipeline).unwrap(), "generated twice, two texts");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/generated").join(format!("{name}.cu"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &source.listing).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == source.listing, "{} is not what is generated now; UPDATE=1 rewrites it", path.display());
    // For whoever has NVRTC: the whole text, headers included.
    if let Some(folder) = std::env::var_os("KERNELS") {
        std::fs::write(Path::new(&folder).join(format!("{name}.cu")), &source.text).unwrap();
    }
}

#[test]
fn q6_is_as_stored() {
    check("q6", &programs::q6());
}

#[test]
fn q1_is_as_stored() {
    check("q1", &programs::q1());
}

#[test]
fn contains_is_as_stored() {
    check("contains", &programs::contains());
}

/// The kernels of joins: of the row programs of some of TPC-H's queries, which stand beside them.
#[test]
fn joins_are_as_stored() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/generated");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "program") {
            let program =
                parse(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            check(&path.file_stem().unwrap().to_string_lossy(), &program);
            count += 1;
        }
    }
    assert!(count > 12, "{count} programs");
}

/// Random kernels for whoever has NVRTC: `KERNELS` names the folder.
#[test]
fn random_kernels_are_generated() {
    let folder = std::env::var_os("KERNELS");
    for seed in 1..=200 {
        let case = warpwise_gpu::testing::generate(&mut warpwise_gpu::testing::Random::new(seed));
        let source = generate(&case.pipeline).unwrap();
        if let Some(folder) = &folder {
            std::fs::write(Path::new(folder).join(format!("random{seed}.cu")), &source.text).unwrap();
        }
    }
}
