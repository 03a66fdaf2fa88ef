//! Random pipelines over random columns.
//!
//! A node without a fault is made only where what is [known](super::known) of its operands proves that it fits, as the host
//! does. Most programs raise nothing, a few may: there, any node may have any operand and a fault. Sums of floats are of
//! numbers that are not negative, so that the order of rows does not show; sums of 128 bits stay far from the end.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Case;
use super::data::{self, ColumnPlan, DATES, Profile};
use super::known::{self, Known};
use super::random::Random;
use crate::column::Chunk;
use crate::interpret::outcome;
use crate::program::verify::{DISTINCT_LIMIT, loops_of_nodes};
use crate::program::{
    Aggregate, AggregateOp, Arithmetic, BitOp, Bits, Block, ColumnId, Comparison, DatePart, Domain, Expr, ExprId, Fault, IndexId,
    IndexType, Key, LoopId, LoopKind, MatchOp, Math, MathPair, Order, ParameterId, Pipeline, Scalar, Sink, Statement, Strategy,
    TableId, TableType, TextUnit, TrimSide, Type, ValueType, Values,
};

/// The most times that a row reaches the sink without loops.
const EMITS: i128 = 2;
/// The most states of a dense group: so many that none of the ways to keep them is left out.
const MOST_STATES: u64 = 1 << 16;

/// A random pipeline with its parameters and input.
pub fn generate(random: &mut Random) -> Case {
    let mut plans: Vec<ColumnPlan> = Vec::new();
    for _ in 0..random.below(7) {
        // Columns of one type have more to do with one another.
        let ty = match plans.last() {
            Some(last) if random.percent(40) => last.ty.ty,
            Some(_) | None => random.pick(&Type::ALL),
        };
        plans.push(ColumnPlan::random(random, ty));
    }
    let chunks = data::chunks(random, &plans);
    let rows = chunks.iter().map(|chunk| chunk.rows as i128).sum();
    let pipeline = Pipeline {
        columns: plans.iter().map(|plan| plan.ty).collect(),
        parameters: Vec::new(),
        tables: Vec::new(),
        indexes: Vec::new(),
        exprs: Vec::new(),
        body: Block::new(),
        sink: Sink::Bitmap,
    };
    let risky = random.percent(40);
    let values = Values::default();
    let (types, known, raising, inexact) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (loops, hidden) = (Vec::new(), BTreeSet::new());
    let mut generator = Generator {
        random,
        pipeline,
        values,
        types,
        known,
        raising,
        inexact,
        loops,
        hidden,
        emits: EMITS,
        risky,
        rows,
        chunks: &chunks,
    };
    for (at, plan) in plans.iter().enumerate() {
        generator.push(Expr::Column(ColumnId(at as u32)), plan.profile.known());
    }
    let wanted = generator.pipeline.exprs.len() + 1 + generator.random.below(28);
    // An attempt may find no operands that fit.
    for _ in 0..200 {
        if generator.pipeline.exprs.len() >= wanted {
            break;
        }
        generator.node();
    }
    generator.loops();
    generator.body();
    generator.sink();
    let (pipeline, values) = (generator.pipeline, generator.values);
    Case { pipeline, values, chunks }
}

struct Generator<'a> {
    random: &'a mut Random,
    pipeline: Pipeline,
    values: Values,
    /// Of every node.
    types: Vec<ValueType>,
    known: Vec<Known>,
    /// Of every node, whether evaluating it may raise a fault.
    raising: Vec<bool>,
    /// Of every node, whether devices may differ in its last digits: what was computed from it could differ in more.
    inexact: Vec<bool>,
    /// The loops, the outer ones first, without their blocks.
    loops: Vec<Statement>,
    /// Nodes that depend on a number that nothing behind its loop sees.
    hidden: BTreeSet<ExprId>,
    /// The most times that a row reaches the sink.
    emits: i128,
    /// Whether nodes may raise faults.
    risky: bool,
    /// How many rows the input has.
    rows: i128,
    chunks: &'a [Chunk],
}

