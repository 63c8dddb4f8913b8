//! Text in the columns of a terminal: wrapped, cut, and without anything that could drive it.
//!
//! Columns are counted as a terminal shows them: wide characters take two, combining ones none.

use std::fmt::Write as _;
pub(crate) use textwrap::core::display_width as width;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// Whether a character drives what shows it instead of being shown: a control character, or one of those that reorder the text
/// around them (the explicit controls of UAX 9), by which a name can look like another.
pub(crate) fn drives(c: char) -> bool {
    let reorders = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    c.is_control() || reorders
}

/// Text without control characters, so that a name cannot drive the terminal.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if drives(c) { '\u{fffd}' } else { c }).collect()
}

/// Lines of text without control characters.
pub fn clean_lines(text: &str) -> String {
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

/// At most so many columns of a text.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if width(&kept) >= most {
            kept.pop();
            break;
        }
    }
    if most > 0 { kept + "…" } else { kept }
}

/// Text in a column, to the left of it.
pub(crate) fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Text in a column, to the right of it.
pub(crate) fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Text on lines of at most `most` columns: the first begins with `indent`, the others with as many blanks.
pub fn wrapped(text: &str, most: usize, indent: &str) -> String {
    let mut out = String::new();
    push(&mut out, text, most, indent);
    out
}

/// Appends cleaned text, wrapped.
pub(crate) fn push(out: &mut String, text: &str, most: usize, indent: &str) {
    push_wrapped(out, text, most, indent, str::to_owned);
}

/// The same, each line painted.
pub(crate) fn push_wrapped(
    out: &mut String,
    text: &str,
    most: usize,
    indent: &str,
    paint: impl Fn(&str) -> String,
) {
    for line in wrap(&clean(text), most, indent) {
        let _ = writeln!(out, "{}", paint(&line));
    }
}

/// Words on lines of at most `most` columns; the first begins with `indent`, the others with as many blanks. Words stay whole.
pub(crate) fn wrap(text: &str, most: usize, indent: &str) -> Vec<String> {
    let blanks = " ".repeat(width(indent));
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let options = Options::new(most)
        .initial_indent(indent)
        .subsequent_indent(&blanks)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::wrap(&words, options).into_iter().map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_and_never_lost() {
        assert_eq!(wrap("aa bb cc", 6, "  "), ["  aa", "  bb", "  cc"]);
        assert_eq!(wrap("aa bb cc", 7, "- "), ["- aa bb", "  cc"]);
        assert_eq!(wrap("a-word-too-long b", 5, ""), ["a-word-too-long", "b"]);
        assert_eq!(wrap("", 5, "  "), [""]);
        assert_eq!(wrap("宽字 宽字", 6, ""), ["宽字", "宽字"], "as wide as a terminal shows them");
    }

    #[test]
    fn names_cannot_drive_the_terminal() {
        assert_eq!(clean("a\u{1b}[31mb\r\n"), "a\u{fffd}[31mb\u{fffd}\u{fffd}");
        assert_eq!(clean_lines("a\u{1b}[31m\nb\u{202e}"), "a\u{fffd}[31m\nb\u{fffd}");
        assert_eq!([cut("abcdef", 6), cut("abcdef", 4), cut("abcdef", 0)], ["abcdef", "abc…", ""]);
        assert_eq!([cut("宽字宽字", 5), cut("宽字宽字", 1)], ["宽字…", "…"]);
    }
}
