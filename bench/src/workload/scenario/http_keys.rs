//! The keys of a scenario's table `[request.http]`: the request spelled out, and which replies are right.

use super::check::{Checked, Checker};
use crate::workload::http::{self, Header};
use crate::workload::load::RequestShape;
use bakeoff_reports::record::HttpExpectation;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileHttp {
    method: Option<Spanned<String>>,
    path: Option<Spanned<String>>,
    paths: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    headers: FileHeaders,
    body: Option<Spanned<String>>,
    expect: Option<FileExpect>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileExpect {
    status: Option<Spanned<FileStatus>>,
    length: Option<Spanned<NumberOrText>>,
    #[serde(default)]
    headers: FileHeaders,
    #[serde(default)]
    same_body: bool,
}

type FileHeaders = BTreeMap<Spanned<String>, Spanned<String>>;

/// `200`, `"2xx"`, or a list of such.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a status is 200, \"2xx\" or \"200-204\", or a list of these")]
enum FileStatus {
    One(NumberOrText),
    Many(Vec<NumberOrText>),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a number, or a text")]
enum NumberOrText {
    Number(i64),
    Text(String),
}

impl NumberOrText {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

impl FileStatus {
    fn text(&self) -> String {
        match self {
            Self::One(one) => one.text(),
            Self::Many(many) => many.iter().map(NumberOrText::text).collect::<Vec<_>>().join(","),
        }
    }
}

/// The request that the table spells out.
pub(super) fn request(check: &Checker<'_>, spanned: &Spanned<FileHttp>) -> Checked<RequestShape> {
    let file = spanned.get_ref();
    let method = file.method.as_ref().map(|text| read(check, text, |text| http::method(text))).transpose()?;
    let paths = match (&file.path, &file.paths) {
        (Some(_), Some(paths)) => {
            return Err(check.at(paths, "`path` and `paths` exclude each other; `paths` takes one, too"));
        }
        (Some(path), None) => vec![read(check, path, |text| http::path(text))?],
        (None, Some(paths)) if paths.get_ref().is_empty() => {
            return Err(check.at(paths, "`paths` is empty; name some, or leave it out for `/`"));
        }
        (None, Some(paths)) => {
            let each = paths.get_ref().iter().map(|path| read(check, path, |text| http::path(text)));
            each.collect::<Checked<Vec<_>>>()?
        }
        (None, None) => Vec::new(),
    };
    let headers = fields(check, &file.headers, http::request_field)?;
    let expect = file.expect.as_ref().map(|expect| expectation(check, expect)).transpose()?;
    let body = file.body.as_ref().map(|body| body.get_ref().clone()).unwrap_or_default();
    let request = http::request(method, paths, headers, body, expect.unwrap_or_default());
    request.map(RequestShape::http).map_err(|why| {
        let at = file.body.as_ref().map_or(spanned.span().start, |body| body.span().start);
        check.error(at, why)
    })
}

fn expectation(check: &Checker<'_>, file: &FileExpect) -> Checked<HttpExpectation> {
    let usual = HttpExpectation::default();
    Ok(HttpExpectation {
        statuses: match &file.status {
            Some(status) => read(check, status, |status| http::statuses(&status.text()))?,
            None => usual.statuses,
        },
        length: file
            .length
            .as_ref()
            .map(|length| read(check, length, |size| http::length(&size.text())))
            .transpose()?,
        headers: fields(check, &file.headers, Ok)?,
        same_body: file.same_body,
    })
}

/// A value as `parse` reads it, or why not and where it stands.
fn read<T, U>(
    check: &Checker<'_>,
    value: &Spanned<T>,
    parse: impl Fn(&T) -> Result<U, String>,
) -> Checked<U> {
    parse(value.get_ref()).map_err(|why| check.at(value, why))
}

fn fields(
    check: &Checker<'_>,
    file: &FileHeaders,
    then: fn(Header) -> Result<Header, String>,
) -> Checked<Vec<Header>> {
    let each = file.iter().map(|(name, value)| {
        let field = http::field(name.get_ref(), value.get_ref()).and_then(then);
        field.map_err(|why| check.at(name, why))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use crate::workload::scenario::{REFERENCE, Scenario, ScenarioError};
    use bakeoff_reports::record::HttpExpectation;

    /// A scenario with these lines from line 8 on.
    fn with(lines: &str) -> Result<Scenario, ScenarioError> {
        let head = "name = \"api\"\nabout = \"a test\"\nservice = \"http\"\nmerit = \"throughput\"\n\
            [load]\nkind = \"closed\"\nclients = 4\n";
        Scenario::parse(&format!("{head}{lines}"), "test")
    }

    #[test]
    fn a_request_is_read_with_what_is_right_of_its_reply() {
        let scenario = with(
            "[request.http]\nmethod = \"PUT\"\npaths = [\"/a\", \"/b?c=1\"]\nbody = '{\"a\":1}'\n\
             headers = { content-type = \"application/json\" }\n\
             [request.http.expect]\nstatus = [200, \"204-205\"]\nlength = \"1 KiB\"\nsame_body = true\nheaders.etag = \"x\"\n",
        )
        .expect("sound");
        let http = scenario.request.http.expect("it is spelled out");
        assert_eq!((http.method.as_str(), http.body.as_str()), ("PUT", "{\"a\":1}"));
        assert_eq!(http.paths, ["/a", "/b?c=1"]);
        assert_eq!(http.headers, [("content-type".to_owned(), "application/json".to_owned())]);
        let expect = HttpExpectation {
            statuses: vec![200..=200, 204..=205],
            length: Some(1_024),
            headers: vec![("etag".into(), "x".into())],
            same_body: true,
        };
        assert_eq!((http.expect, scenario.request.size), (expect, 1_024));
        let plain = with("[request.http]\n").expect("sound").request.http.expect("it is spelled out");
        assert_eq!((plain.method.as_str(), plain.paths.as_slice()), ("GET", ["/".to_owned()].as_slice()));
        assert_eq!(plain.expect, HttpExpectation::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_reason() {
        for (lines, line, words) in [
            ("[request.http]\npath = \"a\"\n", 9, "does not begin with /"),
            ("[request.http]\npath = \"/a\"\npaths = [\"/b\"]\n", 10, "exclude each other"),
            ("[request.http]\npaths = []\n", 9, "`paths` is empty"),
            ("[request.http]\npaths = [\n\"/a\",\n\"/b c\"]\n", 11, "percent-encoded"),
            ("[request.http]\nmethod = \"GET IT\"\n", 9, "is no method"),
            (
                "[request.http]\n[request.http.headers]\na = \"b\"\n\"c d\" = \"e\"\n",
                11,
                "no name of a header",
            ),
            ("[request.http]\nheaders = { Content-Length = \"3\" }\n", 9, "follows from the body"),
            ("[request.http]\nheaders = { a = \"b\\r\\nc: d\" }\n", 9, "would end it"),
            ("[request.http]\nverb = \"GET\"\n", 9, "unknown field `verb`"),
            ("[request.http]\n[request.http.expect]\nstatus = 99\n", 10, "`99` is no status"),
            ("[request.http]\n[request.http.expect]\nstatus = []\n", 10, "is no status"),
            ("[request.http]\n[request.http.expect]\nlength = \"5 MiB\"\n", 10, "larger than 4 MiB"),
            ("[request.http]\n[request.http.expect]\nbody = \"x\"\n", 10, "unknown field `body`"),
            ("[request]\nsize = \"1 B\"\nhttp = { path = \"/\" }\n", 10, "have no meaning beside it"),
            ("[request]\n", 8, "`size` is missing"),
            ("pipeline = 4\n[request.http]\n", 5, "`pipeline` is not for"),
        ] {
            let error = with(lines).expect_err(lines);
            assert_eq!(error.line, line, "{lines}: {error}");
            assert!(error.reason.contains(words), "{lines}: {error}");
        }
        let echo = REFERENCE.toml.replace("\n[server]", "\n[request.http]\npath = \"/\"\n[server]");
        let error = Scenario::parse(&echo, "test").expect_err("another service");
        assert!(error.reason.contains("is for the service http"), "{error}");
    }

    #[test]
    fn the_reference_explains_every_key() {
        for table in ["[request.http]\n", "[request.http]\n[request.http.expect]\n"] {
            let error = with(&format!("{table}nonsense = 1\n")).expect_err("an unknown key").reason;
            let known = error.split("`nonsense`, expected").nth(1).expect("they are listed");
            for key in known.split('`').skip(1).step_by(2) {
                let is_there =
                    [format!("{key} ="), format!(".{key}]")].iter().any(|form| REFERENCE.toml.contains(form));
                assert!(is_there, "{key} is not explained");
            }
        }
    }
}
