//! PostgreSQL's `numeric`: a decimal of any length that remembers how many digits it shows behind the point,
//! and the three values that are no number.
//!
//! Results have the digits that PostgreSQL 15 gives them (`src/backend/utils/adt/numeric.c` is the
//! reference for every rule named `*_scale` here). Not here: text of columns (`text.rs`), Arrow decimals.

use std::cmp::Ordering;
use std::fmt;

use num_bigint::{BigInt, BigUint, Sign};
use num_integer::Integer;
use num_traits::{One, Signed, ToPrimitive, Zero};

use crate::error::{Condition, Error, Result};

/// Significant digits that divisions, roots and logarithms give at least.
const MIN_SIGNIFICANT: i64 = 16;
/// Most digits behind the point that a computation chooses.
const MAX_DISPLAY_SCALE: i64 = 1000;
/// Most digits behind the point.
const MAX_SCALE: u32 = 16_383;
/// Greatest power of e that is computed; PostgreSQL's limit too.
const MAX_EXPONENT: f64 = 6000.0;
/// Most digits before the point.
const MAX_WHOLE_DIGITS: u64 = 131_072;

/// One `numeric` value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Numeric {
    /// Not a number: equal to itself and greater than everything.
    NaN,
    /// Greater than every number.
    Infinity,
    /// Less than every number.
    NegativeInfinity,
    /// `digits / 10^scale`, shown with `scale` digits behind the point.
    Finite {
        /// The digits as one whole number.
        digits: BigInt,
        /// How many of them stand behind the point.
        scale: u32,
    },
}

fn pow10(n: u64) -> BigInt {
    BigInt::from(10u8).pow(u32::try_from(n).unwrap_or(u32::MAX))
}

/// `n / d`, rounded half away from zero.
fn div_round(n: &BigInt, d: &BigInt) -> BigInt {
    let (q, r) = n.div_rem(d);
    if (r.abs() << 1u32) >= d.abs() { if n.is_negative() == d.is_negative() { q + 1 } else { q - 1 } } else { q }
}

fn rescale(digits: &BigInt, from: u32, to: u32) -> BigInt {
    match to.cmp(&from) {
        Ordering::Equal => digits.clone(),
        Ordering::Greater => digits * pow10(u64::from(to - from)),
        Ordering::Less => div_round(digits, &pow10(u64::from(from - to))),
    }
}

fn decimal_length(digits: &BigInt) -> u64 {
    if digits.is_zero() {
        return 1;
    }
    let bits = digits.bits();
    // 30103 / 100000 is a little more than log10(2): the guess is right or one too large.
    let guess = bits.saturating_sub(1) * 30_103 / 100_000;
    let mut length = guess.max(1);
    let magnitude = digits.magnitude();
    let ten = BigUint::from(10u8);
    while *magnitude >= ten.pow(u32::try_from(length).unwrap_or(u32::MAX)) {
        length += 1;
    }
    while length > 1 && *magnitude < ten.pow(u32::try_from(length - 1).unwrap_or(u32::MAX)) {
        length -= 1;
    }
    length
}

fn overflow() -> Error {
    Error::new(Condition::NumericValueOutOfRange, "value overflows numeric format")
}

fn clamp_scale(scale: i64, at_least: &[u32]) -> u32 {
    let floor = at_least.iter().map(|s| i64::from(*s)).max().unwrap_or(0);
    u32::try_from(scale.max(floor).clamp(0, MAX_DISPLAY_SCALE)).unwrap_or(0)
}

impl From<i64> for Numeric {
    fn from(value: i64) -> Self {
        Self::Finite { digits: value.into(), scale: 0 }
    }
}

impl From<i32> for Numeric {
    fn from(value: i32) -> Self {
        Self::from(i64::from(value))
    }
}

impl From<u64> for Numeric {
    fn from(value: u64) -> Self {
        Self::Finite { digits: value.into(), scale: 0 }
    }
}

impl Numeric {
    /// Nothing, without a digit behind the point.
    pub fn zero() -> Self {
        Self::from(0i64)
    }

    /// `value / 10^scale`; a negative scale multiplies.
    pub fn from_i128(value: i128, scale: i8) -> Self {
        if scale >= 0 {
            Self::Finite { digits: value.into(), scale: u32::from(scale.unsigned_abs()) }
        } else {
            Self::Finite { digits: BigInt::from(value) * pow10(u64::from(scale.unsigned_abs())), scale: 0 }
        }
    }

