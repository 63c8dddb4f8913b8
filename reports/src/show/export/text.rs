//! Free text made safe for each format, and for file names. Names of workloads, models and sides come from files and
//! command lines: every one of them passes through here.

use crate::show::layout::drives;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The longest name of a folder or file, in bytes; criterion cuts there, too.
pub(super) const LONGEST_NAME: usize = 64;
/// The same where no tool has a say in it: file systems take 255, and an ending and a number come on top.
pub(super) const LONGEST_FILE_NAME: usize = 200;

/// The names that mean something of their own in criterion's folder, anywhere in a path.
pub(super) const RESERVED: [&str; 4] = ["new", "base", "change", "report"];

/// Text for XML 1.0, as content or in an attribute. Characters that XML cannot hold, even escaped, become U+FFFD.
pub(super) fn xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            // Written out, or a reader would make blanks of them.
            '\t' | '\n' | '\r' => {
                let _ = write!(safe, "&#{};", u32::from(c));
            }
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// Text for a line or a table cell of GitHub's Markdown: nothing in it is markup, a mention, a reference or a line break.
pub(super) fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => {
                safe.push('\\');
                safe.push(c);
            }
            // A comment behind the sign keeps @name from calling somebody and #12 from being a link.
            '@' | '#' => {
                safe.push(c);
                safe.push_str("<!-- -->");
            }
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// Text for HTML within Markdown, where a backslash is one: on one line, with neither a mention nor a reference.
pub(super) fn html(text: &str) -> String {
    let blank = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let line: String = text.chars().map(|c| if blank(c) { ' ' } else { c }).collect();
    // No blank of it is written as a reference by now, so every `#` is the text's own.
    xml(&line).replace('@', "@<!-- -->").replace('#', "#<!-- -->")
}

/// At most so many characters of a text.
pub(super) fn cut(text: &str, most: usize) -> String {
    crate::show::layout::cut(text, most)
}

/// Text for the value of an OpenMetrics label, or for a HELP line: the three escapes there are.
pub(super) fn label(text: &str) -> String {
    shown(text).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Text without what drives a terminal or reorders a line; line breaks and tabs stay, which each format has its own way with.
fn shown(text: &str) -> String {
    let kept = |c: char| !drives(c) || matches!(c, '\n' | '\r' | '\t');
    text.chars().map(|c| if kept(c) { c } else { '\u{fffd}' }).collect()
}

/// A field of CSV by RFC 4180: quoted where it holds a comma, a quote or a line break. Text that a spreadsheet would take
/// for a formula has an apostrophe before it.
pub(super) fn field(text: &str) -> String {
    let text = shown(text);
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// A name as one part of a path, that a shell takes as one word without quotes. As criterion has it, separators and what
/// some system forbids become `_`, and it is cut at 64 bytes; blanks, brackets and whatever else is neither a letter nor a
/// digit become a `-`, one for as many as there are together. Names that criterion keeps for itself, and those that a file
/// system does, are marked with a `_`.
pub(super) fn component(name: &str) -> String {
    component_within(name, LONGEST_NAME)
}

/// The same, cut at `most` bytes.
pub(super) fn component_within(name: &str, most: usize) -> String {
    let forbidden = |c: char| c.is_control() || "?\"/\\*<>:|^".contains(c);
    let mut safe = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            c if c.is_alphanumeric() || matches!(c, '.' | '_') => safe.push(c),
            c if forbidden(c) => safe.push('_'),
            _ if safe.ends_with('-') => {}
            _ => safe.push('-'),
        }
    }
    // A leading one would make an option of it.
    let mut safe = safe.trim_start_matches('-').to_owned();
    shorten(&mut safe, most);
    let bare = safe.trim_end_matches(['.', '-']).len();
    safe.truncate(bare);
    if safe.is_empty() || RESERVED.contains(&safe.to_lowercase().as_str()) {
        safe.push('_');
    }
    safe
}

