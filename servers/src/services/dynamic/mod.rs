//! `dynamic`: an application server: per request some logic and a look-up in an embedded SQLite database, answered as
//! HTML (`/item/ID`) or JSON (`/item/ID.json`, `/search?q=...`).
//!
//! *A look-up is a job that computes.* The database is an image in memory (see [`database`]), so a request parses,
//! searches B-trees and formats text, and never waits: a [`Job::compute`]. Models with a thread or process for each
//! client do it where they are; event loops and tasks hand it to their pool of one thread per CPU, which is where work
//! belongs that would keep a loop from its other clients; `mio-event-loop-inline` does it on the loop. A database that
//! answers over a network is another service: `wait`.

mod database;
mod shop;

use super::http::head::{After, number};
use super::web::{Answer, Asked, HTML, Pages, Web, begin, decode};
use super::{ServiceConfig, ServiceEntry};
use crate::{Exchange, Job, Parts, Request, Service};
use shop::{FIRST, Item, SECOND};
use std::sync::{Arc, OnceLock};

/// The registry's line.
pub(super) static ENTRY: ServiceEntry = ServiceEntry {
    name: "dynamic",
    summary: "pages made per request from an SQLite database, in a computing job: /item/ID, /item/ID.json, /search?q=",
    demand: None,
    build,
    exchange,
};

fn build(config: &ServiceConfig) -> Arc<dyn Service> {
    database::image(); // before anybody forks, and before anybody measures
    Arc::new(Web::new(Shop, config.hosts))
}

fn exchange(max_payload: u32) -> Box<dyn Exchange> {
    let searches = (max_payload >= SEARCH_PAGE).then(searches);
    Box::new(DynamicExchange { items: items(), searches })
}

/// The field that says a reply is JSON, which is UTF-8 by itself (RFC 8259, 8.1).
const JSON: &str = "Content-Type: application/json\r\n";

struct Shop;

impl Pages for Shop {
    fn job(work: impl FnOnce() -> Vec<u8> + Send + 'static) -> Job {
        Job::compute(work)
    }

    fn answer(&self, asked: &Asked) -> Answer {
        match route(asked) {
            Ok(Some((fields, content))) => asked.reply("200 OK", fields, content.as_bytes()),
            Ok(None) => {
                asked.say("404 Not Found", "", "There are /item/ID, /item/ID.json and /search?q=WORDS.")
            }
            Err(Refused::Query) => {
                asked.say("400 Bad Request", "", "A search needs one q=WORDS, percent-encoded UTF-8.")
            }
            Err(Refused::Database) => {
                asked.say("500 Internal Server Error", "", "The database did not answer.")
            }
        }
    }
}

enum Refused {
    Query,
    Database,
}

impl From<rusqlite::Error> for Refused {
    fn from(_: rusqlite::Error) -> Self {
        Self::Database
    }
}

/// The content that was asked for, with the field of its type; `None` where there is nothing.
fn route(asked: &Asked) -> Result<Option<(&'static str, String)>, Refused> {
    if asked.path == b"/" {
        return Ok(Some((HTML, shop::INDEX.into())));
    }
    if asked.path == b"/search" {
        let prefix = asked.query().and_then(words).ok_or(Refused::Query)?;
        let items = database::with(|connection| database::search(connection, &prefix))?;
        return Ok(Some((JSON, shop::found(&items))));
    }
    let Some(name) = asked.path.strip_prefix(b"/item/") else { return Ok(None) };
    let (digits, json) = name.strip_suffix(b".json").map_or((name, false), |digits| (digits, true));
    let Some(id) = number(digits) else { return Ok(None) };
    let page = database::with(|connection| {
        let Some(item) = database::item(connection, id)? else { return Ok(None) };
        if json {
            return Ok(Some((JSON, item.json())));
        }
        Ok(Some((HTML, item.html(&database::related(connection, &item)?))))
    })?;
    Ok(page)
}

/// The value of `q` in a query as forms send it: `+` is a space.
fn words(query: &str) -> Option<String> {
    let mut values = query.split('&').filter_map(|pair| pair.strip_prefix("q="));
    let value = values.next().filter(|_| values.next().is_none())?;
    String::from_utf8(decode(value.replace('+', " ").as_bytes())?).ok()
}

/// Payloads that stand for the two kinds of pages: an item's page is of about 1 KiB, a search's of about 8 KiB.
const ITEM_PAGE: u32 = 1 << 10;
const SEARCH_PAGE: u32 = 8 << 10;

/// Items that a client asks for, every ninth: as many as make a cache of pages useless and a client's start short.
const ASKED_ITEMS: u32 = 1_009;

/// Requests with their replies.
type Messages = Vec<(Vec<u8>, Vec<u8>)>;

/// What is asked of items: every other one as JSON. Made once per process.
fn items() -> &'static Messages {
    static MADE: OnceLock<Messages> = OnceLock::new();
    let item = |number: u32| {
        let item = Item::of(1 + number * 9);
        if number % 2 == 1 {
            return message(&format!("/item/{}.json", item.id), JSON, &item.json());
        }
        message(&format!("/item/{}", item.id), HTML, &item.html(&shop::related(&item)))
    };
    MADE.get_or_init(|| (0..ASKED_ITEMS).map(item).collect())
}

/// The searches: each first word with four of the second ones. Made once per process.
fn searches() -> &'static Messages {
    static MADE: OnceLock<Messages> = OnceLock::new();
    let search = |number: usize| {
        let (first, second) = (number % FIRST.len(), number / FIRST.len() * 4);
        let target = format!("/search?q={}+{}", FIRST[first], SECOND[second]);
        message(&target, JSON, &shop::found(&shop::with_words(first, second)))
    };
    MADE.get_or_init(|| (0..FIRST.len() * 4).map(search).collect())
}

fn message(target: &str, fields: &str, content: &str) -> (Vec<u8>, Vec<u8>) {
    let mut reply = begin("200 OK", fields, content.len() as u64, After::Keep);
    reply.extend_from_slice(content.as_bytes());
    (format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(), reply)
}

/// The client's half.
struct DynamicExchange {
    items: &'static Messages,
    /// None when no payload is large enough.
    searches: Option<&'static Messages>,
}

impl DynamicExchange {
    fn message(&self, request: &Request) -> &(Vec<u8>, Vec<u8>) {
        let large = self.searches.filter(|_| request.size >= SEARCH_PAGE);
        let messages = large.unwrap_or(self.items);
        &messages[(request.id % messages.len() as u64) as usize]
    }
}

impl Exchange for DynamicExchange {
    fn min_payload(&self) -> u32 {
        0
    }

    fn sizes(&self) -> &'static [u32] {
        &[ITEM_PAGE, SEARCH_PAGE]
    }

    /// The number picks the item, or the words to search for.
    fn request(&self, request: &Request) -> Parts<'_> {
        Parts::new(&self.message(request).0, &[], &[])
    }

    fn reply(&self, request: &Request) -> Parts<'_> {
        Parts::new(&[], &self.message(request).1, &[])
    }
}

#[cfg(test)]
mod tests;