    /// `digits / 10^scale`.
    pub fn from_parts(digits: BigInt, scale: u32) -> Self {
        Self::Finite { digits, scale }
    }

    /// Digits and scale of a number.
    pub fn parts(&self) -> Option<(&BigInt, u32)> {
        match self {
            Self::Finite { digits, scale } => Some((digits, *scale)),
            Self::NaN | Self::Infinity | Self::NegativeInfinity => None,
        }
    }

    /// The value as `unscaled / 10^scale` where it fits exactly.
    pub fn to_i128(&self, scale: u32) -> Option<i128> {
        let (digits, own) = self.parts()?;
        if own <= scale {
            return rescale(digits, own, scale).to_i128();
        }
        let (q, r) = digits.div_rem(&pow10(u64::from(own - scale)));
        if r.is_zero() { q.to_i128() } else { None }
    }

    /// Whether it is the value that is no number and no infinity.
    pub fn is_nan(&self) -> bool {
        matches!(self, Self::NaN)
    }

    /// Whether it is exactly nothing.
    pub fn is_zero(&self) -> bool {
        self.parts().is_some_and(|(d, _)| d.is_zero())
    }

    /// -1, 0 or 1; NaN counts as positive.
    pub fn signum(&self) -> i32 {
        match self {
            Self::NaN | Self::Infinity => 1,
            Self::NegativeInfinity => -1,
            Self::Finite { digits, .. } => match digits.sign() {
                Sign::Minus => -1,
                Sign::NoSign => 0,
                Sign::Plus => 1,
            },
        }
    }

    /// Digits behind the point that are shown; 0 for what is no number.
    pub fn scale(&self) -> u32 {
        self.parts().map_or(0, |(_, s)| s)
    }

    /// Exponents of the most significant decimal digit and of the most significant group of four, and that group.
    fn weight(&self) -> (i64, i64, i64) {
        let Some((digits, scale)) = self.parts() else { return (0, 0, 0) };
        if digits.is_zero() {
            return (0, 0, 0);
        }
        let length = decimal_length(digits) as i64;
        let exponent = length - 1 - i64::from(scale);
        let group = exponent.div_euclid(4);
        let keep = exponent.rem_euclid(4) + 1;
        let magnitude = BigInt::from(digits.magnitude().clone());
        let first =
            if length > keep { magnitude / pow10((length - keep) as u64) } else { magnitude * pow10((keep - length) as u64) };
        (exponent, group, first.to_i64().unwrap_or(0))
    }

