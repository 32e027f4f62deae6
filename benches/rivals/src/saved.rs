//! Lines kept in a file, for what one build cannot measure: another feature of sansocket or a rival, another program.
//!
//! A value to a line: section, name, unit, whether lower is better, `ours`, `rival` or `floor`, library, value; tabs between.

use std::fmt::Write;

use crate::report::Line;

pub fn write(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        let kinds =
            [("floor", &line.floor.into_iter().collect()), ("ours", &line.ours), ("rival", &line.rivals)];
        for (kind, values) in kinds {
            for (library, value) in values {
                let Line { section, name, unit, lower_is_better, .. } = line;
                writeln!(text, "{section}\t{name}\t{unit}\t{lower_is_better}\t{kind}\t{library}\t{value}")
                    .unwrap();
            }
        }
    }
    text
}

pub fn read(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for row in text.lines() {
        let Ok([section, name, unit, lower, kind, library, value]) =
            <[&str; 7]>::try_from(row.split('\t').collect::<Vec<_>>())
        else {
            panic!("not seven columns: {row}");
        };
        if lines.last().is_none_or(|line| line.section != section || line.name != name) {
            lines.push(Line {
                section: leak(section),
                name: name.into(),
                unit: leak(unit),
                lower_is_better: lower == "true",
                floor: None,
                ours: Vec::new(),
                rivals: Vec::new(),
            });
        }
        let value = (leak(library), value.parse().expect("a number"));
        let line = lines.last_mut().unwrap();
        match kind {
            "floor" => line.floor = Some(value),
            "ours" => line.ours.push(value),
            "rival" => line.rivals.push(value),
            _ => panic!("neither floor nor ours nor rival: {row}"),
        }
    }
    lines
}

/// Names live as long as the program, like those in its source.
fn leak(name: &str) -> &'static str {
    name.to_owned().leak()
}

/// Adds the columns of `saved` that `line` does not have.
pub fn merge(line: &mut Line, saved: Line) {
    assert_eq!((line.unit, line.lower_is_better), (saved.unit, saved.lower_is_better), "{}", line.name);
    let new = |values: &[(&str, f64)], name: &str| values.iter().all(|(other, _)| *other != name);
    line.ours.extend(saved.ours.into_iter().filter(|(name, _)| new(&line.ours, name)).collect::<Vec<_>>());
    line.rivals
        .extend(saved.rivals.into_iter().filter(|(name, _)| new(&line.rivals, name)).collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_and_merged() {
        let text = "send\t16 B\tM/s\tfalse\tfloor\tmemcpy\t9.5\nsend\t16 B\tM/s\tfalse\tours\tsimd\t3\n\
            send\t16 B\tM/s\tfalse\trival\ta\t1\nsend\t16 B\tM/s\tfalse\trival\tb\t2\nmemory\tx\tbytes\ttrue\tours\tsimd\t0\n";
        let mut lines = read(text);
        assert_eq!(write(&lines), text);
        let mut line =
            read("send\t16 B\tM/s\tfalse\tours\tsafe\t2\nsend\t16 B\tM/s\tfalse\trival\ta\t7\n").remove(0);
        merge(&mut line, lines.remove(0));
        assert_eq!(line.ours, [("safe", 2.0), ("simd", 3.0)]);
        assert_eq!(line.rivals, [("a", 7.0), ("b", 2.0)]);
    }
}
