//! How far to trust the answer: what the generator can show, what had to be left out, which controls were run. It stands
//! beside the answer, so that nobody reads the one without the other.

use super::element::pairs;
use crate::analysis::Analysis;
use crate::show::words::trust::{generator, machine, trials};
use maud::{Markup, Render as _, html};

/// The box beside the answer.
pub(super) fn trust(analysis: &Analysis) -> Markup {
    let controls = html! {
        "This run holds no control trials. " code { "bakeoff verify" } " puts situations with a known answer to the same \
         harness on this machine: queues that theory can compute, a server that stands still for a known time, counts of \
         the other side. Run it before you trust a surprise."
    };
    let facts = [
        ("Generator", generator(analysis).render()),
        ("Machine", machine(analysis).render()),
        ("Trials", trials(analysis).render()),
        ("Controls", controls),
    ];
    html! {
        aside.trust {
            h3 { "How far to trust it" }
            (pairs(facts))
            p { a href="#limits" { "Limits of the measurement" } }
        }
    }
}
