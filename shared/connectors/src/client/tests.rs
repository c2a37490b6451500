#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::io;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::internet::Resolving;

/// For calls that end by themselves: no test waits so long.
const PATIENT: Limits = Limits {
    connect: Duration::from_secs(60),
    total: Duration::from_secs(60),
};
/// For calls that end because the time is over.
const HASTY: Limits = Limits {
    connect: Duration::from_millis(150),
    total: Duration::from_millis(300),
};
/// Long enough for a connection on a busy machine, and then over.
const QUICK: Limits = Limits {
    connect: Duration::from_secs(60),
    total: Duration::from_millis(700),
};
const BODY: &[u8] = br#"{"type":"reward.issued"}"#;
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Somebody on this machine who takes connections and does with each what the test says.
struct Receiver {
    port: u16,
    connections: Arc<AtomicUsize>,
    /// Ends with the receiver.
    _task: JoinSet<()>,
}

impl Receiver {
    async fn that<Behaviour, Done>(behaves: Behaviour) -> Self
    where
        Behaviour: Fn(TcpStream) -> Done + Send + 'static,
        Done: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                open.spawn(behaves(stream));
            }
        });
        Self {
            port,
            connections,
            _task: task,
        }
    }

    /// Takes the whole request, answers with these bytes, and hangs up.
    async fn that_answers(answer: impl Into<Vec<u8>>) -> Self {
        let answer = Arc::new(answer.into());
        Self::that(move |mut stream| {
            let answer = Arc::clone(&answer);
            async move {
                read_request(&mut stream).await;
                stream.write_all(&answer).await.ok();
            }
        })
        .await
    }

    /// Takes the whole request, answers with these bytes, and says nothing more.
    async fn that_stalls_after(answer: &'static [u8]) -> Self {
        Self::that(move |mut stream| async move {
            read_request(&mut stream).await;
            stream.write_all(answer).await.unwrap();
            std::future::pending().await
        })
        .await
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn destination(&self) -> Destination {
        at(&format!("http://127.0.0.1:{}/hook?a=b", self.port))
    }

    async fn end(&self, limits: Limits) -> End {
        post(&self.destination(), limits).await.end
    }

    async fn answer(&self) -> Answer {
        let end = self.end(PATIENT).await;
        let End::Answered(answer) = end else {
            panic!("{end:?}");
        };
        answer
    }
}

/// Reads a request with its body; gives what was read when the sender hangs up before.
async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Vec<u8> {
    let mut read = Vec::new();
    let mut piece = [0; 4_096];
    while !read.ends_with(BODY) {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(length) => read.extend_from_slice(&piece[..length]),
        }
    }
    read
}

/// A name server that gives its answers in turn, and the last one for ever.
#[derive(Debug)]
struct Names {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Names {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let addresses = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let mut answers: Vec<Vec<IpAddr>> = answers.iter().map(addresses).collect();
        answers.reverse();
        Arc::new(Self {
            answers: Mutex::new(answers),
            asked: AtomicUsize::new(0),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Internet for Names {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.pop().unwrap()
        } else {
            answers[0].clone()
        };
        Box::pin(async move { Ok(answer) })
    }
}

/// A name server that cannot be reached, or never answers.
#[derive(Debug)]
struct Broken {
    hangs: bool,
}

impl Internet for Broken {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        let hangs = self.hangs;
        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Err(io::ErrorKind::NotFound.into())
        })
    }
}

fn at(url: &str) -> Destination {
    Destination::parse(url, Reach::LocalToo).unwrap()
}

fn client(resolver: Arc<dyn Internet>) -> Client {
    Client::with_roots(Reach::LocalToo, resolver, RootCertStore::empty()).unwrap()
}

async fn post_by(client: &Client, destination: &Destination, limits: Limits) -> Delivery {
    let headers =
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    client
        .post(destination, headers, Bytes::from_static(BODY), limits)
        .await
}

async fn post(destination: &Destination, limits: Limits) -> Delivery {
    post_by(&client(Arc::new(SystemInternet)), destination, limits).await
}

