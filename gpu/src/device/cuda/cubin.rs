//! What a kernel takes of a multiprocessor, read from its machine code: registers, shared memory, stack.
//!
//! A cubin is an ELF file. Its section `.nv.info` lists attributes (EIATTR) by function: the count of
//! registers, the size of the stack frame. The size of `.nv.shared.‹kernel›` is the static shared memory. The
//! format is not published; the numbers of the attributes are those that `cuobjdump -elf` prints. Spills are not
//! in the file, only the frame that holds them; [`add_spills`] takes them from the assembler's log.

use std::collections::HashMap;

use crate::error::{Error, Result};

/// Attributes of a function: its symbol and a number, 32 bits each.
const REGISTERS: u8 = 0x2f;
const FRAME_SIZE: u8 = 0x11;
const MIN_STACK_SIZE: u8 = 0x12;
/// An attribute in a kernel's own section, two bytes in the entry's head.
const PARAMETER_BYTES: u8 = 0x19;
/// Formats of attributes: nothing, one byte and two bytes stand in the entry's head; a sized value follows it.
const FORMAT_SIZED: u8 = 4;

/// Section types and flags of ELF.
const SYMBOLS: u32 = 2;
const NO_BITS: u32 = 8;
/// A symbol's type, of the low four bits of its info: a function.
const FUNCTION: u8 = 2;
/// Since compute capability 9.0 the section of shared memory includes what the system reserves of each block.
const RESERVED_SHARED: u64 = 1024;

/// What one kernel takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelUse {
    /// Its name.
    pub name: String,
    /// Bytes of its parameters.
    pub parameters: usize,
    /// Registers of a thread.
    pub registers: u32,
    /// Bytes of static shared memory of a block.
    pub shared: u64,
    /// Bytes of local memory of a thread: arrays that are indexed by a variable, and spilled registers.
    pub stack: u64,
    /// Bytes that spilling stores and loads, as far as the assembler's log is known.
    pub spilled: Option<u64>,
    /// The compute capability that it was compiled for.
    pub capability: u32,
}

impl KernelUse {
    /// The share of a multiprocessor's threads that can be resident, in percent, where blocks have so many threads.
    pub fn occupancy(&self, threads: u32) -> u32 {
        occupancy(Limits::of(self.capability), self.registers, self.shared, threads)
    }
}

/// What a multiprocessor has, by compute capability ("Technical Specifications" in the CUDA C++ Programming Guide).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Resident threads.
    pub threads: u32,
    /// Resident blocks.
    pub blocks: u32,
    /// Bytes of shared memory, of which each block takes what it declares and [`Limits::reserved`].
    pub shared: u64,
    /// Bytes of shared memory that the system takes of each block.
    pub reserved: u64,
    /// Registers. A warp takes a multiple of 256 of them.
    pub registers: u32,
}

impl Limits {
    /// Those of a compute capability. One that is not known is taken for the weakest of its kind.
    pub fn of(capability: u32) -> Self {
        let (threads, blocks, shared) = match capability {
            // Volta, A100, Hopper, B200: data centres.
            70 | 72 => (2048, 32, 96),
            80 => (2048, 32, 164),
            87 => (1536, 16, 164),
            90 | 100 | 101 | 103 => (2048, 32, 228),
            // Turing.
            75 => (1024, 16, 64),
            // Ampere, Ada and Blackwell on desktops.
            89 | 120 | 121 => (1536, 24, 100),
            0..70 => (2048, 32, 64),
            71.. => (1536, 16, 100),
        };
        let reserved = if capability >= 80 { RESERVED_SHARED } else { 0 };
        Self { threads, blocks, shared: shared << 10, reserved, registers: 64 << 10 }
    }
}

fn occupancy(limits: Limits, registers: u32, shared: u64, threads: u32) -> u32 {
    const WARP: u32 = 32;
    const GRANULE: u32 = 256;
    if threads == 0 || threads > limits.threads {
        return 0;
    }
    let warps = threads.div_ceil(WARP);
    let by_threads = limits.threads / (warps * WARP);
    // Registers are given to warps; a multiprocessor's four parts have a quarter of them each, and warps go around.
    let warp_registers = (registers.max(1) * WARP).next_multiple_of(GRANULE);
    let resident_warps = limits.registers / 4 / warp_registers * 4;
    let by_registers = resident_warps / warps;
    let by_shared = limits.shared / (shared + limits.reserved).next_multiple_of(128).max(128);
    let blocks = by_threads.min(by_registers).min(limits.blocks).min(u32::try_from(by_shared).unwrap_or(u32::MAX));
    blocks * warps * WARP * 100 / limits.threads
}

