//! Conversions of a [`Message`] from and into common types.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::Message;
use crate::frame::ValidText;

impl<'b> From<&'b str> for Message<'b> {
    fn from(text: &'b str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Message<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'b> From<&'b [u8]> for Message<'b> {
    fn from(bytes: &'b [u8]) -> Self {
        Self::Binary(Cow::Borrowed(bytes))
    }
}

impl<'b> From<ValidText<'b>> for Message<'b> {
    /// Owned only if it begins with a code point that was split.
    fn from(valid: ValidText<'b>) -> Self {
        match valid.carried {
            None => Self::from(valid.text),
            Some(carried) => Self::from(String::from(carried) + valid.text),
        }
    }
}

impl<'b, const N: usize> From<&'b [u8; N]> for Message<'b> {
    fn from(bytes: &'b [u8; N]) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl<'b> From<&'b Vec<u8>> for Message<'b> {
    fn from(bytes: &'b Vec<u8>) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl<'b> From<&'b String> for Message<'b> {
    fn from(text: &'b String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Vec<u8>> for Message<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(Cow::Owned(bytes))
    }
}

impl<'b> From<Cow<'b, str>> for Message<'b> {
    fn from(text: Cow<'b, str>) -> Self {
        Self::Text(text)
    }
}

impl<'b> From<Cow<'b, [u8]>> for Message<'b> {
    fn from(bytes: Cow<'b, [u8]>) -> Self {
        Self::Binary(bytes)
    }
}

/// Like [`Message::into_text`].
impl<'b> TryFrom<Message<'b>> for String {
    type Error = Message<'b>;

    fn try_from(message: Message<'b>) -> Result<Self, Message<'b>> {
        message.into_text()
    }
}

/// Like [`Message::into_bytes`].
impl From<Message<'_>> for Vec<u8> {
    fn from(message: Message<'_>) -> Self {
        message.into_bytes()
    }
}

/// Equals a text message with this text.
impl PartialEq<str> for Message<'_> {
    fn eq(&self, text: &str) -> bool {
        self.as_text() == Some(text)
    }
}

/// Equals a text message with this text.
impl PartialEq<&str> for Message<'_> {
    fn eq(&self, text: &&str) -> bool {
        *self == **text
    }
}

/// Equals a binary message with this payload.
impl PartialEq<[u8]> for Message<'_> {
    fn eq(&self, bytes: &[u8]) -> bool {
        self.is_binary() && self.as_bytes() == bytes
    }
}

/// Equals a binary message with this payload.
impl PartialEq<&[u8]> for Message<'_> {
    fn eq(&self, bytes: &&[u8]) -> bool {
        *self == **bytes
    }
}

/// Equals a binary message with this payload.
impl<const N: usize> PartialEq<&[u8; N]> for Message<'_> {
    fn eq(&self, bytes: &&[u8; N]) -> bool {
        *self == bytes[..]
    }
}

/// The payload of either kind, without a copy if it is owned or `'static`.
#[cfg(feature = "bytes")]
#[cfg_attr(docsrs, doc(cfg(feature = "bytes")))]
impl From<Message<'static>> for bytes::Bytes {
    fn from(message: Message<'static>) -> Self {
        match message {
            Message::Text(Cow::Owned(text)) => Self::from(text),
            Message::Text(Cow::Borrowed(text)) => Self::from_static(text.as_bytes()),
            Message::Binary(Cow::Owned(bytes)) => Self::from(bytes),
            Message::Binary(Cow::Borrowed(bytes)) => Self::from_static(bytes),
        }
    }
}

/// A binary message, without a copy if the bytes are not shared. To send shared bytes without a copy, see
/// [`Connection::send_binary_owned`](crate::Connection::send_binary_owned).
#[cfg(feature = "bytes")]
#[cfg_attr(docsrs, doc(cfg(feature = "bytes")))]
impl From<bytes::Bytes> for Message<'_> {
    fn from(bytes: bytes::Bytes) -> Self {
        Self::from(Vec::from(bytes))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn what_is_owned_is_moved_out_and_what_is_borrowed_is_copied() {
        let (text, bytes) = (String::from("text"), vec![1, 2]);
        let (text_at, bytes_at) = (text.as_ptr(), bytes.as_ptr());
        let text = Message::from(text).into_text();
        assert!(text.is_ok_and(|text| text == "text" && text.as_ptr() == text_at));
        let bytes = Message::from(bytes).into_bytes();
        assert_eq!((&bytes[..], bytes.as_ptr()), (&[1, 2][..], bytes_at));

        assert_eq!(Message::from("a").into_text(), Ok("a".into()));
        assert_eq!(Message::from("a").into_bytes(), b"a");
        assert_eq!(Message::from(b"a").into_text(), Err(Message::from(b"a")), "given back");
        assert_eq!(String::try_from(Message::from("a")), Ok("a".into()));
        assert_eq!(Vec::from(Message::from(b"a")), b"a");
    }

    #[cfg(feature = "bytes")]
    #[test]
    fn bytes_are_moved_in_and_out() {
        use bytes::Bytes;

        let owned = vec![7; 100];
        let at = owned.as_ptr();
        let bytes = Bytes::from(Message::from(owned));
        assert_eq!((bytes.len(), bytes.as_ptr()), (100, at));
        let message = Message::from(bytes);
        assert_eq!((message.is_binary(), message.as_bytes().as_ptr()), (true, at), "it was the only owner");

        const TEXT: &str = "borrowed";
        for message in [Message::from(TEXT), Message::from(TEXT.as_bytes())] {
            assert_eq!(Bytes::from(message).as_ptr(), TEXT.as_ptr());
        }
        assert_eq!(Bytes::from(Message::from(String::from("text"))), "text");
        let shared = Bytes::from(vec![1, 2]);
        assert_eq!(Message::from(shared.clone()), &shared[..]);
    }

    #[test]
    fn comparisons_tell_the_kinds_apart() {
        let (text, binary) = (Message::from(Cow::Borrowed("ab")), Message::from(Cow::Borrowed(&b"ab"[..])));
        assert_eq!((text.is_text(), text.is_binary(), binary.is_text()), (true, false, false));
        assert!(text == "ab" && text != "a" && text != b"ab" && text != b"ab"[..]);
        assert!(
            binary == b"ab" && binary == b"ab"[..] && binary != b"a" && binary != "ab" && binary != *"ab"
        );
        assert_eq!((text.len(), text.is_empty(), Message::from("").is_empty()), (2, false, true));
    }
}
