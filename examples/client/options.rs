//! The command line of the client.

#[path = "../common/options.rs"]
mod command_line;
#[path = "../common/deflate.rs"]
mod deflate;
use std::time::Duration;

use lexopt::Arg::{Long, Short, Value};
use lexopt::{Error, Parser, ValueExt};
use sansocket::handshake::{ClientRequest, Proxy, Redirects};
use sansocket::{Config, ConnectOptions};

use crate::tls;

pub(crate) struct Options {
    pub(crate) request: ClientRequest,
    pub(crate) connect: ConnectOptions,
    pub(crate) binary: bool,
    pub(crate) deflate: bool,
    /// How long to receive after the end of the input.
    pub(crate) wait: Duration,
    pub(crate) reconnect: bool,
    pub(crate) verbose: bool,
}

impl Options {
    pub(crate) fn parse() -> Self {
        command_line::parse(USAGE, read)
    }
}

fn read(args: &mut Parser) -> Result<Options, Error> {
    let (mut url, mut host, mut protocols, mut headers) = (None, None, vec![], vec![]);
    let (mut binary, mut reconnect, mut verbose, mut wait) = (false, false, false, Duration::ZERO);
    let (mut redirects, mut proxy, mut files) = (0, None, tls::Files::default());
    let mut config = Config::default().close_timeout(Duration::from_secs(3));
    let mut compressing = None;
    while let Some(arg) = args.next()? {
        match arg {
            Short('b') | Long("binary") => binary = true,
            Short('H') | Long("header") => headers.push(args.value()?.string()?),
            Long("host") => host = Some(args.value()?.string()?),
            Short('p') | Long("protocol") => protocols.push(args.value()?.string()?),
            Long("deflate") => compressing = deflate::option()?,
            Long("max-message") => {
                let max = command_line::value(args.value()?, "--max-message", "a number of bytes")?;
                config = config.max_message(max).max_frame(max);
            }
            Long("timeout") => config = config.handshake_timeout(seconds(args, "--timeout")?),
            Long("ping") => config = config.ping_interval(Some(seconds(args, "--ping")?)),
            Long("redirects") => redirects = command_line::value(args.value()?, "--redirects", "a number")?,
            Long("proxy") => {
                let value = args.value()?.string()?;
                proxy = Some(Proxy::parse(&value).map_err(|error| format!("--proxy: {error}"))?);
            }
            Long("ca") => files.ca = Some(args.value()?.into()),
            Long("cert") => files.cert = Some(args.value()?.into()),
            Long("key") => files.key = Some(args.value()?.into()),
            Long("wait") => wait = seconds(args, "--wait")?,
            Long("reconnect") => reconnect = true,
            Short('v') | Long("verbose") => verbose = true,
            Value(value) if url.is_none() => url = Some(value.string()?),
            _ => return Err(arg.unexpected()),
        }
    }
    let url = url.ok_or("URL is missing: expected ws://HOST[:PORT]/PATH")?;
    let mut request = ClientRequest::new(&url).map_err(|e| format!("{url}: {e}"))?;
    if let Some(host) = host {
        request = request.host(&host).map_err(|e| format!("--host {host}: {e}"))?;
    }
    for protocol in protocols {
        request = request.subprotocol(&protocol).map_err(|e| format!("--protocol {protocol}: {e}"))?;
    }
    for header in headers {
        let (name, value) =
            header.split_once(':').ok_or_else(|| format!("--header {header}: expected 'NAME: VALUE'"))?;
        request = request.header(name, value.trim()).map_err(|e| format!("--header {header}: {e}"))?;
    }
    let mut connect = ConnectOptions::from(config.deflate(compressing));
    if redirects > 0 {
        connect = connect.redirects(Redirects::new(redirects));
    }
    let connect = match proxy {
        Some(proxy) => connect.proxy(proxy),
        None => connect.choose_proxy(Proxy::from_env),
    };
    let connect = tls::configure(connect, &files)?;
    let deflate = compressing.is_some();
    Ok(Options { request, connect, binary, deflate, wait, reconnect, verbose })
}

fn seconds(args: &mut Parser, name: &str) -> Result<Duration, Error> {
    const EXPECTED: &str = "a number of seconds, such as 2.5";
    let seconds = command_line::value(args.value()?, name, EXPECTED)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("{name} {seconds}: expected {EXPECTED}").into())
}

const USAGE: &str = "usage: client [OPTION]... URL

Sends lines from standard input as text messages, and prints what arrives. At the end of the input it closes the
connection; what the server sends until then is printed.

  URL                          ws://[USER:PASSWORD@]HOST[:PORT]/PATH, or wss://

messages
  -b, --binary                 send binary messages, one for each piece of input, and print messages as they are
  --wait SECONDS               receive for so long after the end of the input (0)
  --max-message BYTES          maximum size of a received message (16777216)
  --deflate                    offer compression

handshake
  -H, --header 'NAME: VALUE'   send this header
  --host HOST[:PORT]           value of the Host header
  -p, --protocol NAME          offer this subprotocol
  --redirects N                follow N redirects (0)
  --timeout SECONDS            time for everything before the connection is open (10)

connecting
  --proxy URL                  go through http://, https:// or socks5://[USER:PASSWORD@]HOST[:PORT];
                               default: as ws_proxy, http_proxy, all_proxy and no_proxy say
  --ca FILE                    trust the certificate authorities in FILE (PEM) and no others
  --cert FILE, --key FILE      the client's certificate and its key (PEM); requires --ca

connection
  --ping SECONDS               ping the server after SECONDS without received data
  --reconnect                  connect again when the connection is lost, or cannot be opened or is closed by the
                               server for a reason that may pass
  -v, --verbose                show every frame on standard error: > sent, < received
  -h, --help                   print this

Exit status: 0 after a closing handshake with 1000, 1001 or no code, 1 if the connection could not be opened,
or the input could not be sent, 2 for a wrong command line, 3 if the connection was lost or failed, 4 if it was closed with another code.";
