//! Requests of HTTP as people write them, in scenario files and on the command line: what may stand where, and why not.

use super::bounds::MAX_SIZE_BYTES;
use super::units::parse_size;
use bakeoff_reports::record::{HttpExpectation, HttpRequest};
use std::ops::RangeInclusive;

/// More paths than anybody writes down.
const MAX_PATHS: usize = 10_000;
/// The longest path, and the longest value of a field: what servers take by default.
const MAX_TEXT: usize = 8 * 1024;

/// A header: its name and its value.
pub type Header = (String, String);

/// Whether it is a token (RFC 9110, 5.6.2): what methods and names of fields are made of.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// A method.
///
/// # Errors
/// What is none, and `CONNECT`, which asks for a tunnel.
pub fn method(text: &str) -> Result<String, String> {
    match text {
        "CONNECT" => Err("CONNECT asks for a tunnel, which is no reply that could be measured".into()),
        _ if is_token(text) => Ok(text.into()),
        _ => Err(format!("`{text}` is no method; write one such as GET or POST")),
    }
}

/// A path with its query.
///
/// # Errors
/// What a request line cannot hold.
pub fn path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!("the path `{text}` does not begin with /"));
    }
    if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic() || *c == '#') {
        return Err(format!("the path `{text}` holds {c:?}, which must be percent-encoded"));
    }
    if text.len() > MAX_TEXT {
        return Err(format!("a path of {} bytes; give at most {MAX_TEXT}", text.len()));
    }
    Ok(text.into())
}

/// A field as `name: value`.
///
/// # Errors
/// What a head cannot hold.
pub fn header(text: &str) -> Result<Header, String> {
    let (name, value) =
        text.split_once(':').ok_or_else(|| format!("`{text}` is no header; write 'name: value'"))?;
    field(name, value)
}

/// A field of a name and a value.
///
/// # Errors
/// As [`header`].
pub fn field(name: &str, value: &str) -> Result<Header, String> {
    let value = value.trim_matches([' ', '\t']);
    if !is_token(name) {
        return Err(format!("`{name}` is no name of a header"));
    }
    if let Some(c) = value.chars().find(|c| c.is_control() && *c != '\t') {
        return Err(format!("the header `{name}` holds {c:?}, which would end it"));
    }
    if value.len() > MAX_TEXT {
        return Err(format!("the header `{name}` has {} bytes; give at most {MAX_TEXT}", value.len()));
    }
    Ok((name.into(), value.into()))
}

/// A field of a request.
///
/// # Errors
/// As [`header`], and what says how the request ends, which is not for a user to say.
pub fn request_field((name, value): Header) -> Result<Header, String> {
    match name.to_ascii_lowercase().as_str() {
        "content-length" | "transfer-encoding" => {
            Err(format!("the header `{name}` follows from the body; leave it out"))
        }
        "expect" | "upgrade" => Err(format!(
            "the header `{name}` asks for another conversation than a request and its reply; leave it out"
        )),
        _ => Ok((name, value)),
    }
}

/// Statuses: `200`, `2xx`, `200-204`, or several with commas.
///
/// # Errors
/// What is none that could end a request: 200 to 599.
pub fn statuses(text: &str) -> Result<Vec<RangeInclusive<u16>>, String> {
    text.split(',').map(|part| status(part.trim())).collect()
}

fn status(text: &str) -> Result<RangeInclusive<u16>, String> {
    let one = |text: &str| text.parse::<u16>().ok().filter(|status| (200..=599).contains(status));
    let range = match (text.strip_suffix("xx"), text.split_once('-')) {
        (Some(hundred), _) => one(&format!("{hundred}00")).map(|first| first..=first + 99),
        (None, Some((first, last))) => {
            one(first.trim()).zip(one(last.trim())).map(|(first, last)| first..=last)
        }
        (None, None) => one(text).map(|status| status..=status),
    };
    range.filter(|range| !range.is_empty()).ok_or_else(|| {
        format!("`{text}` is no status; write 200, 2xx, 200-204, or several with commas, from 200 to 599")
    })
}

