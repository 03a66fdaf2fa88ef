//! INSERT: a query's rows, brought into a table's types, behind its rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{DataType, Field};
use chrono_tz::Tz;
use datafusion::common::ScalarValue;
use sqlparser::ast::{self, Expr, Insert, SetExpr, TableObject, Value};

use super::dialect::Demands;
use super::label::fold;
use super::parse::Statement;
use super::table::read_only;
use crate::catalog::Name;
use crate::catalog::relation::{Column, Relation, RelationKind};
use crate::error::{Condition, Error, Result};
use crate::function::cast::{assignable, cast};
use crate::session::Session;
use crate::session::execute::{Body, Outcome, Prepared};
use crate::session::rows::Tag;
use crate::types::{Base, SqlType};

/// What an INSERT writes to.
struct Target {
    name: Name,
    relation: Arc<Relation>,
    /// The table's columns that get values, in the order of the values.
    columns: Vec<usize>,
}

/// Column and row of a failing row, as PostgreSQL's DETAIL shows them.
fn failing_row(batch: &RecordBatch, row: usize) -> String {
    let shown: Vec<String> = batch
        .columns()
        .iter()
        .map(|column| {
            if column.is_null(row) {
                return "null".to_owned();
            }
            let one = column.slice(row, 1);
            let text = crate::function::cast::to_text(&one, SqlType::of_arrow(one.data_type()), Tz::UTC);
            text.map_or_else(|_| "?".to_owned(), |t| t.as_string::<i32>().value(0).to_owned())
        })
        .collect();
    format!("Failing row contains ({}).", shown.join(", "))
}

/// Text too long for `varchar(n)` is refused, unless what is too much is blank.
fn check_length(values: &ArrayRef, to: SqlType) -> Result<ArrayRef> {
    if to.typmod < 4 || to.array || !matches!(to.base, Base::Varchar | Base::Bpchar) {
        return Ok(Arc::clone(values));
    }
    let Some(strings) = values.as_any().downcast_ref::<StringArray>() else { return Ok(Arc::clone(values)) };
    let limit = (to.typmod - 4) as usize;
    let mut changed = Vec::with_capacity(strings.len());
    for value in strings {
        changed.push(match value {
            Some(v) => {
                let excess = v.char_indices().nth(limit).map(|(at, _)| at);
                let mut kept = match excess {
                    Some(at) if v[at..].bytes().any(|b| b != b' ') => {
                        let shown = SqlType { array: false, ..to }.sql_name();
                        return Err(Error::new(Condition::StringDataRightTruncation, format!("value too long for type {shown}")));
                    }
                    Some(at) => v[..at].to_owned(),
                    None => v.to_owned(),
                };
                if to.base == Base::Bpchar {
                    // Blanks at the end say nothing in character(n): they are added again when it is shown.
                    kept.truncate(kept.trim_end_matches(' ').len());
                }
                Some(kept)
            }
            None => None,
        });
    }
    Ok(Arc::new(StringArray::from(changed)))
}

/// Brings one column into a table column's type, as an assignment does.
fn assign_column(values: &ArrayRef, column: &Column, zone: Tz, lenient: bool) -> Result<ArrayRef> {
    let to = column.sql_type;
    let from = SqlType::of_arrow(values.data_type());
    let data_type = to.arrow();
    if values.data_type() != &DataType::Null {
        let text_to_other = values.data_type().is_string() && !data_type.is_string();
        let refused = (text_to_other && !lenient) || !assignable(from, to);
        if refused {
            return Err(Error::new(
                Condition::DatatypeMismatch,
                format!(
                    "column \"{}\" is of type {} but expression is of type {}",
                    column.name,
                    SqlType { typmod: -1, ..to }.sql_name(),
                    from.sql_name()
                ),
            )
            .hint("You will need to rewrite or cast the expression."));
        }
    }
    // The modifier is checked here rather than applied: an assignment does not cut.
    let unlimited = if matches!(to.base, Base::Varchar | Base::Bpchar) { SqlType::from(Base::Text) } else { to };
    let from = if values.data_type().is_string() && to.base == Base::Bpchar { SqlType::from(Base::Text) } else { from };
    let cast = cast(values, from, unlimited, &data_type, zone)?;
    check_length(&cast, to)
}

