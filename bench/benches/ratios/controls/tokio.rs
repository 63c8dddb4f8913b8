//! Echo servers on tokio, as its own introduction writes them: a task and a buffer for each connection, `read`,
//! `write_all`.

use super::BUFFER;
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

pub(super) fn serve_current_thread(listener: std::net::TcpListener, _: usize) -> io::Result<()> {
    serve(&Builder::new_current_thread().enable_io().build()?, listener)
}

pub(super) fn serve_multi_thread(listener: std::net::TcpListener, _: usize) -> io::Result<()> {
    let workers = bakeoff::host::environment::allowed_cpus().len();
    serve(&Builder::new_multi_thread().worker_threads(workers).enable_io().build()?, listener)
}

fn serve(runtime: &Runtime, listener: std::net::TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        // Not on the task of block_on, which the scheduler treats worse than a spawned one.
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((mut stream, _)) = listener.accept().await else { continue };
                tokio::spawn(async move {
                    let mut buffer = vec![0; BUFFER];
                    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                        if stream.write_all(&buffer[..n]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        accepting.await.map_err(io::Error::other)
    })
}
