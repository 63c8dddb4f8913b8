//! What the web services share: requests to pages, a job that makes each reply, files sent in pieces, error pages.
//!
//! A [`Pages`] says what is answered and how making it occupies somebody; the session here does the protocol (RFC 9110
//! and 9112, as `services/http` reads them). One write per reply, or per piece of a large one. It never holds more of
//! a file than one piece, and it never looks at a socket or a clock: there is no Date field, for the reason given at
//! the service `http`.

use super::Hosts;
use super::http::end_head;
use super::http::head::{self, After, Conditions, Head, Method, Refusal};
use crate::{Advance, Job, JobOutput, Next, Service, Session};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The most bytes of a file that are read, and held, at once. As much as the driver gathers before it flushes.
pub(super) const PIECE: u64 = 256 * 1024;

/// The pages of a service.
pub(super) trait Pages: Send + Sync + 'static {
    /// Makes the work of answering a job of the kind that it is.
    fn job(work: impl FnOnce() -> Vec<u8> + Send + 'static) -> Job;

    /// Answers; on whatever thread does the job.
    fn answer(&self, asked: &Asked) -> Answer;
}

/// A GET or HEAD request that is well formed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// HEAD: the reply has no content.
    pub(super) only_head: bool,
    /// The target as it came, for redirections.
    pub(super) target: String,
    /// Its path, decoded; begins with a slash, has no segment `..` and no NUL.
    pub(super) path: Vec<u8>,
    pub(super) after: After,
    /// The bytes wanted, as the Range field has them; only where it is to be heeded.
    pub(super) range: Option<Vec<u8>>,
    /// The value of If-Range: the range counts only if this is the Last-Modified of what is there.
    pub(super) if_range: Option<Vec<u8>>,
    /// Of If-Modified-Since, where it is to be heeded.
    pub(super) if_modified_since: Option<SystemTime>,
}

impl Asked {
    /// The query behind the path, as it came.
    pub(super) fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    fn of(head: &Head<'_>) -> Result<Self, &'static str> {
        let raw = head.target.split_once('?').map_or(head.target, |(path, _)| path);
        let path =
            decode(raw.as_bytes()).ok_or("a % in the path that two hexadecimal digits do not follow")?;
        if path.first() != Some(&b'/') {
            return Err("a path that does not begin with a slash");
        }
        if path.contains(&0) || path.split(|byte| *byte == b'/').any(|segment| segment == b"..") {
            return Err("a path with .. or a zero byte in it");
        }
        let Conditions { range, if_range, if_modified_since, if_none_match } = head.conditions;
        let only_head = head.method == Method::Head;
        let owned = |value: Option<&[u8]>| value.filter(|_| !only_head).map(<[u8]>::to_vec); // RFC 9110, 14.2
        let date = |value| httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok();
        Ok(Self {
            only_head,
            target: head.target.to_string(),
            path,
            after: head.after,
            range: owned(range),
            if_range: owned(if_range),
            // RFC 9110, 13.1.3: where there is an If-None-Match, it alone counts; without entity tags none matches.
            if_modified_since: if_modified_since.filter(|_| if_none_match.is_none()).and_then(date),
        })
    }

    /// The reply of that head and content, whose length is added.
    pub(super) fn reply(&self, status: &str, fields: &str, content: &[u8]) -> Answer {
        Answer { bytes: whole(status, fields, content, self.after, self.only_head), rest: None }
    }

    /// A short page that says what was wrong. `fields` are whole lines.
    pub(super) fn say(&self, status: &str, fields: &str, reason: &str) -> Answer {
        Answer { bytes: short_page(status, fields, reason, self.after, self.only_head), rest: None }
    }
}

/// The field that says a reply is a page.
pub(super) const HTML: &str = "Content-Type: text/html; charset=utf-8\r\n";

/// The head of a reply with content of that length; `fields` are whole lines.
pub(super) fn begin(status: &str, fields: &str, length: u64, after: After) -> Vec<u8> {
    let mut text = String::with_capacity(256);
    write!(text, "HTTP/1.1 {status}\r\n{fields}Content-Length: {length}").expect("a string takes all");
    let mut bytes = text.into_bytes();
    end_head(&mut bytes, after);
    bytes
}

/// A reply in one piece; to HEAD it has no content.
fn whole(status: &str, fields: &str, content: &[u8], after: After, only_head: bool) -> Vec<u8> {
    let mut bytes = begin(status, fields, content.len() as u64, after);
    if !only_head {
        bytes.extend_from_slice(content);
    }
    bytes
}

/// A small page for a person; the texts are ours and need no escaping.
fn short_page(status: &str, fields: &str, reason: &str, after: After, only_head: bool) -> Vec<u8> {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{status}</title>\n\
         <h1>{status}</h1>\n<p>{reason}</p>\n</html>\n"
    );
    whole(status, &format!("{fields}{HTML}"), page.as_bytes(), after, only_head)
}

/// A reply, or its beginning with the rest in a file.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    pub(super) rest: Option<Rest>,
}

/// Bytes of a file that are still to be sent.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) file: Arc<File>,
    /// Where they begin.
    pub(super) from: u64,
    /// Where they end.
    pub(super) until: u64,
}

