/* SPDX-License-Identifier: MIT */
/* cmocka with the headers that it expects to come before it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
