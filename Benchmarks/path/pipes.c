// Asks a child over its standard input and output, with nobody between: what a call through a gateway is compared with.
//
//     pipes CHILD WAITING SECONDS RATE FILE [MARK]
//
// CHILD is run with the argument `stdio`; FILE holds the line that is sent. WAITING lines wait for their answers at once, at most, and are
// answered in their order. RATE and what is printed are those of `load`.
#define _GNU_SOURCE
#include "net.h"
#include <signal.h>
#include <sys/wait.h>

static uint32_t *times;  // 100 ns each

static int before(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int main(int count, char **arguments) {
    if (count < 6) { fprintf(stderr, "pipes CHILD WAITING SECONDS RATE FILE [MARK]\n"); return 2; }
    size_t most = (size_t)atoi(arguments[2]), answers = 0, failures = 0, room = 1 << 20;
    double seconds = atof(arguments[3]), rate = atof(arguments[4]);
    const char *mark = count > 6 ? arguments[6] : NULL;
    static char request[1 << 16], in[1 << 20];
    FILE *file = fopen(arguments[5], "rb");
    if (!file) die(arguments[5]);
    size_t request_size = fread(request, 1, sizeof request, file), got = 0;
    int to[2], from[2];
    if (pipe(to) || pipe(from)) die("pipe");
    pid_t child = fork();
    if (child == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        close(to[1]);
        close(from[0]);
        execl(arguments[1], arguments[1], "stdio", (char *)NULL);
        die(arguments[1]);
    }
    close(to[0]);
    close(from[1]);
    fcntl(from[0], F_SETFL, O_NONBLOCK);
    int poll = epoll_create1(0);
    struct epoll_event ready, wanted = {.events = EPOLLIN};
    epoll_ctl(poll, EPOLL_CTL_ADD, from[0], &wanted);
    times = malloc(room * sizeof *times);
    uint64_t *due = calloc(most, sizeof *due);  // of those that wait, a ring
    size_t first = 0, waiting = 0;
    uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), interval = rate > 0 ? (uint64_t)(1e9 / rate) : 0;
    uint64_t next = start, last = start;
    while (now_ns() < end || waiting) {
        uint64_t now = now_ns();
        if (now > end + 10000000000ull) { fprintf(stderr, "%zu answers never came\n", waiting); return 1; }
        while (now < end && waiting < most && (!interval || next <= now)) {
            due[(first + waiting++) % most] = interval ? next : now;
            next += interval;
            if (write(to[1], request, request_size) != (ssize_t)request_size) die("write");
        }
        // With a rate, the last moment before the next is due is waited for without sleeping: a sleep would be late.
        int wait = !interval ? 100 : next > now + 1500000 ? (int)((next - now) / 1000000) - 1 : 0;
        if (epoll_wait(poll, &ready, 1, now >= end && waiting ? 100 : wait) < 1) continue;
        ssize_t more = read(from[0], in + got, sizeof in - got);
        if (more <= 0) { fprintf(stderr, "the child is gone\n"); return 1; }
        got += (size_t)more;
        char *line = in, *stop;
        while (waiting && (stop = memchr(line, '\n', got - (size_t)(line - in)))) {
            last = now_ns();
            if (answers == room) times = realloc(times, (room *= 2) * sizeof *times);
            times[answers++] = (uint32_t)((last - due[first]) / 100);
            first = (first + 1) % most;
            waiting--;
            failures += mark && !memmem(line, (size_t)(stop - line), mark, strlen(mark));
            line = stop + 1;
        }
        got -= (size_t)(line - in);
        memmove(in, line, got);
    }
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    qsort(times, answers, sizeof *times, before);
#define AT(part) (answers ? times[(size_t)((double)(answers - 1) * part)] / 10.0 : 0)
    printf("{\"answers\":%zu,\"failures\":%zu,\"seconds\":%.3f,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}\n",
        answers, failures, (double)(last - start) / 1e9, AT(0.5), AT(0.99), AT(0.999), AT(1));
    return 0;
}
