//! Garbage on the socket: whatever arrives, the server goes on and allocates no more than one message.
//!
//! Cases are drawn from a seed, each from its own number, so that one can be played alone:
//! `WARPWISE_FUZZ_SEED` and `WARPWISE_FUZZ_CASES` (`100` or `4711..4712`) choose others.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Duration;
use support::binary::hex;
use support::message;
use support::random::Random;
use support::server::Server;

/// By how much the server's memory may grow: its limit for a message.
const GROWTH: u64 = 64 << 20;

/// How many cases there are between two normal queries.
const STRIDE: u64 = 100;

/// A length field that is none.
fn bad_length(random: &mut Random) -> i32 {
    let numbers = [0, 1, 2, 3, -1, i32::MIN, i32::MAX, 1 << 30, (64 << 20) + 5, 100_000_000, 7, 8, -4];
    random.pick(&numbers)
}

fn startup() -> Vec<u8> {
    message::startup(3 << 16, &[("user", "postgres"), ("database", "postgres")])
}

/// A message that is well formed.
fn sound(random: &mut Random) -> Vec<u8> {
    let names = ["", "s", "p", "nosuch", "\u{1F980}"];
    let queries = [
        "",
        ";",
        "select 1",
        "select $1::int + $2",
        "select * from generate_series(1, 10)",
        "begin",
        "rollback",
        "select 1/0",
        "copy (select 1) to stdout",
        "create temp table if not exists fuzz_t (a int)",
        "copy fuzz_t from stdin",
        "declare c cursor for select 1",
        "fetch all from c",
        "selec",
        "select 'é",
        "select * from pg_class",
        "discard all",
    ];
    let name = random.pick(&names);
    let other = random.pick(&names);
    let sql = random.pick(&queries);
    let kind = random.pick(b"SPX");
    let count = random.below(4);
    let values: Vec<Option<Vec<u8>>> = (0..count).map(|_| random.coin().then(|| random.bytes(12))).collect();
    let formats = (0..random.below(4)).map(|_| random.pick(&[0, 1, 2, -1])).collect::<Vec<i16>>();
    let results = (0..random.below(3)).map(|_| random.pick(&[0, 1, 7])).collect::<Vec<i16>>();
    let types = (0..random.below(4)).map(|_| random.pick(&[0, 23, 25, 1700, 1007, 999_999, u32::MAX])).collect::<Vec<u32>>();
    match random.below(14) {
        0 | 1 => message::query(sql),
        2 | 3 => message::parse(name, sql, &types),
        4 | 5 => message::bind(other, name, &formats, &values, &results),
        6 => message::describe(kind, name),
        7 => message::execute(other, random.pick(&[0, 1, -1, i32::MAX])),
        8 => message::close(kind, name),
        9 => message::sync(),
        10 => message::flush(),
        11 => message::copy_data(&random.bytes(64)),
        12 => message::copy_done(),
        _ => message::copy_fail("garbage"),
    }
}

/// A sequence of messages that are well formed, each in a place of its own choosing.
fn sequence(random: &mut Random) -> Vec<u8> {
    (0..=random.below(12)).flat_map(|_| sound(random)).collect()
}

