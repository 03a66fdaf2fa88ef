//! How far long work is: a bar on a terminal, a line every tenth elsewhere. To standard error.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use warpwise_engine::tpch::Progress;

use crate::output::{grouped, note};

/// How often a bar is drawn.
const PER_SECOND: u8 = 10;

/// Shows how far something is.
pub struct Meter {
    name: String,
    bar: Option<ProgressBar>,
    /// The next tenth of which a line is due.
    tenth: AtomicU64,
}

impl Meter {
    /// A meter of what has that name; it shows nothing yet.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(PER_SECOND));
            let template = "{prefix} [{bar:32}] {percent:>3} %  {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(name.clone());
            bar
        });
        Self { name, bar, tenth: AtomicU64::new(1) }
    }

    /// Shows one more step of a generation of TPC-H.
    pub fn show(&self, progress: Progress) {
        match progress {
            Progress::Waiting => {
                let text = format!("{}: another process generates it; waiting", self.name);
                self.bar.as_ref().map_or_else(|| note(&text), |bar| bar.suspend(|| note(&text)));
            }
            Progress::Rows { table, done, total } => {
                self.reached(done, total, "rows");
                if let Some(bar) = &self.bar {
                    bar.set_message(format!("{} rows, {table}", grouped(done)));
                }
            }
            Progress::Syncing => {
                if let Some(bar) = &self.bar {
                    bar.set_message("to the disk");
                    bar.enable_steady_tick(Duration::from_millis(200));
                }
            }
        }
    }

    /// Shows that so many of all are done; `unit` is what they are.
    pub fn reached(&self, done: u64, total: u64, unit: &str) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(format!("{} {unit}", grouped(done)));
            return;
        }
        let reached = done.saturating_mul(10) / total.max(1);
        let due = self.tenth.load(Ordering::Relaxed);
        // Of the threads that arrive here at once, one prints.
        let mine = reached >= due && self.tenth.compare_exchange(due, reached + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if mine {
            note(&format!("{}: {} % ({} {unit})", self.name, reached.min(10) * 10, grouped(done)));
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
