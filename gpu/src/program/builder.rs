//! Builds pipelines node by node: equal nodes become one, types and bounds are known at every step, and integer
//! arithmetic takes the narrowest width that its bounds allow.

use std::collections::HashMap;
use std::sync::Arc;

use super::bits::Bits;
use super::expr::{Arithmetic, Comparison, Expr, ExprId};
use super::fault::Fault;
use super::scalar::{Scalar, Type, ValueType};
use super::statement::{LoopKind, Statement};
use super::values::{Table, Values};
use super::{Block, ColumnId, IndexId, IndexType, LoopId, ParameterId, Pipeline, Sink, TableId};
use crate::join::Index;

/// The least and the greatest value that an integer node can have where it is not NULL.
pub type Bounds = (i128, i128);

/// A pipeline in the making.
#[derive(Debug, Default)]
pub struct Builder {
    columns: Vec<ValueType>,
    parameters: Vec<Type>,
    values: Values,
    /// The kind of each loop.
    loops: Vec<LoopKind>,
    exprs: Vec<Expr>,
    types: Vec<ValueType>,
    bounds: Vec<Option<Bounds>>,
    seen: HashMap<Expr, ExprId>,
}

/// The bounds of an integer type.
fn of_type(ty: Type) -> Option<Bounds> {
    ty.range()
}

/// Every product, sum or difference of values within two bounds; `None` where it passes 128 bits.
fn combined(op: Arithmetic, a: Bounds, b: Bounds) -> Option<Bounds> {
    let pairs = [(a.0, b.0), (a.0, b.1), (a.1, b.0), (a.1, b.1)];
    let results: Option<Vec<i128>> = match op {
        Arithmetic::Add => pairs.iter().map(|(x, y)| x.checked_add(*y)).collect(),
        Arithmetic::Subtract => pairs.iter().map(|(x, y)| x.checked_sub(*y)).collect(),
        Arithmetic::Multiply => pairs.iter().map(|(x, y)| x.checked_mul(*y)).collect(),
        // Over a positive divisor a quotient grows with the dividend, and so do its roundings.
        Arithmetic::Divide if b.0 > 0 => Some(pairs.iter().map(|(x, y)| x / y).collect()),
        Arithmetic::FloorDivide if b.0 > 0 => Some(pairs.iter().map(|(x, y)| x.div_euclid(*y)).collect()),
        Arithmetic::RoundDivide if b.0 > 0 => Some(
            pairs.iter().flat_map(|(x, y)| [x.div_euclid(*y), x.div_euclid(*y) + i128::from(x.rem_euclid(*y) != 0)]).collect(),
        ),
        Arithmetic::FloorRemainder if b.0 > 0 => Some(vec![0, b.1 - 1]),
        Arithmetic::Remainder if b.0 > 0 => {
            Some(vec![if a.0 < 0 { (1 - b.1).max(a.0) } else { 0 }, if a.1 > 0 { (b.1 - 1).min(a.1) } else { 0 }])
        }
        Arithmetic::Divide | Arithmetic::FloorDivide | Arithmetic::RoundDivide => {
            // No quotient of integers is farther from zero than its dividend.
            let far = a.0.checked_abs()?.max(a.1.checked_abs()?);
            Some(vec![-far, far])
        }
        Arithmetic::Remainder | Arithmetic::FloorRemainder => {
            let far = b.0.checked_abs()?.max(b.1.checked_abs()?);
            Some(vec![-far, far])
        }
    };
    let results = results?;
    Some((*results.iter().min()?, *results.iter().max()?))
}

/// What is known of the bits of values within two bounds.
fn of_bits(op: Bits, a: Bounds, b: Bounds) -> Option<Bounds> {
    match op {
        // What has no sign clears the other's.
        Bits::And if a.0 >= 0 && b.0 >= 0 => Some((0, a.1.min(b.1))),
        Bits::And if b.0 >= 0 => Some((0, b.1)),
        Bits::And if a.0 >= 0 => Some((0, a.1)),
        Bits::ShiftRight => Some((a.0.min(0), a.1.max(0))),
        Bits::And | Bits::Or | Bits::Xor | Bits::ShiftLeft => None,
    }
}

fn within(inner: Bounds, outer: Bounds) -> bool {
    outer.0 <= inner.0 && inner.1 <= outer.1
}

