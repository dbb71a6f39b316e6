//! Handling in place: dispatchers, whose handlers decide by what is in the message.

use super::world::{World, pick};
use crate::model::letter::{Verdict, verdict};
use crate::model::{Call, Check, Seen, Way};
use ringmain::{Dispatcher, InPlace};
use ringmain_ring::sync::lock;
use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// A dispatcher, whom it serves, and what its handlers saw.
pub(super) struct Served {
    dispatcher: Dispatcher,
    pub(super) subs: Vec<usize>,
    turn: usize,
    log: Log,
}

type Log = Arc<Mutex<Vec<(usize, Event)>>>;

#[derive(Debug)]
enum Event {
    Message(Seen),
    Lagged(u64),
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
    pub(super) fn dispatch(&mut self, subs: &[u8], turn: usize) -> Check {
        let subs: BTreeSet<_> = subs.iter().filter_map(|sub| pick(*sub, self.subs.len())).collect();
        let log = Log::default();
        let mut dispatcher = Dispatcher::new().turn_limit(turn);
        for sub in &subs {
            let (sub, zero) = (*sub, self.zero);
            let (write, gaps) = (Arc::clone(&log), Arc::clone(&log));
            dispatcher = dispatcher.add_lossy(
                &self.subs[sub].subscription,
                move |message| {
                    lock(&write).push((sub, Event::Message(seen(&message, zero))));
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
        self.dispatchers.push(Served { dispatcher, subs: subs.into_iter().collect(), turn, log });
        Ok(())
    }

    pub(super) fn poll(&mut self, which: u8) -> Check {
        let Some(index) = pick(which, self.dispatchers.len()) else { return Ok(()) };
        let Served { dispatcher, subs, turn, log } = &mut self.dispatchers[index];
        let count = dispatcher.poll();
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
        for sub in &subs {
            self.fetch(self.model.subs[*sub].topic, None, Vec::new())?;
        }
        let handled = events.iter().filter(|(_, event)| matches!(event, Event::Message(_))).count();
        // Slots count: those of what is filtered out, too.
        let exact = !subs.iter().any(|sub| self.model.subs[*sub].looks_ahead());
        ensure!(handled == count || (!exact && handled < count), "handled {handled}, and told {count}");
        // What came back goes first, subscription by subscription; only then come the rings.
        let mut calls: Vec<Call> = Vec::new();
        for (sub, event) in events {
            let at = subs.iter().position(|other| *other == sub).ok_or("another's event")?;
            let first = matches!(&event, Event::Message(seen) if seen.attempt > 1);
            let begun = if first { at + 1 } else { subs.len() };
            while calls.len() < begun {
                calls.push(self.model.begin(subs[calls.len()], Way::InPlace(turn))?);
            }
            let call = &mut calls[at];
            match event {
                Event::Lagged(lost) => self.model.lag(call, lost)?,
                Event::Message(seen) => {
                    let entry = self.model.deliver(call, &seen)?;
                    self.model.judge(sub, entry, seen.attempt, verdict(&seen.data, seen.attempt))?;
                }
            }
        }
        while calls.len() < subs.len() {
            calls.push(self.model.begin(subs[calls.len()], Way::InPlace(turn))?);
        }
        calls.iter().try_for_each(|call| self.model.finish(call))?;
        subs.iter().for_each(|sub| self.model.subs[*sub].takes([]));
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
}
