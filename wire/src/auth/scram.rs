//! SCRAM-SHA-256 (RFC 5802, RFC 7677) over pgwire's cryptography, with PostgreSQL's messages around it.
//!
//! ```text
//! server: AuthenticationSASL            mechanisms
//! client: SASLInitialResponse           client-first
//! server: AuthenticationSASLContinue    nonce, salt, iterations
//! client: SASLResponse                  proof
//! server: AuthenticationSASLFinal       the server's own proof
//! ```
//!
//! A user who does not exist goes through the same exchange, with a salt that stays the same from one
//! try to the next, so that names cannot be found out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramSecret, ScramServerAuth, gen_salted_password};
use pgwire::error::PgWireError;
use tokio::io::AsyncRead;
use warpwise_engine::error::Error;

use super::refused;
use crate::backend;
use crate::error::{Failure, guard_now, violation};
use crate::frames::{FrameReader, Kind, ReadError};
use crate::message::sasl_initial_response;
use crate::output::Output;

/// The one mechanism on offer: the other binds to a TLS channel.
const MECHANISM: &str = "SCRAM-SHA-256";
/// What a stored verifier begins with.
pub(super) const PREFIX: &str = "SCRAM-SHA-256$";
const SALT_LENGTH: usize = 16;
const KEY_LENGTH: usize = 32;

/// The verifier of a password, as PostgreSQL stores it and a password file has it:
/// `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`. The salt is drawn anew each time.
pub fn scram_verifier(password: &str) -> String {
    let salt: [u8; SALT_LENGTH] = rand::random();
    let (stored, server) = keys(password, &salt);
    let text = |bytes: &[u8]| STANDARD.encode(bytes);
    format!("{PREFIX}{SCRAM_ITERATIONS}:{}${}:{}", text(&salt), text(&stored), text(&server))
}

fn keys(password: &str, salt: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let salted = gen_salted_password(password, salt, SCRAM_ITERATIONS);
    match ScramSecret::verifier_from_salted_password(salt.to_vec(), salted, SCRAM_ITERATIONS) {
        ScramSecret::Verifier { stored_key, server_key, .. } => (stored_key, server_key),
        // Not what the constructor of verifiers gives; two empty keys match no proof.
        ScramSecret::SaltedPassword { .. } => (Vec::new(), Vec::new()),
    }
}

/// What is stored of one user's password.
#[derive(Clone)]
pub(super) struct Verifier {
    iterations: usize,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl Verifier {
    /// Parses what [`scram_verifier`] gives.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (public, keys) = text.strip_prefix(PREFIX)?.split_once('$')?;
        let (iterations, salt) = public.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let bytes = |text: &str| STANDARD.decode(text).ok();
        let verifier = Self {
            iterations: iterations.parse().ok().filter(|n| (1..=10_000_000).contains(n))?,
            salt: bytes(salt).filter(|salt| !salt.is_empty())?,
            stored_key: bytes(stored)?,
            server_key: bytes(server)?,
        };
        (verifier.stored_key.len() == KEY_LENGTH && verifier.server_key.len() == KEY_LENGTH).then_some(verifier)
    }

    /// One that no password fits, with a salt that depends on `key` and `user` alone.
    pub(super) fn mock(key: &[u8], user: &str) -> Self {
        let mut salt = gen_salted_password(user, key, 1);
        salt.truncate(SALT_LENGTH);
        let (stored_key, server_key): ([u8; KEY_LENGTH], [u8; KEY_LENGTH]) = (rand::random(), rand::random());
        Self { iterations: SCRAM_ITERATIONS, salt, stored_key: stored_key.to_vec(), server_key: server_key.to_vec() }
    }

    fn into_secret(self) -> ScramSecret {
        ScramSecret::Verifier {
            salt: self.salt,
            iterations: self.iterations,
            stored_key: self.stored_key,
            server_key: self.server_key,
        }
    }
}

