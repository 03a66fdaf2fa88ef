//! Keys that follow step by step from one column of integers, such as the year of a timestamp: between two steps all values
//! have one number, so the number is found by comparing the value with where the steps are. How a key follows is seen when
//! a program is compiled; where its steps are, when the parameters and tables of a run are known.

use crate::codegen::analysis::Facts;
use crate::column::element::of;
use crate::program::{Arithmetic, Domain, Expr, ExprId, Key, ParameterId, Pipeline, Scalar, TableId, Type, Values};

/// How a key follows from a column: by operations that never make a greater value the lesser, then perhaps by a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Stepwise {
    /// The column, which is never NULL.
    pub column: u32,
    /// Its type: integers of 32 bits at most.
    pub ty: Type,
    chain: Vec<Link>,
    table: Option<TableId>,
    domain: Domain,
}

/// An operation of a chain, and the type of what it makes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Link {
    /// None only changes the type.
    apply: Option<(Arithmetic, Operand)>,
    ty: Type,
}

/// The same with the values of a run.
type Bound = (Option<(Arithmetic, i128)>, (i128, i128));

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operand {
    Constant(i128),
    Parameter(ParameterId),
}

/// Where a key's numbers change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps {
    /// The least value of each step but the first, ascending.
    pub bounds: Vec<i64>,
    /// The number of each step.
    pub numbers: Vec<u16>,
    /// The values that this is true of: others a type on the way has no room for, or have no place in the table or the domain.
    pub of: (i64, i64),
}

/// A key that is a quotient of its column: `⌊(value + before) / divisor⌋`, which is true of values that are not negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotient {
    /// What is added first: half of the divisor, or nothing.
    pub before: u32,
    /// By what is divided, at least 1.
    pub divisor: u32,
    /// The least quotient, which has number 0.
    pub low: u32,
}

/// Entries of a table, at most.
const LARGEST: usize = 1 << 16;
/// Operations of a chain, at most.
const LONGEST: usize = 8;

impl Stepwise {
    /// The way of a key, where it is one.
    pub fn of(pipeline: &Pipeline, facts: &Facts, key: &Key) -> Option<Self> {
        let domain = key.domain?;
        if facts.can_fault(key.expr) || facts.ty(key.expr).nullable {
            return None;
        }
        let (mut at, mut table) = (key.expr, None);
        // Wider than what is looked up.
        while let Expr::Cast { a, to, .. } = *pipeline.expr(at) {
            let holds = |from: Type| to.range().zip(from.range()).is_some_and(|(to, from)| to.0 <= from.0 && from.1 <= to.1);
            if !matches!(pipeline.expr(a), Expr::Lookup { .. } | Expr::Cast { .. }) || !holds(facts.ty(a).ty) {
                break;
            }
            at = a;
        }
        if let Expr::Lookup { table: of, index } = pipeline.expr(at) {
            let known = pipeline.tables[of.0 as usize];
            if known.nullable || !known.element.is_integer() || known.element == Type::I128 {
                return None;
            }
            (at, table) = (*index, Some(*of));
        }
        let mut chain = vec![];
        loop {
            at = match *pipeline.expr(at) {
                Expr::Column(column) => {
                    let ty = pipeline.columns[column.0 as usize];
                    let narrow = ty.ty.is_integer() && ty.ty.bits() <= 32 && !ty.nullable;
                    chain.reverse();
                    return narrow.then_some(Self { column: column.0, ty: ty.ty, chain, table, domain });
                }
                _ if chain.len() == LONGEST => return None,
                Expr::Cast { a, to, .. } if to.is_integer() && facts.ty(a).ty.is_integer() => {
                    chain.push(Link { apply: None, ty: to });
                    a
                }
                Expr::Arithmetic { op, a, b, .. } if facts.ty(at).ty.is_integer() => {
                    chain.push(Link { apply: Some((op, operand(pipeline, b)?)), ty: facts.ty(at).ty });
                    a
                }
                _ => return None,
            };
        }
    }

    /// The division that is all of the key in a run, of a column of 32 bits; `None` where it is something else.
    pub fn quotient(&self, values: &Values) -> Option<Quotient> {
        if self.table.is_some() || self.ty.bits() != 32 {
            return None;
        }
        let mut applied = self.chain.iter().filter_map(|link| link.apply);
        let (op, by) = applied.next().filter(|_| applied.next().is_none())?;
        let divisor = u32::try_from(by.value(values)?).ok().filter(|divisor| *divisor > 0)?;
        let before = match op {
            Arithmetic::FloorDivide | Arithmetic::Divide => 0,
            Arithmetic::RoundDivide => divisor / 2,
            _ => return None,
        };
        // Every type on the way has room for what a reciprocal divides.
        let most = i128::from(i32::MAX);
        let holds = self.chain.iter().all(|link| link.ty.range().is_some_and(|(low, high)| low <= 0 && high >= most));
        let low = u32::try_from(self.domain.low).ok()?;
        holds.then_some(Quotient { before, divisor, low })
    }

