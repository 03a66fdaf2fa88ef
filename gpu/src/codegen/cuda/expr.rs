//! Expression nodes as straight-line statements.
//!
//! A node becomes up to three registers: `v3` its value, `n3` whether it is NULL (where it can be), `e3` the fault that
//! evaluating it raises, 0 for none (where it, or a node below it, can). Every node that a phase demands is computed once,
//! in order, without branches; what the program does not evaluate (the branch of a `select` that is not
//! taken, the right side of a decided `and`) is computed too, and its fault is not taken over. All operations are total, so
//! nothing else can come of it. This keeps the text as long as the program, where a text with branches would repeat
//! a node that two branches share, and suits a warp, whose lanes would walk both branches anyway.

use std::collections::BTreeSet;

use super::scalar::{literal, type_name};
use super::text::{Header, Writer};
use crate::join::layout::{Form, Layout};
use crate::program::{
    Arithmetic, Bits, Comparison, Expr, ExprId, Fault, IndexId, MatchOp, Pipeline, TextUnit, TrimSide, Type, ValueType,
};

/// About how many instructions it takes to look at a text's bytes. So many that a thread has few rows where it does: they
/// are read one text after the other in any case.
const TEXT: u32 = 80;

/// The nodes of a pipeline, with what is known of each.
#[derive(Debug)]
pub struct Nodes<'a> {
    pipeline: &'a Pipeline,
    types: Vec<ValueType>,
    /// Whether evaluating the node can raise a fault, operands included.
    faulty: Vec<bool>,
}

impl<'a> Nodes<'a> {
    /// Looks at every node.
    pub fn new(pipeline: &'a Pipeline) -> Result<Self, String> {
        let types = pipeline.value_types()?;
        let mut faulty: Vec<bool> = Vec::with_capacity(types.len());
        for expr in &pipeline.exprs {
            let own = expr.can_fault() && !without_fault(expr, &types);
            faulty.push(own || expr.operands().iter().any(|operand| faulty[operand.0 as usize]));
        }
        Ok(Self { pipeline, types, faulty })
    }

    /// The node's type.
    pub fn ty(&self, id: ExprId) -> ValueType {
        self.types[id.0 as usize]
    }

    /// The node's value.
    pub fn value(&self, id: ExprId) -> String {
        match *self.pipeline.expr(id) {
            Expr::Constant { ty, ref value } => literal(ty, value.as_ref()),
            Expr::Parameter(parameter) => format!("p{}", parameter.0),
            Expr::Column(_)
            | Expr::Arithmetic { .. }
            | Expr::Negate { .. }
            | Expr::Compare { .. }
            | Expr::InRange { .. }
            | Expr::Member { .. }
            | Expr::Lookup { .. }
            | Expr::Not(_)
            | Expr::And(..)
            | Expr::Or(..)
            | Expr::IsNull(_)
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
            | Expr::Place { .. } => format!("v{}", id.0),
        }
    }

    /// Whether the node is NULL, where it can be.
    pub fn null(&self, id: ExprId) -> Option<String> {
        if !self.ty(id).nullable {
            return None;
        }
        let constant = matches!(self.pipeline.expr(id), Expr::Constant { .. });
        Some(if constant { "true".to_owned() } else { format!("n{}", id.0) })
    }

    /// The node's fault, where there can be one.
    pub fn fault(&self, id: ExprId) -> Option<String> {
        self.faulty[id.0 as usize].then(|| format!("e{}", id.0))
    }

    /// `value` and not NULL: whether a `bool` is true.
    pub fn is_true(&self, id: ExprId) -> String {
        match self.null(id) {
            None => self.value(id),
            Some(null) => format!("{} && !{null}", self.value(id)),
        }
    }

    /// The nodes that these are computed from, themselves included.
    pub fn closure(&self, roots: &[ExprId]) -> BTreeSet<ExprId> {
        let mut found = BTreeSet::new();
        let mut open = roots.to_vec();
        while let Some(id) = open.pop() {
            if found.insert(id) {
                open.extend(self.pipeline.expr(id).operands());
            }
        }
        found
    }

