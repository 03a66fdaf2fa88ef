//! What is known of a node without any data: the values it can take, whether it can raise a fault, what it costs.

use crate::program::{Arithmetic, DatePart, Expr, ExprId, Math, Pipeline, Scalar, TextUnit, Type, ValueType};

/// The least and the greatest value of a node, NULLs' garbage included.
pub type Interval = (i128, i128);

/// What is known of every node of a pipeline.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The types of the nodes.
    pub types: Vec<ValueType>,
    intervals: Vec<Option<Interval>>,
    faults: Vec<bool>,
    costs: Vec<u32>,
}

/// From this cost on, a node that may not be needed is worth a branch.
const EXPENSIVE: u32 = 24;

impl Facts {
    /// Looks at every node once. Err says what is wrong with which node.
    pub fn of(pipeline: &Pipeline) -> Result<Self, String> {
        let types = pipeline.value_types()?;
        let mut facts = Self { intervals: Vec::with_capacity(types.len()), faults: vec![], costs: vec![], types };
        for (at, expr) in pipeline.exprs.iter().enumerate() {
            let ty = facts.types[at].ty;
            let interval = ty.range().map(|range| facts.interval_of(expr, ty).map_or(range, |found| within(found, range)));
            facts.intervals.push(interval);
            let operands = expr.operands();
            let raises = expr.can_fault() && !facts.proved(expr, at);
            facts.faults.push(raises || operands.iter().any(|o| facts.faults[o.0 as usize]));
            let below = operands.iter().fold(0u32, |sum, o| sum.saturating_add(facts.costs[o.0 as usize]));
            facts.costs.push(below.saturating_add(cost(expr, ty)));
        }
        Ok(facts)
    }

    /// The type of a node.
    pub fn ty(&self, id: ExprId) -> ValueType {
        self.types[id.0 as usize]
    }

    /// What an integer node lies in; `None` for `bool` and floats.
    pub fn interval(&self, id: ExprId) -> Option<Interval> {
        self.intervals[id.0 as usize]
    }

    /// Whether evaluating the node, its operands included, can raise a fault.
    pub fn can_fault(&self, id: ExprId) -> bool {
        self.faults[id.0 as usize]
    }

    /// Whether the node must or should be evaluated only where it is needed.
    pub fn is_lazy(&self, id: ExprId) -> bool {
        self.can_fault(id) || self.costs[id.0 as usize] >= EXPENSIVE
    }

    /// Whether the exact result of an arithmetic node always fits its type, so that nothing needs to be checked.
    pub fn fits(&self, op: Arithmetic, a: ExprId, b: ExprId, ty: Type) -> bool {
        match (self.interval(a), self.interval(b), ty.range()) {
            (Some(a), Some(b), Some(range)) => exact(op, a, b).is_some_and(|found| range.0 <= found.0 && found.1 <= range.1),
            (None, _, _) | (_, None, _) | (_, _, None) => false,
        }
    }

    /// Whether the operands show that a node which may raise a fault never does.
    fn proved(&self, expr: &Expr, at: usize) -> bool {
        let ty = self.types[at].ty;
        match *expr {
            Expr::Arithmetic { op: op @ (Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply), a, b, .. } => {
                self.fits(op, a, b, ty)
            }
            Expr::Arithmetic { b, .. } => self.interval(b).is_some_and(|(low, high)| low > 0 || high < -1),
            Expr::Negate { a, .. } => match (self.interval(a), ty.range()) {
                (Some((low, _)), Some((least, _))) => low > least,
                (None, _) | (_, None) => false,
            },
            Expr::Cast { to, a, .. } => match (self.interval(a), to.range()) {
                (Some((low, high)), Some((least, greatest))) => least <= low && high <= greatest,
                (None, _) => self.ty(a).ty == Type::Bool,
                (Some(_), None) => true,
            },
            Expr::Column(_)
            | Expr::Parameter(_)
            | Expr::Constant { .. }
            | Expr::Compare { .. }
            | Expr::InRange { .. }
            | Expr::Member { .. }
            | Expr::Lookup { .. }
            | Expr::Not(_)
            | Expr::And(..)
            | Expr::Or(..)
            | Expr::IsNull(_)
            | Expr::IsDistinct(..)
            | Expr::Select { .. }
            | Expr::Coalesce(..)
            | Expr::NullIf(..)
            | Expr::DatePart { .. }
            | Expr::AddMonths { .. }
            | Expr::TextLength { .. }
            | Expr::TextMatch { .. }
            | Expr::TextPosition { .. }
            | Expr::TextSlice { .. }
            | Expr::TextTrim { .. }
            | Expr::Math { .. }
            | Expr::MathPair { .. }
            | Expr::Bits { .. }
            | Expr::Probe { .. }
            | Expr::Current(_)
            | Expr::Place { .. } => false,
        }
    }

