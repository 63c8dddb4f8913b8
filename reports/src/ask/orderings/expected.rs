//! What the literature and the limits of the machine say must come out, as ratios and laws.
//!
//! Facts with their sources; nothing here looks at a record.

use crate::record::Metric;

/// A model under a workload of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// The workload.
    pub workload: &'static str,
    /// The model.
    pub model: &'static str,
}

/// One thing that must come out.
#[derive(Clone, Copy, Debug)]
pub struct Expectation {
    /// The ordering it belongs to, from 1.
    pub ordering: u8,
    /// What is claimed, in words that fit a table.
    pub claim: &'static str,
    /// Which figure.
    pub figure: Metric,
    /// Whose figure.
    pub of: Side,
    /// Whose figure it is divided by, in the same round; `None` for a law that states the figure itself.
    pub by: Option<Side>,
    /// Whose figure is taken off both before they are divided, where the source states what lies above a baseline.
    pub above: Option<Side>,
    /// The least and the most that is as expected; `None` where sources contradict each other and nothing is expected.
    pub band: Option<(f64, f64)>,
    /// Who says so.
    pub source: &'static str,
}

const fn side(workload: &'static str, model: &'static str) -> Side {
    Side { workload, model }
}

const INF: f64 = f64::INFINITY;
const FORK: &str = "fork-per-client";
const THREAD: &str = "thread-per-client";
const POOL: &str = "thread-pool";
const PREFORK: &str = "prefork";
const PRETHREAD: &str = "prethread";
const MIO: &str = "mio-event-loop";
const POLL: &str = "poll-reactor";

const STEVENS: &str = "Stevens, UNIX Network Programming, 3rd ed., fig. 30.1, which states the CPU time above the iterative server's, \
                       and a later rerun";
const SPREAD: &str = "Stevens, fig. 30.2: of 5,000 clients each of 15 children that accept got about 333; of those whose parent hands \
                      the clients on, the first free one first, the first got 1,006, the last none";
const PARIAG: &str = "Pariag and others, EuroSys 2007: event-driven about 18 % above a thread for each connection once each is tuned";
const COPY: &str = "fork(2) copies page tables: 0.17 ms with nothing, 3.8 ms with 100 MB resident";
const SCAN: &str =
    "poll(2) looks through its whole list; zerohttpd falls from 2,150 to 490/s by 2,500 clients";
const LITTLE: &str = "Little's law: c workers that each wait W complete c/W";
const LINE: &str = "head-of-line blocking: one server, first come first served";
const ONE: &str = "a task runtime's hand-over between threads, with nobody to share the work with";
const PROACTOR: &str = "C echo servers, one connection: io_uring with multishot receives 0.99 of epoll, another pair 13,140 to 13,190/s";
const ZEROHTTPD: &str = "zerohttpd, requests a second of 500 clients: fork 440, prefork 2,300, thread 1,850, prethread 2,700, poll \
                         1,900, epoll 2,210";
const MANY: &str =
    "C servers at 1,000 connections: thread 0.58, fork 0.62 of epoll; tokio 0.97 with 4 to 11 times the p99";