    /// The columns that these are computed from.
    pub fn columns(&self, roots: &[ExprId]) -> BTreeSet<u32> {
        let found = self.closure(roots);
        found
            .iter()
            .filter_map(|id| if let Expr::Column(column) = self.pipeline.expr(*id) { Some(column.0) } else { None })
            .collect()
    }

    /// Whether computing them for a row that is not wanted costs less than asking whether it is.
    pub fn cheap(&self, roots: &[ExprId]) -> bool {
        self.closure(roots).iter().map(|id| self.weight(*id)).sum::<u32>() <= 8
    }

    /// About how many instructions a node takes.
    pub fn weight(&self, id: ExprId) -> u32 {
        let wide = self.ty(id).ty == Type::I128;
        match *self.pipeline.expr(id) {
            Expr::Constant { .. } | Expr::Parameter(_) => 0,
            Expr::Column(_) | Expr::Not(_) | Expr::And(..) | Expr::Or(..) | Expr::IsNull(_) => 1,
            Expr::Compare { a, .. } | Expr::IsDistinct(a, _) | Expr::NullIf(a, _) if self.ty(a).ty == Type::Text => TEXT,
            Expr::InRange { a, .. } if self.ty(a).ty == Type::Text => 2 * TEXT,
            Expr::Member { a, .. } if self.ty(a).ty == Type::Text => 2 * TEXT,
            Expr::TextLength { unit: TextUnit::Bytes, .. } => 1,
            Expr::TextLength { unit: TextUnit::Characters, .. } => TEXT,
            Expr::TextMatch { op: MatchOp::Prefix | MatchOp::Suffix, .. } => TEXT,
            Expr::TextMatch { op: MatchOp::Contains | MatchOp::Like, .. } | Expr::TextPosition { .. } => 3 * TEXT,
            Expr::TextSlice { .. } | Expr::TextTrim { .. } => 3 * TEXT,
            Expr::InRange { a, .. } => {
                if self.ty(a).ty == Type::I128 {
                    6
                } else {
                    2
                }
            }
            Expr::Compare { a, .. } | Expr::IsDistinct(a, _) => {
                if self.ty(a).ty == Type::I128 {
                    4
                } else {
                    2
                }
            }
            Expr::NullIf(..) | Expr::Select { .. } | Expr::Coalesce(..) | Expr::Negate { .. } => {
                if wide {
                    5
                } else {
                    2
                }
            }
            Expr::Arithmetic { op, fault, .. } => match op {
                Arithmetic::Add | Arithmetic::Subtract => (if wide { 4 } else { 2 }) + if fault.is_some() { 3 } else { 0 },
                Arithmetic::Multiply => (if wide { 16 } else { 4 }) + if fault.is_some() { 8 } else { 0 },
                Arithmetic::Divide
                | Arithmetic::Remainder
                | Arithmetic::FloorDivide
                | Arithmetic::FloorRemainder
                | Arithmetic::RoundDivide => {
                    if wide {
                        120
                    } else {
                        50
                    }
                }
            },
            Expr::Cast { a, fault, .. } => {
                let float = self.ty(a).ty.is_float() || self.ty(id).ty.is_float();
                if float {
                    8
                } else if fault.is_some() {
                    4
                } else {
                    1
                }
            }
            Expr::Member { .. } => 30,
            Expr::Lookup { .. } => 6,
            Expr::DatePart { .. } => 45,
            Expr::AddMonths { .. } => 20,
            Expr::Math { op, .. } => {
                if op.is_exact() {
                    4
                } else {
                    60
                }
            }
            Expr::MathPair { .. } => 120,
            Expr::Bits { .. } | Expr::Current(_) => 1,
            Expr::Place { .. } | Expr::Probe { .. } => 30,
        }
    }

    /// Writes the registers of everything that these demand. `i` is the row's number among the thread's.
    pub fn emit(&self, writer: &mut Writer, roots: &[ExprId]) {
        for id in self.closure(roots) {
            self.node(writer, id);
        }
    }

    /// The first fault of several, in order, as an expression; none where there can be none.
    fn faults(&self, ids: &[ExprId]) -> Option<String> {
        chain(ids.iter().filter_map(|id| self.fault(*id)).collect())
    }

