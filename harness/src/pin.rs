//! Which role runs on which CPU.
//!
//! A role is a publisher, or one consumer of one subscription. With enough CPUs each role has a thread and a CPU to
//! itself, and the coordinator keeps to the others. When roles outnumber CPUs, more threads would only take turns,
//! and a spinning thread that waits for its turn turns nanoseconds into milliseconds; so the roles are dealt onto
//! as many threads as there are CPUs, several publishers or cursors to a thread, and the result says
//! "oversubscribed".

use core_affinity::CoreId;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::OnceLock;

/// What `--pin` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pinning {
    /// The CPUs of this process, one hardware thread per core first.
    Auto,
    /// Leave placement to the system.
    Off,
    /// These CPUs: publishers first, then consumers.
    Cpus(Vec<usize>),
}

impl std::fmt::Display for Pinning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Off => f.write_str("off"),
            Self::Cpus(cpus) => f.write_str(&cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(",")),
        }
    }
}

/// One consumer of one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CursorRole {
    pub(crate) subscription: usize,
}

/// A role thread: what it drives, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seat<T> {
    pub(crate) roles: Vec<T>,
    pub(crate) cpu: Option<usize>,
}

/// The threads of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Publisher threads with the numbers of their publishers.
    pub(crate) publishers: Vec<Seat<usize>>,
    /// Consumer threads with their cursors.
    pub(crate) consumers: Vec<Seat<CursorRole>>,
    /// Where the coordinator goes; `None` leaves it to the system (it sleeps).
    pub(crate) coordinator: Option<usize>,
    /// Roles and CPUs, when there are more roles.
    pub(crate) oversubscribed: Option<(usize, usize)>,
    /// Whether two role threads share a CPU, so that waiting must give way rather than spin.
    pub(crate) polite: bool,
}

/// The CPUs that this process may use. Asked once: the answer is about the calling thread, which may be pinned later.
pub(crate) fn available() -> &'static [usize] {
    static CPUS: OnceLock<Vec<usize>> = OnceLock::new();
    CPUS.get_or_init(|| {
        core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect()
    })
}

/// Orders CPUs so that the first ones share no core: a publisher and a consumer on two hardware threads of one core
/// would take turns in it.
fn by_core(cpus: &[usize]) -> Vec<usize> {
    let first_sibling = |cpu: usize| {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let list = std::fs::read_to_string(Path::new(&path)).unwrap_or_default();
        list.split([',', '-']).next().and_then(|first| first.trim().parse().ok()).unwrap_or(cpu)
    };
    let mut ordered = cpus.to_vec();
    ordered.sort_by_key(|&cpu| (first_sibling(cpu) != cpu, cpu));
    ordered
}

impl Layout {
    /// Seats `publishers` and `consumers` on the CPUs in `available`.
    pub(crate) fn new(
        publishers: usize,
        consumers: &[CursorRole],
        pinning: &Pinning,
        available: &[usize],
    ) -> Self {
        let cpus = match pinning {
            Pinning::Cpus(cpus) => cpus.clone(),
            Pinning::Auto | Pinning::Off => by_core(available),
        };
        let limit = cpus.len().max(1);
        let roles = publishers + consumers.len();
        let oversubscribed = roles > limit;
        let (publisher_threads, consumer_threads) = if oversubscribed {
            share(limit, publishers, consumers.len())
        } else {
            (publishers, consumers.len())
        };
        let pinned = *pinning != Pinning::Off;
        let cpu = |thread: usize| if pinned { cpus.get(thread % limit).copied() } else { None };
        let threads = publisher_threads + consumer_threads;
        Self {
            publishers: seat(publisher_threads, (0..publishers).collect(), cpu),
            consumers: seat(consumer_threads, consumers.to_vec(), |thread| cpu(publisher_threads + thread)),
            coordinator: if pinned {
                by_core(available).into_iter().find(|cpu| !cpus[..threads.min(limit)].contains(cpu))
            } else {
                None
            },
            oversubscribed: oversubscribed.then_some((roles, limit)),
            polite: threads > limit,
        }
    }

    /// Seats a herd: one thread that releases all publishers, each a thread or a task of its own, and as many for the
    /// consumers as there are CPUs. Nobody is pinned, since whoever a pinned thread starts is pinned with it.
    pub(crate) fn herd(publishers: usize, consumers: &[CursorRole], available: &[usize]) -> Self {
        let limit = available.len().max(1);
        let roles = publishers + consumers.len();
        Self {
            publishers: seat(1, (0..publishers).collect(), |_| None),
            consumers: seat(limit.min(consumers.len()), consumers.to_vec(), |_| None),
            coordinator: None,
            oversubscribed: (roles > limit).then_some((roles, limit)),
            polite: true,
        }
    }

    /// The CPUs of role threads, each once.
    pub(crate) fn cpus(&self) -> Vec<usize> {
        let publishers = self.publishers.iter().filter_map(|seat| seat.cpu);
        let mut cpus: Vec<usize> =
            publishers.chain(self.consumers.iter().filter_map(|seat| seat.cpu)).collect();
        cpus.sort_unstable();
        cpus.dedup();
        cpus
    }

    /// The CPUs of the first publisher and the first consumer, if they are two.
    pub(crate) fn pair(&self) -> Option<(usize, usize)> {
        let publisher = self.publishers.first()?.cpu?;
        let consumer = self.consumers.first()?.cpu?;
        (publisher != consumer).then_some((publisher, consumer))
    }

