//! What a result's column is called: PostgreSQL's `FigureColname` (src/backend/parser/parse_target.c).

use sqlparser::ast::{self, Expr, SelectItem, SetExpr};

use crate::plan::types::sql_type;

/// The name that a column without one gets where nothing suggests any.
pub const UNNAMED: &str = "?column?";

/// Sets columns apart that would have the same name inside DataFusion; cut off before a client sees it.
pub const MARK: char = '\u{1}';

/// The label of an expression without an alias.
pub fn label(expr: &Expr) -> String {
    figure(expr).map_or_else(|| UNNAMED.to_owned(), |(name, _)| name)
}

/// The name of a column as a client sees it.
pub fn visible(name: &str) -> &str {
    name.split_once(MARK).map_or(name, |(head, _)| head)
}

/// An identifier as PostgreSQL folds it.
pub fn fold(ident: &ast::Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// How strongly a name suggests itself: a cast's type gives way to anything.
#[derive(PartialEq, PartialOrd)]
enum Strength {
    Weak,
    Strong,
}

fn strong(name: impl Into<String>) -> Option<(String, Strength)> {
    Some((name.into(), Strength::Strong))
}

fn cast(inner: Option<(String, Strength)>, data_type: &ast::DataType) -> Option<(String, Strength)> {
    match inner {
        Some((name, Strength::Strong)) => Some((name, Strength::Strong)),
        Some((_, Strength::Weak)) | None => Some((type_label(data_type), Strength::Weak)),
    }
}

fn type_label(data_type: &ast::DataType) -> String {
    sql_type(data_type).map_or_else(|_| data_type.to_string().to_lowercase(), |t| t.base.row().name.to_owned())
}

fn figure(expr: &Expr) -> Option<(String, Strength)> {
    match expr {
        Expr::Identifier(ident) => strong(fold(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().and_then(|p| strong(fold(p))),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figure(inner),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|access| match access {
                ast::AccessExpr::Dot(field) => figure(field),
                ast::AccessExpr::Subscript(_) => None,
            });
            field.or_else(|| figure(root))
        }
        Expr::Cast { expr, data_type, .. } => cast(figure(expr), data_type),
        Expr::TypedString(typed) => Some((type_label(&typed.data_type), Strength::Weak)),
        Expr::Interval(_) => Some(("interval".to_owned(), Strength::Weak)),
        Expr::Function(function) => function.name.0.last().and_then(|part| part.as_ident()).and_then(|i| strong(fold(i))),
        Expr::Case { else_result, .. } => match else_result.as_deref().and_then(figure) {
            Some((name, Strength::Strong)) => strong(name),
            Some((_, Strength::Weak)) | None => Some(("case".to_owned(), Strength::Weak)),
        },
        Expr::Extract { .. } => strong("extract"),
        Expr::Substring { .. } => strong("substring"),
        Expr::Position { .. } => strong("position"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::Trim { trim_where, .. } => strong(match trim_where {
            Some(ast::TrimWhereField::Leading) => "ltrim",
            Some(ast::TrimWhereField::Trailing) => "rtrim",
            Some(ast::TrimWhereField::Both) | None => "btrim",
        }),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Exists { .. } => strong("exists"),
        Expr::Array(_) => strong("array"),
        Expr::Tuple(_) => strong("row"),
        Expr::Subquery(query) => match first_item(&query.body)? {
            SelectItem::UnnamedExpr(expr) => figure(expr),
            SelectItem::ExprWithAlias { alias, .. } => strong(fold(alias)),
            _ => None,
        },
        _ => None,
    }
}

fn first_item(body: &SetExpr) -> Option<&SelectItem> {
    match body {
        SetExpr::Select(select) => select.projection.first(),
        SetExpr::Query(query) => first_item(&query.body),
        SetExpr::SetOperation { left, .. } => first_item(left),
        _ => None,
    }
}
