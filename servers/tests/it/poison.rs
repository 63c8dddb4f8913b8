//! A poison request kills the process that handles it. Who dies with it is the model's choice: under fork per client
//! its own client alone, under every other model all clients.

use crate::client::{Client, MIB, request};
use crate::faulty::expect_cut;
use crate::server::{Server, until};
use crate::{Case, Pair, case};
use bakeoff_servers::Request;
use bakeoff_servers::model::Isolation;
use rustix::process::Signal;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;

pub(crate) const ALL: &[Case] = &[case!(poison_kills_whom_it_may)];

/// Clients that send nothing bad.
const OTHERS: usize = 4;

fn harmless(id: u64) -> Request {
    Request { demand_ns: 0, ..request(id, 64) }
}

fn poison_kills_whom_it_may(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = (pair.service.exchange)(MIB);
    let room = pair.concurrency() - 1; // beside the poisoner
    let mut others: Vec<Client<'_>> =
        (0..OTHERS.min(room)).map(|_| Client::connect(&server, &*exchange)).collect();
    for client in &mut others {
        client.exchange(&harmless(1));
    }
    let mut poisoner = Client::connect(&server, &*exchange);
    poisoner.exchange(&harmless(2));
    let limits = server.process().limits().expect("limits").max_core_file_size;
    assert!(
        matches!(limits.soft_limit, procfs::process::LimitValue::Value(bytes) if bytes <= 1),
        "{limits:?}: a core dump may be written"
    );
    poisoner.send(&request(3, 64));
    expect_cut(&mut poisoner);
    if pair.model.meta().isolation() == Isolation::Connection {
        for client in &mut others {
            client.exchange(&harmless(4)); // on the connection it has had all along
        }
        Client::connect(&server, &*exchange).exchange(&harmless(5));
        drop(others);
        until("the dead are reaped, and replaced where they were there before", || {
            server.children().len() == pair.processes()
        });
        let counters = server.stop();
        let connections = OTHERS as u64 + 2;
        assert_eq!((counters.accepted, counters.crashed), (connections, 1), "{counters:?}");
        assert_eq!((counters.protocol_errors, counters.cut_at_stop), (0, 0), "{counters:?}");
    } else {
        for client in &mut others {
            expect_cut(client);
        }
        let address = server.addr;
        let status = server.wait_for_death();
        assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{status}");
        assert!(!status.core_dumped(), "no core dump");
        // Soon, not at once: the kernel takes a dead process's ring apart behind its back, and the ring's accept holds
        // the listener until then.
        until("nobody listens any more", || {
            TcpStream::connect(address).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        });
    }
}
