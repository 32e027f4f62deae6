//! The command line of both programs.

#[path = "../../common/options.rs"]
mod options;

use lexopt::Arg::Long;

/// The options of both programs.
pub(crate) struct Options {
    /// Where to listen.
    pub(crate) listen: String,
    /// Whether to speak TLS.
    pub(crate) tls: bool,
    /// Where to write the certificate.
    pub(crate) certificate: Option<String>,
}

pub(crate) fn parse(usage: &str, tls: bool) -> Options {
    options::parse(usage, |args| {
        let mut options = Options { listen: "127.0.0.1:9001".into(), tls, certificate: None };
        while let Some(arg) = args.next()? {
            match arg {
                Long("listen") => options.listen = options::address(args.value()?, "--listen")?,
                Long("tls") => options.tls = true,
                Long("certificate") => {
                    options.certificate = Some(options::value(args.value()?, "--certificate", "FILE")?);
                    options.tls = true;
                }
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(options)
    })
}
