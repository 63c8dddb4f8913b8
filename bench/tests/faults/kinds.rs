//! The table in `README.md` names tests that exist.

use crate::faults::FAULTS;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What the table names and nobody has; an error lists it.
pub(crate) fn hold() -> Result<(), String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(here.join("tests/faults/README.md")).map_err(|e| e.to_string())?;
    let mut known = BTreeSet::new();
    for folder in [
        "src",
        "tests",
        "fuzz/src",
        "../servers/src",
        "../servers/tests",
        "../reports/src",
        "../reports/tests",
    ] {
        functions(&here.join(folder), &mut known);
    }
    let rows: Vec<&str> =
        table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| kind")).collect();
    let named = |row: &&str| row.rsplit('|').nth(1).unwrap_or_default().to_owned();
    let cells: Vec<String> = rows.iter().map(named).collect();
    if cells.len() < 30 {
        return Err(format!("the table has {} rows only", cells.len()));
    }
    let names = cells.iter().flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let is_known = |name: &str| {
        let last = name.rsplit("::").next().unwrap_or_default();
        let each = name.split_once('{').map_or(last, |(_, list)| list.trim_end_matches('}'));
        let mut each = each.split(',').map(str::trim);
        let is_program = name == "scripts/check --loom";
        is_program || each.all(|one| known.contains(one) || FAULTS.iter().any(|fault| fault.name == one))
    };
    let missing: Vec<&str> = names.filter(|name| !is_known(name)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("no test, module or fault is called {missing:?}")) }
}

/// Names of functions and modules in the sources of a folder.
fn functions(folder: &Path, known: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            functions(&path, known);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            known.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            let text = fs::read_to_string(&path).unwrap_or_default();
            for line in text.lines() {
                let line = line.trim_start();
                let rest = line.strip_prefix("fn ").or_else(|| line.strip_prefix("mod "));
                known
                    .extend(rest.and_then(|rest| rest.split(['(', '<', ' ', ';']).next()).map(str::to_owned));
            }
        }
    }
}
