//! Settings: one table, from which `SET`, `SHOW`, `pg_settings` and the reports to clients follow.
//!
//! # Adding a setting
//!
//! Add a row to [`SETTINGS`]. Where something must happen when it changes, read it where it matters
//! ([`Settings::get`]); nothing is pushed.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use crate::error::{Condition, Error, Result};

/// What a setting's text must look like.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `on` or `off`.
    Bool,
    /// A whole number in a range; the unit is PostgreSQL's (`ms`, `kB`, …) or nothing.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
        /// What a number without a unit counts.
        unit: &'static str,
    },
    /// A number.
    Real,
    /// One of a list.
    Choice(&'static [&'static str]),
    /// Any text.
    Text,
    /// A time zone.
    TimeZone,
    /// `DateStyle`: ISO is the only output that there is.
    DateStyle,
    /// `client_encoding`: UTF-8 is the only one that there is.
    Encoding,
}

/// Who may change a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// Nobody: it describes the server.
    Internal,
    /// Whoever starts the server.
    Postmaster,
    /// Every session for itself.
    User,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name as PostgreSQL spells it.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it is at the start.
    pub default: &'static str,
    /// Who may change it.
    pub context: Context,
    /// Whether clients are told of every change (ParameterStatus).
    pub reported: bool,
    /// One sentence.
    pub description: &'static str,
}

const ISOLATION: Kind = Kind::Choice(&["serializable", "repeatable read", "read committed", "read uncommitted"]);
const MESSAGES: Kind = Kind::Choice(&["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"]);
const MILLISECONDS: Kind = Kind::Integer { min: 0, max: i32::MAX as i64, unit: "ms" };
const KILOBYTES: Kind = Kind::Integer { min: 64, max: i32::MAX as i64, unit: "kB" };

const fn row(name: &'static str, kind: Kind, default: &'static str, description: &'static str) -> Setting {
    Setting { name, kind, default, context: Context::User, reported: false, description }
}

const fn reported(name: &'static str, kind: Kind, default: &'static str, description: &'static str) -> Setting {
    Setting { reported: true, ..row(name, kind, default, description) }
}

const fn fixed(name: &'static str, default: &'static str, description: &'static str) -> Setting {
    Setting { context: Context::Internal, ..row(name, Kind::Text, default, description) }
}

const fn fixed_reported(name: &'static str, default: &'static str, description: &'static str) -> Setting {
    Setting { reported: true, ..fixed(name, default, description) }
}

/// The version of PostgreSQL whose behaviour is followed.
pub const SERVER_VERSION: &str = "15.14";
/// The same as a number.
pub const SERVER_VERSION_NUM: &str = "150014";

