//! A command of somebody else's that serves: its words, and where address and service go in them. It starts nothing.
//!
//! No shell reads it: the process that is sampled, pinned and stopped is then the server itself, not a shell before it.

use std::net::SocketAddr;
use std::path::PathBuf;

/// A command that serves: its words, with `{port}`, `{host}` or `{address}` where these go, and `{service}` where it speaks several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// As it was given.
    pub text: String,
    /// Its words.
    pub words: Vec<String>,
    /// Where it runs; the tool's own folder otherwise.
    pub folder: Option<PathBuf>,
}

impl Command {
    /// Splits a command into words, as a shell would that knows quotes and backslashes and nothing else.
    ///
    /// # Errors
    /// A quote without end, no word, no place for the port, or what only a shell could do.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words =
            shell_words::split(text).map_err(|_| format!("the command `{text}` has a quote without end"))?;
        if words.is_empty() {
            return Err("an empty command cannot serve".into());
        }
        if !["{port}", "{address}"].iter().any(|place| text.contains(place)) {
            return Err(format!(
                "the command `{text}` does not say where the port goes: write {{port}}, or {{address}} for host and \
                 port, such as './server --port {{port}}'"
            ));
        }
        if let Some(what) = needs_shell(text) {
            return Err(format!(
                "the command `{text}` needs a shell for `{what}`, and none reads it: give the program and its words alone, \
                 or write sh -c 'exec ./server --port \"$0\"' {{port}}, with exec so that the server takes the shell's \
                 place, or quote `{what}` if it is meant as it stands"
            ));
        }
        Ok(Self { text: text.into(), words, folder: None })
    }

    /// The words with an address and a service in the places for them.
    pub fn at(&self, address: SocketAddr, service: &str) -> Vec<String> {
        let fill = |word: &String| {
            word.replace("{port}", &address.port().to_string())
                .replace("{host}", &address.ip().to_string())
                .replace("{address}", &address.to_string())
                .replace("{service}", service)
        };
        self.words.iter().map(fill).collect()
    }
}

/// What in a command means something to a shell alone: an operator, an expansion, a variable set before the program. Where it
/// is quoted it means itself.
fn needs_shell(text: &str) -> Option<&str> {
    let first = text.split_whitespace().next().unwrap_or_default();
    let sets = |(name, _): &(&str, &str)| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if first.split_once('=').filter(sets).is_some() || first.starts_with('~') {
        return Some(first);
    }
    let (mut quote, mut at) = (None, text.char_indices().peekable());
    while let Some((start, c)) = at.next() {
        let of = |length: usize| text.get(start..start + length);
        match (c, quote) {
            ('\\', None | Some('"')) => drop(at.next()),
            ('\'' | '"', None) => quote = Some(c),
            (_, Some(open)) if c == open => quote = None,
            ('|' | '&' | ';' | '<' | '>', None) => return of(1),
            ('`', None | Some('"')) => return of(1),
            // A name, a brace or a bracket makes an expansion of it; a dollar sign alone is one.
            ('$', None | Some('"')) => {
                let next = at.peek().map(|(_, next)| *next);
                if next.is_some_and(|next| next.is_ascii_alphanumeric() || "_({?$!@#*".contains(next)) {
                    return of(2);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_words_with_places_for_the_address() {
        let command = Command::parse("python3 'my server.py' --bind {host}:{port}").expect("a command");
        let address: SocketAddr = "127.0.0.1:4242".parse().expect("an address");
        assert_eq!(command.at(address, "echo"), ["python3", "my server.py", "--bind", "127.0.0.1:4242"]);
        let whole = Command::parse("serve {service} {address}").expect("a command");
        assert_eq!(whole.at("[::1]:5".parse().expect("an address"), "wait"), ["serve", "wait", "[::1]:5"]);
    }

    #[test]
    fn a_command_without_a_place_for_the_port_or_an_end_is_refused() {
        for (text, word) in [("./server", "{port}"), ("", "empty"), ("'./server {port}", "quote")] {
            let error = Command::parse(text).expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn what_only_a_shell_can_do_is_named_unless_it_is_quoted() {
        for (text, what) in [
            ("./server {port} | tee log", "`|`"),
            ("cd here && ./server {port}", "`&`"),
            ("./server {port} > log", "`>`"),
            ("./server {port}; true", "`;`"),
            ("PORT={port} ./server", "`PORT={port}`"),
            ("~/server {port}", "`~/server`"),
            ("$HOME/server {port}", "`$H`"),
            ("\"$(pwd)/server\" {port}", "`$(`"),
            ("`pwd`/server {port}", "```"),
        ] {
            let error = Command::parse(text).expect_err(text);
            assert!(
                error.contains(&format!("needs a shell for {what}")) && error.contains("exec"),
                "{error}"
            );
        }
        for text in [
            "sh -c 'cd here && exec ./server $0 | cat' {port}",
            "./server 'a;b' --query \"x&y\" {port}",
            "./server a\\&b {port}",
            "./server --price=5$ --key=value {port}",
        ] {
            assert!(Command::parse(text).is_ok(), "{text}");
        }
    }
}
