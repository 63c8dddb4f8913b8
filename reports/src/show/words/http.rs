//! Replies of HTTP in words: their statuses, what was wrong with them, and what a workload asks and expects.

use crate::record::{HttpExpectation, HttpFault, HttpReplies, HttpRequest, WrongReplies};
use crate::show::units;
use std::fmt;
use std::ops::RangeInclusive;

/// Goes on behind a reply, or behind a number of replies of which it is the first.
impl fmt::Display for HttpFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { status } => write!(f, "had status {status}"),
            Self::Header { name } => write!(f, "had no field `{name}` with the expected value"),
            Self::Length { bytes } => write!(f, "had {} bytes of content", units::grouped(*bytes)),
            Self::Content { at: Some(at) } => {
                write!(f, "had other content from byte {} on", units::grouped(*at))
            }
            Self::Content { at: None } => f.write_str("had other content than the first"),
            Self::NotHttp { begins } => write!(f, "was no HTTP/1.x: it began with \"{begins}\""),
            Self::Switches => f.write_str("had status 101, another protocol, which was not asked for"),
            Self::HeadTooLarge => {
                f.write_str("had a head of more than 8 KiB or 100 fields, or more than 16 interim responses")
            }
            Self::ContentLength => f.write_str("had no number as its Content-Length, or two that differ"),
            Self::TransferCoding => f.write_str("had a transfer coding that does not end with chunked"),
            Self::ChunkSize => {
                f.write_str("had a chunk whose size is no number, or a line of more than 8 KiB")
            }
            Self::ChunkEnd => f.write_str("had a chunk that is longer than its size says"),
            Self::TooLarge => f.write_str("had more than 16 MiB of content"),
            Self::Surplus => f.write_str("had bytes behind its end"),
            Self::Early { status } => {
                write!(f, "had status {status} and came before the request was sent in full")
            }
        }
    }
}

/// Replies by status, such as `200 (1,234), 500 (6)`; empty where none was read.
pub(crate) fn statuses(replies: &HttpReplies) -> String {
    let each = replies.statuses.iter().map(|one| format!("{} ({})", one.status, units::grouped(one.replies)));
    each.collect::<Vec<_>>().join(", ")
}

/// Wrong replies by kind: `300 had status 500, 12 had 3 bytes of content`. Of many kinds the first ones; the rest is counted.
pub(crate) fn kinds(kinds: &[WrongReplies]) -> String {
    const SHOWN: usize = 4;
    let each = kinds.iter().take(SHOWN).map(|one| format!("{} {}", units::grouped(one.replies), one.first));
    let mut each: Vec<String> = each.collect();
    if kinds.len() > SHOWN {
        let rest = kinds[SHOWN..].iter().fold(0_u64, |sum, one| sum.saturating_add(one.replies));
        each.push(format!("{} were wrong in other ways", units::grouped(rest)));
    }
    each.join(", ")
}

/// A range of statuses as a user writes it: `200`, `2xx`, `200-204`.
fn range(range: &RangeInclusive<u16>) -> String {
    match (*range.start(), *range.end()) {
        (one, same) if one == same => one.to_string(),
        (first, last) if first % 100 == 0 && last == first + 99 => format!("{}xx", first / 100),
        (first, last) => format!("{first}-{last}"),
    }
}

impl fmt::Display for HttpExpectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges: Vec<String> = self.statuses.iter().map(range).collect();
        write!(f, "status {}", ranges.join(" or "))?;
        if let Some(length) = self.length {
            write!(f, ", {} bytes of content", units::grouped(length))?;
        }
        for (name, value) in &self.headers {
            write!(f, ", `{name}: {value}`")?;
        }
        if self.same_body { f.write_str(", the content of the first") } else { Ok(()) }
    }
}

impl fmt::Display for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.paths.first().map_or("", String::as_str))?;
        match self.paths.len() {
            0 | 1 => Ok(()),
            more => write!(f, " and {}", units::plural(more as u64 - 1, "more path")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::StatusCount;

    #[test]
    fn an_expectation_is_told_as_it_is_written() {
        let mut expect = HttpExpectation::default();
        assert_eq!(expect.to_string(), "status 2xx");
        expect.statuses = vec![200..=204, 404..=404, 300..=399];
        (expect.length, expect.same_body) = (Some(1_234), true);
        expect.headers = vec![("content-type".into(), "text/html".into())];
        let told = "status 200-204 or 404 or 3xx, 1,234 bytes of content, `content-type: text/html`, the content of the first";
        assert_eq!(expect.to_string(), told);
    }

    #[test]
    fn a_request_and_its_replies_are_told_shortly() {
        let mut request = HttpRequest {
            method: "GET".into(),
            paths: vec!["/a".into()],
            headers: Vec::new(),
            body: String::new(),
            expect: HttpExpectation::default(),
        };
        assert_eq!(request.to_string(), "GET /a");
        request.paths.extend(["/b", "/c"].map(String::from));
        assert_eq!(request.to_string(), "GET /a and 2 more paths");
        let count = |status, replies| StatusCount { status, replies };
        let replies = HttpReplies { statuses: vec![count(200, 1_234), count(500, 6)], ..Default::default() };
        assert_eq!(statuses(&replies), "200 (1,234), 500 (6)");
        let wrong = |status, replies| WrongReplies { first: HttpFault::Status { status }, replies };
        assert_eq!(kinds(&[wrong(500, 1_300), wrong(302, 2)]), "1,300 had status 500, 2 had status 302");
        let many: Vec<WrongReplies> = (400..406).map(|status| wrong(status, 1)).collect();
        assert!(kinds(&many).ends_with("1 had status 403, 2 were wrong in other ways"), "{}", kinds(&many));
    }
}
