//! The command line of servers that are told nothing but where to listen.

#[path = "options.rs"]
mod options;

use lexopt::Arg::Value;

pub(crate) fn parse(usage: &str) -> String {
    options::parse(usage, |args| {
        let mut address = None;
        while let Some(arg) = args.next()? {
            match arg {
                Value(value) if address.is_none() => address = Some(options::address(value, "ADDR:PORT")?),
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(address.unwrap_or_else(|| "127.0.0.1:9001".into()))
    })
}