    /// Its steps in a run; `None` where there are more than `most`, or where what the run brings does not keep the order.
    pub fn steps(&self, values: &Values, most: usize) -> Option<Steps> {
        let bound = |link: &Link| -> Option<Bound> {
            let apply = match link.apply {
                Some((op, by)) => Some((op, by.value(values)?)),
                None => None,
            };
            Some((apply, link.ty.range()?))
        };
        let chain: Vec<Bound> = self.chain.iter().map(bound).collect::<Option<_>>()?;
        let ordered = |(apply, _): &Bound| match apply {
            None | Some((Arithmetic::Add | Arithmetic::Subtract, _)) => true,
            Some((Arithmetic::Multiply, by)) => *by >= 0,
            Some((Arithmetic::Divide | Arithmetic::FloorDivide | Arithmetic::RoundDivide, by)) => *by > 0,
            Some((Arithmetic::Remainder | Arithmetic::FloorRemainder, _)) => false,
        };
        let (low, high) = self.ty.range()?;
        let entries = match self.table {
            Some(table) => Some(entries(values, table)?),
            None => None,
        };
        if !chain.iter().all(ordered) {
            return None;
        }
        // What fits lies around 0.
        let fits = |value: i128| made(&chain, value).is_some();
        let last_that_fits = |mut inside: i128, outside: i128| {
            let mut beyond = outside;
            while (beyond - inside).abs() > 1 {
                let middle = inside + (beyond - inside) / 2;
                if fits(middle) { inside = middle } else { beyond = middle }
            }
            inside
        };
        if !fits(0) {
            return None;
        }
        let (low, high) = (last_that_fits(0, low - 1), last_that_fits(0, high + 1));
        let made = |value: i128| made(&chain, value).unwrap_or(0);
        // Where there is a table, its places; else the values of the domain.
        let (first, last) = match &entries {
            Some(entries) => (0, entries.len() as i128 - 1),
            None => (i128::from(self.domain.low), i128::from(self.domain.low) + i128::from(self.domain.size) - 1),
        };
        let number = |place: i128| {
            let value = entries.as_ref().map_or(place, |entries| entries[place as usize]);
            (value - i128::from(self.domain.low)).clamp(0, i128::from(self.domain.size) - 1) as u16
        };
        // The least value that comes so far.
        let comes_to = |place: i128| {
            let (mut below, mut from) = (low - 1, high + 1);
            while from - below > 1 {
                let middle = below + (from - below) / 2;
                if made(middle) < place { below = middle } else { from = middle }
            }
            from
        };
        let (low, high) = (comes_to(first), comes_to(last + 1) - 1);
        if low > high {
            return None;
        }
        let mut place = made(low);
        let mut steps = Steps { bounds: vec![], numbers: vec![number(place)], of: (low as i64, high as i64) };
        while let Some(next) = (place + 1..=last).find(|next| number(*next) != number(place)) {
            let from = comes_to(next);
            if from > high {
                break;
            }
            if steps.bounds.len() == most {
                return None;
            }
            // One value may pass several places.
            place = made(from);
            steps.bounds.push(from as i64);
            steps.numbers.push(number(place));
        }
        Some(steps)
    }
}

impl Operand {
    fn value(self, values: &Values) -> Option<i128> {
        match self {
            Self::Constant(value) => Some(value),
            Self::Parameter(id) => match values.scalars.get(id.0 as usize)? {
                Scalar::Int(value) => Some(*value),
                Scalar::Bool(_) | Scalar::F32(_) | Scalar::F64(_) | Scalar::Text(_) => None,
            },
        }
    }
}

fn operand(pipeline: &Pipeline, id: ExprId) -> Option<Operand> {
    match pipeline.expr(id) {
        Expr::Constant { value: Some(Scalar::Int(value)), .. } => Some(Operand::Constant(*value)),
        Expr::Parameter(id) if pipeline.parameters[id.0 as usize].is_integer() => Some(Operand::Parameter(*id)),
        Expr::Cast { a, to, .. } if to.is_integer() => operand(pipeline, *a),
        _ => None,
    }
}

/// What a chain makes of a value; `None` where a type does not hold it on the way.
fn made(chain: &[Bound], value: i128) -> Option<i128> {
    chain.iter().try_fold(value, |value, (apply, (least, greatest))| {
        let found = match *apply {
            None => value,
            Some((Arithmetic::Add, by)) => value.checked_add(by)?,
            Some((Arithmetic::Subtract, by)) => value.checked_sub(by)?,
            Some((Arithmetic::Multiply, by)) => value.checked_mul(by)?,
            Some((Arithmetic::Divide, by)) => value.checked_div(by)?,
            Some((Arithmetic::FloorDivide, by)) => value.checked_div_euclid(by)?,
            Some((Arithmetic::RoundDivide, by)) => {
                let (half, far) = (by / 2, value.checked_abs()?);
                far.checked_add(half)?.checked_div(by)? * value.signum()
            }
            Some((Arithmetic::Remainder | Arithmetic::FloorRemainder, _)) => return None,
        };
        (*least <= found && found <= *greatest).then_some(found)
    })
}

