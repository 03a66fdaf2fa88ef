//! Lines to standard output and standard error, without a panic where nobody reads them.

use std::io::{self, Write};

/// Writes a line to standard output at once.
pub fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Writes a line to standard error.
pub fn note(line: &str) {
    // There is no better place to say that this failed.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A number with a comma between every three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time as a person says it: `42 ms`, `9 s`, `125 s`.
pub fn seconds(time: std::time::Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.9995 { format!("{:.0} ms", seconds * 1e3) } else { format!("{seconds:.0} s") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 6_001_215].map(grouped), ["0", "999", "1,000", "6,001,215"]);
    }

    #[test]
    fn times_are_short() {
        let shown = [0, 42, 1_400, 8_600, 125_000].map(|ms| seconds(Duration::from_millis(ms)));
        assert_eq!(shown, ["0 ms", "42 ms", "1 s", "9 s", "125 s"]);
    }
}
