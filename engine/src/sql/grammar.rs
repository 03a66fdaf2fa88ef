//! The dialect that texts are parsed in: sqlparser's PostgreSQL, less what makes its parser slow.
//!
//! sqlparser's PostgreSQL lets any expression stand before `=>` in a call. To find out it parses each argument as such a name
//! first, and then again: calls within calls cost twice as much with each level, and thirty levels never end. PostgreSQL itself
//! takes only an identifier there (gram.y, `func_arg_expr`), which a look at two tokens settles.

use std::any::TypeId;

use sqlparser::ast::Expr;
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};

/// PostgreSQL's dialect.
#[derive(Debug, Clone, Copy)]
pub struct Postgres;

/// What all else is like.
const LIKE: PostgreSqlDialect = PostgreSqlDialect {};

/// Answers as sqlparser's PostgreSQL does.
macro_rules! as_postgresql {
    ($($name:ident),* $(,)?) => {
        $(fn $name(&self) -> bool {
            LIKE.$name()
        })*
    };
}

impl Dialect for Postgres {
    /// The parser asks for dialects by type here and there.
    fn dialect(&self) -> TypeId {
        LIKE.dialect()
    }

    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        LIKE.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        LIKE.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        LIKE.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        LIKE.is_identifier_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        LIKE.is_reserved_for_identifier(keyword)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        LIKE.is_custom_operator_part(ch)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        LIKE.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        LIKE.prec_value(precedence)
    }

    /// `IS [NOT] DISTINCT FROM` ends where `IS` does (gram.y, `a_expr … %prec IS`); sqlparser takes `AND` and `OR` behind it
    /// for a part of its right side.
    fn parse_infix(&self, parser: &mut Parser, left: &Expr, _: u8) -> Option<Result<Expr, ParserError>> {
        let same = [Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM];
        let is = [Keyword::IS, Keyword::DISTINCT, Keyword::FROM];
        let build = match () {
            () if parser.parse_keywords(&is) => Expr::IsDistinctFrom,
            () if parser.parse_keywords(&same) => Expr::IsNotDistinctFrom,
            () => return None,
        };
        let right = parser.parse_subexpr(self.prec_value(Precedence::Is));
        Some(right.map(|right| build(Box::new(left.clone()), Box::new(right))))
    }

    as_postgresql!(
        supports_unicode_string_literal,
        supports_filter_during_aggregation,
        supports_group_by_expr,
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_create_index_with_clause,
        supports_explain_with_utility_options,
        supports_listen_notify,
        supports_factorial_operator,
        supports_bitwise_shift_operators,
        supports_comment_on,
        supports_load_extension,
        supports_named_fn_args_with_colon_operator,
        supports_empty_projections,
        supports_nested_comments,
        supports_string_escape_constant,
        supports_numeric_literal_underscores,
        supports_array_typedef_with_brackets,
        supports_geometric_types,
        supports_set_names,
        supports_alter_column_type_using,
        supports_notnull_operator,
        supports_interval_options,
        supports_insert_table_alias,
        supports_create_table_like_parenthesized,
        supports_select_wildcard_with_alias,
        supports_comma_separated_trim,
        supports_xml_expressions,
        supports_comment_optimizer_hint,
    );
}
