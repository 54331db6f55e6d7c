import Glibc

/// What this process has taken of a processor: other work on the machine does not count.
struct CPUClock {
    var now: Duration {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
