//! One compiled loop while it is being written: its builder, the values that are known, and its faults.

use std::collections::HashMap;
use std::mem::offset_of;

use cranelift::codegen::ir::{FuncRef, StackSlot};
use cranelift::prelude::*;

use super::context::{ColumnView, Context, IndexView, TableView};
use super::module::Imports;
use crate::codegen::analysis::Facts;
use crate::primitive::Primitive;
use crate::program::statement::depths;
use crate::program::{ExprId, Fault, LoopId, Pipeline, Type as Ty};

/// A node's value in registers. `bool` is 0 or 1 in 8 bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    /// What it is where it is not NULL; anything of its type where it is.
    pub value: Value,
    /// 1 where it is not NULL; `None` where it never is.
    pub valid: Option<Value>,
}

/// The parts of an index, in registers.
#[derive(Debug, Clone, Copy)]
pub(super) struct IndexParts {
    pub slots: Value,
    pub shift: Value,
    pub mask: Value,
    pub index: Value,
}

/// What a loop is of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub pipeline: &'a Pipeline,
    pub facts: &'a Facts,
    /// The nodes whose values a loop in front of it kept, row by row.
    pub kept: &'a [ExprId],
}

/// A loop over the rows of a list.
pub(super) struct Loop<'a, 'f> {
    pub b: FunctionBuilder<'f>,
    pub pipeline: &'a Pipeline,
    pub facts: &'a Facts,
    imports: &'a mut Imports,
    /// The context's address.
    pub context: Value,
    /// The first of the list's rows.
    rows: Value,
    /// How many rows the list has.
    pub count: Value,
    /// What the kind of loop takes besides.
    pub extra: Value,
    /// The row, within its block.
    pub row: Value,
    known: HashMap<ExprId, Held>,
    order: Vec<ExprId>,
    bases: HashMap<(u32, bool), Value>,
    scalars: HashMap<u32, Value>,
    tables: HashMap<u32, (Value, Value, Value)>,
    /// What texts of columns, and of tables, lead into.
    texts: HashMap<(u32, bool), Value>,
    indexes: HashMap<u32, IndexParts>,
    /// Where the numbers of loops around are, row by row.
    numbers: HashMap<LoopId, Value>,
    /// Where the values of nodes are that a loop in front of this one kept.
    kept: HashMap<ExprId, Value>,
    functions: HashMap<Primitive, FuncRef>,
    faults: HashMap<u32, Block>,
    out: Option<StackSlot>,
    next: Block,
    body: Block,
    exit: Block,
    /// The address in the list.
    at: Variable,
    /// Where the list ends.
    past: Value,
}

/// An address that is there and does not change while the loop runs.
pub(super) fn fixed() -> MemFlagsData {
    MemFlagsData::new().with_notrap().with_readonly().with_can_move()
}

/// An address that is there.
pub(super) fn plain() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

/// The type of the register that holds a value.
pub(super) fn register(ty: Ty) -> Type {
    match ty {
        Ty::Bool | Ty::I8 | Ty::U8 => types::I8,
        Ty::I16 | Ty::U16 => types::I16,
        Ty::I32 | Ty::U32 => types::I32,
        Ty::I64 => types::I64,
        Ty::I128 | Ty::Text => types::I128,
        Ty::F32 => types::F32,
        Ty::F64 => types::F64,
    }
}

/// Whether a type has a sign.
pub(super) fn is_signed(ty: Ty) -> bool {
    match ty {
        Ty::I8 | Ty::I16 | Ty::I32 | Ty::I64 | Ty::I128 => true,
        Ty::Bool | Ty::U8 | Ty::U16 | Ty::U32 | Ty::F32 | Ty::F64 | Ty::Text => false,
    }
}

impl<'a, 'f> Loop<'a, 'f> {
    /// Opens a function of the signature [`RowLoop`](super::context::RowLoop), and loads what the nodes below `roots` need
    /// of the block. Until [`Loop::begin`] the code runs once.
    pub fn open(
        mut b: FunctionBuilder<'f>,
        Scope { pipeline, facts, kept }: Scope<'a>,
        imports: &'a mut Imports,
        roots: &[ExprId],
    ) -> Self {
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        let [context, rows, count, extra] = *b.block_params(entry) else { unreachable!("a row loop has four arguments") };
        let (body, next, exit) = (b.create_block(), b.create_block(), b.create_block());
        let at = b.declare_var(types::I64);
        let mut this = Self {
            b,
            pipeline,
            facts,
            imports,
            context,
            rows,
            count,
            extra,
            row: context,
            known: HashMap::new(),
            order: vec![],
            bases: HashMap::new(),
            scalars: HashMap::new(),
            tables: HashMap::new(),
            texts: HashMap::new(),
            indexes: HashMap::new(),
            numbers: HashMap::new(),
            kept: HashMap::new(),
            functions: HashMap::new(),
            faults: HashMap::new(),
            out: None,
            next,
            body,
            exit,
            at,
            past: context,
        };
        this.load_inputs(roots, kept);
        this
    }