#[tokio::test]
async fn a_message_arrives_as_it_was_given() {
    let (seen, sees) = oneshot::channel();
    let seen = Arc::new(Mutex::new(Some(seen)));
    let receiver = Receiver::that(move |mut stream| {
        let seen = seen.lock().unwrap().take().unwrap();
        async move {
            seen.send(read_request(&mut stream).await).unwrap();
            stream.write_all(OK).await.unwrap();
        }
    })
    .await;
    let mut headers = crate::signing::headers(
        &[crate::signing::Secret::of_random([7; 32])],
        "evt_1",
        Timestamp::from_second(1_000).unwrap(),
        BODY,
    )
    .unwrap();
    // What belongs to the connection is not the caller's to say.
    for (name, value) in [
        (HOST, "elsewhere.example.com"),
        (CONTENT_LENGTH, "1"),
        (TRANSFER_ENCODING, "chunked"),
        (EXPECT, "100-continue"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let delivery = client(Arc::new(SystemInternet))
        .post(&receiver.destination(), headers, BODY.into(), PATIENT)
        .await;
    assert_eq!(
        delivery.end,
        End::Answered(Answer {
            status: 200,
            retry_after: None,
            body: Bytes::from_static(b"ok"),
            excerpt: "ok".to_owned(),
        })
    );
    let request = String::from_utf8(sees.await.unwrap()).unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.split("\r\n").collect();
    assert_eq!(lines.remove(0), "POST /hook?a=b HTTP/1.1");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "connection: close",
            "content-length: 24",
            &format!("host: 127.0.0.1:{}", receiver.port),
            "user-agent: Kith-Webhooks",
            "webhook-id: evt_1",
            "webhook-signature: v1,Ysi6/2P0Eh5N8PGiCmiRPeqh/QpsWMAmWt6f8+sDnd0=",
            "webhook-timestamp: 1000",
        ]
    );
    assert_eq!(body.as_bytes(), BODY);
}

#[tokio::test]
async fn every_status_is_an_answer() {
    for (answer, status, excerpt) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        ("HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, "until the end"),
        ("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n", 410, ""),
        (
            "HTTP/1.1 500 Oops\r\ncontent-length: 5\r\n\r\nstack",
            500,
            "stack",
        ),
        ("HTTP/1.1 503 \r\n\r\n", 503, ""),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            200,
            "abcde",
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n",
            202,
            "",
        ),
    ] {
        let receiver = Receiver::that_answers(answer).await;
        let answer = receiver.answer().await;
        assert_eq!((answer.status, answer.excerpt.as_str()), (status, excerpt));
        assert_eq!(answer.is_success(), (200..300).contains(&status));
        assert_eq!(receiver.connections(), 1);
    }
}

#[tokio::test]
async fn a_receiver_says_when_to_come_again() {
    for (value, expected) in [
        ("retry-after: 120\r\n", Some(RetryAfter::Seconds(120))),
        (
            "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
            Some(RetryAfter::At(Timestamp::from_second(784_111_777).unwrap())),
        ),
        ("retry-after: later\r\n", None),
        ("", None),
    ] {
        let text = format!("HTTP/1.1 429 Too Many Requests\r\n{value}content-length: 0\r\n\r\n");
        let answer = Receiver::that_answers(text).await.answer().await;
        assert_eq!((answer.status, answer.retry_after), (429, expected));
    }
}

/// Otherwise whoever may name a URL may have anything called that the sender reaches.
#[tokio::test]
async fn redirects_are_told_and_not_followed() {
    let secret = Receiver::that_answers(OK).await;
    for status in [301, 302, 303, 307, 308] {
        let text = format!(
            "HTTP/1.1 {status} Moved\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0\r\n\r\n",
            secret.port
        );
        let receiver = Receiver::that_answers(text).await;
        let answer = receiver.answer().await;
        assert_eq!((answer.status, answer.is_success()), (status, false));
        assert_eq!(receiver.connections(), 1);
    }
    assert_eq!(secret.connections(), 0);
}

#[tokio::test]
async fn a_closed_port_is_refused() {
    let port = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let destination = at(&format!("http://127.0.0.1:{port}/"));
    assert_eq!(post(&destination, PATIENT).await.end, End::Refused);
}

