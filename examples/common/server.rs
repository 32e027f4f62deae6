//! What the echo servers share and what has nothing to do with how they serve: options, and a page for a browser.

use std::time::Duration;

use sansocket::Config;
use sansocket::deflate::Deflate;
use sansocket::handshake::Response;

pub(crate) struct Options {
    /// Where to listen.
    pub(crate) listen: String,
    pub(crate) max_message: u64,
    pub(crate) config: Config,
}

impl Options {
    /// Those of the command line of this program; otherwise what is wrong with them.
    pub(crate) fn parse(program: &str) -> Result<Self, String> {
        Self::of(std::env::args().skip(1)).map_err(|error| {
            format!("{error}\nusage: {program} [--listen ADDR:PORT] [--max-message BYTES] [--deflate]")
        })
    }

    fn of(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut listen, mut max_message, mut deflate) = ("127.0.0.1:9001".into(), 16 << 20, None);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--listen" => listen = value()?,
                "--max-message" => max_message = value()?.parse().map_err(|e| format!("{arg}: {e}"))?,
                "--deflate" => deflate = Some(Deflate::default()),
                _ => return Err(format!("unknown option {arg}")),
            }
        }
        let config = Config::default()
            .max_frame(max_message)
            .max_message(max_message)
            .max_output(usize::try_from(max_message).unwrap_or(usize::MAX).saturating_add(64 << 20))
            .deflate(deflate)
            .ping_interval(Some(Duration::from_secs(30)));
        Ok(Self { listen, max_message, config })
    }
}

/// The answer to an ordinary request.
pub(crate) fn page(path: &str) -> Response {
    let (status, content_type, body) = match path {
        "/" => (200, "text/html; charset=utf-8", PAGE),
        _ => (404, "text/plain", "There is only /, and WebSockets everywhere.\n"),
    };
    Response::new(status)
        .and_then(|response| response.header("Content-Type", content_type))
        .map(|response| response.body(body))
        .expect("the status and the header are valid")
}

const PAGE: &str = r#"<!DOCTYPE html>
<meta charset="utf-8">
<title>sansocket echo</title>
<h1>sansocket echo</h1>
<form><input id="text" size="40" placeholder="type and press Enter" autofocus disabled></form>
<pre id="log"></pre>
<script>
const log = line => document.getElementById("log").textContent += line + "\n";
const text = document.getElementById("text");
const ws = new WebSocket("ws://" + location.host + "/");
ws.onopen = () => { log("open"); text.disabled = false; text.focus(); };
ws.onmessage = event => log("< " + event.data);
ws.onclose = event => { log("closed: " + event.code + " " + event.reason); text.disabled = true; };
document.querySelector("form").onsubmit = event => {
    event.preventDefault();
    log("> " + text.value);
    ws.send(text.value);
    text.value = "";
};
</script>
"#;