    /// Loads addresses and parameters once, in front of the loop.
    fn load_inputs(&mut self, roots: &[ExprId], kept: &[ExprId]) {
        let mut wanted: Vec<ExprId> = roots.to_vec();
        let mut done = vec![false; self.pipeline.exprs.len()];
        let (mut columns, mut scalars, mut tables, mut indexes, mut loops) = (vec![], vec![], vec![], vec![], vec![]);
        while let Some(id) = wanted.pop() {
            if std::mem::replace(&mut done[id.0 as usize], true) {
                continue;
            }
            if let Some(at) = kept.iter().position(|other| *other == id) {
                let lists = self.field(offset_of!(Context, kept), types::I64);
                let list = self.b.ins().load(types::I64, fixed(), lists, at as i32 * 8);
                self.kept.insert(id, list);
                continue;
            }
            let expr = self.pipeline.expr(id);
            use crate::program::Expr;
            match expr {
                Expr::Column(column) => columns.push(column.0),
                Expr::Parameter(parameter) => scalars.push(parameter.0),
                Expr::InRange { low, high, .. } => scalars.extend([low.0, high.0]),
                Expr::Member { table, .. } | Expr::Lookup { table, .. } | Expr::Place { table, .. } => tables.push(table.0),
                Expr::Constant { .. }
                | Expr::Arithmetic { .. }
                | Expr::Negate { .. }
                | Expr::Compare { .. }
                | Expr::Not(_)
                | Expr::And(..)
                | Expr::Or(..)
                | Expr::IsNull(_)
                | Expr::IsDistinct(..)
                | Expr::Select { .. }
                | Expr::Coalesce(..)
                | Expr::NullIf(..)
                | Expr::Cast { .. }
                | Expr::DatePart { .. }
                | Expr::AddMonths { .. }
                | Expr::TextLength { .. }
                | Expr::TextMatch { .. }
                | Expr::TextPosition { .. }
                | Expr::TextSlice { .. }
                | Expr::TextTrim { .. }
                | Expr::Math { .. }
                | Expr::MathPair { .. }
                | Expr::Bits { .. } => {}
                Expr::Probe { index, .. } => indexes.push(index.0),
                Expr::Current(id) => loops.push(*id),
            }
            wanted.extend(expr.operands());
        }
        if !columns.is_empty() {
            let views = self.field(offset_of!(Context, columns), types::I64);
            for column in columns {
                let at = column as usize * size_of::<ColumnView>();
                let mut load = |offset: usize| self.b.ins().load(types::I64, fixed(), views, (at + offset) as i32);
                self.bases.insert((column, false), load(offset_of!(ColumnView, values)));
                if self.pipeline.columns[column as usize].ty == Ty::Text {
                    self.texts.insert((column, false), load(offset_of!(ColumnView, bytes)));
                }
                if self.pipeline.columns[column as usize].nullable {
                    self.bases.insert((column, true), load(offset_of!(ColumnView, validity)));
                }
            }
        }
        if !scalars.is_empty() {
            let values = self.field(offset_of!(Context, parameters), types::I64);
            for parameter in scalars {
                let ty = register(self.pipeline.parameters[parameter as usize]);
                let value = self.b.ins().load(ty, fixed(), values, parameter as i32 * 16);
                self.scalars.insert(parameter, value);
            }
        }
        if !tables.is_empty() {
            let views = self.field(offset_of!(Context, tables), types::I64);
            for table in tables {
                let at = table as usize * size_of::<TableView>();
                let mut load = |offset: usize| self.b.ins().load(types::I64, fixed(), views, (at + offset) as i32);
                let values = load(offset_of!(TableView, values));
                let validity = load(offset_of!(TableView, validity));
                let length = load(offset_of!(TableView, len));
                let bytes = load(offset_of!(TableView, bytes));
                self.tables.insert(table, (values, validity, length));
                self.texts.insert((table, true), bytes);
            }
        }
        if !indexes.is_empty() {
            let views = self.field(offset_of!(Context, indexes), types::I64);
            for index in indexes {
                let at = index as usize * size_of::<IndexView>();
                let mut load = |offset: usize| self.b.ins().load(types::I64, fixed(), views, (at + offset) as i32);
                let parts = IndexParts {
                    slots: load(offset_of!(IndexView, slots)),
                    shift: load(offset_of!(IndexView, shift)),
                    mask: load(offset_of!(IndexView, mask)),
                    index: load(offset_of!(IndexView, index)),
                };
                self.indexes.insert(index, parts);
            }
        }
        if !loops.is_empty() {
            let depths = depths(&self.pipeline.body);
            let lists = self.field(offset_of!(Context, numbers), types::I64);
            for id in loops {
                let at = depths.get(&id).map_or(0, |depth| *depth) * 8;
                let list = self.b.ins().load(types::I64, fixed(), lists, at as i32);
                self.numbers.insert(id, list);
            }
        }
    }

