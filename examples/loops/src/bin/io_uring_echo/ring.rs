//! [`Ring`]: operations in, completions out.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, squeue};

pub(crate) struct Ring {
    pub(crate) ring: IoUring,
    /// Operations that have yet to find room in the submission queue.
    todo: VecDeque<squeue::Entry>,
}

impl Ring {
    pub(crate) fn new() -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)
            .map_err(|error| {
                let why = format!("io_uring: {error}: expected Linux 6.1 or later, and that it is allowed");
                io::Error::new(ErrorKind::Unsupported, why)
            })?;
        Ok(Self { ring, todo: VecDeque::new() })
    }

    /// Has `operation` carried out.
    ///
    /// # Safety
    /// What it points to stays where it is until its completion.
    pub(crate) unsafe fn push(&mut self, operation: squeue::Entry) {
        self.todo.push_back(operation);
    }

    /// Submits what was pushed, and waits until something is completed, at most for `timeout`.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        while let Some(operation) = self.todo.front() {
            // SAFETY: see `push`.
            if unsafe { self.ring.submission().push(operation) }.is_err() {
                break;
            }
            self.todo.pop_front();
        }
        let timeout = if self.todo.is_empty() { timeout } else { Some(Duration::ZERO) };
        let timespec = timeout.map(Timespec::from);
        let arguments = timespec.as_ref().map_or(SubmitArgs::new(), |at| SubmitArgs::new().timespec(at));
        match self.ring.submitter().submit_with_args(1, &arguments) {
            // Nothing in time, a signal, or completions to be taken first.
            Err(error)
                if ![libc::ETIME, libc::EINTR, libc::EBUSY].contains(&error.raw_os_error().unwrap_or(0)) =>
            {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn completion(&mut self) -> Option<cqueue::Entry> {
        self.ring.completion().next()
    }
}

const SUBMISSIONS: u32 = 1024;
const COMPLETIONS: u32 = 8 * 1024;
