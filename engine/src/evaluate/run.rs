//! Running a plan: nested loops over sources, one row of each query in hand at a time.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::cast::cast;
use super::context::{Context, Row};
use super::datum::{Array, Datum, Key, compare};
use super::expr::{Comparison, Node, Subquery, Typed};
use super::function::{Body as FunctionBody, Call, Function};
use super::plan::{Body, CtePlan, Distinct, FunctionSource, Item, QueryPlan, SelectPlan, SetCall, SetOp, Source};
use crate::error::{Condition, Error, Result};
use crate::types::{Base, SqlType};

/// More rows than this belong to the query engine.
pub const MAX_ROWS: usize = 2_000_000;

/// `54000`: the evaluator is for small results.
pub fn too_many_rows() -> Error {
    Error::new(Condition::ProgramLimitExceeded, format!("a query without tables gives at most {MAX_ROWS} rows"))
}

/// What a row has besides its sources' columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Extras {
    pub(super) aggregates: Vec<Datum>,
    pub(super) windows: Vec<Datum>,
    pub(super) sets: Vec<Datum>,
}

/// The row that one query is at.
#[derive(Debug, Default)]
struct Frame {
    row: Vec<Datum>,
    extras: Extras,
}

/// Rows found by the values of some of their columns.
type Index = HashMap<Key, Vec<usize>>;

/// One run of a plan.
#[derive(Debug)]
pub struct Run<'a> {
    pub(super) ctx: &'a Context<'a>,
    params: &'a [Datum],
    frames: Vec<Frame>,
    /// Results of queries that depend on no row outside them.
    kept: HashMap<usize, Arc<Vec<Row>>>,
    ctes: HashMap<usize, Arc<Vec<Row>>>,
    /// Indexes by item, and the rows that they are of.
    indexes: HashMap<usize, (Arc<Vec<Row>>, Arc<Index>)>,
    depth: usize,
    /// Rows walked, to ask now and then whether to go on.
    ticks: u32,
}

