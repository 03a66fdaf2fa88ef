//! The values that stand for `:1`, `:2`, … in the query texts: those of the specification's validation runs
//! (clauses 2.4.x.4), and others drawn by its rules of substitution (clauses 2.4.x.3).

use tpchgen::distribution::Distributions;

use super::random::Random;
use super::scale::Scale;

/// The regions, by key.
const REGIONS: [&str; 5] = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"];

/// The nations with the keys of their regions, by key.
const NATIONS: [(&str, usize); 25] = [
    ("ALGERIA", 0),
    ("ARGENTINA", 1),
    ("BRAZIL", 1),
    ("CANADA", 1),
    ("EGYPT", 4),
    ("ETHIOPIA", 0),
    ("FRANCE", 3),
    ("GERMANY", 3),
    ("INDIA", 2),
    ("INDONESIA", 2),
    ("IRAN", 4),
    ("IRAQ", 4),
    ("JAPAN", 2),
    ("JORDAN", 4),
    ("KENYA", 0),
    ("MOROCCO", 0),
    ("MOZAMBIQUE", 0),
    ("PERU", 1),
    ("CHINA", 2),
    ("ROMANIA", 3),
    ("SAUDI ARABIA", 4),
    ("VIETNAM", 2),
    ("RUSSIA", 3),
    ("UNITED KINGDOM", 3),
    ("UNITED STATES", 1),
];

const SEGMENTS: [&str; 5] = ["AUTOMOBILE", "BUILDING", "FURNITURE", "MACHINERY", "HOUSEHOLD"];
const MODES: [&str; 7] = ["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"];
/// The three syllables of `p_type`.
const TYPES: ([&str; 6], [&str; 5], [&str; 5]) = (
    ["STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO"],
    ["ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED"],
    ["TIN", "NICKEL", "BRASS", "STEEL", "COPPER"],
);
/// The two syllables of `p_container`.
const CONTAINERS: ([&str; 5], [&str; 8]) =
    (["SM", "LG", "MED", "JUMBO", "WRAP"], ["CASE", "BOX", "BAG", "JAR", "PKG", "PACK", "CAN", "DRUM"]);
/// The words of Q13.
const WORDS: ([&str; 4], [&str; 4]) =
    (["special", "pending", "unusual", "express"], ["packages", "requests", "accounts", "deposits"]);

/// What a query's comments may be asked of (clause 4.2.2.13): a country's code is its key and this.
const FIRST_COUNTRY_CODE: usize = 10;

/// The validation parameters of a query; none where there is no such query.
pub fn validation(number: u8, scale: Scale) -> Vec<String> {
    let fixed: &[&str] = match number {
        1 => &["90"],
        2 => &["15", "BRASS", "EUROPE"],
        3 => &["BUILDING", "1995-03-15"],
        4 => &["1993-07-01"],
        5 => &["ASIA", "1994-01-01"],
        6 => &["1994-01-01", "0.06", "24"],
        7 => &["FRANCE", "GERMANY"],
        8 => &["BRAZIL", "AMERICA", "ECONOMY ANODIZED STEEL"],
        9 => &["green"],
        10 => &["1993-10-01"],
        11 => return vec!["GERMANY".to_owned(), fraction(scale)],
        12 => &["MAIL", "SHIP", "1994-01-01"],
        13 => &["special", "requests"],
        14 => &["1995-09-01"],
        15 => &["1996-01-01"],
        16 => &["Brand#45", "MEDIUM POLISHED", "49", "14", "23", "45", "19", "3", "36", "9"],
        17 => &["Brand#23", "MED BOX"],
        18 => &["300"],
        19 => &["Brand#12", "Brand#23", "Brand#34", "1", "10", "20"],
        20 => &["forest", "1994-01-01", "CANADA"],
        21 => &["SAUDI ARABIA"],
        22 => &["13", "31", "23", "29", "30", "18", "17"],
        _ => &[],
    };
    fixed.iter().map(|&value| value.to_owned()).collect()
}

