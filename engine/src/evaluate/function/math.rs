//! Numbers.

use super::{Call, Line, call, set};
use crate::error::{Condition, Error, Result};
use crate::evaluate::cast::integer;
use crate::evaluate::datum::Datum;
use crate::function::math::Operation;
use crate::types::Base;
use crate::types::numeric::Numeric;
use warpwise_gpu::program::{Math, MathPair};

/// Computes in double precision and refuses what does not fit: `22003`.
/// `zero_is_underflow` where nothing out of something means that digits were lost.
pub fn float(c: &Call<'_>, a: &[Datum], f: impl Fn(f64, f64) -> f64, zero_is_underflow: bool) -> Result<Datum> {
    let (x, y) = (a[0].float(), a.get(1).map_or(0.0, Datum::float));
    let single = c.result.base == Base::Float4;
    let value = f(x, y);
    let value = if single { f64::from(value as f32) } else { value };
    let out = |what: &str| Err(Error::new(Condition::NumericValueOutOfRange, format!("value out of range: {what}")));
    if value.is_infinite() && a.iter().all(|v| v.float().is_finite()) {
        return out("overflow");
    }
    if zero_is_underflow && value == 0.0 && x != 0.0 && y.is_finite() && y != 0.0 && a.len() > 1 {
        return out("underflow");
    }
    Ok(if single { Datum::Float4(value as f32) } else { Datum::Float8(value) })
}

/// `|x|`
pub fn absolute(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    Ok(match &a[0] {
        Datum::Float4(v) => Datum::Float4(v.abs()),
        Datum::Float8(v) => Datum::Float8(v.abs()),
        Datum::Numeric(v) => Datum::numeric(v.abs()),
        value => {
            let absolute = value.int().checked_abs().ok_or_else(|| Error::out_of_range(c.result.base.row().sql_name))?;
            return integer(absolute, c.result.base);
        }
    })
}

/// A function of doubles, by the code that computes it over tables.
fn double(operation: Operation, a: &[Datum]) -> Result<Datum> {
    let value = operation.compute(a[0].float(), a.get(1).map_or(0.0, Datum::float));
    value.map(Datum::Float8).map_err(Error::fault)
}

fn one(op: Math, a: &[Datum]) -> Result<Datum> {
    double(Operation::One(op), a)
}

/// The square root of a double.
pub fn square_root(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    one(Math::Sqrt, &a[..1])
}

/// `x ^ y` of doubles.
pub fn power(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    double(Operation::Two(MathPair::Power), a)
}

fn number(a: &[Datum], f: impl Fn(&Numeric) -> Numeric) -> Result<Datum> {
    Ok(Datum::numeric(f(&a[0].num())))
}

fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.abs()
}

fn whole(c: &Call<'_>, value: i128) -> Result<Datum> {
    let value = i64::try_from(value).map_err(|_| Error::out_of_range(c.result.base.row().sql_name))?;
    integer(value, c.result.base)
}

fn quotient(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    if a[1].int() == 0 {
        return Err(Error::division_by_zero());
    }
    integer(a[0].int().wrapping_rem(a[1].int()), c.result.base)
}

fn factorial(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let n = a[0].int();
    if n < 0 {
        return Err(Error::new(Condition::NumericValueOutOfRange, "factorial of a negative number is undefined"));
    }
    if n > 32_177 {
        return Err(Error::new(Condition::NumericValueOutOfRange, "value overflows numeric format"));
    }
    let product = (2..=n).fold(num_bigint::BigInt::from(1), |p, i| p * i);
    Ok(Datum::numeric(Numeric::from_parts(product, 0)))
}

fn width_bucket(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let bad = |m: &str| Err(Error::new(Condition::InvalidArgumentForWidthBucketFunction, m));
    let (x, low, high, count) = (a[0].float(), a[1].float(), a[2].float(), a[3].int());
    if count <= 0 {
        return bad("count must be greater than zero");
    }
    if x.is_nan() || low.is_nan() || high.is_nan() {
        return bad("operand, lower bound, and upper bound cannot be NaN");
    }
    if low == high {
        return bad("lower bound cannot equal upper bound");
    }
    let bucket = if low < high {
        if x < low {
            0
        } else if x >= high {
            count + 1
        } else {
            ((x - low) / (high - low) * count as f64) as i64 + 1
        }
    } else if x > low {
        0
    } else if x <= high {
        count + 1
    } else {
        ((low - x) / (low - high) * count as f64) as i64 + 1
    };
    integer(bucket, c.result.base)
}