/// Orders rows of keys: each key's direction and the place of its nulls.
pub(super) fn order_by(a: &[Datum], b: &[Datum], keys: impl Iterator<Item = (bool, bool)>) -> Ordering {
    for ((x, y), (descending, nulls_first)) in a.iter().zip(b).zip(keys) {
        let order = match (x.is_null(), y.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => {
                if nulls_first {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (false, true) => {
                if nulls_first {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (false, false) => {
                if descending {
                    compare(y, x)
                } else {
                    compare(x, y)
                }
            }
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

impl<'a> Run<'a> {
    /// A run with these parameters.
    pub fn new(ctx: &'a Context<'a>, params: &'a [Datum]) -> Self {
        Self {
            ctx,
            params,
            frames: Vec::new(),
            kept: HashMap::new(),
            ctes: HashMap::new(),
            indexes: HashMap::new(),
            depth: 0,
            ticks: 0,
        }
    }

    fn tick(&mut self) -> Result<()> {
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(4096) { self.ctx.env.interrupted() } else { Ok(()) }
    }

    pub(super) fn row(&self, frame: usize) -> &[Datum] {
        &self.frames[frame].row
    }

    pub(super) fn set_row(&mut self, frame: usize, row: Vec<Datum>) {
        self.frames[frame].row = row;
    }

    pub(super) fn set_extras(&mut self, frame: usize, extras: Extras) {
        self.frames[frame].extras = extras;
    }

    /// The rows of a query, its hidden columns behind the visible ones.
    pub fn query(&mut self, plan: &QueryPlan) -> Result<Vec<Row>> {
        if self.depth > 200 {
            return Err(Error::new(Condition::StatementTooComplex, "stack depth limit exceeded"));
        }
        self.depth += 1;
        let rows = self.query_inner(plan);
        self.depth -= 1;
        rows
    }

    fn query_inner(&mut self, plan: &QueryPlan) -> Result<Vec<Row>> {
        for cte in &plan.ctes {
            self.cte(cte)?;
        }
        let limit = self.bound(plan.limit.as_ref(), "LIMIT")?;
        let offset = self.bound(plan.offset.as_ref(), "OFFSET")?.unwrap_or(0);
        // Without an order the first rows do.
        let enough = match limit {
            Some(limit) if plan.sort.is_empty() && plan.distinct.is_none() => limit.saturating_add(offset),
            _ => usize::MAX,
        };
        let mut rows = self.body(&plan.body, enough)?;
        let visible = plan.columns.len();
        if let Some(Distinct::All) = plan.distinct {
            let mut seen = HashSet::new();
            rows.retain(|r| seen.insert(Key::of(r.iter().take(visible))));
        }
        let keys =
            |row: &Row| -> Vec<Datum> { plan.sort.iter().map(|k| row.get(k.index).cloned().unwrap_or(Datum::Null)).collect() };
        let directions = || plan.sort.iter().map(|k| (k.descending, k.nulls_first));
        if !plan.sort.is_empty() {
            let mut keyed: Vec<(Vec<Datum>, Row)> = rows.into_iter().map(|r| (keys(&r), r)).collect();
            keyed.sort_by(|a, b| order_by(&a.0, &b.0, directions()));
            rows = keyed.into_iter().map(|(_, r)| r).collect();
        }
        if let Some(Distinct::On(on)) = &plan.distinct {
            let mut seen = HashSet::new();
            rows.retain(|r| seen.insert(Key::of(on.iter().filter_map(|i| r.get(*i)))));
        }
        if offset > 0 {
            rows.drain(..offset.min(rows.len()));
        }
        if let Some(limit) = limit {
            let mut end = limit.min(rows.len());
            if plan.with_ties && end > 0 {
                let last = keys(&rows[end - 1]);
                while rows.get(end).is_some_and(|r| order_by(&keys(r), &last, directions()).is_eq()) {
                    end += 1;
                }
            }
            rows.truncate(end);
        }
        Ok(rows)
    }

    fn bound(&mut self, expr: Option<&Typed>, what: &str) -> Result<Option<usize>> {
        let Some(expr) = expr else { return Ok(None) };
        match self.eval(expr)? {
            Datum::Null => Ok(None),
            value => match usize::try_from(value.int()) {
                Ok(n) => Ok(Some(n)),
                Err(_) => {
                    let condition = if what == "LIMIT" {
                        Condition::InvalidRowCountInLimitClause
                    } else {
                        Condition::InvalidRowCountInResultOffsetClause
                    };
                    Err(Error::new(condition, format!("{what} must not be negative")))
                }
            },
        }
    }

    fn cte(&mut self, cte: &CtePlan) -> Result<()> {
        let mut rows = self.query(&cte.plan)?;
        let width = cte.plan.columns.len();
        rows.iter_mut().for_each(|r| r.truncate(width));
        if let Some((again, all)) = &cte.recursive {
            let mut seen = HashSet::new();
            if !all {
                rows.retain(|r| seen.insert(Key::of(r)));
            }
            let mut working = rows.clone();
            while !working.is_empty() {
                self.ctes.insert(cte.id, Arc::new(working));
                let mut next = self.query(again)?;
                next.iter_mut().for_each(|r| r.truncate(width));
                if !all {
                    next.retain(|r| seen.insert(Key::of(r)));
                }
                rows.extend(next.iter().cloned());
                if rows.len() > MAX_ROWS {
                    return Err(too_many_rows());
                }
                working = next;
            }
        }
        self.ctes.insert(cte.id, Arc::new(rows));
        Ok(())
    }

    fn body(&mut self, body: &Body, enough: usize) -> Result<Vec<Row>> {
        match body {
            Body::Select(select) => self.select(select, enough),
            Body::Values(rows) => rows.iter().map(|row| row.iter().map(|e| self.eval(e)).collect()).collect(),
            Body::Query(query) => {
                let width = query.columns.len();
                let mut rows = self.query(query)?;
                rows.iter_mut().for_each(|r| r.truncate(width));
                Ok(rows)
            }
            Body::Set { op, all, left, right } => {
                let width = left.columns.len();
                let (mut left, mut right) = (self.query(left)?, self.query(right)?);
                left.iter_mut().chain(&mut right).for_each(|r| r.truncate(width));
                Ok(set_operation(*op, *all, left, right))
            }
        }
    }

    fn select(&mut self, plan: &SelectPlan, enough: usize) -> Result<Vec<Row>> {
        self.frames.truncate(plan.frame);
        self.frames.push(Frame { row: vec![Datum::Null; plan.width], extras: Extras::default() });
        let result = self.select_inner(plan, enough);
        self.frames.truncate(plan.frame);
        result
    }

    fn select_inner(&mut self, plan: &SelectPlan, enough: usize) -> Result<Vec<Row>> {
        let mut out: Vec<Row> = Vec::new();
        if enough == 0 {
            return Ok(out);
        }
        let frame = plan.frame;
        if plan.grouping.is_none() && plan.windows.is_empty() {
            self.items(frame, &plan.from, &mut |run| {
                if run.holds(&plan.filters)? {
                    run.emit(plan, &mut out)?;
                    if out.len() > MAX_ROWS {
                        return Err(too_many_rows());
                    }
                }
                Ok(out.len() < enough)
            })?;
            return Ok(out);
        }
        let mut rows = Vec::new();
        self.items(frame, &plan.from, &mut |run| {
            if run.holds(&plan.filters)? {
                rows.push(run.row(frame).to_vec());
                if rows.len() > MAX_ROWS {
                    return Err(too_many_rows());
                }
            }
            Ok(true)
        })?;
        let mut rows = match &plan.grouping {
            Some(grouping) => self.group(frame, plan.width, grouping, rows)?,
            None => rows.into_iter().map(|r| (r, Extras::default())).collect(),
        };
        self.windows(frame, &plan.windows, &mut rows)?;
        for (row, extras) in rows {
            self.set_row(frame, row);
            self.set_extras(frame, extras);
            self.emit(plan, &mut out)?;
        }
        Ok(out)
    }

    /// Adds what the row in hand gives: one row, or as many as the longest set-returning function.
    fn emit(&mut self, plan: &SelectPlan, out: &mut Vec<Row>) -> Result<()> {
        if plan.sets.is_empty() {
            out.push(plan.output.iter().map(|e| self.eval(e)).collect::<Result<Row>>()?);
            return Ok(());
        }
        let sets = plan.sets.iter().map(|s| self.set(s)).collect::<Result<Vec<Vec<Datum>>>>()?;
        let longest = sets.iter().map(Vec::len).max().unwrap_or(0);
        for at in 0..longest {
            self.frames[plan.frame].extras.sets = sets.iter().map(|s| s.get(at).cloned().unwrap_or(Datum::Null)).collect();
            out.push(plan.output.iter().map(|e| self.eval(e)).collect::<Result<Row>>()?);
        }
        Ok(())
    }

    fn set(&mut self, call: &SetCall) -> Result<Vec<Datum>> {
        let args = call.args.iter().map(|a| self.eval(a)).collect::<Result<Vec<Datum>>>()?;
        if call.function.strict && args.iter().any(Datum::is_null) {
            return Ok(Vec::new());
        }
        let types: Vec<SqlType> = call.args.iter().map(|a| a.ty).collect();
        let FunctionBody::Set(body) = call.function.body else { return Err(Error::internal("no set-returning function")) };
        body(
            &Call {
                ctx: self.ctx,
                types: &types,
                result: call.result,
                fields: call.args.first().and_then(|a| a.fields.as_ref()),
            },
            &args,
        )
    }

    fn holds(&mut self, filters: &[Typed]) -> Result<bool> {
        for filter in filters {
            if !self.eval(filter)?.is_true() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Walks all combinations of the items' rows; `k` says whether to go on.
    fn items(&mut self, frame: usize, items: &[Item], k: &mut dyn FnMut(&mut Self) -> Result<bool>) -> Result<bool> {
        match items {
            [] => k(self),
            [first, rest @ ..] => self.item(frame, first, &mut |run| run.items(frame, rest, k)),
        }
    }

    fn place(&mut self, frame: usize, start: usize, values: &[Datum]) -> Result<()> {
        self.tick()?;
        for (slot, value) in self.frames[frame].row[start..].iter_mut().zip(values) {
            *slot = value.clone();
        }
        Ok(())
    }

    fn blank(&mut self, frame: usize, item: &Item) {
        self.frames[frame].row[item.start..item.start + item.width].fill(Datum::Null);
    }

    fn stored(&mut self, item: &Item) -> Result<Option<Arc<Vec<Row>>>> {
        Ok(match &item.source {
            Source::Table(table) => Some(self.ctx.rows(table)),
            Source::Cte(id) => Some(self.ctes.get(id).cloned().unwrap_or_default()),
            Source::Derived(plan, false) => match self.kept.get(&item.id) {
                Some(rows) => Some(Arc::clone(rows)),
                None => {
                    let rows = Arc::new(self.inner_query(plan)?);
                    self.kept.insert(item.id, Arc::clone(&rows));
                    Some(rows)
                }
            },
            Source::Derived(plan, true) => Some(Arc::new(self.inner_query(plan)?)),
            Source::Functions(..) | Source::Inner(_) | Source::Left(..) | Source::Full(..) => None,
        })
    }

    /// A query whose frames lie above those in hand.
    fn inner_query(&mut self, plan: &QueryPlan) -> Result<Vec<Row>> {
        let height = self.frames.len();
        let rows = self.query(plan);
        self.frames.truncate(height);
        rows
    }

    fn index(&mut self, item: &Item, rows: &Arc<Vec<Row>>) -> Arc<Index> {
        if let Some((of, index)) = self.indexes.get(&item.id)
            && Arc::ptr_eq(of, rows)
        {
            return Arc::clone(index);
        }
        let mut index = Index::new();
        for (at, row) in rows.iter().enumerate() {
            let values = item.lookup.iter().filter_map(|(c, _)| row.get(*c));
            if values.clone().any(Datum::is_null) {
                continue;
            }
            index.entry(Key::of(values)).or_default().push(at);
        }
        let index = Arc::new(index);
        self.indexes.insert(item.id, (Arc::clone(rows), Arc::clone(&index)));
        index
    }

    fn item(&mut self, frame: usize, item: &Item, k: &mut dyn FnMut(&mut Self) -> Result<bool>) -> Result<bool> {
        if let Some(rows) = self.stored(item)? {
            if item.lookup.is_empty() {
                for row in rows.iter() {
                    self.place(frame, item.start, &row[..item.width.min(row.len())])?;
                    if self.holds(&item.filters)? && !k(self)? {
                        return Ok(false);
                    }
                }
                return Ok(true);
            }
            let wanted = item.lookup.iter().map(|(_, v)| self.eval(v)).collect::<Result<Vec<Datum>>>()?;
            if wanted.iter().any(Datum::is_null) {
                return Ok(true);
            }
            let index = self.index(item, &rows);
            for at in index.get(&Key::of(&wanted)).map_or(&[][..], Vec::as_slice) {
                self.place(frame, item.start, &rows[*at][..item.width.min(rows[*at].len())])?;
                if self.holds(&item.filters)? && !k(self)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        match &item.source {
            Source::Functions(functions, numbered) => {
                let rows = self.function_rows(functions, *numbered)?;
                for row in rows {
                    self.place(frame, item.start, &row)?;
                    if self.holds(&item.filters)? && !k(self)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Source::Inner(items) => self.items(frame, items, &mut |run| Ok(!run.holds(&item.filters)? || k(run)?)),
            Source::Left(outer, inner) => self.item(frame, outer, &mut |run| {
                let mut matched = false;
                let go_on = run.item(frame, inner, &mut |run| {
                    matched = true;
                    Ok(!run.holds(&item.filters)? || k(run)?)
                })?;
                if !go_on {
                    return Ok(false);
                }
                if !matched {
                    run.blank(frame, inner);
                    return Ok(!run.holds(&item.filters)? || k(run)?);
                }
                Ok(true)
            }),
            Source::Full(left, right, on) => {
                let mut rights: Vec<(Row, bool)> = Vec::new();
                self.item(frame, right, &mut |run| {
                    rights.push((run.row(frame)[right.start..right.start + right.width].to_vec(), false));
                    Ok(true)
                })?;
                let go_on = self.item(frame, left, &mut |run| {
                    let mut matched = false;
                    for (row, used) in &mut rights {
                        run.place(frame, right.start, row)?;
                        if !run.holds(on)? {
                            continue;
                        }
                        matched = true;
                        *used = true;
                        if run.holds(&item.filters)? && !k(run)? {
                            return Ok(false);
                        }
                    }
                    if !matched {
                        run.blank(frame, right);
                        return Ok(!run.holds(&item.filters)? || k(run)?);
                    }
                    Ok(true)
                })?;
                if !go_on {
                    return Ok(false);
                }
                self.blank(frame, left);
                for (row, _) in rights.into_iter().filter(|(_, used)| !used) {
                    self.place(frame, right.start, &row)?;
                    if self.holds(&item.filters)? && !k(self)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Source::Table(_) | Source::Cte(_) | Source::Derived(..) => Err(Error::internal("a stored source has no rows")),
        }
    }

    fn function_rows(&mut self, functions: &[FunctionSource], numbered: bool) -> Result<Vec<Row>> {
        let mut columns: Vec<(Vec<Datum>, usize)> = Vec::new();
        for function in functions {
            let (values, width) = match function {
                FunctionSource::Set(call, spread) => (self.set(call)?, if *spread { call.function.columns.len() } else { 0 }),
                FunctionSource::Scalar(typed, spread) => {
                    (vec![self.eval(typed)?], if *spread { typed.fields.as_ref().map_or(1, |f| f.len()) } else { 0 })
                }
            };
            columns.push((values, width));
        }
        let longest = columns.iter().map(|(v, _)| v.len()).max().unwrap_or(0);
        let mut rows = Vec::with_capacity(longest);
        for at in 0..longest {
            let mut row = Vec::new();
            for (values, width) in &columns {
                match (values.get(at), *width) {
                    (Some(Datum::Record(fields)), width) if width > 0 => row.extend(fields.iter().map(|(_, v)| v.clone())),
                    (_, width) if width > 0 => row.extend(std::iter::repeat_n(Datum::Null, width)),
                    (value, _) => row.push(value.cloned().unwrap_or(Datum::Null)),
                }
            }
            if numbered {
                row.push(Datum::Int8(at as i64 + 1));
            }
            rows.push(row);
        }
        Ok(rows)
    }

    fn subquery(&mut self, query: &Subquery, enough: usize) -> Result<Arc<Vec<Row>>> {
        if !query.correlated
            && let Some(rows) = self.kept.get(&query.id)
        {
            return Ok(Arc::clone(rows));
        }
        let rows = if enough == 1
            && query.plan.sort.is_empty()
            && query.plan.limit.is_none()
            && query.plan.distinct.is_none()
            && query.plan.ctes.is_empty()
            && query.plan.offset.is_none()
            && let Body::Select(select) = &query.plan.body
        {
            // EXISTS needs one row.
            let held = self.frames.split_off(select.frame.min(self.frames.len()));
            let rows = self.select(select, 1);
            self.frames.truncate(select.frame);
            self.frames.extend(held);
            rows?
        } else {
            self.inner_query(&query.plan)?
        };
        let rows = Arc::new(rows);
        if !query.correlated {
            self.kept.insert(query.id, Arc::clone(&rows));
        }
        Ok(rows)
    }

    fn call(&mut self, function: &'static Function, args: &[Typed], result: SqlType) -> Result<Datum> {
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            let value = self.eval(arg)?;
            if function.strict && value.is_null() {
                return Ok(Datum::Null);
            }
            values.push(value);
        }
        let FunctionBody::Scalar(body) = function.body else { return Err(Error::internal("no scalar function")) };
        let types: Vec<SqlType> = args.iter().map(|a| a.ty).collect();
        body(&Call { ctx: self.ctx, types: &types, result, fields: args.first().and_then(|a| a.fields.as_ref()) }, &values)
    }

    fn compare_by(&mut self, comparison: &Comparison, left: &Datum, right: &Datum) -> Result<Option<bool>> {
        if left.is_null() || right.is_null() {
            return Ok(None);
        }
        let (from, to) = comparison.right;
        let right = if super::coerce::same(from, to) { right.clone() } else { cast(right, from, to, false, self.ctx)? };
        let FunctionBody::Scalar(body) = comparison.operator.body else { return Err(Error::internal("no operator")) };
        let types = [comparison.left.1, to];
        Ok(match body(&Call { ctx: self.ctx, types: &types, result: Base::Bool.into(), fields: None }, &[left.clone(), right])? {
            Datum::Bool(v) => Some(v),
            _ => None,
        })
    }

    /// Three-valued `ANY` and `ALL`.
    fn any_all(&mut self, all: bool, mut each: impl FnMut(&mut Self) -> Result<Option<Option<bool>>>) -> Result<Datum> {
        let mut unknown = false;
        while let Some(one) = each(self)? {
            match one {
                Some(v) if v != all => return Ok(Datum::Bool(!all)),
                Some(_) => {}
                None => unknown = true,
            }
        }
        Ok(if unknown { Datum::Null } else { Datum::Bool(all) })
    }

    /// The value of an expression for the rows in hand.
    pub fn eval(&mut self, typed: &Typed) -> Result<Datum> {
        Ok(match &typed.node {
            Node::Const(value) => value.clone(),
            Node::Column { frame, index } => {
                self.frames.get(*frame).and_then(|f| f.row.get(*index)).cloned().unwrap_or(Datum::Null)
            }
            Node::Param(index) => self.params.get(*index).cloned().unwrap_or(Datum::Null),
            Node::Aggregate(at) => self.frames.last().and_then(|f| f.extras.aggregates.get(*at)).cloned().unwrap_or(Datum::Null),
            Node::Window(at) => self.frames.last().and_then(|f| f.extras.windows.get(*at)).cloned().unwrap_or(Datum::Null),
            Node::Set(at) => self.frames.last().and_then(|f| f.extras.sets.get(*at)).cloned().unwrap_or(Datum::Null),
            Node::Call { function, args } => return self.call(function, args, typed.ty),
            Node::Cast { arg, explicit } => {
                let value = self.eval(arg)?;
                return cast(&value, arg.ty, typed.ty, *explicit, self.ctx);
            }
            Node::And(parts) => {
                let mut unknown = false;
                for part in parts {
                    match self.eval(part)? {
                        Datum::Bool(false) => return Ok(Datum::Bool(false)),
                        Datum::Null => unknown = true,
                        _ => {}
                    }
                }
                if unknown { Datum::Null } else { Datum::Bool(true) }
            }
            Node::Or(parts) => {
                let mut unknown = false;
                for part in parts {
                    match self.eval(part)? {
                        Datum::Bool(true) => return Ok(Datum::Bool(true)),
                        Datum::Null => unknown = true,
                        _ => {}
                    }
                }
                if unknown { Datum::Null } else { Datum::Bool(false) }
            }
            Node::Not(arg) => match self.eval(arg)? {
                Datum::Bool(v) => Datum::Bool(!v),
                _ => Datum::Null,
            },
            Node::IsNull { arg, negated } => {
                let value = self.eval(arg)?;
                // A row is null where all of its fields are, and not null where none is.
                Datum::Bool(match (&value, negated) {
                    (Datum::Record(fields), false) => fields.iter().all(|(_, v)| v.is_null()),
                    (Datum::Record(fields), true) => fields.iter().all(|(_, v)| !v.is_null()),
                    (value, negated) => value.is_null() != *negated,
                })
            }
            Node::IsBool { arg, value, negated } => {
                let is = match (self.eval(arg)?, value) {
                    (Datum::Null, None) => true,
                    (Datum::Bool(v), Some(wanted)) => v == *wanted,
                    (_, _) => false,
                };
                Datum::Bool(is != *negated)
            }
            Node::Distinct { equal, left, right, negated } => {
                let (l, r) = (self.eval(left)?.is_null(), self.eval(right)?.is_null());
                let same = if l || r { l && r } else { self.eval(equal)?.is_true() };
                Datum::Bool(same == *negated)
            }
            Node::Case { whens, default } => {
                for (when, then) in whens {
                    if self.eval(when)?.is_true() {
                        return self.eval(then);
                    }
                }
                match default {
                    Some(default) => return self.eval(default),
                    None => Datum::Null,
                }
            }
            Node::Coalesce(args) => {
                for arg in args {
                    let value = self.eval(arg)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Datum::Null
            }
            Node::NullIf { equal, value } => {
                if self.eval(equal)?.is_true() {
                    Datum::Null
                } else {
                    return self.eval(value);
                }
            }
            Node::Extreme { args, greatest } => {
                let mut best = Datum::Null;
                for arg in args {
                    let value = self.eval(arg)?;
                    let better = !value.is_null()
                        && (best.is_null()
                            || compare(&value, &best) == if *greatest { Ordering::Greater } else { Ordering::Less });
                    if better {
                        best = value;
                    }
                }
                best
            }
            Node::Array(items) => {
                let items = items.iter().map(|i| self.eval(i)).collect::<Result<Vec<Datum>>>()?;
                Datum::array(typed.ty.base, items)
            }
            Node::Row(items) => {
                let items = items.iter().map(|i| Ok((i.ty, self.eval(i)?))).collect::<Result<Vec<(SqlType, Datum)>>>()?;
                Datum::Record(Arc::new(items))
            }
            Node::Field { arg, index } => match self.eval(arg)? {
                Datum::Record(fields) => fields.get(*index).map_or(Datum::Null, |(_, v)| v.clone()),
                _ => Datum::Null,
            },
            Node::Subscript { arg, index } => match (self.eval(arg)?, self.eval(index)?) {
                (Datum::Array(array), Datum::Int4(index)) => element(&array, index),
                (_, _) => Datum::Null,
            },
            Node::Slice { arg, lower, upper } => {
                let array = self.eval(arg)?;
                let lower = lower.as_ref().map(|b| self.eval(b)).transpose()?;
                let upper = upper.as_ref().map(|b| self.eval(b)).transpose()?;
                match array {
                    Datum::Array(array) => slice(&array, typed.ty.base, lower, upper),
                    _ => Datum::Null,
                }
            }
            Node::AnyAll { left, array, comparison, all } => {
                let left = self.eval(left)?;
                let Datum::Array(array) = self.eval(array)? else { return Ok(Datum::Null) };
                let mut items = array.items.iter();
                return self.any_all(*all, |run| items.next().map(|i| run.compare_by(comparison, &left, i)).transpose());
            }
            Node::In { left, list, comparison } => {
                let left = self.eval(left)?;
                if left.is_null() {
                    return Ok(Datum::Null);
                }
                let settled = Comparison { right: (comparison.right.1, comparison.right.1), ..comparison.clone() };
                let mut items = list.iter();
                return self.any_all(false, |run| {
                    let Some(item) = items.next() else { return Ok(None) };
                    let item = run.eval(item)?;
                    run.compare_by(&settled, &left, &item).map(Some)
                });
            }
            Node::Scalar(query) => {
                let rows = self.subquery(query, 2)?;
                match rows.as_slice() {
                    [] => Datum::Null,
                    [row] => row.first().cloned().unwrap_or(Datum::Null),
                    _ => {
                        return Err(Error::new(
                            Condition::CardinalityViolation,
                            "more than one row returned by a subquery used as an expression",
                        ));
                    }
                }
            }
            Node::Exists(query) => Datum::Bool(!self.subquery(query, 1)?.is_empty()),
            Node::ArrayOf(query) => {
                let rows = self.subquery(query, usize::MAX)?;
                Datum::array(typed.ty.base, rows.iter().filter_map(|r| r.first().cloned()).collect())
            }
            Node::AnyAllOf { left, query, comparisons, all } => {
                let left = left.iter().map(|l| self.eval(l)).collect::<Result<Vec<Datum>>>()?;
                let rows = self.subquery(query, usize::MAX)?;
                let mut rows = rows.iter();
                return self.any_all(*all, |run| {
                    let Some(row) = rows.next() else { return Ok(None) };
                    let mut whole = Some(true);
                    for ((l, r), comparison) in left.iter().zip(row).zip(comparisons) {
                        match run.compare_by(comparison, l, r)? {
                            Some(false) => whole = Some(false),
                            None if whole == Some(true) => whole = None,
                            Some(true) | None => {}
                        }
                    }
                    Ok(Some(whole))
                });
            }
        })
    }
}

fn element(array: &Array, index: i32) -> Datum {
    let at = i64::from(index) - i64::from(array.lower);
    usize::try_from(at).ok().and_then(|i| array.items.get(i)).cloned().unwrap_or(Datum::Null)
}

fn slice(array: &Array, base: Base, lower: Option<Datum>, upper: Option<Datum>) -> Datum {
    if lower.as_ref().is_some_and(Datum::is_null) || upper.as_ref().is_some_and(Datum::is_null) {
        return Datum::Null;
    }
    let first = i64::from(array.lower);
    let from = lower.map_or(first, |l| l.int()).max(first) - first;
    let to = upper.map_or(i64::MAX, |u| u.int().saturating_sub(first).saturating_add(1)).min(array.items.len() as i64);
    let items = match (usize::try_from(from), usize::try_from(to)) {
        (Ok(from), Ok(to)) if from < to => array.items[from..to].to_vec(),
        (_, _) => Vec::new(),
    };
    Datum::array(base, items)
}

fn set_operation(op: SetOp, all: bool, left: Vec<Row>, right: Vec<Row>) -> Vec<Row> {
    let mut counts: HashMap<Key, usize> = HashMap::new();
    if op != SetOp::Union {
        right.iter().for_each(|r| *counts.entry(Key::of(r)).or_insert(0) += 1);
    }
    let mut rows: Vec<Row> = match op {
        SetOp::Union => left.into_iter().chain(right).collect(),
        SetOp::Intersect | SetOp::Except => left
            .into_iter()
            .filter(|r| {
                let keep_found = op == SetOp::Intersect;
                match counts.get_mut(&Key::of(r)) {
                    Some(0) | None => !keep_found,
                    Some(n) => {
                        if all {
                            *n -= 1;
                        }
                        keep_found
                    }
                }
            })
            .collect(),
    };
    if !all {
        let mut seen = HashSet::new();
        rows.retain(|r| seen.insert(Key::of(r)));
    }
    rows
}