impl Generator<'_> {
    fn push(&mut self, expr: Expr, known: Known) -> ExprId {
        let ty = expr.value_type(&self.pipeline, &self.types);
        let ty = ty.unwrap_or_else(|why| panic!("the generator made a wrong node, {expr:?}: {why}"));
        let raising = expr.can_fault() || expr.operands().iter().any(|id| self.raising[id.0 as usize]);
        self.pipeline.exprs.push(expr);
        self.types.push(ty);
        self.known.push(known);
        self.raising.push(raising);
        self.inexact.push(false);
        ExprId(self.types.len() as u32 - 1)
    }

    /// Whether other nodes may take a node, and statements and the sink.
    fn may_use(&self, id: ExprId) -> bool {
        !self.inexact[id.0 as usize] && !self.hidden.contains(&id)
    }

    fn ty(&self, id: ExprId) -> Type {
        self.types[id.0 as usize].ty
    }

    fn known(&self, id: ExprId) -> Known {
        self.known[id.0 as usize]
    }

    /// A node that this holds of; later ones are as likely as all before them.
    fn find(&mut self, holds: impl Fn(&Self, ExprId) -> bool) -> Option<ExprId> {
        let all: Vec<ExprId> =
            (0..self.types.len() as u32).map(ExprId).filter(|id| self.may_use(*id) && holds(self, *id)).collect();
        let recent = if self.random.percent(60) { all.len().saturating_sub(4) } else { 0 };
        (!all.is_empty()).then(|| {
            let among = &all[recent..];
            self.random.pick(among)
        })
    }

    fn find_type(&mut self, ty: Type) -> Option<ExprId> {
        self.find(|this, id| this.ty(id) == ty)
    }

    /// A `bool`, made where there is none.
    fn boolean(&mut self) -> ExprId {
        let found = self.find_type(Type::Bool);
        found.unwrap_or_else(|| self.constant(Type::Bool))
    }

    fn fault(&mut self) -> Option<Fault> {
        Some(self.random.pick(&Fault::ALL))
    }

    /// A fault where there may be one, and now and then elsewhere; `Err` where the node is not to be made.
    fn guarded(&mut self, may_raise: bool) -> Result<Option<Fault>, ()> {
        match (may_raise, self.risky) {
            (true, false) => Err(()),
            (true, true) => Ok(self.fault()),
            (false, _) => Ok(if self.random.percent(50) { self.fault() } else { None }),
        }
    }

    fn constant(&mut self, ty: Type) -> ExprId {
        let profile = Profile::random(self.random, ty);
        // A text is no structure.
        let none = ty == Type::Text || self.random.percent(15);
        let value = (!none).then(|| profile.value(self.random, ty));
        // Of NULL nothing needs to be known; 1 does no harm.
        let known = value.as_ref().map_or(if ty.is_integer() { Known::int(1, 1) } else { profile.known() }, Known::one);
        self.push(Expr::Constant { ty, value }, known)
    }

    fn parameter(&mut self, ty: Type) -> ParameterId {
        let profile = Profile::random(self.random, ty);
        let value = profile.value(self.random, ty);
        self.parameter_of(ty, value)
    }

    fn parameter_of(&mut self, ty: Type, value: Scalar) -> ParameterId {
        self.pipeline.parameters.push(ty);
        self.values.scalars.push(value);
        ParameterId(self.pipeline.parameters.len() as u32 - 1)
    }

    /// Where values that a node is compared with come from: mostly from among its own.
    fn profile_near(&mut self, id: ExprId) -> Profile {
        match self.known(id) {
            Known::Int { low, high, .. } if self.random.percent(80) => Profile::Between(low, high),
            Known::Float { greatest: Some(_), special } => Profile::Modest { special },
            Known::Bool | Known::Text | Known::Int { .. } | Known::Float { .. } => Profile::random(self.random, self.ty(id)),
        }
    }

    fn table(&mut self, ty: TableType, profile: Profile, ascending: bool) -> (TableId, Known) {
        let values = data::table_values(self.random, ty, profile, ascending);
        self.pipeline.tables.push(ty);
        self.values.tables.push(Arc::new(data::table(ty, &values)));
        // 0 is what stands behind the end.
        let known = match profile.known().or(Known::one(&crate::interpret::zero(ty.element))) {
            Known::Int { low, high, .. } => Known::Int { low, high, nonzero: false },
            other @ (Known::Bool | Known::Text | Known::Float { .. }) => other,
        };
        (TableId(self.pipeline.tables.len() as u32 - 1), known)
    }

    /// Tries to make a node.
    fn node(&mut self) -> Option<ExprId> {
        match self.random.below(34) {
            0 => {
                let ty = self.random.pick(&Type::ALL);
                Some(self.constant(ty))
            }
            1 => {
                let ty = self.random.pick(&Type::ALL);
                let id = self.parameter(ty);
                let known = Known::one(&self.values.scalars[id.0 as usize]);
                Some(self.push(Expr::Parameter(id), known))
            }
            2..=6 => self.arithmetic(),
            7 => {
                let a = self.find(|this, id| this.ty(id).is_arithmetic())?;
                let ty = self.ty(a);
                let zero = Known::int(0, 0);
                let (known, may_raise) = match self.known(a) {
                    known @ Known::Int { .. } => known::arithmetic(Arithmetic::Subtract, zero, known, ty),
                    Known::Bool | Known::Text | Known::Float { .. } => (Known::any(ty), false),
                };
                let fault = self.guarded(may_raise).ok()?;
                Some(self.push(Expr::Negate { a, fault }, known))
            }
            8 | 9 => {
                let (a, b) = self.pair()?;
                let op = self.random.pick(&Comparison::ALL);
                Some(self.push(Expr::Compare { op, a, b }, Known::Bool))
            }
            10 => {
                let a = self.find(|this, id| this.ty(id) != Type::Bool)?;
                let ty = self.ty(a);
                let profile = self.profile_near(a);
                let (low, high) = (profile.value(self.random, ty), profile.value(self.random, ty));
                // A range of nothing now and then.
                let swap = crate::interpret::compare(&low, &high).is_gt() && self.random.percent(90);
                let (low, high) = if swap { (high, low) } else { (low, high) };
                let (low, high) = (self.parameter_of(ty, low), self.parameter_of(ty, high));
                Some(self.push(Expr::InRange { a, low, high }, Known::Bool))
            }
            11 => {
                let a = self.find(|this, id| this.ty(id).is_integer() || this.ty(id) == Type::Text)?;
                let profile = self.profile_near(a);
                let (table, _) = self.table(TableType { element: self.ty(a), nullable: false }, profile, true);
                Some(self.push(Expr::Member { a, table }, Known::Bool))
            }
            12 => self.lookup(),
            13 => {
                let a = self.boolean();
                Some(self.push(Expr::Not(a), Known::Bool))
            }
            14 | 15 => {
                let a = self.boolean();
                let b = self.other(a);
                let joined = if self.random.percent(50) { Expr::And(a, b) } else { Expr::Or(a, b) };
                Some(self.push(joined, Known::Bool))
            }
            16 => {
                let a = self.find(|_, _| true)?;
                Some(self.push(Expr::IsNull(a), Known::Bool))
            }
            17 => {
                let (a, b) = self.pair()?;
                Some(self.push(Expr::IsDistinct(a, b), Known::Bool))
            }
            18 => {
                let condition = self.boolean();
                let (then, otherwise) = self.pair()?;
                let known = self.known(then).or(self.known(otherwise));
                Some(self.push(Expr::Select { condition, then, otherwise }, known))
            }
            19 => {
                let (a, b) = self.pair()?;
                let known = self.known(a).or(self.known(b));
                Some(self.push(Expr::Coalesce(a, b), known))
            }
            20 => {
                let (a, b) = self.pair()?;
                let known = self.known(a);
                Some(self.push(Expr::NullIf(a, b), known))
            }
            21 | 22 => self.cast(),
            23 => self.date(),
            24..=25 => self.math(),
            26 => self.bits(),
            27..=31 => self.string(),
            32 => self.probe(),
            _ => self.place(),
        }
    }

    /// Two nodes of one type.
    fn pair(&mut self) -> Option<(ExprId, ExprId)> {
        let a = self.find(|_, _| true)?;
        Some((a, self.other(a)))
    }

    /// A node of the same type, another one but now and then: made where there is none.
    fn other(&mut self, a: ExprId) -> ExprId {
        let ty = self.ty(a);
        if self.random.percent(5) {
            return a;
        }
        if self.random.percent(80)
            && let Some(found) = self.find(|this, id| this.ty(id) == ty && id != a)
        {
            return found;
        }
        let profile = self.profile_near(a);
        let value = profile.value(self.random, ty);
        let known = Known::one(&value);
        if ty != Type::Text && self.random.percent(50) {
            return self.push(Expr::Constant { ty, value: Some(value) }, known);
        }
        let id = self.parameter_of(ty, value);
        self.push(Expr::Parameter(id), known)
    }

    fn arithmetic(&mut self) -> Option<ExprId> {
        let a = self.find(|this, id| this.ty(id).is_arithmetic())?;
        let ty = self.ty(a);
        let mut b = self.other(a);
        let ops = if ty.is_float() { &Arithmetic::ALL[..4] } else { &Arithmetic::ALL[..] };
        let op = self.random.pick(ops);
        if ty.is_float() {
            let (known, may_raise) = known::arithmetic(op, self.known(a), self.known(b), ty);
            let fault = if self.random.percent(70) { None } else { self.guarded(may_raise).ok()? };
            return Some(self.push(Expr::Arithmetic { op, a, b, fault }, known));
        }
        let divides = !matches!(op, Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply);
        if divides && !self.risky && !matches!(self.known(b), Known::Int { nonzero: true, .. }) {
            // As `a / nullif(b, 0)`.
            let zero = self.push(Expr::Constant { ty, value: Some(Scalar::Int(0)) }, Known::int(0, 0));
            let known = match self.known(b) {
                Known::Int { low, high, .. } => Known::Int { low, high, nonzero: true },
                known @ (Known::Bool | Known::Text | Known::Float { .. }) => known,
            };
            b = self.push(Expr::NullIf(b, zero), known);
        }
        let (known, may_raise) = known::arithmetic(op, self.known(a), self.known(b), ty);
        let fault = self.guarded(may_raise).ok()?;
        Some(self.push(Expr::Arithmetic { op, a, b, fault }, known))
    }

    fn lookup(&mut self) -> Option<ExprId> {
        let index = self.find(|this, id| {
            let not_negative = this.known(id).range().is_some_and(|(low, _)| low >= 0);
            not_negative && this.ty(id) != Type::I128
        })?;
        let element = self.random.pick(&Type::ALL);
        let nullable = self.random.percent(50);
        let profile = Profile::random(self.random, element);
        let (table, known) = self.table(TableType { element, nullable }, profile, false);
        Some(self.push(Expr::Lookup { table, index }, known))
    }

    fn cast(&mut self) -> Option<ExprId> {
        let a = self.find(|_, _| true)?;
        let (from, to) = (self.ty(a), self.random.pick(&Type::ALL));
        if from != to && (to == Type::Bool || from == Type::Text || to == Type::Text || (from == Type::Bool && to.is_float())) {
            return None;
        }
        let (known, may_raise) = match (self.known(a), to.range()) {
            _ if from == to => (self.known(a), false),
            (Known::Bool | Known::Text, _) => (Known::int(0, 1), false),
            (Known::Int { low, high, nonzero }, Some((least, greatest))) => {
                let fits = least <= low && high <= greatest;
                (if fits { Known::Int { low, high, nonzero } } else { Known::any(to) }, !fits)
            }
            (Known::Int { low, high, .. }, None) => {
                let greatest = Some(high as f64 * 1.01).filter(|greatest| low >= 0 && *greatest <= known::MODEST);
                (Known::Float { greatest, special: false }, false)
            }
            (Known::Float { greatest: Some(reach), special: false }, Some((_, greatest))) if reach < greatest as f64 / 2.0 => {
                (Known::int(0, reach as i128 + 1), false)
            }
            (Known::Float { .. }, Some(_)) => (Known::any(to), true),
            (Known::Float { greatest, special }, None) => {
                let narrows = to == Type::F32;
                (Known::Float { greatest, special: special || (narrows && greatest.is_none()) }, narrows)
            }
        };
        let fault = match self.guarded(may_raise) {
            Ok(fault) => fault,
            // Without a fault this cast raises nothing.
            Err(()) if from.is_float() && to.is_float() => None,
            Err(()) => return None,
        };
        let fault = if from.is_float() && to.is_integer() { fault.or(Some(Fault::BigintRange)) } else { fault };
        Some(self.push(Expr::Cast { to, a, fault }, known))
    }

    /// A node of texts.
    fn string(&mut self) -> Option<ExprId> {
        let a = self.find_type(Type::Text)?;
        match self.random.below(8) {
            0 => {
                let unit = self.random.pick(&TextUnit::ALL);
                Some(self.push(Expr::TextLength { a, unit }, Known::int(0, 100_000)))
            }
            1 => {
                let pattern = self.short_text();
                Some(self.push(Expr::TextPosition { a, pattern }, Known::int(0, 100_000)))
            }
            2 => {
                let start = self.number()?;
                let length = if self.random.percent(60) { Some(self.number()?) } else { None };
                let may_raise = length.is_some_and(|length| self.known(length).range().is_none_or(|(low, _)| low < 0));
                if may_raise && !self.risky {
                    return None;
                }
                Some(self.push(Expr::TextSlice { a, start, length }, Known::Text))
            }
            3 => {
                let (side, characters) = (self.random.pick(&TrimSide::ALL), self.short_text());
                Some(self.push(Expr::TextTrim { a, side, characters }, Known::Text))
            }
            _ => {
                let op = self.random.pick(&MatchOp::ALL);
                let like = op == MatchOp::Like;
                let pattern = if like { data::pattern(self.random) } else { data::text(self.random).chars().take(2).collect() };
                let ignore_case = pattern.is_ascii() && self.random.percent(30);
                let pattern = self.parameter_of(Type::Text, Scalar::Text(pattern.into()));
                Some(self.push(Expr::TextMatch { a, op, pattern, ignore_case }, Known::Bool))
            }
        }
    }

    fn short_text(&mut self) -> ParameterId {
        let count = self.random.below(3);
        let text: String = data::text(self.random).chars().take(count).collect();
        self.parameter_of(Type::Text, Scalar::Text(text.into()))
    }

    /// A node of 64 bits, mostly a small number.
    fn number(&mut self) -> Option<ExprId> {
        if self.random.percent(30) {
            return self.find_type(Type::I64);
        }
        let value = Scalar::Int(self.random.between(if self.risky { -3 } else { 0 }, 12));
        let known = Known::one(&value);
        Some(self.push(Expr::Constant { ty: Type::I64, value: Some(value) }, known))
    }

    fn math(&mut self) -> Option<ExprId> {
        let a = self.find_type(Type::F64)?;
        if self.random.percent(20) {
            let op = self.random.pick(&MathPair::ALL);
            if !self.risky && !op.faults().is_empty() {
                return None;
            }
            let b = self.other(a);
            let made = self.push(Expr::MathPair { op, a, b }, Known::any(Type::F64));
            self.inexact[made.0 as usize] = true;
            return Some(made);
        }
        let op = self.random.pick(&Math::ALL);
        let not_negative = matches!(self.known(a), Known::Float { greatest: Some(_), special: false });
        let harmless = op.faults().is_empty() || (op == Math::Sqrt && not_negative);
        if !self.risky && !harmless {
            return None;
        }
        let known = match op {
            Math::Abs | Math::Floor | Math::Ceil | Math::Round | Math::Trunc if not_negative => {
                let Known::Float { greatest: Some(greatest), special } = self.known(a) else { return None };
                Known::Float { greatest: Some(greatest + 1.0).filter(|greatest| *greatest <= known::MODEST), special }
            }
            Math::Sqrt
            | Math::Cbrt
            | Math::Exp
            | Math::Ln
            | Math::Log10
            | Math::Sin
            | Math::Cos
            | Math::Tan
            | Math::Cot
            | Math::Asin
            | Math::Acos
            | Math::Atan
            | Math::Sinh
            | Math::Cosh
            | Math::Tanh
            | Math::Asinh
            | Math::Acosh
            | Math::Atanh
            | Math::Abs
            | Math::Sign
            | Math::Floor
            | Math::Ceil
            | Math::Round
            | Math::Trunc => Known::any(Type::F64),
        };
        let made = self.push(Expr::Math { op, a }, known);
        self.inexact[made.0 as usize] = !op.is_exact();
        Some(made)
    }

    fn bits(&mut self) -> Option<ExprId> {
        let a = self.find(|this, id| matches!(this.ty(id), Type::I32 | Type::I64))?;
        let b = self.other(a);
        let op = self.random.pick(&Bits::ALL);
        Some(self.push(Expr::Bits { op, a, b }, Known::any(self.ty(a))))
    }

    fn place(&mut self) -> Option<ExprId> {
        let a = self.find(|this, id| matches!(this.ty(id), Type::I32 | Type::I64))?;
        let profile = self.profile_near(a);
        let (table, _) = self.table(TableType { element: self.ty(a), nullable: false }, profile, true);
        let length = self.values.tables[table.0 as usize].len as i128;
        Some(self.push(Expr::Place { a, table }, Known::int(0, length)))
    }

    /// The number that an index has, of some nodes or of one.
    fn probe(&mut self) -> Option<ExprId> {
        let count = self.random.pick(&[1, 1, 1, 2, 2, 3]);
        let keys: Vec<ExprId> = (0..count).filter_map(|_| self.find(|_, _| true)).collect();
        if keys.is_empty() {
            return None;
        }
        let types: Vec<Type> = keys.iter().map(|key| self.ty(*key)).collect();
        let profiles: Vec<Profile> = keys.iter().map(|key| self.profile_near(*key)).collect();
        let rows = self.random.pick(&[0, 1, 2, 5, 9, 40, 300]);
        let mut row = || profiles.iter().zip(&types).map(|(profile, ty)| profile.value(self.random, *ty)).collect();
        let rows: Vec<Vec<Scalar>> = (0..rows).map(|_| row()).collect();
        let of = |rows: &[Vec<Scalar>]| data::index(&types, rows).unwrap_or_else(|error| panic!("an index: {error}"));
        // Once more of those that differ, so that they are numbered without gaps.
        let index = of(&data::index_rows(&of(&rows)));
        let most = index.len() as i128;
        self.pipeline.indexes.push(IndexType { keys: types });
        self.values.indexes.push(Arc::new(index));
        let index = IndexId(self.pipeline.indexes.len() as u32 - 1);
        Some(self.push(Expr::Probe { index, keys }, Known::int(0, most)))
    }

    /// Loops around all that is emitted, now and then, and nodes that depend on their numbers.
    fn loops(&mut self) {
        let count = self.random.pick(&[0, 0, 0, 0, 0, 0, 1, 1, 1, 2]);
        for number in 0..count {
            let (from, to, trips) = self.bounds();
            let (id, kind) = (LoopId(number), self.random.pick(&LoopKind::ALL));
            let (low, high) = (self.known(from).range(), self.known(to).range());
            let head = |condition| Statement::Loop { id, from, to, kind, condition, then: Block::new() };
            self.loops.push(head(None));
            self.pipeline.body = self.loops.clone();
            let first = self.types.len() as u32;
            let known = match (low, high) {
                (Some((low, _)), Some((_, high))) if low < high => Known::int(low, high - 1),
                (_, _) => Known::any(Type::I32),
            };
            self.push(Expr::Current(id), known);
            for _ in 0..self.random.below(6) {
                self.node();
            }
            let condition = if self.random.percent(60) { Some(self.boolean()) } else { None };
            self.loops.pop();
            self.loops.push(head(condition));
            self.pipeline.body = self.loops.clone();
            if kind.has_current() {
                self.emits *= trips.max(1);
            } else {
                let dependent = loops_of_nodes(&self.pipeline);
                let hidden = (first..self.types.len() as u32).filter(|at| dependent[*at as usize].contains(&id));
                self.hidden.extend(hidden.map(ExprId));
            }
        }
        for _ in 0..self.random.below(if count == 0 { 1 } else { 6 }) {
            self.node();
        }
    }

    /// Two nodes with few numbers between them, and how many at most: a group's begin and end, or small numbers.
    fn bounds(&mut self) -> (ExprId, ExprId, i128) {
        const TRIPS: i128 = 7;
        let small = |this: &Self, id: ExprId| {
            this.ty(id) == Type::I32 && this.known(id).range().is_some_and(|(low, high)| 0 <= low && high < 1000)
        };
        if self.random.percent(70)
            && let Some(group) = self.find(small)
        {
            let mut starts = vec![0i128];
            while starts.len() < 40 {
                let last = starts.last().copied().unwrap_or(0);
                starts.push(last + self.random.between(0, TRIPS));
            }
            let highest = starts.last().copied().unwrap_or(0);
            let ty = TableType { element: Type::I32, nullable: false };
            // Behind the last group there are ends that are not above their begins: there 0 stands.
            let starts: Vec<_> = starts.into_iter().map(|start| Some(Scalar::Int(start))).collect();
            self.pipeline.tables.push(ty);
            self.values.tables.push(Arc::new(data::table(ty, &starts)));
            let table = TableId(self.pipeline.tables.len() as u32 - 1);
            let one = self.push(Expr::Constant { ty: Type::I32, value: Some(Scalar::Int(1)) }, Known::int(1, 1));
            let (low, high) = self.known(group).range().unwrap_or((0, 1000));
            let sum = Expr::Arithmetic { op: Arithmetic::Add, a: group, b: one, fault: None };
            let next = self.push(sum, Known::int(low + 1, high + 1));
            let from = self.push(Expr::Lookup { table, index: group }, Known::int(0, highest));
            let to = self.push(Expr::Lookup { table, index: next }, Known::int(0, highest));
            return (from, to, TRIPS);
        }
        let mut constant = |low: i128, high: i128| {
            let value = self.random.between(low, high);
            let null = self.random.percent(3);
            let value = (!null).then_some(Scalar::Int(value));
            let known = value.as_ref().map_or(Known::int(0, 0), Known::one);
            self.push(Expr::Constant { ty: Type::I32, value }, known)
        };
        let (from, to) = (constant(-2, 2), constant(-1, TRIPS - 2));
        (from, to, TRIPS + 2)
    }

    fn date(&mut self) -> Option<ExprId> {
        let date = |this: &Self, id: ExprId| {
            let inside = this.known(id).range().is_some_and(|(low, high)| DATES.0 <= low && high <= DATES.1);
            this.ty(id) == Type::I32 && inside
        };
        let a = self.find(date)?;
        if self.random.percent(70) {
            let part = self.random.pick(&DatePart::ALL);
            let known = match part {
                DatePart::Year | DatePart::IsoYear => Known::int(-4800, 5_900_000),
                DatePart::Quarter => Known::int(1, 4),
                DatePart::Month => Known::int(1, 12),
                DatePart::Day => Known::int(1, 31),
                DatePart::DayOfWeek => Known::int(0, 6),
                DatePart::IsoDayOfWeek => Known::int(1, 7),
                DatePart::DayOfYear => Known::int(1, 366),
                DatePart::Week => Known::int(1, 53),
                DatePart::MonthStart | DatePart::QuarterStart | DatePart::YearStart => {
                    let (low, high) = self.known(a).range()?;
                    Known::int(low - 366, high)
                }
            };
            return Some(self.push(Expr::DatePart { part, a }, known));
        }
        let months = self.find_type(Type::I32)?;
        let ((low, high), (least, greatest)) = (self.known(a).range()?, self.known(months).range()?);
        let (low, high) = (low + (least.min(0)) * 31 - 31, high + (greatest.max(0)) * 31 + 31);
        let fits = DATES.0 <= low && high <= DATES.1;
        self.guarded(!fits).ok()?;
        let known = if fits { Known::int(low, high) } else { Known::any(Type::I32) };
        Some(self.push(Expr::AddMonths { a, months }, known))
    }

    fn body(&mut self) {
        let emit = vec![Statement::Emit];
        let outside = if self.loops.is_empty() || self.random.percent(60) { None } else { self.outer_condition() };
        let inside = match self.random.below(8) {
            0..=2 => emit,
            3 | 4 => {
                let block = if self.random.percent(50) { vec![Statement::Stage, Statement::Emit] } else { emit };
                vec![self.filter(block)]
            }
            5 | 6 => {
                let inner = self.filter(emit);
                let block = if self.random.percent(50) { vec![Statement::Stage, inner] } else { vec![inner] };
                vec![self.filter(block)]
            }
            _ => vec![self.filter(emit.clone()), Statement::Stage, self.filter(emit)],
        };
        let around = |then: Block, around: Statement| match around {
            Statement::Loop { id, from, to, kind, condition, .. } => {
                vec![Statement::Loop { id, from, to, kind, condition, then }]
            }
            Statement::If { .. } | Statement::Stage | Statement::Emit => then,
        };
        let body = std::mem::take(&mut self.loops).into_iter().rev().fold(inside, around);
        self.pipeline.body = match outside {
            Some(condition) => vec![Statement::If { condition, then: body }],
            None => body,
        };
        if self.random.percent(50) {
            self.pipeline.place_stages();
            // The pass may have made new conditions.
            while self.types.len() < self.pipeline.exprs.len() {
                self.types.push(ValueType::nullable(Type::Bool));
                self.known.push(Known::Bool);
                self.raising.push(false);
                self.inexact.push(false);
            }
            self.types = self.pipeline.value_types().unwrap_or_else(|why| panic!("the stage pass made a wrong node: {why}"));
        }
    }

    /// A condition that depends on no loop.
    fn outer_condition(&mut self) -> Option<ExprId> {
        let dependent = loops_of_nodes(&self.pipeline);
        self.find(|this, id| this.ty(id) == Type::Bool && dependent[id.0 as usize].is_empty())
    }

    fn filter(&mut self, then: Block) -> Statement {
        // One that lets all rows pass or none is seldom worth a program.
        let mut condition = self.boolean();
        for _ in 0..6 {
            if self.parts_rows(condition) {
                break;
            }
            condition = match self.random.below(3) {
                0 => self.node().filter(|made| self.ty(*made) == Type::Bool),
                _ => None,
            }
            .unwrap_or_else(|| self.boolean());
        }
        Statement::If { condition, then }
    }

    /// Whether a condition lets some rows of a chunk pass and others not.
    fn parts_rows(&self, condition: ExprId) -> bool {
        let Some(chunk) = self.chunks.iter().find(|chunk| (2..=1100).contains(&chunk.rows)) else { return true };
        let mut body = self.loops.clone();
        body.push(Statement::If { condition, then: vec![Statement::Emit] });
        let pipeline = Pipeline { body, sink: Sink::Bitmap, ..self.pipeline.clone() };
        outcome(&pipeline, &self.values, std::slice::from_ref(chunk)).is_ok_and(|found| {
            let passed = found.rows.iter().filter(|row| row[0] == Some(Scalar::Bool(true))).count();
            passed * 10 > chunk.rows && passed < chunk.rows
        })
    }

    fn some_nodes(&mut self, most: usize) -> Vec<ExprId> {
        let count = 1 + self.random.below(most);
        let some = (0..count).filter_map(|_| {
            let daring = self.risky && self.random.percent(50);
            let found = if daring { self.find(|this, id| this.raising[id.0 as usize]) } else { None };
            found.or_else(|| self.find(|_, _| true))
        });
        some.collect()
    }

    fn sink(&mut self) {
        self.pipeline.sink = match self.random.below(11) {
            0..=2 => {
                let mut columns = self.some_nodes(6);
                let inexact = (0..self.types.len() as u32).map(ExprId).filter(|id| self.inexact[id.0 as usize]);
                let hidden = &self.hidden;
                columns.extend(inexact.filter(|id| !hidden.contains(id)));
                Sink::Materialize { columns }
            }
            3 => Sink::Bitmap,
            10 => self.mark(),
            4 | 5 => self.group(Vec::new(), Strategy::Single),
            6 => self.dense(),
            7 | 8 => {
                let keys = self.some_nodes(3).into_iter().map(|expr| {
                    let domain = self.domain(expr, i128::from(u32::MAX)).filter(|_| expr.0 % 2 == 0);
                    Key { expr, domain }
                });
                let keys = keys.collect();
                self.group(keys, Strategy::Hash)
            }
            _ => {
                let order = self.some_nodes(3).into_iter().map(|expr| Order {
                    expr,
                    descending: self.random.percent(50),
                    nulls_first: self.random.percent(50),
                });
                let order = order.collect();
                let limit = self.random.pick(&[0, 1, 2, 5, 10, 100, 1000]);
                Sink::TopK { order, columns: self.some_nodes(4), limit }
            }
        };
    }

    fn mark(&mut self) -> Sink {
        let rows = self.random.pick(&[0, 1, 7, 8, 9, 100, 1000, 3000]);
        let at = match self.find_type(Type::I32) {
            Some(found) => found,
            None => self.constant(Type::I32),
        };
        Sink::Mark { at, rows: self.parameter_of(Type::I64, Scalar::Int(rows)) }
    }

    /// The domain of a node, if it is known and small enough.
    fn domain(&self, id: ExprId, most: i128) -> Option<Domain> {
        let (low, high) = match self.known(id) {
            Known::Bool => (0, 1),
            Known::Int { low, high, .. } => (low, high),
            Known::Float { .. } | Known::Text => return None,
        };
        let size = high.checked_sub(low)?.checked_add(1).filter(|size| *size <= most)?;
        i64::try_from(high).ok()?;
        Some(Domain { low: i64::try_from(low).ok()?, size: u32::try_from(size).ok()? })
    }

    fn dense(&mut self) -> Sink {
        let mut states = 1;
        let mut keys = Vec::new();
        for _ in 0..=self.random.below(3) {
            let Some(expr) = self.find(|this, id| this.domain(id, 3000).is_some()) else { continue };
            let Some(domain) = self.domain(expr, 3000) else { continue };
            let all = states * (u64::from(domain.size) + u64::from(self.types[expr.0 as usize].nullable));
            if all <= MOST_STATES {
                states = all;
                keys.push(Key { expr, domain: Some(domain) });
            }
        }
        let strategy = if keys.is_empty() { Strategy::Single } else { Strategy::Dense };
        self.group(keys, strategy)
    }

    fn group(&mut self, keys: Vec<Key>, strategy: Strategy) -> Sink {
        // A group of keys alone is what DISTINCT is.
        let least = usize::from(keys.is_empty());
        let count = least + self.random.below(5);
        let aggregates = (0..count).filter_map(|_| {
            let filter = if self.random.percent(25) { Some(self.boolean()) } else { None };
            let (op, input) = self.aggregate()?;
            Some(Aggregate { op, input, filter })
        });
        let aggregates = aggregates.collect();
        Sink::Group { keys, aggregates, strategy }
    }

    /// A float that is a whole number of few bits.
    fn whole(&mut self) -> Option<ExprId> {
        let a = self.find(|this, id| matches!(this.ty(id), Type::I8 | Type::U8 | Type::Bool))?;
        let a = match self.ty(a) {
            Type::Bool => self.push(Expr::Cast { to: Type::I32, a, fault: None }, Known::int(0, 1)),
            _number => a,
        };
        Some(self.push(Expr::Cast { to: Type::F64, a, fault: None }, Known::any(Type::F64)))
    }

    fn aggregate(&mut self) -> Option<(AggregateOp, Option<ExprId>)> {
        match self.random.below(13) {
            10 => {
                let input = self.find(|this, id| this.ty(id).is_integer() && this.ty(id) != Type::I128)?;
                Some((AggregateOp::Bits(self.random.pick(&BitOp::ALL)), Some(input)))
            }
            11 | 12 => {
                // Whole numbers of few bits: the deviations come out the same from whichever value they are measured.
                let input = self.whole()?;
                let with = if self.random.percent(50) { Some(self.whole()?) } else { None };
                Some((AggregateOp::Deviations { with }, Some(input)))
            }
            0 => Some((AggregateOp::Count, None)),
            1 => Some((AggregateOp::Count, self.find(|_, _| true))),
            2..=4 => {
                let input = self.find(|this, id| this.ty(id).is_integer() || this.known(id).is_modest())?;
                let Some((low, high)) = self.known(input).range() else {
                    return Some((AggregateOp::Sum { ty: Type::F64, fault: None }, Some(input)));
                };
                let narrow = self.ty(input).bits() <= 64;
                let ty = if narrow && self.random.percent(70) { Type::I64 } else { Type::I128 };
                let reach = low.unsigned_abs().max(high.unsigned_abs());
                let total = reach.checked_mul((self.rows * self.emits).unsigned_abs());
                let (_, greatest) = ty.range()?;
                let fits = total.is_some_and(|total| total <= greatest.unsigned_abs());
                if !fits && ty == Type::I128 {
                    return None;
                }
                let fault = if fits && self.random.percent(50) { None } else { self.fault() };
                Some((AggregateOp::Sum { ty, fault }, Some(input)))
            }
            5 | 6 => Some((AggregateOp::Min, Some(self.find(|_, _| true)?))),
            7 | 8 => Some((AggregateOp::Max, Some(self.find(|_, _| true)?))),
            _ => {
                let input = self.find(|this, id| this.domain(id, DISTINCT_LIMIT.into()).is_some())?;
                let domain = self.domain(input, DISTINCT_LIMIT.into())?;
                let sum = self.random.percent(50) && domain.low.unsigned_abs() < 1 << 40;
                Some((if sum { AggregateOp::SumDistinct(domain) } else { AggregateOp::CountDistinct(domain) }, Some(input)))
            }
        }
    }
}
