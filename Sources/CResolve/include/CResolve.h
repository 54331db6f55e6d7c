/// Asking the system's resolver for records that getaddrinfo does not know; what Swift cannot reach through the C library's
/// headers.
#ifndef CRESOLVE_H
#define CRESOLVE_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    CRESOLVE_ANSWERED = 0,
    /// There is no such name, or nothing of this type.
    CRESOLVE_NOTHING = 1,
    /// No server gave an answer in time.
    CRESOLVE_NO_ANSWER = 2,
    /// A server refused, or answered what is none.
    CRESOLVE_FAILED = 3,
} cresolve_outcome;

/// Asks for the SRV records of `name`, as the system's configuration says (/etc/resolv.conf), with `attempts` of `timeout`
/// seconds at each of its servers. Blocks for as long.
///
/// `server` is an IPv4 address to ask in place of those, at `port`; NULL asks those.
/// `answer` gets the DNS message as it came, and `length` its bytes, at most `capacity`.
cresolve_outcome cresolve_srv(const char *name, const char *server, uint16_t port, int timeout, int attempts,
                              uint8_t *answer, size_t capacity, size_t *length);

#endif
