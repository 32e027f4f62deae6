//! A chat with rooms, for browsers.
//!
//! ```text
//! cd examples/chat && cargo run --release -- [--listen ADDR:PORT] [--origin ORIGIN]…
//! ```

use std::process::{self, ExitCode};

use chat::Chat;
use lexopt::ValueExt;
use sansocket::handshake::OriginPolicy;
use tokio::net::TcpListener;

const USAGE: &str = "usage: chat [--listen ADDR:PORT] [--origin ORIGIN]...

A chat with rooms: open the address in a browser. Ctrl-C closes all connections.

  --listen ADDR:PORT   where to listen (127.0.0.1:9001)
  --origin ORIGIN      whose pages may connect, such as https://chat.example.com
                       (those that this server serves)
  -h, --help           print this";

struct Options {
    listen: String,
    origins: OriginPolicy,
}

fn main() -> ExitCode {
    let options = options().unwrap_or_else(|error| {
        eprintln!("{error}; see --help");
        process::exit(2)
    });
    match serve(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(options: Options) -> std::io::Result<()> {
    let listener = TcpListener::bind(&options.listen).await?;
    println!("chat on http://{}/", listener.local_addr()?);
    Chat::new(options.origins).serve(listener, tokio::signal::ctrl_c()).await;
    println!("stopped");
    Ok(())
}

fn options() -> Result<Options, lexopt::Error> {
    use lexopt::Arg::{Long, Short};
    let (mut listen, mut origins) = ("127.0.0.1:9001".to_owned(), Vec::new());
    let mut args = lexopt::Parser::from_env();
    while let Some(arg) = args.next()? {
        match arg {
            Long("listen") => listen = args.value()?.string()?,
            Long("origin") => origins.push(args.value()?.string()?),
            Long("help") | Short('h') => {
                println!("{USAGE}");
                process::exit(0);
            }
            _ => return Err(arg.unexpected()),
        }
    }
    let origins = match &origins[..] {
        [] => OriginPolicy::same_origin(),
        _ => OriginPolicy::allow(&origins)
            .map_err(|error| format!("--origin: {error}: expected such as https://chat.example.com"))?,
    };
    Ok(Options { listen, origins })
}
