// A very fast MCP server of 2026-07-28 for measurements: one thread, fixed answers, no checks. Not for anything else.
//
//     backend PORT       Streamable HTTP at any path of 127.0.0.1:PORT; port 0 takes a free one; says "port N"
//     backend stdio      lines over standard input and output
//
// Its tools: small (answers 200 bytes of text), kib10, mib1; `list-N` in the port's place of the environment variable
// BACKEND_TOOLS adds N tools more.
#define _GNU_SOURCE
#include "net.h"

#define MODERN "\"resultType\":\"complete\""

static char *tools;  // the result of tools/list

static char *text_result(size_t size) {
    const char *before = MODERN ",\"content\":[{\"type\":\"text\",\"text\":\"", *after = "\"}]";
    char *made = malloc(strlen(before) + size + strlen(after) + 1);
    strcpy(made, before);
    memset(made + strlen(before), 'x', size);
    strcpy(made + strlen(before) + size, after);
    return made;
}

static void make_tools(void) {
    const char *more = getenv("BACKEND_TOOLS");
    long count = more ? atol(more) : 0;
    size_t room = 1024 + (size_t)count * 300;
    char *at = tools = malloc(room);
    at += sprintf(at, MODERN ",\"ttlMs\":3600000,\"cacheScope\":\"public\",\"tools\":[");
    const char *names[] = {"small", "kib10", "mib1"};
    for (int i = 0; i < 3; i++)
        at += sprintf(at, "%s{\"name\":\"%s\",\"inputSchema\":{\"type\":\"object\"}}", i ? "," : "", names[i]);
    for (long i = 0; i < count; i++)
        at += sprintf(at,
            ",{\"name\":\"tool_%ld\",\"description\":\"Tool number %ld of a large server: looks something up and says what it found.\","
            "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"key\":{\"type\":\"string\"}}}}", i, i);
    strcpy(at, "]");
}

// The members of the answer's result for a request, or NULL: no such method.
static const char *result_of(const char *body, size_t size, size_t *length) {
    static char *small, *kib10, *mib1;
    if (!small) { small = text_result(200); kib10 = text_result(10240); mib1 = text_result(1 << 20); }
    const char *found;
#define SAYS(text) memmem(body, size, text, strlen(text))
    if (SAYS("\"method\":\"tools/call\""))
        found = SAYS("\"name\":\"kib10\"") ? kib10 : SAYS("\"name\":\"mib1\"") ? mib1 : small;
    else if (SAYS("\"method\":\"tools/list\""))
        found = tools;
    else if (SAYS("\"method\":\"server/discover\""))
        found = MODERN ",\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{}},\"ttlMs\":3600000,\"cacheScope\":\"public\","
            "\"_meta\":{\"io.modelcontextprotocol/serverInfo\":{\"name\":\"bench\",\"version\":\"1\"}}";
    else
        return NULL;
    *length = strlen(found);
    return found;
}

// Appends the answer to a request; nothing for a notification.
static size_t answer(const char *body, size_t size, char **out) {
    const char *id = memmem(body, size, "\"id\":", 5);
    if (!id) return 0;
    id += 5;
    size_t id_size = *id == '"' ? (size_t)((char *)memchr(id + 1, '"', size) - id) + 1 : strspn(id, "0123456789-");
    size_t length = 0;
    const char *result = result_of(body, size, &length);
    if (!result) {
        result = "\"code\":-32601,\"message\":\"no such method\"";
        length = strlen(result);
        *out = malloc(length + id_size + 64);
        return (size_t)sprintf(*out, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"error\":{%s}}", (int)id_size, id, result);
    }
    *out = malloc(length + id_size + 64);
    char *at = *out + sprintf(*out, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{", (int)id_size, id);
    memcpy(at, result, length);
    memcpy(at + length, "}}", 2);
    return (size_t)(at - *out) + length + 2;
}

static int over_stdio(void) {
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    while ((size = getline(&line, &room, stdin)) > 0) {
        char *out;
        size_t count = answer(line, (size_t)size, &out);
        if (!count) continue;
        fwrite(out, 1, count, stdout);
        fputc('\n', stdout);
        fflush(stdout);
        free(out);
    }
    return 0;
}

struct connection {
    int fd;
    char *in, *out;
    size_t in_count, in_room, out_count, out_sent, out_room;
};

static void append(struct connection *c, const char *bytes, size_t count) {
    if (c->out_count + count > c->out_room) {
        c->out_room = (c->out_count + count) * 2;
        c->out = realloc(c->out, c->out_room);
    }
    memcpy(c->out + c->out_count, bytes, count);
    c->out_count += count;
}

static void reply(struct connection *c, const char *body, size_t size, int is_post) {
    char head[160], *out = NULL;
    size_t count = is_post ? answer(body, size, &out) : 0;
    const char *status = !is_post ? "405 Method Not Allowed" : count ? "200 OK" : "202 Accepted";
    int head_size = sprintf(head, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", status, count);
    append(c, head, (size_t)head_size);
    if (count) append(c, out, count);
    free(out);
}

// Returns 0 when the connection is over.
static int serve(int poll, struct connection *c) {
    for (;;) {
        if (c->in_room - c->in_count < 65536) c->in = realloc(c->in, c->in_room = c->in_room * 2 + 65536);
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
            reply(c, body, size, c->in[used] == 'P');
            used += (size_t)length;
        }
        memmove(c->in, c->in + used, c->in_count - used);
        c->in_count -= used;
        if ((size_t)got < 65536) break;
    }
    while (c->out_sent < c->out_count) {
        ssize_t put = send(c->fd, c->out + c->out_sent, c->out_count - c->out_sent, MSG_NOSIGNAL);
        if (put < 0) { if (errno != EAGAIN) return 0; break; }
        c->out_sent += (size_t)put;
    }
    int waits = c->out_sent < c->out_count;
    if (!waits) c->out_sent = c->out_count = 0;
    struct epoll_event e = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.ptr = c};
    static int had_waits;
    if (waits || had_waits) epoll_ctl(poll, EPOLL_CTL_MOD, c->fd, &e);
    had_waits |= waits;
    return 1;
}

int main(int count, char **arguments) {
    if (count != 2) { fprintf(stderr, "backend PORT | stdio\n"); return 2; }
    make_tools();
    if (strcmp(arguments[1], "stdio") == 0) return over_stdio();
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
