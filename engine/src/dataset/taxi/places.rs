//! Where rides begin and end: coordinates, and census tracts with what belongs to each.

use crate::dataset::draw::{Draw, scale, skewed};

/// The boroughs: their codes and names, and how many tracts each has.
const BOROUGHS: [(i16, &str, u64); 5] =
    [(1, "Manhattan", 288), (2, "Bronx", 339), (3, "Brooklyn", 761), (4, "Queens", 669), (5, "Staten Island", 110)];
/// Letters of the boroughs in codes of neighbourhoods.
const LETTERS: [&str; 5] = ["MN", "BX", "BK", "QN", "SI"];
/// Neighbourhoods of Manhattan: where most rides are.
const MANHATTAN: [&str; 28] = [
    "Midtown-Midtown South",
    "Hudson Yards-Chelsea-Flatiron-Union Square",
    "Upper West Side",
    "Turtle Bay-East Midtown",
    "West Village",
    "Upper East Side-Carnegie Hill",
    "SoHo-TriBeCa-Civic Center-Little Italy",
    "Murray Hill-Kips Bay",
    "Gramercy",
    "Clinton",
    "Lenox Hill-Roosevelt Island",
    "East Village",
    "Battery Park City-Lower Manhattan",
    "Lincoln Square",
    "Yorkville",
    "Chinatown",
    "Lower East Side",
    "Central Harlem South",
    "Morningside Heights",
    "East Harlem South",
    "Stuyvesant Town-Cooper Village",
    "East Harlem North",
    "Manhattanville",
    "Hamilton Heights",
    "Washington Heights South",
    "Washington Heights North",
    "Central Harlem North-Polo Grounds",
    "Marble Hill-Inwood",
];

/// A census tract.
#[derive(Debug, Clone)]
pub struct Tract {
    pub label: String,
    pub borough_code: i16,
    pub borough: &'static str,
    pub tract: String,
    pub borough_tract: String,
    pub eligible: &'static str,
    pub area_code: String,
    pub area: String,
    pub puma: String,
}

/// All tracts, numbered from 1.
#[derive(Debug)]
pub struct Places {
    tracts: Vec<Tract>,
}

impl Places {
    /// The tracts of a seed.
    pub fn new(seed: u64) -> Self {
        let draw = Draw::new(seed, 1 << 32);
        let mut tracts = Vec::new();
        for (at, (code, borough, count)) in BOROUGHS.iter().enumerate() {
            for number in 0..*count {
                let (whole, part) = (number * 7 % 1500 + 1, if number % 3 == 0 { 2 } else { 0 });
                let area = number * 28 / count;
                let tract = format!("{whole:04}{part:02}");
                tracts.push(Tract {
                    label: if part == 0 { whole.to_string() } else { format!("{whole}.{part:02}") },
                    borough_code: *code,
                    borough,
                    borough_tract: format!("{code}{tract}"),
                    tract,
                    eligible: if draw.per_mille(tracts.len() as u64, 450) { "E" } else { "I" },
                    area_code: format!("{}{:02}", LETTERS[at], area + 1),
                    area: match (*code, MANHATTAN.get(area as usize)) {
                        (1, Some(name)) => (*name).to_owned(),
                        _ => format!("{borough} area {:02}", area + 1),
                    },
                    puma: format!("{}", 3700 + u64::from(code.unsigned_abs()) * 100 + area / 3),
                });
            }
        }
        Self { tracts }
    }

    /// The number of a tract for 64 random bits: nine of ten rides are in Manhattan, most of them in few tracts.
    pub fn number(&self, bits: u64) -> i16 {
        let at = if bits & 0xf < 14 { skewed(bits >> 4, BOROUGHS[0].2) } else { scale(bits << 4, self.tracts.len() as u64) };
        at as i16 + 1
    }

    /// The tract of a number.
    pub fn tract(&self, number: i16) -> &Tract {
        &self.tracts[usize::from(number.unsigned_abs().saturating_sub(1)).min(self.tracts.len() - 1)]
    }
}

/// Longitude and latitude in millionths of a degree for 64 random bits; zero where a meter knew neither.
pub fn coordinates(bits: u64) -> (i64, i64) {
    if bits & 0x3f == 0 {
        return (0, 0);
    }
    // The sum of two uniform numbers is likeliest in the middle.
    let spread = |bits: u64, width: u64| (scale(bits << 16, width) + scale(bits << 32, width)) as i64 - width as i64;
    (-73_980_000 + spread(bits, 45_000), 40_752_000 + spread(bits >> 7, 50_000))
}

/// A point as PostGIS prints it: the well-known binary form in hexadecimal digits.
pub fn point(text: &mut String, (longitude, latitude): (i64, i64)) {
    text.push_str("0101000000");
    for coordinate in [longitude, latitude] {
        for byte in (coordinate as f64 / 1e6).to_le_bytes() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
    }
}
