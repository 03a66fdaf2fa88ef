//! Typed expressions: what a syntax tree becomes before a row is read.

use std::sync::Arc;

use super::datum::Datum;
use super::function::Function;
use super::plan::QueryPlan;
use crate::types::{Base, SqlType};

/// The fields of a composite value: names and types.
pub type Fields = Arc<Vec<(String, SqlType)>>;

/// An expression and its type.
#[derive(Debug, Clone, PartialEq)]
pub struct Typed {
    /// What to compute.
    pub node: Node,
    /// Its type.
    pub ty: SqlType,
    /// The fields, where the type is `record` and they are known.
    pub fields: Option<Fields>,
}

/// A subquery inside an expression.
#[derive(Debug, Clone)]
pub struct Subquery {
    /// Its plan.
    pub plan: Arc<QueryPlan>,
    /// Sets it apart from every other part of the statement that keeps something between rows.
    pub id: usize,
    /// Whether its result depends on rows outside it.
    pub correlated: bool,
}

impl PartialEq for Subquery {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// A comparison of one value with many: the operator, and what brings both sides to its arguments' types.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The operator.
    pub operator: &'static Function,
    /// The left argument's type before and after.
    pub left: (SqlType, SqlType),
    /// The right argument's type before and after.
    pub right: (SqlType, SqlType),
}

/// What an expression computes.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A value.
    Const(Datum),
    /// A column of the row that the query at depth `frame` is at.
    Column {
        /// Which query, counted from the outermost.
        frame: usize,
        /// Which column.
        index: usize,
    },
    /// A parameter, counted from 0.
    Param(usize),
    /// The result of an aggregate of the innermost query.
    Aggregate(usize),
    /// The result of a window function of the innermost query.
    Window(usize),
    /// The present row of a set-returning function of the select list.
    Set(usize),
    /// A function or operator.
    Call {
        /// Which.
        function: &'static Function,
        /// Its arguments, already of its types.
        args: Vec<Typed>,
    },
    /// A conversion to this expression's type.
    Cast {
        /// What is converted.
        arg: Box<Typed>,
        /// Whether the statement wrote it.
        explicit: bool,
    },
    /// True where all are.
    And(Vec<Typed>),
    /// True where one is.
    Or(Vec<Typed>),
    /// The opposite.
    Not(Box<Typed>),
    /// `IS [NOT] NULL`
    IsNull {
        /// Of what.
        arg: Box<Typed>,
        /// `NOT`
        negated: bool,
    },
    /// `IS [NOT] TRUE`, `FALSE` or `UNKNOWN` (`None`).
    IsBool {
        /// Of what.
        arg: Box<Typed>,
        /// Which.
        value: Option<bool>,
        /// `NOT`
        negated: bool,
    },
    /// `IS [NOT] DISTINCT FROM`
    Distinct {
        /// The equality operator applied to both sides.
        equal: Box<Typed>,
        /// The left side.
        left: Box<Typed>,
        /// The right side.
        right: Box<Typed>,
        /// `NOT`
        negated: bool,
    },
    /// `CASE` whose conditions are all boolean.
    Case {
        /// Conditions and their results.
        whens: Vec<(Typed, Typed)>,
        /// `ELSE`
        default: Option<Box<Typed>>,
    },
    /// The first that is not null.
    Coalesce(Vec<Typed>),
    /// Null where `equal` holds, else `value`.
    NullIf {
        /// The equality operator applied to both sides.
        equal: Box<Typed>,
        /// The left side.
        value: Box<Typed>,
    },
    /// The greatest or least that is not null.
    Extreme {
        /// Of these.
        args: Vec<Typed>,
        /// Which.
        greatest: bool,
    },
    /// `ARRAY[…]`
    Array(Vec<Typed>),
    /// `ROW(…)`
    Row(Vec<Typed>),
    /// A field of a composite value.
    Field {
        /// The value.
        arg: Box<Typed>,
        /// Which field.
        index: usize,
    },
    /// An element of an array.
    Subscript {
        /// The array.
        arg: Box<Typed>,
        /// Which element.
        index: Box<Typed>,
    },
    /// Part of an array.
    Slice {
        /// The array.
        arg: Box<Typed>,
        /// From.
        lower: Option<Box<Typed>>,
        /// To.
        upper: Option<Box<Typed>>,
    },
    /// `x = ANY (array)` and `x = ALL (array)`
    AnyAll {
        /// The left side.
        left: Box<Typed>,
        /// The array.
        array: Box<Typed>,
        /// How an element is compared.
        comparison: Comparison,
        /// `ALL`
        all: bool,
    },
    /// `x [NOT] IN (…)` over values.
    In {
        /// The left side.
        left: Box<Typed>,
        /// The list, already of the operator's right type.
        list: Vec<Typed>,
        /// How an element is compared.
        comparison: Comparison,
    },
    /// `(SELECT …)`
    Scalar(Subquery),
    /// `EXISTS (SELECT …)`
    Exists(Subquery),
    /// `ARRAY(SELECT …)`
    ArrayOf(Subquery),
    /// `x = ANY (SELECT …)` and the like, `IN` among them; a row has several comparisons.
    AnyAllOf {
        /// The left side's values.
        left: Vec<Typed>,
        /// The query.
        query: Subquery,
        /// How its columns are compared.
        comparisons: Vec<Comparison>,
        /// `ALL`
        all: bool,
    },
}

