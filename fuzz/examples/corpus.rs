//! `corpus unpack` writes the inputs of `corpora/TARGET.txt` into `corpus/TARGET/`, where cargo-fuzz looks for them; `corpus pack`
//! does the opposite. A line is an input in hexadecimal, with its name in front if somebody gave it one.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    match env::args().nth(1).as_deref() {
        Some("unpack") => unpack(root),
        Some("pack") => pack(root),
        _ => Err(io::Error::other("expected `unpack` or `pack`")),
    }
}

fn unpack(root: &Path) -> io::Result<()> {
    for (target, _) in sansocket_fuzz::targets() {
        let folder = root.join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        let Ok(text) = fs::read_to_string(root.join(format!("corpora/{target}.txt"))) else { continue };
        for (number, line) in text.lines().enumerate() {
            let (name, hex) = line
                .split_once(' ')
                .map_or((format!("input_{number}"), line), |(name, hex)| (name.to_owned(), hex));
            let digits = hex.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap_or_default());
            let bytes = digits.map(|digits| u8::from_str_radix(digits, 16).map_err(io::Error::other));
            fs::write(folder.join(name), bytes.collect::<io::Result<Vec<_>>>()?)?;
        }
    }
    Ok(())
}

fn pack(root: &Path) -> io::Result<()> {
    for folder in fs::read_dir(root.join("corpus"))? {
        let folder = folder?;
        let mut lines = BTreeSet::new();
        for file in fs::read_dir(folder.path())? {
            let file = file?;
            let name = file.file_name().to_string_lossy().into_owned();
            // Names that cargo-fuzz or `unpack` gave say nothing.
            let is_hash = name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            let is_given = !name.starts_with("input_") && !is_hash;
            let mut line = if is_given { format!("{name} ") } else { String::new() };
            for byte in fs::read(file.path())? {
                let _ = write!(line, "{byte:02x}");
            }
            lines.insert(line + "\n");
        }
        let packed = root.join(format!("corpora/{}.txt", folder.file_name().to_string_lossy()));
        fs::write(packed, Vec::from_iter(lines).concat())?;
    }
    Ok(())
}
