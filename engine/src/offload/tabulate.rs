//! Expressions over one column with few values: computed for each of the values beforehand, by DataFusion itself, and
//! looked up by the device.
//!
//! So every string function, LIKE in all its forms, and everything else that DataFusion knows runs over a dictionary's
//! entries once a query, instead of once a row. What is asked of large dictionaries all the time does not need DataFusion for it
//! (`text_table.rs`).

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::new_null_array;
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Decimal128Array, Int64Array, PrimitiveArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Decimal128Type, Field, Int64Type, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::Volatility;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use warpwise_gpu::parallel::map;
use warpwise_gpu::program::{Arithmetic, Bounds, Expr, ExprId, Fault, Table, Type};

use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::value::{Kind, Value};
use super::words::Words;

/// Values that a thread takes at once.
const PART: usize = 1 << 16;

/// The most values of a column that is no dictionary.
const FEW: i128 = 1 << 14;

/// The one column that an expression reads.
fn only_column(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    let mut columns = BTreeSet::new();
    let mut steady = true;
    let _ = expr.apply(|e| {
        if let Some(column) = e.downcast_ref::<Column>() {
            columns.insert(column.index());
        }
        if let Some(call) = e.downcast_ref::<ScalarFunctionExpr>() {
            steady &= call.fun().signature().volatility != Volatility::Volatile;
        }
        Ok(TreeNodeRecursion::Continue)
    });
    let mut columns = columns.into_iter();
    let only = columns.next()?;
    (columns.next().is_none() && steady).then_some(only)
}