/// The list of connections that wait is full, so the system lets further ones wait outside.
#[tokio::test]
async fn a_connection_that_does_not_come_is_not_waited_for() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let _waiting = TcpStream::connect(address).await.unwrap();
    let destination = at(&format!("http://{address}/"));
    let delivery = post(&destination, HASTY).await;
    assert_eq!(delivery.end, End::TimedOut(Phase::Connecting));
    assert!(delivery.duration >= HASTY.connect);
    assert!(delivery.duration < PATIENT.connect);
}

/// The first address is silent; the second one still gets its share of the time.
#[tokio::test]
async fn a_silent_address_leaves_time_for_the_others() {
    let receiver = Receiver::that_answers(OK).await;
    let socket = TcpSocket::new_v4().unwrap();
    let silent = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), receiver.port));
    socket.bind(silent).unwrap();
    let _listener = socket.listen(0).unwrap();
    let _waiting = TcpStream::connect(silent).await.unwrap();
    let names = Names::new(&[&["127.0.0.2", "127.0.0.1"]]);
    let destination = at(&format!("http://hooks.localhost:{}/", receiver.port));
    let limits = Limits {
        connect: Duration::from_secs(3),
        ..PATIENT
    };
    let delivery = post_by(&client(names), &destination, limits).await;
    assert!(matches!(delivery.end, End::Answered(_)), "{delivery:?}");
    assert!(delivery.duration >= limits.connect / 2);
    assert!(delivery.duration < limits.connect);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    for text in [
        &b""[..],
        b"HTT",
        b"HTTP/1.1 200 OK\r\ncontent-",
        b"HTTP/1.1 100 \r\n\r\n",
    ] {
        let receiver = Receiver::that_stalls_after(text).await;
        assert_eq!(receiver.end(HASTY).await, End::TimedOut(Phase::Answering));
        assert_eq!(receiver.connections(), 1);
    }
}

