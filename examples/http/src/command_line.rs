//! The command line of both programs.

#[path = "../../common/options.rs"]
mod options;

use lexopt::Arg::{Long, Value};

/// Where to listen, and whether over TLS, if that can be chosen.
pub(crate) fn parse(usage: &str, may_choose: bool) -> (String, bool) {
    options::parse(usage, |args| {
        let (mut address, mut tls) = (None, false);
        while let Some(arg) = args.next()? {
            match arg {
                Long("tls") if may_choose => tls = true,
                Value(value) if address.is_none() => address = Some(options::address(value, "ADDR:PORT")?),
                _ => return Err(arg.unexpected()),
            }
        }
        Ok((address.unwrap_or_else(|| "127.0.0.1:9001".into()), tls))
    })
}