    /// Parses what PostgreSQL's `numeric_in` accepts.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = || Error::invalid_text("numeric", text);
        let trimmed = super::text::trim(text);
        let lower = trimmed.to_ascii_lowercase();
        match lower.as_str() {
            "nan" => return Ok(Self::NaN),
            "inf" | "infinity" | "+inf" | "+infinity" => return Ok(Self::Infinity),
            "-inf" | "-infinity" => return Ok(Self::NegativeInfinity),
            _ => {}
        }
        let (negative, rest) = match lower.as_bytes().first() {
            Some(b'-') => (true, &lower[1..]),
            Some(b'+') => (false, &lower[1..]),
            _ => (false, lower.as_str()),
        };
        let (mantissa, exponent) = match rest.split_once('e') {
            Some((m, e)) => {
                let digits = e.strip_prefix(['+', '-']).unwrap_or(e);
                if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(invalid());
                }
                // Anything beyond this overflows or vanishes in the same way.
                (m, e.parse::<i64>().unwrap_or(if e.starts_with('-') { i64::from(i32::MIN) } else { i64::from(i32::MAX) }))
            }
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if (whole.is_empty() && fraction.is_empty()) || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(invalid());
        }
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0').len() as i64;
        let scale = fraction.len() as i64 - exponent;
        if significant > 0 && significant - scale > MAX_WHOLE_DIGITS as i64 {
            return Err(overflow());
        }
        if scale > i64::from(MAX_SCALE) + 4096 + significant {
            return Ok(Self::Finite { digits: BigInt::zero(), scale: MAX_SCALE });
        }
        let mut digits = BigInt::parse_bytes(all.as_bytes(), 10).unwrap_or_default();
        if negative {
            digits = -digits;
        }
        Ok(if scale < 0 {
            if digits.is_zero() {
                Self::Finite { digits, scale: 0 }
            } else {
                Self::Finite { digits: digits * pow10(scale.unsigned_abs()), scale: 0 }
            }
        } else {
            let scale = u32::try_from(scale).unwrap_or(MAX_SCALE);
            if scale > MAX_SCALE {
                Self::Finite { digits: rescale(&digits, scale, MAX_SCALE), scale: MAX_SCALE }
            } else {
                Self::Finite { digits, scale }
            }
        })
    }

    fn checked(digits: BigInt, scale: u32) -> Result<Self> {
        let (digits, scale) = if scale > MAX_SCALE { (rescale(&digits, scale, MAX_SCALE), MAX_SCALE) } else { (digits, scale) };
        if digits.bits() > 400_000 && decimal_length(&digits).saturating_sub(u64::from(scale)) > MAX_WHOLE_DIGITS {
            return Err(overflow());
        }
        Ok(Self::Finite { digits, scale })
    }

    /// `-self`.
    pub fn neg(&self) -> Self {
        match self {
            Self::NaN => Self::NaN,
            Self::Infinity => Self::NegativeInfinity,
            Self::NegativeInfinity => Self::Infinity,
            Self::Finite { digits, scale } => Self::Finite { digits: -digits, scale: *scale },
        }
    }

    /// `|self|`.
    pub fn abs(&self) -> Self {
        if self.signum() < 0 { self.neg() } else { self.clone() }
    }

    /// `self + other`.
    pub fn add(&self, other: &Self) -> Result<Self> {
        Ok(match (self, other) {
            (Self::Finite { digits: a, scale: s }, Self::Finite { digits: b, scale: t }) => {
                let scale = *s.max(t);
                return Self::checked(rescale(a, *s, scale) + rescale(b, *t, scale), scale);
            }
            (Self::NaN, _)
            | (_, Self::NaN)
            | (Self::Infinity, Self::NegativeInfinity)
            | (Self::NegativeInfinity, Self::Infinity) => Self::NaN,
            (Self::Infinity, _) | (_, Self::Infinity) => Self::Infinity,
            (Self::NegativeInfinity, _) | (_, Self::NegativeInfinity) => Self::NegativeInfinity,
        })
    }

    /// `self - other`.
    pub fn sub(&self, other: &Self) -> Result<Self> {
        self.add(&other.neg())
    }

    /// `self * other`.
    pub fn mul(&self, other: &Self) -> Result<Self> {
        if let (Self::Finite { digits: a, scale: s }, Self::Finite { digits: b, scale: t }) = (self, other) {
            return Self::checked(a * b, s + t);
        }
        Ok(if self.is_nan() || other.is_nan() { Self::NaN } else { Self::signed_infinity(self.signum() * other.signum()) })
    }

    fn signed_infinity(sign: i32) -> Self {
        match sign.cmp(&0) {
            Ordering::Less => Self::NegativeInfinity,
            Ordering::Equal => Self::NaN,
            Ordering::Greater => Self::Infinity,
        }
    }

    /// The digits behind the point that a quotient shows (`select_div_scale`).
    pub fn div_scale(&self, other: &Self) -> u32 {
        let (_, weight_a, first_a) = self.weight();
        let (_, weight_b, first_b) = other.weight();
        let quotient = weight_a - weight_b - i64::from(first_a <= first_b);
        clamp_scale(MIN_SIGNIFICANT - quotient * 4, &[self.scale(), other.scale()])
    }

    /// `self / other`.
    pub fn div(&self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::Finite { .. }, Self::Finite { .. }) => self.div_to(other, self.div_scale(other)),
            (Self::NaN, _) | (_, Self::NaN) => Ok(Self::NaN),
            (Self::Finite { .. }, _) => Ok(Self::zero()),
            (_, Self::Finite { .. }) => match other.signum() {
                0 => Err(Error::division_by_zero()),
                sign => Ok(Self::signed_infinity(self.signum() * sign)),
            },
            (_, _) => Ok(Self::NaN),
        }
    }

    /// `self / other` with `scale` digits behind the point.
    fn div_to(&self, other: &Self, scale: u32) -> Result<Self> {
        let (Some((a, s)), Some((b, t))) = (self.parts(), other.parts()) else { return Ok(Self::NaN) };
        if b.is_zero() {
            return Err(Error::division_by_zero());
        }
        let shift = i64::from(scale) + i64::from(t) - i64::from(s);
        let digits = if shift >= 0 {
            div_round(&(a * pow10(shift.unsigned_abs())), b)
        } else {
            div_round(a, &(b * pow10(shift.unsigned_abs())))
        };
        Self::checked(digits, scale)
    }

    /// `self / other`, cut to a whole number.
    pub fn div_trunc(&self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::Finite { digits: a, scale: s }, Self::Finite { digits: b, scale: t }) => {
                if b.is_zero() {
                    return Err(Error::division_by_zero());
                }
                let scale = *s.max(t);
                Self::checked(rescale(a, *s, scale) / rescale(b, *t, scale), 0)
            }
            (_, _) => self.div(other),
        }
    }

    /// `self % other`, with the sign of `self`.
    pub fn rem(&self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::Finite { digits: a, scale: s }, Self::Finite { digits: b, scale: t }) => {
                if b.is_zero() {
                    return Err(Error::division_by_zero());
                }
                let scale = *s.max(t);
                Self::checked(rescale(a, *s, scale) % rescale(b, *t, scale), scale)
            }
            (Self::NaN, _) | (_, Self::NaN) => Ok(Self::NaN),
            (Self::Finite { .. }, _) => Ok(self.clone()),
            (_, _) if other.is_zero() => Err(Error::division_by_zero()),
            (_, _) => Ok(Self::NaN),
        }
    }

    /// Rounded half away from zero to `places` digits behind the point; before it where negative.
    pub fn round(&self, places: i32) -> Self {
        self.cut(places, div_round)
    }

    /// Cut to `places` digits behind the point; before it where negative.
    pub fn trunc(&self, places: i32) -> Self {
        self.cut(places, |n, d| n / d)
    }

    fn cut(&self, places: i32, divide: impl Fn(&BigInt, &BigInt) -> BigInt) -> Self {
        let Some((digits, scale)) = self.parts() else { return self.clone() };
        let places = places.clamp(-2000, 2000);
        let drop = i64::from(scale) - i64::from(places);
        let shown = places.max(0) as u32;
        if drop <= 0 {
            return Self::Finite { digits: digits * pow10(drop.unsigned_abs()), scale: shown };
        }
        let kept = divide(digits, &pow10(drop.unsigned_abs()));
        let digits = if places < 0 { kept * pow10(u64::from(places.unsigned_abs())) } else { kept };
        Self::Finite { digits, scale: shown }
    }

    /// The smallest whole number that is not less.
    pub fn ceil(&self) -> Self {
        self.cut(0, |n, d| n.div_ceil(d))
    }

    /// The largest whole number that is not greater.
    pub fn floor(&self) -> Self {
        self.cut(0, |n, d| n.div_floor(d))
    }

    /// Without the zeros at its end, behind the point.
    pub fn trim_scale(&self) -> Self {
        let Some((digits, scale)) = self.parts() else { return self.clone() };
        let (mut digits, mut scale) = (digits.clone(), scale);
        let ten = BigInt::from(10u8);
        while scale > 0 {
            let (q, r) = digits.div_rem(&ten);
            if !r.is_zero() {
                break;
            }
            digits = q;
            scale -= 1;
        }
        Self::Finite { digits, scale }
    }

    /// The square root.
    pub fn sqrt(&self) -> Result<Self> {
        let negative = || Error::new(Condition::InvalidArgumentForPowerFunction, "cannot take square root of a negative number");
        match self {
            Self::NaN | Self::Infinity => Ok(self.clone()),
            Self::NegativeInfinity => Err(negative()),
            Self::Finite { digits, scale } => {
                if digits.is_negative() {
                    return Err(negative());
                }
                let (_, group, _) = self.weight();
                let root_weight = (group + 1) * 4 / 2 - 1;
                let shown = clamp_scale(MIN_SIGNIFICANT - root_weight, &[*scale]);
                let fixed = Fixed::of(digits, *scale, shown + 4);
                Self::checked(rescale(&fixed.sqrt().digits, shown + 4, shown), shown)
            }
        }
    }

    /// `e^self`.
    pub fn exp(&self) -> Result<Self> {
        match self {
            Self::NaN | Self::Infinity => Ok(self.clone()),
            Self::NegativeInfinity => Ok(Self::zero()),
            Self::Finite { digits, scale } => {
                let log10 = (self.to_f64() * std::f64::consts::LOG10_E).clamp(-2000.0, 200_000.0);
                let shown = clamp_scale(MIN_SIGNIFICANT - log10 as i64, &[*scale]);
                if self.to_f64().abs() >= MAX_EXPONENT {
                    let nothing = Self::Finite { digits: BigInt::zero(), scale: shown };
                    return if digits.is_negative() { Ok(nothing) } else { Err(overflow()) };
                }
                let guard = (log10.max(0.0) as u32) + 12;
                let value = Fixed::of(digits, *scale, shown + guard).exp();
                Self::checked(rescale(&value.digits, shown + guard, shown), shown)
            }
        }
    }

    fn ln_argument(&self) -> Result<()> {
        match self.signum() {
            0 => Err(Error::new(Condition::InvalidArgumentForLogarithm, "cannot take logarithm of zero")),
            s if s < 0 => Err(Error::new(Condition::InvalidArgumentForLogarithm, "cannot take logarithm of a negative number")),
            _ => Ok(()),
        }
    }

    /// The exponent of the first digit of the natural logarithm (`estimate_ln_dweight`).
    fn ln_weight(&self) -> i64 {
        if self.signum() <= 0 {
            return 0;
        }
        let value = self.to_f64();
        if (0.9..=1.1).contains(&value) {
            let Ok(x) = self.sub(&Self::from(1i64)) else { return 0 };
            return if x.is_zero() { 0 } else { x.weight().0 };
        }
        let (exponent, _, _) = self.weight();
        let Some((digits, _)) = self.parts() else { return 0 };
        let length = decimal_length(digits);
        let head = if length > 8 { digits / pow10(length - 8) } else { digits * pow10(8 - length) };
        let ln = (head.to_f64().unwrap_or(1.0) / 1e7).ln() + exponent as f64 * std::f64::consts::LN_10;
        ln.abs().log10() as i64
    }

    /// The natural logarithm with `shown` digits behind the point.
    fn ln_to(&self, shown: u32) -> Fixed {
        let Some((digits, scale)) = self.parts() else { return Fixed::of(&BigInt::zero(), 0, shown) };
        Fixed::ln_of(digits, scale, shown)
    }

    /// The natural logarithm.
    pub fn ln(&self) -> Result<Self> {
        if self.is_nan() || (matches!(self, Self::Infinity)) {
            return Ok(self.clone());
        }
        self.ln_argument()?;
        let shown = clamp_scale(MIN_SIGNIFICANT - self.ln_weight(), &[self.scale()]);
        Self::checked(rescale(&self.ln_to(shown + 8).digits, shown + 8, shown), shown)
    }

    /// The logarithm to `base`.
    pub fn log(base: &Self, number: &Self) -> Result<Self> {
        if base.is_nan() || number.is_nan() {
            return Ok(Self::NaN);
        }
        base.ln_argument()?;
        number.ln_argument()?;
        match (base, number) {
            (Self::Infinity, Self::Infinity) => return Ok(Self::NaN),
            (Self::Infinity, _) => return Ok(Self::zero()),
            (_, Self::Infinity) => return Ok(Self::Infinity),
            (_, _) => {}
        }
        let shown = clamp_scale(MIN_SIGNIFICANT - (number.ln_weight() - base.ln_weight()), &[base.scale(), number.scale()]);
        let work = shown + 24 + u32::try_from(base.ln_weight().abs()).unwrap_or(0);
        let (below, above) = (base.ln_to(work), number.ln_to(work));
        if below.digits.is_zero() {
            return Err(Error::division_by_zero());
        }
        Self::checked(div_round(&(above.digits * pow10(u64::from(shown))), &below.digits), shown)
    }

    /// `self ^ exponent`.
    pub fn power(&self, exponent: &Self) -> Result<Self> {
        let (Some((base_digits, base_scale)), Some((exp_digits, exp_scale))) = (self.parts(), exponent.parts()) else {
            return self.power_special(exponent);
        };
        let bad = |m: &str| Err(Error::new(Condition::InvalidArgumentForPowerFunction, m));
        if base_digits.is_zero() && exp_digits.is_negative() {
            return bad("zero raised to a negative power is undefined");
        }
        let (whole, rest) = exp_digits.div_rem(&pow10(u64::from(exp_scale)));
        if !rest.is_zero() && base_digits.is_negative() {
            return bad("a negative number raised to a non-integer power yields a complex result");
        }
        if rest.is_zero()
            && let Some(n) = whole.to_i32()
        {
            return self.power_int(n, clamp_scale(MIN_SIGNIFICANT, &[base_scale]));
        }
        if base_digits.is_zero() {
            return Ok(Self::Finite { digits: BigInt::zero(), scale: MIN_SIGNIFICANT as u32 });
        }
        let magnitude = self.abs();
        let ln = magnitude.ln_to(40);
        let log10 = ln.to_f64() * exponent.to_f64() * std::f64::consts::LOG10_E;
        if log10 / std::f64::consts::LOG10_E > MAX_EXPONENT * 1.003 {
            return Err(overflow());
        }
        if log10 / std::f64::consts::LOG10_E < -MAX_EXPONENT * 1.003 {
            return Ok(Self::Finite { digits: BigInt::zero(), scale: MAX_DISPLAY_SCALE as u32 });
        }
        let shown = clamp_scale(MIN_SIGNIFICANT - log10 as i64, &[base_scale, exp_scale]);
        let guard = (log10.max(0.0) as u32) + 16;
        let work = shown + guard + u32::try_from(exponent.weight().0.max(0)).unwrap_or(0);
        let ln = magnitude.ln_to(work);
        let product = Fixed { digits: div_round(&(ln.digits * exp_digits), &pow10(u64::from(exp_scale))), scale: work };
        let value = product.exp();
        let odd = rest.is_zero() && whole.is_odd() && base_digits.is_negative();
        let digits = rescale(&value.digits, work, shown);
        Self::checked(if odd { -digits } else { digits }, shown)
    }

    fn power_special(&self, exponent: &Self) -> Result<Self> {
        let one = Self::from(1i64);
        if exponent.is_zero() || *self == one {
            return Ok(one);
        }
        if self.is_nan() || exponent.is_nan() {
            return Ok(Self::NaN);
        }
        if self.is_zero() && exponent.signum() < 0 {
            return Err(Error::new(Condition::InvalidArgumentForPowerFunction, "zero raised to a negative power is undefined"));
        }
        Ok(match exponent {
            Self::Infinity | Self::NegativeInfinity => match self.abs().compare(&one) {
                Ordering::Equal => one,
                side => {
                    if (side == Ordering::Greater) == (exponent.signum() > 0) {
                        Self::Infinity
                    } else {
                        Self::zero()
                    }
                }
            },
            Self::NaN | Self::Finite { .. } => {
                if exponent.signum() < 0 {
                    Self::zero()
                } else if matches!(self, Self::NegativeInfinity) && exponent.rem(&Self::from(2i64))?.abs() == one {
                    Self::NegativeInfinity
                } else {
                    Self::Infinity
                }
            }
        })
    }

    fn power_int(&self, n: i32, shown: u32) -> Result<Self> {
        let Some((digits, scale)) = self.parts() else { return Ok(Self::NaN) };
        match n {
            0 => return Self::checked(pow10(u64::from(shown)), shown),
            1 => return Ok(Self::Finite { digits: rescale(digits, scale, shown), scale: shown }),
            -1 => return Self::from(1i64).div_to(self, shown),
            _ => {}
        }
        if digits.is_zero() {
            return Ok(Self::Finite { digits: BigInt::zero(), scale: shown });
        }
        let (exponent, _, _) = self.weight();
        let length = decimal_length(digits);
        let head = if length > 8 { digits / pow10(length - 8) } else { digits * pow10(8 - length) };
        let log10 = ((head.to_f64().unwrap_or(1.0).abs() / 1e7).log10() + exponent as f64) * f64::from(n);
        if log10 > 1.0 + MAX_WHOLE_DIGITS as f64 {
            return Err(overflow());
        }
        if log10 + 1.0 < -f64::from(shown) {
            return Ok(Self::Finite { digits: BigInt::zero(), scale: shown });
        }
        // Enough significant digits that the result is right after |n| multiplications.
        let significant = (log10.abs() as u64) + u64::from(shown) + 24;
        let (mut value, mut value_scale) = (BigInt::one(), 0i64);
        let (mut square, mut square_scale) = (digits.clone(), i64::from(scale));
        let mut left = n.unsigned_abs();
        let trim = |d: &mut BigInt, s: &mut i64| {
            let excess = decimal_length(d) as i64 - significant as i64;
            if excess > 0 {
                *d = div_round(d, &pow10(excess as u64));
                *s -= excess;
            }
        };
        while left > 0 {
            if left & 1 == 1 {
                value *= &square;
                value_scale += square_scale;
                trim(&mut value, &mut value_scale);
            }
            left >>= 1;
            if left > 0 {
                square = &square * &square;
                square_scale *= 2;
                trim(&mut square, &mut square_scale);
            }
        }
        let digits = if n > 0 {
            let shift = i64::from(shown) - value_scale;
            if shift >= 0 { value * pow10(shift as u64) } else { div_round(&value, &pow10(shift.unsigned_abs())) }
        } else {
            let shift = i64::from(shown) + value_scale;
            if shift >= 0 { div_round(&pow10(shift as u64), &value) } else { BigInt::zero() }
        };
        Self::checked(digits, shown)
    }

    /// Order: numbers, then infinity, then NaN.
    pub fn compare(&self, other: &Self) -> Ordering {
        let rank = |n: &Self| match n {
            Self::NegativeInfinity => 0,
            Self::Finite { .. } => 1,
            Self::Infinity => 2,
            Self::NaN => 3,
        };
        match (self, other) {
            (Self::Finite { digits: a, scale: s }, Self::Finite { digits: b, scale: t }) => {
                if s == t {
                    return a.cmp(b);
                }
                let scale = *s.max(t);
                rescale(a, *s, scale).cmp(&rescale(b, *t, scale))
            }
            (_, _) => rank(self).cmp(&rank(other)),
        }
    }

    /// The nearest whole number, half away from zero; `None` where it does not fit or is no number.
    pub fn to_i64(&self) -> Option<i64> {
        self.round(0).parts().and_then(|(d, _)| d.to_i64())
    }

    /// The nearest double.
    pub fn to_f64(&self) -> f64 {
        match self {
            Self::NaN => f64::NAN,
            Self::Infinity => f64::INFINITY,
            Self::NegativeInfinity => f64::NEG_INFINITY,
            Self::Finite { .. } => self.to_string().parse().unwrap_or(f64::NAN),
        }
    }

    /// A double with the 15 digits that are certain.
    pub fn from_f64(value: f64) -> Self {
        Self::from_float(value, 15)
    }

    /// A single with the 6 digits that are certain.
    pub fn from_f32(value: f32) -> Self {
        Self::from_float(f64::from(value), 6)
    }

    fn from_float(value: f64, digits: usize) -> Self {
        if value.is_nan() {
            return Self::NaN;
        }
        if value.is_infinite() {
            return if value > 0.0 { Self::Infinity } else { Self::NegativeInfinity };
        }
        let text = format!("{:.*e}", digits - 1, value);
        let parsed = Self::parse(&text).unwrap_or(Self::NaN);
        // What `%g` would print: no zeros at the end.
        parsed.trim_scale()
    }

    /// Rounds to `numeric(precision, scale)`; fails with `22003` where it does not fit.
    pub fn fit(&self, precision: u32, scale: i32) -> Result<Self> {
        let field = || Error::new(Condition::NumericValueOutOfRange, "numeric field overflow");
        match self {
            Self::NaN => Ok(Self::NaN),
            Self::Infinity | Self::NegativeInfinity => {
                Err(field().detail(format!("A field with precision {precision}, scale {scale} cannot hold an infinite value.")))
            }
            Self::Finite { .. } => {
                let rounded = self.round(scale);
                let whole = i64::from(precision) - i64::from(scale);
                let (exponent, _, _) = rounded.weight();
                if !rounded.is_zero() && exponent + 1 > whole {
                    let limit = if whole == 0 { "1".to_owned() } else { format!("10^{whole}") };
                    return Err(field().detail(format!(
                        "A field with precision {precision}, scale {scale} must round to an absolute value less than {limit}."
                    )));
                }
                Ok(rounded)
            }
        }
    }
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NaN => f.write_str("NaN"),
            Self::Infinity => f.write_str("Infinity"),
            Self::NegativeInfinity => f.write_str("-Infinity"),
            Self::Finite { digits, scale } => {
                let text = digits.magnitude().to_string();
                let scale = *scale as usize;
                if digits.is_negative() {
                    f.write_str("-")?;
                }
                if scale == 0 {
                    return f.write_str(&text);
                }
                let padded = if text.len() <= scale { format!("{}{text}", "0".repeat(scale + 1 - text.len())) } else { text };
                let (whole, fraction) = padded.split_at(padded.len() - scale);
                write!(f, "{whole}.{fraction}")
            }
        }
    }
}

