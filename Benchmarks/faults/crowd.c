// Many clients at once that are a burden, each in its way, for measurements. One thread.
//
//     crowd PORT idle COUNT SECONDS               connect and say nothing
//     crowd PORT slow COUNT SECONDS               send a head, a byte a second
//     crowd PORT deaf COUNT SECONDS FILE AHEAD    send a request AHEAD times and never read
//     crowd PORT kept COUNT SECONDS FILE          send a request, read its answer, and stay; a few at a time, so that what is measured of
//                                                 them is not what their requests at once cost
//     crowd PORT storm COUNT SECONDS FILE         send a request again as soon as it is answered, whatever the answer; connect anew
//     crowd PORT sessions COUNT SECONDS FOLDER    open a legacy session, call once in it, and stay: FOLDER holds the requests `initialize`,
//                                                 `initialized` and `call`, the last two with %s where the session's id stands
//
// FILE holds a request as it goes over the wire. Prints one JSON object a line: {"ready": …} when all have connected (and, for kept and
// sessions, were answered), then, at the end, what became of them. Ends early when its standard input does.
#define _GNU_SOURCE
#include "../path/net.h"

#include <poll.h>

struct client {
    int fd, stage, open;  // stage: of a session's requests
    char *out, *next[2];
    size_t out_count, out_sent, times;
    char *in;
    size_t in_count, in_room;
};

enum way { IDLE, SLOW, DEAF, KEPT, STORM, SESSIONS };

static enum way way;
static int port, poll_fd;
static char *files[3];
static size_t ahead = 1;
static struct client *all;
static size_t count, begun, connected, answers, good, refused, failures, done_count;
static uint64_t start;

static char *read_file(const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, name ? "%s/%s" : "%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    char *text = calloc(1, 1 << 20);
    if (fread(text, 1, (1 << 20) - 1, file) == 0) die(path);
    fclose(file);
    return text;
}

static void watch(struct client *c, int writing) {
    struct epoll_event e = {.events = (way == DEAF ? 0 : EPOLLIN) | (writing ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

static void lose(struct client *c);

static void push(struct client *c) {
    for (;;) {
        if (c->out_sent == c->out_count) {
            if (c->times == 0) break;
            c->times--;
            c->out_sent = 0;
        }
        ssize_t put = send(c->fd, c->out + c->out_sent, c->out_count - c->out_sent, MSG_NOSIGNAL);
        if (put < 0) {
            if (errno == EAGAIN) return watch(c, 1);
            return lose(c);
        }
        c->out_sent += (size_t)put;
    }
    watch(c, 0);
}

static void ask(struct client *c, char *text, size_t times) {
    c->out = text;
    c->out_count = strlen(text);
    c->out_sent = 0;
    c->times = times - 1;
    c->in_count = 0;
    push(c);
}

static void connect_client(struct client *c) {
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0) die("socket");
    unblock(c->fd);
    struct sockaddr_in address = loopback(port);
    c->stage = c->open = 0;
    c->in_count = 0;
    struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &e);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) lose(c);
}

static void lose(struct client *c) {
    if (c->fd < 0) return;
    close(c->fd);
    c->fd = -1;
    failures++;
    if (way == STORM) connect_client(c);
}

static void begin(struct client *c) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) return lose(c);
    c->open = 1;
    connected++;
    watch(c, 0);
    switch (way) {
    case IDLE: case SLOW: break;
    case DEAF: ask(c, files[0], ahead); break;
    case KEPT: case STORM: case SESSIONS: ask(c, files[0], 1); break;
    }
}

static char *with_session(const char *text, const char *head, size_t head_size) {
    const char *name = "mcp-session-id: ", *at = NULL;
    for (size_t i = 0; i + 16 < head_size; i++)
        if (strncasecmp(head + i, name, 16) == 0) { at = head + i + 16; break; }
    const char *hole = strstr(text, "%s");
    if (!at || !hole) return NULL;
    char *made = NULL;
    if (asprintf(&made, "%.*s%.*s%s", (int)(hole - text), text, (int)strcspn(at, "\r\n"), at, hole + 2) < 0) die("memory");
    return made;
}