/// Every setting, by name.
pub const SETTINGS: &[Setting] = &[
    reported("application_name", Kind::Text, "", "Sets the application name to be reported in statistics and logs."),
    row("array_nulls", Kind::Bool, "on", "Enables input of NULL elements in arrays."),
    fixed("block_size", "8192", "Shows the size of a disk block."),
    row("bytea_output", Kind::Choice(&["hex"]), "hex", "Sets the output format for bytea."),
    row("check_function_bodies", Kind::Bool, "on", "Accepted for compatibility."),
    reported("client_encoding", Kind::Encoding, "UTF8", "Sets the client's character set encoding."),
    row("client_min_messages", MESSAGES, "notice", "Sets the message levels that are sent to the client."),
    reported("DateStyle", Kind::DateStyle, "ISO, MDY", "Sets the display format for date and time values."),
    row("default_table_access_method", Kind::Text, "heap", "Accepted for compatibility."),
    row("default_tablespace", Kind::Text, "", "Accepted for compatibility."),
    row("default_toast_compression", Kind::Text, "pglz", "Accepted for compatibility."),
    row("default_transaction_deferrable", Kind::Bool, "off", "Sets the default deferrable status of new transactions."),
    row("default_transaction_isolation", ISOLATION, "read committed", "Sets the isolation level of new transactions."),
    reported("default_transaction_read_only", Kind::Bool, "off", "Sets the default read-only status of new transactions."),
    row("enable_hashjoin", Kind::Bool, "on", "Accepted for compatibility."),
    row("enable_indexscan", Kind::Bool, "on", "Accepted for compatibility."),
    row("enable_nestloop", Kind::Bool, "on", "Accepted for compatibility."),
    row("enable_seqscan", Kind::Bool, "on", "Accepted for compatibility."),
    row("escape_string_warning", Kind::Bool, "on", "Accepted for compatibility."),
    row(
        "extra_float_digits",
        Kind::Integer { min: -15, max: 3, unit: "" },
        "1",
        "Sets the number of digits displayed for floats.",
    ),
    row("geqo", Kind::Bool, "on", "Accepted for compatibility."),
    row("idle_in_transaction_session_timeout", MILLISECONDS, "0", "Accepted for compatibility."),
    fixed_reported("in_hot_standby", "off", "Shows whether hot standby is active."),
    fixed_reported("integer_datetimes", "on", "Shows whether datetimes are integer based."),
    reported("IntervalStyle", Kind::Choice(&["postgres"]), "postgres", "Sets the display format for interval values."),
    fixed_reported("is_superuser", "on", "Shows whether the current user is a superuser."),
    row("jit", Kind::Bool, "off", "Accepted for compatibility."),
    fixed("lc_collate", "C", "Shows the collation order locale."),
    fixed("lc_ctype", "C.UTF-8", "Shows the character classification and case conversion locale."),
    row("lc_messages", Kind::Text, "C", "Accepted for compatibility."),
    row("lc_monetary", Kind::Text, "C", "Accepted for compatibility."),
    row("lc_numeric", Kind::Text, "C", "Accepted for compatibility."),
    row("lc_time", Kind::Text, "C", "Accepted for compatibility."),
    row("lock_timeout", MILLISECONDS, "0", "Accepted for compatibility: nothing waits for a lock."),
    row("maintenance_work_mem", KILOBYTES, "65536", "Accepted for compatibility."),
    Setting {
        context: Context::Postmaster,
        ..row(
            "max_connections",
            Kind::Integer { min: 1, max: 262_143, unit: "" },
            "400",
            "Sets the maximum number of concurrent connections.",
        )
    },
    fixed("max_identifier_length", "63", "Shows the maximum identifier length."),
    fixed("max_index_keys", "32", "Shows the maximum number of index keys."),
    row("random_page_cost", Kind::Real, "4", "Accepted for compatibility."),
    row("row_security", Kind::Bool, "on", "Accepted for compatibility."),
    row("search_path", Kind::Text, "\"$user\", public", "Sets the schema search order for names that are not schema-qualified."),
    fixed_reported("server_encoding", "UTF8", "Shows the server (database) character set encoding."),
    fixed_reported("server_version", SERVER_VERSION, "Shows the server version."),
    fixed("server_version_num", SERVER_VERSION_NUM, "Shows the server version as an integer."),
    fixed_reported("session_authorization", "", "Shows the current session's user name."),
    reported("standard_conforming_strings", Kind::Choice(&["on"]), "on", "Causes '...' strings to treat backslashes literally."),
    row("statement_timeout", MILLISECONDS, "0", "Sets the maximum allowed duration of any statement."),
    row("synchronize_seqscans", Kind::Bool, "on", "Accepted for compatibility."),
    row(
        "synchronous_commit",
        Kind::Choice(&["on", "off", "local", "remote_write", "remote_apply"]),
        "on",
        "Accepted for compatibility.",
    ),
    row("tcp_keepalives_idle", Kind::Integer { min: 0, max: i32::MAX as i64, unit: "s" }, "0", "Accepted for compatibility."),
    row("temp_buffers", KILOBYTES, "8192", "Accepted for compatibility."),
    reported("TimeZone", Kind::TimeZone, "UTC", "Sets the time zone for displaying and interpreting time stamps."),
    row("transaction_deferrable", Kind::Bool, "off", "Accepted for compatibility."),
    row("transaction_isolation", ISOLATION, "read committed", "Sets the current transaction's isolation level."),
    row("transaction_read_only", Kind::Bool, "off", "Sets the current transaction's read-only status."),
    row("vacuum_cost_delay", Kind::Real, "0", "Accepted for compatibility."),
    row(
        "warpwise.device",
        Kind::Choice(&["auto", "off", "cpu", "cuda", "emulated"]),
        "auto",
        "The device on which this session's queries run.",
    ),
    Setting {
        context: Context::Postmaster,
        ..row(
            "warpwise.device_memory",
            Kind::Integer { min: 0, max: i64::MAX / 1024, unit: "kB" },
            "0",
            "Memory of a GPU that columns and queries may take; 0 is as much as it has.",
        )
    },
    Setting {
        context: Context::Postmaster,
        ..row(
            "warpwise.host_memory",
            Kind::Integer { min: 0, max: i64::MAX / 1024, unit: "kB" },
            "0",
            "Memory in which columns are kept for devices; 0 is a third of what queries may hold.",
        )
    },
    Setting {
        context: Context::Postmaster,
        ..row(
            "warpwise.vector_instructions",
            Kind::Choice(&["auto", "avx512", "avx2", "portable"]),
            "auto",
            "The widest vector instructions of the processor that queries use; auto is whatever it has.",
        )
    },
    row("work_mem", KILOBYTES, "4096", "Accepted for compatibility."),
    row("xmloption", Kind::Choice(&["content", "document"]), "content", "Accepted for compatibility."),
];

