//! An independent reading of HTTP/1.1 heads and of the opening handshake: RFC 9112, RFC 9110 and RFC 6455 §4 over the whole
//! input at once. Simple and slow, written without a look at the crate's own code.

use core::net::Ipv6Addr;

/// Names as they were written, and values without the whitespace around them.
pub(crate) type Lines = Vec<(String, Vec<u8>)>;

/// What the bytes of a head are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Read {
    /// More bytes are needed.
    Incomplete,
    Invalid,
    Head(Head),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// The three words of the start line; of a status line the version, the status and the reason.
    pub(crate) words: [String; 3],
    /// The y of HTTP/1.y.
    pub(crate) minor: u8,
    pub(crate) lines: Lines,
    /// How many bytes it takes, the blank line included.
    pub(crate) len: usize,
}

/// Which of the two heads is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
}

/// Reads the head at the front of `bytes`.
pub(crate) fn head(bytes: &[u8], side: Side, max_head: usize, max_headers: usize) -> Read {
    let within = &bytes[..bytes.len().min(max_head)];
    // RFC 8446 §5.1: an alert or a handshake of TLS, which has no line ends to wait for.
    if let [21 | 22, ..] = within {
        return Read::Invalid;
    }
    let mut start = None;
    let mut lines = Lines::new();
    let mut at = 0;
    while let Some(len) = within[at..].iter().position(|byte| *byte == b'\n') {
        let first = at == 0;
        let line = &within[at..at + len];
        at += len + 1;
        // RFC 9112 §2.2 lets a recipient take a lone LF for a line end; §11.2 tells what that leads to.
        let Some(line) = line.strip_suffix(b"\r") else { return Read::Invalid };
        match (&start, line) {
            // RFC 9112 §2.2: "a server […] SHOULD ignore at least one empty line (CRLF) received prior to the request-line".
            (None, b"") if first && side == Side::Request => {}
            (None, _) => match start_line(line, side) {
                Some(words) => start = Some(words),
                None => return Read::Invalid,
            },
            (Some((words, minor)), b"") => {
                return Read::Head(Head { words: words.clone(), minor: *minor, lines, len: at });
            }
            (Some(_), _) => match header_line(line) {
                Some(pair) if lines.len() < max_headers => lines.push(pair),
                _ => return Read::Invalid,
            },
        }
    }
    if bytes.len() > max_head { Read::Invalid } else { Read::Incomplete }
}

/// RFC 9112 §3 and §4.
fn start_line(line: &[u8], side: Side) -> Option<([String; 3], u8)> {
    let text = String::from_utf8_lossy(line).into_owned();
    let mut words = text.splitn(3, ' ').map(str::to_owned);
    let words = [words.next()?, words.next()?, words.next().unwrap_or_default()];
    let version = match side {
        Side::Request => {
            let target = words[1].as_bytes();
            // RFC 9112 §3.2: no form of the target has a fragment.
            let visible =
                !target.is_empty() && target.iter().all(|byte| (0x21..0x7F).contains(byte) && *byte != b'#');
            if !is_token(words[0].as_bytes()) || !visible {
                return None;
            }
            &words[2]
        }
        Side::Response => {
            let status: &[u8; 3] = words[1].as_bytes().try_into().ok()?;
            if !status.iter().all(u8::is_ascii_digit) || status[0] == b'0' || !is_value(line) {
                return None;
            }
            &words[0]
        }
    };
    let minor = version.strip_prefix("HTTP/1.")?.as_bytes();
    let [digit @ b'0'..=b'9'] = minor else { return None };
    let minor = digit - b'0';
    Some((words, minor))
}

/// RFC 9112 §5: "field-line = field-name ":" OWS field-value OWS".
fn header_line(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    (is_token(name) && is_value(value))
        .then(|| (String::from_utf8_lossy(name).into_owned(), trimmed(value).to_vec()))
}

pub(crate) fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// RFC 9110 §5.6.2.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    let delimiters = b"\"(),/:;<=>?@[\\]{}";
    !bytes.is_empty() && bytes.iter().all(|byte| (0x21..0x7F).contains(byte) && !delimiters.contains(byte))
}

/// RFC 9110 §5.5, without control characters that have no use.
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == b'\t' || *byte >= 0x20 && *byte != 0x7F)
}

