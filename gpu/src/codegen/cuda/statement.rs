//! The body over a thread's rows.
//!
//! A statement works on a mask, a bit for each of the thread's rows, which `if` narrows and nothing nests: every thread
//! of a warp comes to every sink, so that a sink may use the whole warp. Where a condition is a conjunction whose right
//! side cannot raise anything, it is two masks.
//!
//! A loop over numbers turns as often as the longest of a warp's rows asks for, a number of each row at a turn; rows
//! that are through are in no mask. So a sink within has the whole warp too.
//!
//! Columns are loaded as vectors, all those of a section at its head, so that as many bytes as possible are under way
//! at once; a section ends at `stage`. What is behind it is loaded only by threads that have a row left. That is also
//! all that `stage` means here: a warp's queue of survivors would fill lanes, but costs shared memory, shuffles and a second
//! read of the filter's columns, and a thread with eight rows already drops seven eighths of what a single row would.

use std::collections::BTreeSet;

use super::Generator;
use super::expr::chain;
use super::scalar::type_name;
use crate::program::statement::LoopHead;
use crate::program::{Expr, ExprId, LoopKind, Statement, Type};

impl Generator<'_> {
    /// Writes the body: `m0` is the mask of rows that exist.
    pub(super) fn body(&mut self) {
        let body = &self.pipeline.body;
        let mut loaded = BTreeSet::new();
        self.load(&self.section(body), "m0", &mut loaded);
        self.block(body, "m0", loaded);
    }

    fn block(&mut self, block: &[Statement], mask: &str, mut loaded: BTreeSet<u32>) {
        for (at, statement) in block.iter().enumerate() {
            match statement {
                Statement::Stage => self.load(&self.section(&block[at + 1..]), mask, &mut loaded),
                Statement::Emit => self.emit(mask),
                Statement::Loop { id, from, to, kind, condition, then } => {
                    let head = LoopHead { id: *id, from: *from, to: *to, kind: *kind, condition: *condition };
                    self.numbers(head, then, mask, &loaded);
                }
                Statement::If { condition, then } => {
                    let mut mask = mask.to_owned();
                    for part in self.conjuncts(*condition) {
                        mask = self.narrow(part, &mask);
                    }
                    self.block(then, &mask, loaded.clone());
                }
            }
        }
    }

    /// A loop over numbers. Of each row it keeps the number and the end; a mask has the rows that have a number left, and
    /// another those for which the block runs without one.
    fn numbers(&mut self, head: LoopHead, then: &[Statement], mask: &str, loaded: &BTreeSet<u32>) {
        let LoopHead { id, from, to, kind, condition } = head;
        let l = id.0;
        let alone = matches!(kind, LoopKind::EachOrNone | LoopKind::None);
        self.writer.line(format!("i32 number{l}[ITEMS], end{l}[ITEMS];"));
        self.writer.line(format!("u32 open{l} = 0, alone{l} = 0, counted{l} = 0;"));
        self.row_open(mask);
        self.nodes.emit(&mut self.writer, &[from, to]);
        let fault = chain([from, to].iter().filter_map(|id| self.nodes.fault(*id)).collect());
        if let Some(fault) = fault {
            self.writer.line(format!("const u32 fault = {fault};"));
            self.writer.open("if (fault)");
            self.writer.line("raise(faults, fault);");
            self.writer.line("continue;");
            self.writer.close();
        }
        self.writer.line(format!("number{l}[i] = {};", self.nodes.value(from)));
        self.writer.line(format!("end{l}[i] = {};", self.nodes.value(to)));
        let mut conditions: Vec<String> =
            [from, to].iter().filter_map(|id| self.nodes.null(*id)).map(|null| format!("!{null}")).collect();
        conditions.push(format!("number{l}[i] < end{l}[i]"));
        self.writer.line(format!("open{l} |= (u32)({}) << i;", conditions.join(" && ")));
        if alone {
            self.writer.line(format!("alone{l} |= (~open{l} >> i & 1) << i;"));
        }
        self.row_close();
        let turns = if kind == LoopKind::EachOrNone { format!("open{l} | alone{l}") } else { format!("open{l}") };
        self.writer.line("#pragma unroll 1");
        self.writer.open(format!("while (__any_sync(ALL_LANES, ({turns}) != 0))"));
        let mut hits = format!("open{l}");
        for part in condition.map_or(vec![], |condition| self.conjuncts(condition)) {
            hits = self.narrow(part, &hits);
        }
        self.writer.line(format!("const u32 hits{l} = {hits};"));
        if alone {
            self.writer.line(format!("counted{l} |= hits{l};"));
        }
        match kind {
            LoopKind::Each | LoopKind::Any => self.block(then, &format!("hits{l}"), loaded.clone()),
            LoopKind::None => {}
            LoopKind::EachOrNone => {
                self.writer.line(format!("const u32 rows{l} = hits{l} | alone{l};"));
                self.block(then, &format!("rows{l}"), loaded.clone());
                self.writer.line(format!("alone{l} = 0;"));
            }
        }
        if !kind.repeats() {
            self.writer.line(format!("open{l} &= ~hits{l};"));
        }
        self.row_open(&format!("open{l}"));
        self.writer.open(format!("if (++number{l}[i] >= end{l}[i])"));
        self.writer.line(format!("open{l} &= ~(1u << i);"));
        if alone {
            self.writer.line(format!("alone{l} |= (~counted{l} >> i & 1) << i;"));
        }
        self.writer.close();
        self.row_close();
        self.writer.close();
        if kind == LoopKind::None {
            self.block(then, &format!("alone{l}"), loaded.clone());
        }
    }

    /// A new mask: the rows of `mask` for which the condition is true.
    fn narrow(&mut self, condition: ExprId, mask: &str) -> String {
        self.masks += 1;
        let new = format!("m{}", self.masks);
        let fault = self.nodes.fault(condition);
        let holds = self.nodes.is_true(condition);
        self.writer.line(format!("u32 {new} = 0;"));
        if fault.is_none() && self.nodes.cheap(&[condition]) {
            self.rows_open();
            self.nodes.emit(&mut self.writer, &[condition]);
            self.writer.line(format!("{new} |= (u32)({holds}) << i;"));
            self.writer.close();
            self.writer.line(format!("{new} &= {mask};"));
            return new;
        }
        self.row_open(mask);
        self.nodes.emit(&mut self.writer, &[condition]);
        if let Some(fault) = fault {
            self.writer.open(format!("if ({fault})"));
            self.writer.line(format!("raise(faults, {fault});"));
            self.writer.close();
            self.writer.line(format!("else {new} |= (u32)({holds}) << i;"));
        } else {
            self.writer.line(format!("{new} |= (u32)({holds}) << i;"));
        }
        self.row_close();
        new
    }

    /// Opens a loop over the thread's rows.
    pub(super) fn rows_open(&mut self) {
        self.writer.line("#pragma unroll");
        self.writer.open("for (u32 i = 0; i < ITEMS; i++)");
    }

    /// Opens a loop over the thread's rows that are in a mask.
    pub(super) fn row_open(&mut self, mask: &str) {
        self.rows_open();
        self.writer.open(format!("if ({mask} >> i & 1)"));
    }

    /// Closes it.
    pub(super) fn row_close(&mut self) {
        self.writer.close();
        self.writer.close();
    }

    /// The conditions, one after the other, that together are the condition of an `if`.
    fn conjuncts(&self, condition: ExprId) -> Vec<ExprId> {
        if let Expr::And(a, b) = *self.pipeline.expr(condition) {
            // A NULL on the left does not keep the right from being evaluated, and raising.
            if self.nodes.fault(b).is_none() || !self.nodes.ty(a).nullable {
                return [self.conjuncts(a), self.conjuncts(b)].concat();
            }
        }
        vec![condition]
    }

    /// The columns that a section reads: all up to the next `stage`.
    fn section(&self, block: &[Statement]) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        for statement in block {
            match statement {
                Statement::Stage => break,
                Statement::Loop { from, to, condition, then, .. } => {
                    found.extend(self.nodes.columns(&[*from, *to]));
                    found.extend(condition.iter().flat_map(|condition| self.nodes.columns(&[*condition])));
                    found.extend(self.section(then));
                }
                Statement::Emit => found.extend(self.nodes.columns(&self.sink_inputs())),
                Statement::If { condition, then } => {
                    found.extend(self.nodes.columns(&[*condition]));
                    found.extend(self.section(then));
                }
            }
        }
        found
    }

    fn load(&mut self, columns: &BTreeSet<u32>, mask: &str, loaded: &mut BTreeSet<u32>) {
        let wanted: Vec<u32> = columns.difference(loaded).copied().collect();
        if wanted.is_empty() {
            return;
        }
        self.writer.open(format!("if ({mask})"));
        for column in wanted {
            let words = self.column_words(column);
            if self.pipeline.columns[column as usize].ty == Type::Bool {
                self.writer.line(format!("c{column} = load_bits<ITEMS>(chunk[{}], row);", words.0));
            } else if let Some(bytes) = words.1 {
                self.writer.line(format!("c{column}.load(chunk[{}], chunk[{bytes}], row, rows);", words.0));
            } else {
                self.writer.line(format!("c{column}.load(chunk[{}], row);", words.0));
            }
            if let Some(validity) = words.2 {
                self.writer.line(format!("k{column} = load_validity<ITEMS>(chunk[{validity}], row);"));
            }
            loaded.insert(column);
        }
        self.writer.close();
    }

    /// Declares the registers of every column.
    pub(super) fn declare_columns(&mut self) {
        for (at, column) in self.pipeline.columns.iter().enumerate() {
            if column.ty == Type::Bool {
                self.writer.line(format!("u32 c{at} = 0;"));
            } else if column.ty == Type::Text {
                self.writer.line(format!("Texts<ITEMS> c{at};"));
            } else {
                self.writer.line(format!("Rows<{}, ITEMS> c{at};", type_name(column.ty)));
            }
            if column.nullable {
                self.writer.line(format!("u32 k{at} = 0;"));
            }
        }
    }
}
