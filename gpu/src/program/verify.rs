//! What is well formed: checked once, before a pipeline is compiled.
//!
//! Generators rely on it: of a verified pipeline every identifier is there, every operand has the type that its node asks
//! for, and every sink can be built. Promises about data (a sum without a fault fits, a key lies in its domain) are the
//! host's and cannot be seen here; the interpreter checks those while it runs.

use std::collections::BTreeSet;

use super::sink::DENSE_LIMIT;
use super::{
    Aggregate, AggregateOp, Domain, Expr, ExprId, Key, LoopId, Pipeline, Program, Sink, Source, Statement, Strategy, Type,
    ValueType,
};
use crate::error::{Error, Result};

/// The most values of the domain of a `count_distinct` or `sum_distinct`: a bit of state each.
pub const DISTINCT_LIMIT: u32 = 1 << 16;

/// The type of every node of a pipeline that is well formed; else what is wrong with it.
///
/// A body need not reach an `emit`: then no row reaches the sink.
pub fn verify(pipeline: &Pipeline) -> Result<Vec<ValueType>> {
    check(pipeline).map_err(|why| Error::Invalid(format!("the pipeline is not well formed: {why}")))
}

/// Verifies each pipeline, and that one which reads another's output comes behind it and declares its columns.
pub fn verify_program(program: &Program) -> Result<()> {
    let mut left: Vec<Vec<ValueType>> = Vec::new();
    for (at, (source, pipeline)) in program.pipelines.iter().enumerate() {
        let invalid = |why: String| Error::Invalid(format!("pipeline {at} is not well formed: {why}"));
        let types = check(pipeline).map_err(invalid)?;
        match source {
            Source::Input(_) => {}
            Source::Output(number) => {
                let found = left.get(*number as usize);
                let found = found.ok_or_else(|| invalid(format!("it reads the output of pipeline {number}, not yet run")))?;
                let fits = |(left, read): (&ValueType, &ValueType)| left.ty == read.ty && (read.nullable || !left.nullable);
                if found.len() != pipeline.columns.len() || !found.iter().zip(&pipeline.columns).all(fits) {
                    return Err(invalid(format!("its columns are not those that pipeline {number} leaves")));
                }
            }
        }
        left.push(output_types(&pipeline.sink, &types));
    }
    Ok(())
}

/// What the columns of a sink's output hold, given the types of the pipeline's nodes. An output of a type that is nullable
/// need not bring a validity bitmap where no value is NULL.
pub fn output_types(sink: &Sink, types: &[ValueType]) -> Vec<ValueType> {
    let of = |id: &ExprId| types[id.0 as usize];
    match sink {
        Sink::Materialize { columns } | Sink::TopK { columns, .. } => columns.iter().map(of).collect(),
        Sink::Bitmap | Sink::Mark { .. } => vec![ValueType::of(Type::Bool)],
        Sink::Group { keys, aggregates, .. } => {
            let keys = keys.iter().map(|key| of(&key.expr));
            keys.chain(aggregates.iter().map(|aggregate| match aggregate.op {
                AggregateOp::Count | AggregateOp::CountDistinct(_) => ValueType::of(Type::I64),
                AggregateOp::Sum { ty, .. } => ValueType::nullable(ty),
                AggregateOp::Min | AggregateOp::Max | AggregateOp::Bits(_) => {
                    ValueType::nullable(aggregate.input.as_ref().map_or(Type::I64, |input| of(input).ty))
                }
                AggregateOp::SumDistinct(_) => ValueType::nullable(Type::I64),
                AggregateOp::Deviations { .. } => ValueType::nullable(Type::F64),
            }))
            .collect()
        }
    }
}

fn check(pipeline: &Pipeline) -> std::result::Result<Vec<ValueType>, String> {
    let types = pipeline.value_types()?;
    let mut verifier = Verifier { pipeline, types: &types, loops: loops_of_nodes(pipeline), met: BTreeSet::new() };
    verifier.sink(&pipeline.sink)?;
    verifier.block(&pipeline.body, &mut Vec::new())?;
    Ok(types)
}