    fn interval_of(&self, expr: &Expr, ty: Type) -> Option<Interval> {
        let of = |id: ExprId| self.interval(id);
        match *expr {
            Expr::Column(_) | Expr::Parameter(_) | Expr::Lookup { .. } | Expr::AddMonths { .. } | Expr::Current(_) => None,
            Expr::Math { .. } | Expr::MathPair { .. } | Expr::Bits { .. } => None,
            // A text has less than 2^31 bytes.
            // What is not found is -1.
            Expr::Probe { .. } => Some((-1, i32::MAX.into())),
            Expr::Place { .. } | Expr::TextLength { .. } | Expr::TextPosition { .. } => Some((0, i32::MAX.into())),
            Expr::Constant { ref value, .. } => match value {
                Some(Scalar::Int(value)) => Some((*value, *value)),
                Some(Scalar::Bool(_) | Scalar::F32(_) | Scalar::F64(_) | Scalar::Text(_)) => None,
                None => Some((0, 0)),
            },
            Expr::Arithmetic { op, a, b, .. } => {
                // A result that does not fit wraps or raises; either way only the type is known of it.
                let range = ty.range()?;
                exact(op, of(a)?, of(b)?).filter(|found| range.0 <= found.0 && found.1 <= range.1)
            }
            Expr::Negate { a, .. } => {
                let (low, high) = of(a)?;
                let range = ty.range()?;
                if low == range.0 { None } else { Some((-high, -low)) }
            }
            Expr::Cast { a, to, .. } => {
                if self.ty(a).ty == Type::Bool {
                    return Some((0, 1));
                }
                let range = to.range()?;
                of(a).filter(|found| range.0 <= found.0 && found.1 <= range.1)
            }
            Expr::Select { then, otherwise, .. } => union(of(then)?, of(otherwise)?),
            Expr::Coalesce(a, b) => union(of(a)?, of(b)?),
            Expr::NullIf(a, _) => of(a),
            Expr::DatePart { part, .. } => match part {
                DatePart::Quarter => Some((1, 4)),
                DatePart::Month => Some((1, 12)),
                DatePart::Day => Some((1, 31)),
                DatePart::DayOfWeek => Some((0, 6)),
                DatePart::IsoDayOfWeek => Some((1, 7)),
                DatePart::DayOfYear => Some((1, 366)),
                DatePart::Week => Some((1, 53)),
                DatePart::Year | DatePart::IsoYear | DatePart::MonthStart | DatePart::QuarterStart | DatePart::YearStart => None,
            },
            Expr::Compare { .. }
            | Expr::InRange { .. }
            | Expr::Member { .. }
            | Expr::Not(_)
            | Expr::And(..)
            | Expr::Or(..)
            | Expr::IsNull(_)
            | Expr::IsDistinct(..)
            | Expr::TextMatch { .. }
            | Expr::TextSlice { .. }
            | Expr::TextTrim { .. } => None,
        }
    }
}

fn within(found: Interval, range: Interval) -> Interval {
    (found.0.max(range.0), found.1.min(range.1))
}

fn union(a: Interval, b: Interval) -> Option<Interval> {
    Some((a.0.min(b.0), a.1.max(b.1)))
}

/// What the exact result lies in; `None` where 128 bits do not hold it, or nothing is known.
fn exact(op: Arithmetic, a: Interval, b: Interval) -> Option<Interval> {
    match op {
        Arithmetic::Add => Some((a.0.checked_add(b.0)?, a.1.checked_add(b.1)?)),
        Arithmetic::Subtract => Some((a.0.checked_sub(b.1)?, a.1.checked_sub(b.0)?)),
        Arithmetic::Multiply => {
            let corners = [a.0.checked_mul(b.0)?, a.0.checked_mul(b.1)?, a.1.checked_mul(b.0)?, a.1.checked_mul(b.1)?];
            Some((*corners.iter().min()?, *corners.iter().max()?))
        }
        Arithmetic::Divide | Arithmetic::RoundDivide | Arithmetic::FloorDivide => {
            // The magnitude never grows, but for the rounding down of a negative quotient, which stays within it too.
            let most = a.0.checked_abs()?.max(a.1.checked_abs()?);
            Some((-most, most))
        }
        Arithmetic::Remainder | Arithmetic::FloorRemainder => {
            let most = b.0.checked_abs()?.max(b.1.checked_abs()?);
            Some((-most, most))
        }
    }
}