fn shorten(text: &mut String, most: usize) {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

/// Names that must not meet: a second one that looks the same gets a number.
pub(super) struct Unique {
    taken: BTreeSet<String>,
    most: usize,
}

impl Default for Unique {
    fn default() -> Self {
        Self::within(LONGEST_NAME)
    }
}

impl Unique {
    /// Of names of at most so many bytes.
    pub(super) fn within(most: usize) -> Self {
        Self { taken: BTreeSet::new(), most }
    }

    /// The name, or the name with the first number that is free. Names that differ in case alone count as the same, for
    /// some file systems do not tell them apart. Stays as short as it must if the name does.
    pub(super) fn name(&mut self, within: &str, name: &str) -> String {
        let key = |name: &str| format!("{within}\n{name}").to_lowercase();
        let numbered = (2..).map(|number: u64| {
            let suffix = format!("_{number}");
            let mut short = name.to_owned();
            shorten(&mut short, self.most.saturating_sub(suffix.len()));
            short + &suffix
        });
        let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| self.taken.insert(key(name)));
        free.expect("there are more numbers than names")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a reader of XML makes of escaped text.
    fn read_xml(text: &str) -> String {
        let mut plain = text.to_owned();
        for (escaped, c) in [
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&quot;", "\""),
            ("&apos;", "'"),
            ("&#9;", "\t"),
            ("&#10;", "\n"),
            ("&#13;", "\r"),
        ] {
            plain = plain.replace(escaped, c);
        }
        plain.replace("&amp;", "&")
    }

    /// What a reader of a label's value makes of it.
    fn read_label(text: &str) -> String {
        let (mut plain, mut chars) = (String::new(), text.chars());
        while let Some(c) = chars.next() {
            plain.push(match c {
                '\\' => match chars.next() {
                    Some('n') => '\n',
                    Some(c @ ('\\' | '"')) => c,
                    other => panic!("{other:?} is no escape in {text:?}"),
                },
                c => c,
            });
        }
        plain
    }

    /// The fields of one record of CSV.
    fn read_fields(text: &str) -> Vec<String> {
        let (mut fields, mut quoted, mut chars) = (vec![String::new()], false, text.chars().peekable());
        while let Some(c) = chars.next() {
            match c {
                '"' if quoted && chars.peek() == Some(&'"') => {
                    fields.last_mut().expect("one").push(chars.next().expect("peeked"));
                }
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(String::new()),
                c => fields.last_mut().expect("one").push(c),
            }
        }
        fields
    }

    proptest! {
        #[test]
        fn xml_gives_back_what_xml_can_hold(text in any::<String>()) {
            let safe = xml(&text);
            prop_assert!(!safe.contains(['<', '>', '"', '\'']));
            let kept = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}') || "\t\n\r".contains(c);
            let expected: String = text.chars().map(|c| if kept(c) { c } else { '\u{fffd}' }).collect();
            prop_assert_eq!(read_xml(&safe), expected);
        }

        #[test]
        fn a_table_cell_of_markdown_stays_one_cell_on_one_line(text in ".{0,40}|[|\\\\`<>@#\n]{0,20}") {
            let safe = markdown(&text);
            prop_assert!(safe.chars().all(|c| !matches!(c, '\n' | '\r' | '\u{2028}')), "{}", safe);
            let signs: Vec<char> = safe.chars().collect();
            for at in (0..signs.len()).filter(|at| "|`*_[]~$".contains(signs[*at])) {
                let backslashes = signs[..at].iter().rev().take_while(|c| **c == '\\').count();
                prop_assert!(backslashes % 2 == 1, "{:?} at {} of {}", signs[at], at, safe);
            }
            let without = safe.replace("<!-- -->", "");
            prop_assert!(!without.contains('<') && safe.replace("@<!-- -->", "").find('@').is_none());
        }

        #[test]
        fn html_within_markdown_stays_on_one_line_and_is_read_back(text in ".{0,30}|[<>&\"'@#\n\t_\\\\*]{0,20}") {
            let safe = html(&text);
            let shown = safe.replace("@<!-- -->", "@").replace("#<!-- -->", "#");
            prop_assert!(!shown.contains(['<', '>', '\n', '\r', '\u{2028}', '\u{2029}']), "{}", safe);
            let kept = |c: char| match c {
                '\u{2028}' | '\u{2029}' => ' ',
                '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
                c if c.is_control() => ' ',
                c => c,
            };
            prop_assert_eq!(read_xml(&shown), text.chars().map(kept).collect::<String>());
        }

        #[test]
        fn a_label_of_openmetrics_is_read_back(text in any::<String>()) {
            let safe = label(&text);
            prop_assert!(!safe.contains('\n'));
            prop_assert!(!safe.contains(|c: char| drives(c) && !"\r\t".contains(c)), "{:?}", safe);
            prop_assert_eq!(read_label(&safe), shown(&text));
        }

        #[test]
        fn a_field_of_csv_is_read_back_as_one(text in any::<String>(), other in "[a-z,\"\n]{0,9}") {
            let fields = read_fields(&format!("{},{}", field(&text), field(&other)));
            let kept = |text: &str| if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{}", shown(text)) } else { shown(text) };
            prop_assert_eq!(fields, [kept(&text), kept(&other)]);
        }

        #[test]
        fn a_name_is_one_part_of_a_path(name in any::<String>()) {
            let safe = component(&name);
            prop_assert!(!safe.is_empty() && safe.len() <= LONGEST_NAME + 1 && safe != "." && safe != "..");
            prop_assert!(!safe.contains(['/', '\\', '\0', ':']) && !RESERVED.contains(&safe.as_str()));
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
            prop_assert!(safe.chars().all(plain) && !safe.starts_with('-'), "{}", safe);
            prop_assert_eq!(component(&safe), safe.clone(), "a name that is one already stays");
            let mut unique = Unique::default();
            let (first, second) = (unique.name("", &safe), unique.name("", &safe));
            prop_assert!(first != second && second.len() <= LONGEST_NAME);
        }
    }

    #[test]
    fn names_of_criterion_are_not_taken_and_long_ones_are_cut() {
        assert_eq!(
            ["new", "Report", "..", "", "a/b:c", "tokio"].map(component),
            ["new_", "Report_", "_", "_", "a_b_c", "tokio"]
        );
        assert_eq!(
            ["mio-event-loop (A)", "a  b, $c", "--help", "größe 2.0", "(new)"].map(component),
            ["mio-event-loop-A", "a-b-c", "help", "größe-2.0", "new_"]
        );
        assert_eq!(component(&"µ".repeat(60)), "µ".repeat(32));
        assert_eq!(component_within(&"µ".repeat(60), LONGEST_FILE_NAME), "µ".repeat(60));
        let mut unique = Unique::default();
        let names = ["a", "A", "a"].map(|name| unique.name("x", name));
        assert_eq!(names, ["a", "A_2", "a_3"]);
        assert_eq!(unique.name("y", "a"), "a");
        // A folder whose name differs in case alone may be the same folder.
        assert_eq!(unique.name("X", "a"), "a_4");
    }
}
