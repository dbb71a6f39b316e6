//! How many CPUs the process's main thread may run on.
//!
//! The standard library answers for the calling thread, which may be pinned to one; the main thread seldom is.

#[cfg(all(target_os = "linux", not(any(miri, ringmain_loom, ringmain_shuttle))))]
pub(crate) fn of_main_thread() -> usize {
    // SAFETY: a `cpu_set_t` is a plain array of bits, for which all zeroes is a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let main = libc::pid_t::try_from(std::process::id()).unwrap_or(0);
    // SAFETY: the set is ours, and as large as is said.
    let failed = unsafe { libc::sched_getaffinity(main, size_of::<libc::cpu_set_t>(), &raw mut set) } != 0;
    // SAFETY: it reads the set that it is given.
    let count = unsafe { libc::CPU_COUNT(&set) };
    if failed { 0 } else { usize::try_from(count).unwrap_or(0) }
}

#[cfg(not(all(target_os = "linux", not(any(miri, ringmain_loom, ringmain_shuttle)))))]
pub(crate) fn of_main_thread() -> usize {
    0
}