/// Up to this power of ten, numbers fit 128 bits.
const GREATEST_POWER: u32 = 38;

/// `10^exponent`, where it fits.
pub fn power_of_ten(exponent: u32) -> Option<i128> {
    (exponent <= GREATEST_POWER).then(|| 10i128.pow(exponent))
}

impl Builder {
    /// One without anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares a column; its values where not NULL lie within `range`, if that is known.
    pub fn column(&mut self, ty: ValueType, range: Option<Bounds>) -> (ColumnId, ExprId) {
        let id = ColumnId(self.columns.len() as u32);
        self.columns.push(ty);
        let node = self.push(Expr::Column(id));
        if let Some(range) = range {
            self.bounds[node.0 as usize] = Some(range);
        }
        (id, node)
    }

    /// A scalar that comes with each run.
    pub fn parameter(&mut self, ty: Type, value: Scalar) -> ParameterId {
        self.parameters.push(ty);
        self.values.scalars.push(value);
        ParameterId(self.parameters.len() as u32 - 1)
    }

    /// The same as a node.
    pub fn parameter_node(&mut self, ty: Type, value: Scalar) -> ExprId {
        let id = self.parameter(ty, value);
        self.push(Expr::Parameter(id))
    }

    /// An integer of this run: its class (8, 16, 32, 64 or 128 bits) is structure, its value is not. 0 and 1 are
    /// structure altogether.
    pub fn integer(&mut self, value: i128) -> ExprId {
        if value == 0 || value == 1 {
            return self.constant(Type::I32, value);
        }
        let classes = [(Type::I8, Type::I32), (Type::I16, Type::I32), (Type::I32, Type::I32), (Type::I64, Type::I64)];
        let fits = |class: &Type| class.range().is_some_and(|r| within((value, value), r));
        let (class, ty) = classes.into_iter().find(|(class, _)| fits(class)).unwrap_or((Type::I128, Type::I128));
        let node = self.parameter_node(ty, Scalar::Int(value));
        self.bounds[node.0 as usize] = of_type(class);
        node
    }

    /// An integer that is structure.
    pub fn constant(&mut self, ty: Type, value: i128) -> ExprId {
        self.push(Expr::Constant { ty, value: Some(Scalar::Int(value)) })
    }

    /// NULL.
    pub fn null(&mut self, ty: Type) -> ExprId {
        self.push(Expr::Constant { ty, value: None })
    }

    /// True or false, as structure.
    pub fn boolean(&mut self, value: bool) -> ExprId {
        self.push(Expr::Constant { ty: Type::Bool, value: Some(Scalar::Bool(value)) })
    }

    /// A table that comes with each run.
    pub fn table(&mut self, table: Table) -> TableId {
        self.shared_table(Arc::new(table))
    }

    /// The same of a table that others have too: it is one parameter, however often it is asked for.
    pub fn shared_table(&mut self, table: Arc<Table>) -> TableId {
        let known = self.values.tables.iter().position(|other| Arc::ptr_eq(other, &table));
        let at = known.unwrap_or_else(|| {
            self.values.tables.push(table);
            self.values.tables.len() - 1
        });
        TableId(at as u32)
    }

    /// An index that comes with each run, one parameter likewise.
    pub fn index(&mut self, index: Arc<Index>) -> IndexId {
        let known = self.values.indexes.iter().position(|other| Arc::ptr_eq(other, &index));
        let at = known.unwrap_or_else(|| {
            self.values.indexes.push(index);
            self.values.indexes.len() - 1
        });
        IndexId(at as u32)
    }

    /// The number that an index has for these keys.
    pub fn probe(&mut self, index: IndexId, keys: Vec<ExprId>) -> ExprId {
        self.push(Expr::Probe { index, keys })
    }

    /// A loop of that kind, for a [`Statement::Loop`] of the body, and its number. What is known of the number beyond its
    /// type, [`Builder::narrow`] says.
    pub fn new_loop(&mut self, kind: LoopKind) -> (LoopId, ExprId) {
        let id = LoopId(self.loops.len() as u32);
        self.loops.push(kind);
        (id, self.push(Expr::Current(id)))
    }

