//! What the echo servers share and what has nothing to do with how they serve: options, how they are stopped, and a page
//! for a browser.

#[path = "config.rs"]
mod config;
#[path = "deflate.rs"]
mod deflate;
#[path = "options.rs"]
mod options;
#[path = "stop.rs"]
mod stop;

use std::time::Duration;

use lexopt::Arg::Long;
use sansocket::Config;
use sansocket::handshake::Response;
pub(crate) use stop::on_signal;

pub(crate) struct Options {
    /// Where to listen.
    pub(crate) listen: String,
    pub(crate) max_message: u64,
    pub(crate) config: Config,
}

impl Options {
    /// Those of the command line of this program.
    pub(crate) fn parse(program: &str) -> Self {
        options::parse(&format!("usage: {program} {OPTIONS}"), |args| {
            let (mut listen, mut max_message, mut deflate) = ("127.0.0.1:9001".into(), 16 << 20, None);
            while let Some(arg) = args.next()? {
                match arg {
                    Long("listen") => listen = options::address(args.value()?, "--listen")?,
                    Long("max-message") => {
                        max_message = options::value(args.value()?, "--max-message", "a number of bytes")?
                    }
                    Long("deflate") => deflate = deflate::option()?,
                    _ => return Err(arg.unexpected()),
                }
            }
            let config =
                config::config(max_message).deflate(deflate).ping_interval(Some(Duration::from_secs(30)));
            Ok(Self { listen, max_message, config })
        })
    }
}

const OPTIONS: &str = "[--listen ADDR:PORT] [--max-message BYTES] [--deflate]

Echoes every message; an ordinary request gets a page to try it with. Ctrl-C or SIGTERM closes all connections.

  --listen ADDR:PORT    where to listen (127.0.0.1:9001)
  --max-message BYTES   maximum size of a message (16777216)
  --deflate             accept compression
  -h, --help            print this";

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