    /// Begins the loop: what follows runs for every row of the list.
    pub fn begin(&mut self) {
        let bytes = self.b.ins().ishl_imm_u(self.count, 1);
        self.past = self.b.ins().iadd(self.rows, bytes);
        self.begin_at(self.rows, self.count);
    }

    /// The same from a later place of the list on, which is not behind its end.
    pub fn begin_from(&mut self, place: Value) {
        let bytes = self.b.ins().ishl_imm_u(self.count, 1);
        self.past = self.b.ins().iadd(self.rows, bytes);
        let first = self.element(self.rows, place, 2);
        let more = self.b.ins().icmp(IntCC::UnsignedLessThan, first, self.past);
        self.begin_at(first, more);
    }

    fn begin_at(&mut self, first: Value, more: Value) {
        self.b.def_var(self.at, first);
        self.b.ins().brif(more, self.body, &[], self.exit, &[]);
        self.b.switch_to_block(self.body);
        let at = self.b.use_var(self.at);
        self.row = self.b.ins().uload16(types::I64, plain(), at, 0);
    }

    /// Which row of the list it is.
    pub fn place(&mut self) -> Value {
        let at = self.b.use_var(self.at);
        let bytes = self.b.ins().isub(at, self.rows);
        self.b.ins().ushr_imm_u(bytes, 1)
    }

    /// Where the next row begins.
    pub fn next_block(&self) -> Block {
        self.next
    }

    /// Ends the loop: what follows runs once, behind the last row.
    pub fn end(&mut self) {
        self.b.ins().jump(self.next, &[]);
        self.end_from();
    }

    /// The same where the code has gone to the next row already.
    pub fn end_from(&mut self) {
        self.b.switch_to_block(self.next);
        let at = self.b.use_var(self.at);
        let at = self.b.ins().iadd_imm_s(at, 2);
        self.b.def_var(self.at, at);
        let more = self.b.ins().icmp(IntCC::UnsignedLessThan, at, self.past);
        self.b.ins().brif(more, self.body, &[], self.exit, &[]);
        self.b.switch_to_block(self.exit);
        self.known.clear();
        self.order.clear();
    }

    /// Returns `result`, and completes the function.
    pub fn close(mut self, result: Value, config: isa::TargetFrontendConfig) {
        self.b.ins().return_(&[result]);
        for (code, block) in std::mem::take(&mut self.faults) {
            self.b.switch_to_block(block);
            let code = self.b.ins().iconst(types::I64, i64::from(code));
            self.b.ins().store(plain(), code, self.context, offset_of!(Context, fault) as i32);
            let zero = self.b.ins().iconst(types::I64, 0);
            self.b.ins().return_(&[zero]);
        }
        self.b.seal_all_blocks();
        self.b.finalize(config);
    }

    /// A word of the context.
    pub fn field(&mut self, offset: usize, ty: Type) -> Value {
        self.b.ins().load(ty, plain(), self.context, offset as i32)
    }

    /// Writes a word of the context.
    pub fn set_field(&mut self, offset: usize, value: Value) {
        self.b.ins().store(plain(), value, self.context, offset as i32);
    }

    /// The address of a column's values, or of its validity.
    pub fn base(&self, column: u32, validity: bool) -> Value {
        self.bases[&(column, validity)]
    }

    /// A parameter's value.
    pub fn scalar(&self, parameter: u32) -> Value {
        self.scalars[&parameter]
    }

    /// A table's values, validity and length.
    pub fn table(&self, table: u32) -> (Value, Value, Value) {
        self.tables[&table]
    }

    /// An index's parts.
    pub fn index(&self, index: u32) -> IndexParts {
        self.indexes[&index]
    }

    /// Where the numbers of a loop around are.
    pub fn numbers(&self, id: LoopId) -> Value {
        self.numbers[&id]
    }

    /// Where a node's values are that were kept.
    pub fn kept(&self, id: ExprId) -> Option<Value> {
        self.kept.get(&id).copied()
    }

    /// What the texts of a column, or of a table, lead into.
    pub fn text_bytes(&self, id: u32, table: bool) -> Value {
        self.texts[&(id, table)]
    }

    /// What is known of a node here.
    pub fn find(&self, id: ExprId) -> Option<Held> {
        self.known.get(&id).copied()
    }

    /// Keeps a node's value for what this place dominates.
    pub fn keep(&mut self, id: ExprId, held: Held) {
        self.known.insert(id, held);
        self.order.push(id);
    }

