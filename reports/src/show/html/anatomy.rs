//! The section that follows one request through the layers, model beside model.
//!
//! It explains; it compares no speed. Times of this section's requests are therefore not shown.

use super::element::{Field, Row as TableRow, ordered_table, section as framed, table};
use super::model::{named, series_of};
use crate::analysis::Analysis;
use crate::record::{Anatomy, ConnectionWire, Part, Phase, Reading, Segments, Untraced};
use crate::show::units;
use crate::show::words::anatomy::{Layer, Row, followed, parts, provenance, rows, title, wire_sum};
use maud::{Markup, Render as _, html};
use std::collections::BTreeSet;

/// The section; empty when the run took no anatomy.
pub(super) fn section(analysis: &Analysis) -> Markup {
    let Some(first) = analysis.anatomies.first() else { return html! {} };
    let wire = analysis.anatomies.iter().find_map(|anatomy| anatomy.wire.value());
    let absent = absent(analysis);
    let body = html! {
        p.lede {
            "What one request makes a server and the kernel do: one connection to each model, one request at a time, service "
            (first.service) ". It follows the rounds and takes no part in any figure above. Calls were traced, which slows a \
             server down many times; switches and segments are means over requests that were not" (counted(analysis)) ". \
             Fewer calls and sleeps leave more time for work, but which model fits is decided above."
        }
        (side_by_side(analysis))
        (by_name(analysis))
        (step_by_step(analysis))
        @if let Some(wire) = wire { p.note { (provenance(wire)) } }
        @if !absent.is_empty() { p.note { "Absent: " (absent.join("; ")) "." } }
    };
    framed("anatomy", "Anatomy of a request", &body)
}

/// How many requests the means are over, from the fewest to the most.
fn counted(analysis: &Analysis) -> String {
    let counts = || analysis.anatomies.iter().filter_map(|a| a.untraced.value()).map(|one| one.requests);
    match (counts().min(), counts().max()) {
        (Some(few), Some(many)) => {
            format!(", {} to {} of each model", units::grouped(few), units::grouped(many))
        }
        _ => String::new(),
    }
}

fn name(analysis: &Analysis, anatomy: &Anatomy) -> Markup {
    named(series_of(analysis, &anatomy.model), &anatomy.model)
}

/// A mean of counts; without digits behind the point when it is the same for all.
fn mean(figure: f64) -> Field {
    let text = if figure.fract() == 0.0 { format!("{figure:.0}") } else { units::quantity(figure) };
    Field::figure(text, figure)
}

/// Calls in the phase of a part, per repeat.
fn calls(anatomy: &Anatomy, part: Part) -> Field {
    match (&anatomy.phases, anatomy.phase(part)) {
        (_, Some(phase)) => mean(phase.all_calls_per_repeat()),
        (Reading::Absent(why), _) => Field::absent(why),
        (Reading::Value(_), None) => Field::absent("this part was not followed"),
    }
}

fn side_by_side(analysis: &Analysis) -> Markup {
    let columns = [
        "model",
        "calls per request",
        "calls to connect",
        "calls to close",
        "sleeps per request",
        "forced switches",
        "segments with data",
        "pure ACKs",
        "bytes on the wire",
        "of them headers",
    ];
    let row = |anatomy: &Anatomy| {
        let switches = |which: fn(&Untraced) -> &Reading<f64>| match &anatomy.untraced {
            Reading::Value(untraced) => match which(untraced) {
                Reading::Value(figure) => mean(*figure),
                Reading::Absent(why) => Field::absent(why),
            },
            Reading::Absent(why) => Field::absent(why),
        };
        let mut fields = vec![
            calls(anatomy, Part::Request),
            calls(anatomy, Part::Connect),
            calls(anatomy, Part::Close),
            switches(|untraced| &untraced.voluntary_per_request),
            switches(|untraced| &untraced.involuntary_per_request),
        ];
        fields.extend(wire_fields(&anatomy.wire));
        (name(analysis, anatomy), fields)
    };
    let rows: Vec<TableRow> = analysis.anatomies.iter().map(row).collect();
    table("Anatomy of a request by model", &columns, &rows)
}

