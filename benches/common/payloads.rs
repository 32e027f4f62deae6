//! What is received and sent in these benchmarks and in those beside other libraries.

/// What a browser sends, 570 bytes.
pub const REQUEST: &[u8] = b"GET /chat?room=42 HTTP/1.1\r\n\
    Host: server.example.com:8080\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: http://server.example.com:8080\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-US,en;q=0.9,de;q=0.8\r\n\
    Cookie: session=0123456789abcdef0123456789\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// JSON, as it is sent about in the world: each message is new, and much like the others.
pub fn json(size: usize) -> [Vec<u8>; MESSAGES] {
    let mut seed = 1_u32;
    let mut number = |below: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % below
    };
    core::array::from_fn(|_| {
        let mut json = String::from("[");
        while json.len() < size {
            let (id, price, amount) = (number(1_000_000), number(100_000), number(5_000));
            let side = if number(2) == 0 { "buy" } else { "sell" };
            json += &format!(
                "{{\"id\":{id},\"side\":\"{side}\",\"symbol\":\"BTC-EUR\",\"price\":\"{}.{:02}\",\"amount\":{amount}}},",
                price / 100,
                price % 100,
            );
        }
        json.truncate(size);
        json.into_bytes()
    })
}

/// As many as make more than a window, whatever their size.
pub const MESSAGES: usize = 40;