/// All of them, in order.
pub const EXPECTED: &[Expectation] = &[
    above_iterative(ratio(
        1,
        "fork costs more CPU a connection than thread",
        Metric::CpuPerRequest,
        side("churn", FORK),
        side("churn", THREAD),
        (4.0, 20.0),
        STEVENS,
    )),
    above_iterative(ratio(
        1,
        "fork costs more CPU a connection than pool",
        Metric::CpuPerRequest,
        side("churn", FORK),
        side("churn", POOL),
        (10.0, INF),
        STEVENS,
    )),
    ratio(
        1,
        "pool costs more CPU a connection than iterative",
        Metric::CpuPerRequest,
        side("churn", POOL),
        side("churn", "iterative"),
        (1.0, INF),
        STEVENS,
    ),
    above_iterative(ratio(
        1,
        "fork costs more CPU a connection than prefork",
        Metric::CpuPerRequest,
        side("churn", FORK),
        side("churn", PREFORK),
        (4.0, INF),
        STEVENS,
    )),
    // The book has it dearer on each of its machines, the rerun a little cheaper: nothing is expected.
    Expectation {
        band: None,
        ..above_iterative(ratio(
            1,
            "passing against prefork (1.2 to 3.4; rerun 0.95)",
            Metric::CpuPerRequest,
            side("churn", "prefork-fd-passing"),
            side("churn", PREFORK),
            (0.0, INF),
            STEVENS,
        ))
    },
    Expectation {
        band: None,
        ..ratio(
            1,
            "prefork against prethread (1.80 to 1.93 s)",
            Metric::CpuPerRequest,
            side("churn", PREFORK),
            side("churn", PRETHREAD),
            (0.0, INF),
            STEVENS,
        )
    },
    Expectation {
        band: None,
        ..ratio(
            1,
            "thread against pool (flips between machines)",
            Metric::CpuPerRequest,
            side("churn", THREAD),
            side("churn", POOL),
            (0.0, INF),
            STEVENS,
        )
    },
    ratio(
        2,
        "fork with 64 MiB resident against none",
        Metric::CpuPerRequest,
        side("fork-64-mib", FORK),
        side("fork-0-mib", FORK),
        (1.5, INF),
        COPY,
    ),
    ratio(
        2,
        "fork with 256 MiB against 64 MiB",
        Metric::CpuPerRequest,
        side("fork-256-mib", FORK),
        side("fork-64-mib", FORK),
        (1.5, INF),
        COPY,
    ),
    ratio(
        3,
        "epoll against poll, no idle connections",
        Metric::Throughput,
        side("idle-0", MIO),
        side("idle-0", POLL),
        (0.85, 1.2),
        SCAN,
    ),
    ratio(
        3,
        "epoll against poll, 1,000 idle",
        Metric::Throughput,
        side("idle-1000", MIO),
        side("idle-1000", POLL),
        (1.1, INF),
        SCAN,
    ),
    ratio(
        3,
        "epoll against poll, 4,000 idle",
        Metric::Throughput,
        side("idle-4000", MIO),
        side("idle-4000", POLL),
        (1.5, INF),
        SCAN,
    ),
    ratio(
        3,
        "epoll with 4,000 idle against none: flat",
        Metric::Throughput,
        side("idle-4000", MIO),
        side("idle-0", MIO),
        (0.85, 1.15),
        SCAN,
    ),
    law(
        4,
        "pool of 16, wait 5 ms: replies per second",
        Metric::Throughput,
        side("pool-waits", POOL),
        (2_800.0, 3_200.0),
        LITTLE,
    ),
    law(
        4,
        "its 64 clients: share that starves",
        Metric::NeverServed,
        side("pool-waits", POOL),
        (0.75, 0.75),
        LITTLE,
    ),
    law(
        4,
        "thread per client: replies per second",
        Metric::Throughput,
        side("pool-waits", THREAD),
        (9_000.0, 12_800.0),
        LITTLE,
    ),
    ratio(
        5,
        "p99 of short requests, inline against threads",
        Metric::ResponseP99,
        side("inline-compute", "mio-event-loop-inline"),
        side("inline-compute", THREAD),
        (1.5, INF),
        LINE,
    ),
    ratio(
        6,
        "one client: tokio-current-thread against tokio",
        Metric::Throughput,
        side("one-client", "tokio-current-thread"),
        side("one-client", "tokio"),
        (1.0, INF),
        ONE,
    ),
    ratio(
        7,
        "one client: io_uring against epoll",
        Metric::Throughput,
        side("one-client", "io-uring"),
        side("one-client", MIO),
        (0.85, 1.2),
        PROACTOR,
    ),
    ratio(
        8,
        "1,000 clients: thread against epoll",
        Metric::Throughput,
        side("thousand", THREAD),
        side("thousand", MIO),
        (0.45, 0.8),
        MANY,
    ),
    ratio(
        8,
        "1,000 clients: fork against epoll",
        Metric::Throughput,
        side("thousand", FORK),
        side("thousand", MIO),
        (0.45, 0.8),
        MANY,
    ),
    ratio(
        8,
        "1,000 clients: tokio against epoll",
        Metric::Throughput,
        side("thousand", "tokio"),
        side("thousand", MIO),
        (0.85, 1.15),
        MANY,
    ),
    ratio(
        8,
        "1,000 clients: p99, tokio against epoll",
        Metric::ResponseP99,
        side("thousand", "tokio"),
        side("thousand", MIO),
        (2.0, INF),
        MANY,
    ),
    ratio(
        9,
        "500 clients: fork against prefork",
        Metric::Throughput,
        side("zerohttpd", FORK),
        side("zerohttpd", PREFORK),
        (0.0, 0.5),
        ZEROHTTPD,
    ),
    ratio(
        9,
        "500 clients: thread against prethread",
        Metric::Throughput,
        side("zerohttpd", THREAD),
        side("zerohttpd", PRETHREAD),
        (0.4, 1.0),
        ZEROHTTPD,
    ),
    ratio(
        9,
        "500 clients: epoll against prethread",
        Metric::Throughput,
        side("zerohttpd", MIO),
        side("zerohttpd", PRETHREAD),
        (0.6, 1.4),
        ZEROHTTPD,
    ),
    ratio(
        9,
        "500 clients: poll against epoll",
        Metric::Throughput,
        side("zerohttpd", POLL),
        side("zerohttpd", MIO),
        (0.5, 1.0),
        ZEROHTTPD,
    ),
    law(
        10,
        "prefork: the busiest child over the mean",
        Metric::BusiestAccepts,
        side("spread", PREFORK),
        (1.0, 1.15),
        SPREAD,
    ),
    law(
        10,
        "prethread: the busiest thread over the mean",
        Metric::BusiestAccepts,
        side("spread", PRETHREAD),
        (1.0, 1.15),
        SPREAD,
    ),
    // Here the parent hands a client to the child that has waited for longest, so nothing of the kind is expected.
    Expectation {
        band: None,
        ..law(
            10,
            "descriptors passed (there 3.0, the first free)",
            Metric::BusiestAccepts,
            side("spread", "prefork-fd-passing"),
            (1.0, INF),
            SPREAD,
        )
    },
    ratio(
        11,
        "files: event loop against thread per client",
        Metric::Throughput,
        side("files", "mio-event-loop-inline"),
        side("files", THREAD),
        (0.95, 1.4), // a fifth to either side of what they found
        PARIAG,
    ),
];

const fn ratio(
    ordering: u8,
    claim: &'static str,
    figure: Metric,
    of: Side,
    by: Side,
    band: (f64, f64),
    source: &'static str,
) -> Expectation {
    Expectation { ordering, claim, figure, of, by: Some(by), above: None, band: Some(band), source }
}

/// What both cost above the server that does nothing but accept and serve.
const fn above_iterative(one: Expectation) -> Expectation {
    Expectation { above: Some(side("churn", "iterative")), ..one }
}

const fn law(
    ordering: u8,
    claim: &'static str,
    figure: Metric,
    of: Side,
    band: (f64, f64),
    source: &'static str,
) -> Expectation {
    Expectation { ordering, claim, figure, of, by: None, above: None, band: Some(band), source }
}
