//! Broadcast channels that are lossless by themselves: `bus` with a thread for every receiver, and
//! `async-broadcast` with a task for every receiver on one thread.

use bus::{Bus, BusReader};

use crate::payload::{Message, Read, Tally};
use crate::roles::{Done, Load, Place, Roles, Sink};

struct BusOut<T>(Bus<T>);

impl<T: Message> Sink for BusOut<T> {
    #[inline]
    fn send(&mut self, seq: u64) {
        self.0.broadcast(T::new(seq));
    }
}

fn read_bus<T: Message>(mut receiver: BusReader<T>, messages: u64, read: Read) -> Tally {
    let mut tally = Tally::default();
    while tally.count < messages {
        let Ok(message) = receiver.recv() else { break };
        tally.add(message.read(read));
    }
    tally
}

/// A thread for every receiver; each parks when it has waited.
pub(crate) fn threads<T: Message>(load: &Load) -> Roles {
    let mut bus = Bus::<T>::new(load.capacity);
    let mut roles = Roles::of::<T>(load);
    for _ in 0..load.receivers {
        let (receiver, messages, read, ticker) =
            (bus.add_rx(), load.messages, load.read, load.ticker.clone());
        roles = roles.reader(Place::Anywhere, move || {
            let tally = read_bus(receiver, messages, read);
            Done { ended: Some(ticker.now()), tallies: vec![tally], latencies: None }
        });
    }
    roles.producer(load, BusOut(bus))
}

struct AsyncOut<T>(async_broadcast::Sender<T>);

impl<T: Message> Sink for AsyncOut<T> {
    #[inline]
    fn send(&mut self, seq: u64) {
        assert!(self.0.broadcast_blocking(T::new(seq)).is_ok(), "the receivers outlive the publisher");
    }
}

/// A task for every receiver on a current-thread runtime, beside a publishing thread.
pub(crate) fn tasks<T: Message>(load: &Load) -> Roles {
    let (sender, first) = async_broadcast::broadcast::<T>(load.capacity);
    let receivers: Vec<_> = (0..load.receivers).map(|_| first.new_receiver()).collect();
    drop(first);
    let (messages, read, ticker) = (load.messages, load.read, load.ticker.clone());
    Roles::of::<T>(load).producer(load, AsyncOut(sender)).reader(Place::Consumer(0), move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime without drivers needs nothing from the system");
        let tasks = receivers.into_iter().map(|mut receiver| {
            runtime.spawn(async move {
                let mut tally = Tally::default();
                while tally.count < messages {
                    let Ok(message) = receiver.recv_direct().await else { break };
                    tally.add(message.read(read));
                }
                tally
            })
        });
        let tasks: Vec<_> = tasks.collect();
        let mut done = Done::default();
        for task in tasks {
            done.tallies.push(runtime.block_on(task).expect("a receiver's task does not panic"));
        }
        done.ended = Some(ticker.now());
        done
    })
}