/// The row of a setting, by its name in any case.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|s| s.name.eq_ignore_ascii_case(name))
}

/// Where a change of a setting ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// With the session.
    Session,
    /// With the transaction.
    Local,
}

/// A session's settings.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    start: BTreeMap<String, String>,
    session: BTreeMap<String, String>,
    local: BTreeMap<String, String>,
    saved: Option<BTreeMap<String, String>>,
}

fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}

impl Settings {
    /// Fixes what a setting is at the session's start (and after RESET).
    pub fn start_with(&mut self, name: &str, value: &str) -> Result<()> {
        let value = check(name, value)?;
        self.start.insert(key(name), value);
        Ok(())
    }

    /// Fixes a setting that clients cannot set.
    pub fn force(&mut self, name: &str, value: &str) {
        self.start.insert(key(name), value.to_owned());
    }

    /// A setting's text, or `None` where there is no such setting.
    pub fn get(&self, name: &str) -> Option<String> {
        let key = key(name);
        let set = self.local.get(&key).or_else(|| self.session.get(&key)).or_else(|| self.start.get(&key));
        set.cloned().or_else(|| find(name).map(|s| s.default.to_owned()))
    }

    /// A setting's text as SHOW prints it: `42704` where there is none.
    pub fn show(&self, name: &str) -> Result<String> {
        let value = self.get(name).ok_or_else(|| unknown(name))?;
        Ok(match find(name).map(|s| s.kind) {
            Some(Kind::Integer { unit, .. }) if !unit.is_empty() => with_unit(&value, unit),
            _ => value,
        })
    }

    /// `SET [LOCAL] name = value`.
    pub fn set(&mut self, name: &str, value: &str, scope: Scope) -> Result<()> {
        match find(name) {
            Some(Setting { context: Context::Internal, name, .. }) => {
                return Err(Error::new(Condition::CantChangeRuntimeParam, format!("parameter \"{name}\" cannot be changed")));
            }
            Some(Setting { context: Context::Postmaster, name, .. }) => {
                return Err(Error::new(
                    Condition::CantChangeRuntimeParam,
                    format!("parameter \"{name}\" cannot be changed without restarting the server"),
                ));
            }
            Some(Setting { context: Context::User, .. }) | None => {}
        }
        let value = check(name, value)?;
        match scope {
            Scope::Local => self.local.insert(key(name), value),
            Scope::Session => {
                self.local.remove(&key(name));
                self.session.insert(key(name), value)
            }
        };
        Ok(())
    }

    /// `RESET name`.
    pub fn reset(&mut self, name: &str) -> Result<()> {
        if find(name).is_none() && self.get(name).is_none() {
            return Err(unknown(name));
        }
        self.local.remove(&key(name));
        self.session.remove(&key(name));
        Ok(())
    }

    /// `RESET ALL`.
    pub fn reset_all(&mut self) {
        self.local.clear();
        self.session.clear();
    }

    /// A transaction begins: remembers what a rollback goes back to.
    pub fn begin(&mut self) {
        self.saved = Some(self.session.clone());
    }

    /// A transaction ends.
    pub fn end(&mut self, committed: bool) {
        self.local.clear();
        if let (Some(saved), false) = (self.saved.take(), committed) {
            self.session = saved;
        }
    }

    /// Names of the custom settings (`a.b`) that this session has.
    pub fn custom(&self) -> Vec<String> {
        let names = self.start.keys().chain(self.session.keys()).chain(self.local.keys());
        names.filter(|n| find(n).is_none()).cloned().collect()
    }

    /// The session's time zone.
    pub fn time_zone(&self) -> Tz {
        self.get("TimeZone").and_then(|z| parse_zone(&z)).unwrap_or(Tz::UTC)
    }

