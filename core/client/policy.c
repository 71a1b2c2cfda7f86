/* SPDX-License-Identifier: MIT */
#include "client/policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESS_BYTES = 16, V4_BITS = 96, NETWORK_TEXT = 64 };

/* IPv4 lies in the last four bytes behind ::ffff. */
struct network {
    unsigned char bytes[ADDRESS_BYTES];
    unsigned bits;
    char text[NETWORK_TEXT];
};

struct fh_policy {
    struct network *allow;
    struct network *deny;
    size_t allow_count;
    size_t deny_count;
};

/* Link-local: RFC 3927, RFC 4291. 169.254.169.254, at which nearly all clouds have their metadata, lies in the first. The
 * others are in the vendors' manuals: fd00:ec2::254 (instance metadata) and fd00:ec2::23 (EKS Pod Identity), AWS;
 * fd20:ce::254, Google Cloud; 168.63.129.16 (wire server), Azure; 100.100.100.200, Alibaba Cloud; 192.0.0.192, Oracle
 * Cloud's older one. */
static const char *const built_in[] = {
    "169.254.0.0/16",   "fe80::/10",        "fd00:ec2::254/128",  "fd00:ec2::23/128",
    "fd20:ce::254/128", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32"};

static void map_v4(unsigned char out[ADDRESS_BYTES], const void *v4)
{
    memset(out, 0, 10);
    out[10] = out[11] = 0xff;
    memcpy(out + 12, v4, 4);
}

/* --- networks --------------------------------------------------------------------------------- */

static bool read_bits(const char *text, unsigned most, unsigned *bits)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    *bits = (unsigned)value;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && value <= most;
}

static bool read_network(struct network *network, const char *text)
{
    char address[NETWORK_TEXT];
    unsigned char v4[4];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof(address)) {
        return false;
    }
    memcpy(address, text, len);
    address[len] = '\0';
    if (inet_pton(AF_INET, address, v4) == 1) {
        map_v4(network->bytes, v4);
        network->bits = 32;
        if (slash && !read_bits(slash + 1, 32, &network->bits)) {
            return false;
        }
        network->bits += V4_BITS;
        return true;
    }
    network->bits = 128;
    return inet_pton(AF_INET6, address, network->bytes) == 1 &&
           (!slash || read_bits(slash + 1, 128, &network->bits));
}

static bool is_in(const struct network *network, const unsigned char address[ADDRESS_BYTES])
{
    unsigned whole = network->bits / 8;
    unsigned rest = network->bits % 8;
    if (memcmp(network->bytes, address, whole) != 0) {
        return false;
    }
    unsigned char mask = (unsigned char)(0xff00u >> rest);
    return rest == 0 || ((network->bytes[whole] ^ address[whole]) & mask) == 0;
}

static const struct network *find(const struct network *list, size_t count,
                                  const unsigned char address[ADDRESS_BYTES])
{
    for (size_t i = 0; i < count; i++) {
        if (is_in(&list[i], address)) {
            return &list[i];
        }
    }
    return NULL;
}

static int push(struct network **list, size_t *count, const char *text, struct fh_error *err)
{
    struct network network = {.bits = 0};
    if (strlen(text) >= sizeof(network.text) || !read_network(&network, text)) {
        return fh_error_set(err, FH_E_INVALID,
                            "'%.60s' is no network: write it as 10.0.0.0/8 or fd00::/8", text);
    }
    strcpy(network.text, text);
    struct network *more = realloc(*list, (*count + 1) * sizeof(**list));
    if (!more) {
        return fh_error_set(err, FH_E_NO_MEMORY, "no memory for a network policy");
    }
    *list = more;
    more[(*count)++] = network;
    return 0;
}

static int push_all(struct network **list, size_t *count, struct fh_slice text,
                    struct fh_error *err)
{
    char *copy = strndup(text.data ? text.data : "", text.len);
    char *rest = copy;
    int rc = copy ? 0 : FH_E_NO_MEMORY;
    for (char *word; rc == 0 && (word = strtok_r(rest, ", \t\n", &rest)) != NULL;) {
        rc = push(list, count, word, err);
    }
    free(copy);
    return rc;
}

/* --- the policy ------------------------------------------------------------------------------- */

int fh_policy_new(struct fh_policy **out, struct fh_slice allow, struct fh_slice deny,
                  struct fh_error *err)
{
    struct fh_policy *policy = calloc(1, sizeof(*policy));
    if (!policy) {
        return fh_error_set(err, FH_E_NO_MEMORY, "no memory for a network policy");
    }
    int rc = push_all(&policy->allow, &policy->allow_count, allow, err);
    rc = rc == 0 ? push_all(&policy->deny, &policy->deny_count, deny, err) : rc;
    if (rc != 0) {
        fh_policy_free(policy);
        return rc;
    }
    *out = policy;
    return 0;
}

void fh_policy_free(struct fh_policy *policy)
{
    if (policy) {
        free(policy->allow);
        free(policy->deny);
        free(policy);
    }
}

/* false: not an internet address. */
static bool to_bytes(const struct sockaddr *address, unsigned char out[ADDRESS_BYTES])
{
    static const unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b}; /* RFC 6052 */
    if (address->sa_family == AF_INET) {
        map_v4(out, &((const struct sockaddr_in *)address)->sin_addr);
        return true;
    }
    if (address->sa_family != AF_INET6) {
        return false;
    }
    memcpy(out, &((const struct sockaddr_in6 *)address)->sin6_addr, ADDRESS_BYTES);
    if (memcmp(out, nat64, sizeof(nat64)) == 0) {
        unsigned char v4[4];
        memcpy(v4, out + 12, sizeof(v4));
        map_v4(out, v4);
    }
    return true;
}

static void write_address(const unsigned char bytes[ADDRESS_BYTES], char out[INET6_ADDRSTRLEN])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (memcmp(bytes, mapped, sizeof(mapped)) == 0) {
        inet_ntop(AF_INET, bytes + 12, out, INET6_ADDRSTRLEN);
    } else {
        inet_ntop(AF_INET6, bytes, out, INET6_ADDRSTRLEN);
    }
}

static bool is_built_in(const unsigned char bytes[ADDRESS_BYTES], const char **text)
{
    for (size_t i = 0; i < sizeof(built_in) / sizeof(built_in[0]); i++) {
        struct network network;
        if (read_network(&network, built_in[i]) && is_in(&network, bytes)) {
            *text = built_in[i];
            return true;
        }
    }
    return false;
}

bool fh_policy_allows(const struct fh_policy *policy, const struct sockaddr *address,
                      struct fh_error *err)
{
    unsigned char bytes[ADDRESS_BYTES];
    char text[INET6_ADDRSTRLEN];
    const char *rule = NULL;
    if (!policy || !to_bytes(address, bytes)) {
        return true;
    }
    write_address(bytes, text);
    const struct network *denied = find(policy->deny, policy->deny_count, bytes);
    if (denied) {
        fh_error_set(err, FH_E_REFUSED, "calls to %s are refused: net_deny has %s", text,
                     denied->text);
        return false;
    }
    if (!find(policy->allow, policy->allow_count, bytes) && is_built_in(bytes, &rule)) {
        fh_error_set(
            err, FH_E_REFUSED,
            "calls to %s are refused: %s is for this machine and its cloud only; net_allow "
            "in host.lua allows it",
            text, rule);
        return false;
    }
    return true;
}
