//! The command line of both programs.

#[path = "../../common/options.rs"]
mod options;

use lexopt::Arg::{Long, Value};

/// The options of both programs.
pub(crate) struct Options {
    /// Where to listen.
    pub(crate) address: String,
    /// Whether to speak TLS.
    pub(crate) tls: bool,
    /// Where to write the certificate.
    pub(crate) certificate: Option<String>,
}

pub(crate) fn parse(usage: &str, tls: bool) -> Options {
    options::parse(usage, |args| {
        let (mut address, mut options) = (None, Options { address: String::new(), tls, certificate: None });
        while let Some(arg) = args.next()? {
            match arg {
                Long("tls") => options.tls = true,
                Long("certificate") => {
                    options.certificate = Some(options::value(args.value()?, "--certificate", "FILE")?);
                    options.tls = true;
                }
                Value(value) if address.is_none() => address = Some(options::address(value, "ADDR:PORT")?),
                _ => return Err(arg.unexpected()),
            }
        }
        options.address = address.unwrap_or_else(|| "127.0.0.1:9001".into());
        Ok(options)
    })
}
