//! A join in a row program: how a row finds its partners, and what becomes of it then.
//!
//! A partner is a row of the build side, by its number; its columns are tables. Where a key has one row at most, the number is
//! looked up; where it may have several, a loop goes through them. Which it is shows when the build side has run.

use std::rc::Rc;
use std::sync::Arc;

use datafusion::physical_expr::PhysicalExpr;
use warpwise_gpu::join::{Form, Index, Order};
use warpwise_gpu::program::builder::power_of_ten;
use warpwise_gpu::program::{
    Arithmetic, Bounds, Comparison, Expr, ExprId, Fault, LoopId, LoopKind, Scalar, Sink, Table, TableId, Type,
};

use super::arithmetic::scale;
use super::built::{Built, Found, Key};
use super::lower::{Around, Made, Present, Shape};
use super::order::Tests;
use super::plan::{Join, JoinKind, Joined};
use super::refusal::Refusal;
use super::scope::{Lowering, Scope, Slot};
use super::value::{Kind, Value};

/// The most values of which it is kept whether they are there.
const MOST_PRESENT: i128 = 1 << 28;

/// The rows of a build side that a row has met.
#[derive(Debug)]
pub struct Partner {
    built: Arc<Built>,
    /// Its number; NULL where there is none.
    row: ExprId,
    /// The columns that are read.
    tables: Vec<Option<TableId>>,
    /// By what it is told from all other rows of its side: nodes, and the columns that equal them. Nothing where there may be no
    /// such row.
    told_by: Option<Vec<(ExprId, usize)>>,
}

impl Partner {
    /// The node of its number.
    pub fn row(&self) -> ExprId {
        self.row
    }

    /// By what it is told from others, if it is there in any case.
    pub fn told_by(&self) -> Option<&[(ExprId, usize)]> {
        self.told_by.as_deref()
    }

    /// The columns that are read.
    pub fn read(&self) -> Vec<usize> {
        (0..self.tables.len()).filter(|at| self.tables[*at].is_some()).collect()
    }

    /// A column, and what it lies in.
    pub fn column(&self, at: usize) -> (Arc<Table>, Option<Bounds>) {
        (Arc::clone(&self.built.columns[at].table), self.built.columns[at].range)
    }

    /// How a column is read.
    pub fn kind(&self, at: usize) -> Option<&Kind> {
        self.built.columns.get(at).map(|column| &column.kind)
    }
}

/// How partners are found.
enum Met {
    /// Whether there is one: a `bool`, or NULL.
    Exists(ExprId),
    /// At most one: its number, or NULL.
    One(ExprId),
    /// At most one: whether there is, and its number, which is not asked for otherwise.
    Tested(ExprId, ExprId),
    /// Numbers from one on and below another; those of rows, or of places in a table of rows.
    Several(ExprId, ExprId, Option<Arc<Table>>),
}

/// A key of a row.
struct Wanted {
    /// As it is compared; NULL where no row of the build side can have it.
    node: ExprId,
    /// As the row has it.
    own: ExprId,
}

