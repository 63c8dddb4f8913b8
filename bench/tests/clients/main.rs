//! What `serve` invites a person to try, done as it says with the clients of others. A client that is not on this machine is
//! ignored with that reason.

use libtest_mimic::{Arguments, Failed, Trial};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, ExitCode, Stdio};

/// What is done with a client, by name.
type Tests = &'static [(&'static str, fn() -> Result<(), Failed>)];

/// A client, and the argument that makes it say that it is there.
const CLIENTS: [(&str, &str, Tests); 2] = [
    (
        "curl",
        "--version",
        &[
            ("gets_a_page_of_each_service", curl_gets_pages),
            ("keeps_its_connection", curl_keeps_its_connection),
            ("speaks_both_versions_of_tls_and_no_older", curl_speaks_versions),
            ("refuses_a_certificate_that_nobody_vouches_for", curl_refuses),
        ],
    ),
    (
        "openssl",
        "version",
        &[
            ("hears_its_lines_again", openssl_hears_lines),
            ("resumes_a_session_in_either_version", openssl_resumes),
        ],
    ),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let of = |(client, argument, tests): (&str, &str, Tests)| {
        let there = Command::new(client).arg(argument).output().is_ok_and(|output| {
            output.status.success() && String::from_utf8_lossy(&output.stdout).contains("OpenSSL")
        });
        let reason =
            if there { String::new() } else { format!("no {client} with OpenSSL is on this machine") };
        let trial = |(name, test): &(&str, _)| {
            Trial::test(format!("{client}::{name}"), *test).with_kind(&reason).with_ignored_flag(!there)
        };
        tests.iter().map(trial).collect::<Vec<_>>()
    };
    libtest_mimic::run(&arguments, CLIENTS.into_iter().flat_map(of).collect()).exit_code()
}

/// A server over TLS by hand, killed when it is dropped.
struct Serving {
    child: Child,
    address: String,
    /// What it tells a person to try, with its address.
    invitation: String,
}

impl Serving {
    fn start(model: &str, service: &str) -> Result<Self, Failed> {
        let serve = ["serve", "--model", model, "--service", service, "--tls", "--addr", "127.0.0.1:0"];
        let tool = env!("CARGO_BIN_EXE_bakeoff");
        let mut child = Command::new(tool).args(serve).stderr(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let said: Vec<String> = lines.by_ref().take(3).collect();
        std::thread::spawn(move || lines.count()); // its last words must find a reader
        let address = said
            .first()
            .and_then(|what| what.split(" over TLS on ").nth(1)?.split(';').next())
            .map(String::from);
        match (address, said.last()) {
            (Some(address), Some(invitation)) => Ok(Self { child, address, invitation: invitation.clone() }),
            _ => Err(format!("it does not say where it serves: {said:?}").into()),
        }
    }

    fn url(&self) -> String {
        format!("https://{}/", self.address)
    }

    /// The words behind `try: `, which a shell would split like this.
    fn to_try(&self) -> Result<Vec<&str>, Failed> {
        let words = self.invitation.split("try: ").nth(1).ok_or("it invites nobody")?;
        Ok(words.split(' ').collect())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command printed on standard output and on standard error, with `input` to read; whether it succeeded.
fn said(command: &[&str], input: &[u8]) -> Result<(bool, String, String), Failed> {
    let mut client = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    client.stdin.take().expect("piped").write_all(input)?;
    let output = client.wait_with_output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.success(), text(&output.stdout), text(&output.stderr)))
}

fn hold(holds: bool, what: &str, said: &impl std::fmt::Debug) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("{what}: {said:#?}").into()) }
}

const CURL: [&str; 4] = ["curl", "--silent", "--show-error", "--max-time"];

/// `curl` with these words behind it.
fn curl(more: &[&str]) -> Result<(bool, String, String), Failed> {
    said(&[&CURL[..], &["30"], more].concat(), b"")
}

fn curl_gets_pages() -> Result<(), Failed> {
    for (model, service, words) in [
        ("thread-per-client", "http", "bakeoff"),
        ("prefork", "static", "<html"),
        ("tokio", "dynamic", "<html"),
    ] {
        let server = Serving::start(model, service)?;
        let got = said(&server.to_try()?, b"")?;
        hold(got.0 && got.1.to_lowercase().contains(words), service, &got)?;
        hold(got.2.contains("HTTP/1.1 200"), service, &got)?;
    }
    Ok(())
}

fn curl_keeps_its_connection() -> Result<(), Failed> {
    let server = Serving::start("mio-event-loop", "http")?;
    let url = server.url();
    let got = curl(&[
        "-k",
        "--write-out",
        "%{num_connects} %{http_code}\n",
        "-o",
        "/dev/null",
        &url,
        "-o",
        "/dev/null",
        &url,
    ])?;
    hold(got.0 && got.1 == "1 200\n0 200\n", "one connection for two requests", &got)
}

fn curl_speaks_versions() -> Result<(), Failed> {
    let server = Serving::start("tokio", "http")?;
    let url = server.url();
    for version in ["1.2", "1.3"] {
        let got = curl(&["-kv", &format!("--tlsv{version}"), "--tls-max", version, &url])?;
        hold(got.0 && got.2.contains(&format!("SSL connection using TLSv{version}")), version, &got)?;
    }
    let got = curl(&["-k", "--tlsv1.1", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", &url])?;
    hold(!got.0 && got.2.contains("alert"), "1.1 is refused by the server", &got)
}

fn curl_refuses() -> Result<(), Failed> {
    let server = Serving::start("tokio", "http")?;
    let got = curl(&[&server.url()])?;
    hold(!got.0 && got.2.contains("certificate"), "without -k", &got)
}

fn openssl_hears_lines() -> Result<(), Failed> {
    let server = Serving::start("thread-per-client", "line")?;
    let got = said(&server.to_try()?, b"hello\nexit\n")?;
    hold(got.1.contains("hello"), "it echoes", &got)
}

fn openssl_resumes() -> Result<(), Failed> {
    let server = Serving::start("prefork", "line")?;
    let folder = tempfile::tempdir()?;
    for version in ["-tls1_2", "-tls1_3"] {
        let session = folder.path().join(version);
        let session = session.to_str().ok_or("a path of UTF-8")?;
        let with = |option| {
            ["openssl", "s_client", "-connect", &server.address, "-ign_eof", version, option, session]
        };
        // Tickets of 1.3 come behind the handshake: a reply waits for them.
        let first = said(&with("-sess_out"), b"hello\nexit\n")?;
        hold(first.1.contains("New, TLSv1"), "a full handshake", &first)?;
        let second = said(&with("-sess_in"), b"hello\nexit\n")?;
        hold(second.1.contains("Reused, TLSv1"), "a resumed one", &second)?;
    }
    Ok(())
}
