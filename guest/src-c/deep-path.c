/*
 * deep-path DIRECTORY LEVELS: makes a chain of directories with names of 200 bytes, and at its
 * end makes, writes, reads, renames, links, changes and removes a file; then removes the chain.
 * With "keep" as a third argument the chain and the file "bottom" stay.
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char name[201];

static void down(void)
{
    int fd;
    MUST(mkdir(name, 0755) == 0);
    MUST((fd = open(name, O_RDONLY | O_DIRECTORY)) >= 0);
    MUST(fchdir(fd) == 0);
    MUST(close(fd) == 0);
}

static void work_at_the_bottom(void)
{
    char got[16] = {0};
    struct stat st;
    int fd;

    MUST((fd = open("file", O_RDWR | O_CREAT | O_EXCL, 0644)) >= 0);
    CHECK(write(fd, "deep", 4) == 4, "write");
    CHECK(close(fd) == 0, "close");
    MUST((fd = open("file", O_RDONLY)) >= 0);
    CHECK(read(fd, got, sizeof got) == 4 && memcmp(got, "deep", 4) == 0, "read");
    CHECK(close(fd) == 0, "close");
    CHECK(chmod("file", 0600) == 0, "chmod");
    CHECK(stat("file", &st) == 0 && (st.st_mode & 07777) == 0600 && st.st_size == 4, "stat");
    CHECK(truncate("file", 2) == 0, "truncate");
    CHECK(link("file", "second") == 0, "link");
    CHECK(symlink("file", "symlink") == 0, "symlink");
    CHECK(readlink("symlink", got, sizeof got) == 4, "readlink");
    CHECK(rename("second", "bottom") == 0, "rename");
    CHECK(stat("bottom", &st) == 0 && st.st_nlink == 2 && st.st_size == 2, "stat after link");
    CHECK(unlink("symlink") == 0, "unlink of the symlink");
    CHECK(unlink("file") == 0, "unlink");
}

int main(int argc, char **argv)
{
    int keep, levels;

    MUST(argc == 3 || argc == 4);
    keep = argc == 4;
    levels = atoi(argv[2]);
    memset(name, 'd', sizeof name - 1);
    MUST(chdir(argv[1]) == 0);
    for (int level = 0; level < levels; level++)
        down();
    work_at_the_bottom();
    if (keep)
        return checked();
    CHECK(unlink("bottom") == 0, "unlink of the bottom");
    for (int level = 0; level < levels; level++) {
        MUST(chdir("..") == 0);
        CHECK(rmdir(name) == 0, "rmdir on the way up");
    }
    return checked();
}
