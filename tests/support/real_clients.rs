//! The clients that people use, where they are installed.

use super::process::which;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian's package puts the JDBC driver.
const JDBC: &str = "/usr/share/java/postgresql.jar";

/// Why a client cannot be run.
#[derive(Debug)]
pub struct Missing(String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What libpq takes from the environment.
fn connection(command: &mut Command, address: SocketAddr, database: &str) {
    command.env("PGHOST", address.ip().to_string()).env("PGPORT", address.port().to_string());
    command.env("PGUSER", "postgres").env("PGDATABASE", database);
    command.env("LC_ALL", "C.UTF-8").env("PSQLRC", "/dev/null").env("PAGER", "cat");
    command.env_remove("PGPASSWORD").env_remove("PGOPTIONS").env_remove("PGSERVICE");
}

/// psql without anybody's settings.
pub fn psql(address: SocketAddr, database: &str) -> Result<Command, Missing> {
    let path = which("psql").ok_or_else(|| Missing("psql is not installed".to_owned()))?;
    let mut command = Command::new(path);
    command.args(["-X", "-a"]);
    connection(&mut command, address, database);
    Ok(command)
}

/// A Python that can import `modules`.
pub fn python(address: SocketAddr, database: &str, modules: &[&str]) -> Result<Command, Missing> {
    let program = std::env::var_os("WARPWISE_PYTHON").unwrap_or_else(|| "python3".into());
    let import = format!("import {}", modules.join(", "));
    let found = Command::new(&program).args(["-c", &import]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        let program = program.to_string_lossy().into_owned();
        return Err(Missing(format!("{program} cannot import {}", modules.join(" and "))));
    }
    let mut command = Command::new(program);
    connection(&mut command, address, database);
    Ok(command)
}

/// A Java program of one source file, with the JDBC driver; its arguments are host, port and database.
pub fn java(source: &Path, address: SocketAddr, database: &str) -> Result<Command, Missing> {
    let java = which("java").ok_or_else(|| Missing("java is not installed".to_owned()))?;
    which("javac").ok_or_else(|| Missing("the Java compiler is not installed".to_owned()))?;
    let jar = std::env::var_os("WARPWISE_JDBC").map_or_else(|| PathBuf::from(JDBC), PathBuf::from);
    if !jar.is_file() {
        return Err(Missing(format!("the PostgreSQL JDBC driver is not at {}", jar.display())));
    }
    let mut command = Command::new(java);
    command.arg("-Dfile.encoding=UTF-8").arg("-cp").arg(jar).arg(source);
    command.args([address.ip().to_string(), address.port().to_string(), database.to_owned()]);
    Ok(command)
}
