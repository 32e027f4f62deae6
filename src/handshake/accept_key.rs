//! [`accept_key`]: the server's proof that it understood the handshake request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;

/// Returns the value of `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` as it was sent (RFC 6455 §4.2.2).
///
/// The example of §1.3:
///
/// ```
/// use sansocket::handshake::accept_key;
/// assert_eq!(&accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    let mut sha1 = Sha1::new();
    sha1.update(key);
    sha1.update(GUID);
    let mut accept = [0; 28];
    // 20 bytes are always 28 characters, so this cannot fail.
    let _ = STANDARD.encode_slice(sha1.digest().bytes(), &mut accept);
    accept
}

/// RFC 6455 §1.3: "a Globally Unique Identifier […] that is unlikely to be used by network endpoints that do
/// not understand the WebSocket Protocol".
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[cfg(test)]
mod tests {
    use super::accept_key;

    #[test]
    fn every_character_of_the_key_counts() {
        let key = *b"dGhlIHNhbXBsZSBub25jZQ==";
        for i in 0..key.len() {
            let mut other = key;
            other[i] ^= 1;
            assert_ne!(accept_key(&other), accept_key(&key), "character {i}");
        }
    }
}
