//! The built-in site: four small to large files of four kinds, the same bytes in every process.
//!
//! Its content lies in an anonymous file in memory (`memfd_create`), so that a request costs a read from the page cache
//! as for a file of a folder, while nothing is left behind on any disk. Made once per process.

use super::{Found, Page};
use crate::services::payload::Block;
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

/// The sizes of its files in bytes, and the folders they lie in.
pub(super) const SIZES: [u32; 4] = [1 << 10, 8 << 10, 64 << 10, 1 << 20];
const FOLDERS: [&str; 4] = ["1KiB", "8KiB", "64KiB", "1MiB"];

/// The kinds of files in each folder: name, what stands before the filling and what behind it.
const KINDS: [(&str, &str, &str); 4] = [
    ("page.html", "<!doctype html>\n<html lang=\"en\"><title>A page</title><p>\n", "</p></html>\n"),
    ("style.css", "/*\n", "*/\nbody { max-width: 40em; }\n"),
    ("script.js", "/*\n", "*/\nconsole.log('loaded');\n"),
    ("picture.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"><!--\n", "--></svg>\n"),
];

/// Files in a folder.
pub(super) const FILES: usize = KINDS.len();

/// When all files were last changed: 2026-01-01 00:00 UTC, so that replies are the same in every process.
pub(super) fn modified() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

/// The path of a file.
///
/// # Panics
/// If either number is out of range.
pub(super) fn path(size: usize, kind: usize) -> String {
    format!("/{}/{}", FOLDERS[size], KINDS[kind].0)
}

/// Makes the content of the files of the sizes up to that of number `largest`, in the order of sizes, then kinds.
pub(super) fn contents(largest: usize) -> Vec<Vec<u8>> {
    // Printable, and nothing that could end a comment or begin a tag.
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz  0123";
    let block = Block::new(SIZES[largest], |byte| LETTERS[usize::from(byte % 32)]);
    let file = |size: u32, kind: usize| {
        let (_, before, behind) = KINDS[kind];
        let filling = size as usize - before.len() - behind.len();
        let filling = block.payload(u64::from(size) * 31 + kind as u64 * 1_009, filling as u32);
        [before.as_bytes(), filling, behind.as_bytes()].concat()
    };
    let all = SIZES[..=largest].iter().flat_map(|&size| (0..FILES).map(move |kind| (size, kind)));
    all.map(|(size, kind)| file(size, kind)).collect()
}

/// The page at `/`: links to all others.
fn index() -> String {
    let mut text = String::from(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>bakeoff: static</title>\n\
         <h1>The built-in site</h1>\n<p>Serve a folder of your own with <code>--root DIR</code>.</p>\n<ul>\n",
    );
    for size in 0..SIZES.len() {
        for kind in 0..FILES {
            let path = path(size, kind);
            text += &format!("<li><a href=\"{path}\">{path}</a></li>\n");
        }
    }
    text + "</ul></html>\n"
}

/// The site with its files.
#[derive(Debug)]
pub(super) struct Site {
    pages: Vec<(String, Page)>,
}

impl Site {
    /// The site of this process.
    ///
    /// # Panics
    /// If there are not 5 MiB of memory for it.
    pub(super) fn shared() -> &'static Self {
        static SITE: OnceLock<Site> = OnceLock::new();
        SITE.get_or_init(|| Self::make().expect("memory for the built-in site"))
    }

    fn make() -> std::io::Result<Self> {
        let file = Arc::new(File::from(memfd_create("bakeoff-site", MemfdFlags::CLOEXEC)?));
        let mut pages = Vec::new();
        let mut from = 0;
        let mut add = |path: String, content: &[u8]| {
            (&*file).write_all(content)?;
            let until = from + content.len() as u64;
            let content_type = super::types::of(path.as_bytes());
            let modified = Some(modified());
            pages.push((path, Page { content_type, modified, file: Arc::clone(&file), from, until }));
            from = until;
            std::io::Result::Ok(())
        };
        add("/index.html".into(), index().as_bytes())?;
        for (number, content) in contents(SIZES.len() - 1).iter().enumerate() {
            add(path(number / FILES, number % FILES), content)?;
        }
        Ok(Self { pages })
    }

    /// What is at that path.
    pub(super) fn find(&self, path: &[u8]) -> Found {
        let path = if path == b"/" { b"/index.html" } else { path };
        let page = self.pages.iter().find(|(known, _)| known.as_bytes() == path);
        page.map_or(Found::Nothing, |(_, page)| Found::Page(page.clone()))
    }
}
