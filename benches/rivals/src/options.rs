//! [`Options`]: what of all this is to be run, and how.

use std::path::PathBuf;

pub struct Options {
    filters: Vec<String>,
    pub rounds: usize,
    /// A short run, for a first look.
    pub quick: bool,
    pub write: bool,
    /// An echo server, and which release of uWebSockets it was built of.
    pub uwebsockets: Option<(PathBuf, String)>,
    pub save: Option<String>,
    pub with: Vec<String>,
}

const USAGE: &str = "[--filter words]... [--rounds n] [--quick] [--uwebsockets program --uwebsockets-version version] \
    [--save file] [--with file]... [--write]";

const ROUNDS: usize = 30;
const QUICK_ROUNDS: usize = 3;

impl Options {
    /// Those of the command line.
    pub fn from_arguments() -> Self {
        Self::of(std::env::args().skip(1)).unwrap_or_else(|why| {
            eprintln!("{why}\nusage: {USAGE}");
            std::process::exit(2)
        })
    }

    fn of(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            filters: Vec::new(),
            rounds: 0,
            quick: false,
            write: false,
            uwebsockets: None,
            save: None,
            with: Vec::new(),
        };
        let (mut program, mut version) = (None, None);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--filter" => options.filters.push(value()?),
                "--rounds" => {
                    options.rounds = value()?.parse().map_err(|why| format!("{argument}: {why}"))?
                }
                "--quick" => options.quick = true,
                "--uwebsockets" => program = Some(value()?.into()),
                "--uwebsockets-version" => version = Some(value()?),
                "--write" => options.write = true,
                "--save" => options.save = Some(value()?),
                "--with" => options.with.push(value()?),
                _ => return Err(format!("unknown option {argument}")),
            }
        }
        options.uwebsockets = match (program, version) {
            (Some(program), Some(version)) => Some((program, version)),
            (None, None) => None,
            _ => return Err("--uwebsockets and --uwebsockets-version belong together".into()),
        };
        if options.rounds == 0 {
            options.rounds = if options.quick { QUICK_ROUNDS } else { ROUNDS };
        }
        Ok(options)
    }

    /// Whether all words of a filter are in the row's section and name.
    pub fn wants(&self, section: &str, name: &str) -> bool {
        let name = format!("{section} {name}");
        let all = |filter: &String| filter.split_whitespace().all(|word| name.contains(word));
        self.filters.is_empty() || self.filters.iter().any(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        Options::of(line.split(' ').map(|word| word.replace('_', " ")))
    }

    #[test]
    fn filters() {
        let all = options("--quick").unwrap();
        assert!(all.wants("send", "16 B"));
        assert_eq!(all.rounds, QUICK_ROUNDS);
        let two = options("--filter receive_16 --filter send").unwrap();
        assert!(two.wants("receive", "16 B") && two.wants("send", "1 KiB") && !two.wants("receive", "1 KiB"));
        assert_eq!(two.rounds, ROUNDS);
    }

    #[test]
    fn mistakes() {
        for line in ["--uwebsockets a", "--rounds x", "--rounds", "--hurry"] {
            assert!(options(line).is_err(), "{line}");
        }
        let both = options("--uwebsockets a --uwebsockets-version 1").unwrap();
        assert_eq!(both.uwebsockets, Some(("a".into(), "1".into())));
    }
}