impl Head {
    pub(crate) fn values(&self, name: &str) -> Vec<&[u8]> {
        let named = self.lines.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| &value[..]).collect()
    }

    /// The value of a field with exactly one line.
    pub(crate) fn only(&self, name: &str) -> Option<&[u8]> {
        match self.values(name)[..] {
            [value] => Some(value),
            _ => None,
        }
    }

    /// RFC 9110 §5.6.1: the elements of all lines, empty ones left out.
    pub(crate) fn list(&self, name: &str) -> Vec<Vec<u8>> {
        let all = self.values(name).join(&b","[..]);
        let elements = all.split(|byte| *byte == b',').map(|element| trimmed(element).to_vec());
        elements.filter(|element| !element.is_empty()).collect()
    }

    fn lists(&self, name: &str, element: &str) -> bool {
        self.list(name).iter().any(|other| other.eq_ignore_ascii_case(element.as_bytes()))
    }
}

// ---- the opening handshake ----

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Upgrade,
    /// A request that has nothing to do with WebSocket.
    Http,
    Refused,
}

/// RFC 6455 §4.2.1.
pub(crate) fn request(head: &Head) -> Verdict {
    let hosts = head.values("Host");
    let host_is_good = match hosts[..] {
        [host] => core::str::from_utf8(host).is_ok_and(|host| host_port(host).is_some()),
        // RFC 9112 §3.2 wants it of HTTP/1.1 only.
        [] => head.minor == 0,
        _ => false,
    };
    if !host_is_good {
        return Verdict::Refused;
    }
    // RFC 9112 §3.2.2: the host of an absolute target replaces that of Host.
    let [method, target, _] = &head.words;
    if uri(target).is_some_and(|(_, authority, _)| host_port(authority).is_none()) {
        return Verdict::Refused;
    }
    // RFC 9110 §7.8: "A server that receives an Upgrade header field in an HTTP/1.0 request MUST ignore that Upgrade field."
    if head.minor == 0 || !head.lists("Upgrade", "websocket") {
        let ours = ["Key", "Version", "Protocol", "Extensions", "Accept"];
        let any = ours.iter().any(|name| !head.values(&format!("Sec-WebSocket-{name}")).is_empty());
        return if any { Verdict::Refused } else { Verdict::Http };
    }
    let target_is_good = absolute(target).is_some() || target.starts_with('/');
    let key_is_good = head.only("Sec-WebSocket-Key").is_some_and(|key| {
        let alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
        key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(alphabet)
    });
    let has_no_body = head.values("Transfer-Encoding").is_empty()
        && head.values("Content-Length").iter().all(|length| *length == b"0");
    let good = method == "GET"
        && target_is_good
        && head.lists("Connection", "upgrade")
        && head.only("Sec-WebSocket-Version") == Some(b"13")
        && key_is_good
        && has_no_body
        && offers_are_good(head);
    if good { Verdict::Upgrade } else { Verdict::Refused }
}

/// What does not depend on the version of HTTP.
pub(crate) fn offers_are_good(head: &Head) -> bool {
    let subprotocols = head.list("Sec-WebSocket-Protocol");
    let unique = (1..subprotocols.len()).all(|i| !subprotocols[..i].contains(&subprotocols[i]));
    let subprotocols_are_good = head.values("Sec-WebSocket-Protocol").is_empty()
        || !subprotocols.is_empty() && unique && subprotocols.iter().all(|name| is_token(name));
    head.values("Origin").len() < 2 && subprotocols_are_good && extensions_are_good(head)
}

/// RFC 6455 §4.1, the client's checks of a 101, for a client that offered `subprotocols` and no extension.
pub(crate) fn response(head: &Head, accept: &str, subprotocols: &[&str]) -> Verdict {
    let protocol_is_good = match head.values("Sec-WebSocket-Protocol")[..] {
        [] => true,
        [chosen] => subprotocols.iter().any(|offered| offered.as_bytes() == chosen),
        _ => false,
    };
    let good = head.minor > 0
        && head.only("Upgrade").is_some_and(|upgrade| upgrade.eq_ignore_ascii_case(b"websocket"))
        && head.lists("Connection", "upgrade")
        && head.only("Sec-WebSocket-Accept") == Some(accept.as_bytes())
        && head.values("Sec-WebSocket-Extensions").is_empty()
        && protocol_is_good;
    if good { Verdict::Upgrade } else { Verdict::Refused }
}

// ---- URIs ----

/// The authority of an absolute URI with one of the four schemes, and what follows it.
pub(crate) fn absolute(target: &str) -> Option<(&str, &str)> {
    let (scheme, authority, rest) = uri(target)?;
    let is_known = ["ws", "wss", "http", "https"].contains(&scheme.to_ascii_lowercase().as_str());
    is_known.then_some((authority, rest))
}