    /// NULL where one of these is.
    fn strict_null(&self, ids: &[ExprId]) -> String {
        let nulls: Vec<String> = ids.iter().filter_map(|id| self.null(*id)).collect();
        if nulls.is_empty() { "false".to_owned() } else { nulls.join(" || ") }
    }

    fn node(&self, w: &mut Writer, id: ExprId) {
        let at = id.0;
        let found = self.ty(id);
        let ty = type_name(found.ty);
        let v = |id: ExprId| self.value(id);
        let expr = self.pipeline.expr(id);
        match *expr {
            Expr::Constant { .. } | Expr::Parameter(_) => {}
            Expr::Column(column) => {
                let c = column.0;
                if found.ty == Type::Bool {
                    w.line(format!("const bool v{at} = c{c} >> i & 1;"));
                } else {
                    w.line(format!("const {ty} v{at} = c{c}.get(i);"));
                }
                if found.nullable {
                    w.line(format!("const bool n{at} = !(k{c} >> i & 1);"));
                }
            }
            Expr::Arithmetic { op, a, b, fault } => self.arithmetic(w, id, op, a, b, fault),
            Expr::Negate { a, fault } => {
                w.need(Header::Project);
                if found.ty.is_float() {
                    self.strict(w, id, &[a], format!("-{}", v(a)));
                } else if let Some(fault) = fault {
                    let value = v(a);
                    self.checked(w, id, &[a], |out| format!("checked_negate({value}, {}u, {out})", fault as u32));
                } else {
                    self.strict(w, id, &[a], format!("wrap_negate({})", v(a)));
                }
            }
            Expr::Compare { op, a, b } => {
                let value = compare(w, op, self.ty(a).ty, &v(a), &v(b));
                self.strict(w, id, &[a, b], value);
            }
            Expr::InRange { a, low, high } => {
                w.need(Header::Filter);
                self.strict(w, id, &[a], format!("in_range({}, p{}, p{})", v(a), low.0, high.0));
            }
            Expr::Member { a, table } if self.ty(a).ty == Type::Text => {
                let t = table.0;
                self.strict(w, id, &[a], format!("member_text(t{t}, t{t}_bytes, t{t}_length, {})", v(a)));
            }
            Expr::Member { a, table } => {
                w.need(Header::Table);
                let (t, element) = (table.0, type_name(self.ty(a).ty));
                self.strict(w, id, &[a], format!("member<{element}>(t{t}, t{t}_length, {})", v(a)));
            }
            Expr::Lookup { table, index } => {
                w.need(Header::Table);
                let t = table.0;
                // A negative index is past the end too.
                w.line(format!("const u64 at{at} = (u64)(i64){};", v(index)));
                if found.ty == Type::Text {
                    w.line(format!("const text v{at} = lookup_text(t{t}, t{t}_bytes, t{t}_length, at{at});"));
                } else if found.ty == Type::Bool {
                    w.line(format!("const bool v{at} = lookup_bit(t{t}, t{t}_length, at{at});"));
                } else {
                    w.line(format!("const {ty} v{at} = lookup<{ty}>(t{t}, t{t}_length, at{at});"));
                }
                if found.nullable {
                    let mut nulls: Vec<String> = self.null(index).into_iter().collect();
                    if self.pipeline.tables[t as usize].nullable {
                        nulls.push(format!("!lookup_bit(t{t}_validity, t{t}_length, at{at})"));
                    }
                    w.line(format!("const bool n{at} = {};", nulls.join(" || ")));
                }
                self.fault_line(w, id, self.faults(&[index]));
            }
            Expr::Not(a) => self.strict(w, id, &[a], format!("!{}", v(a))),
            Expr::And(a, b) => self.logic(w, id, a, b, false),
            Expr::Or(a, b) => self.logic(w, id, a, b, true),
            Expr::IsNull(a) => {
                w.line(format!("const bool v{at} = {};", self.null(a).unwrap_or_else(|| "false".to_owned())));
                self.fault_line(w, id, self.faults(&[a]));
            }
            Expr::IsDistinct(a, b) => {
                let differ = compare(w, Comparison::NotEqual, self.ty(a).ty, &v(a), &v(b));
                let value = match (self.null(a), self.null(b)) {
                    (None, None) => differ,
                    (Some(n), None) | (None, Some(n)) => format!("{n} || {differ}"),
                    (Some(x), Some(y)) => format!("{x} != {y} || (!{x} && {differ})"),
                };
                w.line(format!("const bool v{at} = {value};"));
                self.fault_line(w, id, self.faults(&[a, b]));
            }
            Expr::Select { condition, then, otherwise } => {
                w.line(format!("const bool s{at} = {};", self.is_true(condition)));
                w.line(format!("const {ty} v{at} = s{at} ? {} : {};", v(then), v(otherwise)));
                if found.nullable {
                    let null = |id| self.null(id).unwrap_or_else(|| "false".to_owned());
                    w.line(format!("const bool n{at} = s{at} ? {} : {};", null(then), null(otherwise)));
                }
                let taken = match (self.fault(then), self.fault(otherwise)) {
                    (None, None) => None,
                    (x, y) => Some(format!("(s{at} ? {} : {})", or_zero(x), or_zero(y))),
                };
                self.fault_line(w, id, chain(self.fault(condition).into_iter().chain(taken).collect()));
            }
            Expr::Coalesce(a, b) => match self.null(a) {
                None => {
                    w.line(format!("const {ty} v{at} = {};", v(a)));
                    self.fault_line(w, id, or_zero_if(self.faulty[at as usize], self.fault(a)));
                }
                Some(null) => {
                    w.line(format!("const {ty} v{at} = {null} ? {} : {};", v(b), v(a)));
                    if found.nullable {
                        let other = self.null(b).unwrap_or_else(|| "false".to_owned());
                        w.line(format!("const bool n{at} = {null} && {other};"));
                    }
                    let second = self.fault(b).map(|fault| format!("({null} ? {fault} : 0u)"));
                    self.fault_line(w, id, chain(self.fault(a).into_iter().chain(second).collect()));
                }
            },
            Expr::NullIf(a, b) => {
                let same = compare(w, Comparison::Equal, self.ty(a).ty, &v(a), &v(b));
                w.line(format!("const {ty} v{at} = {};", v(a)));
                let equal = self.null(b).map_or(same.clone(), |null| format!("(!{null} && {same})"));
                let null = self.null(a).map_or(equal.clone(), |null| format!("{null} || {equal}"));
                w.line(format!("const bool n{at} = {null};"));
                self.fault_line(w, id, self.faults(&[a, b]));
            }
            Expr::Cast { to, a, fault } => self.cast(w, id, to, a, fault),
            Expr::DatePart { part, a } => {
                w.need(Header::Date);
                self.strict(w, id, &[a], format!("date_{}({})", part.name(), v(a)));
            }
            Expr::TextLength { a, unit } => self.strict(w, id, &[a], format!("text_{}({})", unit.name(), v(a))),
            Expr::TextMatch { a, op, pattern, ignore_case } => {
                self.strict(w, id, &[a], format!("text_{}<{ignore_case}>({}, p{})", op.name(), v(a), pattern.0));
            }
            Expr::TextPosition { a, pattern } => self.strict(w, id, &[a], format!("text_position({}, p{})", v(a), pattern.0)),
            Expr::TextSlice { a, start, length: None } => {
                self.strict(w, id, &[a, start], format!("text_slice({}, {})", v(a), v(start)));
            }
            Expr::TextSlice { a, start, length: Some(length) } => {
                let (x, y, z) = (v(a), v(start), v(length));
                self.checked(w, id, &[a, start, length], |out| format!("text_slice({x}, {y}, {z}, {out})"));
            }
            Expr::TextTrim { a, side, characters } => {
                let (leading, trailing) = (side != TrimSide::Trailing, side != TrimSide::Leading);
                self.strict(w, id, &[a], format!("text_trim<{leading}, {trailing}>({}, p{})", v(a), characters.0));
            }
            Expr::AddMonths { a, months } => {
                w.need(Header::Date);
                w.need(Header::Project);
                let (x, y) = (v(a), v(months));
                self.checked(w, id, &[a, months], |out| format!("add_months({x}, {y}, {out})"));
            }
            Expr::Math { op, a } => {
                w.need(Header::Math);
                let (name, x) = (op.name(), v(a));
                if op.faults().is_empty() {
                    self.strict(w, id, &[a], format!("math_{name}({x})"));
                } else {
                    self.checked(w, id, &[a], |out| format!("math_{name}({x}, {out})"));
                }
            }
            Expr::MathPair { op, a, b } => {
                w.need(Header::Math);
                let (name, x, y) = (op.name(), v(a), v(b));
                if op.faults().is_empty() {
                    self.strict(w, id, &[a, b], format!("math_{name}({x}, {y})"));
                } else {
                    self.checked(w, id, &[a, b], |out| format!("math_{name}({x}, {y}, {out})"));
                }
            }
            Expr::Bits { op, a, b } => {
                let (x, y) = (v(a), v(b));
                let value = match op {
                    Bits::And => format!("{x} & {y}"),
                    Bits::Or => format!("{x} | {y}"),
                    Bits::Xor => format!("{x} ^ {y}"),
                    Bits::ShiftLeft | Bits::ShiftRight => {
                        w.need(Header::Project);
                        format!("{}({x}, {y})", op.name())
                    }
                };
                self.strict(w, id, &[a, b], value);
            }
            Expr::Probe { index, ref keys } => self.probe(w, id, index, keys),
            Expr::Current(l) => {
                w.line(format!("const i32 v{at} = number{}[i];", l.0));
                if found.nullable {
                    w.line(format!("const bool n{at} = alone{} >> i & 1;", l.0));
                }
            }
            Expr::Place { a, table } => {
                w.need(Header::Table);
                let (t, element) = (table.0, type_name(self.ty(a).ty));
                self.strict(w, id, &[a], format!("place<{element}>(t{t}, t{t}_length, {})", v(a)));
            }
        }
    }

