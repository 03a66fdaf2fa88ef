//! The queries of the benchmarks, as the files below `benches/` have them: other engines run the same texts.

/// A query's name and its text.
pub type Query = (&'static str, &'static str);

/// The four queries over taxi rides.
pub const TAXI: &[Query] = &[
    ("q1", include_str!("../../benches/taxi/queries/q1.sql")),
    ("q2", include_str!("../../benches/taxi/queries/q2.sql")),
    ("q3", include_str!("../../benches/taxi/queries/q3.sql")),
    ("q4", include_str!("../../benches/taxi/queries/q4.sql")),
];

/// Thirty queries over page views.
pub const SINGLE: &[Query] = &[
    ("q01", include_str!("../../benches/single/queries/q01.sql")),
    ("q02", include_str!("../../benches/single/queries/q02.sql")),
    ("q03", include_str!("../../benches/single/queries/q03.sql")),
    ("q04", include_str!("../../benches/single/queries/q04.sql")),
    ("q05", include_str!("../../benches/single/queries/q05.sql")),
    ("q06", include_str!("../../benches/single/queries/q06.sql")),
    ("q07", include_str!("../../benches/single/queries/q07.sql")),
    ("q08", include_str!("../../benches/single/queries/q08.sql")),
    ("q09", include_str!("../../benches/single/queries/q09.sql")),
    ("q10", include_str!("../../benches/single/queries/q10.sql")),
    ("q11", include_str!("../../benches/single/queries/q11.sql")),
    ("q12", include_str!("../../benches/single/queries/q12.sql")),
    ("q13", include_str!("../../benches/single/queries/q13.sql")),
    ("q14", include_str!("../../benches/single/queries/q14.sql")),
    ("q15", include_str!("../../benches/single/queries/q15.sql")),
    ("q16", include_str!("../../benches/single/queries/q16.sql")),
    ("q17", include_str!("../../benches/single/queries/q17.sql")),
    ("q18", include_str!("../../benches/single/queries/q18.sql")),
    ("q19", include_str!("../../benches/single/queries/q19.sql")),
    ("q20", include_str!("../../benches/single/queries/q20.sql")),
    ("q21", include_str!("../../benches/single/queries/q21.sql")),
    ("q22", include_str!("../../benches/single/queries/q22.sql")),
    ("q23", include_str!("../../benches/single/queries/q23.sql")),
    ("q24", include_str!("../../benches/single/queries/q24.sql")),
    ("q25", include_str!("../../benches/single/queries/q25.sql")),
    ("q26", include_str!("../../benches/single/queries/q26.sql")),
    ("q27", include_str!("../../benches/single/queries/q27.sql")),
    ("q28", include_str!("../../benches/single/queries/q28.sql")),
    ("q29", include_str!("../../benches/single/queries/q29.sql")),
    ("q30", include_str!("../../benches/single/queries/q30.sql")),
];

/// The statement of a file: its comment and its semicolon are not part of it.
pub fn statement(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("--")).collect();
    lines.join("\n").trim().trim_end_matches(';').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every file is in the list, under its own name.
    #[test]
    fn lists_are_whole() {
        for (folder, queries) in [("taxi", TAXI), ("single", SINGLE)] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("benches").join(folder).join("queries");
            let mut files: Vec<String> = std::fs::read_dir(&path)
                .unwrap()
                .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
                .collect();
            files.sort();
            assert_eq!(files, queries.iter().map(|(name, _)| *name).collect::<Vec<_>>());
            for (name, text) in queries {
                assert_eq!(*text, std::fs::read_to_string(path.join(format!("{name}.sql"))).unwrap());
                assert!(statement(text).starts_with("select "), "{name}");
            }
        }
    }
}
