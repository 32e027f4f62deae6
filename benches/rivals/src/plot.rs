//! [`svg`]: the lines' ratios to the best rival, as bars.

use std::fmt::Write;

use crate::report::{Line, ratio};

const LABELS: f64 = 350.0;
const BARS: f64 = 400.0;
const VALUES: f64 = 200.0;
const ROW: f64 = 18.0;
/// Readable on white and on black.
const TEXT: &str = "#6e7781";
const BETTER: &str = "#2da44e";
const WORSE: &str = "#d1242f";
/// What lies outside is drawn at the edge.
const RANGE: [f64; 2] = [0.1, 20.0];
const TICKS: [f64; 8] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];

pub fn svg<'a>(lines: impl Iterator<Item = &'a Line>) -> String {
    let (mut body, mut y, mut section) = (String::new(), 2.0 * ROW, "");
    for line in lines {
        let Some(value) = line.to_rival() else { continue };
        if line.section != section {
            section = line.section;
            y += ROW;
            text(&mut body, LABELS - 8.0, y, "end", "bold", section);
            y += ROW;
        }
        bar(&mut body, y, line, value);
        y += ROW;
    }
    let (width, height) = (LABELS + BARS + VALUES, y + ROW / 2.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"{TEXT}\">\n"
    );
    text(&mut svg, LABELS, ROW * 0.8, "start", "bold", "ratio to the best rival; more is better");
    for tick in TICKS {
        let (x, top, width) = (x(tick), 2.0 * ROW, if tick == 1.0 { 1.5 } else { 0.4 });
        text(&mut svg, x, ROW * 1.8, "middle", "normal", &tick.to_string());
        writeln!(svg, "<path d=\"M{x:.1} {top}V{y}\" stroke=\"{TEXT}\" stroke-width=\"{width}\"/>").unwrap();
    }
    svg + &body + "</svg>\n"
}

fn bar(out: &mut String, y: f64, line: &Line, value: f64) {
    let (from, to) = (x(1.0).min(x(value)), x(1.0).max(x(value)));
    let (width, height, colour) = (to - from, ROW * 0.7, if value >= 1.0 { BETTER } else { WORSE });
    let top = y - ROW * 0.55;
    text(out, LABELS - 8.0, y, "end", "normal", &line.name);
    writeln!(
        out,
        "<rect x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
    )
    .unwrap();
    let rival = line.best_rival().map_or("", |(name, _)| name);
    text(out, LABELS + BARS + 8.0, y, "start", "normal", &format!("{} of {rival}", ratio(Some(value))));
}

/// Where a ratio is, on a logarithmic scale.
fn x(ratio: f64) -> f64 {
    let [low, high] = RANGE.map(f64::ln);
    LABELS + BARS * ((ratio.clamp(RANGE[0], RANGE[1]).ln() - low) / (high - low))
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, weight: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    // In the middle of the row.
    let y = y + 1.5;
    writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-weight=\"{weight}\">{text}</text>"
    )
    .unwrap();
}

#[test]
fn positions() {
    assert_eq!(x(0.0), LABELS);
    assert_eq!(x(f64::INFINITY), LABELS + BARS);
    assert!(x(0.9) < x(1.0) && x(1.0) < x(1.1));
}
