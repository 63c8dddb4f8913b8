//! The shop that the database holds and the pages show: every item a pure function of its number.
//!
//! Both halves of the service take the wording of pages from here. What an item is, the server's half reads from the
//! database and the client's half computes, so that a wrong row shows.

use crate::services::payload::splitmix64;
use std::fmt::Write as _;

/// Items are numbered 1 to this.
pub(super) const ITEMS: u32 = 10_000;

/// Items of a category are this far apart: a prime, so that neighbours are no relatives.
pub(super) const CATEGORIES: u32 = 97;

/// The most items shown beside an item, and the most that a search shows.
pub(super) const RELATED: usize = 4;
pub(super) const FOUND: usize = 10;

/// Words of names, at most six letters: a search for two of them fits into one short request.
pub(super) const FIRST: [&str; 16] = [
    "amber", "brass", "cedar", "copper", "cotton", "fir", "glass", "golden", "iron", "linen", "maple",
    "oaken", "silver", "steel", "velvet", "walnut",
];
pub(super) const SECOND: [&str; 16] = [
    "anvil", "basket", "bell", "bowl", "candle", "chair", "clock", "drum", "flute", "kettle", "lamp",
    "mirror", "needle", "table", "vase", "wheel",
];

/// Words of descriptions.
const WORDS: [&str; 16] = [
    "made", "by", "hand", "from", "the", "finest", "wood", "and", "metal", "of", "a", "small", "workshop",
    "near", "old", "harbour",
];

/// A row of the table. No text of it needs escaping, in HTML or in JSON: letters, digits, spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) category: u32,
    pub(super) cents: u32,
    pub(super) stock: u32,
    pub(super) about: String,
}

impl Item {
    /// The item of that number.
    pub(super) fn of(id: u32) -> Self {
        let mut state = u64::from(id);
        let dice = splitmix64(&mut state);
        let mut about = String::with_capacity(800);
        for _ in 0..8 {
            let mut word = splitmix64(&mut state);
            for _ in 0..16 {
                about += WORDS[(word % 16) as usize];
                about.push(' ');
                word >>= 4;
            }
        }
        about.pop();
        Self {
            id,
            name: name_of(id),
            category: id % CATEGORIES,
            cents: 100 + (dice % 50_000) as u32,
            stock: (dice >> 32) as u32 % 40,
            about,
        }
    }

    /// A page about the item and some of its relatives, number and name.
    pub(super) fn html(&self, related: &[(u32, String)]) -> String {
        let Self { id, name, category, about, .. } = self;
        let mut text = format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{name}</title>\n<h1>{name}</h1>\n\
             <p>{about}.</p>\n<p>Item {id}, category {category}. {}. {}.</p>\n<ul>\n",
            Price(self.price()),
            self.availability(),
        );
        for (id, name) in related {
            writeln!(text, "<li><a href=\"/item/{id}\">{name}</a></li>").expect("a string takes all");
        }
        text + "</ul></html>\n"
    }

    /// The same as JSON, relatives left out.
    pub(super) fn json(&self) -> String {
        let Self { id, name, category, stock, about, .. } = self;
        let price = self.price();
        format!(
            "{{\"id\":{id},\"name\":\"{name}\",\"category\":{category},\"price_cents\":{price},\"stock\":{stock},\
             \"about\":\"{about}\"}}"
        )
    }

    /// What it costs in cents: more than 30 in stock are sold at a tenth less; then 19 % of tax, rounded up.
    fn price(&self) -> u32 {
        let net = if self.stock > 30 { self.cents - self.cents / 10 } else { self.cents };
        (net * 119).div_ceil(100)
    }

    fn availability(&self) -> &'static str {
        match self.stock {
            0 => "Sold out",
            1..=5 => "Few left",
            _ => "In stock",
        }
    }
}

/// An item's name: two words and its number.
fn name_of(id: u32) -> String {
    format!("{} {} {id}", FIRST[id as usize % 16], SECOND[id as usize / 16 % 16])
}

/// Cents as euros.
struct Price(u32);

impl std::fmt::Display for Price {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EUR {}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// What a search found, as JSON.
pub(super) fn found(items: &[Item]) -> String {
    format!("[{}]", items.iter().map(Item::json).collect::<Vec<_>>().join(",\n"))
}

/// The page at `/`.
pub(super) const INDEX: &str = "<!doctype html>
<html lang=\"en\"><meta charset=\"utf-8\"><title>bakeoff: dynamic</title>
<h1>A shop of 10,000 items</h1>
<p>Each page is made from an SQLite database: <a href=\"/item/1\">item 1</a>, <a href=\"/item/1.json\">the same as
JSON</a>, <a href=\"/search?q=golden+lamp\">a search</a>.</p>
<form action=\"/search\"><label>Names that begin with <input name=\"q\" value=\"silver\"></label> <button>Search</button>
</form>
</html>
";

/// What the client's half knows without a database.
pub(super) fn related(item: &Item) -> Vec<(u32, String)> {
    let next = (1..=RELATED as u32).map(|step| item.id + step * CATEGORIES).filter(|id| *id <= ITEMS);
    next.map(|id| (id, name_of(id))).collect()
}

/// The first items, by name, whose name is these two words and a number.
pub(super) fn with_words(first: usize, second: usize) -> Vec<Item> {
    let ids = (1..=ITEMS).filter(|id| (*id as usize % 16, *id as usize / 16 % 16) == (first, second));
    let mut items: Vec<(String, u32)> = ids.map(|id| (id.to_string(), id)).collect();
    items.sort_unstable(); // as texts, as the database does
    items.into_iter().take(FOUND).map(|(_, id)| Item::of(id)).collect()
}
