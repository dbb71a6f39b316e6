//! The lease tables with locks that `leases` compares its atomic words with.
//!
//! Both are given what a careful author would give them: a cheap hash, one lock per batch of leases or acks,
//! and, for the slab, 16 shards that successive batches of 64 messages go round, so that the receiver and the
//! acking thread seldom want the same lock.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Mutex;

use crate::leases::{Leases, deadline};
use crate::threads::lock;

const SHARDS: usize = 16;

#[derive(Default)]
struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only u64 keys are hashed");
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(20);
    }
}

/// Message by id (here the message's own number) with its deadline.
pub(crate) struct Map(Mutex<HashMap<u64, u64, BuildHasherDefault<Multiply>>>);

impl Leases for Map {
    fn new() -> Self {
        Self(Mutex::new(HashMap::default()))
    }

    fn lease(&self, first: u64, ids: &mut [u64]) {
        let mut map = lock(&self.0);
        for (message, id) in (first..).zip(ids) {
            map.insert(message, deadline(message));
            *id = message;
        }
    }

    fn ack(&self, ids: &[u64]) -> u64 {
        let mut map = lock(&self.0);
        ids.iter().filter_map(|id| map.remove(id).map(|_| id + 1)).sum()
    }

    fn expire(&self, now: u64) -> u64 {
        lock(&self.0).extract_if(|_, due| *due <= now).map(|(message, _)| message + 1).sum()
    }
}

/// What one mutex guards: {generation, deadline, message}, and the free ones.
#[derive(Default)]
struct Shard {
    entries: Vec<(u64, u64, u64)>,
    free: Vec<usize>,
}

pub(crate) struct Slab([Mutex<Shard>; SHARDS]);

impl Shard {
    fn settle(&mut self, index: usize) -> u64 {
        let entry = &mut self.entries[index];
        entry.0 += 1;
        entry.1 = u64::MAX;
        self.free.push(index);
        self.entries[index].2 + 1
    }
}

impl Leases for Slab {
    fn new() -> Self {
        Self(Default::default())
    }

    fn lease(&self, first: u64, ids: &mut [u64]) {
        let at = (first / 64) as usize % SHARDS;
        let mut shard = lock(&self.0[at]);
        for (message, id) in (first..).zip(ids) {
            let index = shard.free.pop().unwrap_or_else(|| {
                shard.entries.push((0, 0, 0));
                shard.entries.len() - 1
            });
            let entry = &mut shard.entries[index];
            (entry.1, entry.2) = (deadline(message), message);
            *id = (index as u64) << 32 | (entry.0 & 0xFF_FFFF) << 8 | at as u64;
        }
    }

    fn ack(&self, ids: &[u64]) -> u64 {
        let mut sum = 0;
        let mut rest = ids;
        while let Some(&id) = rest.first() {
            let at = id & 0xFF;
            let mut shard = lock(&self.0[at as usize]);
            while let Some(&id) = rest.first().filter(|id| *id & 0xFF == at) {
                let index = (id >> 32) as usize;
                if shard.entries[index].0 & 0xFF_FFFF == id >> 8 & 0xFF_FFFF {
                    sum += shard.settle(index);
                }
                rest = &rest[1..];
            }
        }
        sum
    }

    fn expire(&self, now: u64) -> u64 {
        let mut sum = 0;
        for shard in &self.0 {
            let mut shard = lock(shard);
            for index in 0..shard.entries.len() {
                if shard.entries[index].1 <= now {
                    sum += shard.settle(index);
                }
            }
        }
        sum
    }
}
