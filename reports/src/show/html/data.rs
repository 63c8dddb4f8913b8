//! The raw data: where the bundle is, and what makes tables of it. Nothing is fetched: the bundle is named beside the page.

use super::element::section as framed;
use maud::{Markup, html};
use std::fmt::Write as _;

/// The section; `bundle` is the file name of the bundle, if it lies beside the page.
pub(super) fn section(bundle: Option<&str>) -> Markup {
    let body = html! {
        p {
            @match bundle {
                Some(name) => {
                    a href={ "./" (percent(name)) } { (name) } " is the bundle: every trial with its histograms, a line of \
                     JSON for each. It lies beside this page; " code { "bakeoff report" } " makes the page from it again, byte \
                     for byte."
                }
                None => "The bundle this page was made from lies elsewhere.",
            }
            " " code { "bakeoff export --format csv" } " makes a table of its trials, those left out included, with the \
             reason; other formats are for other tools."
        }
    };
    framed("data", "The data", &body)
}

/// A file name as a reference: everything but letters, digits and a few signs as %XX.
fn percent(name: &str) -> String {
    name.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(byte as char),
            other => {
                let _ = write!(text, "%{other:02X}");
            }
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_no_other_reference() {
        assert_eq!(percent("javascript:a b"), "javascript%3Aa%20b");
        assert!(section(Some("a b.jsonl")).0.contains("href=\"./a%20b.jsonl\""));
    }
}