/// The scheme of an absolute URI with an authority, the authority, and what follows it.
fn uri(target: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    // RFC 3986 §3.1.
    let goes_on = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if !scheme.bytes().next()?.is_ascii_alphabetic() || !scheme.bytes().all(goes_on) {
        return None;
    }
    let end = rest.bytes().position(|byte| byte == b'/' || byte == b'?').unwrap_or(rest.len());
    Some((scheme, &rest[..end], &rest[end..]))
}

/// RFC 3986 §3.2.2 and §3.2.3: "host [ ":" port ]" with a host that is not empty; no port: `None`.
pub(crate) fn host_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let host_len = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.rfind(':').unwrap_or(authority.len())
    };
    let (host, rest) = authority.split_at(host_len);
    let address = host.strip_prefix('[').map(|host| host.trim_end_matches(']'));
    let host_is_good = match address {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && is_reg_name(host.as_bytes()),
    };
    let port = match rest {
        "" | ":" => None,
        _ => {
            let digits =
                rest.strip_prefix(':').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
            let number = digits.bytes().try_fold(0_u32, |n, digit| {
                Some(n * 10 + u32::from(digit - b'0')).filter(|n| *n <= u32::from(u16::MAX))
            })?;
            Some(u16::try_from(number).ok().filter(|port| *port > 0)?)
        }
    };
    host_is_good.then_some((host, port))
}

/// RFC 3986 §3.2.2: "reg-name = *( unreserved / pct-encoded / sub-delims )".
fn is_reg_name(mut name: &[u8]) -> bool {
    loop {
        name = match name {
            [] => return true,
            [b'%', a, b, rest @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => rest,
            [byte, rest @ ..] if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte) => rest,
            _ => return false,
        };
    }
}

/// RFC 3986 Appendix B, without the fragment: scheme, authority, path and query.
pub(crate) fn split_uri(reference: &str) -> (Option<&str>, Option<&str>, &str, Option<&str>) {
    let rest = reference.split_once('#').map_or(reference, |(rest, _)| rest);
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, rest)) if !scheme.is_empty() && !scheme.contains('/') => (Some(scheme), rest),
        _ => (None, rest),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (Some(authority), path)
        }
        None => (None, rest),
    };
    (scheme, authority, path, query)
}

/// RFC 3986 §5.2.4.
pub(crate) fn remove_dot_segments(path: &str) -> String {
    let mut input = path.to_owned();
    let mut output = String::new();
    while !input.is_empty() {
        let up = |output: &mut String| output.truncate(output.rfind('/').unwrap_or(0));
        if let Some(rest) = input.strip_prefix("../").or(input.strip_prefix("./")) {
            input = rest.to_owned();
        } else if input.starts_with("/./") || input == "/." {
            input = format!("/{}", input.get(3..).unwrap_or_default());
        } else if input.starts_with("/../") || input == "/.." {
            input = format!("/{}", input.get(4..).unwrap_or_default());
            up(&mut output);
        } else if input == "." || input == ".." {
            input.clear();
        } else {
            let end = input.get(1..).and_then(|rest| rest.find('/')).map_or(input.len(), |at| at + 1);
            output.extend(input.drain(..end));
        }
    }
    output
}

/// RFC 3986 §2: unreserved characters, sub-delims, the percent sign, and some that depend on the place.
pub(crate) fn is_uri_byte(byte: u8, more: &[u8]) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte) || more.contains(&byte)
}

/// A user name and password as RFC 7617 §2 allows them, decoded.
pub(crate) fn user_info(text: &str) -> Option<Vec<u8>> {
    if !text.bytes().all(|byte| is_uri_byte(byte, b":")) {
        return None;
    }
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let (user, password) = (percent_decoded(user.as_bytes())?, percent_decoded(password.as_bytes())?);
    let pair = [&user[..], b":", &password].concat();
    let has_controls = pair.iter().any(|byte| *byte < 0x20 || *byte == 0x7F);
    (!user.contains(&b':') && !has_controls).then_some(pair)
}

/// RFC 3986 §2.1.
fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (mut decoded, mut at) = (Vec::new(), 0);
    while let Some(byte) = text.get(at) {
        if *byte == b'%' {
            decoded.push(digit(*text.get(at + 1)?)? << 4 | digit(*text.get(at + 2)?)?);
            at += 3;
        } else {
            decoded.push(*byte);
            at += 1;
        }
    }
    Some(decoded)
}

// ---- extensions ----

