//! Groups: registers for one, shared memory for few, device memory for many.

use crate::codegen::cuda::Generator;
use crate::codegen::cuda::layout::{Cell, CellKind, Cells, Place, Seen, State};
use crate::codegen::cuda::scalar::type_name;
use crate::codegen::cuda::text::Header;
use crate::program::{Aggregate, AggregateOp, BitOp, Domain, Key, Type, ValueType};

/// Shared memory of a block: four blocks of it leave an SM of 228 KiB room for its first-level cache.
const SHARED: u32 = 40 << 10;

/// Where a row's cells are fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tier {
    Registers,
    /// So many copies of every word.
    Shared(u32),
    Device,
}

/// The tier of a place: shared memory if one copy fits, and as many copies as do, up to one for each lane.
fn tier(place: &Place, cells: &Cells) -> Tier {
    match place {
        Place::Single => Tier::Registers,
        Place::Dense { groups, .. } => {
            let bytes = groups.saturating_mul(4 * cells.shared_32 + 8 * cells.shared_64).max(1);
            let copies = [32, 16, 8, 4, 2, 1].into_iter().find(|copies| bytes.saturating_mul(*copies) <= SHARED);
            copies.map_or(Tier::Device, Tier::Shared)
        }
        Place::Packed { .. } | Place::Wide { .. } => Tier::Device,
    }
}