/// Parameters drawn for a query; none where there is no such query. They depend on nothing but the arguments.
pub fn drawn(number: u8, seed: u64, scale: Scale) -> Vec<String> {
    let mut random = Random::new(seed, u64::from(number));
    let r = &mut random;
    match number {
        1 => vec![r.between(60, 120).to_string()],
        2 => vec![r.between(1, 50).to_string(), r.pick(&TYPES.2).to_owned(), r.pick(&REGIONS).to_owned()],
        3 => vec![r.pick(&SEGMENTS).to_owned(), format!("1995-03-{:02}", r.between(1, 31))],
        4 | 15 => vec![month(r, (1993, 1), (1997, 10))],
        5 => vec![r.pick(&REGIONS).to_owned(), year(r)],
        6 => vec![year(r), format!("0.0{}", r.between(2, 9)), r.between(24, 25).to_string()],
        7 => r.distinct(2, NATIONS.len()).into_iter().map(|at| NATIONS[at].0.to_owned()).collect(),
        8 => {
            let (nation, region) = NATIONS[r.below(NATIONS.len())];
            let kind = format!("{} {} {}", r.pick(&TYPES.0), r.pick(&TYPES.1), r.pick(&TYPES.2));
            vec![nation.to_owned(), REGIONS[region].to_owned(), kind]
        }
        9 => vec![color(r)],
        10 => vec![month(r, (1993, 2), (1995, 1))],
        11 => vec![nation(r), fraction(scale)],
        12 => {
            let modes = r.distinct(2, MODES.len());
            modes.into_iter().map(|at| MODES[at].to_owned()).chain([year(r)]).collect()
        }
        13 => vec![r.pick(&WORDS.0).to_owned(), r.pick(&WORDS.1).to_owned()],
        14 => vec![month(r, (1993, 1), (1997, 12))],
        16 => {
            let kind = format!("{} {}", r.pick(&TYPES.0), r.pick(&TYPES.1));
            let head = vec![brand(r), kind];
            head.into_iter().chain(r.distinct(8, 50).into_iter().map(|size| (size + 1).to_string())).collect()
        }
        17 => vec![brand(r), format!("{} {}", r.pick(&CONTAINERS.0), r.pick(&CONTAINERS.1))],
        18 => vec![r.between(312, 315).to_string()],
        19 => {
            let brands = vec![brand(r), brand(r), brand(r)];
            let quantities = [r.between(1, 10), r.between(10, 20), r.between(20, 30)];
            brands.into_iter().chain(quantities.map(|quantity| quantity.to_string())).collect()
        }
        20 => vec![color(r), year(r), nation(r)],
        21 => vec![nation(r)],
        22 => r.distinct(7, NATIONS.len()).into_iter().map(|at| (at + FIRST_COUNTRY_CODE).to_string()).collect(),
        _ => Vec::new(),
    }
}

/// Q11's share of the whole, `0.0001 / SF`, with the ten digits that the TPC's own tool prints.
fn fraction(scale: Scale) -> String {
    let text = format!("{:.10}", 0.0001 / scale.factor());
    let text = text.trim_end_matches('0');
    text.strip_suffix('.').map_or_else(|| text.to_owned(), |whole| format!("{whole}.0"))
}

fn nation(random: &mut Random) -> String {
    NATIONS[random.below(NATIONS.len())].0.to_owned()
}

fn brand(random: &mut Random) -> String {
    format!("Brand#{}{}", random.between(1, 5), random.between(1, 5))
}

/// A word of `p_name`.
fn color(random: &mut Random) -> String {
    random.pick(Distributions::static_default().part_colors().get_values()).to_owned()
}

/// The first of January of 1993 to 1997.
fn year(random: &mut Random) -> String {
    format!("{}-01-01", random.between(1993, 1997))
}