/// A number in [0, 1) that nobody can guess cheaply; the standard library's hasher keys are random.
fn random() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    static STATE: std::sync::LazyLock<std::hash::RandomState> = std::sync::LazyLock::new(std::hash::RandomState::new);
    let mut hasher = STATE.build_hasher();
    hasher.write_u64(COUNTER.fetch_add(1, Ordering::Relaxed));
    (hasher.finish() >> 11) as f64 / (1u64 << 53) as f64
}

fn series(c: &Call<'_>, a: &[Datum]) -> Result<Vec<Datum>> {
    let (start, stop, step) = (a[0].int(), a[1].int(), a.get(2).map_or(1, Datum::int));
    let mut out = Vec::new();
    if step == 0 {
        return Err(Error::new(Condition::InvalidParameterValue, "step size cannot equal zero"));
    }
    let mut at = start;
    while (step > 0 && at <= stop) || (step < 0 && at >= stop) {
        if out.len() >= crate::evaluate::run::MAX_ROWS {
            return Err(crate::evaluate::run::too_many_rows());
        }
        out.push(integer(at, c.result.base)?);
        let Some(next) = at.checked_add(step) else { break };
        at = next;
    }
    Ok(out)
}

fn numeric_series(_: &Call<'_>, a: &[Datum]) -> Result<Vec<Datum>> {
    let (start, stop, step) = (a[0].num(), a[1].num(), a.get(2).map_or(Numeric::from(1i64), Datum::num));
    if step.is_zero() {
        return Err(Error::new(Condition::InvalidParameterValue, "step size cannot equal zero"));
    }
    if [&start, &stop, &step].iter().any(|n| n.parts().is_none()) {
        return Err(Error::new(Condition::InvalidParameterValue, "bounds of a series must be finite"));
    }
    let (mut at, mut out) = (start, Vec::new());
    while if step.signum() > 0 { at.compare(&stop).is_le() } else { at.compare(&stop).is_ge() } {
        if out.len() >= crate::evaluate::run::MAX_ROWS {
            return Err(crate::evaluate::run::too_many_rows());
        }
        out.push(Datum::numeric(at.clone()));
        at = at.add(&step)?;
    }
    Ok(out)
}

