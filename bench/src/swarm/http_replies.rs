//! What a worker writes down of replies that it reads as HTTP: their statuses, what was wrong with them, and how often the
//! server closed. Recording never allocates.

use bakeoff_reports::record::{HttpFault, HttpReplies, StatusCount, WrongReplies};
use bakeoff_servers::exchange::{HttpExpected, HttpReply, Wrong};

/// Statuses have three digits.
const STATUSES: usize = 1_000;
/// More kinds of fault than there are, each status for itself.
const MAX_KINDS: usize = 64;

/// The books of one worker on replies of HTTP; empty where a service has none.
#[derive(Debug, Default)]
pub(super) struct HttpBooks {
    by_status: Vec<u64>,
    /// The first of each kind, and how many.
    wrong: Vec<(Wrong, u64)>,
    closes: u64,
}

impl HttpBooks {
    /// Books for a service that speaks HTTP.
    pub(super) fn new() -> Self {
        Self { by_status: vec![0; STATUSES], wrong: Vec::with_capacity(MAX_KINDS), closes: 0 }
    }

    /// A reply has come, or as much of it as shows that it is wrong; whether the server `closes` behind it.
    pub(super) fn enter(&mut self, reply: &HttpReply, closes: bool) {
        if let Some(count) = reply.status().and_then(|status| self.by_status.get_mut(usize::from(status))) {
            *count += 1;
        }
        self.closes += u64::from(closes);
        if let Some(wrong) = reply.wrong() {
            self.note(wrong);
        }
    }

    /// Bytes have come between replies that nobody asked for, and fail the next request.
    pub(super) fn enter_surplus(&mut self) {
        if !self.by_status.is_empty() {
            self.note(Wrong::Surplus);
        }
    }

    fn note(&mut self, wrong: Wrong) {
        if let Some((_, count)) = self.wrong.iter_mut().find(|(first, _)| is_like(*first, wrong)) {
            *count += 1;
        } else if self.wrong.len() < MAX_KINDS {
            // What there is no room for is counted by its status.
            self.wrong.push((wrong, 1));
        }
    }

    /// Closes the books on replies of which this was expected.
    pub(super) fn close(self, expected: Option<&HttpExpected<'_>>) -> HttpReplies {
        let Some(expected) = expected else { return HttpReplies::default() };
        let by_status = (0_u16..).zip(self.by_status).filter(|(_, replies)| *replies > 0);
        HttpReplies {
            statuses: by_status.map(|(status, replies)| StatusCount { status, replies }).collect(),
            wrong: self
                .wrong
                .into_iter()
                .map(|(first, replies)| WrongReplies { first: fault(first, expected), replies })
                .collect(),
            closes: self.closes,
        }
    }
}

fn is_like(one: Wrong, other: Wrong) -> bool {
    match (one, other) {
        (Wrong::Status(one), Wrong::Status(other)) | (Wrong::Early(one), Wrong::Early(other)) => one == other,
        _ => std::mem::discriminant(&one) == std::mem::discriminant(&other),
    }
}

/// What was wrong with a reply of which this was expected, for a record.
pub fn fault(wrong: Wrong, expected: &HttpExpected<'_>) -> HttpFault {
    match wrong {
        Wrong::Status(status) => HttpFault::Status { status },
        Wrong::Header(at) => {
            let name = expected.headers.get(at).map(|(name, _)| name.clone()).unwrap_or_default();
            HttpFault::Header { name }
        }
        Wrong::Length(bytes) => HttpFault::Length { bytes },
        Wrong::Content(at) => HttpFault::Content { at },
        Wrong::NotHttp(begins) => {
            let filled = begins.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            HttpFault::NotHttp { begins: begins[..filled].escape_ascii().to_string() }
        }
        Wrong::Switches => HttpFault::Switches,
        Wrong::HeadTooLarge => HttpFault::HeadTooLarge,
        Wrong::ContentLength => HttpFault::ContentLength,
        Wrong::TransferCoding => HttpFault::TransferCoding,
        Wrong::ChunkSize => HttpFault::ChunkSize,
        Wrong::ChunkEnd => HttpFault::ChunkEnd,
        Wrong::TooLarge => HttpFault::TooLarge,
        Wrong::Surplus => HttpFault::Surplus,
        Wrong::Early(status) => HttpFault::Early { status },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_counted_by_status_and_by_kind_of_fault() {
        let expected = HttpExpected::ok(b"yes");
        let mut books = HttpBooks::new();
        let mut enter = |message: &str, closes| {
            let mut reply = HttpReply::default();
            // What is no HTTP is an error, and noted in the reply.
            let _ = reply.on_data(message.as_bytes(), &expected);
            books.enter(&reply, closes);
        };
        enter("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes", false);
        enter("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nno!", true);
        enter("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", false);
        enter("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", false);
        enter("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", false);
        enter("SSH-2.0-OpenSSH_9\r\n", false);
        let replies = books.close(Some(&expected));
        let count = |status, replies| StatusCount { status, replies };
        assert_eq!(replies.statuses, [count(200, 2), count(500, 1), count(503, 2)]);
        let wrong = |first, replies| WrongReplies { first, replies };
        assert_eq!(
            replies.wrong,
            [
                wrong(HttpFault::Content { at: Some(0) }, 1),
                wrong(HttpFault::Status { status: 500 }, 1),
                wrong(HttpFault::Status { status: 503 }, 2),
                wrong(HttpFault::NotHttp { begins: "SSH-2.0-OpenSSH_".into() }, 1)
            ]
        );
        assert_eq!(replies.closes, 1);
    }
}
