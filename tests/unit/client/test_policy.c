/* SPDX-License-Identifier: MIT */
#include "client/policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static bool allows(const struct fh_policy *policy, const char *text, struct fh_error *err)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        return fh_policy_allows(policy, (struct sockaddr *)&v4, err);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return fh_policy_allows(policy, (struct sockaddr *)&v6, err);
}

static struct fh_policy *new_policy(const char *allow, const char *deny)
{
    struct fh_policy *policy = NULL;
    struct fh_error err;
    assert_int_equal(fh_policy_new(&policy, fh_slice_from(allow), fh_slice_from(deny), &err), 0);
    return policy;
}

static void link_local_and_metadata_are_refused(void **state)
{
    static const char *const refused[] = {
        "169.254.169.254", "169.254.0.1",   "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
        "fe80::1",         "febf::1",       "fd00:ec2::254",          "fd00:ec2::23",
        "fd20:ce::254",    "168.63.129.16", "100.100.100.200",        "192.0.0.192"};
    static const char *const allowed[] = {"127.0.0.1", "10.0.0.1",        "::1",          "fec0::1",
                                          "8.8.8.8",   "169.253.255.255", "fd00:ec2::253"};
    struct fh_policy *policy = new_policy("", "");
    struct fh_error err;
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        err = (struct fh_error){0, ""};
        assert_false(allows(policy, refused[i], &err));
        assert_int_equal(err.code, FH_E_REFUSED);
    }
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        assert_true(allows(policy, allowed[i], &err));
    }
    assert_true(allows(NULL, "169.254.169.254", &err));
    fh_policy_free(policy);
}

static void allow_takes_from_the_built_in_and_deny_wins(void **state)
{
    struct fh_policy *policy =
        new_policy("169.254.169.254, fe80::/10", "10.0.0.0/8 192.168.1.128/25,169.254.169.0/30");
    struct fh_error err;
    (void)state;
    assert_true(allows(policy, "169.254.169.254", &err));
    assert_false(allows(policy, "169.254.169.2", &err));
    assert_non_null(strstr(err.detail, "169.254.169.0/30"));
    assert_false(allows(policy, "169.254.1.1", &err));
    assert_true(allows(policy, "fe80::1", &err));
    assert_false(allows(policy, "10.255.0.1", &err));
    assert_false(allows(policy, "::ffff:10.1.2.3", &err));
    assert_false(allows(policy, "192.168.1.200", &err));
    assert_true(allows(policy, "192.168.1.127", &err));
    fh_policy_free(policy);
}

static void all_can_be_denied(void **state)
{
    struct fh_policy *policy = new_policy("", "0.0.0.0/0 ::/0");
    struct fh_error err;
    (void)state;
    assert_false(allows(policy, "8.8.8.8", &err));
    assert_false(allows(policy, "2001:db8::1", &err));
    fh_policy_free(policy);
}

static void what_is_no_network_is_named(void **state)
{
    static const char *const bad[] = {"10.0.0.0/33", "10.0.0/8", "fd00::/129", "x",
                                      "10.0.0.0/",   "/8",       "10.0.0.0/8x"};
    struct fh_policy *policy = NULL;
    struct fh_error err;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(
            fh_policy_new(&policy, fh_slice_from("10.0.0.0/8"), fh_slice_from(bad[i]), &err),
            FH_E_INVALID);
        assert_non_null(strstr(err.detail, bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link_local_and_metadata_are_refused),
        cmocka_unit_test(allow_takes_from_the_built_in_and_deny_wins),
        cmocka_unit_test(all_can_be_denied),
        cmocka_unit_test(what_is_no_network_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