impl Generator<'_> {
    fn group(&self) -> (Place, Cells, Tier) {
        let State::Groups { place, cells } = &self.state else { unreachable!("only groups have cells") };
        (place.clone(), cells.clone(), tier(place, cells))
    }

    pub(super) fn group_words(&self, place: &Place) -> Vec<String> {
        match place {
            Place::Single | Place::Dense { .. } => vec!["u64* state".to_owned()],
            Place::Packed { .. } | Place::Wide { .. } => ["u64* slots", "u64 mask", "u64* groups"].map(str::to_owned).to_vec(),
        }
    }

    pub(super) fn group_before(&mut self) {
        let (place, cells, tier) = self.group();
        for header in [Header::Aggregate, Header::Order] {
            self.writer.need(header);
        }
        let w = &mut self.writer;
        match tier {
            Tier::Registers => {
                w.need(Header::Reduce);
                for (at, cell) in cells.cells.iter().enumerate() {
                    if let Some(ty) = register(cell.kind) {
                        w.line(format!("{ty} a{at} = {};", nothing(cell.kind)));
                    }
                }
            }
            Tier::Shared(copies) => {
                let Place::Dense { groups, .. } = place else { return };
                w.line(format!("enum : u32 {{ GROUPS = {groups}, COPIES = {copies} }};"));
                for (bits, words) in [(32, cells.shared_32), (64, cells.shared_64)] {
                    if words > 0 {
                        w.line(format!("__shared__ u{bits} shared_{bits}[GROUPS * {words} * COPIES];"));
                        w.line(format!(
                            "for (u32 k = threadIdx.x; k < GROUPS * {words} * COPIES; k += BLOCK) shared_{bits}[k] = 0;"
                        ));
                    }
                }
                w.line("__syncthreads();");
            }
            Tier::Device => match place {
                Place::Dense { groups, .. } => w.line(format!("enum : u32 {{ GROUPS = {groups} }};")),
                Place::Single | Place::Packed { .. } | Place::Wide { .. } => {}
            },
        }
    }

    pub(super) fn group_emit(&mut self, mask: &str, keys: &[Key], aggregates: &[Aggregate]) {
        let (place, cells, tier) = self.group();
        let inputs = self.sink_inputs();
        let rows = cells.rows.filter(|_| tier == Tier::Registers);
        if let Some(rows) = rows {
            self.writer.line(format!("a{rows} += (u64)__popc({mask});"));
        }
        self.row_open(mask);
        self.nodes.emit(&mut self.writer, &inputs);
        if let Some(fault) = self.group_fault(keys, aggregates) {
            self.writer.line(format!("const u32 fault = {fault};"));
            self.writer.open("if (fault)");
            self.writer.line("raise(faults, fault);");
            self.writer.line("continue;");
            self.writer.close();
        }
        match &place {
            Place::Single => {}
            Place::Dense { keys: domains, .. } => {
                let mut index = String::new();
                for (key, (ty, domain, size)) in keys.iter().zip(domains) {
                    let number = self.number(key, *ty, *domain);
                    index = if index.is_empty() { number } else { format!("({index}) * {size}u + {number}") };
                }
                self.writer.line(format!("const u32 group = {index};"));
                // The host has proved it; a broken proof must not reach other memory.
                self.writer.line("if (group >= GROUPS) continue;");
                let global = cells.cells.iter().any(|cell| tier == Tier::Device || cell.kind.shared().is_none());
                if global {
                    self.writer.line(format!("u64* cells = state + (u64)group * {};", cells.words));
                }
                if let Tier::Shared(_) = tier {
                    for (bits, words) in [(32, cells.shared_32), (64, cells.shared_64)] {
                        if words > 0 {
                            self.writer.line(format!(
                                "u{bits}* own_{bits} = shared_{bits} + group * ({words} * COPIES) + lane() % COPIES;"
                            ));
                        }
                    }
                }
            }
            Place::Packed { .. } | Place::Wide { .. } => self.hash_find(keys),
        }
        if let (Some(at), None) = (cells.rows, rows) {
            self.update(tier, &cells, at, "1");
        }
        for (number, aggregate) in aggregates.iter().enumerate() {
            let (cell, seen) = cells.aggregates[number];
            if Some(cell) == cells.rows {
                continue;
            }
            let mut conditions: Vec<String> = Vec::new();
            if let Some(filter) = aggregate.filter {
                conditions.push(self.nodes.is_true(filter));
            }
            for input in aggregate.input.into_iter().chain(aggregate.op.second()) {
                conditions.extend(self.nodes.null(input).map(|null| format!("!{null}")));
            }
            if !conditions.is_empty() {
                self.writer.open(format!("if ({})", conditions.join(" && ")));
            }
            if let AggregateOp::Deviations { .. } = aggregate.op {
                self.deviations(tier, &cells, cell, aggregate);
            } else {
                let value = aggregate.input.map_or("1".to_owned(), |input| self.input(cells.cells[cell].kind, input));
                self.update(tier, &cells, cell, &value);
                if let Seen::Cell(seen) = seen {
                    self.update(tier, &cells, seen, "1");
                }
            }
            if !conditions.is_empty() {
                self.writer.close();
            }
        }
        self.row_close();
    }

    /// Feeds the cells of deviations: the distances of a row's values from the group's, and their product.
    fn deviations(&mut self, tier: Tier, cells: &Cells, count: usize, aggregate: &Aggregate) {
        let base = if matches!(self.state, State::Groups { place: Place::Single, .. }) { "state" } else { "cells" };
        let inputs: Vec<_> = aggregate.input.into_iter().chain(aggregate.op.second()).collect();
        self.writer.open("");
        self.update(tier, cells, count, "1");
        for (at, input) in inputs.iter().enumerate() {
            let shift = cells.cells[count + 1 + at].offset;
            let value = self.nodes.value(*input);
            self.writer.line(format!("const f64 d{at} = {value} - global_shift({base} + {shift}, {value});"));
            self.update(tier, cells, count + 1 + inputs.len() + at, &format!("d{at}"));
        }
        self.update(tier, cells, count + 1 + 2 * inputs.len(), &format!("d0 * d{}", inputs.len() - 1));
        self.writer.close();
    }

    /// A key's number in its domain, NULL the last; far outside for what is not in it.
    fn number(&self, key: &Key, ty: ValueType, domain: Domain) -> String {
        let value = self.nodes.value(key.expr);
        let number = match (ty.ty, domain.low) {
            (Type::U8 | Type::U16 | Type::U32 | Type::Bool, 0) => format!("(u32){value}"),
            (_, low) => format!("(u32)((u64)(i64){value} - {:#x}ull)", low as u64),
        };
        match self.nodes.null(key.expr) {
            None => number,
            Some(null) => format!("({null} ? {}u : {number})", domain.size),
        }
    }

    /// An aggregate's input as its cell takes it.
    fn input(&self, kind: CellKind, id: crate::program::ExprId) -> String {
        let value = self.nodes.value(id);
        let code = |most: bool, code: String| if most { code } else { format!("~{code}") };
        match kind {
            CellKind::Count | CellKind::Seen => "1".to_owned(),
            CellKind::Sum => format!("(u64)(i64){value}"),
            CellKind::Wide { narrow: true, .. } => format!("(i64){value}"),
            CellKind::Wide { narrow: false, .. } => value,
            CellKind::Float => format!("(f64){value}"),
            CellKind::Extreme { most } => code(most, format!("order_code({value})")),
            CellKind::ExtremeWide { most } => code(most, format!("wide_order_code({value})")),
            CellKind::ExtremeText { .. } => value,
            CellKind::Distinct(domain) => format!("(u64)(i64){value} - {:#x}ull", domain.low as u64),
            CellKind::Bits(BitOp::And) => format!("~(u64)(i64){value}"),
            CellKind::Bits(BitOp::Or | BitOp::Xor) => format!("(u64)(i64){value}"),
            CellKind::Shift => value,
        }
    }

    /// Feeds a cell from a row.
    fn update(&mut self, tier: Tier, cells: &Cells, at: usize, value: &str) {
        let cell = cells.cells[at];
        let tier = if cell.kind.shared().is_none() && (tier != Tier::Registers || register(cell.kind).is_none()) {
            Tier::Device
        } else {
            tier
        };
        let line = match tier {
            Tier::Registers => in_register(cell.kind, at, value),
            Tier::Shared(_) => in_shared(cell, value),
            Tier::Device => {
                let base = if matches!(self.state, State::Groups { place: Place::Single, .. }) { "state" } else { "cells" };
                in_device(cell, base, value)
            }
        };
        self.writer.line(line);
    }

    pub(super) fn group_after(&mut self) {
        let (_, cells, tier) = self.group();
        match tier {
            Tier::Registers => {
                self.writer.line("__shared__ i128 scratch[WARPS];");
                for (at, cell) in cells.cells.iter().enumerate() {
                    if let Some(ty) = register(cell.kind) {
                        let op = match cell.kind {
                            CellKind::Count | CellKind::Sum | CellKind::Float => "Sum",
                            CellKind::Wide { .. } => "Sum",
                            CellKind::Extreme { .. } | CellKind::ExtremeWide { .. } | CellKind::Seen => "Greatest",
                            CellKind::ExtremeText { most: false } => "ExtremeText<false>",
                            CellKind::ExtremeText { most: true } => "ExtremeText<true>",
                            CellKind::Bits(BitOp::And | BitOp::Or) => "Either",
                            CellKind::Bits(BitOp::Xor) => "Differing",
                            CellKind::Distinct(_) | CellKind::Shift => continue,
                        };
                        let nothing = nothing(cell.kind);
                        if let CellKind::Wide { narrow: false, fault: Some(fault) } = cell.kind {
                            // Partial sums of a block may pass 128 bits too: each is added where that is seen.
                            let add = in_device(*cell, "state", &format!("a{at}"));
                            let _ = fault;
                            self.writer.line(add);
                            continue;
                        }
                        self.writer.line(format!("a{at} = block_reduce<{op}, {ty}>(a{at}, {nothing}, scratch);"));
                        self.writer.line(format!("if (threadIdx.x == 0) {{ {} }}", in_device(*cell, "state", &format!("a{at}"))));
                    }
                }
            }
            Tier::Shared(_) => {
                self.writer.line("__syncthreads();");
                self.writer.open("for (u32 group = threadIdx.x; group < GROUPS; group += BLOCK)");
                for (bits, words) in [(32, cells.shared_32), (64, cells.shared_64)] {
                    if words > 0 {
                        self.writer.line(format!("const u{bits}* own_{bits} = shared_{bits} + group * ({words} * COPIES);"));
                    }
                }
                let rows = cells.rows.map_or(0, |rows| cells.cells[rows].shared);
                self.writer.line(format!("if (gather_word<COPIES>(own_32 + {rows} * COPIES) == 0) continue;"));
                self.writer.line(format!("u64* cells = state + (u64)group * {};", cells.words));
                for (at, cell) in cells.cells.iter().enumerate() {
                    if let Some(lines) = gathered(*cell, at) {
                        lines.iter().for_each(|line| self.writer.line(line));
                    }
                }
                self.writer.close();
            }
            Tier::Device => {}
        }
    }
}

