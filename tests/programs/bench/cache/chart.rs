//! The ratios as a picture: a bar for each contender in each case, its length the logarithm of "times faster than rsync -a".

use std::fmt::Write;

use super::{case::Case, contender::Contender, results::Results};

const WIDTH: f64 = 860.0;
const LEFT: f64 = 150.0;
const BAR: f64 = 18.0;
const HEAD: f64 = 34.0;

/// Readable on white and on black: no background, middling tones, letters in the colour of the surroundings.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#57606a}.t{font-weight:600;fill:#6e7781}.r{fill:#8b949e}\
.o{fill:#2f81f7}.n{text-anchor:end}@media(prefers-color-scheme:dark){text{fill:#9da7b3}.t{fill:#c9d1d9}}";

/// An SVG document.
pub(super) fn draw(results: &Results, caption: &str) -> String {
    let mut body = String::new();
    let mut at = 30.0;
    let most = results.rows.iter().filter_map(|row| results.ratio(row)).fold(10.0, f64::max);
    let _ = writeln!(body, r#"<text class="t" x="0" y="16">{}</text>"#, escaped(caption));
    for case in Case::ALL {
        let rows: Vec<_> = results.rows.iter().filter(|row| row.case == case).collect();
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(body, r#"<text class="t" x="0" y="{:.0}">{}</text>"#, at + 20.0, escaped(case.title()));
        at += HEAD;
        for row in rows {
            let Some(ratio) = results.ratio(row) else { continue };
            let ours = if row.contender.is_ours() { "o" } else { "r" };
            let label = if row.contender == Contender::Rsync {
                format!("{:.2} s", row.seconds())
            } else if ratio < 10.0 {
                format!("{ratio:.1}x, {:.2} s", row.seconds())
            } else {
                format!("{ratio:.0}x, {:.2} s", row.seconds())
            };
            let length = bar(ratio, most);
            let _ = writeln!(
                body,
                r#"<text class="n" x="{:.0}" y="{:.0}">{}</text><rect class="{ours}" x="{LEFT:.0}" y="{:.0}" width="{length:.1}" height="{:.0}" rx="2"/><text x="{:.1}" y="{:.0}">{}</text>"#,
                LEFT - 8.0,
                at + 13.0,
                escaped(row.contender.name()),
                at,
                BAR - 4.0,
                LEFT + length + 6.0,
                at + 13.0,
                escaped(&label)
            );
            at += BAR;
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {:.0}\" role=\"img\"><title>{}</title><style>{STYLE}</style>\n{body}</svg>\n",
        at + 10.0,
        escaped(caption)
    )
}

/// rsync's is 40 long, the longest ends where its label still has room.
fn bar(ratio: f64, most: f64) -> f64 {
    let room = WIDTH - LEFT - 130.0 - 40.0;
    (40.0 + room * ratio.ln() / most.ln()).max(4.0)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