    /// The number that an index has for keys: -1, and NULL, where it has none.
    fn probe(&self, w: &mut Writer, id: ExprId, index: IndexId, keys: &[ExprId]) {
        w.need(Header::Join);
        w.need(Header::Order);
        let (at, x) = (id.0, index.0);
        let layout = Layout::of(&self.pipeline.indexes[x as usize].keys);
        let mut words: Vec<Vec<String>> = vec![vec![]; layout.words];
        let (mut given, mut held) = (vec!["no_text()".to_owned(); layout.words], vec!["0ull".to_owned(); layout.words]);
        let mut texts = 0u64;
        for (key, field) in keys.iter().zip(&layout.fields) {
            let value = self.value(*key);
            match (field.ty, field.text) {
                (Type::I128, _) => {
                    words[field.word].push(format!("(u64){value}"));
                    words[field.word + 1].push(format!("(u64)((u128){value} >> 64)"));
                }
                (_, Some(text)) => {
                    words[field.word].push(format!("{value}.length"));
                    given[field.word].clone_from(&value);
                    held[field.word] = format!("x{x}_text{text}");
                    texts |= 1 << field.word;
                }
                (ty, None) => {
                    words[field.word].push(format!("key_bits(({}){value}) << {}", type_name(ty), field.shift));
                }
            }
        }
        let words: Vec<String> = words.into_iter().map(|parts| parts.join(" | ")).collect();
        let parts = format!("x{x}, x{x}_shift, x{x}_mask");
        let value = match layout.form {
            Form::Narrow => format!("probe_narrow({parts}, {})", words[0]),
            Form::Wide => format!("probe_wide({parts}, {})", words[0]),
            Form::Apart => {
                w.line(format!("const u64 k{at}[{}] = {{ {} }};", layout.words, words.join(", ")));
                let keys = if texts == 0 {
                    "PlainKeys()".to_owned()
                } else {
                    w.need(Header::JoinText);
                    let ty = format!("TextKeys<{texts}ull, {}>", layout.words);
                    w.line(format!("const {ty} h{at} = {{ {{ {} }}, {{ {} }} }};", given.join(", "), held.join(", ")));
                    format!("h{at}")
                };
                format!("probe_apart({parts}, x{x}_entries, k{at}, {keys})")
            }
        };
        w.line(format!("const i32 v{at} = {value};"));
        let mut nulls: Vec<String> = keys.iter().filter_map(|key| self.null(*key)).collect();
        nulls.push(format!("v{at} < 0"));
        w.line(format!("const bool n{at} = {};", nulls.join(" || ")));
        self.fault_line(w, id, self.faults(keys));
    }