    /// Adds a node, or finds it.
    ///
    /// # Panics
    ///
    /// Where the node's operands have not the types that it takes: the caller's error.
    pub fn push(&mut self, expr: Expr) -> ExprId {
        if let Some(known) = self.seen.get(&expr) {
            return *known;
        }
        let shell = Pipeline {
            columns: std::mem::take(&mut self.columns),
            parameters: std::mem::take(&mut self.parameters),
            tables: self.values.tables.iter().map(|t| t.ty).collect(),
            indexes: self.index_types(),
            exprs: Vec::new(),
            body: self.empty_loops(),
            sink: Sink::Bitmap,
        };
        let found = expr.value_type(&shell, &self.types);
        (self.columns, self.parameters) = (shell.columns, shell.parameters);
        let ty = found.unwrap_or_else(|why| panic!("{expr:?}: {why}"));
        let bounds = self.bounds_of(&expr, ty.ty);
        let id = ExprId(self.exprs.len() as u32);
        self.exprs.push(expr.clone());
        self.types.push(ty);
        self.bounds.push(bounds);
        self.seen.insert(expr, id);
        id
    }

    fn index_types(&self) -> Vec<IndexType> {
        self.values.indexes.iter().map(|index| IndexType { keys: index.keys().to_vec() }).collect()
    }

    /// The loops as far as they are known: their kinds, which say the types of their numbers.
    fn empty_loops(&self) -> Block {
        let nowhere = ExprId(0);
        let of = |(at, kind): (usize, &LoopKind)| Statement::Loop {
            id: LoopId(at as u32),
            from: nowhere,
            to: nowhere,
            kind: *kind,
            condition: None,
            then: Block::new(),
        };
        self.loops.iter().enumerate().map(of).collect()
    }

    fn bounds_of(&self, expr: &Expr, ty: Type) -> Option<Bounds> {
        let of = |id: ExprId| self.bounds(id);
        let all = of_type(ty)?;
        let tighter = match *expr {
            Expr::Constant { value: Some(Scalar::Int(value)), .. } => Some((value, value)),
            Expr::Arithmetic { op, a, b, .. } => of(a).zip(of(b)).and_then(|(a, b)| combined(op, a, b)),
            Expr::Negate { a, .. } => of(a).and_then(|(low, high)| Some((high.checked_neg()?, low.checked_neg()?))),
            Expr::Cast { a, .. } => match self.ty(a).ty {
                Type::Bool => Some((0, 1)),
                _ => of(a),
            },
            Expr::Select { then: a, otherwise: b, .. } | Expr::Coalesce(a, b) => match (self.is_null(a), self.is_null(b)) {
                (true, _) => of(b),
                (_, true) => of(a),
                (false, false) => of(a).zip(of(b)).map(|(a, b)| (a.0.min(b.0), a.1.max(b.1))),
            },
            Expr::NullIf(a, _) => of(a),
            Expr::Bits { op, a, b } => of(a).zip(of(b)).and_then(|(a, b)| of_bits(op, a, b)),
            Expr::Place { .. } | Expr::Probe { .. } | Expr::Current(_) => Some((0, i32::MAX.into())),
            Expr::Lookup { table, .. } => self.table_bounds(table),
            Expr::DatePart { part, .. } => {
                use super::expr::DatePart as P;
                match part {
                    P::Quarter => Some((1, 4)),
                    P::Month => Some((1, 12)),
                    P::Day => Some((1, 31)),
                    P::DayOfWeek => Some((0, 6)),
                    P::IsoDayOfWeek => Some((1, 7)),
                    P::DayOfYear => Some((1, 366)),
                    P::Week => Some((1, 53)),
                    P::Year | P::IsoYear => self.years(expr),
                    P::MonthStart | P::QuarterStart | P::YearStart => None,
                }
            }
            Expr::Column(_)
            | Expr::Parameter(_)
            | Expr::Constant { .. }
            | Expr::Compare { .. }
            | Expr::InRange { .. }
            | Expr::Member { .. }
            | Expr::Not(_)
            | Expr::And(..)
            | Expr::Or(..)
            | Expr::IsNull(_)
            | Expr::IsDistinct(..)
            | Expr::AddMonths { .. }
            | Expr::Math { .. }
            | Expr::MathPair { .. }
            | Expr::TextMatch { .. }
            | Expr::TextSlice { .. }
            | Expr::TextTrim { .. } => None,
            // The bytes of a column's chunk, or of a parameter, are fewer than 2^31.
            Expr::TextLength { .. } | Expr::TextPosition { .. } => Some((0, i32::MAX.into())),
        };
        Some(match tighter {
            Some((low, high)) => (low.max(all.0), high.min(all.1)),
            None => all,
        })
    }

