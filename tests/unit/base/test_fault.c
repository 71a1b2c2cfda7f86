/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include "base/error.h"
#include "base/fault.h"

#ifdef FH_FAULTS
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process is armed at most once, hence each case is a child of its own. `names` are passed in
 * turn; the child's exit code tells what came of it. */
struct passage {
    const char *name;
    int rc;
};

enum { AS_EXPECTED = 7, MAX_PASSAGES = 8 };

static int child_status(const char *plan, const struct passage *passages)
{
    pid_t child = fork();
    if (child == 0) {
        if (plan) {
            setenv("FLOWHOST_FAULT", plan, 1);
        } else {
            unsetenv("FLOWHOST_FAULT");
        }
        for (int i = 0; passages[i].name; i++) {
            if (fh_fault(passages[i].name) != passages[i].rc) {
                _exit(i);
            }
        }
        _exit(AS_EXPECTED);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Every passage gives its `rc` and the process lives. */
#define assert_passes(plan, ...)                                                                \
    do {                                                                                        \
        int status = child_status(plan, (const struct passage[MAX_PASSAGES + 1]){__VA_ARGS__}); \
        assert_true(WIFEXITED(status));                                                         \
        assert_int_equal(WEXITSTATUS(status), AS_EXPECTED);                                     \
    } while (0)

/* The process is killed at the last passage, and not before. */
#define assert_killed(plan, last, ...)                                                            \
    do {                                                                                          \
        assert_passes(plan, __VA_ARGS__);                                                         \
        int status =                                                                              \
            child_status(plan, (const struct passage[MAX_PASSAGES + 1]){__VA_ARGS__, {last, 0}}); \
        assert_true(WIFSIGNALED(status));                                                         \
        assert_int_equal(WTERMSIG(status), SIGKILL);                                              \
    } while (0)

static void nothing_happens_unarmed(void **state)
{
    (void)state;
    assert_passes(NULL, {"a", 0}, {"b", 0});
    assert_passes("", {"a", 0}, {"b", 0});
    assert_passes(",", {"a", 0});
}

static void kills_by_default(void **state)
{
    (void)state;
    assert_killed("a", "a", {"b", 0}, {"aa", 0});
    assert_killed("a:kill", "a", {"b", 0}, {"b", 0});
    assert_killed("x.y", "x.y", {"x", 0}, {"x.yz", 0}, {"y", 0});
}

static void kills_at_the_nth_passage(void **state)
{
    (void)state;
    assert_killed("a:kill:3", "a", {"a", 0}, {"b", 0}, {"a", 0}, {"b", 0});
}

static void error_actions_stay_on(void **state)
{
    (void)state;
    assert_passes("a:IO", {"b", 0}, {"a", FH_E_IO}, {"b", 0}, {"a", FH_E_IO});
    assert_passes("a:DISK_FULL:2", {"a", 0}, {"a", FH_E_DISK_FULL}, {"a", FH_E_DISK_FULL});
}

static void error_actions_act_once_when_told(void **state)
{
    (void)state;
    assert_passes("a:IO:2!", {"a", 0}, {"a", FH_E_IO}, {"a", 0}, {"a", 0});
    assert_passes("a:NETWORK:1!", {"a", FH_E_NETWORK}, {"a", 0});
}

/* Each point counts its own passages. */
static void takes_several_points(void **state)
{
    (void)state;
    assert_passes("a:IO,b:TIMEOUT", {"b", FH_E_TIMEOUT}, {"c", 0}, {"a", FH_E_IO});
    assert_passes("a:IO:2,b:TIMEOUT:2!", {"b", 0}, {"a", 0}, {"a", FH_E_IO}, {"b", FH_E_TIMEOUT},
                  {"b", 0}, {"a", FH_E_IO});
    assert_killed("a:IO,b:kill:2,c", "b", {"a", FH_E_IO}, {"b", 0}, {"a", FH_E_IO});
}
/* "/" is always there; the other path never is. */
static void acts_while_a_file_exists(void **state)
{
    (void)state;
    assert_passes("a:IO:@/", {"a", FH_E_IO}, {"b", 0}, {"a", FH_E_IO});
    assert_passes("a:IO:@/dev/null/none", {"a", 0}, {"a", 0});
    assert_passes("a:IO:@/dev/null/none,b:TIMEOUT", {"a", 0}, {"b", FH_E_TIMEOUT});
    assert_killed("b:kill:@/dev/null/none,a:kill:@/", "a", {"b", 0});
}
#else
static void points_are_compiled_away(void **state)
{
    (void)state;
    assert_int_equal(fh_fault("a"), 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef FH_FAULTS
        cmocka_unit_test(nothing_happens_unarmed),          cmocka_unit_test(kills_by_default),
        cmocka_unit_test(kills_at_the_nth_passage),         cmocka_unit_test(error_actions_stay_on),
        cmocka_unit_test(error_actions_act_once_when_told), cmocka_unit_test(takes_several_points),
        cmocka_unit_test(acts_while_a_file_exists),
#else
        cmocka_unit_test(points_are_compiled_away),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
