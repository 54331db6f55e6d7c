// Sends one HTTP request again and again and says what became of it. One thread; connections are kept.
//
//     load PORT CONNECTIONS SECONDS RATE FILE [MARK]
//
// FILE holds the request as it goes over the wire. RATE is requests a second, spread evenly, whatever the answers do (each is counted
// from the moment when it was due: a late answer makes those behind it late too); 0 sends on each connection as soon as it
// is answered. An answer counts as good if its status is 200 and its body has MARK, when one is given.
// Prints one JSON object: answers, failures, seconds, and their times in microseconds.
#define _GNU_SOURCE
#include "net.h"

struct connection {
    int fd, busy;
    uint64_t due;
    size_t sent, got, room;
    char *in;
};

static const char *mark;
static char *request;
static size_t request_size;
static uint32_t *times;  // 100 ns each
static size_t answers, failures, times_room = 1 << 20;

static int connect_to(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = loopback(port);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    unblock(fd);
    return fd;
}

static void push(int poll, struct connection *c) {
    while (c->sent < request_size) {
        ssize_t put = send(c->fd, request + c->sent, request_size - c->sent, MSG_NOSIGNAL);
        if (put < 0) { if (errno == EAGAIN) break; die("send"); }
        c->sent += (size_t)put;
    }
    if (c->sent < request_size) {
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
        epoll_ctl(poll, EPOLL_CTL_MOD, c->fd, &e);
    }
}

static void begin(int poll, struct connection *c, uint64_t due) {
    c->busy = 1;
    c->due = due;
    c->sent = c->got = 0;
    push(poll, c);
}

// Whether the answer is whole now.
static int receive(struct connection *c) {
    for (;;) {
        if (c->room - c->got < 262144) c->in = realloc(c->in, c->room = c->room * 2 + 262144);
        ssize_t got = read(c->fd, c->in + c->got, c->room - c->got);
        if (got == 0) { fprintf(stderr, "the other side closed the connection\n"); exit(1); }
        if (got < 0) { if (errno == EAGAIN) return 0; die("read"); }
        c->got += (size_t)got;
        const char *body;
        size_t size;
        long length = message_length(c->in, c->got, &body, &size);
        if (length < 0) { fprintf(stderr, "an answer that cannot be read\n"); exit(1); }
        if (length == 0) continue;
        int good = c->got > 12 && memcmp(c->in + 9, "200", 3) == 0 && (!mark || memmem(body, size, mark, strlen(mark)));
        if (!good && failures == 0) fprintf(stderr, "first failure: %.*s\n", (int)(c->got < 600 ? c->got : 600), c->in);
        failures += !good;
        return 1;
    }
}

static int before(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int main(int count, char **arguments) {
    if (count < 6) { fprintf(stderr, "load PORT CONNECTIONS SECONDS RATE FILE [MARK]\n"); return 2; }
    int port = atoi(arguments[1]), many = atoi(arguments[2]);
    double seconds = atof(arguments[3]), rate = atof(arguments[4]);
    if (count > 6) mark = arguments[6];
    FILE *file = fopen(arguments[5], "rb");
    if (!file) die(arguments[5]);
    request = malloc(1 << 22);
    request_size = fread(request, 1, 1 << 22, file);
    times = malloc(times_room * sizeof *times);
    struct connection *all = calloc((size_t)many, sizeof *all);
    int poll = epoll_create1(0);
    for (int i = 0; i < many; i++) {
        all[i].fd = connect_to(port);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = &all[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &e);
    }
    uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), interval = rate > 0 ? (uint64_t)(1e9 / rate) : 0;
    uint64_t next = start, last = start;
    int busy = 0;
    struct epoll_event ready[256];
    while (now_ns() < end || busy) {
        uint64_t now = now_ns();
        if (now > end + 10000000000ull) { fprintf(stderr, "%d answers never came\n", busy); return 1; }
        for (int i = 0; i < many && now < end; i++) {
            if (all[i].busy || (interval && next > now)) continue;
            begin(poll, &all[i], interval ? next : now);
            next += interval;
            busy++;
        }
        // With a rate, the last moment before the next is due is waited for without sleeping: a sleep would be late.
        int wait = !interval ? 100 : next > now + 1500000 ? (int)((next - now) / 1000000) - 1 : 0;
        int n = epoll_wait(poll, ready, 256, now >= end && busy ? 100 : wait);
        for (int i = 0; i < n; i++) {
            struct connection *c = ready[i].data.ptr;
            if (c->sent < request_size) push(poll, c);
            if (!(ready[i].events & EPOLLIN) || !receive(c)) continue;
            last = now_ns();
            if (answers == times_room) times = realloc(times, (times_room *= 2) * sizeof *times);
            times[answers++] = (uint32_t)((last - c->due) / 100);
            c->busy = 0;
            busy--;
            if (!interval && last < end) { begin(poll, c, last); busy++; }
        }
    }
    qsort(times, answers, sizeof *times, before);
#define AT(part) (answers ? times[(size_t)((double)(answers - 1) * part)] / 10.0 : 0)
    printf("{\"answers\":%zu,\"failures\":%zu,\"seconds\":%.3f,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}\n",
        answers, failures, (double)(last - start) / 1e9, AT(0.5), AT(0.99), AT(0.999), AT(1));
    return 0;
}
