//! Standard input, read by a thread of its own.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use sansocket::Message;

pub(crate) enum Input {
    Message(Message<'static>),
    /// There is nothing behind it.
    Failed(String),
}

/// The messages in standard input; the channel ends with it. Who sends faster than the server takes is held back.
pub(crate) fn read(binary: bool) -> Receiver<Input> {
    let (sender, input) = sync_channel(16);
    thread::spawn(move || {
        let ended = if binary { pieces(&sender) } else { lines(&sender) };
        if let Err(why) = ended {
            let _ = sender.send(Input::Failed(format!("standard input: {why}")));
        }
    });
    input
}

/// A text message for each line, without its end; the last one may have none.
fn lines(sender: &SyncSender<Input>) -> Result<(), String> {
    let mut stdin = io::stdin().lock();
    for number in 1_u64.. {
        let mut line = Vec::new();
        if stdin.read_until(b'\n', &mut line).map_err(|error| error.to_string())? == 0 {
            break;
        }
        if line.pop_if(|byte| *byte == b'\n').is_some() {
            line.pop_if(|byte| *byte == b'\r');
        }
        let line = String::from_utf8(line)
            .map_err(|_| format!("line {number} is not UTF-8, expected text; --binary sends any bytes"))?;
        // A receiver that is gone needs no more.
        if sender.send(Input::Message(line.into())).is_err() {
            break;
        }
    }
    Ok(())
}

/// A binary message for each piece, as they come.
fn pieces(sender: &SyncSender<Input>) -> Result<(), String> {
    let mut stdin = io::stdin().lock();
    let mut buf = vec![0; 64 * 1024];
    loop {
        match stdin.read(&mut buf) {
            Ok(0) => return Ok(()),
            Ok(n) if sender.send(Input::Message(buf[..n].to_vec().into())).is_err() => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}
