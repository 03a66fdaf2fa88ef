//! Where `stage` stands: a pass over a pipeline's body that puts cheap tests of stored columns first.
//!
//! ```text
//! if (cast(c0) / c1 > 3) and in_range(c2)          if in_range(c2)
//!   emit                                    →        stage
//!                                                    if cast(c0) / c1 > 3
//!                                                      emit
//! ```
//!
//! A *column test* compares a stored column with values that come with the run (`in_range`, `member`, `lookup` of a
//! `bool`), asks whether it is NULL, is a `bool` column itself, or joins such tests by `not`, `and` and `or`. It raises no
//! fault, reads no more than the column and a table, and whole blocks of rows take it at once.

use super::{Expr, ExprId, Pipeline, Statement, Type};

impl Pipeline {
    /// Orders the tests of each `if` and places `stage` behind its column tests.
    ///
    /// The conditions of an `if`, and of those that are all that stands in it, are one conjunction. Its column tests become one
    /// condition in front, with `stage` as the first statement behind it; the other tests become an `if` each, in
    /// their order. Only tests that raise nothing move forward, and rows that they drop (or that an earlier test finds
    /// NULL) see fewer of the others: a fault that was raised may not be raised any more, none comes anew. Rows and
    /// values are the same. A second time changes nothing.
    pub fn place_stages(&mut self) {
        let Ok(types) = self.value_types() else { return };
        let bools = types.iter().map(|found| found.ty == Type::Bool).collect();
        let texts = types.iter().map(|found| found.ty == Type::Text).collect();
        let body = std::mem::take(&mut self.body);
        let mut pass = Pass { exprs: &mut self.exprs, bools, texts };
        self.body = pass.block(body);
    }
}

struct Pass<'a> {
    exprs: &'a mut Vec<Expr>,
    /// For each node that was there at first, whether it is a `bool`.
    bools: Vec<bool>,
    /// For each, whether it is a text.
    texts: Vec<bool>,
}

