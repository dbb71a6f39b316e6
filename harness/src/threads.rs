//! What each role thread did with its time: on a CPU, ready but waiting for one, asleep, or looking in vain.
//!
//! The kernel says the first three ([`ThreadUse`]). The last, *idling*, is counted where it is done: in a cell of the
//! thread's own, so that a look in vain costs one addition more and no loop has to hand a counter around. A thread
//! leaves its note when its sample is over; notes of one role, seat and load are added up, since a sample's threads are
//! new ones. They are kept here rather than handed on from sample to run to result, because nothing but the result's
//! end reads them.

use serde::Serialize;
use std::cell::Cell;
use std::sync::{Mutex, PoisonError};

use crate::noise::ThreadUse;
use crate::num;

thread_local! {
    static IDLING: Cell<Idling> = const { Cell::new(Idling { spins: 0, waits: 0, yields: 0 }) };
}

/// Looks in vain.
#[derive(Debug, Clone, Copy, Default)]
struct Idling {
    spins: u64,
    waits: u64,
    yields: u64,
}

static NOTES: Mutex<Vec<Note>> = Mutex::new(Vec::new());

/// What the threads of one role on one seat did under one kind of load, warm-up included. Zero is what was counted;
/// what could not be read, or what such a thread never does, is absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Note {
    pub(crate) role: Role,
    pub(crate) load: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu: Option<usize>,
    /// Threads that did this, one after the other.
    samples: u64,
    /// Time on a CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_ms: Option<f64>,
    /// Time ready to run, but waiting for a CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_queue_ms: Option<f64>,
    /// Times it gave up its CPU to sleep.
    #[serde(skip_serializing_if = "Option::is_none")]
    parks: Option<u64>,
    /// Times it was put aside for another thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    involuntary_switches: Option<u64>,
    /// Looks that found nothing to do: a consumer's polls, a paced publisher's glances at the clock.
    spins: u64,
    /// Calls that wait in the engine, which spins there before it parks.
    waits: u64,
    /// Times it offered its CPU to others, where threads share one.
    yields: u64,
}

/// A role thread's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Publisher,
    Consumer,
}

impl Role {
    /// What its threads are called, as far as the kernel keeps a name (15 bytes).
    pub(crate) fn thread_name(self, load: &'static str) -> String {
        let role = match self {
            Self::Publisher => "publisher",
            Self::Consumer => "consumer",
        };
        format!("{role}-{load}")
    }
}

/// This thread looked, and there was nothing to do.
#[inline]
pub(crate) fn spun() {
    count(|idling| idling.spins += 1);
}

/// This thread waited in the engine.
pub(crate) fn waited() {
    count(|idling| idling.waits += 1);
}

/// This thread offered its CPU to others.
pub(crate) fn yielded() {
    count(|idling| idling.yields += 1);
}

#[inline]
fn count(one: impl FnOnce(&mut Idling)) {
    IDLING.with(|cell| {
        let mut idling = cell.get();
        one(&mut idling);
        cell.set(idling);
    });
}

/// Leaves the note of this thread, whose sample is over.
pub(crate) fn note(role: Role, load: &'static str, cpu: Option<usize>, used: ThreadUse) {
    let Idling { spins, waits, yields } = IDLING.take();
    let millis = |nanos: Option<u64>| nanos.map(|nanos| num::millis(num::float(nanos)));
    let note = Note {
        role,
        load,
        cpu,
        samples: 1,
        cpu_ms: millis(used.cpu),
        run_queue_ms: millis(used.queued),
        parks: used.voluntary,
        involuntary_switches: used.involuntary,
        spins,
        waits,
        yields,
    };
    add(&mut NOTES.lock().unwrap_or_else(PoisonError::into_inner), note);
}

/// The notes since this was last asked.
pub(crate) fn take() -> Vec<Note> {
    std::mem::take(&mut *NOTES.lock().unwrap_or_else(PoisonError::into_inner))
}

fn add(notes: &mut Vec<Note>, note: Note) {
    let same = |other: &&mut Note| (other.role, other.load, other.cpu) == (note.role, note.load, note.cpu);
    let Some(sum) = notes.iter_mut().find(same) else { return notes.push(note) };
    sum.samples += note.samples;
    sum.cpu_ms = sum.cpu_ms.zip(note.cpu_ms).map(|(a, b)| a + b);
    sum.run_queue_ms = sum.run_queue_ms.zip(note.run_queue_ms).map(|(a, b)| a + b);
    sum.parks = sum.parks.zip(note.parks).map(|(a, b)| a + b);
    sum.involuntary_switches = sum.involuntary_switches.zip(note.involuntary_switches).map(|(a, b)| a + b);
    sum.spins += note.spins;
    sum.waits += note.waits;
    sum.yields += note.yields;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(cpu: Option<u64>) -> ThreadUse {
        ThreadUse { cpu, queued: Some(1_000_000), voluntary: Some(3), involuntary: Some(1) }
    }

    #[test]
    fn notes_of_one_seat_and_load_are_added_up() {
        let work = |load, cpu| {
            std::thread::spawn(move || {
                (0..5).for_each(|_| spun());
                waited();
                note(Role::Consumer, load, Some(70), used(cpu));
                // What it has told of is not told again.
                note(Role::Publisher, load, Some(70), used(cpu));
            })
            .join()
            .unwrap();
        };
        work("open", Some(2_000_000));
        work("open", Some(3_000_000));
        work("full", None);
        // The only test that takes: others may leave notes, but none of this seat.
        let notes: Vec<_> = take().into_iter().filter(|note| note.cpu == Some(70)).collect();
        let find = |role, load| notes.iter().find(|note| (note.role, note.load) == (role, load)).unwrap();
        let open = find(Role::Consumer, "open");
        assert_eq!((open.samples, open.spins, open.waits, open.yields), (2, 10, 2, 0));
        assert_eq!((open.cpu_ms, open.run_queue_ms, open.parks), (Some(5.0), Some(2.0), Some(6)));
        assert_eq!(find(Role::Publisher, "open").spins, 0);
        let full = serde_json::to_value(find(Role::Consumer, "full")).unwrap();
        assert!(full.get("cpuMs").is_none(), "what was not read is absent: {full}");
    }

    #[test]
    fn the_kernel_keeps_the_whole_name() {
        assert!(Role::Publisher.thread_name("open").len() <= 15);
    }
}