/// What a thread's own cell holds before the first row.
fn nothing(kind: CellKind) -> &'static str {
    if matches!(kind, CellKind::ExtremeText { .. }) { "no_text()" } else { "0" }
}

/// The type of a thread's own cell; none where it has none.
fn register(kind: CellKind) -> Option<&'static str> {
    match kind {
        CellKind::Count | CellKind::Sum | CellKind::Extreme { .. } | CellKind::Bits(_) | CellKind::Seen => Some("u64"),
        CellKind::Wide { .. } => Some(type_name(Type::I128)),
        CellKind::Float => Some(type_name(Type::F64)),
        CellKind::ExtremeWide { .. } => Some("u128"),
        CellKind::ExtremeText { .. } => Some(type_name(Type::Text)),
        CellKind::Distinct(_) | CellKind::Shift => None,
    }
}

fn in_register(kind: CellKind, at: usize, value: &str) -> String {
    match kind {
        CellKind::Count | CellKind::Sum | CellKind::Float => format!("a{at} += {value};"),
        CellKind::Wide { narrow: true, .. } => format!("a{at} += {value};"),
        CellKind::Wide { fault: None, .. } => format!("a{at} = wrap_add(a{at}, {value});"),
        CellKind::Wide { fault: Some(fault), .. } => {
            format!("if (checked_add(a{at}, {value}, {0}u, a{at})) raise(faults, {0}u);", fault as u32)
        }
        CellKind::Extreme { .. } => format!("a{at} = Greatest::of(a{at}, (u64)({value}));"),
        CellKind::ExtremeWide { .. } => format!("a{at} = Greatest::of(a{at}, (u128)({value}));"),
        CellKind::ExtremeText { most } => format!("a{at} = ExtremeText<{most}>::of(a{at}, {value});"),
        CellKind::Bits(BitOp::And | BitOp::Or) => format!("a{at} |= {value};"),
        CellKind::Bits(BitOp::Xor) => format!("a{at} ^= {value};"),
        CellKind::Seen => format!("a{at} = 1;"),
        CellKind::Distinct(_) | CellKind::Shift => String::new(),
    }
}

