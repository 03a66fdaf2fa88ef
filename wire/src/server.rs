//! Listening: a runtime of its own, a task per connection, and the limits that all of them share.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warpwise_engine::Engine;

use crate::auth::Auth;
use crate::connection;

/// The longest message that a client may send, where nothing else is asked for: 64 MiB.
pub const DEFAULT_MAX_MESSAGE: usize = 64 << 20;

/// Sockets and encoding take this many threads; queries run elsewhere.
const THREADS: usize = 2;
/// How long connections may take to say farewell when the server ends.
const FAREWELL: Duration = Duration::from_secs(2);
/// A pause after a failure to accept, such as too many open files.
const RETRY: Duration = Duration::from_millis(50);

/// What a server needs to know.
#[derive(Debug)]
pub struct ServerOptions {
    /// Where clients arrive; bound by the caller, who knows what to say where that fails.
    pub listener: TcpListener,
    /// Sessions at a time; one more is refused with `53300`.
    pub max_connections: usize,
    /// How clients prove who they are.
    pub auth: Auth,
    /// The longest message body that is taken, in bytes; see [`DEFAULT_MAX_MESSAGE`].
    pub max_message: usize,
}

/// What connections share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) auth: Auth,
    pub(crate) max_message: usize,
    /// One permit a session.
    pub(crate) slots: Arc<Semaphore>,
    /// One permit a socket: twice the sessions and some more, so that cancel requests and refusals find room,
    /// and a crowd that never starts up does not pile up.
    sockets: Arc<Semaphore>,
    /// Fires when the server ends.
    pub(crate) stop: CancellationToken,
    tasks: TaskTracker,
}

/// A running server. Dropping it cuts off whoever is still connected; see [`Server::shutdown`].
pub struct Server {
    address: SocketAddr,
    /// Some until it is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
    shared: Arc<Shared>,
}

/// Starts to serve `engine`. Returns at once; the work is done on threads named `warpwise-wire`.
pub fn serve(engine: Engine, options: ServerOptions) -> io::Result<Server> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("warpwise-wire")
        .thread_stack_size(64 << 20)
        .enable_all()
        .build()?;
    options.listener.set_nonblocking(true)?;
    let address = options.listener.local_addr()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(options.listener)?
    };
    let sessions = options.max_connections.min(Semaphore::MAX_PERMITS / 4);
    let shared = Arc::new(Shared {
        engine,
        auth: options.auth,
        max_message: options.max_message,
        slots: Arc::new(Semaphore::new(sessions)),
        sockets: Arc::new(Semaphore::new(2 * sessions + 64)),
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
    });
    let handle = runtime.handle().clone();
    shared.tasks.spawn_on(accept(listener, Arc::clone(&shared)), &handle);
    shared.tasks.close();
    Ok(Server { address, runtime: Some(runtime), handle, shared })
}

impl Server {
    /// Where it listens, the port filled in where the caller asked for any.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Blocks until [`shutdown`](Self::shutdown) was called, from whichever thread, and clients are told. Not for use
    /// in async code.
    pub fn wait(&self) {
        self.handle.block_on(async {
            self.shared.stop.cancelled().await;
            // Who does not take the farewell in time is cut off.
            let _ = tokio::time::timeout(FAREWELL, self.shared.tasks.wait()).await;
        });
    }

    /// Ends the server: no client is accepted any more, connected ones are told (`57P01`), running queries stop.
    /// Blocks for two seconds at most. Not for use in async code.
    pub fn shutdown(&self) {
        self.shared.stop.cancel();
        self.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        // A runtime's own drop would block, which async code must not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&shared.sockets).try_acquire_owned() else {
            tracing::warn!(%peer, "too many sockets: a connection was closed unheard");
            continue;
        };
        let connection = connection::serve(socket, peer, Arc::clone(&shared));
        shared.tasks.spawn(async move {
            connection.await;
            drop(place);
        });
    }
}
