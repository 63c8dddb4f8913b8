//! Writes the report of a made-up run, to look at: `cargo run --release -p bakeoff-reports --example sample_report --
//! report.html [thousand]`. It also prints the terminal summary, and how long the report of so many trials took.

use bakeoff_reports::analysis;
use bakeoff_reports::record::bundle;
use bakeoff_reports::sample;
use bakeoff_reports::show::html;
use bakeoff_reports::show::text as terminal;
use std::io;
use std::path::Path;
use std::time::Instant;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "sample-report.html".to_owned());
    let spec = if arguments.next().is_some() { sample::Spec::thousand() } else { sample::Spec::default() };
    let bytes = bundle::to_bytes(&sample::bundle(&spec))?;
    let began = Instant::now();
    let bundle = bundle::parse(&bytes, Path::new("sample")).map_err(io::Error::other)?;
    let read = began.elapsed();
    let analysis = analysis::analyse(&bundle);
    let analysed = began.elapsed();
    let page = html::report(&analysis);
    let options =
        terminal::SummaryOptions { width: 80, colour: false, report_path: Some(path.clone().into()) };
    print!("{}", terminal::summary(&analysis, &options));
    eprintln!(
        "{} trials ({} KiB): read in {read:.2?}, analysed after {analysed:.2?}, page and summary after {:.2?} ({} KiB)",
        bundle.trials.len(),
        bytes.len() / 1024,
        began.elapsed(),
        page.len() / 1024
    );
    std::fs::write(path, page)
}
