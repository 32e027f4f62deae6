//! [`AnswerReader`]: reads the final response to our request (RFC 9110 §15).

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use super::head_limits;
use super::redirect::is_redirect_status;
use crate::http::{Field, HandshakeError, Head, HeadReader, Headers, StatusLine, text};
use crate::{Config, Input};

/// Consumes bytes until a final response is complete: its head, and for a refusal the beginning of its body.
pub(super) struct AnswerReader {
    reader: HeadReader<StatusLine>,
    informational: u8,
    /// A refusal with an incomplete body.
    refused: Option<Box<RefusedResponse>>,
    /// The error of an invalid response; it is permanent.
    failed: Option<HandshakeError>,
}

/// The response to a request that expects one status.
pub(super) enum Answer {
    Hoped(Head<StatusLine>),
    Refused(RefusedResponse),
}

impl AnswerReader {
    pub(super) fn new(config: &Config) -> Self {
        let reader = HeadReader::new(head_limits(config));
        Self { reader, informational: 0, refused: None, failed: None }
    }

    /// Returns `None` if all bytes are consumed and more are needed. Bytes after the expected head stay in
    /// `input`.
    pub(super) fn recv(
        &mut self,
        input: &mut Input<'_>,
        is_hoped: impl Fn(u16) -> bool,
    ) -> Result<Option<Answer>, HandshakeError> {
        if let Some(error) = self.failed {
            input.take(usize::MAX);
            return Err(error);
        }
        let answer = self.read(input, is_hoped);
        self.failed = answer.as_ref().err().copied();
        answer
    }

    fn read(
        &mut self,
        input: &mut Input<'_>,
        is_hoped: impl Fn(u16) -> bool,
    ) -> Result<Option<Answer>, HandshakeError> {
        loop {
            if let Some(refused) = self.refused.take() {
                return Ok(self.collect(refused, input).map(Answer::Refused));
            }
            let Some(head) = self.reader.recv(input)? else { return Ok(None) };
            self.reader.restart();
            match head.start.code {
                code if is_hoped(code) => return Ok(Some(Answer::Hoped(head))),
                // RFC 9110 §15.2: "A client MUST be able to parse one or more 1xx responses received prior to
                // a final response, even if the client does not expect one." After a 101 there is no more
                // HTTP.
                100 | 102..=199 => {
                    if self.informational == MAX_INFORMATIONAL {
                        return Err(HandshakeError::TooManyInformational);
                    }
                    self.informational += 1;
                }
                _ => self.refused = Some(Box::new(RefusedResponse::new(head, input.len()))),
            }
        }
    }

    /// Handles the head of a response that an HTTP library received and parsed.
    pub(super) fn recv_parts<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        status: u16,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Head<StatusLine>, HandshakeError> {
        self.reader.recv_pairs(format!("HTTP/1.1 {status} ").as_bytes(), headers)
    }

    /// Stops waiting. Returns the refusal, with the part of its body that has arrived, if its head is
    /// complete.
    pub(super) fn give_up(&mut self) -> Option<RefusedResponse> {
        self.refused.take().map(|refused| *refused)
    }

    fn collect(
        &mut self,
        mut refused: Box<RefusedResponse>,
        input: &mut Input<'_>,
    ) -> Option<RefusedResponse> {
        let missing = refused.wanted.saturating_sub(refused.body.len());
        refused.body.extend_from_slice(input.take(missing));
        if refused.body.len() == refused.wanted {
            return Some(*refused);
        }
        self.refused = Some(refused);
        None
    }
}

impl fmt::Debug for AnswerReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reader.fmt(f)
    }
}

/// An HTTP response that refuses a request, with the beginning of its body.
pub struct RefusedResponse {
    head: Head<StatusLine>,
    body: Vec<u8>,
    /// Expected length of the body.
    wanted: usize,
}

impl RefusedResponse {
    /// Without a known length, the `available` bytes are all of the body that is waited for. Nor is more waited for
    /// in a redirect: its target is known, and a body that stalls or breaks off must not get in the way.
    fn new(head: Head<StatusLine>, available: usize) -> Self {
        let most = if is_redirect(&head) { available.min(MAX_BODY) } else { MAX_BODY };
        let wanted = body_length(&head).unwrap_or(available).min(most);
        Self { head, body: Vec::new(), wanted }
    }

    /// Returns the status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.start.code
    }

    /// Returns the reason phrase, which is often empty.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        self.head.reason()
    }

    /// Returns all headers, in order.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        self.head.headers()
    }

    /// Returns the value of the first header with this name, ignoring case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().value(name)
    }

    /// Returns the beginning of the body as received, at most 8 KiB: up to `Content-Length`; without one, or if it is
    /// a redirect, no more than arrived together with the head.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Omits header values and the body, which may contain secrets.
impl fmt::Debug for RefusedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusedResponse")
            .field("status", &self.status())
            .field("headers", &self.headers())
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// RFC 9110 §15.4: the redirects that name another URL for the same request.
fn is_redirect(head: &Head<StatusLine>) -> bool {
    is_redirect_status(head.start.code) && head.headers().value("Location").is_some()
}

/// RFC 9112 §6.3, as far as it yields a number.
fn body_length(head: &Head<StatusLine>) -> Option<usize> {
    if matches!(head.start.code, 204 | 304) {
        return Some(0);
    }
    if head.count(Field::TransferEncoding) > 0 || head.count(Field::ContentLength) > 1 {
        return None;
    }
    let digits = head.value(Field::ContentLength).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    match text(digits).parse() {
        Ok(length) => Some(length),
        // Only digits: the number is too large, or empty.
        Err(_) => (!digits.is_empty()).then_some(usize::MAX),
    }
}

/// Maximum number of 1xx responses before the final one.
const MAX_INFORMATIONAL: u8 = 8;
/// Maximum number of body bytes kept of a refusal.
const MAX_BODY: usize = 8 * 1024;
