use std::time::Duration;

use nabat::web::{Patience, ServeOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::house::{BODY, House, SHORT, Setup, exchange, read_answer, read_to_end};

const HEALTHY: &[u8] = b"GET /-/healthy HTTP/1.1\r\nhost: n\r\n\r\n";

fn patience(head: Duration, rest: Duration) -> Setup<'static> {
    let patience = Patience { head, rest, ..Patience::default() };
    Setup { serve: ServeOptions { patience, ..ServeOptions::default() }, ..Setup::default() }
}

const LONG: Duration = Duration::from_mins(10);

#[tokio::test]
async fn a_connection_rests_longer_than_a_head_may_take() {
    let house = House::open(patience(SHORT, LONG)).await;
    let mut stream = house.dial().await;
    stream.write_all(HEALTHY).await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    // The subject is that nothing happens for longer than the head's wait.
    tokio::time::sleep(SHORT * 3).await;
    stream.write_all(HEALTHY).await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut_off_even_when_its_bytes_keep_coming() {
    let house = House::open(patience(SHORT, LONG)).await;
    let mut stream = house.dial().await;
    stream.write_all(b"GET /-/healthy HTTP/1.1\r\nx: ").await.unwrap();
    let (mut read, mut write) = stream.split();
    let drip = async {
        while write.write_all(b"y").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    tokio::select! {
        _ = read.read_to_end(&mut answer) => {}
        () = drip => {}
        () = tokio::time::sleep(crate::support::DEADLINE) => panic!("still open"),
    }
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_connection_that_says_nothing_and_one_that_rests_too_long_are_closed() {
    let house = House::open(patience(SHORT, SHORT)).await;
    let mut silent = house.dial().await;
    assert_eq!(read_to_end(&mut silent).await, "");
    let mut resting = house.dial().await;
    let answer = exchange(&mut resting, HEALTHY).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_peer_that_closes_its_half_while_it_asks_for_nothing_whole_is_let_go_at_once() {
    let house = House::open(patience(LONG, LONG)).await;
    for asked in [b"".as_slice(), HEALTHY, b"GET /-/he"] {
        let mut stream = house.dial().await;
        stream.write_all(asked).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert_eq!(answer.starts_with("HTTP/1.1 200"), asked == HEALTHY, "{answer}");
    }
}

#[tokio::test]
async fn a_peer_that_goes_while_its_answer_is_made_leaves_its_place() {
    let serve = ServeOptions { max_connections: 1, ..ServeOptions::default() };
    let house = House::open(Setup { serve, ..Setup::default() }).await;
    let mut stream = house.dial().await;
    let request = b"POST /api/v1/test-alert?timeout=1 HTTP/1.1\r\nhost: n\r\n\r\n";
    stream.write_all(request).await.unwrap();
    house.woken().await;
    drop(stream);
    assert_eq!(house.get("/-/healthy").await.0, 200);
}

#[tokio::test]
async fn a_second_request_may_not_dawdle_either() {
    let house = House::open(patience(SHORT, LONG)).await;
    let mut stream = house.dial().await;
    stream.write_all(HEALTHY).await.unwrap();
    read_answer(&mut stream).await;
    assert!(!exchange(&mut stream, b"GET /-/he").await.contains("200 OK"));
}

#[tokio::test]
async fn http_2_is_spoken_by_prior_knowledge() {
    let house = House::open(Setup::default()).await;
    let http = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let request = http.post(house.url("/alertmanager")).body(BODY);
    let response = request.header("content-type", "application/json").send().await.unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn connections_over_the_cap_wait_for_a_place() {
    let serve = ServeOptions { max_connections: 1, ..ServeOptions::default() };
    let house = House::open(Setup { serve, ..Setup::default() }).await;
    let mut first = house.dial().await;
    first.write_all(HEALTHY).await.unwrap();
    read_answer(&mut first).await;
    let mut second = house.dial().await;
    second.write_all(HEALTHY).await.unwrap();
    let mut byte = [0];
    let early = tokio::time::timeout(SHORT, second.peek(&mut byte)).await;
    assert!(early.is_err(), "the second was served although the place was taken");
    drop(first);
    assert!(read_answer(&mut second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_stop_finishes_the_request_in_flight_and_closes_those_that_rest() {
    let house = House::open(Setup::default()).await;
    let mut resting = house.dial().await;
    resting.write_all(HEALTHY).await.unwrap();
    read_answer(&mut resting).await;
    let mut busy = house.dial().await;
    let (head, tail) = BODY.split_at(100);
    let request = format!(
        "POST /alertmanager HTTP/1.1\r\nhost: n\r\ncontent-type: application/json\r\n\
         expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        BODY.len()
    );
    busy.write_all(request.as_bytes()).await.unwrap();
    // That nabat asks for the body shows that the request is in flight.
    assert!(read_answer(&mut busy).await.starts_with("HTTP/1.1 100"));
    busy.write_all(head.as_bytes()).await.unwrap();
    house.stop.cancel();
    assert_eq!(read_to_end(&mut resting).await, "");
    let answer = exchange(&mut busy, tail.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    house.stopped().await;
    assert!(tokio::net::TcpStream::connect(house.address).await.is_err());
}

#[tokio::test]
async fn a_stop_does_not_wait_longer_than_the_grace_time() {
    let serve = ServeOptions { grace: SHORT, ..ServeOptions::default() };
    let house = House::open(Setup { serve, ..Setup::default() }).await;
    let mut stuck = house.dial().await;
    let request = b"POST /alertmanager HTTP/1.1\r\nhost: n\r\ncontent-type: application/json\r\n\
                    expect: 100-continue\r\ncontent-length: 50\r\n\r\n";
    stuck.write_all(request).await.unwrap();
    read_answer(&mut stuck).await;
    house.stopped().await;
}
