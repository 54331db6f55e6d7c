// A server of 2026-07-28 that misbehaves on demand, for measurements: one thread, fixed answers, no checks. Not for anything else.
//
//     faulty PORT [TOOLS]    Streamable HTTP at any path of 127.0.0.1:PORT; port 0 takes a free one; says "port N"
//
// Its tools: small (200 bytes of text), mib1, mib100 (results of that size), stream (FAULTY_STREAM bytes of log messages of 64 KiB each,
// then a result), hang (never answers), die (closes the connection in the middle of the call), refuse (HTTP 503); and TOOLS more.
// With FAULTY_STORM in the environment, whoever listens to changes of its list is told of them as fast as the connection takes it.
#define _GNU_SOURCE
#include "../path/net.h"

#define MODERN "\"resultType\":\"complete\""
#define CHUNK 65536

struct connection {
    int fd, storms;
    size_t stream_left;  // bytes of messages that still come before a result
    int streams;
    char id[64];
    char *in, *out;
    size_t in_count, in_room, out_count, out_sent, out_room;
};

static char *tools;
static long stream_bytes = 1L << 30;
static int storms;

static void make_tools(long count) {
    const char *names[] = {"small", "mib1", "mib100", "stream", "hang", "die", "refuse"};
    char *at = tools = malloc(4096 + (size_t)count * 320);
    at += sprintf(at, "\"result\":{" MODERN ",\"ttlMs\":3600000,\"cacheScope\":\"public\",\"tools\":[");
    for (int i = 0; i < 7; i++)
        at += sprintf(at, "%s{\"name\":\"%s\",\"inputSchema\":{\"type\":\"object\"}}", i ? "," : "", names[i]);
    for (long i = 0; i < count; i++)
        at += sprintf(at,
            ",{\"name\":\"tool_%ld\",\"description\":\"Tool number %ld of a large server: looks something up and says what it found.\","
            "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"key\":{\"type\":\"string\"}}}}", i, i);
    strcpy(at, "]}");
}

static void append(struct connection *c, const char *bytes, size_t count) {
    if (c->out_count + count > c->out_room) c->out = realloc(c->out, c->out_room = (c->out_count + count) * 2);
    memcpy(c->out + c->out_count, bytes, count);
    c->out_count += count;
}

static void say(struct connection *c, const char *text) { append(c, text, strlen(text)); }

