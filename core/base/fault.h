/* SPDX-License-Identifier: MIT */
/* Named fault points: places where the crash suite ends the process or makes a call fail.
 * Armed by FLOWHOST_FAULT="name[:action[:n]],..." in debug builds (FH_FAULTS), compiled away
 * otherwise. action: "kill" (default; SIGKILL to the process) or an error name such as
 * "DISK_FULL" or "IO", which fh_fault then returns. n: act on the n-th passage (default 1); an
 * error action stays on from the n-th passage, or for one passage only with a trailing "!". In the
 * place of n, "@PATH" acts while that file exists: so a test turns a fault on and off at will. */
#pragma once

#ifdef FH_FAULTS
/* 0, or the FH_E_* that the caller must behave as if it had met. Any thread. */
int fh_fault(const char *name);
#else
static inline int fh_fault(const char *name)
{
    (void)name;
    return 0;
}
#endif
