//! The servers of the tests of faults: they speak the line protocol of `bakeoff serve` as far as their fault lets them, serve with a
//! thread per connection, and say who they are in a file.

use crate::cast::CAST;
use bakeoff::process::serving::FromServer;
use bakeoff_servers::CounterSnapshot;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Replies that a dying server still gives.
const LAST_REPLIES: u64 = 40;

/// Serves as the model's name says: `fault`, `fault:file` with a file to write the process id to, or a name of [`CAST`].
pub(crate) fn misbehave(model: &str) -> ExitCode {
    let (fault, file) = model.split_once(':').map_or((model, None), |(fault, file)| (fault, Some(file)));
    let fault = CAST.iter().find(|(name, _)| *name == fault).map_or(fault, |(_, fault)| fault);
    if let Some(file) = file {
        let mut file = OpenOptions::new().create(true).append(true).open(file).expect("writable");
        writeln!(file, "{}", std::process::id()).expect("writable");
    }
    match fault {
        "exits" => {
            eprintln!("no port for me");
            ExitCode::from(3)
        }
        "talks-nonsense" => {
            println!("{{\"hello\":\"world\"}}");
            idle()
        }
        "talks-without-end" => loop {
            // A runner that has heard enough closes the pipe, or ends us.
            if io::stdout().write_all(&[b'x'; 1 << 16]).is_err() {
                return ExitCode::FAILURE;
            }
        },
        "says-nothing" => idle(),
        fault => serve(fault),
    }
}

/// Does nothing until it is killed, deaf to SIGTERM.
fn idle() -> ExitCode {
    ignore_term();
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn ignore_term() {
    let deaf = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, deaf).expect("SIGTERM can be handled");
}

fn say(words: &FromServer) {
    println!("{}", serde_json::to_string(words).expect("our own type"));
    io::stdout().flush().expect("the runner listens");
}

fn serve(fault: &str) -> ExitCode {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address: SocketAddr = listener.local_addr().expect("bound");
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&stop))
        .expect("SIGTERM can be handled");
    let named = if fault == "names-another-machine" {
        "192.0.2.1:8080".parse().expect("an address")
    } else {
        address
    };
    say(&FromServer::Ready { address: named, fingerprint: None });
    if fault == "never-accepts" {
        wait_for(&stop);
        drop(listener);
    } else if fault == "refuses" {
        drop(listener);
        wait_for(&stop);
    } else {
        let (fault, replies) = (fault.to_string(), Arc::new(AtomicU64::new(0)));
        let talks = fault == "talks-while-it-serves";
        let deaf = fault == "hangs";
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (fault, replies) = (fault.clone(), Arc::clone(&replies));
                std::thread::spawn(move || converse(&fault, stream, &replies));
            }
        });
        while talks && !stop.load(Ordering::Relaxed) {
            println!("all is well");
        }
        if deaf {
            return idle();
        }
        wait_for(&stop);
    }
    say(&FromServer::Served { counters: CounterSnapshot::default() });
    ExitCode::SUCCESS
}

fn wait_for(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// One connection, until the client leaves.
fn converse(fault: &str, mut stream: TcpStream, replies: &AtomicU64) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        let message = &mut buffer[..n];
        let sent = match fault {
            "closes-early" => return,
            "panics" => panic!("no plan for a request"),
            "hangs" => Ok(()),
            "stops" => {
                signal_hook::low_level::raise(signal_hook::consts::SIGSTOP).expect("a signal to ourselves");
                Ok(())
            }
            "dies" if replies.fetch_add(1, Ordering::Relaxed) >= LAST_REPLIES => std::process::abort(),
            "leaves" if replies.fetch_add(1, Ordering::Relaxed) >= LAST_REPLIES => {
                say(&FromServer::Served { counters: CounterSnapshot::default() });
                std::process::exit(0)
            }
            "garbage" => {
                message[n - 1] ^= 0xff;
                stream.write_all(message)
            }
            "floods" => loop {
                // Far more than was asked for, until the client has had enough.
                if stream.write_all(message).is_err() {
                    return;
                }
            },
            _ => stream.write_all(message),
        };
        if sent.is_err() {
            return;
        }
    }
}
