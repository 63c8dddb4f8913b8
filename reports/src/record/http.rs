//! Requests of HTTP that a workload spells out, which replies to them are right, and what came instead; typed, no prose.

use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// What is asked of a server that is nobody's of ours, and what it must answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRequest {
    /// The method.
    pub method: String,
    /// The paths, with their queries, one at least; which a request asks for is drawn from the seed, each as likely as another.
    pub paths: Vec<String>,
    /// Fields beside those that every request has (`Host`, and `Content-Length` where there is a body).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The content; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Which replies are right.
    pub expect: HttpExpectation,
}

/// Which replies are right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpExpectation {
    /// Their statuses, one range at least.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// Bytes of their content; any number where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Fields that they have, with exactly these values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Whether their content is that of the first right reply for the same path that has any, which every worker of the swarm
    /// learns anew in each trial: two workers, trials or contestants may each have learnt another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub same_body: bool,
}

impl Default for HttpExpectation {
    /// Any 2xx.
    fn default() -> Self {
        Self { statuses: vec![200..=299], length: None, headers: Vec::new(), same_body: false }
    }
}

/// The replies to the requests of a window, where they were read as HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpReplies {
    /// By status, in ascending order, right and wrong ones.
    pub statuses: Vec<StatusCount>,
    /// The wrong ones by kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrong: Vec<WrongReplies>,
    /// Replies behind which the server closed the connection, so that the next request made another.
    #[serde(default, skip_serializing_if = "super::number::is_zero")]
    pub closes: u64,
}

impl HttpReplies {
    /// Whether none was read.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds those of another worker or trial.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for StatusCount { status, replies } in &other.statuses {
            match self.statuses.binary_search_by_key(status, |one| one.status) {
                Ok(at) => self.statuses[at].replies = self.statuses[at].replies.saturating_add(*replies),
                Err(at) => self.statuses.insert(at, StatusCount { status: *status, replies: *replies }),
            }
        }
        for WrongReplies { first, replies } in &other.wrong {
            match self.wrong.iter_mut().find(|one| one.first.is_like(first)) {
                Some(known) => known.replies = known.replies.saturating_add(*replies),
                None => self.wrong.push(WrongReplies { first: first.clone(), replies: *replies }),
            }
        }
        self.closes = self.closes.saturating_add(other.closes);
        self
    }
}

/// Replies of one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusCount {
    /// The status.
    pub status: u16,
    /// How many.
    pub replies: u64,
}

/// Wrong replies of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrongReplies {
    /// The first of them.
    pub first: HttpFault,
    /// How many.
    pub replies: u64,
}

/// What was received instead of a right reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum HttpFault {
    /// Another status.
    Status {
        /// It.
        status: u16,
    },
    /// An expected field was not there or had another value.
    Header {
        /// Its name.
        name: String,
    },
    /// Content of another length.
    Length {
        /// Its bytes.
        bytes: u64,
    },
    /// Other content.
    Content {
        /// The first byte that differs; absent where what is right is known by a hash, that of the first right reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<u64>,
    },
    /// No HTTP/1.x.
    NotHttp {
        /// How it begins: up to 16 bytes, what is no printable ASCII escaped.
        begins: String,
    },
    /// Another protocol from there on (101).
    Switches,
    /// A head beyond the limits, or too many interim responses.
    HeadTooLarge,
    /// A `Content-Length` that is no number, or two that differ.
    ContentLength,
    /// A transfer coding that does not end with `chunked`.
    TransferCoding,
    /// A chunk's size that is no number, or a line of it that does not end.
    ChunkSize,
    /// A chunk that is longer than it says.
    ChunkEnd,
    /// Content beyond the limit.
    TooLarge,
    /// Bytes behind the reply.
    Surplus,
    /// A reply before its request was sent in full.
    Early {
        /// Its status.
        status: u16,
    },
}

impl HttpFault {
    /// Whether it is of the same kind as another; where it has a status, with the same one.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Status { status }, Self::Status { status: same })
            | (Self::Early { status }, Self::Early { status: same }) => status == same,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_add_up_by_status_and_by_kind_of_fault() {
        let count = |status, replies| StatusCount { status, replies };
        let wrong = |first, replies| WrongReplies { first, replies };
        let one = HttpReplies {
            statuses: vec![count(200, 5), count(500, 1)],
            wrong: vec![
                wrong(HttpFault::Status { status: 500 }, 1),
                wrong(HttpFault::Content { at: Some(3) }, 2),
            ],
            closes: 0,
        };
        let other = HttpReplies {
            statuses: vec![count(302, 2), count(500, 1)],
            wrong: vec![
                wrong(HttpFault::Status { status: 302 }, 2),
                wrong(HttpFault::Content { at: Some(9) }, 1),
            ],
            closes: 4,
        };
        let sum = one.plus(&other);
        assert_eq!(sum.statuses, [count(200, 5), count(302, 2), count(500, 2)]);
        assert_eq!(
            sum.wrong,
            [
                wrong(HttpFault::Status { status: 500 }, 1),
                wrong(HttpFault::Content { at: Some(3) }, 3),
                wrong(HttpFault::Status { status: 302 }, 2)
            ]
        );
        assert_eq!(sum.closes, 4);
        let text = serde_json::to_string(&sum).expect("JSON");
        assert_eq!(serde_json::from_str::<HttpReplies>(&text).expect("the same"), sum);
        assert!(HttpReplies::default().is_empty() && !sum.is_empty());
    }
}
