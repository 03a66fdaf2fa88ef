//! CancelRequest: a connection of its own that names another one and shows its secret.
//!
//! No answer is sent, whether or not anything was cancelled, so nothing can be learned by trying.

use warpwise_engine::Engine;

/// The code in place of a protocol version.
pub(crate) const CANCEL_REQUEST: u32 = 80_877_102;

/// A fresh secret: four bytes as protocol 3.0 has room for, or the 32 of 3.2.
pub(crate) fn secret(minor: u16) -> Vec<u8> {
    let bytes: [u8; 32] = rand::random();
    let length = if minor >= 2 { bytes.len() } else { 4 };
    bytes[..length].to_vec()
}

/// Acts on a CancelRequest's body: process id, then the secret, of up to 256 bytes.
pub(crate) fn cancel(engine: &Engine, body: &[u8]) {
    let Some((pid, secret)) = body.split_first_chunk::<4>() else { return };
    if (4..=256).contains(&secret.len()) {
        let pid = i32::from_be_bytes(*pid);
        let found = engine.cancel(pid, secret);
        tracing::debug!(pid, found, "cancel request");
    }
}
