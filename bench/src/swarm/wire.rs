//! What went over the wire, asked of the kernel once for each connection when the trial is over.
//!
//! Never touches a connection that still works: it is called after the last reply.

use super::slot::Slot;
use crate::sys::{self, TcpInfo};
use bakeoff_reports::record::{Reading, Wire};
use rustix::fd::AsFd;

/// What the connections of the slots carried. Connections of `churn` are gone by then, and asking each before it closes
/// would be one more system call for every few requests. Where another load has `dropped` a connection, what that one
/// carried is gone while its requests are counted, so that no sum can be shared among them.
pub(super) fn read(slots: &[Slot], churn: bool, dropped: u64) -> Reading<Wire> {
    if churn {
        return Reading::Absent("churn closes its connections during the trial".into());
    }
    if dropped > 0 {
        return Reading::Absent(
            "a connection was lost during the trial, and with it the count of what it carried".into(),
        );
    }
    sum(slots.iter().filter_map(|slot| slot.connection.as_ref()).map(|connection| connection.socket()))
}

fn sum(sockets: impl Iterator<Item = impl AsFd>) -> Reading<Wire> {
    let mut wire = Wire::default();
    for socket in sockets {
        match sys::tcp_info(socket.as_fd()) {
            Ok(info) => add(&mut wire, &info),
            Err(why) => return Reading::Absent(format!("asking a connection for TCP_INFO failed: {why}")),
        }
    }
    if wire.connections == 0 {
        return Reading::Absent("no connection was open at the end of the trial".into());
    }
    Reading::Value(wire)
}

fn add(wire: &mut Wire, info: &TcpInfo) {
    wire.connections += 1;
    wire.segments_out += u64::from(info.segs_out);
    wire.segments_in += u64::from(info.segs_in);
    wire.data_segments_out += u64::from(info.data_segs_out);
    wire.data_segments_in += u64::from(info.data_segs_in);
    wire.bytes_out += info.bytes_sent;
    wire.bytes_in += info.bytes_received;
    wire.retransmits += u64::from(info.total_retrans);
    wire.bytes_retransmitted += info.bytes_retrans;
    if let Some(rtt_us) = info.min_rtt_us() {
        lower(&mut wire.min_rtt_us, rtt_us);
    }
}

/// Lowers the least round trip to `rtt_us` microseconds, if it is not lower already.
fn lower(least: &mut Reading<u64>, rtt_us: u64) {
    *least = Reading::Value(least.value().map_or(rtt_us, |known| rtt_us.min(*known)));
}

/// Adds the parts of all workers. A part that is absent is missing from every sum, so then the whole is absent; but a
/// worker that held no connection at the end has nothing to add.
pub(super) fn merge<'a>(parts: impl Iterator<Item = &'a Reading<Wire>>) -> Reading<Wire> {
    let mut sum = Wire::default();
    for part in parts {
        let part = match part {
            Reading::Value(part) => part,
            Reading::Absent(why) => return Reading::Absent(why.clone()),
        };
        sum.connections += part.connections;
        sum.segments_out += part.segments_out;
        sum.segments_in += part.segments_in;
        sum.data_segments_out += part.data_segments_out;
        sum.data_segments_in += part.data_segments_in;
        sum.bytes_out += part.bytes_out;
        sum.bytes_in += part.bytes_in;
        sum.retransmits += part.retransmits;
        sum.bytes_retransmitted += part.bytes_retransmitted;
        if let Reading::Value(rtt_us) = part.min_rtt_us {
            lower(&mut sum.min_rtt_us, rtt_us);
        }
    }
    Reading::Value(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_known_exchange_is_counted_to_the_segment() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let mut ours = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        let (mut theirs, _) = listener.accept().expect("it connected");
        ours.set_nodelay(true).expect("an option");
        theirs.set_nodelay(true).expect("an option");
        for _ in 0..10 {
            ours.write_all(&[1; 100]).expect("room");
            theirs.read_exact(&mut [0; 100]).expect("sent");
            theirs.write_all(&[2; 300]).expect("room");
            ours.read_exact(&mut [0; 300]).expect("sent");
        }
        let Reading::Value(wire) = sum([&ours, &ours].into_iter()) else { panic!("loopback has TCP_INFO") };
        assert_eq!(wire.connections, 2, "one connection, given twice");
        assert_eq!((wire.bytes_out, wire.bytes_in), (2 * 1_000, 2 * 3_000));
        assert_eq!((wire.data_segments_out, wire.data_segments_in), (20, 20));
        assert_eq!((wire.retransmits, wire.bytes_retransmitted), (0, 0));
        // Set-up and acknowledgements come on top: two segments from us and one to us at least.
        assert!(wire.segments_out >= 24 && wire.segments_in >= 22, "{wire:?}");
        assert!(wire.min_rtt_us.value().is_some(), "{wire:?}");
    }

    #[test]
    fn what_is_missing_makes_no_sum() {
        let why = |reading: &Reading<Wire>| matches!(reading, Reading::Absent(_));
        assert!(why(&read(&[], true, 0)) && why(&read(&[], false, 0)) && why(&read(&[], false, 1)));
        let part = Reading::Value(Wire {
            connections: 2,
            segments_in: 5,
            min_rtt_us: Reading::Value(9),
            ..Wire::default()
        });
        let quiet = Reading::Value(Wire { connections: 1, ..Wire::default() });
        let whole = Wire { connections: 3, segments_in: 5, min_rtt_us: Reading::Value(9), ..Wire::default() };
        assert_eq!(merge([&part, &quiet].into_iter()), Reading::Value(whole));
        let none = merge([&quiet].into_iter());
        assert!(
            none.value().is_some_and(|none| none.min_rtt_us.value().is_none()),
            "no round trip: {none:?}"
        );
        assert!(why(&merge([&part, &Reading::Absent("no".into())].into_iter())));
        let (pipe, _other) = std::os::unix::net::UnixStream::pair().expect("a pair");
        assert!(why(&sum([pipe].into_iter())), "a socket that is not TCP has no such figures");
    }
}
