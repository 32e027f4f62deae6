//! [`Rooms`]: who is where, and what was said.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sansocket::CloseCode;
use sansocket::tokio::SharedSender;
use sansocket::tokio::server::{Group, Membership, Slow};
use tokio::net::tcp::OwnedWriteHalf;

use crate::protocol::{Reply, Said};

pub type Sender = SharedSender<OwnedWriteHalf>;

/// All rooms. One lock orders everything: a newcomer sees each message once, in the history or when it is said.
#[derive(Default)]
pub struct Rooms(Mutex<HashMap<String, Room>>);

struct Room {
    group: Group,
    people: BTreeMap<String, Person>,
    history: VecDeque<Said>,
    /// How many times a person has entered.
    entries: u64,
}

struct Person {
    key: String,
    sender: Sender,
    /// The number of this entry: a later connection of the same person has another.
    entry: u64,
    _membership: Membership,
}

/// A person's place in a room.
pub struct Place {
    room: String,
    name: String,
    entry: u64,
}

impl Rooms {
    /// Enters a room, which then knows of it, and tells the newcomer what it has missed.
    pub fn join(&self, room: &str, name: &str, key: &str, sender: &Sender) -> Result<Place, &'static str> {
        let mut rooms = self.lock();
        make_space(&mut rooms, room)?;
        let entered = rooms.entry(room.into()).or_insert_with(Room::new);
        let back = match entered.people.get(name) {
            Some(person) if person.key != key => return Err("This name is taken in this room."),
            Some(before) => {
                before.sender.start_close(REPLACED, "you are here with another connection");
                true
            }
            None if entered.people.len() >= MAX_PEOPLE => return Err("This room is full."),
            None => false,
        };
        if !back {
            entered.group.broadcast(&Reply::Came { name }.encode());
        }
        entered.entries += 1;
        let entry = entered.entries;
        let membership = entered.group.join(sender.clone());
        let person = Person { key: key.into(), sender: sender.clone(), entry, _membership: membership };
        entered.people.insert(name.into(), person);
        let people = entered.people.keys().map(String::as_str).collect();
        let history = entered.history.iter().collect();
        let joined = Reply::Joined { room, name, people, history }.encode();
        if sender.try_send_encoded(&joined).is_err() {
            sender.start_close(CloseCode::TRY_AGAIN_LATER, "too slow");
        }
        Ok(Place { room: room.into(), name: name.into(), entry })
    }

    pub fn say(&self, place: &Place, text: &str) {
        let mut rooms = self.lock();
        let Some(room) = rooms.get_mut(&place.room) else { return };
        let said = Said::now(&place.name, text);
        room.group.broadcast(&Reply::Said(&said).encode());
        room.history.push_back(said);
        while room.history.len() > MAX_HISTORY
            || room.history.iter().map(|said| said.text.len()).sum::<usize>() > MAX_HISTORY_BYTES
        {
            room.history.pop_front();
        }
    }

    /// Leaves the room, unless the same person is there with another connection.
    pub fn leave(&self, place: &Place) {
        let mut rooms = self.lock();
        let Some(room) = rooms.get_mut(&place.room) else { return };
        if room.people.get(&place.name).is_some_and(|person| person.entry == place.entry) {
            room.people.remove(&place.name);
            room.group.broadcast(&Reply::Left { name: &place.name }.encode());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Room>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn new() -> Self {
        Self {
            group: Group::new(Slow::Disconnect),
            people: BTreeMap::new(),
            history: VecDeque::new(),
            entries: 0,
        }
    }
}

/// An empty room is kept for its history, until its place is needed.
fn make_space(rooms: &mut HashMap<String, Room>, newcomer: &str) -> Result<(), &'static str> {
    if rooms.len() < MAX_ROOMS || rooms.contains_key(newcomer) {
        return Ok(());
    }
    let empty = rooms.iter().find(|(_, room)| room.people.is_empty()).map(|(name, _)| name.clone());
    let empty = empty.ok_or("There are too many rooms.")?;
    rooms.remove(&empty);
    Ok(())
}

/// The code with which a connection is closed when the same person comes with another one: the page does not come back by
/// itself then.
pub const REPLACED: CloseCode = match CloseCode::new(4000) {
    Some(code) => code,
    None => CloseCode::NORMAL,
};

const MAX_ROOMS: usize = 1000;
const MAX_PEOPLE: usize = 500;
/// How many messages of a room are kept for newcomers.
pub const MAX_HISTORY: usize = 100;
/// And how much text. Empty rooms have a history, too: all of them together hold no more than 32 MB.
const MAX_HISTORY_BYTES: usize = 32 << 10;