impl Rest {
    /// Appends the next piece to `bytes`; what is then still to come.
    ///
    /// # Errors
    /// The file cannot be read, or has become shorter than it was.
    fn read(mut self, bytes: &mut Vec<u8>) -> io::Result<Option<Self>> {
        let length = (self.until - self.from).min(PIECE) as usize;
        let start = bytes.len();
        bytes.resize(start + length, 0);
        self.file.read_exact_at(&mut bytes[start..], self.from)?;
        self.from += length as u64;
        Ok((self.from < self.until).then_some(self))
    }
}

/// How far the reply is that a job works on; left by the job for the session.
#[derive(Debug, Default)]
enum Progress {
    /// All of it is made.
    #[default]
    Whole,
    /// Its next piece begins here.
    More(Rest),
    /// It cannot be finished: the connection has to close.
    Broken,
}

/// A service of pages.
pub(super) struct Web<P> {
    pages: Arc<P>,
    hosts: Hosts,
}

impl<P> Web<P> {
    /// Serves `pages` to clients that name one of `hosts`.
    pub(super) fn new(pages: P, hosts: Hosts) -> Self {
        Self { pages: Arc::new(pages), hosts }
    }
}

impl<P: Pages> Service for Web<P> {
    fn open(&self) -> Box<dyn Session> {
        Box::new(WebSession {
            pages: Arc::clone(&self.pages),
            hosts: self.hosts,
            to_skip: 0,
            after: After::Keep,
            progress: Arc::default(),
        })
    }
}

struct WebSession<P> {
    pages: Arc<P>,
    hosts: Hosts,
    /// Bytes of the last request's content that are still to come.
    to_skip: usize,
    /// What becomes of the connection after the reply under way.
    after: After,
    progress: Arc<Mutex<Progress>>,
}

impl<P: Pages> WebSession<P> {
    fn first_piece(&self, asked: Asked) -> Job {
        let (pages, progress) = (Arc::clone(&self.pages), Arc::clone(&self.progress));
        P::job(move || {
            let Answer { mut bytes, rest } = pages.answer(&asked);
            if let Some(rest) = rest
                && let Err(error) = piece(rest, &mut bytes, &progress)
            {
                // Nothing is sent yet: it can still be said.
                let reason =
                    if error.kind() == ErrorKind::UnexpectedEof { "it shrank" } else { "reading failed" };
                bytes =
                    Asked { after: After::Close, ..asked }.say("500 Internal Server Error", "", reason).bytes;
            }
            bytes
        })
    }

    fn next_piece(&self, rest: Rest) -> Job {
        let progress = Arc::clone(&self.progress);
        P::job(move || {
            let mut bytes = Vec::new();
            if piece(rest, &mut bytes, &progress).is_err() {
                bytes.clear(); // the client learns from the end of the connection that content is missing
            }
            bytes
        })
    }
}

/// Appends the next piece of `rest` and notes what is left.
fn piece(rest: Rest, bytes: &mut Vec<u8>, progress: &Mutex<Progress>) -> io::Result<()> {
    let (now, outcome) = match rest.read(bytes) {
        Ok(None) => (Progress::Whole, Ok(())),
        Ok(Some(rest)) => (Progress::More(rest), Ok(())),
        Err(error) => (Progress::Broken, Err(error)),
    };
    *progress.lock().unwrap_or_else(PoisonError::into_inner) = now;
    outcome
}

impl<P: Pages> Session for WebSession<P> {
    fn advance(&mut self, input: &[u8], output: &mut Vec<u8>) -> Advance {
        if self.to_skip > 0 {
            let consumed = input.len().min(self.to_skip);
            self.to_skip -= consumed;
            return Advance { consumed, completed: 0, next: Next::Read };
        }
        let (length, head) = match head::read(input, self.hosts) {
            Ok(Some(read)) => read,
            Ok(None) => return Advance { consumed: 0, completed: 0, next: Next::Read },
            Err(Refusal { status, reason }) => {
                output.extend(short_page(status, "", reason, After::Close, false));
                return Advance { consumed: 0, completed: 0, next: Next::Reject(reason) };
            }
        };
        self.to_skip = head.content as usize;
        self.after = head.after;
        let (status, fields, reason) = match Asked::of(&head) {
            _ if head.method == Method::Other => {
                ("405 Method Not Allowed", "Allow: GET, HEAD\r\n", "There are GET and HEAD only.")
            }
            Ok(asked) => {
                return Advance { consumed: length, completed: 0, next: Next::Run(self.first_piece(asked)) };
            }
            Err(reason) => ("400 Bad Request", "", reason),
        };
        let only_head = head.method == Method::Head;
        output.extend(short_page(status, fields, reason, head.after, only_head));
        Advance { consumed: length, completed: 1, next: self.after_reply() }
    }

    fn complete(&mut self, result: JobOutput, output: &mut Vec<u8>) -> Next {
        output.extend_from_slice(result.bytes());
        match std::mem::take(&mut *self.progress.lock().unwrap_or_else(PoisonError::into_inner)) {
            Progress::More(rest) => Next::Run(self.next_piece(rest)),
            Progress::Broken => Next::Close,
            Progress::Whole => self.after_reply(),
        }
    }
}

impl<P> WebSession<P> {
    fn after_reply(&self) -> Next {
        if self.after == After::Close { Next::Close } else { Next::Read }
    }
}

/// Percent-decoding (RFC 3986, 2.1); `None` where a `%` is not followed by two hexadecimal digits.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            other => other,
        });
    }
    Some(bytes)
}
