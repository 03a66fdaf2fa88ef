//! Names in a lowering: what the columns of a plan's node are in the program.
//!
//! A projection costs nothing: its expressions are lowered where something asks for them, once each, and what nothing asks
//! for may be beyond the device.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use warpwise_gpu::program::{Builder, DatePart, ExprId, TableId};

use super::probe::Partner;
use super::refusal::Refusal;
use super::value::{InputColumn, Value};
use super::words::Words;

/// What a column of a plan's node is.
#[derive(Debug, Clone)]
pub enum Slot {
    /// A column of the input.
    Input(usize),
    /// An expression over the columns below.
    Computed(Arc<dyn PhysicalExpr>, Rc<Scope>),
    /// A column below, passed on.
    Of(Rc<Scope>, usize),
    /// A column of a join's partner: which of the [lowered joins](Lowering::partners), and which column.
    Partner(usize, usize),
    /// What is lowered already.
    Known(Value),
}

/// The columns of one plan's node.
#[derive(Debug)]
pub struct Scope {
    /// Their names and SQL types.
    pub schema: SchemaRef,
    slots: Vec<Slot>,
    lowered: RefCell<Vec<Option<Value>>>,
}

impl Scope {
    /// A scope of slots.
    pub fn new(schema: SchemaRef, slots: Vec<Slot>) -> Rc<Self> {
        let lowered = RefCell::new(vec![None; slots.len()]);
        Rc::new(Self { schema, slots, lowered })
    }

    /// The columns of an input.
    pub fn of_inputs(schema: SchemaRef, inputs: &[usize]) -> Rc<Self> {
        Self::new(schema, inputs.iter().map(|at| Slot::Input(*at)).collect())
    }

    /// Some of the columns, in another order.
    pub fn projected(&self, schema: SchemaRef, columns: &[usize]) -> Rc<Self> {
        Self::new(schema, columns.iter().map(|at| self.slots[*at].clone()).collect())
    }

    /// Adds the partners of joins whose columns an expression over this scope reads.
    pub fn partners(&self, expr: &Arc<dyn PhysicalExpr>, found: &mut Vec<usize>) {
        let _ = expr.apply(|inner| {
            match inner.downcast_ref::<Column>().and_then(|column| self.slots.get(column.index())) {
                Some(Slot::Partner(partner, _)) => found.push(*partner),
                Some(Slot::Computed(expr, below)) => below.partners(expr, found),
                Some(Slot::Of(below, index)) => {
                    let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new("", *index));
                    below.partners(&column, found);
                }
                Some(Slot::Input(_) | Slot::Known(_)) | None => {}
            }
            Ok(TreeNodeRecursion::Continue)
        });
    }

    /// The expression that a column is, and the columns that it is over; `None` of what is no expression.
    pub fn computed(&self, index: usize) -> Option<(&Arc<dyn PhysicalExpr>, &Rc<Self>)> {
        match self.slots.get(index)? {
            Slot::Computed(expr, below) => Some((expr, below)),
            Slot::Of(below, index) => below.computed(*index),
            Slot::Input(_) | Slot::Partner(..) | Slot::Known(_) => None,
        }
    }
}

/// A pipeline that is being lowered.
pub struct Lowering<'a> {
    /// The program so far.
    pub b: Builder,
    /// What can be read.
    pub inputs: &'a [InputColumn],
    /// Inputs that are read, in the order of the program's columns.
    pub used: Vec<usize>,
    /// Dictionaries whose texts are there to be looked up.
    pub entries: Vec<(Arc<Words>, TableId)>,
    /// Whether what is known of columns is what lies in them; else it is their types alone.
    pub certain: bool,
    /// Parts of days that were tabulated.
    pub parts: HashMap<(DatePart, ExprId), ExprId>,
    /// The joins that were lowered, with the rows that they found.
    pub partners: Vec<Partner>,
    /// How many rows one row becomes at most.
    pub fan_out: u64,
    values: Vec<Option<Value>>,
}

impl<'a> Lowering<'a> {
    /// An empty program over these inputs.
    pub fn new(inputs: &'a [InputColumn]) -> Self {
        Self {
            b: Builder::new(),
            inputs,
            used: Vec::new(),
            entries: Vec::new(),
            certain: false,
            parts: HashMap::new(),
            partners: Vec::new(),
            fan_out: 1,
            values: vec![None; inputs.len()],
        }
    }

    /// A column of a scope.
    pub fn column(&mut self, index: usize, scope: &Rc<Scope>) -> Result<Value, Refusal> {
        let Some(slot) = scope.slots.get(index) else {
            return Err(Refusal::new(format!("column {index}"), "it is not among the input's columns"));
        };
        if let Some(known) = &scope.lowered.borrow()[index] {
            return Ok(known.clone());
        }
        let value = match slot {
            Slot::Input(at) => self.input(*at)?,
            Slot::Computed(expr, below) => self.expr(expr, below)?,
            Slot::Of(below, index) => self.column(*index, below)?,
            Slot::Partner(join, column) => self.partner_column(*join, *column)?,
            Slot::Known(value) => value.clone(),
        };
        scope.lowered.borrow_mut()[index] = Some(value.clone());
        Ok(value)
    }

    /// A column of the input; it is read from now on.
    pub fn input(&mut self, at: usize) -> Result<Value, Refusal> {
        if let Some(known) = &self.values[at] {
            return Ok(known.clone());
        }
        let input = &self.inputs[at];
        if let Some(why) = &input.refused {
            return Err(Refusal::new(&input.name, why.clone()));
        }
        if let Some(formula) = &input.formula {
            let value = self.formula(formula)?;
            self.values[at] = Some(value.clone());
            return Ok(value);
        }
        let (_, node) = self.b.column(input.ty, input.range);
        self.used.push(at);
        let value = Value { node, kind: input.kind.clone() };
        self.values[at] = Some(value.clone());
        Ok(value)
    }
}
