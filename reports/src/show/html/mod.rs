//! The report as one self-contained HTML page: no request leaves it, and it can be read without its script.
//!
//! Every text that comes from a bundle is escaped. The page depends on the analysis alone, byte for byte.

mod absent;
mod anatomy;
mod answer;
mod contents;
mod costs;
mod costs_overview;
mod data;
mod decision;
mod envelope;
mod evidence;
mod figures;
mod gate;
mod heat;
mod history;
mod matrix;
mod page;
mod pictures;
mod stops;
mod sweep;
mod theory;
mod trust;
mod workload;

pub use history::history;
pub use page::{report, report_beside};

use crate::show::units;
use crate::stats::quantile::Quantile;
use std::fmt::Write as _;

/// Text made safe for element content and for attributes in double or single quotes. Control characters other than
/// line feed and tab, which HTML does not allow, become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(c),
            c if c.is_control() => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// A quantile as text.
pub(crate) fn quantile_text(quantile: Quantile) -> String {
    match quantile {
        Quantile::Value(ns) => units::time(ns as f64),
        Quantile::NeverAnswered => "never".to_owned(),
        Quantile::Insufficient { .. } => "too few".to_owned(),
    }
}

/// A cell of a table.
pub(crate) struct Field {
    text: String,
    /// What to sort by; absent sorts last.
    key: Option<f64>,
    /// A remark shown on hovering and read out.
    note: Option<String>,
    /// A sign behind the text and what it means.
    mark: Option<(&'static str, &'static str)>,
}

impl Field {
    /// A figure and what to sort it by.
    pub(crate) fn figure(text: String, key: f64) -> Self {
        Self { text, key: Some(key), note: None, mark: None }
    }

    /// Text that is not a figure.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), key: None, note: None, mark: None }
    }

    /// A figure that is absent, with the reason.
    pub(crate) fn absent(why: &str) -> Self {
        Self { text: "absent".to_owned(), key: None, note: Some(why.to_owned()), mark: None }
    }

    /// The same with a mark behind it and what the mark means, if there is one.
    pub(crate) fn marked(mut self, mark: Option<(&'static str, &'static str)>) -> Self {
        self.mark = mark;
        self
    }

    /// A quantile.
    pub(crate) fn quantile(quantile: Quantile) -> Self {
        let text = quantile_text(quantile);
        match quantile {
            Quantile::Insufficient { have, need } => {
                let (have, need) = (units::grouped(have), units::grouped(need));
                Self { text, key: None, note: Some(format!("{have} requests, {need} needed")), mark: None }
            }
            other => Self { text, key: other.ns(), note: None, mark: None },
        }
    }

    fn html(&self) -> String {
        // JavaScript reads "Infinity"; Rust would write "inf".
        let key =
            self.key.map(|key| if key.is_infinite() { "Infinity".to_owned() } else { format!("{key}") });
        let key = key.map_or_else(String::new, |key| format!(" data-sort=\"{key}\""));
        let mark = self.mark.map_or_else(String::new, mark);
        match &self.note {
            Some(note) => {
                format!(
                    "<td{key}><span class=\"quiet\" title=\"{}\">{}</span>{mark}</td>",
                    escape(note),
                    escape(&self.text)
                )
            }
            None => format!("<td{key}>{}{mark}</td>", escape(&self.text)),
        }
    }
}

/// A sign behind a figure with what it means.
pub(crate) fn mark((sign, meaning): (&str, &str)) -> String {
    format!(" <abbr class=\"limit\" title=\"{}\">{sign}</abbr>", escape(meaning))
}

/// A table that can be sorted, in a box of its own to scroll in. The first column of a row heads it and is given as
/// HTML; `label` names the box for those who cannot see it.
pub(crate) fn table(label: &str, columns: &[&str], rows: &[(String, Vec<Field>)]) -> String {
    let label = escape(label);
    // What a phone cannot show at once is told there.
    let wide = if columns.len() > 4 { " wide" } else { "" };
    let mut html = format!(
        "<div class=\"scroll{wide}\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\"><table class=\"sortable\"><thead><tr>"
    );
    for column in columns {
        let _ = write!(html, "<th scope=\"col\">{}</th>", escape(column));
    }
    html.push_str("</tr></thead><tbody>\n");
    for (head, fields) in rows {
        let _ = write!(html, "<tr><th scope=\"row\">{head}</th>");
        fields.iter().for_each(|field| html.push_str(&field.html()));
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_escapes_the_escape() {
        assert_eq!(
            escape("<script a='b' c=\"d\">&\u{0}\u{1b}"),
            "&lt;script a=&#39;b&#39; c=&quot;d&quot;&gt;&amp;\u{fffd}\u{fffd}"
        );
        assert_eq!(escape("µs × 10\n"), "µs × 10\n");
    }
}