    /// The years that dates within bounds can have, widely taken: a year has at least 365 days.
    fn years(&self, expr: &Expr) -> Option<Bounds> {
        let Expr::DatePart { a, .. } = expr else { return None };
        let (low, high) = self.bounds(*a)?;
        let least = low.div_euclid(365).min(low.div_euclid(366));
        let greatest = high.div_euclid(365).max(high.div_euclid(366));
        Some((1970 + least - 2, 1970 + greatest + 2))
    }

    fn table_bounds(&self, table: TableId) -> Option<Bounds> {
        // The values differ from run to run: only the type is structure.
        of_type(self.values.tables[table.0 as usize].ty.element)
    }

    fn is_null(&self, id: ExprId) -> bool {
        self.is_null_constant(id)
    }

    /// Whether evaluating a node, its operands with it, can raise a fault.
    pub fn can_fault(&self, id: ExprId) -> bool {
        let expr = &self.exprs[id.0 as usize];
        expr.can_fault() || expr.operands().into_iter().any(|operand| self.can_fault(operand))
    }

    /// The column that a node is, if it is one.
    pub fn column_of(&self, id: ExprId) -> Option<ColumnId> {
        let Expr::Column(column) = self.exprs[id.0 as usize] else { return None };
        Some(column)
    }

    /// Whether a node is a column as it is stored.
    pub fn is_column(&self, id: ExprId) -> bool {
        matches!(self.exprs[id.0 as usize], Expr::Column(_))
    }

    /// Whether a node is the literal NULL.
    pub fn is_null_constant(&self, id: ExprId) -> bool {
        matches!(self.exprs[id.0 as usize], Expr::Constant { value: None, .. })
    }

    fn constant_value(&self, id: ExprId) -> Option<i128> {
        match self.exprs[id.0 as usize] {
            Expr::Constant { value: Some(Scalar::Int(value)), .. } => Some(value),
            _ => None,
        }
    }

    /// The type of a node.
    pub fn ty(&self, id: ExprId) -> ValueType {
        self.types[id.0 as usize]
    }

    /// The bounds of an integer node; at least those of its type.
    pub fn bounds(&self, id: ExprId) -> Option<Bounds> {
        self.bounds[id.0 as usize]
    }

    /// Says that an integer node lies within `bounds`, which the caller has proved.
    pub fn narrow(&mut self, id: ExprId, bounds: Bounds) {
        let known = &mut self.bounds[id.0 as usize];
        *known = known.map(|(low, high)| (low.max(bounds.0), high.min(bounds.1)));
    }

    /// The node as another type; the same node where it is of that type.
    pub fn cast(&mut self, a: ExprId, to: Type, fault: Option<Fault>) -> ExprId {
        if self.ty(a).ty == to {
            return a;
        }
        if let Expr::Constant { value, .. } = &self.exprs[a.0 as usize] {
            match *value {
                None => return self.null(to),
                Some(Scalar::Int(value)) if Scalar::Int(value).is_of(to) => return self.constant(to, value),
                Some(_) => {}
            }
        }
        // Proved to fit: no check.
        let fits = self.bounds(a).zip(of_type(to)).is_some_and(|(bounds, all)| within(bounds, all));
        self.push(Expr::Cast { to, a, fault: if fits { None } else { fault } })
    }

    /// An arithmetic type that holds an integer node.
    pub fn arithmetic_type(&self, id: ExprId) -> Type {
        let bounds = self.bounds(id).unwrap_or((i128::MIN, i128::MAX));
        [Type::I32, Type::I64].into_iter().find(|ty| of_type(*ty).is_some_and(|all| within(bounds, all))).unwrap_or(Type::I128)
    }

    /// Both integer nodes as one arithmetic type that holds either.
    pub fn aligned(&mut self, a: ExprId, b: ExprId) -> (ExprId, ExprId) {
        let ty = self.arithmetic_type(a).max(self.arithmetic_type(b));
        (self.cast(a, ty, None), self.cast(b, ty, None))
    }

