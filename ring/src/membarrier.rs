//! An asymmetric store-load barrier: `membarrier(2)` where the kernel has it, fences elsewhere.
//!
//! The side that runs all the time ([`light`]) only keeps the compiler from reordering; the side that runs before a
//! thread sleeps ([`heavy`]) makes the kernel run a full barrier on every CPU that runs a thread of this process, which
//! orders the light side's memory accesses for it. Whether the kernel can is asked once, and before the first answer
//! both sides are full fences.

use crate::sync::{compiler_fence, fence, ordering};
use std::sync::atomic::{AtomicU8, Ordering};

const UNKNOWN: u8 = 0;
const KERNEL: u8 = 1;
const FENCES: u8 = 2;

/// Once `KERNEL`, always `KERNEL`: a light side that has seen it relies on every heavy side to use the kernel.
static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

#[inline(always)]
pub(crate) fn light() {
    // Relaxed: a stale UNKNOWN costs a fence, and nothing else.
    if MODE.load(Ordering::Relaxed) == KERNEL {
        compiler_fence("membarrier.light.compiler");
    } else {
        fence("membarrier.light.no_fence", Ordering::SeqCst);
    }
}

/// Whether the light side is free. Asks the kernel, if nobody has.
pub(crate) fn is_light() -> bool {
    prepare();
    // Acquire: pairs with the release in `register`: the registration came before.
    MODE.load(ordering("membarrier.is_light.acquire", Ordering::Acquire)) == KERNEL
}

/// Asks the kernel, if nobody has.
pub(crate) fn prepare() {
    // Acquire: as in `is_light`.
    if MODE.load(ordering("membarrier.prepare.acquire", Ordering::Acquire)) == UNKNOWN {
        register();
    }
}

pub(crate) fn heavy() {
    prepare();
    // Besides the system call: that orders the others, the fence orders us.
    fence("membarrier.heavy.no_fence", Ordering::SeqCst);
    // Acquire: as in `is_light`.
    if MODE.load(ordering("membarrier.heavy.acquire", Ordering::Acquire)) == KERNEL {
        while !membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED) {
            // Short of memory, a kernel for many CPUs cannot list those that it is to reach; for a moment. Else it was
            // registered and then refused, as a seccomp filter installed in between does. Nothing but the call can make up for
            // the light side's missing fence.
            if std::io::Error::last_os_error().raw_os_error() != Some(libc::ENOMEM) {
                std::process::abort();
            }
            std::thread::yield_now();
        }
    }
}

#[cold]
fn register() {
    let registered = membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
        && membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    let mode = if registered { KERNEL } else { FENCES };
    // The first answer stays: two threads that ask at once must not end in two modes.
    // Release: pairs with the acquire loads above.
    let release = ordering("membarrier.register.release", Ordering::Release);
    let _ = MODE.compare_exchange(UNKNOWN, mode, release, Ordering::Relaxed);
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: this system call takes three integers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}
