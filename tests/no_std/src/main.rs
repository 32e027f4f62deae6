//! WebSocket without the standard library. Without an allocator: frames and the key of the handshake. With one (feature
//! `alloc`): a server and a client, from the request to the end. The exit code is 0 if all of it came out right.
#![no_std]
#![no_main]

#[cfg(feature = "alloc")]
mod connection;
mod frames;
#[cfg(feature = "alloc")]
mod heap;
mod system;

/// Called by the start of the program; returns its exit code.
extern "C" fn run() -> i32 {
    let result = frames::run();
    #[cfg(feature = "alloc")]
    let result = result.and_then(|()| connection::run());
    match result {
        Ok(()) => 0,
        Err(what) => {
            system::print("FAILED: ");
            system::print(what);
            system::print("\n");
            1
        }
    }
}
