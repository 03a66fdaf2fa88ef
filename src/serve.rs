//! `serve`: devices, data, socket, and then a server until it is told to end.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Instant;

use warpwise_wire::{Auth, DEFAULT_MAX_MESSAGE, PasswordFile, ServerOptions};

use crate::cli::Serve;
use crate::data;
use crate::failure::Failure;
use crate::output::{say, seconds};

/// PostgreSQL's port.
const PORT: u16 = 5432;
/// How many ports are tried where nobody names one.
const PORTS: u16 = 100;

/// Serves until it is interrupted.
pub fn run(arguments: &Serve) -> Result<(), Failure> {
    let began = Instant::now();
    let auth = auth(arguments)?;
    let devices = data::discover(&arguments.device)?;
    say(&devices.line())?;
    // The socket first: whoever cannot have it should not wait for the data.
    let listener = listen(arguments)?;
    let engine = data::start(&arguments.device, &arguments.resources)?;
    if let Some(scale) = arguments.tpch {
        let (folder, line) = data::tpch(scale, data::threads(arguments.resources.threads))?;
        engine.open_tpch(&folder)?;
        say(&line)?;
    }
    if let Some(folder) = &arguments.data {
        say(&data::load(&engine, folder)?)?;
    }
    let address = listener.local_addr().map_err(|error| Failure::new(format!("the socket has no address: {error}")))?;
    let options = ServerOptions {
        listener,
        max_connections: usize::try_from(arguments.max_connections).unwrap_or(usize::MAX),
        auth,
        max_message: DEFAULT_MAX_MESSAGE,
    };
    let signals = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let signals = signals.map_err(|error| Failure::new(format!("could not wait for signals: {error}")))?;
    let server = warpwise_wire::serve(engine.clone(), options);
    let server = server.map_err(|error| Failure::new(format!("could not start the server: {error}")))?;
    let database = if arguments.tpch.is_some() { "tpch" } else { "postgres" };
    say(&format!("ready in {}: {}", seconds(began.elapsed()), psql(address, database)))?;
    signals.block_on(interrupted()).map_err(|error| Failure::new(format!("could not wait for signals: {error}")))?;
    server.shutdown();
    engine.shutdown();
    Ok(say("stopped")?)
}

/// Waits for Ctrl-C or a request to terminate.
async fn interrupted() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => outcome,
        _ = terminate.recv() => Ok(()),
    }
}

/// How clients prove who they are; beyond loopback that must have been decided.
fn auth(arguments: &Serve) -> Result<Auth, Failure> {
    if let Some(path) = &arguments.password_file {
        let file = PasswordFile::read(path);
        let file = file.map_err(|what| Failure::new(what).hint("warpwise password --user NAME >> FILE makes its lines"))?;
        return Ok(Auth::Scram(file));
    }
    if let Some(text) = &arguments.listen {
        let beyond = addresses(text)?.into_iter().find(|address| !is_loopback(address.ip()));
        if let (Some(address), false) = (beyond, arguments.insecure) {
            return Err(Failure::new(format!(
                "{} can be reached from other machines, and no password is asked for",
                address.ip()
            ))
            .hint("give --password-file FILE (see warpwise password --help), or --insecure to let anyone in"));
        }
    }
    Ok(Auth::Trust)
}

fn is_loopback(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
    }
}

fn addresses(text: &str) -> Result<Vec<SocketAddr>, Failure> {
    let hint = "an address is HOST:PORT, as 127.0.0.1:5432, [::1]:5432 or 0.0.0.0:5432";
    let found =
        text.to_socket_addrs().map_err(|error| Failure::new(format!("cannot listen on \"{text}\": {error}")).hint(hint))?;
    let found: Vec<SocketAddr> = found.collect();
    if found.is_empty() { Err(Failure::new(format!("\"{text}\" has no address")).hint(hint)) } else { Ok(found) }
}

/// Takes the address asked for, or the first free port from PostgreSQL's on.
fn listen(arguments: &Serve) -> Result<TcpListener, Failure> {
    if let Some(text) = &arguments.listen {
        let addresses = addresses(text)?;
        return TcpListener::bind(addresses.as_slice()).map_err(|error| {
            let failure = Failure::new(format!("cannot listen on {text}: {}", reason(&error)));
            match error.kind() {
                io::ErrorKind::AddrInUse => failure.hint("another server has that port: end it, or name another port"),
                io::ErrorKind::PermissionDenied => failure.hint("ports below 1024 are the system's: name a higher one"),
                _ => failure.hint("name an address that this machine has, as 127.0.0.1:5432"),
            }
        });
    }
    for port in PORT..PORT + PORTS {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => {
                if port != PORT {
                    say(&format!("port {PORT} is busy: listening on {port}"))?;
                }
                return Ok(listener);
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(Failure::new(format!("cannot listen on 127.0.0.1:{port}: {}", reason(&error)))),
        }
    }
    Err(Failure::new(format!("ports {PORT} to {} are all busy", PORT + PORTS - 1))
        .hint("name a free one: --listen 127.0.0.1:PORT"))
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the port is busy".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        _ => error.to_string(),
    }
}

/// The command that connects.
fn psql(address: SocketAddr, database: &str) -> String {
    let host = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    format!("psql -h {host} -p {} -d {database}", address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_a_host_that_works() {
        let of = |text: &str| psql(text.parse().unwrap(), "tpch");
        assert_eq!(of("127.0.0.1:5432"), "psql -h 127.0.0.1 -p 5432 -d tpch");
        assert_eq!(of("0.0.0.0:6000"), "psql -h 127.0.0.1 -p 6000 -d tpch");
        assert_eq!(of("[::]:6000"), "psql -h ::1 -p 6000 -d tpch");
        assert_eq!(of("10.1.2.3:6000"), "psql -h 10.1.2.3 -p 6000 -d tpch");
    }

    #[test]
    fn loopback_is_known() {
        for (text, loopback) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(text.parse().unwrap()), loopback, "{text}");
        }
    }

    #[test]
    fn addresses_need_a_port() {
        assert!(addresses("127.0.0.1").is_err());
        assert!(addresses("127.0.0.1:99999").is_err());
        assert_eq!(addresses("127.0.0.1:0").unwrap(), ["127.0.0.1:0".parse().unwrap()]);
    }
}