    /// `a op b` of integers, in the narrowest type that its bounds allow. A result outside of `limit`, a type's range, raises
    /// `fault`; where the bounds prove that there is none, nothing is checked. The result's type may be narrower than `limit`.
    pub fn integers(&mut self, op: Arithmetic, a: ExprId, b: ExprId, limit: Type, fault: Fault) -> ExprId {
        let known = self.bounds(a).zip(self.bounds(b)).and_then(|(a, b)| combined(op, a, b));
        if self.constant_value(a).is_some()
            && self.constant_value(b).is_some()
            && let Some((value, _)) = known.filter(|(low, high)| low == high)
            && matches!(op, Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply)
        {
            let ty = if Type::narrowest(value, value).bytes() <= 4 { Type::I32 } else { Type::narrowest(value, value) };
            if ty.is_arithmetic() && Scalar::Int(value).is_of(ty) {
                return self.constant(ty, value);
            }
        }
        let operands = self.arithmetic_type(a).max(self.arithmetic_type(b));
        let limits = of_type(limit).unwrap_or((i128::MIN, i128::MAX));
        let fits = |bounds: Bounds| {
            let ty = [Type::I32, Type::I64, Type::I128].into_iter();
            ty.filter(|ty| *ty >= operands).find(|ty| of_type(*ty).is_some_and(|all| within(bounds, all)))
        };
        let minimum = limit.max(Type::I32).max(operands);
        let (ty, inner, outer) = match known.and_then(|bounds| fits(bounds).map(|ty| (ty, bounds))) {
            Some((ty, bounds)) if within(bounds, limits) => (ty, None, false),
            // Computed in a wider type, then brought back: no check but the last.
            Some((ty, _)) if ty <= Type::I64 && limit < ty => (ty, None, true),
            _ => (minimum, Some(fault), limit < minimum),
        };
        let (a, b) = (self.cast(a, ty, None), self.cast(b, ty, None));
        let node = self.push(Expr::Arithmetic { op, a, b, fault: inner });
        if outer { self.push(Expr::Cast { to: limit, a: node, fault: Some(fault) }) } else { node }
    }

    /// `a * 10^exponent`.
    pub fn scaled(&mut self, a: ExprId, exponent: u32, limit: Type, fault: Fault) -> Option<ExprId> {
        if exponent == 0 {
            return Some(a);
        }
        let factor = power_of_ten(exponent)?;
        let ty = if factor <= i32::MAX.into() {
            Type::I32
        } else if factor <= i64::MAX.into() {
            Type::I64
        } else {
            Type::I128
        };
        let factor = self.constant(ty, factor);
        Some(self.integers(Arithmetic::Multiply, a, factor, limit, fault))
    }

    /// Whether an integer node lies in a closed range of values known to the host, which are bound to the node's type:
    /// clamped to it, or made a range that nothing, or everything, is in.
    pub fn in_range(&mut self, a: ExprId, low: Option<i128>, high: Option<i128>) -> ExprId {
        let ty = self.ty(a).ty;
        let (least, greatest) = of_type(ty).unwrap_or((i128::MIN, i128::MAX));
        let (mut low, mut high) = (low.unwrap_or(least).max(least), high.unwrap_or(greatest).min(greatest));
        if low > high || low > greatest || high < least {
            (low, high) = (least + 1, least);
        }
        let low = self.parameter(ty, Scalar::Int(low));
        let high = self.parameter(ty, Scalar::Int(high));
        self.push(Expr::InRange { a, low, high })
    }

    /// `a op b` of equal types.
    pub fn compare(&mut self, op: Comparison, a: ExprId, b: ExprId) -> ExprId {
        self.push(Expr::Compare { op, a, b })
    }

    /// `NOT a`.
    pub fn not(&mut self, a: ExprId) -> ExprId {
        self.push(Expr::Not(a))
    }

    /// All of them; nothing is true.
    pub fn all(&mut self, tests: &[ExprId]) -> Option<ExprId> {
        let mut tests = tests.iter().copied();
        let first = tests.next()?;
        Some(tests.fold(first, |all, test| self.push(Expr::And(all, test))))
    }

