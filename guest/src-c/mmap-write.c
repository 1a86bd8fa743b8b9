/*
 * mmap-write FILE SEED BYTES [msync]: writes a pattern through a shared mapping of FILE, which is
 * made BYTES long. mmap-write -c FILE SEED BYTES: checks that FILE holds just that pattern, by read.
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned char pattern(unsigned long seed, size_t at)
{
    return (unsigned char)((at * 2654435761u >> 13) + seed * 37);
}

static int write_it(const char *name, unsigned long seed, size_t bytes, int flush)
{
    const int fd = open(name, O_RDWR | O_CREAT, 0644);
    unsigned char *map;

    MUST(fd >= 0);
    MUST(ftruncate(fd, (off_t)bytes) == 0);
    map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    MUST(map != MAP_FAILED);
    MUST(close(fd) == 0);
    for (size_t at = 0; at < bytes; at++)
        map[at] = pattern(seed, at);
    if (flush)
        MUST(msync(map, bytes, MS_SYNC) == 0);
    MUST(munmap(map, bytes) == 0);
    return 0;
}

static int check_it(const char *name, unsigned long seed, size_t bytes)
{
    const int fd = open(name, O_RDONLY);
    unsigned char *got = malloc(bytes + 1);
    size_t len = 0;
    ssize_t n;

    MUST(fd >= 0 && got);
    while ((n = read(fd, got + len, bytes + 1 - len)) > 0)
        len += (size_t)n;
    MUST(n == 0);
    CHECK(len == bytes, "the file's length");
    for (size_t at = 0; at < len && at < bytes; at++)
        if (got[at] != pattern(seed, at)) {
            printf("byte %zu of %s: %u, not %u\n", at, name, got[at], pattern(seed, at));
            return 1;
        }
    return checked();
}

int main(int argc, char **argv)
{
    const int check = argc > 1 && strcmp(argv[1], "-c") == 0;

    argv += check;
    argc -= check;
    MUST(argc == 4 || argc == 5);
    if (check)
        return check_it(argv[1], strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
    return write_it(argv[1], strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10), argc == 5);
}