static void whole(struct connection *c, const char *id, const char *before, size_t filler, const char *after) {
    char head[256], start[128];
    int start_size = sprintf(start, "{\"jsonrpc\":\"2.0\",\"id\":%s,", id);
    size_t size = (size_t)start_size + strlen(before) + filler + strlen(after) + 1;
    sprintf(head, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", size);
    say(c, head);
    append(c, start, (size_t)start_size);
    say(c, before);
    if (filler) {
        char *many = malloc(filler);
        memset(many, 'x', filler);
        append(c, many, filler);
        free(many);
    }
    say(c, after);
    say(c, "}");
}

static void text(struct connection *c, const char *id, size_t size) {
    whole(c, id, "\"result\":{" MODERN ",\"content\":[{\"type\":\"text\",\"text\":\"", size, "\"}]}");
}

static void event(struct connection *c, const char *before, size_t filler, const char *after) {
    char head[32];
    sprintf(head, "%zx\r\n", 6 + strlen(before) + filler + strlen(after) + 2);
    say(c, head);
    say(c, "data: ");
    say(c, before);
    static char many[CHUNK];
    memset(many, 'x', CHUNK);
    append(c, many, filler);
    say(c, after);
    say(c, "\n\n\r\n");
}

static void begin_stream(struct connection *c) {
    say(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static void acknowledge(struct connection *c, const char *id) {
    char said[512];
    begin_stream(c);
    sprintf(said, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{\"notifications\":"
        "{\"toolsListChanged\":true},\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":%s}}}", id);
    event(c, said, 0, "");
    c->storms = storms;
    strcpy(c->id, id);
}

// What comes of itself, while the connection takes it. Returns whether there was anything.
static int more(struct connection *c) {
    char said[512];
    if (c->storms) {
        sprintf(said, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\",\"params\":{\"_meta\":"
            "{\"io.modelcontextprotocol/subscriptionId\":%s}}}", c->id);
        for (int i = 0; i < 200; i++) event(c, said, 0, "");
        return 1;
    }
    if (!c->streams) return 0;
    if (c->stream_left > 0) {
        c->stream_left -= c->stream_left < CHUNK ? c->stream_left : CHUNK;
        event(c, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"error\",\"data\":\"", CHUNK, "\"}}");
        return 1;
    }
    c->streams = 0;
    sprintf(said, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{" MODERN ",\"content\":[{\"type\":\"text\",\"text\":\"xxxx\"}]}}", c->id);
    event(c, said, 0, "");
    say(c, "0\r\n\r\n");
    return 1;
}

// Returns 0 when the connection shall be closed.
static int reply(struct connection *c, const char *body, size_t size, int is_post) {
    if (!is_post) { say(c, "HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n"); return 1; }
    const char *found = memmem(body, size, "\"id\":", 5);
    if (!found) { say(c, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"); return 1; }
    found += 5;
    char id[64];
    size_t id_size = *found == '"' ? (size_t)((char *)memchr(found + 1, '"', size) - found) + 1 : strspn(found, "0123456789-");
    snprintf(id, sizeof id, "%.*s", (int)id_size, found);
#define SAYS(text) memmem(body, size, text, strlen(text))
    if (SAYS("\"method\":\"tools/call\"")) {
        if (SAYS("\"name\":\"hang\"")) return 1;
        if (SAYS("\"name\":\"die\"")) return 0;
        if (SAYS("\"name\":\"refuse\"")) { say(c, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"); return 1; }
        if (SAYS("\"name\":\"stream\"")) {
            begin_stream(c);
            c->streams = 1;
            c->stream_left = (size_t)stream_bytes;
            strcpy(c->id, id);
            return 1;
        }
        text(c, id, SAYS("\"name\":\"mib100\"") ? 100u << 20 : SAYS("\"name\":\"mib1\"") ? 1u << 20 : 200);
    } else if (SAYS("\"method\":\"tools/list\""))
        whole(c, id, tools, 0, "");
    else if (SAYS("\"method\":\"subscriptions/listen\""))
        acknowledge(c, id);
    else if (SAYS("\"method\":\"server/discover\""))
        whole(c, id, "\"result\":{" MODERN ",\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{\"listChanged\":true}},"
            "\"ttlMs\":3600000,\"cacheScope\":\"public\",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":{\"name\":\"faulty\","
            "\"version\":\"1\"}}}", 0, "");
    else
        whole(c, id, "\"error\":{\"code\":-32601,\"message\":\"no such method\"}", 0, "");
    return 1;
}

// Returns 0 when the connection is over.
static int serve(int poll, struct connection *c) {
    for (;;) {
        if (c->in_room - c->in_count < CHUNK) c->in = realloc(c->in, c->in_room = c->in_room * 2 + CHUNK);
        ssize_t got = read(c->fd, c->in + c->in_count, c->in_room - c->in_count);
        if (got == 0) return 0;
        if (got < 0) { if (errno != EAGAIN) return 0; break; }
        c->in_count += (size_t)got;
        size_t used = 0;
        for (;;) {
            const char *body;
            size_t size;
            long length = message_length(c->in + used, c->in_count - used, &body, &size);
            if (length < 0) return 0;
            if (length == 0) break;
            if (!reply(c, body, size, c->in[used] == 'P')) return 0;
            used += (size_t)length;
        }
        memmove(c->in, c->in + used, c->in_count - used);
        c->in_count -= used;
    }
    // A turn at a time, so that a stream does not keep the others waiting.
    for (int turn = 0; turn < 16; turn++) {
        if (c->out_sent == c->out_count) {
            c->out_sent = c->out_count = 0;
            if (!more(c)) break;
        }
        ssize_t put = send(c->fd, c->out + c->out_sent, c->out_count - c->out_sent, MSG_NOSIGNAL);
        if (put < 0) { if (errno != EAGAIN) return 0; break; }
        c->out_sent += (size_t)put;
    }
    int waits = c->out_sent < c->out_count || c->streams || c->storms;
    if (!waits && c->out_room > 1 << 22) { free(c->out); c->out = NULL; c->out_room = 0; }
    struct epoll_event e = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poll, EPOLL_CTL_MOD, c->fd, &e);
    return 1;
}

int main(int count, char **arguments) {
    if (count < 2) { fprintf(stderr, "faulty PORT [TOOLS]\n"); return 2; }
    make_tools(count > 2 ? atol(arguments[2]) : 0);
    if (getenv("FAULTY_STREAM")) stream_bytes = atol(getenv("FAULTY_STREAM"));
    storms = getenv("FAULTY_STORM") != NULL;
    int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = loopback(atoi(arguments[1]));
    socklen_t size = sizeof address;
    if (bind(door, (struct sockaddr *)&address, size) || listen(door, 4096)) die("listen");
    getsockname(door, (struct sockaddr *)&address, &size);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    int poll = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, ready[256];
    epoll_ctl(poll, EPOLL_CTL_ADD, door, &e);
    for (;;) {
        int n = epoll_wait(poll, ready, 256, -1);
        for (int i = 0; i < n; i++) {
            struct connection *c = ready[i].data.ptr;
            if (!c) {
                int fd = accept(door, NULL, NULL);
                if (fd < 0) continue;
                unblock(fd);
                c = calloc(1, sizeof *c);
                c->fd = fd;
                e.data.ptr = c;
                e.events = EPOLLIN;
                epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e);
            } else if (!serve(poll, c)) {
                close(c->fd);
                free(c->in);
                free(c->out);
                free(c);
            }
        }
    }
}
