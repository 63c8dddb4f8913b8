//! Datagrams under tokio: a task for each thread of the runtime, all on one socket; or one runtime and socket for each core.

use super::runtime::build;
use crate::datagrams::{Datagrams, ServingDatagrams};
use crate::drive::datagrams::{BUFFER, Echo, is_short_of_memory};
use crate::drive::supervise::{StopAtEnd, side_by_side};
use crate::models::datagrams::runtimes;
use crate::tuning::Tuning;
use crate::{ServerConfig, Stop};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use tokio::net::UdpSocket;
use tokio::runtime::{Builder, Runtime};

/// Of `tokio`.
pub(super) static MULTI_THREAD: Datagrams = Datagrams {
    summary: "a task for each thread of the runtime, all on one socket",
    sockets: |_| 1,
    tunings: &[Tuning::RuntimeWorkers],
    answer: |mut serving| {
        let tasks = runtimes(&serving.config);
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(tasks);
        let socket = serving.only_socket();
        let echoes = (0..tasks).map(|_| Echo::new(&serving)).collect();
        serve(&build(builder, &serving.config)?, socket, echoes, &serving.stop)
    },
};

/// Of `tokio-current-thread`.
pub(super) static CURRENT_THREAD: Datagrams = Datagrams {
    summary: "one task on one thread, over one socket",
    sockets: |_| 1,
    tunings: &[],
    answer: |mut serving| {
        let socket = serving.only_socket();
        let echoes = vec![Echo::new(&serving)];
        serve(&on_one_thread(&serving.config)?, socket, echoes, &serving.stop)
    },
};

/// Of `tokio-per-core`.
pub(super) static PER_CORE: Datagrams = Datagrams {
    summary: "a single-threaded runtime for each core, each with a socket of its own (SO_REUSEPORT)",
    sockets: runtimes,
    tunings: &[Tuning::RuntimeWorkers],
    answer: per_core,
};

fn on_one_thread(config: &ServerConfig) -> io::Result<Runtime> {
    build(Builder::new_current_thread(), config)
}

fn per_core(mut serving: ServingDatagrams) -> io::Result<()> {
    let sockets = std::mem::take(&mut serving.sockets);
    let bodies = sockets.into_iter().map(|socket| {
        let (runtime, echoes) = (on_one_thread(&serving.config)?, vec![Echo::new(&serving)]);
        Ok(move |stop: &Stop| serve(&runtime, socket, echoes, stop))
    });
    let bodies = bodies.collect::<io::Result<Vec<_>>>()?;
    side_by_side("runtime", &serving.stop, bodies)
}

/// Answers at one socket with a task for each of `echoes`.
fn serve(runtime: &Runtime, socket: std::net::UdpSocket, echoes: Vec<Echo>, stop: &Stop) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    runtime.block_on(async {
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        let _unblocked = stop.unblock(&*socket)?;
        let spawn = |echo| tokio::spawn(answer(Arc::clone(&socket), echo, stop.clone()));
        let tasks: Vec<_> = echoes.into_iter().map(spawn).collect();
        let mut end = Ok(());
        for task in tasks {
            end = end.and(task.await.unwrap_or_else(|error| Err(io::Error::other(error))));
        }
        end
    })
}

async fn answer(socket: Arc<UdpSocket>, mut echo: Echo, stop: Stop) -> io::Result<()> {
    let _at_end = StopAtEnd::new(&stop); // one that fails ends the server, which says so
    let mut buffer = vec![0; BUFFER];
    while !echo.is_over() {
        match socket.try_recv_from(&mut buffer) {
            Ok((length, peer)) => {
                let sent = socket.send_to(&buffer[..length], peer).await;
                echo.count(length, sent.is_ok());
            }
            // A socket that is shut down is readable for ever: then an empty one is the end.
            Err(error) if error.kind() == ErrorKind::WouldBlock && stop.requested() => return Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => socket.readable().await?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if is_short_of_memory(&error) => echo.rest(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