    /// A strict operation that raises nothing itself.
    fn strict(&self, w: &mut Writer, id: ExprId, operands: &[ExprId], value: String) {
        let at = id.0;
        w.line(format!("const {} v{at} = {value};", type_name(self.ty(id).ty)));
        if self.ty(id).nullable {
            w.line(format!("const bool n{at} = {};", self.strict_null(operands)));
        }
        self.fault_line(w, id, self.faults(operands));
    }

    /// A strict operation that stores its value and gives its fault.
    fn checked(&self, w: &mut Writer, id: ExprId, operands: &[ExprId], call: impl FnOnce(&str) -> String) {
        let at = id.0;
        w.line(format!("{} v{at};", type_name(self.ty(id).ty)));
        w.line(format!("const u32 x{at} = {};", call(&format!("v{at}"))));
        let mut own = format!("x{at}");
        if self.ty(id).nullable {
            w.line(format!("const bool n{at} = {};", self.strict_null(operands)));
            own = format!("(n{at} ? 0u : x{at})");
        }
        let all = operands.iter().filter_map(|id| self.fault(*id)).chain([own]).collect();
        self.fault_line(w, id, chain(all));
    }

    fn fault_line(&self, w: &mut Writer, id: ExprId, value: Option<String>) {
        if let (true, Some(value)) = (self.faulty[id.0 as usize], value) {
            w.line(format!("const u32 e{} = {value};", id.0));
        }
    }

