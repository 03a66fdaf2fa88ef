//! What a result's column is called: PostgreSQL's `FigureColname`.

use sqlparser::ast::{self, AccessExpr, Expr, SelectItem, SetExpr};

use super::type_name::{fold, resolve};

/// The label of an expression without an alias.
pub fn label(expr: &Expr) -> String {
    figure(expr).map_or_else(|| "?column?".to_owned(), |(name, _)| name)
}

/// How strongly a name suggests itself: a cast's type gives way to anything else.
#[derive(PartialEq)]
enum Strength {
    Weak,
    Strong,
}

fn strong(name: impl Into<String>) -> Option<(String, Strength)> {
    Some((name.into(), Strength::Strong))
}

fn weak(name: impl Into<String>) -> Option<(String, Strength)> {
    Some((name.into(), Strength::Weak))
}

fn type_label(data_type: &ast::DataType) -> String {
    if let ast::DataType::Custom(name, _) = data_type
        && let Some(last) = name.0.last().and_then(|p| p.as_ident())
    {
        return fold(last);
    }
    resolve(data_type).map_or_else(|_| data_type.to_string().to_lowercase(), |t| t.base.row().name.to_owned())
}

fn figure(expr: &Expr) -> Option<(String, Strength)> {
    match expr {
        Expr::Identifier(ident) => strong(fold(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().and_then(|p| strong(fold(p))),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figure(inner),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|access| match access {
                AccessExpr::Dot(field) => figure(field),
                AccessExpr::Subscript(_) => None,
            });
            field.or_else(|| figure(root))
        }
        Expr::Cast { expr, data_type, .. } => match figure(expr) {
            Some((name, Strength::Strong)) => strong(name),
            Some((_, Strength::Weak)) | None => weak(type_label(data_type)),
        },
        Expr::TypedString(typed) => weak(type_label(&typed.data_type)),
        Expr::Interval(_) => weak("interval"),
        Expr::Value(_value) => None,
        Expr::Function(function) => function.name.0.last().and_then(|part| part.as_ident()).and_then(|i| strong(fold(i))),
        Expr::Case { else_result, .. } => match else_result.as_deref().and_then(figure) {
            Some((name, Strength::Strong)) => strong(name),
            Some((_, Strength::Weak)) | None => weak("case"),
        },
        Expr::Extract { .. } => strong("extract"),
        Expr::Substring { shorthand: true, .. } => strong("substr"),
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
        Expr::Exists { negated: false, .. } => strong("exists"),
        Expr::BinaryOp { op: ast::BinaryOperator::Overlaps, .. } => strong("overlaps"),
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