impl Lowering<'_> {
    /// An expression over a single column of codes.
    pub fn of_one_text(&mut self, expr: &Arc<dyn PhysicalExpr>, scope: &Rc<Scope>) -> Result<Option<Value>, Refusal> {
        let Some(index) = only_column(expr) else { return Ok(None) };
        if !scope.schema.field(index).data_type().is_string() {
            return Ok(None);
        }
        let Ok(source) = self.column(index, scope) else { return Ok(None) };
        let Kind::Text(words) = &source.kind else { return Ok(None) };
        let values: ArrayRef = match scope.schema.field(index).data_type() {
            DataType::Utf8View => Arc::new(words.views()),
            _ => Arc::new(words.values().clone()),
        };
        let threads = words.threads();
        self.tabulated(expr, index, scope, &values, (source.node, threads))
    }

    /// An expression over a single column of few numbers or dates.
    pub fn of_few_values(&mut self, expr: &Arc<dyn PhysicalExpr>, scope: &Rc<Scope>) -> Result<Option<Value>, Refusal> {
        let Some(index) = only_column(expr) else { return Ok(None) };
        let Ok(source) = self.column(index, scope) else { return Ok(None) };
        let Some((low, high)) = self.b.bounds(source.node).filter(|_| source.kind.is_exact()) else { return Ok(None) };
        if high.checked_sub(low).is_none_or(|size| size >= FEW) {
            return Ok(None);
        }
        let Some(values) = domain(&source.kind, scope.schema.field(index).data_type(), low, high) else { return Ok(None) };
        let base = self.b.integer(low);
        let place = self.b.integers(Arithmetic::Subtract, source.node, base, Type::I64, Fault::BigintRange);
        self.tabulated(expr, index, scope, &values, (place, 1))
    }

    /// Whether an expression is over one column that may turn out to have few values when it is loaded.
    pub fn may_have_few_values(&mut self, expr: &Arc<dyn PhysicalExpr>, scope: &Rc<Scope>) -> bool {
        let only = if self.certain { None } else { only_column(expr) };
        // Timestamps seldom are few, and columns that were loaded in vain cost the first run.
        let source = only.and_then(|index| self.column(index, scope).ok());
        source.is_some_and(|source| matches!(source.kind, Kind::Integer | Kind::Decimal { .. } | Kind::Date))
    }

    /// Computes the expression for each of the values, on at most so many threads; `place` is a row's place among them.
    fn tabulated(
        &mut self,
        expr: &Arc<dyn PhysicalExpr>,
        index: usize,
        scope: &Rc<Scope>,
        values: &ArrayRef,
        (place, threads): (ExprId, usize),
    ) -> Result<Option<Value>, Refusal> {
        let failed = |error: &dyn std::fmt::Display| Refusal::new(expr, format!("it fails for a value of the column: {error}"));
        let column = scope.schema.field(index);
        let field = Field::new("value", column.data_type().clone(), true).with_metadata(column.metadata().clone());
        let schema = Arc::new(Schema::new(vec![field]));
        let alone = Arc::clone(expr).transform(|e| {
            if e.downcast_ref::<Column>().is_some() {
                return Ok(Transformed::yes(Arc::new(Column::new("value", 0)) as Arc<dyn PhysicalExpr>));
            }
            Ok(Transformed::no(e))
        });
        let alone = alone.map_err(|e| failed(&e))?.data;
        let evaluated = |values: &ArrayRef| -> Result<ArrayRef, DataFusionError> {
            let values = cast(values, column.data_type())?;
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![values])?;
            alone.evaluate(&batch)?.into_array(batch.num_rows())
        };
        let parts = values.len().div_ceil(PART).max(1);
        let part = |at: usize| values.slice(at * PART, PART.min(values.len() - at * PART));
        let results = map(if parts == 1 { 1 } else { threads }, parts, |at| Ok(evaluated(&part(at))));
        let results = results.map_err(|e| failed(&e))?.into_iter().collect::<Result<Vec<_>, _>>();
        let results = results.map_err(|e| failed(&e.strip_backtrace()))?;
        let result = concat(&results.iter().map(AsRef::as_ref).collect::<Vec<_>>()).map_err(|e| failed(&e))?;
        let of_null = match self.b.ty(place).nullable {
            true => Some(evaluated(&new_null_array(column.data_type(), 1)).map_err(|e| failed(&e.strip_backtrace()))?),
            false => None,
        };
        let Some(found) = self.looked_up(&result, (place, threads))? else { return Ok(None) };
        let Some(of_null) = of_null.filter(|made| made.is_valid(0)) else { return Ok(Some(found)) };
        // The expression makes something of NULL.
        let of_null = ScalarValue::try_from_array(&of_null, 0).map_err(|e| failed(&e))?;
        let Some(of_null) = self.literal(&of_null) else { return Ok(None) };
        let (found, of_null) = self.unified(found, of_null, expr)?;
        let condition = self.b.push(Expr::IsNull(place));
        let node = self.b.push(Expr::Select { condition, then: of_null.node, otherwise: found.node });
        Ok(Some(Value { node, kind: found.kind }))
    }

    /// The element of an array at a row's place; `None` where the array's type has no device form.
    fn looked_up(&mut self, array: &ArrayRef, (place, threads): (ExprId, usize)) -> Result<Option<Value>, Refusal> {
        let nullable = array.null_count() > 0;
        let valid = |table: Table| match nullable {
            true => table.with_validity((0..array.len()).map(|at| array.is_valid(at))),
            false => table,
        };
        let value = |b: &mut warpwise_gpu::program::Builder, table: Table, kind: Kind| {
            let table = b.table(table);
            Ok(Some(Value { node: b.push(Expr::Lookup { table, index: place }), kind }))
        };
        match array.data_type() {
            DataType::Boolean => {
                let bits = array.as_boolean();
                let set = match bits.nulls().filter(|_| nullable) {
                    None => bits.values().sliced(),
                    Some(nulls) => (bits.values() & nulls.inner()).sliced(),
                };
                let bits = BooleanBuffer::new(set, 0, array.len());
                value(&mut self.b, valid(Table::bits(bits.iter())), Kind::Boolean)
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                let (words, codes) = Words::distinct(array, threads).map_err(|e| Refusal::new("a dictionary", e.to_string()))?;
                value(&mut self.b, valid(Table::words(&codes)), Kind::Text(words))
            }
            DataType::Decimal128(..) => {
                let Some((kind, _)) = Kind::of(array.data_type()) else { return Ok(None) };
                self.number(array.as_primitive::<Decimal128Type>(), (place, kind))
            }
            other => {
                let Some((kind, _)) = Kind::of(other) else { return Ok(None) };
                if !kind.is_exact() {
                    return Ok(None);
                }
                let Ok(wide) = cast(array, &DataType::Int64) else { return Ok(None) };
                self.number(wide.as_primitive::<Int64Type>(), (place, kind))
            }
        }
    }

    /// The number of an array at a row's place, in the narrowest type that all of them fit.
    fn number<T: ArrowPrimitiveType>(
        &mut self,
        array: &PrimitiveArray<T>,
        (place, kind): (ExprId, Kind),
    ) -> Result<Option<Value>, Refusal>
    where
        T::Native: Into<i128>,
    {
        let range = array.iter().flatten().map(Into::into);
        let range = range.fold(None, |range: Option<Bounds>, number: i128| match range {
            None => Some((number, number)),
            Some((low, high)) => Some((low.min(number), high.max(number))),
        });
        let (low, high) = range.unwrap_or((0, 0));
        let numbers = array.iter().map(|number| number.map(Into::into));
        let table = Table::integers(Type::narrowest(low, high), array.null_count() > 0, numbers);
        let table = self.b.table(table);
        let node = self.b.push(Expr::Lookup { table, index: place });
        self.b.narrow(node, (low, high));
        Ok(Some(Value { node, kind }))
    }
}

/// Every value of a column from `low` to `high` as stored, in its SQL type.
fn domain(kind: &Kind, data_type: &DataType, low: i128, high: i128) -> Option<ArrayRef> {
    let numbers = |factor: i128| {
        let each = (low..=high).map(|v| v.checked_mul(factor).and_then(|v| i64::try_from(v).ok()));
        each.collect::<Option<Vec<i64>>>().map(|v| Arc::new(Int64Array::from(v)) as ArrayRef)
    };
    match (kind, data_type) {
        (Kind::Decimal { scale }, DataType::Decimal128(precision, wanted)) => {
            let digits = u32::try_from(*wanted).ok()?.checked_sub(*scale)?;
            let factor = warpwise_gpu::program::builder::power_of_ten(digits)?;
            let each: Option<Vec<i128>> = (low..=high).map(|v| v.checked_mul(factor)).collect();
            Some(Arc::new(Decimal128Array::from(each?).with_precision_and_scale(*precision, *wanted).ok()?))
        }
        (Kind::Timestamp { unit, .. }, _) => numbers(*unit),
        (Kind::Date, _) => cast(&numbers(1)?, &DataType::Int32).ok(),
        (Kind::Integer, _) => numbers(1),
        (_, _) => None,
    }
}