/// Roughly the cycles that a node itself takes.
fn cost(expr: &Expr, ty: Type) -> u32 {
    match expr {
        Expr::Column(_) | Expr::Parameter(_) | Expr::Constant { .. } | Expr::Current(_) => 1,
        Expr::Arithmetic { op, .. } => match op {
            Arithmetic::Add | Arithmetic::Subtract => 1,
            Arithmetic::Multiply => {
                if ty == Type::I128 {
                    12
                } else {
                    3
                }
            }
            Arithmetic::Divide
            | Arithmetic::Remainder
            | Arithmetic::FloorDivide
            | Arithmetic::FloorRemainder
            | Arithmetic::RoundDivide => {
                if ty == Type::I128 {
                    40
                } else {
                    15
                }
            }
        },
        Expr::TextLength { unit: TextUnit::Bytes, .. } => 1,
        Expr::TextLength { unit: TextUnit::Characters, .. }
        | Expr::TextMatch { .. }
        | Expr::TextPosition { .. }
        | Expr::TextSlice { .. }
        | Expr::TextTrim { .. } => 30,
        Expr::Member { .. } | Expr::DatePart { .. } | Expr::AddMonths { .. } | Expr::Place { .. } => 30,
        Expr::Math { op, .. } => match op {
            Math::Abs | Math::Sign | Math::Floor | Math::Ceil | Math::Round | Math::Trunc => 4,
            Math::Sqrt => 15,
            Math::Cbrt
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
            | Math::Atanh => 60,
        },
        Expr::MathPair { .. } => 80,
        Expr::Probe { .. } => 40,
        Expr::Bits { .. } => 1,
        Expr::Lookup { .. } => 6,
        Expr::InRange { .. } | Expr::Compare { .. } | Expr::IsDistinct(..) | Expr::NullIf(..) => 2,
        Expr::Cast { .. }
        | Expr::Negate { .. }
        | Expr::Not(_)
        | Expr::And(..)
        | Expr::Or(..)
        | Expr::IsNull(_)
        | Expr::Select { .. }
        | Expr::Coalesce(..) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Scalar;
    use crate::program::text::parse;
    use crate::testing::{Random, generate, outcomes_of_nodes};

    /// Nodes for those below: columns of several types, numbers, and an `i32` that an `i8`, or a `u8`, was.
    const NODES: [&str; 16] = [
        "column 0",
        "column 1",
        "column 2",
        "column 3",
        "column 4",
        "column 5",
        "column 6",
        "constant i32 0",
        "constant i32 1",
        "constant i32 -1",
        "constant i32 -2",
        "constant i32 5",
        "cast i32 %1",
        "cast i32 %2",
        "constant i32 127",
        "constant i128 7",
    ];
    const COLUMNS: [&str; 7] = ["bool", "i8", "u8", "i32", "i128", "f64", "i32 nullable"];

    /// Of the last of the nodes that are added, which are parted by `;`.
    fn facts(added: &str) -> (Facts, ExprId) {
        let columns = COLUMNS.iter().enumerate().map(|(at, ty)| format!("  column {at} {ty}\n"));
        let nodes = NODES.iter().copied().chain(added.split("; "));
        let nodes = nodes.enumerate().map(|(at, node)| format!("  %{at} = {node}\n"));
        let text = format!("pipeline\n{}{}  body\n  bitmap\n", columns.collect::<String>(), nodes.collect::<String>());
        let pipeline = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        (Facts::of(&pipeline).unwrap(), ExprId(pipeline.exprs.len() as u32 - 1))
    }

    /// Bounds are as close as the operands' bounds make them; where a result may wrap, the type's.
    #[test]
    fn bounds_follow_from_the_operands() {
        const I32: Interval = (i32::MIN as i128, i32::MAX as i128);
        for (added, bounds) in [
            ("constant i32 null", (0, 0)),
            ("column 3", I32),
            ("add %12 %13", (-128, 382)),
            ("subtract %12 %13", (-383, 127)),
            ("multiply %12 %13", (-32_640, 32_385)),
            ("multiply %12 %12", (-16_256, 16_384)),
            ("add %3 %8", I32),
            ("subtract %3 %8", I32),
            ("multiply %3 %11", I32),
            ("add %3 %7", I32),
            ("divide %12 %13", (-128, 128)),
            ("round_divide %12 %13", (-128, 128)),
            ("floor_divide %12 %13", (-128, 128)),
            ("remainder %3 %11", (-5, 5)),
            ("floor_remainder %3 %10", (-2, 2)),
            ("negate %12", (-127, 128)),
            ("negate %13", (-255, 0)),
            ("negate %3", I32),
            ("cast i64 %12", (-128, 127)),
            ("cast i32 %0", (0, 1)),
            ("cast i8 %13", (-128, 127)),
            ("cast i8 %12", (-128, 127)),
            ("cast u8 %14", (127, 127)),
            ("cast u8 %9", (0, 255)),
            ("cast i32 %5 ! integer_range", I32),
            ("select %0 %12 %13", (-128, 255)),
            ("select %0 %13 %12", (-128, 255)),
            ("coalesce %6 %11", I32),
            ("null_if %13 %11", (0, 255)),
            ("date_part quarter %3", (1, 4)),
            ("date_part month %3", (1, 12)),
            ("date_part day %3", (1, 31)),
            ("date_part day_of_week %3", (0, 6)),
            ("date_part iso_day_of_week %3", (1, 7)),
            ("date_part day_of_year %3", (1, 366)),
            ("date_part week %3", (1, 53)),
            ("date_part year %3", I32),
            ("add_months %3 %11", I32),
        ] {
            let (facts, last) = facts(added);
            assert_eq!(facts.interval(last), Some(bounds), "{added}");
        }
        for added in ["column 0", "column 5", "add %5 %5", "less %3 %11", "constant f64 1.0", "constant bool true"] {
            let (facts, last) = facts(added);
            assert_eq!(facts.interval(last), None, "{added}");
        }
    }

    /// What the operands show to be safe needs no check; nothing else goes without.
    #[test]
    fn faults_are_proved_away() {
        for (added, faulty) in [
            ("add %12 %13 ! integer_range", false),
            ("add %3 %7 ! integer_range", false),
            ("add %3 %8 ! integer_range", true),
            ("add %3 %8", false),
            ("subtract %3 %8 ! integer_range", true),
            ("multiply %12 %13 ! integer_range", false),
            ("multiply %3 %11 ! integer_range", true),
            ("multiply %4 %15 ! numeric_range", true),
            ("add %5 %5 ! float_overflow", true),
            ("divide %3 %11", false),
            ("divide %3 %8", false),
            ("divide %3 %10", false),
            ("divide %3 %9 ! integer_range", true),
            ("divide %3 %7", true),
            ("divide %3 %13", true),
            ("divide %5 %5", true),
            ("negate %12 ! integer_range", false),
            ("negate %3 ! integer_range", true),
            ("negate %5 ! float_overflow", true),
            ("cast u8 %13 ! smallint_range", false),
            ("cast i8 %12 ! smallint_range", false),
            ("cast i8 %13 ! smallint_range", true),
            ("add %12 %8; cast i8 %16 ! smallint_range", true),
            ("subtract %12 %8; cast i8 %16 ! smallint_range", true),
            ("cast i32 %0 ! integer_range", false),
            ("cast i32 %5 ! integer_range", true),
            ("cast f32 %3 ! float_overflow", false),
            ("cast f32 %5 ! float_overflow", true),
            ("add_months %3 %11", true),
            ("divide %3 %7; is_null %16", true),
            ("divide %3 %7; add %3 %16", true),
        ] {
            let (facts, last) = facts(added);
            assert_eq!(facts.can_fault(last), faulty, "{added}");
        }
    }

    /// What may raise is not evaluated where it is not needed, nor is what takes long.
    #[test]
    fn only_the_safe_and_cheap_is_not_lazy() {
        for (added, lazy) in [
            ("add %12 %13", false),
            ("add %3 %8 ! integer_range", true),
            ("less %3 %11", false),
            ("multiply %3 %3", false),
            ("multiply %4 %4", false),
            ("multiply %4 %4; multiply %16 %16", true),
            ("divide %3 %11", false),
            ("divide %3 %11; divide %16 %11", true),
            ("divide %4 %15", true),
            ("date_part month %3", true),
        ] {
            let (facts, last) = facts(added);
            assert_eq!(facts.is_lazy(last), lazy, "{added}");
        }
    }

    /// The facts hold: no node of a random program leaves its bounds, or raises what it cannot.
    #[test]
    fn no_value_is_out_of_bounds() {
        for seed in 0..200 {
            let case = generate(&mut Random::new(seed));
            let facts = Facts::of(&case.pipeline).unwrap();
            for (id, found) in outcomes_of_nodes(&case) {
                let context = || format!("seed {seed}, {id}\n{}", case.pipeline);
                assert!(found.faults.is_empty() || facts.can_fault(id), "{}", context());
                for value in found.rows.iter().flatten() {
                    if let (Some(Scalar::Int(value)), Some((low, high))) = (value, facts.interval(id)) {
                        assert!((low..=high).contains(value), "{value} is not in {low} to {high}: {}", context());
                    }
                }
            }
        }
    }
}
