//! [`Line`]: one line of the table, and [`Report`]: all of them as Markdown.

use std::fmt::Write;
use std::fs;

use crate::saved;

/// What one library reaches.
pub type Value = (&'static str, f64);

/// One line of the table.
#[derive(Clone)]
pub struct Line {
    /// "receive", "send", "handshake", "deflate", "memory", "loopback".
    pub section: &'static str,
    /// "server 16 B, binary, reads of 4 KiB".
    pub name: String,
    /// "M/s", "GB/s", "k/s", "bytes".
    pub unit: &'static str,
    pub lower_is_better: bool,
    /// What nobody can beat: ("memcpy", 31.2).
    pub floor: Option<Value>,
    /// The first one is compared.
    pub ours: Vec<Value>,
    pub rivals: Vec<Value>,
}

impl Line {
    /// The same of one column of ours, which its name tells.
    pub fn of(mut self, column: &str, name: &str) -> Option<Self> {
        self.ours.retain(|(other, _)| *other == column);
        self.name = format!("{}, {name}", self.name);
        (!self.ours.is_empty()).then_some(self)
    }

    pub fn best_rival(&self) -> Option<Value> {
        let order = |a: &f64, b: &f64| if self.lower_is_better { b.total_cmp(a) } else { a.total_cmp(b) };
        // Among equals the first.
        self.rivals.iter().rev().copied().max_by(|(_, a), (_, b)| order(a, b))
    }

    /// How many times better ours is than the best rival.
    pub fn to_rival(&self) -> Option<f64> {
        self.best_rival().map(|(_, rival)| self.better(self.ours[0].1, rival))
    }

    /// How many times better ours is than the floor: at most 1, but for noise.
    pub fn to_floor(&self) -> Option<f64> {
        self.floor.map(|(_, floor)| self.better(self.ours[0].1, floor))
    }

    fn better(&self, ours: f64, than: f64) -> f64 {
        if ours == than {
            1.0
        } else if self.lower_is_better {
            than / ours
        } else {
            ours / than
        }
    }

    fn values(&self) -> impl Iterator<Item = Value> {
        self.ours.iter().chain(&self.floor).chain(&self.rivals).copied()
    }
}

/// Prints lines as they come, and keeps them.
pub struct Report {
    pub lines: Vec<Line>,
    /// Measured before, by other runs.
    saved: Vec<Line>,
    notes: Notes,
    printed: Tables,
    /// The file that keeps the lines, as soon as they are there.
    pub save: Option<String>,
}

/// The sections in their order, and what is to be known about each, printed above it.
pub type Notes = &'static [(&'static str, &'static str)];

impl Report {
    pub fn new(notes: Notes, saved: Vec<Line>) -> Self {
        Self { lines: Vec::new(), saved, notes, printed: Tables::new(notes), save: None }
    }

    /// Adds the line, and what was saved of the same.
    pub fn add(&mut self, mut line: Line) {
        let same = |saved: &mut Line| saved.section == line.section && saved.name == line.name;
        for saved in self.saved.extract_if(.., same).collect::<Vec<_>>() {
            saved::merge(&mut line, saved);
        }
        print!("{}", self.printed.next(&line));
        self.lines.push(line);
        if let Some(file) = &self.save {
            fs::write(file, saved::write(&self.lines)).unwrap();
        }
    }

    /// Adds the saved lines that were not measured now.
    pub fn finish(&mut self) {
        while !self.saved.is_empty() {
            let line = self.saved.remove(0);
            self.add(line);
        }
    }

    /// All lines, section by section.
    pub fn markdown(&self) -> String {
        let place = |line: &&Line| self.notes.iter().position(|(section, _)| *section == line.section);
        let mut lines = self.lines.iter().collect::<Vec<_>>();
        lines.sort_by_key(place);
        let mut tables = Tables::new(self.notes);
        lines.into_iter().map(|line| tables.next(line)).collect()
    }
}

/// Lines as tables, one after the other.
struct Tables {
    notes: Notes,
    section: &'static str,
    floor: Option<&'static str>,
    columns: Vec<&'static str>,
}

impl Tables {
    fn new(notes: Notes) -> Self {
        Self { notes, section: "", floor: None, columns: Vec::new() }
    }

    fn next(&mut self, line: &Line) -> String {
        self.head(line) + &row(line, &self.columns)
    }

    /// The title of a section before its first line, and a new table where there are other columns.
    fn head(&mut self, line: &Line) -> String {
        let mut text = String::new();
        let begins = line.section != self.section;
        let floor = line.floor.map(|(name, _)| name);
        if !begins && floor == self.floor && line.values().all(|(name, _)| self.columns.contains(&name)) {
            return text;
        }
        if begins {
            text += &format!("\n## {}\n", line.section);
            for (_, note) in self.notes.iter().filter(|(section, _)| *section == line.section) {
                text += &format!("\n{note}\n");
            }
        }
        (self.section, self.floor) = (line.section, floor);
        self.columns = line.values().map(|(name, _)| name).collect();
        let floor = floor.map(|name| format!("× {name}"));
        let names = floor.as_deref().into_iter().chain(self.columns.iter().copied()).collect::<Vec<_>>();
        let (heads, rules) = (names.join(" | "), "--:|".repeat(names.len()));
        write!(text, "\n| | unit | × rival | best rival | {heads} |\n|---|---|--:|---|{rules}\n").unwrap();
        text
    }
}

fn row(line: &Line, columns: &[&str]) -> String {
    let rival = line.best_rival().map_or("–", |(name, _)| name);
    let mut text = format!("| {} | {} | **{}** | {rival} |", line.name, line.unit, ratio(line.to_rival()));
    if line.floor.is_some() {
        text += &format!(" {} |", ratio(line.to_floor()));
    }
    for column in columns {
        let value = line.values().find(|(name, _)| name == column);
        text += &format!(" {} |", value.map_or("–".into(), |(_, value)| number(value)));
    }
    text + "\n"
}

/// The lines, short: for the README. The columns are the best rival and `ours`, as far as those are in the lines. The first name of
/// a column is its head, and the value is that of the first name that a line has.
pub fn summary(lines: &[&Line], ours: &[&[&str]]) -> String {
    let of = |line: &Line, names: &[&str]| {
        names
            .iter()
            .find_map(|name| line.ours.iter().find(|(other, _)| other == name))
            .map(|(_, value)| *value)
    };
    let ours: Vec<_> =
        ours.iter().filter(|names| lines.iter().any(|line| of(line, names).is_some())).collect();
    let heads: String = ours.iter().map(|names| format!(" {} | ratio |", names[0])).collect();
    let mut text = format!("| | best rival |{heads}\n|---|--:|{}\n", "--:|--:|".repeat(ours.len()));
    for line in lines {
        let unit = line.unit;
        let rival = line.best_rival();
        let best = rival.map_or("–".into(), |(name, value)| format!("{name} {} {unit}", number(value)));
        write!(text, "| {} {} | {best} |", line.section, line.name).unwrap();
        for names in &ours {
            let value = of(line, names);
            let to_rival = value.zip(rival).map(|(value, (_, rival))| line.better(value, rival));
            let value = value.map_or("–".into(), |value| format!("{} {unit}", number(value)));
            write!(text, " {value} | **{}** |", ratio(to_rival)).unwrap();
        }
        text += "\n";
    }
    text
}

/// The lines that `chosen` names by section and name, in its order.
pub fn select<'a>(lines: &'a [Line], chosen: &[(&str, &str)]) -> impl Iterator<Item = &'a Line> {
    chosen.iter().filter_map(|(section, name)| {
        lines.iter().find(|line| line.section == *section && line.name == *name)
    })
}

