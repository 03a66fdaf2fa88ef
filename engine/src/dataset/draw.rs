//! Random values by place: what a row has depends on the seed, the row and the column, and on nothing before it.
//!
//! So any block of rows can be made on any thread, and one column without the others. There is integer arithmetic and
//! plain floating point alone, no function of the platform's library: a seed gives the same rows on every machine.

/// Random bits of one column: a function of the row.
#[derive(Debug, Clone, Copy)]
pub struct Draw(u64);

/// The step of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes 64 bits, as SplitMix64 does.
#[inline]
pub fn mix(bits: u64) -> u64 {
    let mut z = bits;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Draw {
    /// The bits of stream `stream` of a seed.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self(mix(mix(seed.wrapping_add(STEP)) ^ stream.wrapping_add(1).wrapping_mul(STEP)))
    }

    /// Those of a row.
    #[inline]
    pub fn bits(self, row: u64) -> u64 {
        mix(self.0.wrapping_add(row.wrapping_add(1).wrapping_mul(STEP)))
    }

    /// A row's number below `bound`.
    #[inline]
    pub fn below(self, row: u64, bound: u64) -> u64 {
        scale(self.bits(row), bound)
    }

    /// Whether something that happens so many times in a thousand does.
    #[inline]
    pub fn per_mille(self, row: u64, chance: u64) -> bool {
        self.below(row, 1000) < chance
    }

    /// A row's number below `bound`, small ones far likelier: each power of two is as likely as the next.
    #[inline]
    pub fn skewed(self, row: u64, bound: u64) -> u64 {
        skewed(self.bits(row), bound)
    }
}

/// 64 random bits as a number below `bound`.
#[inline]
pub fn scale(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

/// 64 random bits as a number below `bound`, small ones far likelier.
#[inline]
pub fn skewed(bits: u64, bound: u64) -> u64 {
    let widths = u64::from(64 - bound.leading_zeros()).max(1);
    let width = scale(bits << 40, widths) + 1;
    let upper = if width >= 64 { u64::MAX } else { 1 << width };
    scale(mix(bits), upper.min(bound.max(1)))
}

/// A table that has each value as often as its weight says: an index of 10 random bits picks one.
pub fn weighted<T: Copy>(weights: &[(T, u32)]) -> Vec<T> {
    const PLACES: u64 = 1024;
    let total: u64 = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let mut table = Vec::with_capacity(1024);
    let mut before = 0;
    for (value, weight) in weights {
        before += u64::from(*weight);
        table.resize((before * PLACES / total.max(1)) as usize, *value);
    }
    table
}

/// 65,536 equally likely values of a log-normal distribution with that median.
pub fn log_normal(seed: u64, median: f64, sigma: f64) -> Vec<f64> {
    let draw = Draw::new(seed, u64::MAX);
    let uniform = |at: u64| (draw.bits(at) >> 11) as f64 / (1u64 << 53) as f64;
    let sample = |at: u64| {
        // Twelve uniform numbers have variance 1 together, and are nearly normal.
        let normal: f64 = (0..12).map(|part| uniform(at * 12 + part)).sum::<f64>() - 6.0;
        median * exp(sigma * normal)
    };
    (0..65_536).map(sample).collect()
}

/// e to a small power, by its series: the platform's may differ in the last digit.
fn exp(x: f64) -> f64 {
    let halvings = 8;
    let small = x / f64::from(1 << halvings);
    let mut term = 1.0;
    let mut sum = 1.0;
    for n in 1..12 {
        term *= small / f64::from(n);
        sum += term;
    }
    (0..halvings).fold(sum, |power, _| power * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_never_change() {
        let draw = Draw::new(1, 2);
        let known = [11_955_866_471_498_706_948, 10_411_251_274_944_042_339, 2_536_955_919_438_713_599];
        assert_eq!([0, 1, 1 << 40].map(|row| draw.bits(row)), known);
        assert_ne!(draw.bits(0), Draw::new(2, 2).bits(0));
        assert_ne!(draw.bits(0), Draw::new(1, 3).bits(0));
        assert!((exp(1.0) - std::f64::consts::E).abs() < 1e-12 && (exp(-3.0) - (-3f64).exp()).abs() < 1e-12);
    }

    #[test]
    fn bounds_are_kept_and_reached() {
        let draw = Draw::new(7, 1);
        let all: Vec<u64> = (0..2000).map(|row| draw.below(row, 10)).collect();
        assert!((0..10).all(|value| all.contains(&value)) && all.iter().all(|value| *value < 10));
        let skewed: Vec<u64> = (0..20_000).map(|row| draw.skewed(row, 1000)).collect();
        assert!(skewed.iter().all(|value| *value < 1000) && skewed.iter().any(|value| *value > 900));
        let small = skewed.iter().filter(|value| **value < 10).count();
        assert!(small > skewed.len() / 4, "{small}");
        assert_eq!(draw.skewed(3, 1), 0);
    }

    #[test]
    fn weights_are_shares() {
        let table = weighted(&[('a', 3), ('b', 1)]);
        assert_eq!(table.len(), 1024);
        assert_eq!(table.iter().filter(|value| **value == 'a').count(), 768);
        let mut distances = log_normal(1, 2.0, 0.8);
        distances.sort_by(f64::total_cmp);
        assert!((distances[32_768] - 2.0).abs() < 0.1, "{}", distances[32_768]);
    }
}
