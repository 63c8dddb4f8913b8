//! How a summary is laid out and painted: its width, and codes of colour where they are wanted. Without colour it only
//! hands text through.

#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) width: usize,
    pub(super) colour: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        // Blanks stay outside, so that they can be trimmed from a line.
        let core = text.trim();
        if !self.colour || core.is_empty() {
            return text.to_owned();
        }
        text.replacen(core, &format!("\u{1b}[{code}m{core}\u{1b}[0m"), 1)
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.paint("1;32", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub(super) fn warn(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }
}
