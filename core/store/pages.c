/* SPDX-License-Identifier: MIT */
/* The layout is that of LMDB 0.9 (data version 1) on a 64-bit machine, from its lmdb.h and mdb.c:
 *
 *     page    u64 number, u16 -, u16 flags, u16 lower, u16 upper, u16 node offsets[]
 *             (overflow: u32 count of pages in place of lower and upper)
 *     node    u16 low, u16 high, u16 flags, u16 key length, key, data
 *             (branch: low, high and flags are the child's number; leaf: low, high the data length)
 *     meta    on pages 0 and 1 behind the page head: u32 magic, u32 version, u64 -, u64 -,
 *             tree of free pages, tree of tables, u64 last page, u64 transaction
 *     tree    u32 page size, u16 -, u16 -, u64 - x4, u64 root page */
#include "store/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(size_t) == 8, "LMDB's layout differs on 32-bit machines");

enum {
    PAGE_BRANCH = 1,
    PAGE_LEAF = 2,
    PAGE_OVERFLOW = 4,
    NODE_BIG = 1,
    NODE_TREE = 2,
    PAGE_HEAD_BYTES = 16,
    NODE_HEAD_BYTES = 8,
    TREE_BYTES = 48,
    TREE_ROOT_AT = 40,
    META_FREE_AT = 24,
    META_TABLES_AT = META_FREE_AT + TREE_BYTES,
    META_LAST_AT = META_TABLES_AT + TREE_BYTES,
    META_TRANSACTION_AT = META_LAST_AT + 8,
    META_BYTES = META_TRANSACTION_AT + 8,
    MAX_DEPTH = 32,
    MIN_PAGE_BYTES = 256,
    MAX_PAGE_BYTES = 65536
};
static const uint32_t META_MAGIC = 0xBEEFC0DE;
static const uint64_t NO_PAGE = UINT64_MAX;

struct walk {
    int fd;
    size_t page_bytes;
    uint64_t page_count; /* whole pages the file has */
    uint64_t seen;
    char *stack; /* a page for each level, so that a parent survives its children */
};

static uint16_t u16_at(const char *at)
{
    uint16_t number;
    memcpy(&number, at, sizeof(number));
    return number;
}

static uint32_t u32_at(const char *at)
{
    uint32_t number;
    memcpy(&number, at, sizeof(number));
    return number;
}

static uint64_t u64_at(const char *at)
{
    uint64_t number;
    memcpy(&number, at, sizeof(number));
    return number;
}

static bool read_at(int fd, void *out, size_t len, uint64_t offset)
{
    return pread(fd, out, len, (off_t)offset) == (ssize_t)len;
}

static bool read_page(struct walk *walk, uint64_t number, char *out, size_t len)
{
    return number < walk->page_count && read_at(walk->fd, out, len, number * walk->page_bytes) &&
           u64_at(out) == number;
}

static bool walk_page(struct walk *walk, uint64_t number, int depth);

static bool check_overflow(struct walk *walk, uint64_t number)
{
    char head[PAGE_HEAD_BYTES];
    if (!read_page(walk, number, head, sizeof(head)) || !(u16_at(head + 10) & PAGE_OVERFLOW)) {
        return false;
    }
    return u32_at(head + 12) <= walk->page_count - number;
}

static bool walk_leaf_node(struct walk *walk, const char *node, size_t room, int depth)
{
    unsigned flags = u16_at(node + 4);
    size_t data_at = NODE_HEAD_BYTES + u16_at(node + 6);
    if (flags & NODE_BIG) {
        return data_at + 8 <= room && check_overflow(walk, u64_at(node + data_at));
    }
    if (flags & NODE_TREE) {
        uint64_t root = data_at + TREE_BYTES <= room ? u64_at(node + data_at + TREE_ROOT_AT) : 0;
        return root == NO_PAGE || (root > 1 && walk_page(walk, root, depth + 1));
    }
    return data_at <= room;
}

static bool walk_node(struct walk *walk, const char *page, size_t offset, bool is_leaf, int depth)
{
    if (offset < PAGE_HEAD_BYTES || offset + NODE_HEAD_BYTES > walk->page_bytes) {
        return false;
    }
    const char *node = page + offset;
    if (is_leaf) {
        return walk_leaf_node(walk, node, walk->page_bytes - offset, depth);
    }
    uint64_t child =
        u16_at(node) | (uint64_t)u16_at(node + 2) << 16 | (uint64_t)u16_at(node + 4) << 32;
    return walk_page(walk, child, depth + 1);
}