impl Lowering<'_> {
    /// Lowers a join over the columns of `scope`; `around` takes what stands around all that follows.
    pub fn join(
        &mut self,
        join: &Join,
        built: &Arc<Built>,
        scope: &Rc<Scope>,
        around: &mut Vec<Around>,
    ) -> Result<Rc<Scope>, Refusal> {
        let what = || format!("{} join", join.kind.name());
        let mut keys = Vec::new();
        for (at, (expr, _)) in join.on.iter().enumerate() {
            let value = self.expr(expr, scope)?;
            let Some(key) = built.found.as_ref().and_then(|found| found.keys.get(at)) else {
                return Err(Refusal::new(what(), "it has other keys than its build side"));
            };
            let node = self.key(&value, key, expr)?;
            keys.push(Wanted { node, own: value.node });
        }
        if join.kind == JoinKind::NullAwareAnti {
            if built.found.as_ref().is_some_and(|found| found.grouped.has_null) {
                // Nothing is known not to be among values of which one is unknown.
                around.push(Around::If(self.b.boolean(false)));
            } else if built.rows > 0 {
                for key in keys.iter().filter(|key| self.b.ty(key.own).nullable).map(|key| key.own).collect::<Vec<_>>() {
                    let null = self.b.push(Expr::IsNull(key));
                    around.push(Around::If(self.b.not(null)));
                }
            }
        }
        let demanded = matches!(join.kind, JoinKind::Inner | JoinKind::Semi);
        if demanded {
            self.each_alone(join, built, &keys, scope, around);
        }
        let first = around.len();
        let met = self.met(join, built, &keys, if demanded { Some(around) } else { None });
        let mut mark = None;
        match (join.kind, met) {
            (JoinKind::Inner | JoinKind::Semi, Met::Tested(test, row)) => {
                around.push(Around::If(test));
                let place = self.met_row(built, row);
                // Where a key says whether its row counts, that is tested already.
                if built.passing.as_ref().is_none_or(|passing| passing.keys.is_none()) {
                    around.extend(self.counts().map(Around::If));
                }
                self.as_one(first, join, built, &keys, scope, Some(place), around);
                if !join.on.is_empty() && !join.null_equals_null {
                    let told_by = join.on.iter().zip(&keys).map(|((_, column), key)| (key.own, *column)).collect();
                    self.partners[place].told_by = Some(told_by);
                }
                let residual = self.condition(join, scope)?;
                around.extend(residual.into_iter().map(Around::If));
            }
            (JoinKind::Inner, Met::Several(from, to, rows)) => {
                let (id, row) = self.turn(LoopKind::Each, built, rows);
                around.push(Around::Loop { id, from, to, kind: LoopKind::Each, condition: None });
                self.met_row(built, row);
                let residual = self.residual(join, scope)?;
                around.extend(residual.into_iter().map(Around::If));
            }
            (JoinKind::Full, _) if !built.foreseen => return Err(Refusal::new(what(), "it has no program of its own")),
            (JoinKind::Left | JoinKind::Full, Met::One(row)) => {
                let place = self.met_row(built, row);
                let residual = self.residual(join, scope)?;
                if let Some(condition) = self.together(row, residual) {
                    let otherwise = self.b.null(Type::I32);
                    let row = self.b.push(Expr::Select { condition, then: row, otherwise });
                    self.partners[place].row = row;
                }
            }
            (JoinKind::Left | JoinKind::Full, Met::Several(from, to, rows)) => {
                let (id, row) = self.turn(LoopKind::EachOrNone, built, rows);
                self.met_row(built, row);
                let residual = self.residual(join, scope)?;
                let condition = self.b.all(&residual);
                around.push(Around::Loop { id, from, to, kind: LoopKind::EachOrNone, condition });
            }
            (JoinKind::Semi, Met::Exists(exists)) => {
                around.push(Around::If(exists));
                self.as_one(first, join, built, &keys, scope, None, around);
            }
            (JoinKind::Semi | JoinKind::Anti | JoinKind::NullAwareAnti, Met::Several(from, to, rows)) => {
                let kind = if join.kind == JoinKind::Semi { LoopKind::Any } else { LoopKind::None };
                let (id, row) = self.turn(kind, built, rows);
                self.met_row(built, row);
                let residual = self.residual(join, scope)?;
                let condition = self.b.all(&residual);
                around.push(Around::Loop { id, from, to, kind, condition });
            }
            (JoinKind::Anti | JoinKind::NullAwareAnti, Met::Exists(exists)) => {
                let exists = self.surely(exists);
                around.push(Around::If(self.b.not(exists)));
            }
            (JoinKind::Anti | JoinKind::NullAwareAnti, Met::One(row)) => {
                self.met_row(built, row);
                let exists = self.one_exists(join, row, scope)?;
                around.push(Around::If(self.b.not(exists)));
            }
            (JoinKind::Mark, Met::Exists(exists)) => mark = Some(self.surely(exists)),
            (JoinKind::Mark, Met::One(row)) => {
                self.met_row(built, row);
                mark = Some(self.one_exists(join, row, scope)?);
            }
            (JoinKind::Mark, Met::Several(_, _, rows)) => {
                if !built.foreseen {
                    return Err(Refusal::new(what(), "it has no program of its own"));
                }
                // The other side marks the rows when it runs; what it asks must have a device form.
                let (_, row) = self.turn(LoopKind::Any, built, rows);
                self.met_row(built, row);
                self.residual(join, scope)?;
                mark = Some(self.b.boolean(false));
            }
            (JoinKind::Inner | JoinKind::Left | JoinKind::Full, Met::Exists(_))
            | (JoinKind::Inner | JoinKind::Semi, Met::One(_))
            | (_, Met::Tested(..)) => return Err(Refusal::new(what(), "its rows are found in another way")),
        }
        if join.kind.pairs() {
            let times = built.longest().max(1);
            self.fan_out = self.fan_out.saturating_mul(times);
        }
        self.joined_scope(join, &join.columns, &join.output, scope, mark)
    }

    /// Tests of one key of several: whether any row of the build side has it. They may be asked before the other keys are known.
    fn each_alone(&mut self, join: &Join, built: &Built, keys: &[Wanted], scope: &Rc<Scope>, around: &mut Vec<Around>) {
        let Some(found) = &built.found else { return };
        for (((expr, _), wanted), (key, values)) in join.on.iter().zip(keys).zip(found.keys.iter().zip(&found.each)) {
            let Some((bits, count)) = values else { continue };
            if self.b.can_fault(wanted.own) {
                continue;
            }
            let mut needs = Vec::new();
            scope.partners(expr, &mut needs);
            let mut tests = Vec::new();
            if !self.covered(wanted.node, key) || self.b.ty(wanted.node).nullable {
                tests.push(self.b.in_range(wanted.node, Some(key.range.0), Some(key.range.1)));
            }
            let place = self.place(wanted.node, key.range.0, true);
            let table = self.b.shared_table(Arc::clone(bits));
            tests.push(self.b.push(Expr::Lookup { table, index: place }));
            let domain = self.b.bounds(wanted.own).and_then(|(low, high)| high.checked_sub(low));
            let keep = domain.map_or(1.0, |domain| (*count as f64 / (domain as f64 + 1.0)).min(1.0));
            around.push(Around::Tests(Tests { tests, partner: None, needs, keep, cost: 1.0 }));
        }
    }

    /// Makes the tests of a join one thing, which may be asked before others: where nothing can fail in them.
    #[expect(clippy::too_many_arguments, reason = "they are what the join is lowered with")]
    fn as_one(
        &mut self,
        first: usize,
        join: &Join,
        built: &Built,
        keys: &[Wanted],
        scope: &Rc<Scope>,
        partner: Option<usize>,
        around: &mut Vec<Around>,
    ) {
        if keys.is_empty() || keys.iter().any(|key| self.b.can_fault(key.own)) {
            return;
        }
        let tests = around.drain(first..).filter_map(|around| match around {
            Around::If(test) => Some(test),
            Around::Loop { .. } | Around::Tests(_) => None,
        });
        let tests = tests.collect();
        let mut needs = Vec::new();
        for (expr, _) in &join.on {
            scope.partners(expr, &mut needs);
        }
        let domain = match keys {
            [key] => self.b.bounds(key.own).and_then(|(low, high)| high.checked_sub(low)).map(|size| size as f64 + 1.0),
            _ => None,
        };
        let (keep, cost) = built.selectivity(domain);
        around.push(Around::Tests(Tests { tests, partner, needs, keep, cost }));
    }

    /// The sink that marks the rows that the last join meets.
    pub fn mark(&mut self) -> Result<Shape, Refusal> {
        let Some(partner) = self.partners.last() else { return Err(Refusal::new("marks", "there is no join")) };
        let (at, rows) = (partner.row, partner.built.rows);
        let rows = self.b.parameter(Type::I64, Scalar::Int(rows as i128));
        Ok(Shape {
            sink: Sink::Mark { at, rows },
            made: vec![Made::Column { at: 0, kind: Kind::Boolean }],
            numbered: Vec::new(),
            taking: None,
            sorting: None,
        })
    }

    /// The sink that says which values of a column there are, and what they lie in.
    pub fn present(&mut self, column: usize, scope: &Rc<Scope>) -> Result<(Shape, Present), Refusal> {
        let value = self.column(column, scope)?;
        let refused =
            || Refusal::new(scope.schema.field(column).name(), "its values lie too far from one another for a bit each");
        let (low, high) = self.b.bounds(value.node).filter(|_| Key::is_number(&value.kind)).ok_or_else(refused)?;
        let size = high.checked_sub(low).and_then(|size| size.checked_add(1)).filter(|size| (1..=MOST_PRESENT).contains(size));
        let size = size.ok_or_else(refused)?;
        // The difference fits, as the domain does.
        let wide = self.bare(value.node, Type::I64);
        let by = self.b.parameter_node(Type::I64, Scalar::Int(low));
        let place = self.b.push(Expr::Arithmetic { op: Arithmetic::Subtract, a: wide, b: by, fault: None });
        let at = self.b.push(Expr::Cast { to: Type::I32, a: place, fault: None });
        let rows = self.b.parameter(Type::I64, Scalar::Int(size));
        let made = vec![Made::Column { at: 0, kind: Kind::Boolean }];
        let ty = self.b.ty(value.node).ty;
        Ok((
            Shape { sink: Sink::Mark { at, rows }, made, numbered: Vec::new(), taking: None, sorting: None },
            Present { range: (low, high), kind: value.kind, ty },
        ))
    }

    /// The columns of both sides under the names of a schema.
    fn joined_scope(
        &mut self,
        join: &Join,
        columns: &[Joined],
        schema: &arrow::datatypes::SchemaRef,
        scope: &Rc<Scope>,
        mark: Option<ExprId>,
    ) -> Result<Rc<Scope>, Refusal> {
        let partner = self.partners.len().checked_sub(1);
        let slots = columns.iter().map(|column| match (column, partner, mark) {
            (Joined::Probe(at), _, _) => Ok(Slot::Of(Rc::clone(scope), *at)),
            (Joined::Build(at), Some(partner), _) => Ok(Slot::Partner(partner, *at)),
            (Joined::Mark, _, Some(node)) => Ok(Slot::Known(Value { node, kind: Kind::Boolean })),
            (Joined::Build(_), None, _) | (Joined::Mark, _, None) => {
                Err(Refusal::new(format!("{} join", join.kind.name()), "a column of it is of neither side"))
            }
        });
        Ok(Scope::new(Arc::clone(schema), slots.collect::<Result<_, _>>()?))
    }

    /// Whether the row that was met last is one that counts; `None` where all do.
    fn counts(&mut self) -> Option<ExprId> {
        let partner = self.partners.last()?;
        let (index, passing) = (partner.row, partner.built.passing.clone()?);
        let table = self.b.shared_table(passing.rows);
        Some(self.b.push(Expr::Lookup { table, index }))
    }

    /// The tests that two rows must satisfy besides; none where there are no such.
    fn residual(&mut self, join: &Join, scope: &Rc<Scope>) -> Result<Vec<ExprId>, Refusal> {
        let mut tests: Vec<ExprId> = self.counts().into_iter().collect();
        tests.extend(self.condition(join, scope)?);
        Ok(tests)
    }

    /// Those of the join's own condition alone.
    fn condition(&mut self, join: &Join, scope: &Rc<Scope>) -> Result<Vec<ExprId>, Refusal> {
        let Some(filter) = &join.filter else { return Ok(Vec::new()) };
        let scope = self.joined_scope(join, &filter.columns, &filter.schema, scope, None)?;
        self.conditions(&filter.expr, &scope)
    }

    /// Whether there is a row, and it passes all tests; `None` where there is none to pass.
    fn together(&mut self, row: ExprId, tests: Vec<ExprId>) -> Option<ExprId> {
        let all = self.b.all(&tests)?;
        let there = self.is_there(row);
        // The tests are not made of what is not there.
        Some(self.b.push(Expr::And(there, all)))
    }

    /// Whether the one row that may be met is, and passes the tests; never NULL.
    fn one_exists(&mut self, join: &Join, row: ExprId, scope: &Rc<Scope>) -> Result<ExprId, Refusal> {
        let residual = self.residual(join, scope)?;
        Ok(match self.together(row, residual) {
            Some(both) => self.surely(both),
            None => self.is_there(row),
        })
    }

    /// A condition with false in the place of NULL.
    fn surely(&mut self, condition: ExprId) -> ExprId {
        if !self.b.ty(condition).nullable {
            return condition;
        }
        let no = self.b.boolean(false);
        self.b.push(Expr::Coalesce(condition, no))
    }

    /// A number where it is known not to be NULL, so that its type says so too.
    fn there(&mut self, number: ExprId, any: ExprId) -> ExprId {
        if self.b.ty(number).nullable { self.b.push(Expr::Coalesce(number, any)) } else { number }
    }

    fn is_there(&mut self, row: ExprId) -> ExprId {
        let null = self.b.push(Expr::IsNull(row));
        self.b.not(null)
    }

    /// Remembers the row that is met.
    fn met_row(&mut self, built: &Arc<Built>, row: ExprId) -> usize {
        let tables = vec![None; built.columns.len()];
        self.partners.push(Partner { built: Arc::clone(built), row, tables, told_by: None });
        self.partners.len() - 1
    }

    /// A loop in the making, and the number of the row that it has reached.
    fn turn(&mut self, kind: LoopKind, built: &Built, rows: Option<Arc<Table>>) -> (LoopId, ExprId) {
        let (id, current) = self.b.new_loop(kind);
        self.b.narrow(current, (0, built.rows as i128));
        let row = match rows {
            None => current,
            Some(rows) => {
                let table = self.b.shared_table(rows);
                let row = self.b.push(Expr::Lookup { table, index: current });
                self.b.narrow(row, (0, built.rows as i128));
                row
            }
        };
        (id, row)
    }

    /// A column of a row that was met.
    pub fn partner_column(&mut self, join: usize, column: usize) -> Result<Value, Refusal> {
        let partner = &self.partners[join];
        let Some(found) = partner.built.columns.get(column) else {
            return Err(Refusal::new(format!("column {column}"), "it is not among the build side's columns"));
        };
        let (kind, range, row) = (found.kind.clone(), found.range, partner.row);
        let table = match partner.tables[column] {
            Some(table) => table,
            None => {
                let table = self.b.shared_table(Arc::clone(&found.table));
                self.partners[join].tables[column] = Some(table);
                table
            }
        };
        let node = self.b.push(Expr::Lookup { table, index: row });
        if let Some(range) = range {
            self.b.narrow(node, range);
        }
        Ok(Value { node, kind })
    }

    /// How the partners of these keys are found. `around` takes tests that a row without a partner fails, where such rows do
    /// not go on.
    fn met(&mut self, join: &Join, built: &Arc<Built>, keys: &[Wanted], around: Option<&mut Vec<Around>>) -> Met {
        let pairs = join.kind.pairs() || join.filter.is_some();
        let Some(found) = &built.found else {
            if !pairs {
                return Met::Exists(self.b.boolean(built.rows > 0));
            }
            let from = self.b.constant(Type::I32, 0);
            if !built.foreseen && built.rows == 1 {
                return if around.is_some() { Met::Tested(self.b.boolean(true), from) } else { Met::One(from) };
            }
            let to = self.b.parameter_node(Type::I32, Scalar::Int(built.rows as i128));
            return Met::Several(from, to, None);
        };
        let tested = around.is_some();
        let numbers = self.numbers(found, keys, around);
        match &found.grouped.form {
            Form::Direct { low, numbers: rows, bits, .. } => {
                let Some(number) = numbers.first().copied() else { return Met::Exists(self.b.boolean(false)) };
                let place = self.place(number, *low, tested);
                match (&found.grouped.order, rows) {
                    _ if !pairs => {
                        let table = self.b.shared_table(Arc::clone(bits));
                        Met::Exists(self.b.push(Expr::Lookup { table, index: place }))
                    }
                    (Some(order), _) => self.several(order, place, Type::I64),
                    (None, Some(rows)) => {
                        let table = self.b.shared_table(Arc::clone(rows));
                        let number = self.b.push(Expr::Lookup { table, index: place });
                        self.b.narrow(number, (0, built.rows as i128));
                        let (zero, one) = (self.b.constant(Type::I32, 0), self.b.constant(Type::I32, 1));
                        let less = |this: &mut Self, a| {
                            this.b.push(Expr::Arithmetic { op: Arithmetic::Subtract, a, b: one, fault: None })
                        };
                        let by_key = built.passing.as_ref().and_then(|passing| passing.keys.clone());
                        if tested {
                            let test = match by_key {
                                Some(keys) => {
                                    let table = self.b.shared_table(keys);
                                    self.b.push(Expr::Lookup { table, index: place })
                                }
                                None => self.b.in_range(number, Some(1), None),
                            };
                            let number = self.there(number, one);
                            Met::Tested(test, less(self, number))
                        } else {
                            let number = self.b.push(Expr::NullIf(number, zero));
                            Met::One(less(self, number))
                        }
                    }
                    (None, None) if tested => Met::Tested(self.b.boolean(false), self.b.constant(Type::I32, 0)),
                    (None, None) => Met::One(self.b.null(Type::I32)),
                }
            }
            Form::Hash { index } => {
                let nodes = self.index_keys(found, keys, &numbers, tested);
                let index = self.b.index(Arc::clone(index));
                let number = self.b.probe(index, nodes);
                self.b.narrow(number, (0, built.rows as i128));
                match &found.grouped.order {
                    _ if !pairs => Met::Exists(self.is_there(number)),
                    None if tested => {
                        let test = self.is_there(number);
                        let first = self.b.constant(Type::I32, 0);
                        Met::Tested(test, self.there(number, first))
                    }
                    None => Met::One(number),
                    Some(order) => self.several(order, number, Type::I32),
                }
            }
        }
    }

    /// The rows of the group of a number.
    fn several(&mut self, order: &Order, number: ExprId, ty: Type) -> Met {
        let starts = self.b.shared_table(Arc::clone(&order.starts));
        let one = self.b.constant(ty, 1);
        let next = self.b.push(Expr::Arithmetic { op: Arithmetic::Add, a: number, b: one, fault: None });
        let from = self.b.push(Expr::Lookup { table: starts, index: number });
        let to = self.b.push(Expr::Lookup { table: starts, index: next });
        Met::Several(from, to, order.rows.clone())
    }

    /// A number's distance from the least one, for a lookup: whatever is outside of the table has no partner. `tested`: only
    /// numbers that lie within the table come here.
    fn place(&mut self, key: ExprId, low: i128, tested: bool) -> ExprId {
        let near = |bound: i128| i64::try_from(bound).is_ok_and(|bound| bound.unsigned_abs() < 1 << 62);
        let (least, greatest) = self.b.bounds(key).unwrap_or((i128::MIN, i128::MAX));
        let by = self.b.parameter_node(Type::I64, Scalar::Int(low));
        if tested || (near(least) && near(greatest) && near(low)) {
            let wide = self.bare(key, Type::I64);
            return self.b.push(Expr::Arithmetic { op: Arithmetic::Subtract, a: wide, b: by, fault: None });
        }
        // Nothing that is subtracted may pass 64 bits.
        let condition = self.b.in_range(key, Some(low), Some(low.saturating_add(i32::MAX.into())));
        let wide = self.bare(key, Type::I64);
        let then = self.b.push(Expr::Arithmetic { op: Arithmetic::Subtract, a: wide, b: by, fault: None });
        let otherwise = self.b.constant(Type::I64, -1);
        self.b.push(Expr::Select { condition, then, otherwise })
    }

    /// A number, or a `bool`, as another integer, which the caller knows to hold it.
    fn bare(&mut self, node: ExprId, to: Type) -> ExprId {
        if self.b.ty(node).ty == to { node } else { self.b.push(Expr::Cast { to, a: node, fault: None }) }
    }

    /// The keys that are numbers, or the one number that all of them are together; nothing in the place of others. Where rows
    /// without a partner do not go on, tests that most of these fail stand in front: from then on a number lies in its range.
    fn numbers(&mut self, found: &Found, keys: &[Wanted], mut around: Option<&mut Vec<Around>>) -> Vec<ExprId> {
        let mut numbers = Vec::new();
        let mut tests = Vec::new();
        for (key, wanted) in found.keys.iter().zip(keys) {
            if !Key::is_number(&key.kind) {
                numbers.push(wanted.node);
                continue;
            }
            // NULL is met where it is a value.
            if !key.null && self.b.ty(wanted.node).ty != Type::Bool {
                let covered = self.covered(wanted.node, key);
                match &mut around {
                    Some(around) if !covered || self.b.ty(wanted.node).nullable => {
                        around.push(Around::If(self.b.in_range(wanted.node, Some(key.range.0), Some(key.range.1))));
                    }
                    None if !covered && found.packed => {
                        tests.push(self.b.in_range(wanted.node, Some(key.range.0), Some(key.range.1)));
                    }
                    Some(_) | None => {}
                }
            }
            numbers.push(if found.packed { self.distance(wanted, key, &mut tests) } else { wanted.node });
        }
        if found.packed {
            let all = numbers
                .into_iter()
                .reduce(|all, node| self.b.push(Expr::Arithmetic { op: Arithmetic::Add, a: all, b: node, fault: None }));
            let mut all = all.unwrap_or_else(|| self.b.null(Type::I64));
            if let Some(condition) = self.b.all(&tests) {
                let otherwise = self.b.null(Type::I64);
                all = self.b.push(Expr::Select { condition, then: all, otherwise });
            }
            numbers = vec![all];
        }
        if let (Some(bits), Some(around), [number]) = (&found.bits, around, numbers.as_slice()) {
            let low = if found.packed { 0 } else { found.keys.first().map_or(0, |key| key.range.0) };
            let place = self.place(*number, low, true);
            let table = self.b.shared_table(Arc::clone(bits));
            around.push(Around::If(self.b.push(Expr::Lookup { table, index: place })));
        }
        numbers
    }

    /// Whether all that a node can be lies within a key's range.
    fn covered(&self, node: ExprId, key: &Key) -> bool {
        self.b.bounds(node).is_some_and(|(least, greatest)| key.range.0 <= least && greatest <= key.range.1)
    }

    /// A packed key's part: its distance from the least value, by its stride. NULL, where it is a value, stands behind the
    /// greatest.
    fn distance(&mut self, wanted: &Wanted, key: &Key, tests: &mut Vec<ExprId>) -> ExprId {
        let (low, high) = key.range;
        let wide = self.bare(wanted.node, Type::I64);
        let by = self.b.parameter_node(Type::I64, Scalar::Int(low));
        let mut distance = self.b.push(Expr::Arithmetic { op: Arithmetic::Subtract, a: wide, b: by, fault: None });
        if key.null {
            let null = self.b.push(Expr::IsNull(wanted.own));
            if self.b.ty(wanted.node).ty != Type::Bool {
                let inside = self.b.in_range(wanted.node, Some(low), Some(high));
                tests.push(self.b.push(Expr::Or(null, inside)));
            }
            let behind = self.b.parameter_node(Type::I64, Scalar::Int(high - low + 1));
            distance = self.b.push(Expr::Select { condition: null, then: behind, otherwise: distance });
        }
        let stride = self.b.parameter_node(Type::I64, Scalar::Int(key.stride.into()));
        self.b.push(Expr::Arithmetic { op: Arithmetic::Multiply, a: distance, b: stride, fault: None })
    }

    /// The keys as the index has them.
    fn index_keys(&mut self, found: &Found, keys: &[Wanted], numbers: &[ExprId], tested: bool) -> Vec<ExprId> {
        if found.packed {
            return numbers.to_vec();
        }
        let mut nodes = Vec::new();
        for ((key, wanted), number) in found.keys.iter().zip(keys).zip(numbers) {
            let mut node = *number;
            if Key::is_number(&key.kind) {
                let inside = tested && !key.null && key.ty != Type::Bool;
                node = if inside { self.bare(node, key.ty) } else { self.fitted(node, key.ty) };
            }
            if key.null {
                // What is NULL because no stored key equals it stays NULL.
                let null = self.b.push(Expr::IsNull(wanted.own));
                let then = self.zero(key.ty);
                node = self.b.push(Expr::Select { condition: null, then, otherwise: node });
                nodes.extend([node, null]);
            } else {
                nodes.push(node);
            }
        }
        nodes
    }

    fn zero(&mut self, ty: Type) -> ExprId {
        match ty {
            Type::Bool => self.b.boolean(false),
            Type::Text => self.b.parameter_node(Type::Text, Scalar::Text("".into())),
            Type::F64 => self.b.parameter_node(Type::F64, Scalar::F64(0.0)),
            ty => self.b.constant(ty, 0),
        }
    }

    /// A number as a type; NULL where it does not fit.
    fn fitted(&mut self, node: ExprId, ty: Type) -> ExprId {
        if self.b.ty(node).ty == ty || ty == Type::Bool {
            return node;
        }
        let Some((least, greatest)) = ty.range() else { return self.b.cast(node, ty, None) };
        let fits = self.b.bounds(node).is_some_and(|(low, high)| least <= low && high <= greatest);
        if fits {
            return self.b.cast(node, ty, None);
        }
        let condition = self.b.in_range(node, Some(least), Some(greatest));
        let then = self.b.push(Expr::Cast { to: ty, a: node, fault: None });
        let otherwise = self.b.null(ty);
        self.b.push(Expr::Select { condition, then, otherwise })
    }

    /// A row's value as the build side's key is stored; NULL where no stored key equals it.
    fn key(&mut self, value: &Value, key: &Key, expr: &Arc<dyn PhysicalExpr>) -> Result<ExprId, Refusal> {
        let refused = || {
            let missing = format!("a join of {} with {} has no device form", value.kind.name(), key.kind.name());
            Refusal::new(expr, missing)
        };
        if self.b.is_null_constant(value.node) {
            return Ok(self.b.null(if Key::is_number(&key.kind) && key.ty != Type::Bool { Type::I32 } else { key.ty }));
        }
        match (&value.kind, &key.kind) {
            (Kind::Boolean, Kind::Boolean) | (Kind::Date, Kind::Date) => Ok(value.node),
            (Kind::Float, Kind::Float) => Ok(self.b.cast(value.node, Type::F64, None)),
            (Kind::Integer | Kind::Decimal { .. }, Kind::Integer | Kind::Decimal { .. }) => {
                let (from, to) = (scale(&value.kind), scale(&key.kind));
                let factor = |digits: u32| power_of_ten(digits).ok_or_else(refused);
                if to >= from {
                    self.times(value.node, factor(to - from)?, 1)
                } else {
                    self.times(value.node, 1, factor(from - to)?)
                }
                .ok_or_else(refused)
            }
            (Kind::Timestamp { unit: from, tick: x, zoned: p }, Kind::Timestamp { unit: to, tick: y, zoned: q })
                if x == y && p == q =>
            {
                if from % to == 0 {
                    self.times(value.node, from / to, 1).ok_or_else(refused)
                } else if to % from == 0 {
                    self.times(value.node, 1, to / from).ok_or_else(refused)
                } else {
                    self.times(value.node, *from, *to).ok_or_else(refused)
                }
            }
            (Kind::Text(own), Kind::Text(words)) => {
                if own.same(words) {
                    return Ok(value.node);
                }
                let places = words.places(own);
                let table = Table::integers(Type::I32, true, places.into_iter().map(|place| place.map(i128::from)));
                let table = self.b.table(table);
                Ok(self.b.push(Expr::Lookup { table, index: value.node }))
            }
            (Kind::Plain { .. }, Kind::Text(words)) => {
                let index = key.words.get_or_init(|| Index::of_rows(&[&words.column()]).ok().map(Arc::new));
                let index = self.b.index(index.clone().ok_or_else(refused)?);
                let code = self.b.probe(index, vec![value.node]);
                self.b.narrow(code, (0, words.len() as i128));
                Ok(code)
            }
            (Kind::Text(_) | Kind::Plain { .. }, Kind::Plain { .. }) => self.spelled(value, expr),
            (_, _) => Err(refused()),
        }
    }

    /// `a * up / down`; NULL where that is no whole number, or beyond 128 bits.
    fn times(&mut self, a: ExprId, up: i128, down: i128) -> Option<ExprId> {
        let mut node = a;
        if up != 1 {
            let wide =
                self.b.bounds(a).is_some_and(|(low, high)| low.checked_mul(up).is_some() && high.checked_mul(up).is_some());
            let ty = if wide { self.b.arithmetic_type(a) } else { Type::I128 };
            node = if wide {
                let factor = self.whole(up);
                self.b.integers(Arithmetic::Multiply, a, factor, Type::I128, Fault::NumericRange)
            } else {
                let condition = self.b.in_range(a, Some(i128::MIN / up), Some(i128::MAX / up));
                let factor = self.b.constant(ty, up);
                let wide = self.b.cast(a, ty, None);
                let then = self.b.push(Expr::Arithmetic { op: Arithmetic::Multiply, a: wide, b: factor, fault: None });
                let otherwise = self.b.null(ty);
                self.b.push(Expr::Select { condition, then, otherwise })
            };
        }
        if down != 1 {
            let divisor = self.whole(down);
            let fault = Fault::NumericRange;
            let rest = self.b.integers(Arithmetic::Remainder, node, divisor, Type::I128, fault);
            let zero = self.b.constant(self.b.ty(rest).ty, 0);
            let condition = self.b.compare(Comparison::Equal, rest, zero);
            let then = self.b.integers(Arithmetic::Divide, node, divisor, Type::I128, fault);
            let otherwise = self.b.null(self.b.ty(then).ty);
            node = self.b.push(Expr::Select { condition, then, otherwise });
        }
        Some(node)
    }

    fn whole(&mut self, value: i128) -> ExprId {
        let ty = if value <= i32::MAX.into() {
            Type::I32
        } else if value <= i64::MAX.into() {
            Type::I64
        } else {
            Type::I128
        };
        self.b.constant(ty, value)
    }
}
