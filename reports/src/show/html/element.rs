//! The elements a page is made of: tables and their cells, figures with their data, lists of pairs, sections.
//!
//! Every text goes through maud, which escapes it. Only pictures drawn by this crate are inserted as they are.

use crate::rules::probe::Limit;
use crate::show::layout;
use crate::show::plot::{Drawn, Plot};
use crate::show::units;
use crate::show::words::quantile as quantile_text;
use crate::stats::quantile::Quantile;
use maud::{Markup, Render, html};

/// A cell of a table.
pub(super) struct Field {
    text: String,
    /// What to sort by; absent sorts last.
    key: Option<f64>,
    /// A remark shown on hovering and read out.
    note: Option<String>,
    /// A limit of the load generator that the figure is at.
    mark: Option<Limit>,
}

impl Field {
    /// A figure and what to sort it by.
    pub(super) fn figure(text: impl Into<String>, key: f64) -> Self {
        Self { text: text.into(), key: Some(key), note: None, mark: None }
    }

    /// A count.
    pub(super) fn count(count: u64) -> Self {
        Self::figure(units::grouped(count), count as f64)
    }

    /// Text that is not a figure.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), key: None, note: None, mark: None }
    }

    /// Text with a remark.
    pub(super) fn noted(text: impl Into<String>, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..Self::text(text) }
    }

    /// A figure that is absent, with the reason.
    pub(super) fn absent(why: &str) -> Self {
        Self::noted("absent", why)
    }

    /// The same with a mark behind it, if the figure is at a limit.
    pub(super) fn marked(mut self, mark: Option<Limit>) -> Self {
        self.mark = mark;
        self
    }

    /// A quantile.
    pub(super) fn quantile(quantile: Quantile) -> Self {
        let text = quantile_text(quantile);
        match quantile {
            Quantile::Insufficient { have, need } => Self::noted(
                text,
                format!("{} requests, {} needed", units::grouped(have), units::grouped(need)),
            ),
            other => Self { key: other.ns(), ..Self::text(text) },
        }
    }
}

impl Render for Field {
    fn render(&self) -> Markup {
        // JavaScript reads "Infinity"; Rust would write "inf".
        let key = self.key.map(|key| if key.is_infinite() { "Infinity".to_owned() } else { key.to_string() });
        html! {
            td data-sort=[key] {
                @match &self.note {
                    Some(note) => span.quiet title=(note) { (self.text) },
                    None => (self.text),
                }
                @if let Some(limit) = self.mark { (mark(limit)) }
            }
        }
    }
}

/// The sign of a limit behind a figure, with what it means.
pub(super) fn mark(limit: Limit) -> Markup {
    let (sign, meaning) = limit.sign();
    html! { " " abbr.limit title=(meaning) { (sign) } }
}

/// A row of a table: its head, and its cells.
pub(super) type Row = (Markup, Vec<Field>);

/// A table that can be sorted. `label` names it for those who cannot see it.
pub(super) fn table(label: &str, columns: &[impl AsRef<str>], rows: &[Row]) -> Markup {
    rows_of(label, Some("sortable"), columns, rows)
}

/// A table whose order says something, and stays.
pub(super) fn ordered_table(label: &str, columns: &[impl AsRef<str>], rows: &[Row]) -> Markup {
    rows_of(label, None, columns, rows)
}

fn rows_of(label: &str, class: Option<&str>, columns: &[impl AsRef<str>], rows: &[Row]) -> Markup {
    let heads = columns.iter().map(|column| column.as_ref().render());
    let body = html! {
        @for (head, fields) in rows { tr { th scope="row" { (head) } @for field in fields { (field) } } "\n" }
    };
    any_table(label, class, heads, &body)
}

/// A table of any content, in a box of its own to scroll in.
pub(super) fn any_table(
    label: &str,
    class: Option<&str>,
    heads: impl ExactSizeIterator<Item = Markup>,
    rows: &Markup,
) -> Markup {
    // What a phone cannot show at once is told there.
    let wide = heads.len() > 4;
    html! {
        div.scroll.wide[wide] tabindex="0" role="region" aria-label=(label) {
            table class=[class] {
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody { (rows) }
            }
        }
    }
}

/// A drawn picture with its caption and its data, or the reason why there is none.
pub(super) fn picture(drawn: Drawn, title: &str) -> Markup {
    match drawn {
        Err(why) => nothing_to_draw(title, &why),
        Ok(Plot { svg, title, caption, key, columns, rows }) => {
            let row = |row: &Vec<String>| (row[0].render(), row[1..].iter().map(Field::text).collect());
            let rows: Vec<Row> = rows.iter().map(row).collect();
            let caption = html! { (caption) @for (class, words) in key { " " (shade(class, words)) } };
            figure(&title, &caption, &svg, &ordered_table(&title, &columns, &rows))
        }
    }
}

/// A figure for which there is nothing to draw.
pub(super) fn nothing_to_draw(title: &str, why: &str) -> Markup {
    html! { figure { figcaption { b { (title) } " Nothing to draw: " (why) } } }
}

/// A picture with its caption and its data.
pub(super) fn figure(title: &str, caption: &Markup, picture: &Markup, data: &Markup) -> Markup {
    html! {
        figure {
            figcaption { b { (title) } " " (caption) }
            (picture)
            details { summary { "Data" } (data) }
        }
    }
}

/// What a shade means.
pub(super) fn shade(class: &str, words: &str) -> Markup {
    html! { span.key { span class={ "shade " (class) } {} (words) } }
}

/// Names with what they stand for.
pub(super) fn pairs(rows: impl IntoIterator<Item = (impl Render, impl Render)>) -> Markup {
    html! { dl.pairs { @for (name, value) in rows { dt { (name) } dd { (value) } "\n" } } }
}

/// A section of the page.
pub(super) fn section(id: &str, title: &str, body: &Markup) -> Markup {
    html! { section id=(id) { h2 { (title) } (body) } "\n" }
}

/// What stands above everything: where the page leads, its question, the facts about what it was made from.
pub(super) fn header(
    skip: &str,
    eyebrow: &str,
    question: &str,
    facts: &[String],
    caveats: &[String],
) -> Markup {
    html! {
        a.skip href="#main" { "Skip to " (skip) }
        header {
            p.eyebrow { (eyebrow) }
            h1 { (question) }
            ul.facts { @for fact in facts { li { (fact) } } }
            @for caveat in caveats { p.caveat role="note" { (caveat) } }
        }
    }
}

/// The whole document, with style and script in it. Control characters, which HTML does not allow, become U+FFFD.
pub(super) fn document(title: &str, body: &Markup, footer: &Markup) -> String {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
    let style = maud::PreEscaped(include_str!("style.css"));
    let script = maud::PreEscaped(include_str!("script.js"));
    let page = html! {
        (maud::DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) }
                style { (style) }
            }
            body { (body) footer { (footer) } script { (script) } }
        }
    };
    page.into_string().replace(|c: char| layout::drives(c) && c != '\n' && c != '\t', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let hostile = "<script a='b' c=\"d\">&\u{0}\u{1b}";
        let page =
            document(hostile, &section("a", hostile, &Field::noted(hostile, hostile).render()), &html! {});
        let safe = "&lt;script a='b' c=&quot;d&quot;&gt;&amp;\u{fffd}\u{fffd}";
        assert_eq!(page.matches(safe).count(), 4, "title, heading, remark and text");
        assert_eq!(page.matches("<script").count(), 1);
    }
}