/// Every kernel of a cubin, by name.
pub fn kernels(cubin: &[u8]) -> Result<Vec<KernelUse>> {
    read(cubin).ok_or_else(|| Error::Failed("a cubin is not an ELF file of the form that is known".to_owned()))
}

/// One section's head.
struct Section<'a> {
    name: &'a str,
    kind: u32,
    offset: usize,
    size: u64,
    link: usize,
}

fn read(file: &[u8]) -> Option<Vec<KernelUse>> {
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let sections = sections(file)?;
    let symbols = sections.iter().find(|section| section.kind == SYMBOLS)?;
    let names = sections.get(symbols.link)?;
    let mut kernels: HashMap<u32, KernelUse> = HashMap::new();
    let capability = capability(file)?;
    // A kernel is a function with code of its own.
    let table = file.get(symbols.offset..symbols.offset + usize::try_from(symbols.size).ok()?)?;
    for (index, symbol) in table.chunks_exact(24).enumerate() {
        let name = text(file, names.offset + usize::try_from(u32_at(symbol, 0)?).ok()?)?;
        if symbol[4] & 15 == FUNCTION && sections.iter().any(|section| section.name.strip_prefix(".text.") == Some(name)) {
            let shared = sections.iter().find(|section| section.name.strip_prefix(".nv.shared.") == Some(name));
            let reserved = if capability >= 90 { RESERVED_SHARED } else { 0 };
            let shared = shared.filter(|section| section.kind == NO_BITS).map_or(0, |section| section.size);
            let kernel = KernelUse {
                name: name.to_owned(),
                parameters: 0,
                registers: 0,
                shared: shared.saturating_sub(reserved),
                stack: 0,
                spilled: None,
                capability,
            };
            kernels.insert(u32::try_from(index).ok()?, kernel);
        }
    }
    for section in &sections {
        let Some(of) = section.name.strip_prefix(".nv.info") else { continue };
        let own = of.strip_prefix('.').and_then(|name| kernels.iter().find(|(_, kernel)| kernel.name == name));
        let own = own.map(|(symbol, _)| *symbol);
        let mut rest = file.get(section.offset..section.offset + usize::try_from(section.size).ok()?)?;
        while let Some((head, tail)) = rest.split_at_checked(4) {
            let inline = u16::from_le_bytes([head[2], head[3]]);
            let (value, tail) = tail.split_at_checked(if head[0] == FORMAT_SIZED { usize::from(inline) } else { 0 })?;
            rest = tail;
            if let (PARAMETER_BYTES, Some(kernel)) = (head[1], own.and_then(|symbol| kernels.get_mut(&symbol))) {
                kernel.parameters = usize::from(inline);
            }
            if value.len() != 8 || !of.is_empty() {
                continue;
            }
            let (Some(kernel), number) = (kernels.get_mut(&u32_at(value, 0)?), u32_at(value, 4)?) else { continue };
            match head[1] {
                REGISTERS => kernel.registers = number,
                // The stack includes what the functions that it calls take.
                FRAME_SIZE | MIN_STACK_SIZE => kernel.stack = kernel.stack.max(u64::from(number)),
                _ => {}
            }
        }
    }
    let mut kernels: Vec<KernelUse> = kernels.into_values().collect();
    kernels.sort_by(|left, right| left.name.cmp(&right.name));
    Some(kernels)
}

/// The compute capability stands in the file's flags: in the low byte, and from version 8 of the format in the next one.
fn capability(file: &[u8]) -> Option<u32> {
    let flags = u32_at(file, 0x30)?;
    Some(if file.get(8)? >= &8 { flags >> 8 & 0xff } else { flags & 0xff })
}

