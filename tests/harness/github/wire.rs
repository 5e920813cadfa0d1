//! A connection that can be broken on purpose: closed without an answer, or in the middle of a body.
//!
//! Owns bytes and sockets; must not know what they mean beyond the blank line that ends a head.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug, Clone, Copy)]
enum Limit {
    None,
    /// Nothing more is written.
    Closed,
    /// The head, and so many bytes after it.
    AfterHead(usize),
}

/// Breaks the connection it was taken from.
#[derive(Debug, Clone)]
pub(super) struct Breaker(Arc<Mutex<Limit>>);

impl Breaker {
    pub(super) fn close(&self) {
        self.set(Limit::Closed);
    }

    pub(super) fn cut_after(&self, body_bytes: usize) {
        self.set(Limit::AfterHead(body_bytes));
    }

    fn set(&self, limit: Limit) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = limit;
    }

    fn get(&self) -> Limit {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connected<IncomingStream<'_, Breakable>> for Breaker {
    fn connect_info(stream: IncomingStream<'_, Breakable>) -> Self {
        stream.io().breaker.clone()
    }
}

/// A listener whose connections carry a [`Breaker`].
#[derive(Debug)]
pub(super) struct Breakable(pub(super) TcpListener);

impl Listener for Breakable {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.0).await;
        (Wire { stream, breaker: Breaker(Arc::new(Mutex::new(Limit::None))) }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    breaker: Breaker,
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let allowed = match self.breaker.get() {
            Limit::None => buf.len(),
            Limit::Closed => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            // hyper writes a head and a small body in one piece (no vectored writes offered here).
            Limit::AfterHead(bytes) => {
                let head = buf.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
                buf.len().min(head + bytes)
            }
        };
        let written = Pin::new(&mut self.stream).poll_write(cx, &buf[..allowed]);
        if matches!(self.breaker.get(), Limit::AfterHead(_)) && matches!(written, Poll::Ready(Ok(_))) {
            self.breaker.close();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
