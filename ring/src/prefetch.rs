//! The one instruction that brings a cache line to a core in order to be written.

/// What memory is moved by, in bytes.
pub(crate) const LINE: usize = 64;

/// Asks for the line of `address` to be brought to this core, and taken from all others. A hint: any address will do.
#[inline(always)]
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(crate) fn to_write(address: *const u8) {
    // SAFETY: a prefetch reads and writes nothing that a program can see, and faults at no address. A processor without
    // this one, of before 2014, takes it for a NOP.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) address.addr(), options(nostack, preserves_flags, nomem));
    }
}

/// As above, where stable Rust has no such instruction: nothing.
#[inline(always)]
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
pub(crate) fn to_write(_address: *const u8) {}