/// For each node the loops whose numbers it depends on.
pub(crate) fn loops_of_nodes(pipeline: &Pipeline) -> Vec<BTreeSet<LoopId>> {
    let mut found: Vec<BTreeSet<LoopId>> = Vec::with_capacity(pipeline.exprs.len());
    for expr in &pipeline.exprs {
        let mut own: BTreeSet<LoopId> = expr.operands().iter().flat_map(|id| found[id.0 as usize].iter().copied()).collect();
        if let Expr::Current(id) = expr {
            own.insert(*id);
        }
        found.push(own);
    }
    found
}

struct Verifier<'a> {
    pipeline: &'a Pipeline,
    types: &'a [ValueType],
    /// For each node the loops whose numbers it depends on.
    loops: Vec<BTreeSet<LoopId>>,
    /// The loops met so far.
    met: BTreeSet<LoopId>,
}

impl Verifier<'_> {
    fn of(&self, id: ExprId, user: &str) -> std::result::Result<ValueType, String> {
        self.types.get(id.0 as usize).copied().ok_or_else(|| format!("{user}: there is no node {id}"))
    }

    fn boolean(&self, id: ExprId, user: &str) -> std::result::Result<(), String> {
        match self.of(id, user)?.ty {
            Type::Bool => Ok(()),
            other => Err(format!("{user}: {id} is {}, not bool", other.name())),
        }
    }

    /// Whether a node depends on no loop but those around.
    fn inside(&self, id: ExprId, around: &[LoopId], user: &str) -> std::result::Result<(), String> {
        match self.loops[id.0 as usize].iter().find(|id| !around.contains(id)) {
            Some(outer) => Err(format!("{user}: {id} depends on loop {}, which is not around it", outer.0)),
            None => Ok(()),
        }
    }

    fn block(&mut self, block: &[Statement], around: &mut Vec<LoopId>) -> std::result::Result<(), String> {
        block.iter().try_for_each(|statement| match statement {
            Statement::If { condition, then } => {
                self.boolean(*condition, "if")?;
                self.inside(*condition, around, "if")?;
                self.block(then, around)
            }
            Statement::Loop { id, from, to, kind, condition, then } => {
                if !self.met.insert(*id) {
                    return Err(format!("a second loop {}", id.0));
                }
                for bound in [*from, *to] {
                    match self.of(bound, "loop")?.ty {
                        Type::I32 => self.inside(bound, around, "loop")?,
                        other => return Err(format!("loop: {bound} is {}, not i32", other.name())),
                    }
                }
                around.push(*id);
                if let Some(condition) = condition {
                    self.boolean(*condition, "loop")?;
                    self.inside(*condition, around, "loop")?;
                }
                if !kind.has_current() {
                    around.pop();
                }
                let done = self.block(then, around);
                if kind.has_current() {
                    around.pop();
                }
                done
            }
            Statement::Stage => Ok(()),
            Statement::Emit => self.pipeline.sink.operands().into_iter().try_for_each(|id| self.inside(id, around, "emit")),
        })
    }

    fn sink(&self, sink: &Sink) -> std::result::Result<(), String> {
        match sink {
            Sink::Materialize { columns } => columns.iter().try_for_each(|id| self.of(*id, "materialize").map(|_| ())),
            Sink::Bitmap => Ok(()),
            Sink::Mark { at, rows } => match (self.of(*at, "mark")?.ty, self.pipeline.parameters.get(rows.0 as usize)) {
                (Type::I32, Some(Type::I64)) => Ok(()),
                (Type::I32, _) => Err(format!("mark: parameter {} is no i64", rows.0)),
                (other, _) => Err(format!("mark: {at} is {}, not i32", other.name())),
            },
            Sink::Group { keys, aggregates, strategy } => {
                self.keys(keys, *strategy)?;
                aggregates.iter().try_for_each(|aggregate| self.aggregate(aggregate))
            }
            Sink::TopK { order, columns, limit: _ } => {
                let mut ids = order.iter().map(|key| &key.expr).chain(columns);
                ids.try_for_each(|id| self.of(*id, "top_k").map(|_| ()))
            }
        }
    }

    fn keys(&self, keys: &[Key], strategy: Strategy) -> std::result::Result<(), String> {
        let mut states = 1u64;
        for key in keys {
            let found = self.of(key.expr, "key")?;
            match key.domain {
                Some(domain) => {
                    domain_fits(domain, found.ty, "key")?;
                    states = states.saturating_mul(u64::from(domain.size) + u64::from(found.nullable));
                }
                None if strategy == Strategy::Dense => return Err(format!("a dense group whose key {} has no domain", key.expr)),
                None => {}
            }
        }
        match strategy {
            Strategy::Single if !keys.is_empty() => Err("a single group with keys".to_owned()),
            Strategy::Dense | Strategy::Hash if keys.is_empty() => Err(format!("a {} group without keys", strategy.name())),
            Strategy::Dense if states > DENSE_LIMIT => Err(format!("a dense group of {states} states, of {DENSE_LIMIT} at most")),
            Strategy::Single | Strategy::Dense | Strategy::Hash => Ok(()),
        }
    }

    fn aggregate(&self, aggregate: &Aggregate) -> std::result::Result<(), String> {
        if let Some(filter) = aggregate.filter {
            self.boolean(filter, "the filter of an aggregate")?;
        }
        let input = aggregate.input.map(|id| self.of(id, "aggregate")).transpose()?;
        let needed = |name: &str| input.ok_or_else(|| format!("{name} of nothing"));
        let distinct = |name: &str, domain: Domain| {
            domain_fits(domain, needed(name)?.ty, name)?;
            match domain.size {
                size if size <= DISTINCT_LIMIT => Ok(()),
                size => Err(format!("{name} over {size} values, of {DISTINCT_LIMIT} at most")),
            }
        };
        match aggregate.op {
            AggregateOp::Count => Ok(()),
            AggregateOp::Sum { ty, fault } => {
                let from = needed("sum")?.ty;
                let fits = match ty {
                    Type::I64 | Type::I128 => from.is_integer() && from.bits() <= ty.bits(),
                    Type::F64 => from.is_float() && fault.is_none(),
                    Type::Bool | Type::I8 | Type::I16 | Type::I32 | Type::U8 | Type::U16 | Type::U32 | Type::F32 | Type::Text => {
                        false
                    }
                };
                let with = if fault.is_some() { " with a fault" } else { "" };
                if fits { Ok(()) } else { Err(format!("sum {} of {}{with}", ty.name(), from.name())) }
            }
            AggregateOp::Min => needed("min").map(|_| ()),
            AggregateOp::Max => needed("max").map(|_| ()),
            AggregateOp::CountDistinct(domain) => distinct("count_distinct", domain),
            AggregateOp::SumDistinct(domain) => distinct("sum_distinct", domain),
            AggregateOp::Bits(op) => match needed(op.name())?.ty {
                ty if ty.is_integer() && ty != Type::I128 => Ok(()),
                ty => Err(format!("{} of {}", op.name(), ty.name())),
            },
            AggregateOp::Deviations { with } => {
                let second = with.map(|id| self.of(id, "aggregate")).transpose()?;
                match [Some(needed("deviations")?), second].into_iter().flatten().find(|found| found.ty != Type::F64) {
                    Some(other) => Err(format!("deviations of {}", other.ty.name())),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Whether a domain is one: of an integer or `bool`, not empty, and its greatest value an `i64` too.
fn domain_fits(domain: Domain, ty: Type, user: &str) -> std::result::Result<(), String> {
    if !ty.is_integer() && ty != Type::Bool {
        Err(format!("{user} with a domain of {}", ty.name()))
    } else if domain.size == 0 {
        Err(format!("{user} with an empty domain"))
    } else if domain.low.checked_add(i64::from(domain.size) - 1).is_none() {
        Err(format!("{user} with a domain that ends behind 64 bits"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::text::{parse, parse_program};

    /// Nodes of several types for the sinks below: %0 bool, %1 i32 nullable, %2 i64, %3 f32, %4 i128, %5 u8.
    const NODES: &str = "pipeline\n  column 0 bool\n  column 1 i32 nullable\n  column 2 i64\n  column 3 f32\n  column 4 i128\n  \
                         column 5 u8\n  %0 = column 0\n  %1 = column 1\n  %2 = column 2\n  %3 = column 3\n  %4 = column 4\n  \
                         %5 = column 5\n";

    fn of(rest: &str) -> Result<Vec<ValueType>> {
        verify(&parse(&format!("{NODES}{rest}")).unwrap())
    }

    #[test]
    fn the_sound_passes() {
        for rest in [
            "  body\n  bitmap\n",
            "  body\n    if %0\n      stage\n      emit\n  materialize %0 %1 %4\n",
            "  body\n    emit\n  group single\n    count\n    sum i64 %1 ! bigint_range\n    sum i128 %4\n    sum f64 %3 if %0\n",
            "  body\n    emit\n  group dense\n    key %0 domain 0 2\n    key %1 domain -5 10922\n    min %3\n",
            "  body\n    emit\n  group hash\n    key %3\n    key %5 domain 0 256\n    count_distinct 0 65536 %1\n",
            "  body\n    emit\n  group single\n    bit_and %1\n    bit_or %2 if %0\n    bit_xor %5\n",
            "  %6 = cast f64 %3\n  body\n    emit\n  group single\n    deviations %6\n    deviations %6 %6 if %0\n",
            "  body\n    emit\n  top_k 0\n    order %3\n    column %4\n",
            "  %6 = current 4\n  %7 = is_null %6\n  body\n    loop 4 each_or_none %1 %1 if %7\n      emit\n  materialize %6\n",
            "  %6 = current 0\n  %7 = is_null %6\n  body\n    loop 0 none %1 %1 if %7\n      loop 1 any %1 %1\n        emit\n  \
             bitmap\n",
        ] {
            of(rest).unwrap_or_else(|error| panic!("{error}\n{rest}"));
        }
    }

    #[test]
    fn the_unsound_is_named() {
        for (rest, why) in [
            ("  %6 = add %1 %2\n  body\n  bitmap\n", "%6: operands of types i32 and i64"),
            ("  %6 = add %5 %5\n  body\n  bitmap\n", "%6: add does not take u8"),
            ("  %6 = remainder %3 %3\n  body\n  bitmap\n", "%6: remainder does not take f32"),
            ("  %6 = not %6\n  body\n  bitmap\n", "%6: %6 is not defined before it"),
            ("  %6 = column 6\n  body\n  bitmap\n", "%6: there is no column 6"),
            ("  %6 = cast i32 %3\n  body\n  bitmap\n", "%6: cast of f32 to i32"),
            ("  %6 = cast bool %1\n  body\n  bitmap\n", "%6: cast of i32 to bool"),
            ("  body\n    if %1\n  bitmap\n", "if: %1 is i32, not bool"),
            ("  body\n    if %9\n  bitmap\n", "if: there is no node %9"),
            ("  body\n  materialize %6\n", "materialize: there is no node %6"),
            ("  body\n  group single\n    key %0\n", "a single group with keys"),
            ("  body\n  group dense\n", "a dense group without keys"),
            ("  body\n  group dense\n    key %0\n", "a dense group whose key %0 has no domain"),
            ("  body\n  group dense\n    key %1 domain 0 65536\n", "a dense group of 65537 states, of 65536 at most"),
            ("  body\n  group hash\n    key %3 domain 0 2\n", "key with a domain of f32"),
            ("  body\n  group hash\n    key %1 domain 0 0\n", "key with an empty domain"),
            ("  body\n  group single\n    sum i64\n", "sum of nothing"),
            ("  body\n  group single\n    sum i64 %4\n", "sum i64 of i128"),
            ("  body\n  group single\n    sum i64 %3\n", "sum i64 of f32"),
            ("  body\n  group single\n    sum f64 %1\n", "sum f64 of i32"),
            ("  body\n  group single\n    sum f64 %3 ! float_overflow\n", "sum f64 of f32 with a fault"),
            ("  body\n  group single\n    sum i32 %1\n", "sum i32 of i32"),
            ("  body\n  group single\n    sum i64 %0\n", "sum i64 of bool"),
            ("  body\n  group single\n    count if %1\n", "the filter of an aggregate: %1 is i32, not bool"),
            ("  body\n  group single\n    count_distinct 0 65537 %1\n", "count_distinct over 65537 values, of 65536 at most"),
            ("  body\n  group single\n    sum_distinct 0 2 %3\n", "sum_distinct with a domain of f32"),
            ("  body\n  group single\n    bit_xor %0\n", "bit_xor of bool"),
            ("  body\n  group single\n    bit_and %4\n", "bit_and of i128"),
            ("  body\n  group single\n    bit_or\n", "bit_or of nothing"),
            ("  body\n  group single\n    deviations %3\n", "deviations of f32"),
            ("  %6 = cast f64 %3\n  body\n  group single\n    deviations %6 %2\n", "deviations of i64"),
            ("  body\n  top_k 1\n    order %6\n", "top_k: there is no node %6"),
            ("  %6 = current 0\n  body\n  bitmap\n", "%6: there is no loop 0"),
            ("  %6 = probe 0 %1\n  body\n  bitmap\n", "%6: there is no index 0"),
            ("  body\n    loop 0 each %1 %2\n  bitmap\n", "loop: %2 is i64, not i32"),
            ("  body\n    loop 0 each %1 %1 if %1\n  bitmap\n", "loop: %1 is i32, not bool"),
            ("  body\n    loop 0 each %1 %1\n    loop 0 each %1 %1\n  bitmap\n", "a second loop 0"),
            ("  %6 = current 0\n  body\n    loop 0 each %1 %6\n  bitmap\n", "loop: %6 depends on loop 0, which is not around it"),
            (
                "  %6 = current 0\n  body\n    loop 0 each %1 %1\n    emit\n  materialize %6\n",
                "emit: %6 depends on loop 0, which is not around it",
            ),
            (
                "  %6 = current 0\n  %7 = add %6 %6\n  body\n    loop 0 none %1 %1\n      emit\n  materialize %7\n",
                "emit: %7 depends on loop 0, which is not around it",
            ),
            ("  body\n  mark %2 0\n", "mark: %2 is i64, not i32"),
            ("  body\n  mark %1 0\n", "mark: parameter 0 is no i64"),
        ] {
            assert_eq!(of(rest).unwrap_err().to_string(), format!("the pipeline is not well formed: {why}"));
        }
    }

    #[test]
    fn pipelines_fit_one_another() {
        let first = "program\n  pipeline from input 0\n    column 0 i8\n    %0 = column 0\n    body\n      emit\n    group hash\n      \
                     key %0\n      sum i64 %0\n";
        let second = |columns: &str| format!("{first}  pipeline from output 0\n{columns}    body\n    bitmap\n");
        let verify = |text: &str| verify_program(&parse_program(text).unwrap());
        assert_eq!(verify(&second("    column 0 i8\n    column 1 i64 nullable\n")), Ok(()));
        assert!(verify(&second("    column 0 i8\n    column 1 i64\n")).is_err());
        assert!(verify(&second("    column 0 i8\n")).is_err());
        assert!(verify("program\n  pipeline from output 0\n    body\n    bitmap\n").is_err());
    }
}
