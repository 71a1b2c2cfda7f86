/* SPDX-License-Identifier: MIT */
/* "HOST:PORT" to a listening socket. Hosts are numeric; the one name known is "localhost". */
#include "http/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024, PORT_MAX = 65535 };

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse_port(const char *text, in_port_t *port)
{
    unsigned value = 0;
    size_t digits = strlen(text);
    if (digits == 0 || digits > 5 || strspn(text, "0123456789") != digits) {
        return false;
    }
    value = (unsigned)strtoul(text, NULL, 10);
    *port = htons((in_port_t)value);
    return value <= PORT_MAX;
}

static bool parse_host(const char *host, in_port_t port, union address *address)
{
    memset(address, 0, sizeof(*address));
    if (strcmp(host, "localhost") == 0) {
        host = "127.0.0.1";
    }
    if (inet_pton(AF_INET, host, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = port;
        return true;
    }
    memset(address, 0, sizeof(*address));
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = port;
    size_t len = strlen(host);
    if (len == 0) {
        address->v6.sin6_addr = in6addr_any;
        return true;
    }
    char bare[INET6_ADDRSTRLEN];
    if (len < 3 || host[0] != '[' || host[len - 1] != ']' || len - 2 >= sizeof(bare)) {
        return false;
    }
    snprintf(bare, sizeof(bare), "%.*s", (int)(len - 2), host + 1);
    return inet_pton(AF_INET6, bare, &address->v6.sin6_addr) == 1;
}

static bool parse(const char *text, union address *address)
{
    char host[64];
    in_port_t port;
    const char *colon = text ? strrchr(text, ':') : NULL;
    if (!colon || (size_t)(colon - text) >= sizeof(host) || !parse_port(colon + 1, &port)) {
        return false;
    }
    snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
    return parse_host(host, port, address);
}

static socklen_t size_of(const union address *address)
{
    return address->any.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
}

static int fail(const char *text, int number, struct fh_error *err)
{
    switch (number) {
    case EADDRINUSE:
        return fh_error_set(err, FH_E_ADDRESS_IN_USE,
                            "cannot listen on %s: the address is in use; choose another with "
                            "--listen or stop the other program",
                            text);
    case EACCES:
    case EPERM:
        return fh_error_set(err, FH_E_PERMISSION,
                            "cannot listen on %s: permission denied; choose a port from 1024 up "
                            "with --listen, or grant CAP_NET_BIND_SERVICE",
                            text);
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return fh_error_set(err, FH_E_INVALID,
                            "cannot listen on %s: this machine has no such address; choose "
                            "another with --listen",
                            text);
    default:
        return fh_error_set(err, fh_error_from_errno(number), "cannot listen on %s: %s", text,
                            strerror(number));
    }
}

static bool share(int fd)
{
    int on = 1;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0;
}

/* The socket, or -errno. Who claims a port binds it alone and shares it then. */
static int listen_on(const union address *address, const struct fh_http_config *config)
{
    bool is_late = config->reuse_port && config->claim_port;
    bool is_early = config->reuse_port && !config->claim_port;
    int on = 1;
    int off = 0;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address->any.sa_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    if ((is_early && !share(fd)) || bind(fd, &address->any, size_of(address)) != 0 ||
        (is_late && !share(fd)) || listen(fd, BACKLOG) != 0) {
        int number = errno;
        close(fd);
        return -number;
    }
    return fd;
}

static unsigned port_of(int fd)
{
    union address address;
    socklen_t len = sizeof(address);
    memset(&address, 0, sizeof(address));
    getsockname(fd, &address.any, &len);
    return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

int fh_http_address_listen(int *fd, unsigned *port, const struct fh_http_config *config,
                           struct fh_error *err)
{
    union address address;
    const char *text = config->address;
    if (!parse(text, &address)) {
        return fh_error_set(err, FH_E_INVALID,
                            "cannot listen on '%s': write --listen as ADDRESS:PORT, "
                            "[IPV6-ADDRESS]:PORT or :PORT",
                            text ? text : "");
    }
    *fd = listen_on(&address, config);
    if (*fd == -EAFNOSUPPORT && text[0] == ':') { /* a machine without IPv6 */
        in_port_t number = address.v6.sin6_port;
        parse_host("0.0.0.0", number, &address);
        *fd = listen_on(&address, config);
    }
    if (*fd < 0) {
        return fail(text, -*fd, err);
    }
    *port = port_of(*fd);
    return 0;
}

void fh_http_address_format(const struct sockaddr *address, char out[FH_HTTP_ADDRESS_BYTES])
{
    const void *bytes = NULL;
    int family = address ? address->sa_family : AF_UNSPEC;
    if (family == AF_INET) {
        bytes = &((const struct sockaddr_in *)address)->sin_addr;
    } else if (family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
        bool is_v4 = IN6_IS_ADDR_V4MAPPED(v6);
        bytes = is_v4 ? (const void *)&v6->s6_addr[12] : v6;
        family = is_v4 ? AF_INET : AF_INET6;
    }
    if (!bytes || !inet_ntop(family, bytes, out, FH_HTTP_ADDRESS_BYTES)) {
        out[0] = '\0';
    }
}

bool fh_http_address_is_loopback(const struct sockaddr *address)
{
    if (address && address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    if (address && address->sa_family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
        return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
    }
    return false;
}