/// The functions.
pub const ALL: &[Line] = &[
    call("abs(int2) int2", absolute),
    call("abs(int4) int4", absolute),
    call("abs(int8) int8", absolute),
    call("abs(float4) float4", absolute),
    call("abs(float8) float8", absolute),
    call("abs(numeric) numeric", absolute),
    call("sign(float8) float8", |_, a| one(Math::Sign, a)),
    call("sign(numeric) numeric", |_, a| number(a, |n| if n.is_nan() { Numeric::NaN } else { Numeric::from(n.signum()) })),
    call("ceil(float8) float8", |c, a| float(c, a, |x, _| x.ceil(), false)),
    call("ceil(numeric) numeric", |_, a| number(a, Numeric::ceil)),
    call("ceiling(float8) float8", |c, a| float(c, a, |x, _| x.ceil(), false)),
    call("ceiling(numeric) numeric", |_, a| number(a, Numeric::ceil)),
    call("floor(float8) float8", |c, a| float(c, a, |x, _| x.floor(), false)),
    call("floor(numeric) numeric", |_, a| number(a, Numeric::floor)),
    call("round(float8) float8", |c, a| float(c, a, |x, _| x.round_ties_even(), false)),
    call("round(numeric) numeric", |_, a| number(a, |n| n.round(0))),
    call("round(numeric,int4) numeric", |_, a| number(a, |n| n.round(a[1].int4()))),
    call("trunc(float8) float8", |c, a| float(c, a, |x, _| x.trunc(), false)),
    call("trunc(numeric) numeric", |_, a| number(a, |n| n.trunc(0))),
    call("trunc(numeric,int4) numeric", |_, a| number(a, |n| n.trunc(a[1].int4()))),
    call("sqrt(float8) float8", square_root),
    call("sqrt(numeric) numeric", |_, a| Ok(Datum::numeric(a[0].num().sqrt()?))),
    call("cbrt(float8) float8", |_, a| one(Math::Cbrt, a)),
    call("power(float8,float8) float8", power),
    call("power(numeric,numeric) numeric", |_, a| Ok(Datum::numeric(a[0].num().power(&a[1].num())?))),
    call("pow(float8,float8) float8", power),
    call("pow(numeric,numeric) numeric", |_, a| Ok(Datum::numeric(a[0].num().power(&a[1].num())?))),
    call("exp(float8) float8", |_, a| one(Math::Exp, a)),
    call("exp(numeric) numeric", |_, a| Ok(Datum::numeric(a[0].num().exp()?))),
    call("ln(float8) float8", |_, a| one(Math::Ln, a)),
    call("ln(numeric) numeric", |_, a| Ok(Datum::numeric(a[0].num().ln()?))),
    call("log(float8) float8", |_, a| one(Math::Log10, a)),
    call("log10(float8) float8", |_, a| one(Math::Log10, a)),
    call("log(numeric) numeric", |_, a| Ok(Datum::numeric(Numeric::log(&Numeric::from(10i64), &a[0].num())?))),
    call("log10(numeric) numeric", |_, a| Ok(Datum::numeric(Numeric::log(&Numeric::from(10i64), &a[0].num())?))),
    call("log(numeric,numeric) numeric", |_, a| Ok(Datum::numeric(Numeric::log(&a[0].num(), &a[1].num())?))),
    call("mod(int2,int2) int2", quotient),
    call("mod(int4,int4) int4", quotient),
    call("mod(int8,int8) int8", quotient),
    call("mod(numeric,numeric) numeric", |_, a| Ok(Datum::numeric(a[0].num().rem(&a[1].num())?))),
    call("div(numeric,numeric) numeric", |_, a| Ok(Datum::numeric(a[0].num().div_trunc(&a[1].num())?))),
    call("gcd(int4,int4) int4", |c, a| whole(c, gcd(a[0].int().into(), a[1].int().into()))),
    call("gcd(int8,int8) int8", |c, a| whole(c, gcd(a[0].int().into(), a[1].int().into()))),
    call("lcm(int4,int4) int4", lcm),
    call("lcm(int8,int8) int8", lcm),
    call("factorial(int8) numeric", factorial),
    call("scale(numeric) int4", |_, a| Ok(a[0].num().parts().map_or(Datum::Null, |(_, s)| Datum::Int4(s as i32)))),
    call("min_scale(numeric) int4", |_, a| {
        Ok(a[0].num().trim_scale().parts().map_or(Datum::Null, |(_, s)| Datum::Int4(s as i32)))
    }),
    call("trim_scale(numeric) numeric", |_, a| number(a, Numeric::trim_scale)),
    call("width_bucket(float8,float8,float8,int4) int4", width_bucket),
    call("width_bucket(numeric,numeric,numeric,int4) int4", width_bucket),
    call("pi() float8", |_, _| Ok(Datum::Float8(std::f64::consts::PI))),
    call("random() float8", |_, _| Ok(Datum::Float8(random()))),
    call("degrees(float8) float8", |_, a| double(Operation::Degrees, a)),
    call("radians(float8) float8", |_, a| double(Operation::Radians, a)),
    call("sin(float8) float8", |_, a| one(Math::Sin, a)),
    call("cos(float8) float8", |_, a| one(Math::Cos, a)),
    call("tan(float8) float8", |_, a| one(Math::Tan, a)),
    call("cot(float8) float8", |_, a| one(Math::Cot, a)),
    call("asin(float8) float8", |_, a| one(Math::Asin, a)),
    call("acos(float8) float8", |_, a| one(Math::Acos, a)),
    call("atan(float8) float8", |_, a| one(Math::Atan, a)),
    call("atan2(float8,float8) float8", |_, a| double(Operation::Two(MathPair::Atan2), a)),
    call("sinh(float8) float8", |_, a| one(Math::Sinh, a)),
    call("cosh(float8) float8", |_, a| one(Math::Cosh, a)),
    call("tanh(float8) float8", |_, a| one(Math::Tanh, a)),
    call("asinh(float8) float8", |_, a| one(Math::Asinh, a)),
    call("acosh(float8) float8", |_, a| one(Math::Acosh, a)),
    call("atanh(float8) float8", |_, a| one(Math::Atanh, a)),
    set("generate_series(int4,int4) setof int4", series),
    set("generate_series(int4,int4,int4) setof int4", series),
    set("generate_series(int8,int8) setof int8", series),
    set("generate_series(int8,int8,int8) setof int8", series),
    set("generate_series(numeric,numeric) setof numeric", numeric_series),
    set("generate_series(numeric,numeric,numeric) setof numeric", numeric_series),
    call("float8(int4) float8", |_, a| Ok(Datum::Float8(a[0].float()))),
    call("float4(int4) float4", |_, a| Ok(Datum::Float4(a[0].float() as f32))),
    call("int4(float8) int4", |c, a| crate::evaluate::cast::cast(&a[0], c.types[0], c.result, true, c.ctx)),
    call("int8(float8) int8", |c, a| crate::evaluate::cast::cast(&a[0], c.types[0], c.result, true, c.ctx)),
    call("numeric(float8) numeric", |c, a| crate::evaluate::cast::cast(&a[0], c.types[0], c.result, true, c.ctx)),
];

fn lcm(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let (x, y) = (i128::from(a[0].int()), i128::from(a[1].int()));
    let by = gcd(x, y);
    whole(c, if by == 0 { 0 } else { (x / by * y).abs() })
}
