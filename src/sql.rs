//! `sql`: a shell in this process, which prints what psql prints.

mod aligned;
mod csv;
mod lines;
mod meta;
mod report;
mod splitter;
mod width;

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use warpwise_engine::copy::{CopyOptions, Encoder};
use warpwise_engine::{CopyIn, Error, Outcome, Rows, Statement, Tag, TransactionStatus};

use crate::cli::Sql;
use crate::data;
use crate::failure::Failure;
use crate::local::Local;
use crate::output::note;
use lines::Lines;
use splitter::Splitter;

pub use csv::write_row as write_csv_row;

/// What a shell says when it is interrupted at its prompt.
const INTERRUPTED: i32 = 130;

/// Runs what the command line asks for, or a prompt.
pub fn run(arguments: Sql) -> Result<(), Failure> {
    data::discover(&arguments.device)?;
    let engine = data::start(&arguments.device, &arguments.resources)?;
    let mut database = "postgres";
    if let Some(scale) = arguments.tpch {
        let (folder, line) = data::tpch(scale, data::threads(arguments.resources.threads))?;
        note(&line);
        engine.open_tpch(&folder)?;
        database = "tpch";
    }
    if let Some(folder) = &arguments.data {
        let line = data::load(&engine, folder)?;
        note(&line);
    }
    let mut shell = Shell::new(Local::open(&engine, database)?, arguments.csv)?;
    if !arguments.commands.is_empty() {
        let mut input = Lines::new(io::stdin().lock());
        for command in &arguments.commands {
            shell.message(command, &mut input)?;
            if shell.failed {
                break;
            }
        }
    } else {
        match arguments.file.as_deref() {
            Some(path) if path.as_os_str() != "-" => {
                let file = File::open(path).map_err(|error| Failure::of_file("read", path, &error))?;
                shell.script(&mut Lines::new(BufReader::new(file)))?;
            }
            Some(_) => shell.script(&mut Lines::new(io::stdin().lock()))?,
            None => {
                shell.interactive = io::stdin().is_terminal() && io::stdout().is_terminal();
                if shell.interactive {
                    println_out(&format!("warpwise {}: an SQL shell; \\? helps, \\q ends it", env!("CARGO_PKG_VERSION")))?;
                }
                shell.script(&mut Lines::new(io::stdin().lock()))?;
            }
        }
    }
    // At a prompt, mistakes are part of the conversation.
    if shell.failed && !shell.interactive { Err(Failure::Silent) } else { Ok(()) }
}