/// The first day of a month, from one to another (year, month), both included.
fn month(random: &mut Random, first: (i32, i32), last: (i32, i32)) -> String {
    let months = |(year, month): (i32, i32)| year * 12 + month - 1;
    let drawn = random.between(months(first), months(last));
    format!("{}-{:02}-01", drawn / 12, drawn % 12 + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tpchgen::generators::{NationGenerator, RegionGenerator};

    use super::*;

    #[test]
    fn nations_are_the_generators() {
        for (at, nation) in NationGenerator::default().iter().enumerate() {
            assert_eq!((nation.n_name, nation.n_regionkey), (NATIONS[at].0, NATIONS[at].1 as i64));
        }
        assert!(RegionGenerator::default().iter().zip(REGIONS).all(|(region, name)| region.r_name == name));
    }

    #[test]
    fn lists_are_the_generators() {
        let lists = Distributions::static_default();
        let types: HashSet<String> = lists.part_types().get_values().iter().map(|kind| (*kind).to_owned()).collect();
        let joined =
            TYPES.0.iter().flat_map(|a| TYPES.1.iter().flat_map(move |b| TYPES.2.iter().map(move |c| format!("{a} {b} {c}"))));
        assert_eq!(types, joined.collect());
        let containers: HashSet<String> = lists.part_containers().get_values().iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(containers, CONTAINERS.0.iter().flat_map(|a| CONTAINERS.1.iter().map(move |b| format!("{a} {b}"))).collect());
        let set = |values: &[&'static str]| values.iter().copied().collect::<HashSet<_>>();
        assert_eq!(set(lists.market_segments().get_values()), set(&SEGMENTS));
        assert_eq!(set(lists.ship_modes().get_values()), set(&MODES));
        assert_eq!(lists.part_colors().get_values().len(), 92);
    }

    #[test]
    fn there_are_as_many_as_in_a_validation_run() {
        for number in 1..=22 {
            let wanted = validation(number, Scale::ONE).len();
            assert!(wanted > 0);
            for seed in 0..200 {
                let drawn = drawn(number, seed, Scale::ONE);
                assert_eq!(drawn.len(), wanted, "q{number}");
                assert!(drawn.iter().all(|value| !value.is_empty() && !value.contains('\'')), "q{number}: {drawn:?}");
            }
        }
        assert!(validation(0, Scale::ONE).is_empty() && drawn(23, 1, Scale::ONE).is_empty());
    }

    #[test]
    fn ranges_are_kept() {
        let values = |number: u8, at: usize| (0..2000).map(move |seed| drawn(number, seed, Scale::ONE)[at].clone());
        let ends = |number, at| {
            let all: std::collections::BTreeSet<String> = values(number, at).collect();
            (all.first().unwrap().clone(), all.last().unwrap().clone())
        };
        let range = |low: &str, high: &str| (low.to_owned(), high.to_owned());
        assert_eq!(ends(3, 1), range("1995-03-01", "1995-03-31"));
        assert_eq!(ends(4, 0), range("1993-01-01", "1997-10-01"));
        assert_eq!(ends(6, 1), range("0.02", "0.09"));
        assert_eq!(ends(10, 0), range("1993-02-01", "1995-01-01"));
        assert_eq!(ends(14, 0), range("1993-01-01", "1997-12-01"));
        assert_eq!(ends(18, 0), range("312", "315"));
        assert_eq!(ends(22, 3), range("10", "34"));
        assert!(values(1, 0).all(|days| (60..=120).contains(&days.parse::<i32>().unwrap())));
    }

    #[test]
    fn fractions_follow_the_scale() {
        let of = |scale: f64| fraction(Scale::new(scale).unwrap());
        assert_eq!([of(1.0), of(0.01), of(10.0), of(3.0), of(0.001)], ["0.0001", "0.01", "0.00001", "0.0000333333", "0.1"]);
    }

    #[test]
    fn a_seed_gives_the_same_for_ever() {
        assert_eq!(drawn(7, 42, Scale::ONE), drawn(7, 42, Scale::ONE));
        assert_ne!(drawn(16, 1, Scale::ONE), drawn(16, 2, Scale::ONE));
    }
}