impl Pass<'_> {
    fn block(&mut self, block: Vec<Statement>) -> Vec<Statement> {
        let mut made = Vec::with_capacity(block.len());
        for statement in block {
            made.push(match statement {
                Statement::If { condition, then } => self.filter(condition, then),
                Statement::Loop { id, from, to, kind, condition, then } => {
                    Statement::Loop { id, from, to, kind, condition, then: self.block(then) }
                }
                Statement::Stage => Statement::Stage,
                Statement::Emit => Statement::Emit,
            });
        }
        made
    }

    fn filter(&mut self, condition: ExprId, mut then: Vec<Statement>) -> Statement {
        let mut tests = Vec::new();
        self.conjuncts(condition, &mut tests);
        // A stage that stands behind anything but column tests was placed by someone who knew why, and stays.
        loop {
            let cheap = tests.iter().all(|test| self.is_column_test(*test));
            let inner = match then.as_slice() {
                [Statement::If { .. }] => true,
                [Statement::Stage, Statement::If { .. }] => cheap,
                _ => false,
            };
            match then.pop() {
                Some(Statement::If { condition, then: block }) if inner => {
                    self.conjuncts(condition, &mut tests);
                    then = block;
                }
                last => {
                    then.extend(last);
                    break;
                }
            }
        }
        let (cheap, others): (Vec<ExprId>, Vec<ExprId>) = tests.into_iter().partition(|test| self.is_column_test(*test));
        let mut block = self.block(then);
        if !cheap.is_empty() && others.is_empty() {
            stage_first(&mut block);
        }
        for test in others.iter().rev() {
            block = vec![Statement::If { condition: *test, then: block }];
        }
        if !cheap.is_empty() && !others.is_empty() {
            stage_first(&mut block);
        }
        match cheap.split_first() {
            Some((first, rest)) => {
                let condition = rest.iter().fold(*first, |all, test| self.and(all, *test));
                Statement::If { condition, then: block }
            }
            // Without column tests there is another one, and it is the block's only statement.
            None => block.pop().unwrap_or(Statement::Stage),
        }
    }

    /// The parts of a conjunction, in the order in which they are evaluated.
    fn conjuncts(&self, condition: ExprId, into: &mut Vec<ExprId>) {
        if let Expr::And(a, b) = self.exprs[condition.0 as usize] {
            self.conjuncts(a, into);
            self.conjuncts(b, into);
        } else {
            into.push(condition);
        }
    }

    fn and(&mut self, a: ExprId, b: ExprId) -> ExprId {
        let wanted = Expr::And(a, b);
        let at = self.exprs.iter().position(|expr| *expr == wanted).unwrap_or_else(|| {
            self.exprs.push(wanted);
            self.bools.push(true);
            self.texts.push(false);
            self.exprs.len() - 1
        });
        ExprId(at as u32)
    }

    fn is_column_test(&self, id: ExprId) -> bool {
        let column = |id: ExprId| matches!(self.exprs[id.0 as usize], Expr::Column(_));
        match self.exprs[id.0 as usize] {
            Expr::Column(_) => self.bools[id.0 as usize],
            // Of a text only whether it is there is looked at in passing.
            Expr::InRange { a, .. } | Expr::Member { a, .. } => column(a) && !self.texts[a.0 as usize],
            Expr::IsNull(a) => column(a),
            Expr::Lookup { index, .. } => self.bools[id.0 as usize] && column(index),
            Expr::Not(a) => self.is_column_test(a),
            Expr::And(a, b) | Expr::Or(a, b) => self.is_column_test(a) && self.is_column_test(b),
            Expr::Parameter(_)
            | Expr::Constant { .. }
            | Expr::Arithmetic { .. }
            | Expr::Negate { .. }
            | Expr::Compare { .. }
            | Expr::IsDistinct(..)
            | Expr::Select { .. }
            | Expr::Coalesce(..)
            | Expr::NullIf(..)
            | Expr::Cast { .. }
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
}

fn stage_first(block: &mut Vec<Statement>) {
    if block.first() != Some(&Statement::Stage) {
        block.insert(0, Statement::Stage);
    }
}

#[cfg(test)]
mod tests {
    use crate::program::text::parse;

    /// %2, %3 and %4 are column tests; %7 and %8 are not, and can fault.
    const NODES: &str = "pipeline\n  column 0 i32\n  column 1 i32 nullable\n  parameter 0 i32\n  parameter 1 i32\n  table 0 bool\n  \
                         %0 = column 0\n  %1 = column 1\n  %2 = in_range %0 0 1\n  %3 = lookup 0 %0\n  %4 = is_null %1\n  \
                         %5 = divide %0 %1\n  %6 = parameter 0\n  %7 = less %5 %6\n  %8 = equal %5 %6\n";

    fn staged(rest: &str) -> String {
        let mut pipeline = parse(&format!("{NODES}{rest}  bitmap\n")).unwrap();
        pipeline.place_stages();
        let once = pipeline.clone();
        pipeline.place_stages();
        assert_eq!(pipeline, once, "a second time changed it");
        crate::program::verify::verify(&pipeline).unwrap();
        let text = pipeline.to_string();
        text.strip_prefix(NODES).unwrap().strip_suffix("  bitmap\n").unwrap().to_owned()
    }

    #[test]
    fn a_column_test_gets_a_stage() {
        assert_eq!(staged("  body\n    if %2\n      emit\n"), "  body\n    if %2\n      stage\n      emit\n");
        assert_eq!(staged("  body\n    if %7\n      emit\n"), "  body\n    if %7\n      emit\n");
        assert_eq!(staged("  body\n    emit\n"), "  body\n    emit\n");
    }

    #[test]
    fn column_tests_go_first_and_the_rest_keeps_its_order() {
        let got = staged("  %9 = and %7 %2\n  %10 = and %9 %8\n  %11 = and %10 %3\n  body\n    if %11\n      emit\n");
        let nodes = "  %9 = and %7 %2\n  %10 = and %9 %8\n  %11 = and %10 %3\n  %12 = and %2 %3\n";
        assert_eq!(got, format!("{nodes}  body\n    if %12\n      stage\n      if %7\n        if %8\n          emit\n"));
    }

    #[test]
    fn a_conjunction_of_column_tests_stays_one() {
        let got = staged("  %9 = and %2 %3\n  %10 = not %9\n  %11 = or %10 %4\n  body\n    if %11\n      if %9\n        emit\n");
        let nodes = "  %9 = and %2 %3\n  %10 = not %9\n  %11 = or %10 %4\n  %12 = and %11 %2\n  %13 = and %12 %3\n";
        assert_eq!(got, format!("{nodes}  body\n    if %13\n      stage\n      emit\n"));
    }

    #[test]
    fn other_statements_stay_where_they_are() {
        let rest = "  body\n    if %7\n      stage\n      if %2\n        emit\n      emit\n    if %2\n      emit\n      emit\n";
        let wanted = "  body\n    if %7\n      stage\n      if %2\n        stage\n        emit\n      emit\n    if %2\n      stage\n      emit\n      \
                      emit\n";
        assert_eq!(staged(rest), wanted);
    }
}