    /// A setting as a whole number; 0 where it is none.
    pub fn integer(&self, name: &str) -> i64 {
        self.get(name).and_then(|v| v.parse().ok()).unwrap_or(0)
    }

    /// Whether a setting is `on`.
    pub fn on(&self, name: &str) -> bool {
        self.get(name).as_deref() == Some("on")
    }

    /// Everything that changes what a text means: part of a plan's key.
    pub fn fingerprint(&self) -> String {
        ["search_path", "TimeZone", "warpwise.device"].map(|n| self.get(n).unwrap_or_default()).join("\u{1}")
    }

    /// What clients are told: name and value of every reported setting.
    pub fn reported(&self) -> Vec<(String, String)> {
        SETTINGS.iter().filter(|s| s.reported).map(|s| (s.name.to_owned(), self.get(s.name).unwrap_or_default())).collect()
    }
}

fn unknown(name: &str) -> Error {
    Error::new(Condition::UndefinedObject, format!("unrecognized configuration parameter \"{name}\""))
}

/// A time zone by its name in any case, or by an offset (`+02`, `-5`), which POSIX counts westwards but SET eastwards.
pub fn parse_zone(text: &str) -> Option<Tz> {
    let text = text.trim();
    if let Ok(zone) = text.parse::<Tz>() {
        return Some(zone);
    }
    if matches!(text.to_ascii_uppercase().as_str(), "UTC" | "GMT" | "Z" | "ZULU" | "DEFAULT" | "LOCAL" | "ETC/UTC") {
        return Some(Tz::UTC);
    }
    if let Some(zone) = chrono_tz::TZ_VARIANTS.iter().find(|z| z.name().eq_ignore_ascii_case(text)) {
        return Some(*zone);
    }
    let hours: i32 = text.strip_suffix(":00").unwrap_or(text).parse().ok()?;
    match hours {
        0 => Some(Tz::UTC),
        1..=14 => format!("Etc/GMT-{hours}").parse().ok(),
        -12..=-1 => format!("Etc/GMT+{}", -hours).parse().ok(),
        _ => None,
    }
}

/// Brings a value into the form in which it is kept, or says what is wrong with it.
fn check(name: &str, value: &str) -> Result<String> {
    let Some(setting) = find(name) else {
        let well_formed = name.split('.').count() == 2 && name.split('.').all(|part| !part.is_empty());
        return if well_formed { Ok(value.to_owned()) } else { Err(unknown(name)) };
    };
    let invalid = |hint: Option<String>| {
        let error = Error::new(
            Condition::InvalidParameterValue,
            format!("invalid value for parameter \"{}\": \"{value}\"", setting.name),
        );
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    };
    match setting.kind {
        Kind::Bool => boolean(value).map(|b| if b { "on" } else { "off" }.to_owned()).ok_or_else(|| {
            Error::new(Condition::InvalidParameterValue, format!("parameter \"{}\" requires a Boolean value", setting.name))
        }),
        Kind::Integer { min, max, unit } => {
            let starts_as_number = value.trim().starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+');
            let hint = if starts_as_number { unit_hint(unit) } else { None };
            let number = with_unit_in(value, unit).ok_or_else(|| invalid(hint))?;
            if !(min..=max).contains(&number) {
                let u = if unit.is_empty() { String::new() } else { format!(" {unit}") };
                return Err(Error::new(
                    Condition::InvalidParameterValue,
                    format!("{number}{u} is outside the valid range for parameter \"{}\" ({min} .. {max})", setting.name),
                ));
            }
            Ok(number.to_string())
        }
        Kind::Real => value.trim().parse::<f64>().map(|v| v.to_string()).map_err(|_| invalid(None)),
        Kind::Choice(choices) => {
            let spelled = match (choices.contains(&"on"), boolean(value)) {
                (true, Some(true)) => "on",
                (true, Some(false)) => "off",
                (_, _) => value.trim(),
            };
            choices
                .iter()
                .find(|c| c.eq_ignore_ascii_case(spelled))
                .map(|c| (*c).to_owned())
                .ok_or_else(|| invalid(Some(format!("Available values: {}.", choices.join(", ")))))
        }
        Kind::Text => Ok(value.to_owned()),
        Kind::TimeZone => parse_zone(value).map(|z| z.name().to_owned()).ok_or_else(|| invalid(None)),
        Kind::DateStyle => {
            let mut order = "MDY";
            for part in value.split(',').map(str::trim) {
                match part.to_ascii_uppercase().as_str() {
                    "ISO" | "DEFAULT" => {}
                    "MDY" | "US" | "NONEURO" | "NONEUROPEAN" => order = "MDY",
                    "DMY" | "EURO" | "EUROPEAN" => order = "DMY",
                    "YMD" => order = "YMD",
                    "SQL" | "POSTGRES" | "GERMAN" => {
                        return Err(Error::unsupported(format!("DateStyle \"{part}\" is not supported")).hint("Use ISO."));
                    }
                    _ => return Err(invalid(None)),
                }
            }
            Ok(format!("ISO, {order}"))
        }
        Kind::Encoding => match value.trim().trim_matches('\'').to_ascii_uppercase().replace(['-', '_'], "").as_str() {
            "UTF8" | "UNICODE" => Ok("UTF8".to_owned()),
            "SQLASCII" => Ok("SQL_ASCII".to_owned()),
            _ => Err(Error::unsupported(format!("conversion between {value} and UTF8 is not supported"))),
        },
    }
}

