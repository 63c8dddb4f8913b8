//! Content types by the extension of a file's name.
//!
//! A table of what web pages are made of, not a database of types: what is not in it is sent without a guess at its
//! meaning, as bytes.

/// What a file is sent as whose extension says nothing.
const BYTES: &str = "application/octet-stream";

/// Extension and type, as the WHATWG MIME Sniffing standard and the IANA registry name them. Texts are UTF-8.
const TYPES: &[(&str, &str)] = &[
    ("html", "text/html; charset=utf-8"),
    ("htm", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("map", "application/json"),
    ("txt", "text/plain; charset=utf-8"),
    ("md", "text/plain; charset=utf-8"),
    ("toml", "text/plain; charset=utf-8"),
    ("rs", "text/plain; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("xml", "application/xml"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("ico", "image/vnd.microsoft.icon"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("ttf", "font/ttf"),
    ("pdf", "application/pdf"),
    ("wasm", "application/wasm"),
    ("mp3", "audio/mpeg"),
    ("ogg", "audio/ogg"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("zip", "application/zip"),
    ("gz", "application/gzip"),
];

/// The content type of a file with that path.
pub(super) fn of(path: &[u8]) -> &'static str {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.') else { return BYTES };
    let extension = &name[dot + 1..];
    let known = TYPES.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(extension));
    known.map_or(BYTES, |(_, content_type)| content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_extension_of_the_last_segment_counts() {
        for (path, content_type) in [
            (&b"/index.html"[..], "text/html; charset=utf-8"),
            (b"/A.SVG", "image/svg+xml"),
            (b"/x.tar.gz", "application/gzip"),
            (b"/dir.html/file", BYTES),
            (b"/html", BYTES),
            (b"/x.", BYTES),
            (b"", BYTES),
        ] {
            assert_eq!(of(path), content_type, "{}", path.escape_ascii());
        }
    }
}
