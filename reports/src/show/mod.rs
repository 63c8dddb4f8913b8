//! From values to people: the only room with prose. Terminal, page, plots and formats of other tools.

pub mod answers;
pub mod balance;
pub mod export;
pub mod html;
pub mod layout;
mod plot;
pub mod summary;
pub mod text;
pub mod units;
pub mod words;
