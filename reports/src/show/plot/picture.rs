//! What every picture is handed over as.

use maud::Markup;

/// A picture, with its data as rows for those who cannot or will not look.
#[derive(Debug)]
pub(crate) struct Plot {
    /// The `svg` element.
    pub(crate) svg: Markup,
    /// What it is, as a heading over it.
    pub(crate) title: String,
    /// One sentence on how to read it.
    pub(crate) caption: String,
    /// What its areas mean, as class and words, where it has other areas than models.
    pub(crate) key: &'static [(&'static str, &'static str)],
    /// Names of the columns.
    pub(crate) columns: Vec<String>,
    /// The data.
    pub(crate) rows: Vec<Vec<String>>,
}

/// A plot, or why there is nothing to draw.
pub(crate) type Drawn = Result<Plot, String>;