/// Whether a column's texts are numbers, of which no one scale holds all, for a column of numbers.
fn is_spelled(field: &Field, to: &Column) -> bool {
    let numeric = |ty: SqlType| ty.base == Base::Numeric && !ty.array;
    field.data_type().is_string() && numeric(SqlType::of_field(field)) && numeric(to.sql_type)
}

/// Brings a batch whose columns stand in the table's order into the table's types; `23502` for a NULL where none may be.
pub fn assign(batch: &RecordBatch, table: &Relation, name: &str, zone: Tz, lenient: bool) -> Result<RecordBatch> {
    let mut columns = Vec::with_capacity(table.columns.len());
    let fields = batch.schema_ref().fields();
    for ((values, field), column) in batch.columns().iter().zip(fields).zip(table.columns.iter()) {
        columns.push(assign_column(values, column, zone, lenient || is_spelled(field, column))?);
    }
    finish(columns, batch.num_rows(), table, name)
}

/// A batch of a table, checked for NULLs.
pub fn finish(mut columns: Vec<ArrayRef>, rows: usize, table: &Relation, name: &str) -> Result<RecordBatch> {
    for (values, column) in columns.iter_mut().zip(table.columns.iter()) {
        *values = check_length(values, column.sql_type)?;
    }
    let nullable: Vec<_> = table.schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    let loose = Arc::new(arrow::datatypes::Schema::new(nullable));
    let batch = RecordBatch::try_new_with_options(loose, columns, &options).map_err(|e| Error::internal(e.to_string()))?;
    for (at, column) in table.columns.iter().enumerate() {
        if !column.nullable && batch.column(at).null_count() > 0 {
            let row = (0..rows).find(|r| batch.column(at).is_null(*r)).unwrap_or(0);
            return Err(Error::new(
                Condition::NotNullViolation,
                format!("null value in column \"{}\" of relation \"{name}\" violates not-null constraint", column.name),
            )
            .detail(failing_row(&batch, row)));
        }
    }
    let (_, columns, _) = batch.into_parts();
    RecordBatch::try_new_with_options(Arc::clone(&table.schema), columns, &options).map_err(|e| Error::internal(e.to_string()))
}

/// Whether a query's values are open literals, which an assignment gives a type.
fn is_values(body: &SetExpr) -> bool {
    match body {
        SetExpr::Values(_) => true,
        SetExpr::Query(query) => is_values(&query.body),
        SetExpr::Select(select) => {
            select.from.is_empty()
                || select.projection.iter().any(|item| {
                    matches!(item, ast::SelectItem::UnnamedExpr(Expr::Value(v)) if matches!(v.value, Value::SingleQuotedString(_)))
                })
        }
        _ => false,
    }
}

fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}

fn parse_expr(text: &str) -> Result<Expr> {
    sqlparser::parser::Parser::new(&super::grammar::Postgres)
        .try_with_sql(text)
        .and_then(|mut p| p.parse_expr())
        .map_err(|e| Error::internal(format!("a default did not parse again: {e}")))
}