/// The bytes that case `number` sends.
fn case(random: &mut Random) -> Vec<u8> {
    let mut bytes = if random.below(10) < 7 { startup() } else { Vec::new() };
    match random.below(12) {
        // Bytes without any sense.
        0 => bytes.extend(random.bytes(400)),
        // A start-up packet that lies about its length, or ends too soon.
        1 => {
            let mut packet = startup();
            packet[..4].copy_from_slice(&bad_length(random).to_be_bytes());
            packet.truncate(random.below(packet.len() + 1));
            bytes = packet;
        }
        // A start-up packet with another version or other contents.
        2 => {
            let version: i32 =
                random.pick(&[0, 1 << 16, 2 << 16, (3 << 16) + 2, (3 << 16) + 9, 4 << 16, 80_877_102, 80_877_103, 80_877_104]);
            let mut body = version.to_be_bytes().to_vec();
            body.extend(random.bytes(200));
            bytes = message::untyped(&body);
            bytes.extend(random.bytes(50));
        }
        // Encryption is asked for, and garbage follows.
        3 => {
            let code: i32 = random.pick(&[80_877_103, 80_877_104]);
            bytes = (0..=random.below(5)).flat_map(|_| message::untyped(&code.to_be_bytes())).collect();
            bytes.extend(random.bytes(100));
        }
        // A type byte with a length that is none.
        4 => {
            bytes.push(random.pick(b"QPBDECSHFXdcfp\0z\xff"));
            bytes.extend(bad_length(random).to_be_bytes());
            bytes.extend(random.bytes(2000));
        }
        // A known type byte with a body of garbage.
        5 | 6 => {
            for _ in 0..=random.below(5) {
                let tag = random.pick(b"QPBDECSHFXdcfp");
                let body = random.bytes(100);
                bytes.extend(message::frame(tag, &body));
            }
        }
        // Sound messages, in places where they do not belong.
        7 | 8 => bytes.extend(sequence(random)),
        // Sound messages that are cut off.
        9 => {
            let mut messages = sequence(random);
            messages.truncate(random.below(messages.len() + 1));
            bytes.extend(messages);
        }
        // Sound messages with some bytes changed.
        10 => {
            let mut messages = sequence(random);
            for _ in 0..=random.below(8) {
                let place = random.below(messages.len());
                messages[place] = random.next().to_le_bytes()[0];
            }
            bytes.extend(messages);
        }
        // SQL that is none.
        _ => {
            let words = [
                "select", "from", "(", ")", "'", "\"", "$1", "$$", "--", "/*", "1e999", "::int", ",", "\0", "é", "values", "\\",
                "*", "with", ";",
            ];
            let text: String = (0..random.below(40)).flat_map(|_| [random.pick(&words), " "]).collect();
            bytes.extend(message::query(&text));
            bytes.extend(message::sync());
        }
    }
    bytes
}

/// Plays a case; the reason where the server does not let go of it.
fn play(address: SocketAddr, bytes: &[u8]) -> Result<(), String> {
    let mut stream = TcpStream::connect(address).map_err(|error| format!("cannot connect: {error}"))?;
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).map_err(|error| error.to_string())?;
    stream.set_write_timeout(patience).map_err(|error| error.to_string())?;
    // The server may close in the middle of it: then the answer has come already, or none will.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = [0; 4096];
    loop {
        match stream.read(&mut answer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err("the server keeps a connection whose client has gone".to_owned());
            }
            Err(_) => return Ok(()),
        }
    }
}

/// The seed and the numbers of the cases.
fn choice() -> (u64, Range<u64>) {
    let number = |text: &str| text.trim().parse().unwrap_or_else(|_| panic!("{text:?} is not a number"));
    let seed = std::env::var("WARPWISE_FUZZ_SEED").map_or(0x5eed, |text| number(&text));
    let cases = match std::env::var("WARPWISE_FUZZ_CASES") {
        Err(_) => 0..10_000,
        Ok(text) => match text.split_once("..") {
            Some((start, end)) => number(start)..number(end),
            None => 0..number(&text),
        },
    };
    (seed, cases)
}

#[test]
fn garbage_does_not_take_the_server_down() {
    let server = Server::start(&[]);
    let (seed, cases) = choice();
    assert_eq!(server.connect().value("select 1"), "1");
    let mut before = None;
    for number in cases {
        let mut random = Random(seed.wrapping_mul(0x0100_0000_01b3) ^ number);
        let bytes = case(&mut random);
        let fail = |reason: &str| -> ! {
            panic!("seed {seed}, case {number}: {reason}\nsent {}\nthe server said:\n{}", hex(&bytes), server.log())
        };
        if let Err(reason) = play(server.address(), &bytes) {
            fail(&reason);
        }
        if !server.alive() {
            fail("the server is gone");
        }
        if number % STRIDE == STRIDE - 1 {
            match support::client::Client::connect(server.address(), "postgres")
                .and_then(|mut client| client.query("select 40 + 2"))
            {
                Ok(answers) if answers.first().is_some_and(|answer| answer.text() == [["42"]]) => {}
                other => fail(&format!("a normal query is not answered: {other:?}")),
            }
            let resident = server.resident().unwrap_or(0);
            // The first stride brings what any server allocates once.
            let before = *before.get_or_insert(resident);
            if resident > before + GROWTH {
                fail(&format!("the server grew from {} to {} MiB", before >> 20, resident >> 20));
            }
        }
    }
    assert_eq!(server.connect().value("select 1"), "1");
}
