//! Who is in which room and group, and how a message is handed round.
//!
//! Two kinds of lock, taken in this order and never the other way: the directory's, while somebody comes, goes, moves or is looked up by
//! name, as for each whisper; and a circle's, while a message is handed round in it. Who speaks in its room or to its groups does
//! not take the first; who moves waits, with it, for a message that is being handed round where it leaves or enters.

use crate::Post;
use crate::sync::{Mutex, lock};
use std::collections::HashMap;
use std::sync::Arc;

/// The room of whoever has joined no other.
pub(super) const LOBBY: &str = "lobby";

/// What a client can say, a line each.
const HELP: &str = "\
* TEXT               say it to everybody else in your room
* /name NAME         be called so
* /join ROOM         go to a room; there is always one
* /leave             go back to the lobby
* /whisper NAME TEXT tell one member, wherever it is
* /enter GROUP       hear what is said to a group, too; as many as you like
* /quit GROUP        hear it no more
* /to GROUP TEXT     say it to everybody else in a group
* /who               who is in your room
* /echo TEXT         hear it yourself
* exit               end the connection
";

/// What a client says to hear the rest of the line itself.
pub(super) const ECHO: &[u8] = b"/echo ";

/// Longest name of a member, a room or a group in bytes.
const LONGEST_NAME: usize = 32;
/// The most groups that one member may be in.
const MOST_GROUPS: usize = 64;

/// All there is: of one server.
#[derive(Default)]
pub(super) struct Hall {
    directory: Mutex<Directory>,
}

#[derive(Default)]
struct Directory {
    /// Members so far, the next one's number.
    count: u64,
    members: HashMap<Box<str>, Arc<dyn Post>>,
    rooms: HashMap<Box<str>, Arc<Circle>>,
    groups: HashMap<Box<str>, Arc<Circle>>,
}

/// Those who hear the same: a room or a group.
#[derive(Default)]
struct Circle {
    members: Mutex<Vec<Member>>,
}

struct Member {
    number: u64,
    name: Arc<str>,
    post: Arc<dyn Post>,
}

/// Enters a circle of that name, which is made if there is none.
fn enter(circles: &mut HashMap<Box<str>, Arc<Circle>>, name: &str, member: Member) -> Arc<Circle> {
    let circle = Arc::clone(circles.entry(name.into()).or_default());
    lock(&circle.members).push(member);
    circle
}

/// Leaves a circle, which is gone with its last member.
fn leave(circles: &mut HashMap<Box<str>, Arc<Circle>>, name: &str, number: u64) {
    if let Some(circle) = circles.get(name) {
        let mut members = lock(&circle.members);
        if let Some(at) = members.iter().position(|member| member.number == number) {
            members.swap_remove(at);
        }
        let is_empty = members.is_empty();
        drop(members);
        if is_empty {
            circles.remove(name);
        }
    }
}

impl Circle {
    /// Hands a message to everybody but one.
    fn tell(&self, but: u64, message: &Arc<[u8]>) {
        for member in lock(&self.members).iter().filter(|member| member.number != but) {
            member.post.deliver(message);
        }
    }
}

/// A client in the hall. Leaves all when dropped.
pub(super) struct Guest {
    hall: Arc<Hall>,
    number: u64,
    name: Arc<str>,
    post: Arc<dyn Post>,
    room: (Box<str>, Arc<Circle>),
    groups: HashMap<Box<str>, Arc<Circle>>,
}

impl Hall {
    /// A client has come: it is in the lobby, under a name that nobody has.
    pub(super) fn enter(self: &Arc<Self>, post: Arc<dyn Post>) -> Guest {
        let mut directory = lock(&self.directory);
        let (number, name) = loop {
            directory.count += 1;
            let name = format!("guest-{}", directory.count);
            if !directory.members.contains_key(&*name) {
                break (directory.count, Arc::<str>::from(name));
            }
        };
        directory.members.insert(Box::from(&*name), Arc::clone(&post));
        let member = Member { number, name: Arc::clone(&name), post: Arc::clone(&post) };
        let room = (LOBBY.into(), enter(&mut directory.rooms, LOBBY, member));
        drop(directory);
        Guest { hall: Arc::clone(self), number, name, post, room, groups: HashMap::new() }
    }
}

impl Guest {
    /// The way to the client.
    pub(super) fn post(&self) -> &Arc<dyn Post> {
        &self.post
    }