/// Has a client prove that it knows the password behind `verifier`.
pub(super) async fn exchange<R: AsyncRead + Unpin>(
    verifier: Verifier,
    user: &str,
    reader: &mut FrameReader<R>,
    out: &mut Output,
) -> Result<(), Failure> {
    backend::authentication_sasl(&mut out.buffer, &[MECHANISM]);
    out.flush().await?;

    let (mechanism, first) = sasl_initial_response(answer(reader).await?).map_err(Failure::fatal)?;
    if mechanism != MECHANISM {
        return Err(Failure::fatal(violation("client selected an invalid SASL authentication mechanism")));
    }
    // A client may leave its first message out, to be asked for it.
    let first = match first {
        Some(first) => first.to_vec(),
        None => {
            backend::authentication_sasl_continue(&mut out.buffer, "");
            out.flush().await?;
            answer(reader).await?.to_vec()
        }
    };
    let secret = verifier.into_secret();
    let (challenge, waiting) = step(user, || ScramServerAuth::new().on_client_first_message_with_secret(&first, secret))?;
    backend::authentication_sasl_continue(&mut out.buffer, &challenge);
    out.flush().await?;

    let last = answer(reader).await?;
    let proof = step(user, || waiting.on_client_final_message(&last))?;
    backend::authentication_sasl_final(&mut out.buffer, &proof);
    Ok(())
}

/// The body of the next answer of the client.
async fn answer<R: AsyncRead + Unpin>(reader: &mut FrameReader<R>) -> Result<BytesMut, Failure> {
    let frame = async {
        let header = reader.header().await?.ok_or(ReadError::Closed)?;
        match header.kind {
            Kind::Password => reader.body(header.body).await,
            // The client gave up, as psql does to ask for a password.
            Kind::Terminate => Err(ReadError::Closed),
            other => {
                let message = format!("expected SASL response, got message type {}", other.byte());
                Err(ReadError::Violation(Box::new(violation(message))))
            }
        }
    };
    frame.await.map_err(|error| match error {
        ReadError::Closed => Failure::Gone,
        ReadError::Violation(error) => Failure::Fatal(error),
    })
}

/// One step of the mechanism: a proof that does not hold is a wrong password, anything else a malformed message.
fn step<T>(user: &str, step: impl FnOnce() -> Result<T, PgWireError>) -> Result<T, Failure> {
    let mut refusal = None;
    let result = guard_now(|| {
        step().map_err(|error| match error {
            PgWireError::InvalidPassword(_) => {
                refusal = Some(refused(user));
                Error::internal("")
            }
            other => violation("malformed SCRAM message").detail(other.to_string()),
        })
    });
    result.map_err(|error| refusal.unwrap_or_else(|| Failure::fatal(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifiers_parse_back_and_follow_from_the_password() {
        let text = scram_verifier("s\u{e9}cret");
        let verifier = Verifier::parse(&text).unwrap();
        assert_eq!(keys("s\u{e9}cret", &verifier.salt), (verifier.stored_key, verifier.server_key));
        assert_eq!((verifier.iterations, verifier.salt.len()), (4096, 16));
    }

    #[test]
    fn what_postgresql_stores_is_taken() {
        // CREATE ROLE x PASSWORD 'secret' in PostgreSQL 15, from pg_authid.rolpassword.
        let text = "SCRAM-SHA-256$4096:srKvjQg0NZeUBAzpCeUDjw==$TtUPoQKxTip9F4j7zeqMFBpgzyBmVhX4QFKmC5vjs00=:Q+WG0/5158gyROzA5BdBTfUTR5ytdtIeje2OhimKjKU=";
        let verifier = Verifier::parse(text).unwrap();
        assert_eq!(keys("secret", &verifier.salt), (verifier.stored_key, verifier.server_key));
    }

    #[test]
    fn what_is_no_verifier_is_refused() {
        for text in ["", "md5abc", "SCRAM-SHA-256$4096:c2FsdA==$AAAA:AAAA", "SCRAM-SHA-256$0:c2FsdA==$a:b", "SCRAM-SHA-256$x"] {
            assert!(Verifier::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn unknown_users_keep_their_salt() {
        let salt = |user| Verifier::mock(b"key", user).salt;
        assert_eq!(salt("ann"), salt("ann"));
        assert_ne!(salt("ann"), salt("bob"));
    }
}