    fn arithmetic(&self, w: &mut Writer, id: ExprId, op: Arithmetic, a: ExprId, b: ExprId, fault: Option<Fault>) {
        w.need(Header::Project);
        let ty = self.ty(id).ty;
        if ty == Type::I128 {
            w.need(Header::Decimal);
        }
        let (x, y) = (self.value(a), self.value(b));
        if ty.is_float() && fault.is_none() {
            let sign = match op {
                Arithmetic::Add => "+",
                Arithmetic::Subtract => "-",
                Arithmetic::Multiply => "*",
                Arithmetic::Divide
                | Arithmetic::Remainder
                | Arithmetic::FloorDivide
                | Arithmetic::FloorRemainder
                | Arithmetic::RoundDivide => "/",
            };
            return self.strict(w, id, &[a, b], format!("{x} {sign} {y}"));
        }
        if ty.is_float() {
            return self.checked(w, id, &[a, b], |out| format!("float_{}({x}, {y}, {out})", op.name()));
        }
        match (op, fault) {
            (Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply, None) => {
                self.strict(w, id, &[a, b], format!("wrap_{}({x}, {y})", op.name()));
            }
            (_, fault) => {
                let code = fault.map_or(0, |fault| fault as u32);
                self.checked(w, id, &[a, b], |out| format!("checked_{}({x}, {y}, {code}u, {out})", op.name()));
            }
        }
    }

    /// AND, and OR, which is the same with true and false exchanged.
    fn logic(&self, w: &mut Writer, id: ExprId, a: ExprId, b: ExprId, or: bool) {
        let at = id.0;
        let (x, y) = (self.value(a), self.value(b));
        // Whether an operand alone decides.
        let decides = |id: ExprId, value: &str| {
            let value = if or { value.to_owned() } else { format!("!{value}") };
            self.null(id).map_or(value.clone(), |null| format!("({value} && !{null})"))
        };
        if self.ty(id).nullable {
            let (left, right) = (decides(a, &x), decides(b, &y));
            let nulls = self.strict_null(&[a, b]);
            w.line(format!("const bool d{at} = {left} || {right};"));
            w.line(format!("const bool n{at} = !d{at} && ({nulls});"));
            w.line(format!("const bool v{at} = {};", if or { format!("d{at}") } else { format!("!d{at}") }));
        } else {
            w.line(format!("const bool v{at} = {x} {} {y};", if or { "||" } else { "&&" }));
        }
        let second = self.fault(b).map(|fault| format!("({} ? 0u : {fault})", decides(a, &x)));
        self.fault_line(w, id, chain(self.fault(a).into_iter().chain(second).collect()));
    }