fn unit_hint(unit: &str) -> Option<String> {
    match unit {
        "ms" | "s" => Some("Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".".to_owned()),
        "kB" => Some("Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\".".to_owned()),
        _ => None,
    }
}

fn boolean(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" | "t" | "y" => Some(true),
        "off" | "false" | "no" | "0" | "f" | "n" => Some(false),
        _ => None,
    }
}

/// `5s` in a setting that counts milliseconds is 5000.
fn with_unit_in(value: &str, unit: &str) -> Option<i64> {
    let value = value.trim();
    let digits = value.find(|c: char| !(c.is_ascii_digit() || c == '-' || c == '+' || c == '.')).unwrap_or(value.len());
    let number: f64 = value[..digits].parse().ok()?;
    let factor = match (unit, value[digits..].trim()) {
        (_, "") => 1.0,
        ("ms", "us") => 0.001,
        ("ms", "ms") | ("s", "s") => 1.0,
        ("ms", "s") => 1e3,
        ("ms", "min") => 6e4,
        ("ms", "h") => 3.6e6,
        ("ms", "d") => 8.64e7,
        ("s", "min") => 60.0,
        ("s", "h") => 3600.0,
        ("kB", "B") => 1.0 / 1024.0,
        ("kB", "kB") => 1.0,
        ("kB", "MB") => 1024.0,
        ("kB", "GB") => 1024.0 * 1024.0,
        ("kB", "TB") => 1024.0 * 1024.0 * 1024.0,
        (_, _) => return None,
    };
    let scaled = (number * factor).round();
    (scaled.abs() < 9e15).then_some(scaled as i64)
}

/// 5000 milliseconds are shown as `5s`.
fn with_unit(value: &str, unit: &str) -> String {
    let Ok(number) = value.parse::<i64>() else { return value.to_owned() };
    if number == 0 {
        return "0".to_owned();
    }
    let steps: &[(i64, &str)] = match unit {
        "ms" => &[(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms")],
        "kB" => &[(1 << 30, "TB"), (1 << 20, "GB"), (1 << 10, "MB"), (1, "kB")],
        _ => &[(1, "s")],
    };
    let (size, name) = steps.iter().find(|(size, _)| number % size == 0).unwrap_or(&(1, ""));
    format!("{}{name}", number / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_come_and_go() {
        let mut settings = Settings::default();
        settings.set("statement_timeout", "5s", Scope::Session).unwrap();
        assert_eq!(settings.get("statement_timeout").unwrap(), "5000");
        assert_eq!(settings.show("statement_timeout").unwrap(), "5s");
        assert!(settings.set("statement_timeout", "x", Scope::Session).is_err());
        assert_eq!(settings.set("server_version", "1", Scope::Session).unwrap_err().condition, Condition::CantChangeRuntimeParam);
    }

    #[test]
    fn rollback_and_local() {
        let mut settings = Settings::default();
        settings.begin();
        settings.set("application_name", "a", Scope::Session).unwrap();
        settings.set("DateStyle", "ISO, DMY", Scope::Local).unwrap();
        assert_eq!(settings.get("datestyle").unwrap(), "ISO, DMY");
        settings.end(false);
        assert_eq!(settings.get("application_name").unwrap(), "");
        assert_eq!(settings.get("DateStyle").unwrap(), "ISO, MDY");
    }

    #[test]
    fn rows_have_valid_defaults() {
        for setting in SETTINGS {
            assert_eq!(check(setting.name, setting.default).unwrap(), setting.default, "{}", setting.name);
        }
    }
}
