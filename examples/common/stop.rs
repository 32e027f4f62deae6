//! How a server is stopped.

use std::io;

/// Calls `stop`, in a thread of its own, at the first Ctrl-C or SIGTERM.
#[cfg(unix)]
pub(crate) fn on_signal(stop: impl FnOnce() + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().spawn(move || {
        if signals.forever().next().is_some() {
            stop();
        }
    })?;
    Ok(())
}

/// Without Unix signals, Ctrl-C ends the program at once.
#[cfg(not(unix))]
pub(crate) fn on_signal(_: impl FnOnce() + Send + 'static) -> io::Result<()> {
    Ok(())
}