pub fn ratio(value: Option<f64>) -> String {
    match value {
        None => "–".into(),
        Some(value) if value.is_infinite() => "∞".into(),
        Some(value) => format!("{value:.2}"),
    }
}

/// Three digits that count, and all digits of a whole number.
fn number(value: f64) -> String {
    let digits = match value {
        _ if value.fract() == 0.0 => 0,
        100.0.. => 0,
        10.0.. => 1,
        0.1.. => 2,
        _ => 4,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(lower_is_better: bool, ours: f64) -> Line {
        Line {
            section: "send",
            name: "x".into(),
            unit: "M/s",
            lower_is_better,
            floor: Some(("memcpy", 8.0)),
            ours: vec![("ours", ours), ("ours too", 100.0)],
            rivals: vec![("a", 2.0), ("b", 4.0), ("c", 4.0)],
        }
    }

    #[test]
    fn ratios() {
        let speed = line(false, 6.0);
        assert_eq!(speed.best_rival(), Some(("b", 4.0)));
        assert_eq!((speed.to_rival(), speed.to_floor()), (Some(1.5), Some(0.75)));
        let cost = line(true, 8.0);
        assert_eq!(cost.best_rival(), Some(("a", 2.0)));
        assert_eq!((cost.to_rival(), cost.to_floor()), (Some(0.25), Some(1.0)));
        assert_eq!(ratio(line(true, 0.0).to_rival()), "∞");
    }

    #[test]
    fn summaries() {
        let lines = [&line(false, 6.0), &Line { ours: vec![("ours", 1.0)], ..line(true, 0.0) }];
        let expected = "
| | best rival | ours | ratio | ours too | ratio |
|---|--:|--:|--:|--:|--:|
| send x | b 4 M/s | 6 M/s | **1.50** | 100 M/s | **25.00** |
| send x | a 2 M/s | 1 M/s | **2.00** | – | **–** |
";
        assert_eq!(
            summary(&lines, &[&["ours"], &["another"], &["unknown", "ours too"]]),
            expected[1..].replace("ours too", "unknown")
        );
    }

    #[test]
    fn tables() {
        let mut report = Report::new(&[("send", "A note.")], Vec::new());
        report.add(line(false, 6.0));
        report.add(Line { rivals: vec![("b", 0.125)], ..line(false, 6.0) });
        report.add(Line { rivals: vec![("d", 123.4)], ..line(false, 6.0) });
        let expected = "
## send

A note.

| | unit | × rival | best rival | × memcpy | ours | ours too | memcpy | a | b | c |
|---|---|--:|---|--:|--:|--:|--:|--:|--:|--:|
| x | M/s | **1.50** | b | 0.75 | 6 | 100 | 8 | 2 | 4 | 4 |
| x | M/s | **48.00** | b | 0.75 | 6 | 100 | 8 | – | 0.12 | – |

| | unit | × rival | best rival | × memcpy | ours | ours too | memcpy | d |
|---|---|--:|---|--:|--:|--:|--:|--:|
| x | M/s | **0.05** | d | 0.75 | 6 | 100 | 8 | 123 |
";
        assert_eq!(report.markdown(), expected);
    }

    #[test]
    fn sections_in_their_order() {
        let saved = Line { section: "first", ..line(false, 1.0) };
        let mut report = Report::new(&[("first", ""), ("send", "")], vec![saved]);
        report.add(line(false, 6.0));
        report.finish();
        let sections =
            report.markdown().lines().filter_map(|line| line.strip_prefix("## ")).collect::<String>();
        assert_eq!(sections, "firstsend");
    }
}