/// A number with a fixed count of digits behind the point, for series.
struct Fixed {
    digits: BigInt,
    scale: u32,
}

impl Fixed {
    fn of(digits: &BigInt, from: u32, scale: u32) -> Self {
        Self { digits: rescale(digits, from, scale), scale }
    }

    fn one(&self) -> BigInt {
        pow10(u64::from(self.scale))
    }

    fn to_f64(&self) -> f64 {
        Numeric::Finite { digits: self.digits.clone(), scale: self.scale }.to_f64()
    }

    fn sqrt(&self) -> Self {
        Self { digits: (&self.digits * self.one()).sqrt(), scale: self.scale }
    }

    /// Halves the argument until it is small, sums Taylor's series, squares back.
    fn exp(&self) -> Self {
        let guard = 20 + u32::try_from(decimal_length(&self.digits).saturating_sub(u64::from(self.scale))).unwrap_or(0);
        let scale = self.scale + guard;
        let one = pow10(u64::from(scale));
        let mut x = rescale(&self.digits, self.scale, scale);
        let limit = &one / 1000;
        let mut halvings = 0u32;
        while x.abs() > limit {
            x /= 2;
            halvings += 1;
        }
        let (mut sum, mut term, mut n) = (&one + &x, x.clone(), 2u32);
        while !term.is_zero() {
            term = &term * &x / &one / n;
            sum += &term;
            n += 1;
        }
        for _ in 0..halvings {
            sum = &sum * &sum / &one;
        }
        Self { digits: rescale(&sum, scale, self.scale), scale: self.scale }
    }

