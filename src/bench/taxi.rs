//! Conditions drawn for the taxi queries: each reads only what its query reads anyhow, and leaves out few rides.

use warpwise_engine::dataset::draw::Draw;

use super::queries::statement;

/// A query's text with a condition drawn from a seed. The condition is on a column that the query reads.
pub fn varied(text: &str, seed: u64) -> String {
    let draw = Draw::new(seed, 0);
    let text = statement(text);
    let condition = if text.contains("pickup_datetime") {
        let second = draw.below(0, 86_400);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("pickup_datetime >= timestamp '2009-01-{:02} {hour:02}:{minute:02}:{second:02}'", 2 + draw.below(1, 20))
    } else if text.contains("total_amount") {
        format!("total_amount < {}.{:02}", 150 + draw.below(0, 400), draw.below(1, 100))
    } else {
        format!("cab_type <> 'kind {}'", draw.below(0, 1_000_000))
    };
    text.replacen("from trips", &format!("from (select * from trips where {condition}) trips"), 1)
}

#[cfg(test)]
mod tests {
    use super::super::queries::TAXI;
    use super::*;

    #[test]
    fn texts_follow_from_seeds() {
        for (name, text) in TAXI {
            let first = varied(text, 1);
            assert!(first.contains(" where "), "{name}: {first}");
            assert_eq!(first, varied(text, 1));
            assert_ne!(first, varied(text, 2));
        }
        assert!(varied(TAXI[0].1, 1).contains("cab_type <> 'kind "));
    }
}
