//! The command line of servers that are told nothing but where to listen.

#[path = "options.rs"]
mod options;

use lexopt::Arg::Long;

pub(crate) fn parse(usage: &str) -> String {
    options::parse(usage, |args| {
        let mut listen = "127.0.0.1:9001".into();
        while let Some(arg) = args.next()? {
            match arg {
                Long("listen") => listen = options::address(args.value()?, "--listen")?,
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(listen)
    })
}
