/* SPDX-License-Identifier: MIT */
/* A data folder for the lifetime of a host ("data" = "temp"). */
#pragma once

#include "base/error.h"

enum { FH_TEMP_FOLDER_BYTES = 256 };

int fh_temp_folder_make(char path[FH_TEMP_FOLDER_BYTES], struct fh_error *err);
void fh_temp_folder_remove(const char *path);
