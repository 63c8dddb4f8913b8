//! `static`: serves a folder over HTTP/1.1, as a web server does: GET and HEAD, `index.html`, content types, ranges, and
//! 304 for what has not changed.
//!
//! *Reading is a job that blocks.* Opening and reading a file may wait for a disk, and Linux offers no readiness for
//! regular files: that is the question a web server puts to an event loop. So every request that reaches the files is a
//! [`Job::block`]: models with a thread or process for each client do it where they are, the event loops and tasks hand
//! it to their blocking pool (as libuv, `tokio::fs` and nginx with `aio threads` do), and `mio-event-loop-inline` reads
//! on the loop (as nginx does by default). What is malformed is refused without a job.
//!
//! A file goes out in pieces of 256 KiB, each read when the one before is sent, so a client costs that much, whatever
//! the size of the file. A file that shrinks meanwhile ends its connection: its length has been promised.
//!
//! Without a folder it serves a small built-in site, whose every byte the client's half knows.

mod folder;
mod range;
mod site;
mod types;

use super::web::{Answer, Asked, Pages, Rest, Web, begin};
use super::{ServiceConfig, ServiceEntry};
use crate::{Exchange, Job, Parts, Request, Service};
use folder::Folder;
use range::{Wanted, wanted};
use site::{FILES, SIZES, Site};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// The registry's line.
pub(super) static ENTRY: ServiceEntry = ServiceEntry {
    name: "static",
    summary: "files over HTTP/1.1, read in a blocking job: a built-in site, or the folder of `serve --root`",
    demand: None,
    build,
    exchange,
};

fn build(config: &ServiceConfig) -> Arc<dyn Service> {
    Arc::new(Web::new(Files::BuiltIn(Site::shared()), config.hosts))
}

/// What becomes of files and folders in a served folder whose names begin with a dot: `.git`, `.env`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dotfiles {
    /// They are not found. `.well-known` (RFC 8615) is made to be served and is.
    #[default]
    Hidden,
    /// They are files as others.
    Served,
}

/// The service `static` with a folder of its own instead of the built-in site.
///
/// # Errors
/// The folder cannot be opened, or the kernel has no `openat2` (before 5.6).
pub fn folder(path: &Path, dotfiles: Dotfiles, config: &ServiceConfig) -> io::Result<Arc<dyn Service>> {
    Ok(Arc::new(Web::new(Files::Folder(Folder::open(path, dotfiles)?), config.hosts)))
}

fn exchange(max_payload: u32) -> Box<dyn Exchange> {
    Box::new(StaticExchange::new(max_payload))
}

/// What is at a path.
#[derive(Debug)]
enum Found {
    Page(Page),
    /// A folder, asked for without the slash at its end.
    Folder,
    Nothing,
}

/// A file, or a part of one that is served as if it were one.
#[derive(Clone, Debug)]
struct Page {
    content_type: &'static str,
    modified: Option<SystemTime>,
    file: Arc<File>,
    /// Where in the file it begins, and ends.
    from: u64,
    until: u64,
}