    /// The finished pipeline, the values of this run, and which of the declared columns it reads, in its order: what nothing
    /// refers to is left out.
    pub fn finish(self, body: Block, sink: Sink) -> (Pipeline, Values, Vec<ColumnId>) {
        let tables = self.values.tables.iter().map(|t| t.ty).collect();
        let indexes = self.index_types();
        let whole =
            Pipeline { columns: self.columns, parameters: self.parameters, tables, indexes, exprs: self.exprs, body, sink };
        super::compact::compact(whole, self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_choose_the_width() {
        let mut b = Builder::new();
        let (_, price) = b.column(ValueType::of(Type::U32), Some((90_100, 10_494_950)));
        let (_, discount) = b.column(ValueType::of(Type::U8), Some((0, 10)));
        let hundred = b.constant(Type::I32, 100);
        let rest = b.integers(Arithmetic::Subtract, hundred, discount, Type::I128, Fault::NumericRange);
        let product = b.integers(Arithmetic::Multiply, price, rest, Type::I128, Fault::NumericRange);
        assert_eq!(b.ty(product).ty, Type::I32);
        assert_eq!(b.bounds(product), Some((90_100 * 90, 1_049_495_000)));
        let again = b.integers(Arithmetic::Multiply, product, rest, Type::I128, Fault::NumericRange);
        assert_eq!(b.ty(again).ty, Type::I64);
    }

    #[test]
    fn what_cannot_be_proved_is_checked() {
        let mut b = Builder::new();
        let (_, wide) = b.column(ValueType::of(Type::I64), None);
        let sum = b.integers(Arithmetic::Add, wide, wide, Type::I64, Fault::BigintRange);
        assert!(matches!(b.exprs[sum.0 as usize], Expr::Arithmetic { fault: Some(Fault::BigintRange), .. }));
        let (_, small) = b.column(ValueType::of(Type::I32), None);
        let sum = b.integers(Arithmetic::Add, small, small, Type::I32, Fault::IntegerRange);
        assert!(matches!(b.exprs[sum.0 as usize], Expr::Cast { to: Type::I32, fault: Some(Fault::IntegerRange), .. }));
    }

    #[test]
    fn years_of_far_dates_are_within_their_bounds() {
        for days in [2_932_896, 5_373_484, -1_000_000, -719_528, 0, 20_000] {
            let mut b = Builder::new();
            let (_, date) = b.column(ValueType::of(Type::I32), Some((days, days)));
            let year = b.push(Expr::DatePart { part: super::super::expr::DatePart::Year, a: date });
            let (low, high) = b.bounds(year).unwrap();
            // 400 years have 146,097 days.
            let about = 1970 + days * 400 / 146_097;
            assert!(low < about && about < high, "{days}: {about} in {low}..{high}");
        }
    }

    #[test]
    fn quotients_and_remainders_lie_within_their_bounds() {
        let all = [Arithmetic::Divide, Arithmetic::FloorDivide, Arithmetic::RoundDivide];
        let all = all.into_iter().chain([Arithmetic::Remainder, Arithmetic::FloorRemainder]);
        for op in all {
            for (a, b) in [((-7, -2), (3, 3)), ((-7, 9), (2, 4)), ((3, 11), (1, 5)), ((0, 0), (2, 2)), ((-6, 6), (-2, 3))] {
                let (low, high) = combined(op, a, b).unwrap();
                for x in a.0..=a.1 {
                    for y in (b.0..=b.1).filter(|y| *y != 0) {
                        let floor = if y > 0 { x.div_euclid(y) } else { (-x).div_euclid(-y) };
                        let found = match op {
                            Arithmetic::Divide => x / y,
                            Arithmetic::FloorDivide => floor,
                            Arithmetic::RoundDivide => (x as f64 / y as f64).round() as i128,
                            Arithmetic::Remainder => x % y,
                            _ => x - floor * y,
                        };
                        assert!(low <= found && found <= high, "{op:?} of {x} and {y}: {found} in {low}..{high}");
                    }
                }
            }
        }
        assert_eq!(combined(Arithmetic::FloorDivide, (-86_401, 86_399), (86_400, 86_400)), Some((-2, 0)));
    }

    #[test]
    fn ranges_are_bound_to_the_stored_type() {
        let mut b = Builder::new();
        let (_, byte) = b.column(ValueType::of(Type::U8), None);
        b.in_range(byte, Some(-5), Some(1000));
        b.in_range(byte, Some(256), None);
        assert_eq!(b.values.scalars, [0, 255, 1, 0].map(Scalar::Int));
    }
}