/// The entries of a table of integers.
fn entries(values: &Values, table: TableId) -> Option<Vec<i128>> {
    let table = values.tables.get(table.0 as usize)?;
    let of = |at: usize| -> i128 {
        match table.ty.element {
            Type::U8 => of::<u8>(&table.values, at).into(),
            Type::I8 => of::<i8>(&table.values, at).into(),
            Type::U16 => of::<u16>(&table.values, at).into(),
            Type::I16 => of::<i16>(&table.values, at).into(),
            Type::U32 => of::<u32>(&table.values, at).into(),
            Type::I32 => of::<i32>(&table.values, at).into(),
            _ => of::<i64>(&table.values, at).into(),
        }
    };
    (1..=LARGEST).contains(&table.len).then(|| (0..table.len).map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::text::parse;
    use crate::program::{Sink, Table};
    use std::sync::Arc;

    fn stepwise(text: &str) -> Option<Stepwise> {
        let pipeline = parse(text).unwrap();
        let facts = Facts::of(&pipeline).unwrap();
        let Sink::Group { keys, .. } = &pipeline.sink else { panic!("{text}") };
        Stepwise::of(&pipeline, &facts, &keys[0])
    }

    const YEAR: &str = "pipeline\n  column 0 u32\n  parameter 0 i64\n  table 0 u16\n  %0 = column 0\n  %1 = cast i64 %0\n  \
        %2 = constant i64 86400\n  %3 = floor_divide %1 %2\n  %4 = parameter 0\n  %5 = subtract %3 %4\n  %6 = lookup 0 %5\n  \
        body\n    emit\n  group dense\n    key %6 domain 2010 9\n    count\n";

    /// Days of a table, from day 100 on, have years of ten days.
    #[test]
    fn steps_are_where_numbers_change() {
        let found = stepwise(YEAR).unwrap();
        let table = Table::integers(Type::U16, false, (0..85i32).map(|day| Some((2010 + day / 10).into())));
        let values = Values { scalars: vec![Scalar::Int(100)], tables: vec![Arc::new(table)], indexes: vec![] };
        let steps = found.steps(&values, 15).unwrap();
        assert_eq!(steps.bounds, (1..9).map(|year| (100 + year * 10) * 86_400).collect::<Vec<i64>>());
        assert_eq!(steps.numbers, (0..9).collect::<Vec<u16>>());
        assert_eq!(found.steps(&values, 7), None, "too many");
        assert_eq!(steps.of, (100 * 86_400, 185 * 86_400 - 1));
        let other = Values { scalars: vec![Scalar::Int(i64::MIN.into())], ..values };
        assert_eq!(found.steps(&other, 15), None, "0 overflows");
    }

    #[test]
    fn a_division_alone_is_a_quotient() {
        let nodes = "  column 0 u32\n  %0 = column 0\n  %1 = cast i32 %0\n  %2 = constant i32 100\n  %3 = round_divide %1 %2\n";
        let text = format!("pipeline\n{nodes}  body\n    emit\n  group dense\n    key %3 domain 2 100\n    count\n");
        let found = stepwise(&text).unwrap();
        assert_eq!(found.quotient(&Values::default()), Some(Quotient { before: 50, divisor: 100, low: 2 }));
        let steps = found.steps(&Values::default(), 1000).unwrap();
        assert_eq!((steps.bounds[0], steps.bounds.len(), steps.of), (250, 99, (150, 10_149)));
    }

    #[test]
    fn what_keeps_no_order_is_none() {
        let key = |node: &str| {
            let head = "pipeline\n  column 0 i16\n  parameter 0 i32\n  %0 = column 0\n  %1 = cast i32 %0\n  %2 = parameter 0\n";
            let rest = "  body\n    emit\n  group dense\n    key %3 domain 0 100\n    count\n";
            stepwise(&format!("{head}  %3 = {node}\n{rest}"))
        };
        let values = |by: i128| Values { scalars: vec![Scalar::Int(by)], ..Values::default() };
        let times = key("multiply %1 %2").unwrap();
        assert!(times.steps(&values(-1), 1000).is_none());
        let thrice = times.steps(&values(3), 1000).unwrap();
        assert_eq!((thrice.of, thrice.bounds[0], thrice.numbers[1]), ((0, 33), 1, 3));
        assert_eq!(times.steps(&values(1 << 20), 1000).unwrap().of, (0, 0), "others have no place in the domain");
        assert_eq!(times.quotient(&values(3)), None);
        assert_eq!(key("subtract %2 %1"), None);
    }
}