enum Files {
    Folder(Folder),
    BuiltIn(&'static Site),
}

impl Pages for Files {
    fn job(work: impl FnOnce() -> Vec<u8> + Send + 'static) -> Job {
        Job::block(work)
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let found = match self {
            Self::Folder(folder) => folder.find(&asked.path),
            Self::BuiltIn(site) => Ok(site.find(&asked.path)),
        };
        match found {
            Ok(Found::Page(page)) => page.answer(asked),
            Ok(Found::Folder) => {
                let location = format!("Location: {}\r\n", with_slash(&asked.target));
                asked.say("301 Moved Permanently", &location, "The folder's address ends with a slash.")
            }
            Ok(Found::Nothing) => asked.say("404 Not Found", "", "There is no such file here."),
            Err(_) => asked.say("500 Internal Server Error", "", "The file could not be opened."),
        }
    }
}

/// The target with a slash behind its path. One slash at its front, no more: `//name/` would lead to another
/// host, and browsers read a backslash as a slash.
fn with_slash(target: &str) -> String {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    format!("/{}/{query}", path.trim_start_matches(['/', '\\']))
}

/// The fields of a reply about a file, whole lines.
fn fields(content_type: &str, date: Option<&str>) -> String {
    let modified = date.map_or(String::new(), |date| format!("Last-Modified: {date}\r\n"));
    format!("Content-Type: {content_type}\r\n{modified}Accept-Ranges: bytes\r\n")
}

impl Page {
    fn answer(self, asked: &Asked) -> Answer {
        let date = self.modified.map(httpdate::fmt_http_date);
        if self.unchanged(asked) {
            // Without content, and so without fields about it (RFC 9110, 15.4.5).
            let date = date.map_or(String::new(), |date| format!("Last-Modified: {date}\r\n"));
            let mut bytes = format!("HTTP/1.1 304 Not Modified\r\n{date}Accept-Ranges: bytes").into_bytes();
            super::http::end_head(&mut bytes, asked.after);
            return Answer { bytes, rest: None };
        }
        let length = self.until - self.from;
        let fields = fields(self.content_type, date.as_deref());
        let same = |value: &Vec<u8>| date.as_ref().is_some_and(|date| date.as_bytes() == value.trim_ascii());
        let range = asked.range.as_ref().filter(|_| asked.if_range.as_ref().is_none_or(same));
        let part = match range.map_or(Wanted::Whole, |field| wanted(field, length)) {
            Wanted::Whole => {
                let bytes = begin("200 OK", &fields, length, asked.after);
                return self.with_content(bytes, 0..length, asked);
            }
            Wanted::Nothing => {
                let fields = format!("Content-Range: bytes */{length}\r\n");
                return asked.say("416 Range Not Satisfiable", &fields, "The file is shorter than that.");
            }
            Wanted::Part(part) => part,
        };
        let fields = format!("{fields}Content-Range: bytes {}-{}/{length}\r\n", part.start, part.end - 1);
        let bytes = begin("206 Partial Content", &fields, part.end - part.start, asked.after);
        self.with_content(bytes, part, asked)
    }

    /// Whether the client has what is there. Seconds: the field has no finer time.
    fn unchanged(&self, asked: &Asked) -> bool {
        let seconds =
            |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |t| t.as_secs());
        match (self.modified, asked.if_modified_since) {
            (Some(modified), Some(known)) => seconds(modified) <= seconds(known),
            _ => false,
        }
    }

    fn with_content(self, bytes: Vec<u8>, part: std::ops::Range<u64>, asked: &Asked) -> Answer {
        let (from, until) = (self.from + part.start, self.from + part.end);
        let has_content = from < until && !asked.only_head;
        Answer { bytes, rest: has_content.then_some(Rest { file: self.file, from, until }) }
    }
}

/// The client's half, for the built-in site: replies made once, of all files up to the largest asked for.
struct StaticExchange {
    /// Heads of the requests and whole replies, in the order of sizes, then kinds.
    pages: Vec<(Vec<u8>, Vec<u8>)>,
}

impl StaticExchange {
    fn new(max_payload: u32) -> Self {
        let page = |(number, content): (usize, Vec<u8>)| {
            let path = site::path(number / FILES, number % FILES);
            let date = httpdate::fmt_http_date(site::modified());
            let fields = fields(types::of(path.as_bytes()), Some(&date));
            let mut reply = begin("200 OK", &fields, content.len() as u64, super::http::head::After::Keep);
            reply.extend_from_slice(&content);
            (format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(), reply)
        };
        Self { pages: site::contents(size_of(max_payload)).into_iter().enumerate().map(page).collect() }
    }

    fn page(&self, request: &Request) -> &(Vec<u8>, Vec<u8>) {
        &self.pages[size_of(request.size) * FILES + (request.id % FILES as u64) as usize]
    }
}

/// Which of the sizes a payload of `bytes` stands for: the largest that is no more, or the smallest.
fn size_of(bytes: u32) -> usize {
    SIZES.iter().rposition(|&size| size <= bytes).unwrap_or(0)
}

impl Exchange for StaticExchange {
    fn min_payload(&self) -> u32 {
        0
    }

    fn sizes(&self) -> &'static [u32] {
        &SIZES
    }

    /// A file of the largest size that is no more than asked for; the number picks among its four kinds.
    fn request(&self, request: &Request) -> Parts<'_> {
        Parts::new(&self.page(request).0, &[], &[])
    }

    fn reply(&self, request: &Request) -> Parts<'_> {
        Parts::new(&[], &self.page(request).1, &[])
    }
}

#[cfg(test)]
mod tests;