impl Session {
    fn target(&self, insert: &Insert) -> Result<Target> {
        if insert.on.is_some() {
            return Err(Error::unsupported("ON CONFLICT is not supported"));
        }
        if insert.returning.is_some() {
            return Err(Error::unsupported("RETURNING is not supported"));
        }
        let TableObject::TableName(object) = &insert.table else {
            return Err(Error::syntax("INSERT wants a table"));
        };
        let (name, relation) = self.relation(object)?;
        match relation.kind {
            RelationKind::Table { .. } => {}
            RelationKind::Files(_) => return Err(read_only(&name)),
            RelationKind::View { .. } => {
                return Err(Error::new(
                    Condition::ObjectNotInPrerequisiteState,
                    format!("cannot insert into view \"{}\"", name.name),
                ));
            }
        }
        let columns = if insert.columns.is_empty() {
            (0..relation.columns.len()).collect()
        } else {
            let mut columns = Vec::new();
            for object in &insert.columns {
                let column = object.0.last().and_then(|p| p.as_ident()).map(fold).unwrap_or_default();
                let Some(at) = relation.columns.iter().position(|c| c.name == column) else {
                    return Err(Error::new(
                        Condition::UndefinedColumn,
                        format!("column \"{column}\" of relation \"{}\" does not exist", name.name),
                    ));
                };
                if columns.contains(&at) {
                    return Err(Error::new(Condition::DuplicateColumn, format!("column \"{column}\" specified more than once")));
                }
                columns.push(at);
            }
            columns
        };
        Ok(Target { name, relation, columns })
    }

    pub(crate) fn prepare_insert(
        &mut self,
        statement: Statement,
        insert: &Insert,
        types: &[Option<SqlType>],
    ) -> Result<Prepared> {
        let target = self.target(insert)?;
        let Some(source) = &insert.source else {
            // INSERT INTO t DEFAULT VALUES
            return Ok(Prepared { statement, parameters: Vec::new(), columns: None, body: Body::Command });
        };
        let mut source = source.as_ref().clone();
        let mut demands = Demands::new();
        let width = fill_defaults(&mut source.body, &target, &mut demands)?;
        if let Some(width) = width {
            check_width(width, &target, insert)?;
        }
        let prepared = self.prepare_query(statement, &source, types, &demands)?;
        if width.is_none() {
            check_width(prepared.columns.as_deref().map_or(0, <[_]>::len), &target, insert)?;
        }
        Ok(Prepared { columns: None, ..prepared })
    }

    pub(crate) async fn insert(&mut self, prepared: &Prepared, insert: &Insert, values: Vec<ScalarValue>) -> Result<Outcome> {
        self.check_writable("INSERT")?;
        self.transaction();
        let target = self.target(insert)?;
        let zone = self.time_zone();
        let defaults = self.defaults(&target).await?;
        let refreshed = match &prepared.body {
            Body::Query(plan) if !plan.is_current(&self.snapshot()) => {
                let types: Vec<Option<SqlType>> = prepared.parameters.iter().copied().map(Some).collect();
                Some(self.prepare_insert(prepared.statement.clone(), insert, &types)?)
            }
            _ => None,
        };
        let prepared = refreshed.as_ref().unwrap_or(prepared);
        let lenient = insert.source.as_ref().is_none_or(|s| is_values(&s.body));
        let batches = match prepared.body {
            Body::Command => vec![
                RecordBatch::try_new_with_options(
                    Arc::new(arrow::datatypes::Schema::empty()),
                    vec![],
                    &arrow::array::RecordBatchOptions::new().with_row_count(Some(1)),
                )
                .map_err(|e| Error::internal(e.to_string()))?,
            ],
            Body::Query(_) | Body::Shared(..) | Body::Catalog(_) => self.run(prepared, values).await?.collect().await?,
        };
        let relation = Arc::clone(&target.relation);
        let name = target.name.name.clone();
        let given = if matches!(prepared.body, Body::Command) { Vec::new() } else { target.columns.clone() };
        let work = move || -> Result<(u64, Relation)> {
            let mut stored = Vec::new();
            for batch in &batches {
                let rows = batch.num_rows();
                let mut columns: Vec<ArrayRef> = Vec::new();
                for (at, column) in relation.columns.iter().enumerate() {
                    let mut lenient = lenient;
                    let source = match given.iter().position(|g| *g == at) {
                        Some(place) if place < batch.num_columns() => {
                            lenient |= is_spelled(batch.schema_ref().field(place), column);
                            Arc::clone(batch.column(place))
                        }
                        _ => match &defaults[at] {
                            Some(value) => value.to_array_of_size(rows).map_err(|e| Error::internal(e.to_string()))?,
                            None => new_null_array(&column.sql_type.arrow(), rows),
                        },
                    };
                    columns.push(assign_column(&source, column, zone, lenient)?);
                }
                stored.push(finish(columns, rows, &relation, &name)?);
            }
            let count = stored.iter().map(|b| b.num_rows() as u64).sum();
            Ok((count, relation.appended(stored)))
        };
        let task = self.engine.shared.handle.spawn_blocking(work);
        let (count, grown) = self.limit().run(task).await?.map_err(|e| Error::internal(e.to_string()))??;
        self.put_relation(target.name, grown);
        Ok(Outcome::Complete(Tag { verb: "INSERT 0", rows: Some(count) }))
    }

