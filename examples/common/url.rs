//! The command line of clients that are told nothing but the URL.

#[path = "options.rs"]
mod options;

use lexopt::Arg::Value;

pub(crate) fn parse(usage: &str) -> String {
    options::parse(usage, |args| {
        let mut url = None;
        while let Some(arg) = args.next()? {
            match arg {
                Value(value) if url.is_none() => url = Some(options::value(value, "URL", EXPECTED)?),
                _ => return Err(arg.unexpected()),
            }
        }
        url.ok_or_else(|| format!("URL is missing: expected {EXPECTED}").into())
    })
}

const EXPECTED: &str = "ws://HOST[:PORT]/PATH";
