//! Sections that a reader looks for and that this run has nothing for. Each says why, and what would give it.

/// A section with a sentence instead of figures; `why` is HTML written in this crate, never text of a bundle.
pub(super) fn section(id: &str, title: &str, why: &str) -> String {
    format!("<section id=\"{id}\">\n<h2>{title}</h2>\n<p class=\"lede\">{why}</p>\n</section>\n")
}

/// Without a sweep.
pub(super) fn sweeps() -> String {
    section(
        "sweeps",
        "Sweeps and capacity",
        "No sweep in this bundle: every workload was run at one rate or one number of clients, so that the knee of its curve, \
         its capacity under an objective and where two models cross are not known. <code>bakeoff sweep</code> and \
         <code>bakeoff capacity</code> measure them.",
    )
}

/// Without a history.
pub(super) fn history() -> String {
    section(
        "history",
        "History",
        "No history in this bundle: it knows one run and compares it with no other. The same build can differ by half \
         between runs on a shared machine, so two reports side by side are no comparison of two builds. \
         <code>bakeoff history</code> keeps runs by commit, as ratios to a reference of the same run, and says where they \
         changed.",
    )
}