// An answer has come whole.
static void answered(struct client *c, size_t head_size) {
    answers++;
    int ok = c->in_count > 12 && (memcmp(c->in + 9, "200", 3) == 0 || memcmp(c->in + 9, "202", 3) == 0);
    int fine = ok && !memmem(c->in, c->in_count, "\"error\"", 7);
    good += (size_t)fine;
    refused += (size_t)!fine;
    if (!fine && refused == 1) fprintf(stderr, "first that was refused: %.*s\n", (int)(c->in_count < 600 ? c->in_count : 600), c->in);
    if (way == STORM) return ask(c, files[0], 1);
    if (way == KEPT) {
        done_count++;
        if (begun < count) connect_client(&all[begun++]);
        return;
    }
    if (!fine) { failures++; return; }
    switch (c->stage++) {
    case 0:
        c->next[0] = with_session(files[1], c->in, head_size);
        c->next[1] = with_session(files[2], c->in, head_size);
        if (!c->next[0] || !c->next[1]) { failures++; return; }
        return ask(c, c->next[0], 1);
    case 1: return ask(c, c->next[1], 1);
    default: done_count++;
    }
}

static void receive(struct client *c) {
    for (;;) {
        if (c->in_room - c->in_count < 16384) c->in = realloc(c->in, c->in_room = c->in_room * 2 + 16384);
        ssize_t got = read(c->fd, c->in + c->in_count, c->in_room - c->in_count - 1);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) return lose(c);
        c->in_count += (size_t)got;
        const char *body;
        size_t size;
        long length = message_length(c->in, c->in_count, &body, &size);
        if (length < 0) return lose(c);
        if (length > 0 && c->out && c->out_sent == c->out_count) return answered(c, (size_t)(body - c->in));
    }
}

static int all_ready(void) {
    return way == KEPT || way == SESSIONS ? done_count + failures >= count : connected + failures >= count;
}

int main(int argc, char **arguments) {
    if (argc < 5) { fprintf(stderr, "see the top of crowd.c\n"); return 2; }
    port = atoi(arguments[1]);
    const char *names[] = {"idle", "slow", "deaf", "kept", "storm", "sessions"};
    for (way = IDLE; way <= SESSIONS && strcmp(names[way], arguments[2]); way++) {}
    if (way > SESSIONS) { fprintf(stderr, "no way %s\n", arguments[2]); return 2; }
    count = (size_t)atol(arguments[3]);
    double seconds = atof(arguments[4]);
    if (way == SESSIONS) {
        files[0] = read_file(arguments[5], "initialize");
        files[1] = read_file(arguments[5], "initialized");
        files[2] = read_file(arguments[5], "call");
    } else if (way >= DEAF) files[0] = read_file(arguments[5], NULL);
    if (way == DEAF) ahead = (size_t)atol(arguments[6]);
    all = calloc(count, sizeof *all);
    poll_fd = epoll_create1(0);
    start = now_ns();
    for (size_t i = 0; i < count; i++) all[i].fd = -1;
    while (begun < (way == KEPT && count > 16 ? 16 : count)) connect_client(&all[begun++]);
    uint64_t end = start + (uint64_t)(seconds * 1e9), drip = start + 1000000000ull;
    size_t dripped = 0;
    const char *head = "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    int told = 0;
    struct epoll_event ready[512];
    struct pollfd standard = {.fd = 0, .events = POLLIN};
    while (now_ns() < end) {
        int n = epoll_wait(poll_fd, ready, 512, 50);
        for (int i = 0; i < n; i++) {
            struct client *c = ready[i].data.ptr;
            if (c->fd < 0) continue;
            if (!c->open) { if (ready[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) begin(c); continue; }
            if (ready[i].events & EPOLLOUT) push(c);
            if (c->fd >= 0 && way != DEAF && ready[i].events & EPOLLIN) receive(c);
            else if (c->fd >= 0 && ready[i].events & (EPOLLERR | EPOLLHUP)) lose(c);
        }
        if (way == SLOW && now_ns() > drip) {
            drip += 1000000000ull;
            for (size_t i = 0; i < count; i++)
                if (all[i].fd >= 0 && all[i].open && send(all[i].fd, head + dripped % strlen(head), 1, MSG_NOSIGNAL) < 0) lose(&all[i]);
            dripped++;
        }
        if (!told && all_ready()) {
            told = 1;
            printf("{\"ready\":%zu,\"seconds\":%.4f,\"failures\":%zu}\n", connected, (double)(now_ns() - start) / 1e9, failures);
            fflush(stdout);
        }
        if (poll(&standard, 1, 0) > 0) {
            char byte;
            if (read(0, &byte, 1) <= 0) break;
        }
    }
    size_t open = 0;
    for (size_t i = 0; i < count; i++) open += all[i].fd >= 0 && all[i].open;
    printf("{\"connected\":%zu,\"open\":%zu,\"answers\":%zu,\"good\":%zu,\"refused\":%zu,\"failures\":%zu,\"seconds\":%.3f}\n",
        connected, open, answers, good, refused, failures, (double)(now_ns() - start) / 1e9);
    return 0;
}