    /// The values of the defaults of columns that an INSERT leaves out.
    async fn defaults(&mut self, target: &Target) -> Result<Vec<Option<ScalarValue>>> {
        let mut values = Vec::new();
        for column in target.relation.columns.iter() {
            let value = match &column.default {
                Some(default) => Some(self.constant(default).await?),
                None => None,
            };
            values.push(value);
        }
        Ok(values)
    }

    /// The value of an expression without columns.
    pub(crate) async fn constant(&mut self, expression: &str) -> Result<ScalarValue> {
        let statement = self.parse(&format!("SELECT {expression}"))?.remove(0);
        let Some(ast::Statement::Query(query)) = statement.tree.as_deref().cloned() else {
            return Err(Error::syntax("an expression was expected"));
        };
        let prepared = self.prepare_query(statement, &query, &[], &Demands::new())?;
        let batches = self.run(&prepared, Vec::new()).await?.collect().await?;
        let Some(batch) = batches.iter().find(|b| b.num_rows() > 0) else { return Ok(ScalarValue::Null) };
        ScalarValue::try_from_array(batch.column(0), 0).map_err(|e| Error::internal(e.to_string()))
    }
}

fn check_width(width: usize, target: &Target, insert: &Insert) -> Result<()> {
    if width > target.columns.len() {
        return Err(Error::syntax("INSERT has more expressions than target columns"));
    }
    if width < target.columns.len() && !insert.columns.is_empty() {
        return Err(Error::syntax("INSERT has more target columns than expressions"));
    }
    Ok(())
}

/// Puts defaults in the place of DEFAULT, and asks parameters to have their columns' types. Gives the width of VALUES.
fn fill_defaults(body: &mut SetExpr, target: &Target, demands: &mut Demands) -> Result<Option<usize>> {
    match body {
        SetExpr::Values(values) => {
            let width = values.rows.iter().map(|r| r.content.len()).max().unwrap_or(0);
            for row in &mut values.rows {
                for (at, expr) in row.content.iter_mut().enumerate() {
                    let Some(column) = target.columns.get(at).and_then(|c| target.relation.columns.get(*c)) else { continue };
                    if is_default(expr) {
                        *expr = match &column.default {
                            Some(default) => parse_expr(default)?,
                            None => Expr::Value(Value::Null.with_empty_span()),
                        };
                    }
                    if let Expr::Value(ast::ValueWithSpan { value: Value::Placeholder(name), .. }) = expr
                        && let Some(number) = name.strip_prefix('$').and_then(|n| n.parse().ok())
                    {
                        demands.insert(number, SqlType { typmod: -1, ..column.sql_type });
                    }
                }
            }
            Ok(Some(width))
        }
        SetExpr::Query(query) => fill_defaults(&mut query.body, target, demands),
        SetExpr::Select(select) if select.from.is_empty() => {
            for (at, item) in select.projection.iter().enumerate() {
                if let ast::SelectItem::UnnamedExpr(Expr::Value(ast::ValueWithSpan { value: Value::Placeholder(name), .. })) =
                    item
                    && let Some(number) = name.strip_prefix('$').and_then(|n| n.parse().ok())
                    && let Some(column) = target.columns.get(at).and_then(|c| target.relation.columns.get(*c))
                {
                    demands.insert(number, SqlType { typmod: -1, ..column.sql_type });
                }
            }
            Ok(None)
        }
        _ => Ok(None),
    }
}