    /// Deals with one line, without its end; returns what it is answered, if anything.
    pub(super) fn says(&mut self, line: &[u8]) -> Option<Arc<[u8]>> {
        if let Some(text) = line.strip_prefix(ECHO) {
            return Some([text, b"\n"].concat().into());
        }
        if line.first() != Some(&b'/') {
            let message = [self.name.as_bytes(), b": ", line, b"\n"].concat();
            self.room.1.tell(self.number, &message.into());
            return None;
        }
        let (command, rest) = split(line);
        let answer = match command {
            b"/name" => self.be_called(rest),
            b"/join" => self.join(rest),
            b"/leave" => self.join(LOBBY.as_bytes()),
            b"/whisper" => self.whisper(rest),
            b"/enter" => self.enter_group(rest),
            b"/quit" => self.quit_group(rest),
            b"/to" => self.tell_group(rest),
            b"/who" => Ok(self.who()),
            b"/help" => Ok(HELP.into()),
            _ => Err("there is no such command; /help lists those there are".into()),
        };
        let answer = answer.unwrap_or_else(|why| format!("! {why}\n"));
        (!answer.is_empty()).then(|| answer.into_bytes().into())
    }

    fn member(&self) -> Member {
        Member { number: self.number, name: Arc::clone(&self.name), post: Arc::clone(&self.post) }
    }

    fn be_called(&mut self, name: &[u8]) -> Answer {
        let name = named(name)?;
        if name == &*self.name {
            return Ok(format!("* you are {name}\n"));
        }
        let mut directory = lock(&self.hall.directory);
        if directory.members.contains_key(name) {
            return Err(format!("somebody is called {name}"));
        }
        directory.members.remove(&*self.name);
        directory.members.insert(name.into(), Arc::clone(&self.post));
        self.name = name.into();
        for circle in self.groups.values().chain([&self.room.1]) {
            for member in lock(&circle.members).iter_mut().filter(|member| member.number == self.number) {
                member.name = Arc::clone(&self.name);
            }
        }
        Ok(format!("* you are {name}\n"))
    }

    fn join(&mut self, room: &[u8]) -> Answer {
        let room = named(room)?;
        let mut directory = lock(&self.hall.directory);
        leave(&mut directory.rooms, &self.room.0, self.number);
        self.room = (room.into(), enter(&mut directory.rooms, room, self.member()));
        Ok(format!("* you are in {room}\n"))
    }

    fn whisper(&self, rest: &[u8]) -> Answer {
        let (name, text) = split(rest);
        let name = named(name)?;
        let post = lock(&self.hall.directory).members.get(name).map(Arc::clone);
        let post = post.ok_or_else(|| format!("nobody is called {name}"))?;
        post.deliver(&[self.name.as_bytes(), b" (to you): ", text, b"\n"].concat().into());
        Ok(String::new())
    }

    fn enter_group(&mut self, group: &[u8]) -> Answer {
        let group = named(group)?;
        if !self.groups.contains_key(group) {
            if self.groups.len() == MOST_GROUPS {
                return Err(format!("you are in {MOST_GROUPS} groups, which are the most"));
            }
            let circle = enter(&mut lock(&self.hall.directory).groups, group, self.member());
            self.groups.insert(group.into(), circle);
        }
        Ok(format!("* you hear {group}\n"))
    }

    fn quit_group(&mut self, group: &[u8]) -> Answer {
        let group = named(group)?;
        if self.groups.remove(group).is_none() {
            return Err(format!("you do not hear {group}"));
        }
        leave(&mut lock(&self.hall.directory).groups, group, self.number);
        Ok(format!("* you hear {group} no more\n"))
    }

    /// Whoever speaks to a group need not be in it.
    fn tell_group(&self, rest: &[u8]) -> Answer {
        let (group, text) = split(rest);
        let group = named(group)?;
        let own = self.groups.get(group).map(Arc::clone);
        let circle = own.or_else(|| lock(&self.hall.directory).groups.get(group).map(Arc::clone));
        let circle = circle.ok_or_else(|| format!("nobody hears {group}"))?;
        let to = [self.name.as_bytes(), b" (to ", group.as_bytes(), b"): ", text, b"\n"];
        circle.tell(self.number, &to.concat().into());
        Ok(String::new())
    }

    fn who(&self) -> String {
        let mut names: Vec<Arc<str>> =
            lock(&self.room.1.members).iter().map(|member| Arc::clone(&member.name)).collect();
        names.sort_unstable();
        let mut answer = format!("* in {}:", self.room.0);
        for name in names {
            answer.push(' ');
            answer.push_str(&name);
        }
        answer + "\n"
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut directory = lock(&self.hall.directory);
        directory.members.remove(&*self.name);
        leave(&mut directory.rooms, &self.room.0, self.number);
        for group in self.groups.keys() {
            leave(&mut directory.groups, group, self.number);
        }
    }
}

/// What is said to a command: nothing where it is empty; or why it is refused.
type Answer = Result<String, String>;

/// The first word, and what comes after the space behind it.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|&byte| byte == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &[]),
    }
}

/// A word that can be a name.
fn named(word: &[u8]) -> Result<&str, String> {
    let is_sound = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let name = std::str::from_utf8(word)
        .ok()
        .filter(|name| (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(|byte| is_sound(&byte)));
    name.ok_or_else(|| format!("a name has 1 to {LONGEST_NAME} letters, digits, - and _"))
}
