//! The configurations of HAProxy and nginx, as pure functions of what stands behind them.
//!
//! Both get what a small production set-up has and the same budgets: one thread, connections to servers kept and used again, a
//! server that fails left alone for about half a second to a second, a request that got nothing of a reply sent to another
//! server. What they have no common word for differs, and is in the text:
//!
//! - HAProxy asks every server each 200 ms whether it still takes connections (two failures take it out, two successes bring it back).
//!   nginx of the distribution has no such checks: one failure takes a server out for a second, and the first request after that
//!   tries it again.
//! - HAProxy tells apart a connection refused and one closed without a reply; nginx has one word, `error`, for both.

use bakeoff_reports::record::balance::Policy;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

/// What a configuration is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backend<'a> {
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// The servers, in order.
    pub(super) servers: &'a [SocketAddr],
    /// How it chooses.
    pub(super) policy: Policy,
    /// Whether what got nothing of a reply goes to another server.
    pub(super) retries: bool,
    /// Connections that clients hold at once.
    pub(super) clients: u32,
    /// Where it may write.
    pub(super) folder: &'a Path,
}

/// Connections beside those of the clients: health checks, looks whether it listens, a client that makes a new one before the old is
/// gone.
const SPARE: u32 = 128;

/// What HAProxy reads.
pub(super) fn haproxy(backend: &Backend<'_>) -> String {
    let Backend { address, servers, policy, retries, clients, .. } = *backend;
    let balance = match policy {
        Policy::RoundRobin => "balance roundrobin",
        Policy::LeastConnections => "balance leastconn",
        Policy::Random => "balance random(1)",
        Policy::TwoChoices => "balance random(2)",
        // `balance source` is of the address alone, and all clients of the swarm have one.
        Policy::SourceHash => {
            "http-request set-header X-Client %[src]:%[src_port]\n    balance hdr(X-Client)\n    hash-type consistent"
        }
    };
    let retry = match retries {
        true => "retries 3\n    retry-on conn-failure empty-response\n    option redispatch 1",
        false => "retries 0\n    no option redispatch",
    };
    let maxconn = clients.saturating_mul(2).saturating_add(SPARE);
    let mut text = format!(
        "global\n    nbthread 1\n    maxconn {maxconn}\ndefaults\n    mode http\n    timeout connect 1s\n    timeout client 60s\n    \
         timeout server 60s\n    {retry}\nfrontend clients\n    bind {address} backlog 4096\n    default_backend servers\nbackend \
         servers\n    {balance}\n"
    );
    for (at, server) in servers.iter().enumerate() {
        let _ = writeln!(text, "    server s{} {server} check inter 200ms fall 2 rise 2", at + 1);
    }
    text
}

/// What nginx reads.
pub(super) fn nginx(backend: &Backend<'_>) -> String {
    let Backend { address, servers, policy, retries, clients, folder } = *backend;
    let balance = match policy {
        Policy::RoundRobin => "", // what it does without being told
        Policy::LeastConnections => "        least_conn;\n",
        Policy::Random => "        random;\n",
        Policy::TwoChoices => "        random two least_conn;\n",
        Policy::SourceHash => "        hash $remote_addr:$remote_port consistent;\n",
    };
    let all: String = servers
        .iter()
        .map(|server| format!("        server {server} max_fails=1 fail_timeout=1s;\n"))
        .collect();
    let next = if retries { "error timeout" } else { "off" };
    let connections = clients.saturating_mul(4).saturating_add(SPARE);
    let folder = folder.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
    // Without a master there is one process, and none is left behind when the tool is killed.
    let mut text = format!(
        "daemon off;\nmaster_process off;\npid \"{folder}/nginx.pid\";\nerror_log stderr crit;\nevents {{\n    worker_connections \
         {connections};\n}}\nhttp {{\n    access_log off;\n    keepalive_requests 1000000000;\n"
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(text, "    {kind}_temp_path \"{folder}/{kind}\";");
    }
    let _ = write!(
        text,
        "    upstream servers {{\n{balance}{all}        keepalive {clients};\n        keepalive_requests 1000000000;\n    }}\n    \
         server {{\n        listen {address} backlog=4096;\n        location / {{\n            proxy_pass http://servers;\n            \
         proxy_http_version 1.1;\n            proxy_set_header Connection \"\";\n            proxy_set_header Host $http_host;\n            \
         proxy_connect_timeout 1s;\n            proxy_next_upstream {next};\n            proxy_next_upstream_tries 4;\n        }}\n    \
         }}\n}}\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(policy: Policy, retries: bool, make: fn(&Backend<'_>) -> String) -> String {
        let servers: Vec<SocketAddr> = (1..=2).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let folder = Path::new("/t m/\"x\"");
        make(&Backend { address, servers: &servers, policy, retries, clients: 64, folder })
    }

    #[test]
    fn every_policy_has_a_word_of_its_own_in_both() {
        for make in [haproxy, nginx] {
            let mut all: Vec<String> = Policy::ALL.iter().map(|policy| with(*policy, true, make)).collect();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), Policy::ALL.len());
        }
    }

    #[test]
    fn both_listen_where_told_and_name_each_server_once() {
        for make in [haproxy, nginx] {
            let text = with(Policy::RoundRobin, true, make);
            assert_eq!(text.matches("127.0.0.1:80 ").count(), 1, "{text}");
            assert!(
                text.matches("127.0.0.1:1 ").count() == 1 && text.matches("127.0.0.1:2 ").count() == 1,
                "{text}"
            );
        }
    }

    #[test]
    fn without_retries_a_request_is_tried_once() {
        let haproxy = [true, false].map(|retries| with(Policy::Random, retries, haproxy));
        assert!(haproxy[0].contains("retry-on conn-failure empty-response"), "{}", haproxy[0]);
        assert!(haproxy[1].contains("retries 0") && !haproxy[1].contains("retry-on"), "{}", haproxy[1]);
        let nginx = [true, false].map(|retries| with(Policy::Random, retries, nginx));
        assert!(nginx[0].contains("proxy_next_upstream error timeout;"), "{}", nginx[0]);
        assert!(nginx[1].contains("proxy_next_upstream off;"), "{}", nginx[1]);
    }

    #[test]
    fn nginx_writes_in_the_folder_of_the_trial_alone() {
        let text = with(Policy::TwoChoices, true, nginx);
        let paths: Vec<&str> =
            text.lines().filter(|line| line.contains("_path ") || line.starts_with("pid ")).collect();
        assert_eq!(paths.len(), 6);
        assert!(paths.iter().all(|line| line.contains("\"/t m/\\\"x\\\"/")), "{text}");
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}
