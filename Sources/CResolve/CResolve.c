#include "CResolve.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>

cresolve_outcome cresolve_srv(const char *name, const char *server, uint16_t port, int timeout, int attempts,
                              uint8_t *answer, size_t capacity, size_t *length) {
#ifdef __GLIBC__
    // A state of its own: the global one belongs to whoever else resolves in this thread.
    struct __res_state state;
    memset(&state, 0, sizeof state);
    if (capacity > INT_MAX || res_ninit(&state) != 0) return CRESOLVE_FAILED;
    state.retrans = timeout;
    state.retry = attempts;
    // The name is whole as it stands, whatever the machine's search list.
    state.options &= ~(RES_DNSRCH | RES_DEFNAMES);
    if (server) {
        struct in_addr address;
        if (inet_pton(AF_INET, server, &address) != 1) {
            res_nclose(&state);
            return CRESOLVE_FAILED;
        }
        state.nscount = 1;
        memset(&state.nsaddr_list[0], 0, sizeof state.nsaddr_list[0]);
        state.nsaddr_list[0].sin_family = AF_INET;
        state.nsaddr_list[0].sin_addr = address;
        state.nsaddr_list[0].sin_port = htons(port);
    }
    int count = res_nquery(&state, name, C_IN, T_SRV, answer, (int)capacity);
    int failure = state.res_h_errno;
    res_nclose(&state);
#else
    // This C library has one resolver for all, and its own idea of patience.
    (void)timeout, (void)attempts, (void)port;
    if (capacity > INT_MAX || server) return CRESOLVE_FAILED;
    int count = res_query(name, C_IN, T_SRV, answer, (int)capacity);
    int failure = h_errno;
#endif
    if (count >= 0) {
        // What did not fit was cut off.
        *length = (size_t)count < capacity ? (size_t)count : capacity;
        return CRESOLVE_ANSWERED;
    }
    switch (failure) {
    case HOST_NOT_FOUND:
    case NO_DATA: return CRESOLVE_NOTHING;
    case TRY_AGAIN: return CRESOLVE_NO_ANSWER;
    default: return CRESOLVE_FAILED;
    }
}
