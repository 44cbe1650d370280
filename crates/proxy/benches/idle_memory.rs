//! What a connection costs the proxy while it rests: memory of a proxy in a process of its own,
//! before and after so many have been opened and have done something.
//!
//! `cargo bench -p sealwire-proxy --bench idle_memory`, or with a number of connections behind `--`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program that measures prints, and fails by a panic"
)]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sealwire_proxy::{Proxy, Settings};
use sealwire_testkit::Postgres;
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::schema::{Column, Table};
use tokio_postgres::{Client, NoTls};

/// Names the settings' file to the process that is the proxy.
const SERVE: &str = "--serve";
/// Connections for what is allocated once.
const WARM_UP: usize = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    match arguments.iter().position(|it| it == SERVE) {
        Some(at) => runtime.block_on(serve(Path::new(&arguments[at + 1]))),
        None => {
            let count = arguments.iter().find_map(|it| it.parse().ok());
            runtime.block_on(measure(count.unwrap_or(500)));
        }
    }
}

fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, all).unwrap();
}

/// The proxy, until its standard input ends.
async fn serve(settings: &Path) {
    let proxy = Proxy::bind(Settings::read(settings).unwrap())
        .await
        .unwrap();
    println!("{}", proxy.tcp_addresses()[0].port());
    let handle = proxy.handle();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        handle.stop();
    });
    proxy.run().await;
}

async fn measure(count: usize) {
    let connections = u32::try_from(count + WARM_UP + 20).unwrap();
    let server = Postgres::start_for(connections).unwrap_or_else(|error| panic!("{error}"));
    let columns = [
        Column::plain("id", "int8").constraint("PRIMARY KEY"),
        Column::deterministic("email", "text"),
        Column::randomized("note", "text"),
    ];
    let table = Table::new("public", "people", columns);
    let fixture = Fixture::on(Box::leak(Box::new(server)), [table]).await;
    let file = fixture.directory().join("proxy.toml");
    let text = format!(
        "[listen]\ntcp = [\"127.0.0.1:0\"]\n\
         [server]\nhosts = [\"{}\"]\nports = [{}]\nsslmode = \"disable\"\n\
         [encryption]\nmanifest = \"file:{}\"\nmaster_key = \"file:{}\"\n\
         [limits]\nconnections = {connections}\n",
        fixture.sealed().host(),
        fixture.sealed().port(),
        fixture.manifest_path().display(),
        fixture.key_path().display(),
    );
    std::fs::write(&file, text).unwrap();

    let mut proxy = Command::new(std::env::current_exe().unwrap())
        .arg(SERVE)
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut port = String::new();
    let mut output = BufReader::new(proxy.stdout.take().unwrap());
    output.read_line(&mut port).unwrap();
    let port = port.trim().parse().unwrap();

    let _warm = open(&fixture, port, 0, WARM_UP).await;
    let before = resident(proxy.id());
    let _idle = open(&fixture, port, WARM_UP, count).await;
    let after = resident(proxy.id());
    println!("{count} idle connections: {before} bytes before, {after} after");
    println!("{} bytes each", after.saturating_sub(before) / count);
    drop(proxy.stdin.take());
    proxy.wait().unwrap();
}

/// Opens connections, each of which seals, finds and opens a value, and then rests.
async fn open(fixture: &Fixture, port: u16, first: usize, count: usize) -> Vec<Client> {
    let direct = fixture.sealed().config();
    let mut config = tokio_postgres::Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user(direct.get_user().unwrap())
        .password(direct.get_password().unwrap())
        .dbname(direct.get_dbname().unwrap());
    let mut clients = Vec::new();
    for number in first..first + count {
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        let id = i64::try_from(number).unwrap();
        let email = format!("person{id}@example.com");
        let insert = "INSERT INTO people (id, email, note) VALUES ($1, $2, $3)";
        client
            .execute(insert, &[&id, &email, &"a note"])
            .await
            .unwrap();
        let find = "SELECT id, note FROM people WHERE email = $1";
        client.query_one(find, &[&email]).await.unwrap();
        clients.push(client);
    }
    clients
}

/// Bytes of a process that are in memory.
fn resident(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let words: Vec<&str> = line.unwrap().split_whitespace().collect();
    words[1].parse::<usize>().unwrap() * 1024
}
