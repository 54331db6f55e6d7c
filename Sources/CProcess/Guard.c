/// A process that outlives ours by a moment, to end what we started.
///
/// One guard leads the process group of each child. It reads from a pipe, the lifeline, to which nobody ever
/// writes and whose other end only we hold: however we end, SIGKILL and a crash included, the kernel closes that
/// end, the guard wakes, asks its group to end, and kills it. As the group's leader it also keeps the group's
/// number from being given to others for as long as it lives or is not reaped.
///
/// It is a fork of a process with many threads and, in its memory, secrets; hence two rules:
///
/// - Locks that other threads held stay held for ever in the copy, so it calls nothing, not even the C library:
///   all it does is system calls, written out below.
/// - It gives back whatever memory it could write: otherwise it would keep a copy of every page that we change
///   later, secrets that we have wiped since among them. What stays is the program's text, which all share, and
///   a few pages of stack.
///
/// Processes that left the group (`setsid`, as daemons do) are out of its reach.
#define _GNU_SOURCE
#include "Guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/// How long the group has between SIGTERM and SIGKILL once we are gone. Its input ended at the same moment, and
/// a node that is started again must not meet its former self's servers for long.
#define GUARD_GRACE_SECONDS 1
/// Kept below the guard's frame and on both sides of the thread's control block: more than it uses, and the
/// kernel writes to the block (restartable sequences) whenever the process is moved to another core.
#define GUARD_KEPT_BYTES (64 * 1024UL)
/// What stays open at most where the kernel cannot close a range (before 5.9): no node may open more than this.
#define GUARD_DESCRIPTORS_MAX (1L << 20)

// Instrumentation counts in memory that the guard gives back, and calls functions, which it must not.
#define GUARD_CODE __attribute__((no_stack_protector, no_profile_instrument_function, disable_sanitizer_instrumentation))
#define GUARD_INLINE GUARD_CODE __attribute__((always_inline)) static inline

#if defined(__x86_64__)
GUARD_INLINE long call(long number, long a, long b, long c, long d) {
    long result;
    register long fourth __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
GUARD_INLINE long call(long number, long a, long b, long c, long d) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
#else
#error "the guard's system calls are written for x86_64 and aarch64"
#endif

GUARD_INLINE void close_all_but(int kept, long limit) {
    long failed = call(SYS_close_range, 0, kept - 1, 0, 0);
    failed |= call(SYS_close_range, kept + 1, ~0U, 0, 0);
    if (failed == 0) return;
    for (long descriptor = 0; descriptor < limit; descriptor++) {
        if (descriptor != kept) call(SYS_close, descriptor, 0, 0, 0);
    }
}

/// Unmaps the part of [from, to) that lies outside of [kept, kept_end) and [kept2, kept2_end).
GUARD_INLINE void unmap(uintptr_t from, uintptr_t to, const uintptr_t kept[2], const uintptr_t kept_end[2]) {
    while (from < to) {
        uintptr_t next = to, after = to;
        for (int i = 0; i < 2; i++) {
            if (kept_end[i] <= from || kept[i] >= next) continue;
            next = kept[i] > from ? kept[i] : from;
            after = kept_end[i];
        }
        if (next > from) call(SYS_munmap, (long)from, (long)(next - from), 0, 0);
        from = after;
    }
}

/// Unmaps all that `maps`, /proc/self/maps, calls writable: lines of `START-END rw-p ...` in hexadecimal. Where
/// there is no such file, all stays: the guard works as well, it is only larger.
GUARD_INLINE void shed(int maps, const uintptr_t kept[2], const uintptr_t kept_end[2]) {
    char text[1024];
    uintptr_t start = 0, end = 0;
    int field = 0;  // 0: START; 1: END; 2, 3: the first two letters of the rights; 4: the rest
    for (;;) {
        long count = call(SYS_read, maps, (long)text, sizeof text, 0);
        if (count == -EINTR) continue;
        if (count <= 0) return;
        for (long i = 0; i < count; i++) {
            char letter = text[i];
            if (letter == '\n') {
                field = 0;
                start = end = 0;
            } else if (field < 2) {
                if (letter == '-' || letter == ' ') {
                    field++;
                } else {
                    uintptr_t digit = (uintptr_t)(letter <= '9' ? letter - '0' : letter - 'a' + 10);
                    if (field == 0) start = start * 16 + digit;
                    if (field == 1) end = end * 16 + digit;
                }
            } else if (field < 4) {
                if (field == 3 && letter == 'w') unmap(start, end, kept, kept_end);
                field++;
            }
        }
    }
}

GUARD_CODE __attribute__((noreturn, noinline)) static void guard(int lifeline, int maps, long limit) {
    call(SYS_setpgid, 0, 0, 0, 0);
    call(SYS_prctl, PR_SET_NAME, (long)"martlet-guard", 0, 0);
    call(SYS_chdir, (long)"/", 0, 0, 0);

    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    uintptr_t thread = (uintptr_t)__builtin_thread_pointer();
    // On whole pages, whatever their size here.
    uintptr_t mask = ~(GUARD_KEPT_BYTES - 1);
    uintptr_t kept[2] = {(frame & mask) - GUARD_KEPT_BYTES, (thread & mask) - GUARD_KEPT_BYTES};
    uintptr_t kept_end[2] = {(frame & mask) + GUARD_KEPT_BYTES, (thread & mask) + 2 * GUARD_KEPT_BYTES};
    if (maps >= 0) shed(maps, kept, kept_end);
    // Last, and `maps` too. The standard streams are among them: a reader of ours must see its end when the child
    // closes them.
    close_all_but(lifeline, limit);

    for (;;) {
        char nothing;
        long count = call(SYS_read, lifeline, (long)&nothing, 1, 0);
        if (count != -EINTR && count <= 0) break;
    }
    long group = -call(SYS_getpid, 0, 0, 0, 0);
    call(SYS_kill, group, SIGTERM, 0, 0);
    struct timespec left;
    left.tv_sec = GUARD_GRACE_SECONDS;
    left.tv_nsec = 0;
    while (call(SYS_nanosleep, (long)&left, (long)&left, 0, 0) == -EINTR) {}
    // The guard is a member itself.
    call(SYS_kill, group, SIGKILL, 0, 0);
    for (;;) call(SYS_exit_group, 0, 0, 0, 0);
}

pid_t guard_start(const int lifeline[2]) {
    struct rlimit descriptors;
    long limit = GUARD_DESCRIPTORS_MAX;
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0 && descriptors.rlim_cur < (rlim_t)limit) {
        limit = (long)descriptors.rlim_cur;
    }
    // The guard never takes a signal: what is sent to its group is meant for the others, and no handler of ours
    // may run in it. (SIGKILL cannot be blocked, and ends it with its group.)
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = _Fork();
    if (pid == 0) {
        // Opened here, since it shows whoever opened it.
        guard(lifeline[0], (int)call(SYS_openat, AT_FDCWD, (long)"/proc/self/maps", O_RDONLY, 0), limit);
    }
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    // By both, so that the group is there whoever runs first.
    if (pid > 0) setpgid(pid, pid);
    errno = error;
    return pid;
}

void guard_discard(pid_t guard) {
    kill(guard, SIGKILL);
    while (waitpid(guard, NULL, 0) < 0 && errno == EINTR) {}
}