/// What is given up is over: the rest of a message does not follow when its receiver wakes up.
#[tokio::test]
async fn a_message_that_is_given_up_is_not_sent_on() {
    // More than the system keeps for the two.
    let large = Bytes::from(vec![b'x'; 32 * 1_024 * 1_024]);
    let (wakes, awake) = oneshot::channel::<()>();
    let (counted, counts) = oneshot::channel();
    let ends = Arc::new(Mutex::new(Some((awake, counted))));
    let receiver = Receiver::that(move |mut stream| {
        let (awake, counted) = ends.lock().unwrap().take().unwrap();
        async move {
            awake.await.unwrap();
            let mut read = Vec::new();
            stream.read_to_end(&mut read).await.ok();
            counted.send(read.len()).unwrap();
        }
    })
    .await;
    let delivery = client(Arc::new(SystemInternet))
        .post(
            &receiver.destination(),
            HeaderMap::new(),
            large.clone(),
            QUICK,
        )
        .await;
    assert_eq!(delivery.end, End::TimedOut(Phase::Answering));
    wakes.send(()).unwrap();
    assert!(counts.await.unwrap() < large.len());
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let receiver = Receiver::that(|mut stream| async move {
        read_request(&mut stream).await;
        for byte in b"HTTP/1.1 200 OK\r\nx: "
            .iter()
            .chain([b'a'].iter().cycle())
        {
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let delivery = post(&receiver.destination(), HASTY).await;
    assert_eq!(delivery.end, End::TimedOut(Phase::Answering));
    assert!(delivery.duration >= HASTY.total);
}

/// The receiver has the message and said so; what it says besides does not matter.
#[tokio::test]
async fn a_status_counts_however_its_body_ends() {
    for text in [
        // Longer than it is, and then silent.
        &b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nhello"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 9223372036854775807\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\nhello",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
    ] {
        let expected = End::Answered(Answer {
            status: 200,
            retry_after: None,
            body: Bytes::from_static(b"hello"),
            excerpt: "hello".to_owned(),
        });
        let delivery = post(
            &Receiver::that_stalls_after(text).await.destination(),
            QUICK,
        )
        .await;
        assert_eq!(delivery.end, expected);
        assert!(delivery.duration >= QUICK.total);
        // The same, and then the receiver hangs up: nothing is waited for.
        assert_eq!(
            Receiver::that_answers(text).await.end(PATIENT).await,
            expected
        );
    }
    // Shorter than it is.
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhello";
    let answer = Receiver::that_answers(text).await.answer().await;
    assert_eq!((answer.status, answer.excerpt.as_str()), (200, "he"));
    // Nonsense instead of a chunk.
    let text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzzzz\r\n";
    assert_eq!(
        Receiver::that_answers(text).await.answer().await.status,
        200
    );
}

/// A sender that reads on and on pays for the time, one that keeps it all for the memory.
#[tokio::test]
async fn an_endless_body_is_left() {
    for head in ["", "transfer-encoding: chunked\r\n"] {
        let (ended, ends) = oneshot::channel();
        let ended = Arc::new(Mutex::new(Some(ended)));
        let receiver = Receiver::that(move |mut stream| {
            let ended = ended.lock().unwrap().take().unwrap();
            async move {
                read_request(&mut stream).await;
                let start = format!("HTTP/1.1 200 OK\r\n{head}\r\n");
                stream.write_all(start.as_bytes()).await.unwrap();
                // A chunk of 1,024 bytes; without chunks its length is part of the body.
                let chunk = format!("400\r\n{}\r\n", "x".repeat(1_024));
                while stream.write_all(chunk.as_bytes()).await.is_ok() {}
                ended.send(()).unwrap();
            }
        })
        .await;
        let delivery = post(&receiver.destination(), PATIENT).await;
        let End::Answered(answer) = delivery.end else {
            panic!("{delivery:?}");
        };
        assert_eq!(
            (answer.status, answer.excerpt.len()),
            (200, EXCERPT_BYTES_MAX)
        );
        // It was left because it was enough, not because the time was over.
        assert!(delivery.duration < PATIENT.total);
        // The connection is closed, or the receiver would write for ever.
        ends.await.unwrap();
    }
}

#[tokio::test]
async fn what_is_no_answer_is_broken() {
    let line = |length| format!("x-long: {}\r\n", "a".repeat(length));
    let huge_line = format!("HTTP/1.1 200 OK\r\n{}\r\n", line(HEAD_BYTES_MAX));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", line(1).repeat(101));
    let large = format!("HTTP/1.1 200 OK\r\n{}\r\n", line(1_000).repeat(64));
    for text in [
        "",
        "\r\n\r\n",
        "nonsense\r\n\r\n",
        "<html>hello</html>",
        "HTTP/0.9 200 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: y",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "220 mail.example.com ESMTP\r\n",
        &huge_line,
        &many,
        &large,
    ] {
        let receiver = Receiver::that_answers(text).await;
        let shown: String = text.chars().take(60).collect();
        assert_eq!(receiver.end(PATIENT).await, End::Broken, "{shown}");
        assert_eq!(receiver.connections(), 1);
    }
    // A head that never ends.
    let receiver = Receiver::that(|mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        while stream.write_all(b"x: y\r\n").await.is_ok() {}
    })
    .await;
    assert_eq!(receiver.end(PATIENT).await, End::Broken);
}

#[tokio::test]
async fn a_reset_is_broken_and_not_tried_again() {
    for waits in [false, true] {
        let receiver = Receiver::that(move |mut stream| async move {
            if waits {
                read_request(&mut stream).await;
            }
            // Without it, closing would be orderly.
            stream.set_zero_linger().unwrap();
        })
        .await;
        assert_eq!(receiver.end(PATIENT).await, End::Broken);
        assert_eq!(receiver.connections(), 1);
    }
}

#[tokio::test]
async fn an_excerpt_is_short_text_whatever_was_answered() {
    let with_body = |body: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    let answer = Receiver::that_answers(with_body(b"\x1f\x8b\x08\x00\xff\xfe a\x1b[31m\r\n\tb\0"))
        .await
        .answer()
        .await;
    assert_eq!(
        answer.excerpt,
        "\u{fffd}\u{fffd}\u{8}\0\u{fffd}\u{fffd} a\u{1b}[31m\r\n\tb\0".replace(
            |letter: char| letter.is_control() && !"\n\t".contains(letter),
            "\u{fffd}"
        )
    );
    for body in [
        vec![0xff; 5_000],
        "€".repeat(5_000).into_bytes(),
        vec![b'a'; 100_000],
    ] {
        let answer = Receiver::that_answers(with_body(&body))
            .await
            .answer()
            .await;
        assert!(answer.excerpt.len() <= EXCERPT_BYTES_MAX);
        assert!(answer.excerpt.len() > EXCERPT_BYTES_MAX - 4);
    }
}

#[tokio::test]
async fn names_that_lead_nowhere_are_told_apart() {
    let destination = at("https://hooks.example.com/");
    for (resolver, end, unreachable) in [
        (
            Names::new(&[&[]]) as Arc<dyn Internet>,
            End::NotResolved,
            Unreachable::NotResolved,
        ),
        (
            Arc::new(Broken { hangs: false }),
            End::NotResolved,
            Unreachable::NotResolved,
        ),
        (
            Arc::new(Broken { hangs: true }),
            End::TimedOut(Phase::Resolving),
            Unreachable::TimedOut,
        ),
    ] {
        let client = client(resolver);
        assert_eq!(post_by(&client, &destination, HASTY).await.end, end);
        assert_eq!(client.check(&destination, HASTY).await, Err(unreachable));
    }
}

/// A public name may lead anywhere: also to this machine, where the sender's own services listen.
#[tokio::test]
async fn a_public_name_that_leads_inside_is_not_called() {
    let receiver = Receiver::that_answers(OK).await;
    let destination = at(&format!("https://hooks.example.com:{}/", receiver.port));
    for addresses in [
        &["127.0.0.1"][..],
        &["::1"],
        &["10.0.0.1"],
        &["169.254.169.254", "fd00:ec2::254"],
        &["::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"],
        &["0.0.0.0", "::"],
    ] {
        let client = client(Names::new(&[addresses]));
        let delivery = post_by(&client, &destination, PATIENT).await;
        assert_eq!(delivery.end, End::ForbiddenAddress, "{addresses:?}");
        assert_eq!(
            client.check(&destination, PATIENT).await,
            Err(Unreachable::ForbiddenAddress)
        );
    }
    assert_eq!(receiver.connections(), 0);
}

/// And the other way round: what may be called without TLS stays on this machine.
#[tokio::test]
async fn a_local_name_that_leads_outside_is_not_called() {
    for addresses in [
        &["8.8.8.8"][..],
        &["10.0.0.1", "0.0.0.0"],
        &["::ffff:127.0.0.1"],
    ] {
        let client = client(Names::new(&[addresses]));
        let delivery = post_by(&client, &at("http://hooks.localhost/"), PATIENT).await;
        assert_eq!(delivery.end, End::ForbiddenAddress, "{addresses:?}");
    }
}

/// The name led to the internet when it was saved. Later it does not.
#[tokio::test]
async fn a_name_that_changes_its_mind_is_checked_again() {
    let receiver = Receiver::that_answers(OK).await;
    let names = Names::new(&[&["93.184.215.14"], &["127.0.0.1"]]);
    let client = client(names.clone());
    let destination = at(&format!("https://hooks.example.com:{}/", receiver.port));
    assert_eq!(client.check(&destination, PATIENT).await, Ok(()));
    let delivery = post_by(&client, &destination, PATIENT).await;
    assert_eq!(delivery.end, End::ForbiddenAddress);
    assert_eq!((names.asked(), receiver.connections()), (2, 0));
}

/// One look-up a call: what was checked is what is connected to. Addresses that are not allowed are left out, wherever they
/// stand.
#[tokio::test]
async fn the_checked_addresses_and_no_others_are_connected_to() {
    let receiver = Receiver::that_answers(OK).await;
    let names = Names::new(&[&["10.0.0.1", "127.0.0.1", "8.8.8.8"], &["10.0.0.1"]]);
    let client = client(names.clone());
    let destination = at(&format!("http://hooks.localhost:{}/", receiver.port));
    let delivery = post_by(&client, &destination, PATIENT).await;
    assert!(matches!(delivery.end, End::Answered(_)), "{delivery:?}");
    assert_eq!((names.asked(), receiver.connections()), (1, 1));
    let delivery = post_by(&client, &destination, PATIENT).await;
    assert_eq!(delivery.end, End::ForbiddenAddress);
    assert_eq!((names.asked(), receiver.connections()), (2, 1));
}

/// Literal addresses are not looked up, so a resolver cannot be what checks them.
#[tokio::test]
async fn a_client_for_the_internet_never_calls_this_machine() {
    let receiver = Receiver::that_answers(OK).await;
    let names = Names::new(&[&["127.0.0.1"]]);
    let mut client = client(names.clone());
    client.reach = Reach::Public;
    for host in ["127.0.0.1", "localhost", "hooks.localhost"] {
        let destination = at(&format!("http://{host}:{}/", receiver.port));
        let delivery = post_by(&client, &destination, PATIENT).await;
        assert_eq!(delivery.end, End::ForbiddenAddress, "{host}");
    }
    assert_eq!((names.asked(), receiver.connections()), (0, 0));
}

/// A public client with nobody to trust could call no one; on one machine there is use without TLS.
#[test]
fn roots_are_needed_for_the_internet() {
    let with = |reach| Client::with_roots(reach, Arc::new(SystemInternet), RootCertStore::empty());
    assert_eq!(with(Reach::Public).err(), Some(NoRoots));
    assert!(with(Reach::LocalToo).is_ok());
}

/// A receiver with a certificate for names, and a client that trusts it.
async fn secured(names: &[&str]) -> (Receiver, Client) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let receiver = Receiver::that(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
                read_request(&mut stream).await;
                stream.write_all(OK).await.unwrap();
                stream.shutdown().await.ok();
            }
        }
    })
    .await;
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let resolver = Names::new(&[&["127.0.0.1"]]);
    let client = Client::with_roots(Reach::LocalToo, resolver, roots).unwrap();
    (receiver, client)
}

