//! A table of text: names at the left, figures in columns at the right of them.
//!
//! It lays out and decides nothing. Columns that do not fit beside each other stand below each other, each block with its heads.

use super::style::Style;
use crate::show::layout::{left, right, width};
use std::fmt::Write as _;
use std::ops::Range;

/// A column: the lines of its head, and a cell for each row, which is painted when it is good.
pub(super) struct Column {
    head: Vec<String>,
    cells: Vec<(String, bool)>,
    columns: usize,
}

impl Column {
    /// As wide as its widest text.
    pub(super) fn new(head: Vec<String>, cells: Vec<(String, bool)>) -> Self {
        let texts = head.iter().chain(cells.iter().map(|(text, _)| text));
        let columns = texts.map(|text| width(text)).max().unwrap_or(0);
        Self { head, cells, columns }
    }
}

/// The table.
pub(super) struct Grid {
    /// What stands at the left of each row, and how many columns that takes. A name may be painted; of one with several
    /// lines the last stands beside the figures.
    pub(super) names: Vec<String>,
    pub(super) lead: usize,
    /// What stands above the names.
    pub(super) corner: String,
    pub(super) columns: Vec<Column>,
}

impl Grid {
    /// How many of the first columns fit beside the names; one at least.
    pub(super) fn fitting(&self, most: usize) -> usize {
        self.block(0, most).end
    }

    /// The columns from one on that fit beside each other.
    fn block(&self, from: usize, most: usize) -> Range<usize> {
        let mut used = self.lead;
        let fits = |column: &&Column| {
            used += 1 + column.columns;
            used <= most
        };
        let count = self.columns[from..].iter().take_while(fits).count();
        from..(from + count.max(1)).min(self.columns.len())
    }

    /// The table in as many blocks as it takes, a blank line between them.
    pub(super) fn push(&self, out: &mut String, style: Style) {
        let mut from = 0;
        while from < self.columns.len() {
            let block = self.block(from, style.width);
            out.push_str(if from > 0 { "\n" } else { "" });
            from = block.end;
            self.push_block(out, &self.columns[block], style);
        }
    }

    fn push_block(&self, out: &mut String, columns: &[Column], style: Style) {
        let height = columns.iter().map(|column| column.head.len()).max().unwrap_or(0);
        for row in 0..height {
            let mut line = left(if row + 1 == height { &self.corner } else { "" }, self.lead);
            for column in columns {
                // Heads stand on the floor.
                let piece = (row + column.head.len()).checked_sub(height).map_or("", |at| &column.head[at]);
                let _ = write!(line, " {}", right(piece, column.columns));
            }
            let _ = writeln!(out, "{}", style.dim(line.trim_end()));
        }
        for (row, name) in self.names.iter().enumerate() {
            let mut line = name.clone();
            for column in columns {
                let (text, good) = &column.cells[row];
                let text = right(text, column.columns);
                let _ = write!(line, " {}", if *good { style.good(&text) } else { text });
            }
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
}
