//! What a program needs of its system, and nothing else of it: start, output, end; and the functions on memory that the
//! compiler calls.

use core::arch::{asm, global_asm};
use core::panic::PanicInfo;

#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call {run}", "mov edi, eax", "mov eax, 60", "syscall",
    run = sym crate::run,
);

#[cfg(target_arch = "x86")]
global_asm!(
    ".globl _start", "_start:", "xor ebp, ebp", "and esp, -16", "call {run}", "mov ebx, eax", "mov eax, 1", "int 0x80",
    run = sym crate::run,
);

/// Prints to the standard output. What cannot be printed is lost.
pub(crate) fn print(text: &str) {
    // SAFETY: `write` reads the text, which is there, and changes no memory.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("syscall", inlateout("rax") 1_usize => _, in("rdi") 1_usize, in("rsi") text.as_ptr(), in("rdx") text.len(),
            out("rcx") _, out("r11") _, options(nostack, readonly));
        #[cfg(target_arch = "x86")]
        asm!("int 0x80", inlateout("eax") 4_usize => _, in("ebx") 1_usize, in("ecx") text.as_ptr(), in("edx") text.len(),
            options(nostack, readonly));
    }
}

/// Prints a number without `core::fmt`, which is larger than all the rest.
#[cfg(feature = "alloc")]
pub(crate) fn print_number(mut number: usize) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    print(str::from_utf8(&digits[start..]).unwrap_or("?"));
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    print("PANIC\n");
    // SAFETY: an instruction that does not exist ends the program.
    unsafe { asm!("ud2", options(noreturn)) }
}

/// As in C.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    // SAFETY: the caller keeps C's contract. Not a loop in Rust: that would become a call of this function.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("rep movsb", inout("rcx") n => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags));
        #[cfg(target_arch = "x86")]
        asm!("push esi", "mov esi, {from}", "rep movsb", "pop esi", from = in(reg) from, inout("ecx") n => _,
            inout("edi") to => _, options(preserves_flags));
    }
    to
}

/// As in C.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    if to.addr().wrapping_sub(from.addr()) >= n {
        // SAFETY: going forwards, nothing is overwritten that is still to be read.
        return unsafe { memcpy(to, from, n) };
    }
    for i in (0..n).rev() {
        // SAFETY: the caller keeps C's contract; going backwards, nothing is overwritten that is still to be read. Volatile:
        // or it becomes a call of this function.
        unsafe { to.add(i).write_volatile(from.add(i).read_volatile()) };
    }
    to
}

/// As in C.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, n: usize) -> *mut u8 {
    // SAFETY: the caller keeps C's contract.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("rep stosb", inout("rcx") n => _, inout("rdi") to => _, in("al") byte as u8, options(nostack, preserves_flags));
        #[cfg(target_arch = "x86")]
        asm!("rep stosb", inout("ecx") n => _, inout("edi") to => _, in("al") byte as u8, options(nostack, preserves_flags));
    }
    to
}

/// As in C.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    for i in 0..n {
        // SAFETY: the caller keeps C's contract. Volatile: or it becomes a call of this function.
        let (a, b) = unsafe { (a.add(i).read_volatile(), b.add(i).read_volatile()) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}

/// As in C.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    // SAFETY: it is the same contract.
    unsafe { memcmp(a, b, n) }
}

/// The compiled `alloc` refers to these two, for unwinding, which `panic = "abort"` never does.
#[cfg(feature = "alloc")]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[cfg(feature = "alloc")]
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() {}