    /// A place to come back to with [`Loop::forget`].
    pub fn mark(&self) -> usize {
        self.order.len()
    }

    /// Forgets what was learnt since, in a branch that is left.
    pub fn forget(&mut self, mark: usize) {
        for id in self.order.drain(mark..) {
            self.known.remove(&id);
        }
    }

    /// Leaves the function with a fault where the condition holds.
    pub fn fault_where(&mut self, condition: Value, fault: Fault) {
        let block = match self.faults.get(&(fault as u32)) {
            Some(block) => *block,
            None => {
                let block = self.b.create_block();
                self.b.set_cold_block(block);
                self.faults.insert(fault as u32, block);
                block
            }
        };
        let on = self.b.create_block();
        self.b.ins().brif(condition, block, &[], on, &[]);
        self.b.switch_to_block(on);
    }

    /// Calls a primitive.
    pub fn call(&mut self, primitive: Primitive, arguments: &[Value]) -> Value {
        let function = match self.functions.get(&primitive) {
            Some(function) => *function,
            None => {
                let function = self.imports.function(primitive, self.b.func);
                self.functions.insert(primitive, function);
                function
            }
        };
        let call = self.b.ins().call(function, arguments);
        self.b.inst_results(call)[0]
    }

    /// The slot of 16 bytes for what a primitive writes, and its address.
    pub fn out(&mut self) -> (StackSlot, Value) {
        let slot = match self.out {
            Some(slot) => slot,
            None => {
                let slot = self.b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 16, 4));
                self.out = Some(slot);
                slot
            }
        };
        let address = self.b.ins().stack_addr(types::I64, slot, 0);
        (slot, address)
    }

    /// Bit `index` (64 bits) of the bits at `base`, as 0 or 1 in 8 bits.
    pub fn bit(&mut self, base: Value, index: Value) -> Value {
        let byte = self.b.ins().ushr_imm_u(index, 3);
        let address = self.b.ins().iadd(base, byte);
        let byte = self.b.ins().uload8(types::I32, plain(), address, 0);
        let shift = self.b.ins().ireduce(types::I32, index);
        let shift = self.b.ins().band_imm_u(shift, 7);
        let bit = self.b.ins().ushr(byte, shift);
        let bit = self.b.ins().ireduce(types::I8, bit);
        self.b.ins().band_imm_u(bit, 1)
    }

    /// The address of element `index` (64 bits) of elements of so many bytes.
    pub fn element(&mut self, base: Value, index: Value, bytes: usize) -> Value {
        let offset = if bytes == 1 {
            index
        } else if bytes.is_power_of_two() {
            self.b.ins().ishl_imm_u(index, i64::from(bytes.trailing_zeros()))
        } else {
            self.b.ins().imul_imm_u(index, bytes as i64)
        };
        self.b.ins().iadd(base, offset)
    }

    /// A constant of an integer type, 128 bits too.
    pub fn int(&mut self, ty: Type, value: i128) -> Value {
        if ty == types::I128 {
            let low = self.b.ins().iconst(types::I64, value as i64);
            let high = self.b.ins().iconst(types::I64, (value >> 64) as i64);
            self.b.ins().iconcat(low, high)
        } else {
            // Of a narrower type the builder keeps its bits alone.
            self.b.ins().iconst(ty, value as i64)
        }
    }

    /// Zero of any register type.
    pub fn zero(&mut self, ty: Type) -> Value {
        match ty {
            types::F32 => self.b.ins().f32const(0.0),
            types::F64 => self.b.ins().f64const(0.0),
            _integer => self.int(ty, 0),
        }
    }

    /// `a` where the condition is 1, else `b`. Of 128 bits by halves: Cranelift would make a minimum or maximum of a
    /// comparison and a choice, and has none of that width.
    pub fn choose_value(&mut self, condition: Value, a: Value, b: Value) -> Value {
        if self.b.func.dfg.value_type(a) != types::I128 {
            return self.b.ins().select(condition, a, b);
        }
        let ((a_low, a_high), (b_low, b_high)) = (self.b.ins().isplit(a), self.b.ins().isplit(b));
        let low = self.b.ins().select(condition, a_low, b_low);
        let high = self.b.ins().select(condition, a_high, b_high);
        self.b.ins().iconcat(low, high)
    }

    /// Whether both conditions hold; one that is `None` always does.
    pub fn both(&mut self, a: Option<Value>, b: Option<Value>) -> Option<Value> {
        match (a, b) {
            (Some(a), Some(b)) if a == b => Some(a),
            (Some(a), Some(b)) => Some(self.b.ins().band(a, b)),
            (Some(only), None) | (None, Some(only)) => Some(only),
            (None, None) => None,
        }
    }

    /// `NOT` of 0 or 1.
    pub fn not(&mut self, a: Value) -> Value {
        self.b.ins().bxor_imm_u(a, 1)
    }
}
