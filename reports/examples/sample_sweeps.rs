//! Writes the report of made-up sweeps, to look at: `cargo run --example sample_sweeps -- [PAGE]`.

use bakeoff_reports::analysis::analyse;
use bakeoff_reports::sample::sweep as sample_sweep;
use bakeoff_reports::show::html;
use bakeoff_reports::show::text as terminal;

fn main() -> std::io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "sample-sweeps.html".to_owned());
    let analysis = analyse(&sample_sweep::bundle(8));
    print!("{}", terminal::summary(&analysis, &terminal::SummaryOptions::default()));
    std::fs::write(path, html::report(&analysis))
}