fn in_shared(cell: Cell, value: &str) -> String {
    let at = match cell.kind {
        CellKind::Float | CellKind::Extreme { .. } | CellKind::Bits(_) => format!("own_64 + {} * COPIES", cell.shared),
        CellKind::Count
        | CellKind::Sum
        | CellKind::Wide { .. }
        | CellKind::ExtremeWide { .. }
        | CellKind::ExtremeText { .. }
        | CellKind::Distinct(_)
        | CellKind::Shift
        | CellKind::Seen => format!("own_32 + {} * COPIES", cell.shared),
    };
    match cell.kind {
        CellKind::Count => format!("atomicAdd({at}, 1u);"),
        CellKind::Sum => format!("shared_add<COPIES>({at}, {value});"),
        CellKind::Wide { .. } => format!("shared_add_wide<COPIES>({at}, {value});"),
        CellKind::Float => format!("shared_add_float({at}, {value});"),
        CellKind::Extreme { .. } => format!("shared_max({at}, {value});"),
        CellKind::Bits(BitOp::And | BitOp::Or) => format!("shared_or({at}, {value});"),
        CellKind::Bits(BitOp::Xor) => format!("shared_xor({at}, {value});"),
        CellKind::Seen => format!("atomicOr({at}, 1u);"),
        CellKind::ExtremeWide { .. } | CellKind::ExtremeText { .. } | CellKind::Distinct(_) | CellKind::Shift => String::new(),
    }
}

fn in_device(cell: Cell, base: &str, value: &str) -> String {
    let at = format!("{base} + {}", cell.offset);
    match cell.kind {
        CellKind::Count | CellKind::Sum => format!("global_add({at}, {value});"),
        CellKind::Wide { fault: Some(fault), narrow: false } => {
            format!("if (global_add_wide({at}, {value}, {0}u)) raise(faults, {0}u);", fault as u32)
        }
        CellKind::Wide { .. } => format!("global_add_wide({at}, {value}, 0u);"),
        CellKind::Float => format!("global_add_float({at}, {value});"),
        CellKind::Extreme { .. } => format!("global_max({at}, {value});"),
        CellKind::ExtremeWide { .. } => format!("global_max_wide({at}, {value});"),
        CellKind::ExtremeText { most } => format!("global_extreme_text<{most}>({at}, {value});"),
        CellKind::Distinct(domain) => {
            format!("{{ const u64 bit = {value}; if (bit < {}ull) global_bit({at}, bit); }}", domain.size)
        }
        CellKind::Bits(BitOp::And | BitOp::Or) => format!("global_or({at}, {value});"),
        CellKind::Bits(BitOp::Xor) => format!("global_xor({at}, {value});"),
        CellKind::Shift => String::new(),
        CellKind::Seen => format!("if ({value}) global_see({at});"),
    }
}

/// All copies of a cell in shared memory, added to device memory; none where it is not kept there.
fn gathered(cell: Cell, at: usize) -> Option<Vec<String>> {
    let own = |bits: u32| format!("own_{bits} + {} * COPIES", cell.shared);
    let value = match cell.kind {
        CellKind::Count | CellKind::Seen => format!("gather_word<COPIES>({})", own(32)),
        CellKind::Sum => format!("gather_sum<COPIES>({})", own(32)),
        CellKind::Wide { narrow: true, .. } => format!("gather_wide_64<COPIES>({})", own(32)),
        CellKind::Wide { narrow: false, fault } => {
            let code = fault.map_or(0, |fault| fault as u32);
            return Some(vec![
                format!("u32 x{at} = 0;"),
                format!("const i128 g{at} = gather_wide_128<COPIES>({}, {code}u, x{at});", own(32)),
                format!("if (x{at}) raise(faults, x{at});"),
                in_device(cell, "cells", &format!("g{at}")),
            ]);
        }
        CellKind::Float => format!("gather_float<COPIES>({})", own(64)),
        CellKind::Extreme { .. } => format!("gather_max<COPIES>({})", own(64)),
        CellKind::Bits(BitOp::And | BitOp::Or) => format!("gather_or<COPIES>({})", own(64)),
        CellKind::Bits(BitOp::Xor) => format!("gather_xor<COPIES>({})", own(64)),
        CellKind::ExtremeWide { .. } | CellKind::ExtremeText { .. } | CellKind::Distinct(_) | CellKind::Shift => return None,
    };
    Some(vec![in_device(cell, "cells", &value)])
}