fn sections(file: &[u8]) -> Option<Vec<Section<'_>>> {
    let from = usize::try_from(u64_at(file, 0x28)?).ok()?;
    let (size, count) = (usize::from(u16_at(file, 0x3a)?), usize::from(u16_at(file, 0x3c)?));
    let heads: Option<Vec<&[u8]>> = (0..count).map(|at| file.get(from.checked_add(at * size)?..)?.get(..64)).collect();
    let heads = heads?;
    let names = usize::try_from(u64_at(heads.get(usize::from(u16_at(file, 0x3e)?))?, 24)?).ok()?;
    let section = |head: &&[u8]| {
        Some(Section {
            name: text(file, names.checked_add(usize::try_from(u32_at(head, 0)?).ok()?)?)?,
            kind: u32_at(head, 4)?,
            offset: usize::try_from(u64_at(head, 24)?).ok()?,
            size: u64_at(head, 32)?,
            link: usize::try_from(u32_at(head, 40)?).ok()?,
        })
    };
    heads.iter().map(section).collect()
}

fn text(file: &[u8], from: usize) -> Option<&str> {
    let rest = file.get(from..)?;
    std::str::from_utf8(&rest[..rest.iter().position(|byte| *byte == 0)?]).ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..)?.get(..2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..)?.get(..4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..)?.get(..8)?.try_into().ok()?))
}

/// Adds what the assembler's log says of spills: `Function properties for ‹name›`, then
/// `‹n› bytes stack frame, ‹n› bytes spill stores, ‹n› bytes spill loads`.
pub fn add_spills(kernels: &mut [KernelUse], log: &str) {
    let mut name = "";
    for line in log.lines() {
        if let Some((_, function)) = line.split_once("Function properties for ") {
            name = function.trim();
        }
        let Some(kernel) = kernels.iter_mut().find(|kernel| kernel.name == name) else { continue };
        let numbers = line.split(',').filter(|part| part.contains("bytes spill"));
        let numbers: Vec<u64> = numbers.filter_map(|part| part.split_whitespace().next()?.parse().ok()).collect();
        if !numbers.is_empty() {
            kernel.spilled = Some(numbers.iter().sum());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn occupancy_is_that_of_the_calculator() {
        let hopper = Limits::of(90);
        // CUDA's occupancy calculator: 256 threads of 32 registers fill a multiprocessor, 64 registers half of it.
        assert_eq!(occupancy(hopper, 32, 0, 256), 100);
        assert_eq!(occupancy(hopper, 33, 0, 256), 75);
        assert_eq!(occupancy(hopper, 40, 0, 256), 75);
        assert_eq!(occupancy(hopper, 64, 0, 256), 50);
        assert_eq!(occupancy(hopper, 65, 0, 256), 37);
        assert_eq!(occupancy(hopper, 128, 0, 256), 25);
        assert_eq!(occupancy(hopper, 255, 0, 256), 12);
        // 48 KiB of shared memory and 1 KiB reserved: four blocks in 228 KiB, three in 164.
        assert_eq!(occupancy(hopper, 32, 48 << 10, 256), 50);
        assert_eq!(occupancy(Limits::of(80), 32, 48 << 10, 256), 37);
        assert_eq!(occupancy(Limits::of(75), 32, 0, 256), 100);
        assert_eq!(occupancy(hopper, 32, 0, 0), 0);
        assert_eq!(occupancy(hopper, 32, 0, 4096), 0);
    }

    #[test]
    fn what_is_no_cubin_is_refused() {
        for bytes in [&b""[..], b"\x7fELF", b"\x7fELF\x02\x01", &[0x7f; 100]] {
            assert!(kernels(bytes).is_err());
        }
        // Heads that point past the end.
        let mut file = b"\x7fELF\x02\x01".to_vec();
        file.resize(64, 0xff);
        assert!(kernels(&file).is_err());
    }

    #[test]
    fn spills_come_from_the_log() {
        let kernel = |name: &str| KernelUse {
            name: name.to_owned(),
            parameters: 0,
            registers: 0,
            shared: 0,
            stack: 0,
            spilled: None,
            capability: 90,
        };
        let mut kernels = [kernel("scan"), kernel("merge"), kernel("other")];
        let log = "ptxas info    : Function properties for scan\n\
                   ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n\
                   ptxas info    : Function properties for merge\n\
                   ptxas         .     1408 bytes stack frame, 3024 bytes spill stores, 3336 bytes spill loads\n";
        add_spills(&mut kernels, log);
        assert_eq!(kernels.map(|kernel| kernel.spilled), [Some(0), Some(6360), None]);
    }
}