impl Typed {
    /// An expression of a type.
    pub fn new(node: Node, ty: impl Into<SqlType>) -> Self {
        Self { node, ty: ty.into(), fields: None }
    }

    /// A value of a type.
    pub fn constant(value: Datum, ty: impl Into<SqlType>) -> Self {
        Self::new(Node::Const(value), ty)
    }

    /// Whether it is a string literal or null whose type is not decided.
    pub fn is_unknown(&self) -> bool {
        self.ty.base == Base::Unknown && !self.ty.array
    }

    /// Calls `f` on every expression directly inside; subqueries are not entered.
    pub fn children<'a>(&'a self, f: &mut dyn FnMut(&'a Typed)) {
        match &self.node {
            Node::Const(_)
            | Node::Column { .. }
            | Node::Param(_)
            | Node::Aggregate(_)
            | Node::Window(_)
            | Node::Set(_)
            | Node::Scalar(_)
            | Node::Exists(_)
            | Node::ArrayOf(_) => {}
            Node::Call { args, .. }
            | Node::And(args)
            | Node::Or(args)
            | Node::Coalesce(args)
            | Node::Extreme { args, .. }
            | Node::Array(args)
            | Node::Row(args) => args.iter().for_each(f),
            Node::Cast { arg, .. }
            | Node::Not(arg)
            | Node::IsNull { arg, .. }
            | Node::IsBool { arg, .. }
            | Node::Field { arg, .. } => {
                f(arg);
            }
            Node::Distinct { left, right, .. } => {
                f(left);
                f(right);
            }
            Node::Case { whens, default } => {
                for (when, then) in whens {
                    f(when);
                    f(then);
                }
                default.iter().for_each(|d| f(d));
            }
            Node::NullIf { equal, value } => {
                f(equal);
                f(value);
            }
            Node::Subscript { arg, index } => {
                f(arg);
                f(index);
            }
            Node::Slice { arg, lower, upper } => {
                f(arg);
                lower.iter().chain(upper).for_each(|b| f(b));
            }
            Node::AnyAll { left, array, .. } => {
                f(left);
                f(array);
            }
            Node::In { left, list, .. } => {
                f(left);
                list.iter().for_each(f);
            }
            Node::AnyAllOf { left, .. } => left.iter().for_each(f),
        }
    }

    /// Whether a subquery is anywhere inside.
    pub fn has_subquery(&self) -> bool {
        if matches!(self.node, Node::Scalar(_) | Node::Exists(_) | Node::ArrayOf(_) | Node::AnyAllOf { .. }) {
            return true;
        }
        let mut found = false;
        self.children(&mut |c| found |= c.has_subquery());
        found
    }

    /// Calls `f` with the index of every column of the query at depth `frame`; subqueries are not entered.
    pub fn columns(&self, frame: usize, f: &mut dyn FnMut(usize)) {
        if let Node::Column { frame: of, index } = self.node
            && of == frame
        {
            f(index);
        }
        self.children(&mut |c| c.columns(frame, f));
    }
}
