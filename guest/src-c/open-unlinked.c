/*
 * open-unlinked DIRECTORY: an open file stays whole after its name is gone, and after another
 * file took the name: every call on the descriptor acts on the old file, none on the new one.
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char OLD[] = "the old file's first words";
static const char NEW[] = "another file";

static struct stat stat_of(int fd)
{
    struct stat st = {0};
    CHECK(fstat(fd, &st) == 0, "fstat");
    return st;
}

static void reads_and_writes(int fd)
{
    char got[64] = {0};
    const ssize_t len = sizeof OLD;
    CHECK(pread(fd, got, sizeof got, 0) == len, "read");
    CHECK(memcmp(got, OLD, sizeof OLD) == 0, "read gives the old bytes");
    CHECK(pwrite(fd, "THE OLD", 7, 0) == 7, "write");
    CHECK(fsync(fd) == 0, "fsync");
    memset(got, 0, sizeof got);
    CHECK(pread(fd, got, sizeof got, 0) == len, "read again");
    CHECK(memcmp(got, "THE OLD file's", 14) == 0, "what was written is read back");
    CHECK(pwrite(fd, "the old", 7, 0) == 7, "write back");
}

static void changes_size(int fd)
{
    CHECK(ftruncate(fd, 5000) == 0, "ftruncate up");
    CHECK(stat_of(fd).st_size == 5000, "the size after ftruncate up");
    CHECK(ftruncate(fd, sizeof OLD) == 0, "ftruncate down");
    CHECK(stat_of(fd).st_size == (off_t)sizeof OLD, "the size after ftruncate down");
}

/* Under the model none all belongs to the server's user, and stays it. */
static int keeps_owners(void)
{
    const char *model = getenv("MODEL");
    return !model || strcmp(model, "none") != 0;
}

static void changes_attributes(int fd)
{
    const struct timespec times[2] = {{.tv_sec = 1111111111}, {.tv_sec = 1222222222}};
    struct stat st;

    CHECK(fchmod(fd, 0751) == 0, "fchmod");
    CHECK((stat_of(fd).st_mode & 07777) == 0751, "the mode after fchmod");
    if (keeps_owners()) {
        CHECK(fchown(fd, 1234, 2345) == 0, "fchown");
        st = stat_of(fd);
        CHECK(st.st_uid == 1234 && st.st_gid == 2345, "the owner after fchown");
    }
    CHECK(futimens(fd, times) == 0, "futimens");
    st = stat_of(fd);
    CHECK(st.st_atim.tv_sec == 1111111111, "the atime after futimens");
    CHECK(st.st_mtim.tv_sec == 1222222222, "the mtime after futimens");
}

static void changes_xattrs(int fd)
{
    char got[16] = {0};
    CHECK(fsetxattr(fd, "user.on", "old", 3, 0) == 0, "fsetxattr");
    CHECK(fgetxattr(fd, "user.on", got, sizeof got) == 3, "fgetxattr");
    CHECK(memcmp(got, "old", 3) == 0, "the xattr's value");
    CHECK(fremovexattr(fd, "user.on") == 0, "fremovexattr");
    CHECK(fgetxattr(fd, "user.on", got, sizeof got) < 0, "the removed xattr is gone");
}

static void everything(int fd, nlink_t links)
{
    CHECK(stat_of(fd).st_nlink == links, "the link count");
    reads_and_writes(fd);
    changes_size(fd);
    changes_attributes(fd);
    changes_xattrs(fd);
}

static void the_new_file_is_untouched(int fd)
{
    char got[64] = {0};
    const struct stat st = stat_of(fd);
    const ssize_t len = sizeof NEW;

    CHECK(pread(fd, got, sizeof got, 0) == len, "the new file's length");
    CHECK(memcmp(got, NEW, sizeof NEW) == 0, "the new file's bytes");
    CHECK((st.st_mode & 07777) == 0600, "the new file's mode");
    CHECK(!keeps_owners() || (st.st_uid == 0 && st.st_gid == 0), "the new file's owner");
    CHECK(st.st_mtim.tv_sec > 1222222222, "the new file's mtime");
    CHECK(fgetxattr(fd, "user.on", got, sizeof got) < 0, "the new file's xattrs");
}

static int make(const char *name, const char *bytes, size_t len)
{
    int fd;
    MUST((fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600)) >= 0);
    MUST(write(fd, bytes, len) == (ssize_t)len);
    MUST(fsync(fd) == 0);
    return fd;
}

static void phase(const char *name, int old, int new, nlink_t links)
{
    printf("-- %s\n", name);
    everything(old, links);
    if (new >= 0)
        the_new_file_is_untouched(new);
}

static void unlinked(void)
{
    const int old = make("unlinked", OLD, sizeof OLD);
    int new;

    MUST(unlink("unlinked") == 0);
    phase("unlinked", old, -1, 0);
    new = make("unlinked", NEW, sizeof NEW);
    phase("unlinked, the name taken by a new file", old, new, 0);
    MUST(unlink("unlinked") == 0);
    phase("both unlinked", old, new, 0);
    close(old);
    close(new);
}

static void renamed_over(void)
{
    const int old = make("renamed-over", OLD, sizeof OLD);
    const int new = make("renamed-over.new", NEW, sizeof NEW);

    MUST(rename("renamed-over.new", "renamed-over") == 0);
    phase("another file renamed over it", old, new, 0);
    close(old);
    close(new);
}

static void moved_away(void)
{
    const int old = make("moved", OLD, sizeof OLD);
    int new;

    MUST(rename("moved", "moved.away") == 0);
    new = make("moved", NEW, sizeof NEW);
    phase("renamed, the name taken by a new file", old, new, 1);
    close(old);
    close(new);
}

static void unlinked_with_its_directory(void)
{
    int old;

    MUST(mkdir("dir", 0755) == 0);
    old = make("dir/file", OLD, sizeof OLD);
    MUST(unlink("dir/file") == 0);
    MUST(rmdir("dir") == 0);
    phase("unlinked, its directory removed", old, -1, 0);
    close(old);
}

int main(int argc, char **argv)
{
    MUST(argc == 2 && chdir(argv[1]) == 0);
    umask(0);
    unlinked();
    renamed_over();
    moved_away();
    unlinked_with_its_directory();
    return checked();
}