static bool walk_page(struct walk *walk, uint64_t number, int depth)
{
    char *page = walk->stack + (size_t)depth * walk->page_bytes;
    if (depth >= MAX_DEPTH || walk->seen++ >= walk->page_count ||
        !read_page(walk, number, page, walk->page_bytes)) {
        return false;
    }
    unsigned kind = u16_at(page + 10) & (PAGE_BRANCH | PAGE_LEAF);
    size_t lower = u16_at(page + 12);
    if ((kind != PAGE_BRANCH && kind != PAGE_LEAF) || lower < PAGE_HEAD_BYTES ||
        lower > walk->page_bytes) {
        return false;
    }
    for (size_t at = PAGE_HEAD_BYTES; at < lower; at += 2) {
        if (!walk_node(walk, page, u16_at(page + at), kind == PAGE_LEAF, depth)) {
            return false;
        }
    }
    return true;
}

static bool walk_root(struct walk *walk, const char *tree)
{
    uint64_t root = u64_at(tree + TREE_ROOT_AT);
    return root == NO_PAGE || walk_page(walk, root, 0);
}

static int check_short(struct walk *walk, const char *meta, const char *path, struct fh_error *err)
{
    walk->stack = malloc(MAX_DEPTH * walk->page_bytes);
    if (!walk->stack) {
        return fh_error_set(err, FH_E_NO_MEMORY, "no memory to check %s", path);
    }
    bool is_whole = walk_root(walk, meta + META_FREE_AT) && walk_root(walk, meta + META_TABLES_AT);
    free(walk->stack);
    if (is_whole) {
        return 0;
    }
    return fh_error_set(err, FH_E_CORRUPT,
                        "data file %s is truncated: it ends before page %llu that is in use; "
                        "restore a backup",
                        path, (unsigned long long)u64_at(meta + META_LAST_AT));
}

/* Reads both metas, and gives the newer; false when it is not a file of LMDB. */
static bool read_meta(int fd, char meta[META_BYTES], size_t *page_bytes)
{
    char other[META_BYTES];
    if (!read_at(fd, meta, META_BYTES, PAGE_HEAD_BYTES) || u32_at(meta) != META_MAGIC) {
        return false;
    }
    *page_bytes = u32_at(meta + META_FREE_AT);
    if (*page_bytes < MIN_PAGE_BYTES || *page_bytes > MAX_PAGE_BYTES ||
        !read_at(fd, other, META_BYTES, *page_bytes + PAGE_HEAD_BYTES) ||
        u32_at(other) != META_MAGIC) {
        return false;
    }
    if (u64_at(other + META_TRANSACTION_AT) > u64_at(meta + META_TRANSACTION_AT)) {
        memcpy(meta, other, META_BYTES);
    }
    return true;
}

int fh_pages_check(const char *data_file, struct fh_error *err)
{
    struct walk walk = {.fd = open(data_file, O_RDONLY | O_CLOEXEC)};
    if (walk.fd < 0) {
        return errno == ENOENT ? 0
                               : fh_error_set(err, fh_error_from_errno(errno),
                                              "data file %s cannot be read: %s; check its owner",
                                              data_file, strerror(errno));
    }
    int rc = 0;
    struct stat status;
    char meta[META_BYTES];
    if (fstat(walk.fd, &status) != 0) {
        rc = fh_error_set(err, FH_E_IO, "data file %s cannot be read: %s; check the disk",
                          data_file, strerror(errno));
    } else if (read_meta(walk.fd, meta, &walk.page_bytes)) {
        walk.page_count = (uint64_t)status.st_size / walk.page_bytes;
        if (u64_at(meta + META_LAST_AT) >= walk.page_count) {
            rc = check_short(&walk, meta, data_file, err);
        }
    }
    close(walk.fd);
    return rc;
}

/* A page knows its number, and page 0 its magic. */
void *fh_pages_find_map(const void *value, size_t page_bytes)
{
    const char *page = (const char *)((uintptr_t)value & ~(uintptr_t)(page_bytes - 1));
    bool is_leaf = (u16_at(page + 10) & (PAGE_BRANCH | PAGE_LEAF | PAGE_OVERFLOW)) == PAGE_LEAF;
    uint64_t number = u64_at(page);
    if (!is_leaf || number < 2 || number > (uintptr_t)page / page_bytes) {
        return NULL;
    }
    const char *map = page - number * page_bytes;
    bool is_first = u64_at(map) == 0 && u32_at(map + PAGE_HEAD_BYTES) == META_MAGIC;
    return is_first ? (void *)(uintptr_t)map : NULL;
}