/// An extension: its name, and its parameters with their values.
pub(crate) type Extension = (String, Vec<(String, Option<String>)>);

#[derive(Debug, PartialEq, Eq)]
enum Word {
    Token(String),
    Quoted(String),
    Mark(u8),
}

/// RFC 6455 §9.1: "extension-list = 1#extension"; `None` if the value does not follow the grammar. Empty elements do not count
/// (RFC 9110 §5.6.1).
pub(crate) fn extensions(value: &[u8]) -> Option<Vec<Extension>> {
    let words = words(value)?;
    let elements = words.split(|word| *word == Word::Mark(b','));
    elements.filter(|element| !element.is_empty()).map(extension).collect()
}

fn extension(element: &[Word]) -> Option<Extension> {
    let mut parts = element.split(|word| *word == Word::Mark(b';'));
    let [Word::Token(name)] = parts.next()? else { return None };
    let params = parts.map(|part| match part {
        [Word::Token(name)] => Some((name.clone(), None)),
        [Word::Token(name), Word::Mark(b'='), Word::Token(value) | Word::Quoted(value)] => {
            Some((name.clone(), Some(value.clone())))
        }
        _ => None,
    });
    Some((name.clone(), params.collect::<Option<_>>()?))
}

fn words(mut value: &[u8]) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    while let [first, rest @ ..] = value {
        value = rest;
        match first {
            b' ' | b'\t' => {}
            b',' | b';' | b'=' => words.push(Word::Mark(*first)),
            b'"' => {
                let mut quoted = Vec::new();
                loop {
                    match value {
                        [b'"', rest @ ..] => {
                            value = rest;
                            break;
                        }
                        [b'\\', byte, rest @ ..] | [byte, rest @ ..] => {
                            quoted.push(*byte);
                            value = rest;
                        }
                        [] => return None,
                    }
                }
                // "the value after quoted-string unescaping MUST conform to the 'token' ABNF"
                let text = Some(quoted).filter(|quoted| is_token(quoted))?;
                words.push(Word::Quoted(String::from_utf8_lossy(&text).into_owned()));
            }
            byte if is_token(&[*byte]) => {
                let more = value.iter().take_while(|byte| is_token(&[**byte])).count();
                let token = [&[*byte], &value[..more]].concat();
                words.push(Word::Token(String::from_utf8_lossy(&token).into_owned()));
                value = &value[more..];
            }
            _ => return None,
        }
    }
    Some(words)
}

fn extensions_are_good(head: &Head) -> bool {
    let lines = head.values("Sec-WebSocket-Extensions");
    let lists = lines.iter().map(|line| extensions(line)).collect::<Option<Vec<_>>>();
    lists.is_some_and(|lists| lines.is_empty() || lists.iter().any(|list| !list.is_empty()))
}

// ---- the accept key ----

/// RFC 6455 §4.2.2-5.4.
pub(crate) fn accept_key(key: &[u8]) -> String {
    base64(&sha1(&[key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat()))
}

/// RFC 4648 §4.
pub(crate) fn base64(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for group in bytes.chunks(3) {
        let number =
            (0..3).fold(0, |number, i| number << 8 | usize::from(group.get(i).copied().unwrap_or_default()));
        for i in 0..4 {
            let character = alphabet[number >> (18 - 6 * i) & 63];
            encoded.push(if i <= group.len() { char::from(character) } else { '=' });
        }
    }
    encoded
}

/// RFC 3174 §6.1.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut padded = [message, &[0x80]].concat();
    padded.resize((padded.len() + 8).next_multiple_of(64) - 8, 0);
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    let mut h: [u32; 5] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
    for block in padded.chunks(64) {
        let mut w = Vec::from_iter(
            block.chunks(4).map(|word| word.iter().fold(0, |n, byte| n << 8 | u32::from(*byte))),
        );
        for t in 16..80 {
            w.push((w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16]).rotate_left(1));
        }
        let [mut a, mut b, mut c, mut d, mut e] = h;
        for (t, word) in w.iter().enumerate() {
            let (f, k) = match t / 20 {
                0 => (b & c | !b & d, 0x5A82_7999),
                1 => (b ^ c ^ d, 0x6ED9_EBA1),
                2 => (b & c | b & d | c & d, 0x8F1B_BCDC),
                _ => (b ^ c ^ d, 0xCA62_C1D6_u32),
            };
            let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(k).wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, part) in h.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut digest = [0; 20];
    for (to, word) in digest.chunks_mut(4).zip(h) {
        to.copy_from_slice(&word.to_be_bytes());
    }
    digest
}
