//! The server kit of the tokio adapter while no file descriptor is left. The limit is that of the process, so that this test is
//! alone in its program.
#![cfg(all(feature = "_tests", unix))]

use std::fs::File;
use std::time::Duration;

use rlimit::Resource;
use sansocket::tokio::server::Server;
use sansocket::tokio::{Error, accept, client};
use sansocket::{Config, Event};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_server_out_of_file_descriptors_goes_on_when_there_are_some() {
    let (_, hard) = Resource::NOFILE.get().unwrap();
    Resource::NOFILE.set(64, hard).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let echo = |stream, slot: sansocket::tokio::server::Slot| async move {
            let (mut reader, mut writer) = slot.open(accept(stream).await?);
            while let Some(event) = reader.recv().await? {
                if let Event::Message(message) = event {
                    writer.send(&message).await?;
                }
            }
            Ok::<(), Error>(())
        };
        Server::default().serve(listener, stopping, echo).await;
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut before, _) = client(stream, "ws://test/", Config::default()).await.unwrap();

    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    // The client takes the only one that is left.
    files.pop();
    let stream = TcpStream::connect(address).await.unwrap();
    assert!(File::open("/dev/null").is_err());
    let mut opening = std::pin::pin!(client(stream, "ws://test/", Config::default()));
    assert!(timeout(SECOND / 2, &mut opening).await.is_err(), "there is none for the server");
    before.send_text("those that are open go on").await.unwrap();
    assert!(matches!(before.recv().await.unwrap(), Some(Event::Message(_))));

    files.truncate(files.len() - 4);
    let (mut after, _) = timeout(20 * SECOND, opening).await.expect("it is accepted now").unwrap();
    after.send_text("again").await.unwrap();
    assert!(matches!(after.recv().await.unwrap(), Some(Event::Message(_))));

    // Also while there is none, it can be stopped.
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    files.pop();
    let _waiting = TcpStream::connect(address).await.unwrap();
    sleep(SECOND / 10).await;
    stop.send(()).unwrap();
    let closing = async { tokio::join!(before.finish(), after.finish()) };
    let (one, other) = timeout(20 * SECOND, closing).await.unwrap();
    one.and(other).unwrap();
    timeout(20 * SECOND, serving).await.expect("it stops").unwrap();
}
