//! Everything that is made of a bundle, whatever stands in it: the terminal's text, the page, and every export.

use crate::bundle::{framed, read};
use bakeoff_reports::analysis::analyse;
use bakeoff_reports::show::export::{Format, Source, export};
use bakeoff_reports::show::html;
use bakeoff_reports::show::text::{SummaryOptions, summary};

/// Takes the input as [`bundle::check`](crate::bundle::check) does, and reports it.
///
/// # Panics
/// Where something cannot be made, or a character of the bundle would drive a terminal or a page.
pub fn check(data: &[u8]) {
    let Some(bundle) = read(&framed(data)) else { return };
    let analysis = analyse(&bundle);
    for width in [40, 80, 200] {
        let text = summary(&analysis, &SummaryOptions { width, ..SummaryOptions::default() });
        let driving = text.chars().find(|c| *c != '\n' && drives(*c));
        assert_eq!(driving, None, "{text}");
    }
    let page = html::report(&analysis);
    assert_eq!(page.chars().find(|c| !matches!(c, '\n' | '\t') && drives(*c)), None);
    for &format in Format::ALL {
        // A bundle may have nothing for a format; that is said, and no fault.
        let Ok(made) = export(Source { bundle: &bundle, analysis: &analysis, gate: None }, format, None)
        else {
            continue;
        };
        for file in made.files.iter().filter(|_| format != Format::Csv) {
            let text = std::str::from_utf8(&file.bytes).expect("text");
            let driving = text.chars().find(|c| !matches!(c, '\n' | '\r' | '\t') && drives(*c));
            assert_eq!(driving, None, "{format:?} {}", file.path);
        }
    }
}

/// Whether a character drives what shows it instead of being shown.
fn drives(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
