//! What holds for every service: any split of the input gives the same output, and the two halves agree.

use super::*;
use crate::drive::protocol::{Action, Protocol};
use crate::{Parts, Post, Request};
use proptest::prelude::*;

/// What a client hears by its post.
#[derive(Debug, Default)]
struct Heard(std::sync::Mutex<Vec<u8>>);

impl Post for Heard {
    fn deliver(&self, message: &Arc<[u8]>) {
        self.0.lock().expect("no panic").extend_from_slice(message);
    }
}

/// Feeds `pieces` as a driver would and returns the output, the requests answered, and whether it ended.
pub(super) fn converse(service: &dyn Service, pieces: &[&[u8]]) -> (Vec<u8>, u32, bool) {
    let (mut session, heard) = (service.open(), Arc::new(Heard::default()));
    if service.talks() {
        session.attach(Arc::clone(&heard) as Arc<dyn Post>);
    }
    let mut protocol = Protocol::new(session);
    let (mut sent, mut answered) = (Vec::new(), 0);
    for piece in pieces {
        let mut output = Vec::new();
        let mut action = protocol.on_data(piece, &mut output);
        loop {
            action = match action {
                Action::Read => break,
                Action::Write => {
                    assert!(!output.is_empty() || service.talks(), "a flush has something to send");
                    sent.append(&mut output);
                    let (requests, next) = protocol.on_written(&mut output);
                    answered += requests;
                    next
                }
                Action::Run(job) => {
                    assert!(output.is_empty(), "replies are gone before a job starts");
                    protocol.on_result(job.run(), &mut output)
                }
                Action::AwaitRoom => panic!("there is always room"),
                Action::Close => return (sent, answered, true),
            }
        }
    }
    sent.append(&mut heard.0.lock().expect("no panic"));
    (sent, answered, false)
}

fn requests(sizes: &[u32]) -> Vec<Request> {
    let request = |(id, &size)| Request::new(id as u64 * 7 + 1, size, 1 + id as u64 * 50);
    sizes.iter().enumerate().map(request).collect()
}

fn wire<'a>(requests: &'a [Request], parts: impl Fn(&'a Request) -> Parts<'a>) -> Vec<u8> {
    requests.iter().flat_map(|request| parts(request).to_vec()).collect()
}

proptest! {
    #[test]
    fn any_split_gives_the_same_replies(
        sizes in prop::collection::vec(1_u32..400, 1..12),
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        for entry in ALL {
            let mut requests = requests(&sizes);
            if entry.demand == Some(POISON) {
                requests.iter_mut().for_each(|request| request.demand_ns = 0); // another would end this test
            }
            let exchange = (entry.exchange)(400);
            let service = (entry.build)(&ServiceConfig::default());
            let input = wire(&requests, |request| exchange.request(request));
            let expected = wire(&requests, |request| exchange.reply(request));
            let mut at: Vec<usize> = cuts.iter_mut().map(|cut| cut.index(input.len() + 1)).collect();
            at.extend([0, input.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
            let (output, answered, ended) = converse(&*service, &pieces);
            prop_assert!(output == expected, "{}: wrong replies", entry.name);
            prop_assert!(!ended);
            if entry.name != "echo" { // which has no framing to count by
                prop_assert_eq!(answered as usize, requests.len(), "{}", entry.name);
            }
        }
    }
}

#[test]
fn names_are_unique_and_found() {
    for (index, entry) in ALL.iter().enumerate() {
        assert!(ALL[..index].iter().all(|other| other.name != entry.name));
        assert_eq!(find(entry.name).map(|found| found.name), Some(entry.name));
    }
    assert!(find("nosuch").is_none());
}

#[test]
fn lines_keep_their_ends_and_exit_closes() {
    let service = (line::ENTRY.build)(&ServiceConfig::default());
    let answer = converse(&*service, &[b"one\r\ntwo\n\nexit of the cinema\nex", b"it\r\nthree\n"]);
    assert_eq!(answer, (b"one\r\ntwo\n\nexit of the cinema\n".to_vec(), 4, true));
}

#[test]
fn a_line_may_be_long_but_not_endless() {
    let service = (line::ENTRY.build)(&ServiceConfig::default());
    let mut longest = vec![b'a'; MAX_MESSAGE as usize];
    longest[MAX_MESSAGE as usize - 1] = b'\n';
    let pieces: Vec<&[u8]> = longest.chunks(64 * 1024).collect();
    assert!(converse(&*service, &pieces) == (longest.clone(), 1, false));
    let endless = vec![b'a'; MAX_MESSAGE as usize + 1];
    let mut protocol = Protocol::new(service.open());
    assert!(matches!(protocol.on_data(&endless, &mut Vec::new()), Action::Close));
    assert_eq!(protocol.rejected(), Some("a line longer than 4 MiB"));
}

#[test]
fn a_broken_frame_is_refused_by_its_header() {
    let frame = |length: u32, reserved: u32, demand_ns: u64| {
        [&length.to_le_bytes()[..], &reserved.to_le_bytes(), &demand_ns.to_le_bytes()].concat()
    };
    let service = (wait::ENTRY.build)(&ServiceConfig::default());
    for (header, reason) in [
        (frame(MAX_MESSAGE + 1, 0, 0), "a payload of more than 4 MiB"),
        (frame(1, 9, 0), "reserved bytes of the header that are not zero"),
        (frame(1, 0, 60_000_000_001), "a demand of more than 60 s"),
    ] {
        let mut protocol = Protocol::new(service.open());
        assert!(matches!(protocol.on_data(&header, &mut Vec::new()), Action::Close));
        assert_eq!(protocol.rejected(), Some(reason));
    }
    let mut protocol = Protocol::new(service.open());
    let fits = frame(MAX_MESSAGE, 0, 60_000_000_000);
    assert!(matches!(protocol.on_data(&fits, &mut Vec::new()), Action::Read));
}

#[test]
fn without_a_demand_the_default_holds() {
    let at_once = ServiceConfig { default_demand: Duration::ZERO, ..ServiceConfig::default() };
    for entry in [&wait::ENTRY, &block::ENTRY] {
        let exchange = (entry.exchange)(16);
        let request = Request::new(5, 16, 0);
        let mut protocol = Protocol::new((entry.build)(&at_once).open());
        let mut output = Vec::new();
        let action = protocol.on_data(&exchange.request(&request).to_vec(), &mut output);
        assert!(matches!(action, Action::Write), "{}: no job for nothing", entry.name);
        assert_eq!(output, exchange.reply(&request).to_vec());
        let mut protocol = Protocol::new((entry.build)(&ServiceConfig::default()).open());
        let action = protocol.on_data(&exchange.request(&request).to_vec(), &mut Vec::new());
        assert!(matches!(action, Action::Run(_)), "{}: the default asks for a job", entry.name);
    }
}

#[test]
fn only_a_stated_demand_is_poison() {
    let config = ServiceConfig { default_demand: Duration::from_secs(1), ..ServiceConfig::default() };
    let exchange = (poison::ENTRY.exchange)(16);
    for (demand_ns, kills) in [(0, false), (1, true)] {
        let request = Request::new(5, 16, demand_ns);
        let mut protocol = Protocol::new((poison::ENTRY.build)(&config).open());
        let action = protocol.on_data(&exchange.request(&request).to_vec(), &mut Vec::new());
        assert_eq!(matches!(action, Action::Run(_)), kills, "demand {demand_ns}");
        assert_eq!(matches!(action, Action::Write), !kills, "demand {demand_ns}");
    }
}