fn wire_fields(wire: &Reading<ConnectionWire>) -> Vec<Field> {
    let figures = |wire: &ConnectionWire| {
        let (all, requests): (&Segments, f64) = (&wire.request, wire.requests.max(1) as f64);
        let bytes = wire.ip_bytes(all, 0) as f64;
        let headers = if bytes > 0.0 { 1.0 - all.payload_bytes() as f64 / bytes } else { 0.0 };
        let pure = all.all().saturating_sub(all.data());
        vec![
            mean(all.data() as f64 / requests),
            mean(pure as f64 / requests),
            Field::figure(format!("{:.0} B", bytes / requests), bytes / requests),
            Field::figure(units::share(headers), headers),
        ]
    };
    match wire {
        Reading::Value(wire) => figures(wire),
        Reading::Absent(why) => (0..4).map(|_| Field::absent(why)).collect(),
    }
}

/// A row for each model, a column for each call that any of them makes in a request.
fn by_name(analysis: &Analysis) -> Markup {
    let phases = || analysis.anatomies.iter().filter_map(|anatomy| anatomy.phase(Part::Request));
    let mut names: Vec<&str> = Vec::new();
    for step in phases().flat_map(|phase| &phase.steps).map(|step| step.call.as_str()) {
        if !names.contains(&step) && phases().any(|phase| phase.calls.contains_key(step)) {
            names.push(step);
        }
    }
    let rest: BTreeSet<&str> = phases().flat_map(|phase| phase.calls.keys()).map(String::as_str).collect();
    let missing: Vec<&str> = rest.into_iter().filter(|call| !names.contains(call)).collect();
    names.extend(missing);
    if names.is_empty() {
        return html! {};
    }
    let row = |anatomy: &Anatomy| {
        let fields = names.iter().map(|call| match anatomy.phase(Part::Request) {
            Some(phase) => match phase.calls_per_repeat(call) {
                0.0 => Field::figure("–".to_owned(), 0.0),
                figure => mean(figure),
            },
            None => calls(anatomy, Part::Request),
        });
        (name(analysis, anatomy), fields.collect())
    };
    let rows: Vec<TableRow> = analysis.anatomies.iter().map(row).collect();
    let columns: Vec<&str> = std::iter::once("model").chain(names.iter().copied()).collect();
    html! { h3 { "System calls per request, by name" } (table("System calls by name", &columns, &rows)) }
}

fn step_by_step(analysis: &Analysis) -> Markup {
    html! {
        div.steps {
            h3 { "Step by step" }
            @for anatomy in analysis.anatomies.iter().filter(|anatomy| anatomy.phases.value().is_some()) {
                details.anatomy {
                    summary { (anatomy.model) }
                    @if let Some(sum) = wire_sum(anatomy) { p.note { (sum) "." } }
                    @for phase in parts(anatomy) { (steps(anatomy, phase)) }
                }
            }
        }
    }
}

fn steps(anatomy: &Anatomy, phase: &Phase) -> Markup {
    let row = |row: &Row| {
        let words = [row.note.as_str(), row.meaning.as_str()];
        let words: Vec<&str> = words.into_iter().filter(|text| !text.is_empty()).collect();
        let head = match row.layer {
            Layer::Server => row.who.render(),
            Layer::Client | Layer::Kernel => html! { em { (row.who) } },
        };
        (head, vec![Field::text(&row.what), Field::text(&row.result), Field::text(words.join(": "))])
    };
    let rows: Vec<TableRow> = rows(anatomy, phase).iter().map(row).collect();
    let title = title(phase.part);
    html! {
        h4 { (title) " " small { "(" (followed(phase)) ")" } }
        // The order is the story: not to be sorted.
        (ordered_table(&format!("{}: {title}", anatomy.model), &["who", "call", "result", "what it is"], &rows))
    }
}

fn absent(analysis: &Analysis) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for anatomy in &analysis.anatomies {
        let phases = anatomy.phases.absence().map(|why| format!("system calls: {why}"));
        let untraced = anatomy.untraced.absence().map(|why| format!("switches: {why}"));
        let wire = anatomy.wire.absence().map(|why| format!("segments: {why}"));
        for reason in [phases, untraced, wire].into_iter().flatten() {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
    }
    reasons
}
