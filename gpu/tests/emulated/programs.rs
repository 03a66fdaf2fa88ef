//! Programs written by hand, in the shape that TPC-H's have after narrowing.

use warpwise_gpu::program::*;

/// A pipeline under construction.
#[derive(Debug)]
pub struct Builder(pub Pipeline);

impl Builder {
    pub fn new(columns: &[ValueType]) -> Self {
        Self(Pipeline {
            columns: columns.to_vec(),
            parameters: vec![],
            tables: vec![],
            indexes: vec![],
            exprs: vec![],
            body: vec![],
            sink: Sink::Bitmap,
        })
    }

    pub fn add(&mut self, expr: Expr) -> ExprId {
        self.0.exprs.push(expr);
        ExprId(self.0.exprs.len() as u32 - 1)
    }

    pub fn column(&mut self, at: u32) -> ExprId {
        self.add(Expr::Column(ColumnId(at)))
    }

    pub fn parameter(&mut self, ty: Type) -> ParameterId {
        self.0.parameters.push(ty);
        ParameterId(self.0.parameters.len() as u32 - 1)
    }

    pub fn in_range(&mut self, a: ExprId, ty: Type) -> ExprId {
        let (low, high) = (self.parameter(ty), self.parameter(ty));
        self.add(Expr::InRange { a, low, high })
    }

    pub fn cast(&mut self, a: ExprId, to: Type) -> ExprId {
        self.add(Expr::Cast { to, a, fault: None })
    }

    pub fn int(&mut self, ty: Type, value: i128) -> ExprId {
        self.add(Expr::Constant { ty, value: Some(Scalar::Int(value)) })
    }

    pub fn op(&mut self, op: Arithmetic, a: ExprId, b: ExprId) -> ExprId {
        self.add(Expr::Arithmetic { op, a, b, fault: None })
    }

    pub fn filter(&mut self, condition: ExprId, stage: bool) {
        let then = if stage { vec![Statement::Stage, Statement::Emit] } else { vec![Statement::Emit] };
        self.0.body = vec![Statement::If { condition, then }];
    }
}

pub fn aggregate(op: AggregateOp, input: Option<ExprId>) -> Aggregate {
    Aggregate { op, input, filter: None }
}

pub fn sum(ty: Type, input: ExprId) -> Aggregate {
    aggregate(AggregateOp::Sum { ty, fault: None }, Some(input))
}

pub fn count() -> Aggregate {
    aggregate(AggregateOp::Count, None)
}

pub fn group(keys: Vec<Key>, aggregates: Vec<Aggregate>, strategy: Strategy) -> Sink {
    Sink::Group { keys, aggregates, strategy }
}

pub fn key(expr: ExprId, domain: Option<(i64, u32)>) -> Key {
    Key { expr, domain: domain.map(|(low, size)| Domain { low, size }) }
}

/// `SELECT sum(price * discount) WHERE shipdate in .. AND discount in .. AND quantity in ..`: 8 bytes a row.
pub fn q6() -> Pipeline {
    let of = ValueType::of;
    let mut b = Builder::new(&[of(Type::U16), of(Type::U8), of(Type::U8), of(Type::U32)]);
    let [date, discount, quantity, price] = [0, 1, 2, 3].map(|at| b.column(at));
    let x = b.in_range(date, Type::U16);
    let y = b.in_range(discount, Type::U8);
    let z = b.in_range(quantity, Type::U8);
    let xy = b.add(Expr::And(x, y));
    let xyz = b.add(Expr::And(xy, z));
    let price = b.cast(price, Type::I64);
    let discount = b.cast(discount, Type::I64);
    let product = b.op(Arithmetic::Multiply, price, discount);
    b.filter(xyz, true);
    b.0.sink = group(vec![], vec![sum(Type::I64, product)], Strategy::Single);
    b.0
}

/// TPC-H's first query: 11 bytes a row, six groups.
pub fn q1() -> Pipeline {
    let of = ValueType::of;
    let mut b =
        Builder::new(&[of(Type::U16), of(Type::U8), of(Type::U8), of(Type::U8), of(Type::U32), of(Type::U8), of(Type::U8)]);
    let [date, flag, status, quantity, price, discount, tax] = [0, 1, 2, 3, 4, 5, 6].map(|at| b.column(at));
    let early = b.in_range(date, Type::U16);
    let price = b.cast(price, Type::I64);
    let wide_discount = b.cast(discount, Type::I64);
    let tax = b.cast(tax, Type::I64);
    let hundred = b.int(Type::I64, 100);
    let rest = b.op(Arithmetic::Subtract, hundred, wide_discount);
    let discounted = b.op(Arithmetic::Multiply, price, rest);
    let more = b.op(Arithmetic::Add, hundred, tax);
    let charge = b.op(Arithmetic::Multiply, discounted, more);
    b.filter(early, false);
    b.0.sink = group(
        vec![key(flag, Some((0, 3))), key(status, Some((0, 2)))],
        vec![
            sum(Type::I64, quantity),
            sum(Type::I64, price),
            sum(Type::I64, discounted),
            sum(Type::I128, charge),
            sum(Type::I64, discount),
            count(),
        ],
        Strategy::Dense,
    );
    b.0
}

/// `SELECT count(*) WHERE comment LIKE '%…%'`, with NULLs.
pub fn contains() -> Pipeline {
    let mut b = Builder::new(&[ValueType::nullable(Type::Text)]);
    let a = b.column(0);
    let pattern = b.parameter(Type::Text);
    let found = b.add(Expr::TextMatch { a, op: MatchOp::Contains, pattern, ignore_case: false });
    b.filter(found, false);
    b.0.sink = group(vec![], vec![count()], Strategy::Single);
    b.0
}
