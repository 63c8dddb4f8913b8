//! What every JUnit report must be: well-formed, and of the elements and attributes of the schema of Ant's JUnit tasks.

/// Elements with their attributes, closed in order, or the reason why it is no such document.
fn elements(xml: &str) -> Result<Vec<(String, Vec<String>)>, String> {
    let (mut open, mut seen) = (Vec::<String>::new(), Vec::new());
    for part in xml.split('<').skip(1) {
        let (tag, _) = part.split_once('>').ok_or("a tag is not closed")?;
        if tag.starts_with('?') {
            continue;
        }
        if let Some(bare) = part.split('&').skip(1).find(|after| !is_reference(after)) {
            return Err(format!("a bare ampersand before {bare:?}"));
        }
        if let Some(name) = tag.strip_prefix('/') {
            let last = open.pop();
            if last.as_deref() != Some(name) {
                return Err(format!("{name} ends where {last:?} is open"));
            }
            continue;
        }
        let (bare, alone) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let name = bare.split(' ').next().unwrap_or_default().to_owned();
        if bare.matches('"').count() % 2 == 1 {
            return Err(format!("a quote is open in {bare}"));
        }
        let outside: String = bare.split('"').step_by(2).collect();
        let attributes = outside.split(' ').skip(1).map(|one| one.trim_end_matches('=').to_owned());
        seen.push((
            format!("{}{name}", open.iter().map(|one| format!("{one}/")).collect::<String>()),
            attributes.collect(),
        ));
        if !alone {
            open.push(name);
        }
    }
    if open.is_empty() { Ok(seen) } else { Err(format!("{open:?} stay open")) }
}

/// Whether what stands behind an ampersand begins with a reference that XML knows.
fn is_reference(after: &str) -> bool {
    let Some((name, _)) = after.split_once(';') else { return false };
    let number = |digits: &str| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    matches!(name, "amp" | "lt" | "gt" | "quot" | "apos") || name.strip_prefix('#').is_some_and(number)
}

#[test]
fn a_bare_ampersand_is_found_wherever_it_stands() {
    for good in ["<a b=\"&amp;&#10;\">&lt;&gt;&quot;&apos; ;</a>", "<a/>"] {
        assert!(elements(good).is_ok(), "{good}: {:?}", elements(good));
    }
    for bad in
        ["<a b=\"x & y\"/>", "<a b=\"&amp;&\">;</a>", "<a>&amp; &; ;</a>", "<a>&nbsp;</a>", "<a>&#x;</a>"]
    {
        assert!(elements(bad).is_err(), "{bad}");
    }
}

/// What the schema of Ant's JUnit tasks asks for: which elements stand where, with which attributes.
pub(crate) fn is_junit(xml: &str) {
    let required: [(&str, &[&str]); 10] = [
        ("testsuites", &[]),
        (
            "testsuites/testsuite",
            &[
                "errors",
                "failures",
                "hostname",
                "id",
                "name",
                "package",
                "skipped",
                "tests",
                "time",
                "timestamp",
            ],
        ),
        ("testsuites/testsuite/properties", &[]),
        ("testsuites/testsuite/properties/property", &["name", "value"]),
        ("testsuites/testsuite/testcase", &["classname", "name", "time"]),
        ("testsuites/testsuite/testcase/skipped", &["message"]),
        ("testsuites/testsuite/testcase/error", &["message", "type"]),
        ("testsuites/testsuite/testcase/failure", &["message", "type"]),
        ("testsuites/testsuite/system-out", &[]),
        ("testsuites/testsuite/system-err", &[]),
    ];
    for (path, mut attributes) in elements(xml).unwrap_or_else(|why| panic!("{why}:\n{xml}")) {
        let (_, wanted) =
            required.iter().find(|(known, _)| *known == path).unwrap_or_else(|| panic!("{path}"));
        attributes.sort();
        assert_eq!(&attributes, wanted, "{path}");
    }
    let allowed = |c: char| !c.is_control() || "\n\t".contains(c);
    assert!(xml.chars().all(allowed), "{xml:?}");
}