    /// `ln(digits / 10^from)`: a power of two apart, then `2 artanh((m-1)/(m+1))`.
    fn ln_of(digits: &BigInt, from: u32, scale: u32) -> Self {
        let work = scale + 16;
        let one = pow10(u64::from(work));
        // digits / 10^from = m * 2^k with m near 1; k by bit lengths.
        let k = digits.bits() as i64 - pow10(u64::from(from)).bits() as i64;
        let (mut above, mut below) = (digits * &one, pow10(u64::from(from)));
        if k >= 0 {
            below <<= k as u64;
        } else {
            above <<= k.unsigned_abs();
        }
        let m = div_round(&above, &below);
        let ln_m = Self::artanh(&(&m - &one), &(&m + &one), &one);
        let third = Self::artanh(&BigInt::one(), &BigInt::from(3u8), &one);
        let sum = ln_m * 2 + third * 2 * k;
        Self { digits: rescale(&sum, work, scale), scale }
    }

    /// `artanh(n / d)`, in units of `one`.
    fn artanh(n: &BigInt, d: &BigInt, one: &BigInt) -> BigInt {
        let z = div_round(&(n * one), d);
        let square = &z * &z / one;
        let (mut sum, mut term, mut k) = (z.clone(), z, 3u32);
        while !term.is_zero() {
            term = &term * &square / one;
            sum += &term / k;
            k += 2;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(text: &str) -> Numeric {
        Numeric::parse(text).unwrap()
    }

    #[test]
    fn prints_what_it_parsed() {
        for text in
            ["0", "1", "-1", "1.50", "0.001", "-0.10", "NaN", "Infinity", "-Infinity", "123456789012345678901234567890.12"]
        {
            assert_eq!(n(text).to_string(), text);
        }
        assert_eq!(n("1e3").to_string(), "1000");
        assert_eq!(n("1.5e-3").to_string(), "0.0015");
        assert_eq!(n(".5").to_string(), "0.5");
        for bad in ["", "abc", "1.2.3", "1e", "--1", "1 2"] {
            assert!(Numeric::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn scales_are_those_of_postgresql() {
        assert_eq!(n("1").div(&n("3")).unwrap().to_string(), "0.33333333333333333333");
        assert_eq!(n("10").div(&n("4")).unwrap().to_string(), "2.5000000000000000");
        assert_eq!(n("2").sqrt().unwrap().to_string(), "1.414213562373095");
        assert_eq!(n("1").exp().unwrap().to_string(), "2.7182818284590452");
        assert_eq!(n("2").ln().unwrap().to_string(), "0.6931471805599453");
        assert_eq!(Numeric::log(&n("10"), &n("100")).unwrap().to_string(), "2.0000000000000000");
        assert_eq!(n("2").power(&n("10")).unwrap().to_string(), "1024.0000000000000000");
        assert_eq!(n("2").power(&n("0.5")).unwrap().to_string(), "1.4142135623730950");
    }

    #[test]
    fn modifiers_round_and_refuse() {
        assert_eq!(n("12.345").fit(4, 2).unwrap().to_string(), "12.35");
        assert_eq!(n("123").fit(2, 0).unwrap_err().message, "numeric field overflow");
    }
}
