// What both tools need of sockets: a loopback listener or connection that never blocks.
#ifndef NET_H
#define NET_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static inline void die(const char *what) {
    perror(what);
    exit(1);
}

static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static inline struct sockaddr_in loopback(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static inline void unblock(int fd) {
    int one = 1;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

// The length of the first whole HTTP message in `bytes`, its body's place and size; 0 while it is not whole, -1 if it cannot be
// read. Bodies are counted by Content-Length or by chunks (the body's size is then that of all its chunks with their frames).
static inline long message_length(const char *bytes, size_t count, const char **body, size_t *body_size) {
    const char *end = memmem(bytes, count, "\r\n\r\n", 4);
    if (!end) return count > 65536 ? -1 : 0;
    size_t head = (size_t)(end - bytes) + 4;
    size_t length = 0;
    int chunked = 0;
    for (const char *line = memchr(bytes, '\n', head); line && line < end; line = memchr(line + 1, '\n', (size_t)(end - line))) {
        const char *name = line + 1;
        if (strncasecmp(name, "content-length:", 15) == 0) length = strtoul(name + 15, NULL, 10);
        if (strncasecmp(name, "transfer-encoding:", 18) == 0) chunked = 1;
    }
    *body = bytes + head;
    if (!chunked) {
        *body_size = length;
        return count >= head + length ? (long)(head + length) : 0;
    }
    size_t at = head;
    for (;;) {
        const char *line = memchr(bytes + at, '\n', count - at);
        if (!line) return 0;
        size_t size = strtoul(bytes + at, NULL, 16);
        at = (size_t)(line - bytes) + 1 + size + 2;
        if (at > count) return 0;
        if (size == 0) {
            *body_size = at - head;
            return (long)at;
        }
    }
}

#endif
