//! The file of `--password-file`: a user and a SCRAM verifier a line.
//!
//! ```text
//! # made by `warpwise password --user ann`
//! ann:SCRAM-SHA-256$4096:<salt>$<stored key>:<server key>
//! ```
//!
//! It is read once, when the server starts. Verifiers do not give passwords away, but who has one can
//! pose as the server to that user: the file belongs to the server alone.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::scram::{PREFIX, Verifier};

/// The users that may connect, and what proves them.
#[derive(Clone)]
pub struct PasswordFile {
    users: Arc<HashMap<String, Verifier>>,
    /// Makes up the salts of users that do not exist.
    key: [u8; 32],
}

impl fmt::Debug for PasswordFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordFile").field("users", &self.users.len()).finish_non_exhaustive()
    }
}

impl PasswordFile {
    /// Reads a file. What is wrong with it is said in a sentence.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, String> {
        let path = path.as_ref();
        let text =
            std::fs::read_to_string(path).map_err(|error| format!("could not read password file {}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("password file {}: {error}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut users = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // Names may contain colons.
            let split = line.find(&format!(":{PREFIX}"));
            let (user, verifier) = split
                .map(|at| (&line[..at], &line[at + 1..]))
                .ok_or_else(|| format!("line {number} is not of the form user:{PREFIX}..."))?;
            let verifier =
                Verifier::parse(verifier).ok_or_else(|| format!("line {number} has no valid SCRAM-SHA-256 verifier"))?;
            if users.insert(user.to_owned(), verifier).is_some() {
                return Err(format!("line {number} names user \"{user}\" again"));
            }
        }
        if users.is_empty() {
            return Err("it names no user".to_owned());
        }
        Ok(Self { users: Arc::new(users), key: rand::random() })
    }

    /// What proves that a client is `user`; for a user who is not in the file, what nothing proves.
    pub(super) fn secret(&self, user: &str) -> Verifier {
        self.users.get(user).cloned().unwrap_or_else(|| Verifier::mock(&self.key, user))
    }
}

#[cfg(test)]
mod tests {
    use super::super::scram_verifier;
    use super::*;

    #[test]
    fn lines_name_users() {
        let text = format!("# users\n\nann:{}\r\nb:c:{}\n", scram_verifier("x"), scram_verifier("y"));
        let file = PasswordFile::parse(&text).unwrap();
        let mut names: Vec<&String> = file.users.keys().collect();
        names.sort();
        assert_eq!(names, ["ann", "b:c"]);
    }

    #[test]
    fn mistakes_are_named_by_line() {
        let message = |text: &str| PasswordFile::parse(text).unwrap_err();
        assert_eq!(message("#\n"), "it names no user");
        assert_eq!(message("\nann:secret"), "line 2 is not of the form user:SCRAM-SHA-256$...");
        assert_eq!(message("ann:SCRAM-SHA-256$1:2"), "line 1 has no valid SCRAM-SHA-256 verifier");
        let line = format!("ann:{}", scram_verifier("x"));
        assert_eq!(message(&format!("{line}\n{line}")), "line 2 names user \"ann\" again");
    }
}