#[tokio::test]
async fn tls_reaches_who_shows_a_trusted_certificate_for_the_name() {
    let (receiver, client) = secured(&["localhost", "hooks.localhost", "127.0.0.1"]).await;
    for host in ["localhost", "hooks.localhost", "127.0.0.1"] {
        let destination = at(&format!("https://{host}:{}/", receiver.port));
        let delivery = post_by(&client, &destination, PATIENT).await;
        assert!(
            matches!(delivery.end, End::Answered(_)),
            "{host} {delivery:?}"
        );
    }
    // Another name than the certificate's.
    let destination = at(&format!("https://other.localhost:{}/", receiver.port));
    assert_eq!(post_by(&client, &destination, PATIENT).await.end, End::Tls);
    // Nobody who is trusted has signed it.
    let (_, stranger) = secured(&["localhost"]).await;
    let destination = at(&format!("https://localhost:{}/", receiver.port));
    assert_eq!(
        post_by(&stranger, &destination, PATIENT).await.end,
        End::Tls
    );
}

#[tokio::test]
async fn who_does_not_speak_tls_is_told_from_who_is_silent() {
    let (_, client) = secured(&["localhost"]).await;
    let secure = |receiver: &Receiver| at(&format!("https://localhost:{}/", receiver.port));
    let plain = Receiver::that(|mut stream| async move {
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    })
    .await;
    assert_eq!(
        post_by(&client, &secure(&plain), PATIENT).await.end,
        End::Tls
    );
    let leaves = Receiver::that(|stream| async move { drop(stream) }).await;
    assert_eq!(
        post_by(&client, &secure(&leaves), PATIENT).await.end,
        End::Tls
    );
    let silent = Receiver::that(|stream| async move {
        let _open = stream;
        std::future::pending().await
    })
    .await;
    assert_eq!(
        post_by(&client, &secure(&silent), HASTY).await.end,
        End::TimedOut(Phase::Securing)
    );
}

/// What the system trusts is there and can be read, wherever the tests run.
#[tokio::test]
async fn a_client_of_the_system_resolves_this_machine() {
    let client = Client::new(Reach::LocalToo).unwrap();
    assert_eq!(
        client.check(&at("http://localhost/"), PATIENT).await,
        Ok(())
    );
    assert!(!format!("{client:?}").is_empty());
}
