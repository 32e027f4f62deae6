//! Builds without the standard library, and without an allocator too unless the feature `alloc` is on.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use sansocket::Input;
use sansocket::frame::{Decoder, Header, Limits, Opcode, encode};
use sansocket::handshake::accept_key;

#[unsafe(no_mangle)]
pub extern "C" fn frames() -> u8 {
    let mut frame = [0; 32];
    let header =
        Header { fin: true, rsv1: false, opcode: Opcode::Text, mask: Some([1, 2, 3, 4]), payload_len: 0 };
    let Ok(len) = encode(header, &accept_key(b"dGhlIHNhbXBsZSBub25jZQ==")[..16], &mut frame) else {
        return 1;
    };
    let mut decoder = Decoder::server(Limits { max_frame: 125, max_message: 125, max_fragments: 1 });
    match decoder.next(&mut Input::new(&mut frame[..len])) {
        Ok(Some(chunk)) => chunk.payload[0],
        _ => 2,
    }
}

#[cfg(feature = "alloc")]
mod with_alloc {
    use core::alloc::{GlobalAlloc, Layout};

    use sansocket::{Config, Connection, Event};

    use super::Input;

    struct Nothing;

    unsafe impl GlobalAlloc for Nothing {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            core::ptr::null_mut()
        }

        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
    }

    #[global_allocator]
    static NOTHING: Nothing = Nothing;

    #[unsafe(no_mangle)]
    pub extern "C" fn connection() -> u8 {
        let mut connection = Connection::server(Config::default());
        match connection.recv(&mut Input::new(&mut [0x81, 0x80, 0, 0, 0, 0])) {
            Some(Event::Message(message)) => message.as_bytes().len() as u8,
            _ => 1,
        }
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
