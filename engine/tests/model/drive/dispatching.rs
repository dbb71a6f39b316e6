//! Handling in place: dispatchers, whose handlers decide by what is in the message, and call back while they are at it.

use super::asides::{Desk, Done};
use super::history::Aside;
use super::world::{World, pick};
use crate::model::letter::{Verdict, verdict};
use crate::model::{Call, Check, Seen, Way};
use ringmain::{Dispatcher, InPlace};
use ringmain_ring::sync::lock;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// A dispatcher, whom it serves, and what its handlers saw.
pub(super) struct Served {
    dispatcher: Dispatcher,
    pub(super) subs: Vec<usize>,
    turn: usize,
    log: Log,
    pub(super) desk: Arc<Mutex<Desk>>,
}

type Log = Arc<Mutex<Vec<(usize, Event)>>>;

#[derive(Debug)]
enum Event {
    Message(Seen),
    Lagged(u64),
    Aside(Done),
}

fn seen(message: &InPlace<'_>, zero: SystemTime) -> Seen {
    Seen {
        id: message.id().get(),
        attempt: message.delivery_attempt(),
        data: message.data().to_vec(),
        attributes: message.attributes().to_vec(),
        key: message.ordering_key().map(str::to_owned),
        time: message.publish_time().duration_since(zero).unwrap_or_default(),
    }
}

impl World {
    pub(super) fn dispatch(&mut self, subs: &[u8], turn: usize, asides: &[(u8, Aside)]) -> Check {
        let subs: BTreeSet<_> = subs.iter().filter_map(|sub| pick(*sub, self.subs.len())).collect();
        let log = Log::default();
        let desk = Arc::new(Mutex::new(self.desk(&subs, asides)));
        let mut dispatcher = Dispatcher::new().turn_limit(turn);
        for sub in &subs {
            let (sub, zero) = (*sub, self.zero);
            let (write, gaps, desk) = (Arc::clone(&log), Arc::clone(&log), Arc::clone(&desk));
            dispatcher = dispatcher.add_lossy(
                &self.subs[sub].subscription,
                move |message| {
                    lock(&write).push((sub, Event::Message(seen(&message, zero))));
                    let done = lock(&desk).turn(sub);
                    lock(&write).extend(done.map(|done| (sub, Event::Aside(done))));
                    match verdict(message.data(), message.delivery_attempt()) {
                        Verdict::Ack => ringmain::Verdict::Ack,
                        Verdict::Nack => ringmain::Verdict::Nack,
                        Verdict::Panic => resume_unwind(Box::new("a handler")),
                    }
                },
                move |lost| lock(&gaps).push((sub, Event::Lagged(lost))),
            );
        }
        self.dispatchers.truncate(2);
        self.dispatchers.push(Served { dispatcher, subs: subs.into_iter().collect(), turn, log, desk });
        Ok(())
    }

    pub(super) fn poll(&mut self, which: u8) -> Check {
        let Some(index) = pick(which, self.dispatchers.len()) else { return Ok(()) };
        self.lay_out(index);
        let Served { dispatcher, subs, turn, log, .. } = &mut self.dispatchers[index];
        let count = self.payloads.armed(|| dispatcher.poll());
        let events = std::mem::take(&mut *lock(log));
        let (subs, turn, idle) = (subs.clone(), *turn, count == 0 && events.is_empty());
        self.note((count, &subs, &events));
        for sub in &subs {
            let taken = events.iter().filter_map(|(other, event)| match event {
                Event::Message(seen) if other == sub && seen.attempt == 1 => Some(seen.id),
                _ => None,
            });
            self.model.subs[*sub].takes(taken);
        }
        let mut direct: BTreeMap<usize, Vec<_>> = BTreeMap::new();
        for (sub, event) in &events {
            if let Event::Aside(Done::Published(letter, Ok(id))) = event {
                let letter = self.published_now(letter);
                direct.entry(self.model.subs[*sub].topic).or_default().push((*id, letter));
            }
        }
        for sub in &subs {
            let topic = self.model.subs[*sub].topic;
            if events.iter().any(|(_, event)| matches!(event, Event::Aside(Done::Published(..)))) {
                // What the ring had when it had its turn, nobody can tell from here.
                self.model.subs[*sub].round.becomes_unclear();
            }
            self.fetch(topic, None, direct.remove(&topic).unwrap_or_default())?;
        }
        let handled = events.iter().filter(|(_, event)| matches!(event, Event::Message(_))).count();
        // Slots count: those of what is filtered out, too.
        let exact = !subs.iter().any(|sub| self.model.subs[*sub].looks_ahead());
        ensure!(handled == count || (!exact && handled < count), "handled {handled}, and told {count}");
        self.review(&subs, turn, events)?;
        for sub in &subs {
            if self.model.subs[*sub].may_be_doomed() {
                self.check_subscription(*sub)?; // it was noticed, perhaps
            }
        }
        if idle {
            subs.iter().try_for_each(|sub| self.model.check_idle(*sub))?;
        }
        Ok(())
    }

    /// What came back goes first, subscription by subscription; only then come the rings.
    fn review(&mut self, subs: &[usize], turn: usize, events: Vec<(usize, Event)>) -> Check {
        let mut calls: Vec<Call> = Vec::new();
        let mut detached = BTreeSet::new();
        for (sub, event) in events {
            let at = subs.iter().position(|other| *other == sub).ok_or("another's event")?;
            let first = matches!(&event, Event::Message(seen) if seen.attempt > 1);
            let begun = if first { at + 1 } else { subs.len() };
            while calls.len() < begun && !matches!(event, Event::Aside(_)) {
                calls.push(self.model.begin(subs[calls.len()], Way::InPlace(turn))?);
            }
            let call = &mut calls[at];
            match event {
                Event::Lagged(lost) => self.model.lag(call, lost)?,
                Event::Message(seen) => {
                    let entry = self.model.deliver(call, &seen)?;
                    self.model.judge(sub, entry, seen.attempt, verdict(&seen.data, seen.attempt))?;
                }
                Event::Aside(Done::Published(..)) => {}
                Event::Aside(Done::Acked(lease, outcome)) => {
                    let key = self.model.subs[sub]
                        .leases
                        .get(&lease)
                        .and_then(|lease| lease.entry.letter.key.clone());
                    call.free(key);
                    self.model.ack(sub, lease, outcome)?;
                }
                Event::Aside(Done::Detached) => _ = detached.insert(sub),
            }
        }
        while calls.len() < subs.len() {
            calls.push(self.model.begin(subs[calls.len()], Way::InPlace(turn))?);
        }
        for (sub, call) in subs.iter().zip(&calls) {
            if !detached.contains(sub) {
                self.model.finish(call)?;
            }
        }
        subs.iter().for_each(|sub| self.model.subs[*sub].takes([]));
        // A handler that gives its subscription up still finishes its batch.
        detached.into_iter().try_for_each(|sub| self.shut(sub))
    }
}