    fn cast(&self, w: &mut Writer, id: ExprId, to: Type, a: ExprId, fault: Option<Fault>) {
        let from = self.ty(a).ty;
        let (x, name) = (self.value(a), type_name(to));
        let code = fault.map_or(0, |fault| fault as u32);
        if from == to {
            return self.strict(w, id, &[a], x);
        }
        if from.is_float() && to.is_integer() {
            w.need(Header::Convert);
            return self.checked(w, id, &[a], |out| format!("to_integer<{name}>((f64){x}, {code}u, {out})"));
        }
        if from == Type::F64 && to == Type::F32 && fault.is_some() {
            w.need(Header::Convert);
            return self.checked(w, id, &[a], |out| format!("narrow_float({x}, {out})"));
        }
        if from.is_integer() && to.is_float() {
            w.need(Header::Convert);
            return self.strict(w, id, &[a], format!("to_float<{name}, {}>({x})", type_name(from)));
        }
        match fault {
            Some(_) if from.is_integer() && to.is_integer() && !holds(to, from) => {
                w.need(Header::Convert);
                self.checked(w, id, &[a], |out| format!("checked_cast<{name}>({x}, {code}u, {out})"));
            }
            _ => self.strict(w, id, &[a], format!("({name}){x}")),
        }
    }
}

/// Whether every value of one integer type is of the other.
fn holds(to: Type, from: Type) -> bool {
    match (to.range(), from.range()) {
        (Some((low, high)), Some((least, most))) => low <= least && most <= high,
        (None, _) | (_, None) => false,
    }
}