    /// Who sits where, for the result.
    pub(crate) fn describe(&self) -> String {
        if self.cpus().is_empty() {
            return "off".to_owned();
        }
        let mut text = String::new();
        let mut write = |what: &str, roles: usize, cpu: Option<usize>| {
            let separator = if text.is_empty() { "" } else { ", " };
            let many = if roles > 1 { format!(" ({roles} roles)") } else { String::new() };
            let place = cpu.map_or_else(|| "anywhere".to_owned(), |cpu| format!("CPU {cpu}"));
            // Writing to a string cannot fail.
            write!(text, "{separator}{what}{many} on {place}").unwrap_or(());
        };
        for seat in &self.publishers {
            write("publisher", seat.roles.len(), seat.cpu);
        }
        for seat in &self.consumers {
            write("consumer", seat.roles.len(), seat.cpu);
        }
        text
    }
}

/// Splits `limit` threads between publishers and consumers, at least one each, in proportion to their roles.
fn share(limit: usize, publishers: usize, consumers: usize) -> (usize, usize) {
    let consumer_threads = consumers.min((limit * consumers / (publishers + consumers)).max(1));
    let publisher_threads = publishers.min(limit.saturating_sub(consumer_threads).max(1));
    // What the publishers cannot use goes back to the consumers.
    (publisher_threads, consumers.min(limit.saturating_sub(publisher_threads).max(1)))
}

/// Deals `roles` onto `threads` seats in turn.
fn seat<T>(threads: usize, roles: Vec<T>, cpu: impl Fn(usize) -> Option<usize>) -> Vec<Seat<T>> {
    let mut seats: Vec<Seat<T>> =
        (0..threads).map(|thread| Seat { roles: Vec::new(), cpu: cpu(thread) }).collect();
    for (index, role) in roles.into_iter().enumerate() {
        seats[index % threads].roles.push(role);
    }
    seats
}

/// Pins the calling thread. False when the system refused.
#[must_use]
pub(crate) fn pin(cpu: Option<usize>) -> bool {
    cpu.is_none_or(|id| core_affinity::set_for_current(CoreId { id }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursors(count: usize) -> Vec<CursorRole> {
        (0..count).map(|subscription| CursorRole { subscription }).collect()
    }

    fn seats(publishers: usize, consumers: usize, cpus: &[usize]) -> (Vec<usize>, Vec<usize>, Layout) {
        let layout = Layout::new(publishers, &cursors(consumers), &Pinning::Cpus(cpus.to_vec()), cpus);
        let sizes = |lengths: Vec<usize>| lengths;
        (
            sizes(layout.publishers.iter().map(|seat| seat.roles.len()).collect()),
            sizes(layout.consumers.iter().map(|seat| seat.roles.len()).collect()),
            layout,
        )
    }

    #[test]
    fn each_role_has_a_cpu_while_they_last() {
        let (publishers, consumers, layout) = seats(1, 1, &[0, 1]);
        assert_eq!((publishers, consumers), (vec![1], vec![1]));
        assert_eq!(layout.pair(), Some((0, 1)));
        assert!(layout.oversubscribed.is_none() && !layout.polite && layout.coordinator.is_none());
    }

    #[test]
    fn cursors_share_a_thread_when_roles_outnumber_cpus() {
        let (publishers, consumers, layout) = seats(1, 50, &[0, 1]);
        assert_eq!((publishers, consumers), (vec![1], vec![50]));
        assert_eq!((layout.oversubscribed, layout.polite), (Some((51, 2)), false));
        let (publishers, consumers, _) = seats(8, 1, &[0, 1]);
        assert_eq!((publishers, consumers), (vec![8], vec![1]));
        let (publishers, consumers, _) = seats(2, 6, &[0, 1, 2, 3]);
        assert_eq!((publishers, consumers), (vec![2], vec![2, 2, 2]));
    }

    #[test]
    fn a_single_cpu_is_shared_politely() {
        let (publishers, consumers, layout) = seats(1, 1, &[3]);
        assert_eq!((publishers, consumers), (vec![1], vec![1]));
        assert!(layout.oversubscribed == Some((2, 1)) && layout.polite && layout.pair().is_none());
    }

    #[test]
    fn the_coordinator_keeps_off_the_roles() {
        let layout = Layout::new(1, &cursors(1), &Pinning::Cpus(vec![2, 3]), &[0, 1, 2, 3]);
        assert_eq!(layout.coordinator, Some(0));
        assert_eq!(layout.cpus(), [2, 3]);
        assert_eq!(layout.describe(), "publisher on CPU 2, consumer on CPU 3");
    }

    #[test]
    fn a_herd_has_one_seat_and_nobody_is_pinned() {
        let layout = Layout::herd(1_000, &cursors(10), &[0, 1]);
        assert_eq!((layout.publishers.len(), layout.publishers[0].roles.len()), (1, 1_000));
        assert_eq!((layout.consumers.len(), layout.oversubscribed), (2, Some((1_010, 2))));
        assert!(layout.cpus().is_empty() && layout.coordinator.is_none());
    }

    #[test]
    fn without_pinning_nobody_has_a_cpu() {
        let layout = Layout::new(1, &cursors(1), &Pinning::Off, &[0, 1]);
        assert!(layout.cpus().is_empty() && layout.coordinator.is_none());
        assert_eq!(layout.describe(), "off");
    }
}
