//! Comparisons and lists.
//!
//! What compares an exact number with one that the host knows becomes a closed range of the stored numbers, whatever the
//! column's encoding: `l_quantity < 24.00` over quantities stored without their zeros is `0 <= q <= 23`.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, InListExpr};
use warpwise_gpu::program::builder::power_of_ten;
use warpwise_gpu::program::{Comparison, Expr, ExprId, Table, Type};

use super::expr::constant;
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::value::{Kind, Value};

/// The most members of a list that are tested one by one.
const FEW: usize = 4;
/// The most members of a list of floats.
const FLOATS: usize = 32;
/// The most values that a bitmap is made over.
const DOMAIN: i128 = 1 << 16;

/// The comparison that an operator is.
pub fn comparison(operator: Operator) -> Option<Comparison> {
    Some(match operator {
        Operator::Eq => Comparison::Equal,
        Operator::NotEq => Comparison::NotEqual,
        Operator::Lt => Comparison::Less,
        Operator::LtEq => Comparison::LessOrEqual,
        Operator::Gt => Comparison::Greater,
        Operator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn flipped(op: Comparison) -> Comparison {
    match op {
        Comparison::Equal => Comparison::Equal,
        Comparison::NotEqual => Comparison::NotEqual,
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
    }
}

/// A closed range of stored numbers; an end that is missing is open.
pub type Range = (Option<i128>, Option<i128>);

/// Nothing is in it.
const NEVER: Range = (Some(1), Some(0));

/// A number that the host knows, in a value's stored units: the greatest whole one not above it, and the least not below.
fn in_units(value: &Value, number: &ScalarValue) -> Option<(i128, i128)> {
    let (mantissa, scale) = exact(&value.kind, number)?;
    let (up, down) = match value.kind {
        Kind::Integer | Kind::Date => (1, power_of_ten(scale)?),
        Kind::Decimal { scale: own } if own >= scale => (power_of_ten(own - scale)?, 1),
        Kind::Decimal { scale: own } => (1, power_of_ten(scale - own)?),
        Kind::Timestamp { unit, .. } => (1, unit),
        Kind::Boolean | Kind::Float | Kind::Text(_) | Kind::Plain { .. } => return None,
    };
    // Beyond 128 bits is beyond every stored number.
    let scaled = mantissa.saturating_mul(up);
    Some((scaled.div_euclid(down), scaled.checked_add(down - 1).map_or(scaled, |above| above.div_euclid(down))))
}

/// A number of a kind that compares with `kind` as it is: its digits, and how many are behind the point.
pub fn exact(kind: &Kind, number: &ScalarValue) -> Option<(i128, u32)> {
    use ScalarValue as S;
    let whole = |v: i128| matches!(kind, Kind::Integer | Kind::Decimal { .. }).then_some((v, 0));
    let fraction = |v: i128, s: i8| matches!(kind, Kind::Integer | Kind::Decimal { .. }).then_some((v, u32::try_from(s).ok()?));
    match number {
        S::Int8(Some(v)) => whole((*v).into()),
        S::Int16(Some(v)) => whole((*v).into()),
        S::Int32(Some(v)) => whole((*v).into()),
        S::Int64(Some(v)) => whole((*v).into()),
        S::UInt8(Some(v)) => whole((*v).into()),
        S::UInt16(Some(v)) => whole((*v).into()),
        S::UInt32(Some(v)) => whole((*v).into()),
        S::UInt64(Some(v)) => whole((*v).into()),
        S::Decimal32(Some(v), _, s) => fraction((*v).into(), *s),
        S::Decimal64(Some(v), _, s) => fraction((*v).into(), *s),
        S::Decimal128(Some(v), _, s) => fraction(*v, *s),
        S::Date32(Some(v)) => matches!(kind, Kind::Date).then_some(((*v).into(), 0)),
        S::TimestampSecond(Some(v), _)
        | S::TimestampMillisecond(Some(v), _)
        | S::TimestampMicrosecond(Some(v), _)
        | S::TimestampNanosecond(Some(v), _) => match (kind, number.data_type()) {
            (Kind::Timestamp { tick, .. }, arrow::datatypes::DataType::Timestamp(of, _)) if *tick == of => Some(((*v).into(), 0)),
            _ => None,
        },
        _ => None,
    }
}

/// The stored numbers that compare so with a number; for `NotEqual`, those that do not.
fn range(op: Comparison, (floor, ceiling): (i128, i128)) -> Range {
    match op {
        Comparison::Equal | Comparison::NotEqual if floor == ceiling => (Some(floor), Some(floor)),
        Comparison::Equal | Comparison::NotEqual => NEVER,
        Comparison::Less => ceiling.checked_sub(1).map_or(NEVER, |high| (None, Some(high))),
        Comparison::LessOrEqual => (None, Some(floor)),
        Comparison::Greater => floor.checked_add(1).map_or(NEVER, |low| (Some(low), None)),
        Comparison::GreaterOrEqual => (Some(ceiling), None),
    }
}

impl Lowering<'_> {
    /// `left op right`.
    pub fn compare(
        &mut self,
        op: Comparison,
        left: &Arc<dyn PhysicalExpr>,
        right: &Arc<dyn PhysicalExpr>,
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<ExprId, Refusal> {
        if let Some(number) = constant(right)? {
            let value = self.expr(left, scope)?;
            return self.compare_known(op, value, &number, whole);
        }
        if let Some(number) = constant(left)? {
            let value = self.expr(right, scope)?;
            return self.compare_known(flipped(op), value, &number, whole);
        }
        let (a, b) = (self.expr(left, scope)?, self.expr(right, scope)?);
        let (a, b) = self.unified(a, b, whole)?;
        let (a, b) = self.ordered(op, a, b);
        Ok(self.b.compare(op, a, b))
    }

    /// Nodes that compare as their values do: of strings of one dictionary, codes where equality is asked, else ranks.
    fn ordered(&mut self, op: Comparison, a: Value, b: Value) -> (ExprId, ExprId) {
        match (&a.kind, &b.kind) {
            (Kind::Text(words), Kind::Text(_)) if !matches!(op, Comparison::Equal | Comparison::NotEqual) => {
                let words = Arc::clone(words);
                (self.rank(a.node, &words), self.rank(b.node, &words))
            }
            (_, _) => (a.node, b.node),
        }
    }

    /// `value op number`, the number known beforehand.
    pub fn compare_known(
        &mut self,
        op: Comparison,
        value: Value,
        number: &ScalarValue,
        whole: &Arc<dyn PhysicalExpr>,
    ) -> Result<ExprId, Refusal> {
        if number.is_null() {
            return Ok(self.b.null(Type::Bool));
        }
        if value.kind.is_exact()
            && let Some(units) = in_units(&value, number)
        {
            let (low, high) = range(op, units);
            let test = self.b.in_range(value.node, low, high);
            return Ok(if op == Comparison::NotEqual { self.b.not(test) } else { test });
        }
        if let Kind::Text(words) = &value.kind
            && let Some(text) = number.try_as_str().flatten()
            && matches!(op, Comparison::Equal | Comparison::NotEqual)
        {
            let (low, high) = words.code_of(text).map_or(NEVER, |code| (Some(code.into()), Some(code.into())));
            let test = self.b.in_range(value.node, low, high);
            return Ok(if op == Comparison::NotEqual { self.b.not(test) } else { test });
        }
        let other = self
            .literal(number)
            .ok_or_else(|| Refusal::new(whole, format!("values of type {} have no device form", number.data_type())))?;
        let (a, b) = self.unified(value, other, whole)?;
        let (a, b) = self.ordered(op, a, b);
        Ok(self.b.compare(op, a, b))
    }

    /// A conjunct that is a closed range of one node, so that two about the same node become one.
    pub fn as_range(&mut self, expr: &Arc<dyn PhysicalExpr>, scope: &Rc<Scope>) -> Result<Option<(ExprId, Range)>, Refusal> {
        let Some(binary) = expr.downcast_ref::<BinaryExpr>() else { return Ok(None) };
        let Some(op) = comparison(*binary.op()).filter(|op| *op != Comparison::NotEqual) else { return Ok(None) };
        let (side, number, op) = match (constant(binary.left())?, constant(binary.right())?) {
            (None, Some(number)) => (binary.left(), number, op),
            (Some(number), None) => (binary.right(), number, flipped(op)),
            (_, _) => return Ok(None),
        };
        if number.is_null() {
            return Ok(None);
        }
        let Ok(value) = self.expr(side, scope) else { return Ok(None) };
        Ok(in_units(&value, &number).filter(|_| value.kind.is_exact()).map(|units| (value.node, range(op, units))))
    }

    /// `a IN (…)`.
    pub fn in_list(&mut self, list: &InListExpr, whole: &Arc<dyn PhysicalExpr>, scope: &Rc<Scope>) -> Result<ExprId, Refusal> {
        let mut known = Vec::new();
        let mut others = Vec::new();
        let mut null = false;
        for item in list.list() {
            match constant(item)? {
                Some(value) if value.is_null() => null = true,
                Some(value) => known.push(value),
                None => others.push(item),
            }
        }
        let value = self.expr(list.expr(), scope)?;
        let mut tests = Vec::new();
        if value.kind.is_exact() && known.len() > FEW {
            let mut members = BTreeSet::new();
            for number in &known {
                let (floor, ceiling) = in_units(&value, number).ok_or_else(|| {
                    Refusal::new(whole, format!("IN compares {} with {}", value.kind.name(), number.data_type()))
                })?;
                if floor == ceiling {
                    members.insert(floor);
                }
            }
            tests.push(self.member(value.node, &members));
        } else if let Kind::Text(words) = &value.kind
            && let Some(texts) = known.iter().map(|text| text.try_as_str().flatten()).collect::<Option<Vec<_>>>()
            && known.len() > FEW
        {
            let members = words.codes_of(&texts).into_iter().map(i128::from).collect();
            tests.push(self.member(value.node, &members));
        } else if matches!(value.kind, Kind::Plain { .. } | Kind::Text(_)) && known.len() > FEW {
            let text = self.spelled(&value, whole)?;
            tests.push(self.text_member(text, &known, whole)?);
        } else {
            if known.len() > FLOATS {
                return Err(Refusal::new(whole, format!("IN over more than {FLOATS} values of type {}", value.kind.name())));
            }
            for number in &known {
                tests.push(self.compare_known(Comparison::Equal, value.clone(), number, whole)?);
            }
        }
        for item in others {
            let other = self.expr(item, scope)?;
            let (a, b) = self.unified(value.clone(), other, whole)?;
            tests.push(self.b.compare(Comparison::Equal, a.node, b.node));
        }
        if null {
            tests.push(self.b.null(Type::Bool));
        }
        let mut any = self.b.boolean(false);
        for (at, test) in tests.into_iter().enumerate() {
            any = if at == 0 { test } else { self.b.push(Expr::Or(any, test)) };
        }
        Ok(if list.negated() { self.b.not(any) } else { any })
    }

    /// Whether a node is among some numbers: by a bitmap where its domain is small, else by search.
    fn member(&mut self, node: ExprId, members: &BTreeSet<i128>) -> ExprId {
        let ty = self.b.ty(node).ty;
        let (least, greatest) = ty.range().unwrap_or((i128::MIN, i128::MAX));
        if least == 0 && greatest < DOMAIN {
            let bits: Vec<bool> = (least..=greatest).map(|at| members.contains(&at)).collect();
            let table = self.b.table(Table::bits(bits.into_iter()));
            return self.b.push(Expr::Lookup { table, index: node });
        }
        let fitting: Vec<Option<i128>> = members.range(least..=greatest).copied().map(Some).collect();
        let table = self.b.table(Table::integers(ty, false, fitting.into_iter()));
        self.b.push(Expr::Member { a: node, table })
    }
}