fn println_out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Why a message ended.
enum Problem {
    /// A statement failed.
    Sql(Error),
    /// The output cannot be written.
    Output(io::Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// A shell over a session.
struct Shell {
    local: Local,
    csv: bool,
    timing: bool,
    interactive: bool,
    /// Whether any statement failed.
    failed: bool,
    /// Whether a statement runs now: then Ctrl-C cancels it, and does not end the shell.
    busy: Arc<AtomicBool>,
}

impl Shell {
    fn new(local: Local, csv: bool) -> Result<Self, Failure> {
        let busy = Arc::new(AtomicBool::new(false));
        let cancel = local.canceller();
        let running = Arc::clone(&busy);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("could not wait for signals: {error}")))?;
        let wait = move || {
            while runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                if running.load(Ordering::SeqCst) {
                    cancel();
                } else {
                    note("");
                    std::process::exit(INTERRUPTED);
                }
            }
        };
        let spawned = std::thread::Builder::new().name("warpwise-signals".to_owned()).spawn(wait);
        spawned.map_err(|error| Failure::new(format!("could not wait for signals: {error}")))?;
        Ok(Self { local, csv, timing: false, interactive: false, failed: false, busy })
    }

    /// Runs statements and commands from lines, to their end or `\q`.
    fn script(&mut self, input: &mut Lines<'_>) -> Result<(), Failure> {
        let mut splitter = Splitter::default();
        loop {
            self.prompt(&splitter)?;
            let Some(line) = input.next().map_err(|error| Failure::new(format!("could not read the input: {error}")))? else {
                break;
            };
            if splitter.is_empty() && line.trim_start().starts_with('\\') {
                if self.command(line.trim())? == meta::Next::Quit {
                    return Ok(());
                }
                continue;
            }
            for statement in splitter.push(&line) {
                self.message(&statement, input)?;
            }
        }
        let rest = splitter.finish();
        if !rest.trim().is_empty() {
            self.message(&rest, input)?;
        }
        if self.interactive {
            println_out("")?;
        }
        Ok(())
    }

    /// `tpch=> `, `tpch*=> ` in a transaction, `tpch!=> ` in a failed one, `tpch-> ` within a statement.
    fn prompt(&self, splitter: &Splitter) -> io::Result<()> {
        if !self.interactive {
            return Ok(());
        }
        let transaction = match self.local.session.transaction_status() {
            TransactionStatus::Idle => "",
            TransactionStatus::InTransaction => "*",
            TransactionStatus::Failed => "!",
        };
        let mut out = io::stdout().lock();
        write!(out, "{}{}{transaction}> ", self.local.session.database_name(), splitter.prompt())?;
        out.flush()
    }

    /// Runs the statements of one text, as one simple query message; the first that fails ends it.
    fn message(&mut self, text: &str, input: &mut Lines<'_>) -> Result<(), Failure> {
        let began = Instant::now();
        let runtime = self.local.runtime();
        self.busy.store(true, Ordering::SeqCst);
        let outcome = runtime.block_on(self.statements(text, input));
        self.busy.store(false, Ordering::SeqCst);
        if outcome.is_err() {
            self.local.session.fail();
        }
        self.local.session.idle();
        self.notices();
        match outcome {
            Ok(()) => {}
            Err(Problem::Sql(error)) => {
                self.failed = true;
                note(report::error(&error, text).trim_end());
            }
            Err(Problem::Output(error)) => return Err(error.into()),
        }
        if self.timing {
            println_out(&report::time(began.elapsed()))?;
        }
        Ok(())
    }

    async fn statements(&mut self, text: &str, input: &mut Lines<'_>) -> Result<(), Problem> {
        self.local.session.begin_statement();
        let mut statements = self.local.session.parse(text)?;
        statements.retain(|statement| !statement.is_empty());
        let last = statements.len().saturating_sub(1);
        for (at, statement) in statements.into_iter().enumerate() {
            self.statement(statement, at == last, input).await?;
        }
        Ok(())
    }

    async fn statement(&mut self, statement: Statement, last: bool, input: &mut Lines<'_>) -> Result<(), Problem> {
        let tag = match self.local.begin(statement).await? {
            Outcome::Empty => None,
            Outcome::Complete(tag) => Some(tag),
            Outcome::Rows(rows) => {
                self.rows(rows).await?;
                None
            }
            Outcome::CopyOut { rows, options } => Some(self.copy_out(rows, options).await?),
            Outcome::CopyIn(copy) => Some(self.copy_in(*copy, input).await?),
        };
        if last {
            self.local.session.sync().await?;
        }
        self.notices();
        if let Some(tag) = tag {
            println_out(&tag.to_string())?;
        }
        Ok(())
    }

    /// Prints a result: a table when all of it is there, CSV as it comes.
    async fn rows(&mut self, mut rows: Rows) -> Result<(), Problem> {
        let columns = Arc::clone(rows.columns());
        let mut printer = self.local.printer(&columns);
        // Buffered by the lines of a terminal only: results are long.
        let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout());
        if self.csv {
            csv::write_row(&mut out, columns.iter().map(|column| Some(column.name.as_str())))?;
            while let Some(batch) = rows.next().await? {
                for row in printer.rows(&batch)? {
                    csv::write_row(&mut out, row.iter().map(Option::as_deref))?;
                }
            }
        } else {
            let mut all = Vec::new();
            while let Some(batch) = rows.next().await? {
                all.extend(printer.rows(&batch)?);
            }
            aligned::write(&mut out, None, &aligned::headings(&columns), &all)?;
        }
        Ok(out.flush()?)
    }

    /// Prints what COPY … TO STDOUT gives.
    async fn copy_out(&mut self, mut rows: Rows, options: CopyOptions) -> Result<Tag, Problem> {
        let columns = Arc::clone(rows.columns());
        let mut printer = self.local.printer(&columns);
        let encoder = Encoder::new(columns.iter().map(|column| column.name.clone()).collect(), options)?;
        let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout());
        let mut line = Vec::new();
        encoder.header(&mut line);
        let mut count = 0;
        while let Some(batch) = rows.next().await? {
            for row in printer.rows(&batch)? {
                encoder.row(row.iter().map(|value| value.as_deref().map(str::as_bytes)), &mut line);
                out.write_all(&line)?;
                line.clear();
                count += 1;
            }
        }
        // The header of a result without rows.
        out.write_all(&line)?;
        out.flush()?;
        Ok(Tag { verb: "COPY", rows: Some(count) })
    }

    /// Gives COPY … FROM STDIN the lines that follow, up to `\.` or the end.
    async fn copy_in(&mut self, mut copy: CopyIn, input: &mut Lines<'_>) -> Result<Tag, Problem> {
        if self.interactive {
            println_out("Enter data to be copied followed by a newline.")?;
            println_out("End with a backslash and a period on a line by itself, or an EOF signal.")?;
        }
        loop {
            match input.next_bytes() {
                Ok(Some(line)) if line.trim_ascii_end() == b"\\." => break,
                Ok(Some(line)) => copy.push(&line).await?,
                Ok(None) => break,
                Err(error) => return Err(copy.abort(&format!("could not read the input: {error}")).into()),
            }
        }
        Ok(copy.finish(&mut self.local.session).await?)
    }

    /// Prints what the session has to tell.
    fn notices(&mut self) {
        for notice in self.local.session.take_notices() {
            note(report::notice(&notice).trim_end());
        }
        // Nobody here follows the settings.
        self.local.session.take_reports();
        self.local.session.take_closed_portals();
    }
}
