//! How far a generation is: a bar on a terminal, a line every tenth elsewhere. To standard error.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use warpwise_engine::tpch::{Progress, Scale};

use crate::output::{grouped, note};

/// How often a bar is drawn.
const PER_SECOND: u8 = 10;

/// Shows how far a generation is.
pub struct Meter {
    scale: Scale,
    bar: Option<ProgressBar>,
    /// The next tenth of which a line is due.
    tenth: AtomicU64,
}

impl Meter {
    /// A meter that shows nothing yet.
    pub fn new(scale: Scale) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(PER_SECOND));
            let template = "{prefix} [{bar:32}] {percent:>3} %  {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(format!("tpch scale {scale}"));
            bar
        });
        Self { scale, bar, tenth: AtomicU64::new(1) }
    }

    /// Shows one more step.
    pub fn show(&self, progress: Progress) {
        let scale = self.scale;
        match progress {
            Progress::Waiting => {
                let text = format!("tpch scale {scale}: another process generates it; waiting");
                self.bar.as_ref().map_or_else(|| note(&text), |bar| bar.suspend(|| note(&text)));
            }
            Progress::Rows { table, done, total } => match &self.bar {
                Some(bar) => {
                    bar.set_length(total);
                    bar.set_position(done);
                    bar.set_message(format!("{} rows, {table}", grouped(done)));
                }
                None => {
                    let reached = done.saturating_mul(10) / total.max(1);
                    let due = self.tenth.load(Ordering::Relaxed);
                    // Of the threads that arrive here at once, one prints.
                    let mine = reached >= due
                        && self.tenth.compare_exchange(due, reached + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok();
                    if mine {
                        note(&format!("tpch scale {scale}: {} % ({} rows)", reached.min(10) * 10, grouped(done)));
                    }
                }
            },
            Progress::Syncing => {
                if let Some(bar) = &self.bar {
                    bar.set_message("to the disk");
                    bar.enable_steady_tick(Duration::from_millis(200));
                }
            }
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