/// Whether a node that says it may raise a fault cannot.
fn without_fault(expr: &Expr, types: &[ValueType]) -> bool {
    match *expr {
        Expr::Arithmetic { a, fault: None, .. } => types[a.0 as usize].ty.is_float(),
        Expr::Negate { a, .. } => types[a.0 as usize].ty.is_float(),
        Expr::Cast { to, a, .. } => {
            let from = types[a.0 as usize].ty;
            from == to
                || from == Type::Bool
                || (from.is_integer() && (to.is_float() || holds(to, from)))
                || (from == Type::F32 && to == Type::F64)
        }
        Expr::Arithmetic { .. }
        | Expr::Column(_)
        | Expr::Parameter(_)
        | Expr::Constant { .. }
        | Expr::Compare { .. }
        | Expr::InRange { .. }
        | Expr::Member { .. }
        | Expr::Lookup { .. }
        | Expr::Not(_)
        | Expr::And(..)
        | Expr::Or(..)
        | Expr::IsNull(_)
        | Expr::IsDistinct(..)
        | Expr::Select { .. }
        | Expr::Coalesce(..)
        | Expr::NullIf(..)
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

/// The first of several faults.
pub fn chain(faults: Vec<String>) -> Option<String> {
    faults.into_iter().rev().reduce(|rest, fault| format!("first({fault}, {rest})"))
}

fn or_zero(fault: Option<String>) -> String {
    fault.unwrap_or_else(|| "0u".to_owned())
}

fn or_zero_if(wanted: bool, fault: Option<String>) -> Option<String> {
    wanted.then(|| or_zero(fault))
}

fn compare(w: &mut Writer, op: Comparison, ty: Type, a: &str, b: &str) -> String {
    w.need(Header::Filter);
    if ty.is_float() || ty == Type::Text {
        return match op {
            Comparison::Equal => format!("equal({a}, {b})"),
            Comparison::NotEqual => format!("!equal({a}, {b})"),
            Comparison::Less => format!("less({a}, {b})"),
            Comparison::LessOrEqual => format!("!less({b}, {a})"),
            Comparison::Greater => format!("less({b}, {a})"),
            Comparison::GreaterOrEqual => format!("!less({a}, {b})"),
        };
    }
    let sign = match op {
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    };
    format!("({a} {sign} {b})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::text::parse;
    use crate::testing::{Random, generate, outcomes_of_nodes};

    /// Columns whose nodes have their numbers: a type each.
    const COLUMNS: [&str; 8] = ["bool", "i8", "u8", "i32", "u32", "i128", "f32", "f64"];

    /// What `of` says of a node over those columns.
    fn of<T>(node: &str, of: impl FnOnce(&Nodes, ExprId) -> T) -> T {
        let columns = COLUMNS.iter().enumerate().map(|(at, ty)| format!("  column {at} {ty}\n"));
        let nodes = (0..COLUMNS.len()).map(|at| format!("  %{at} = column {at}\n"));
        let rest = format!("  %{} = {node}\n  body\n  bitmap\n", COLUMNS.len());
        let text = format!("pipeline\n{}{}{rest}", columns.collect::<String>(), nodes.collect::<String>());
        let pipeline = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        of(&Nodes::new(&pipeline).unwrap(), ExprId(COLUMNS.len() as u32))
    }

    /// What no value can raise has no register for a fault.
    #[test]
    fn faults_that_types_rule_out_are_left_out() {
        for (node, faulty) in [
            ("add %3 %3", false),
            ("add %3 %3 ! integer_range", true),
            ("add %7 %7", false),
            ("add %7 %7 ! float_overflow", true),
            ("divide %3 %3", true),
            ("divide %7 %7", false),
            ("negate %3", false),
            ("negate %3 ! integer_range", true),
            ("negate %7 ! float_overflow", false),
            ("cast i32 %0 ! integer_range", false),
            ("cast i32 %3 ! integer_range", false),
            ("cast i32 %2 ! integer_range", false),
            ("cast i32 %4 ! integer_range", true),
            ("cast i64 %4 ! bigint_range", false),
            ("cast u8 %1 ! smallint_range", true),
            ("cast i8 %2 ! smallint_range", true),
            ("cast f32 %5 ! float_overflow", false),
            ("cast f64 %6 ! float_overflow", false),
            ("cast f32 %7 ! float_overflow", true),
            ("cast i32 %6 ! integer_range", true),
            ("add_months %3 %3", true),
        ] {
            assert_eq!(of(node, |nodes, id| nodes.fault(id).is_some()), faulty, "{node}");
        }
    }

    #[test]
    fn only_nodes_with_a_register_for_it_raise() {
        for seed in 0..200 {
            let case = generate(&mut Random::new(seed));
            let nodes = Nodes::new(&case.pipeline).unwrap();
            for (id, found) in outcomes_of_nodes(&case) {
                assert!(found.faults.is_empty() || nodes.fault(id).is_some(), "seed {seed}, {id}\n{}", case.pipeline);
            }
        }
    }

    /// Weights choose how many rows a thread has, so their order counts: of the nodes in a line each weighs more than the
    /// one before it, and the first of them something.
    #[test]
    fn what_takes_longer_weighs_more() {
        let weight = |node: &str| of(node, |nodes, id| nodes.weight(id));
        for line in [
            "add %3 %3, add %5 %5, add %5 %5 ! numeric_range",
            "add %3 %3, add %3 %3 ! integer_range",
            "add %3 %3, multiply %3 %3, multiply %3 %3 ! integer_range, divide %3 %3, divide %5 %5",
            "multiply %3 %3 ! integer_range, multiply %5 %5, multiply %5 %5 ! numeric_range, divide %5 %5",
            "not %0, less %3 %3, less %5 %5",
            "is_distinct %3 %3, is_distinct %5 %5",
            "negate %3, negate %5",
            "select %0 %3 %3, select %0 %5 %5",
            "cast i128 %3, cast u8 %3 ! smallint_range, cast f64 %3",
            "cast u8 %3 ! smallint_range, cast i32 %7 ! integer_range",
            "cast i8 %3, cast f64 %6",
            "add %3 %3, add_months %3 %3, date_part month %3",
        ] {
            let weights: Vec<u32> = line.split(", ").map(weight).collect();
            assert!(weights[0] > 0 && weights.is_sorted_by(|a, b| a < b), "{line}: {weights:?}");
        }
        assert_eq!((weight("constant i32 5"), weight("column 0")), (0, 1));
    }
}