/// A length of content: a size, or 0.
///
/// # Errors
/// As [`parse_size`].
pub fn length(text: &str) -> Result<u64, String> {
    if text.trim() == "0" { Ok(0) } else { parse_size(text).map(u64::from) }
}

/// A request of these parts: GET, or POST where it has a body, of `/`, unless they say otherwise.
///
/// # Errors
/// Too many paths, too long a body, or a body or an expectation that its method forbids.
pub fn request(
    method: Option<String>,
    mut paths: Vec<String>,
    headers: Vec<Header>,
    body: String,
    expect: HttpExpectation,
) -> Result<HttpRequest, String> {
    let method = method.unwrap_or_else(|| if body.is_empty() { "GET" } else { "POST" }.into());
    if body.len() > MAX_SIZE_BYTES as usize {
        return Err(format!("a body of {} bytes; give at most {MAX_SIZE_BYTES}", body.len()));
    }
    if !body.is_empty() && method == "TRACE" {
        return Err("TRACE has no body".into());
    }
    if expect.same_body && method == "HEAD" {
        return Err("a reply to HEAD has no content that could be the same".into());
    }
    if paths.len() > MAX_PATHS {
        return Err(format!("{} paths; give at most {MAX_PATHS}", paths.len()));
    }
    if paths.is_empty() {
        paths.push("/".into());
    }
    Ok(HttpRequest { method, paths, headers, body, expect })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_as_people_write_them() {
        assert_eq!(statuses("200"), Ok(vec![200..=200]));
        assert_eq!(statuses("2xx, 304"), Ok(vec![200..=299, 304..=304]));
        assert_eq!(statuses("200-204,404"), Ok(vec![200..=204, 404..=404]));
        for wrong in ["", "20", "1xx", "6xx", "204-200", "OK", "199", "600", "200,", "xx"] {
            assert!(statuses(wrong).expect_err(wrong).contains("is no status"), "{wrong}");
        }
    }

    #[test]
    fn what_would_break_a_head_is_refused_with_its_reason() {
        assert_eq!(path("/a/b?c=%20d"), Ok("/a/b?c=%20d".into()));
        assert_eq!(header("Accept:  text/html "), Ok(("Accept".into(), "text/html".into())));
        assert_eq!((length("0"), length("2 KiB")), (Ok(0), Ok(2_048)));
        assert_eq!(header("X-Empty:"), Ok(("X-Empty".into(), String::new())));
        for (refused, word) in [
            (path("a").map(drop), "begin with /"),
            (path("/a b").map(drop), "percent-encoded"),
            (path("/ä").map(drop), "percent-encoded"),
            (path("/a\r\nX: y").map(drop), "percent-encoded"),
            (header("Accept").map(drop), "'name: value'"),
            (header("A b: c").map(drop), "no name"),
            (header("A: b\r\nC: d").map(drop), "would end it"),
            (header("Content-Length: 3").and_then(request_field).map(drop), "follows from the body"),
            (header("Expect: 100-continue").and_then(request_field).map(drop), "another conversation"),
            (method("GE T").map(drop), "is no method"),
            (method("CONNECT").map(drop), "tunnel"),
            (length("5 MiB").map(drop), "larger than 4 MiB"),
        ] {
            assert!(refused.as_ref().expect_err(word).contains(word), "{refused:?}");
        }
    }

    #[test]
    fn a_request_has_what_nobody_says() {
        let of = |body: &str| request(None, Vec::new(), Vec::new(), body.into(), HttpExpectation::default());
        let plain = of("").expect("sound");
        assert_eq!((plain.method.as_str(), plain.paths.as_slice()), ("GET", ["/".to_owned()].as_slice()));
        assert_eq!(of("{}").expect("sound").method, "POST");
        let long = of(&"x".repeat(MAX_SIZE_BYTES as usize + 1)).expect_err("too long");
        assert!(long.contains("at most 4194304"), "{long}");
        let same = HttpExpectation { same_body: true, ..HttpExpectation::default() };
        let head = request(Some("HEAD".into()), Vec::new(), Vec::new(), String::new(), same);
        assert!(head.expect_err("nothing to compare").contains("no content"));
    }
}
