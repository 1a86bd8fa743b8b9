/* What a user may do, tried on files of many owners and modes: to compare what a guest's user is answered with what
   the same user is answered on the host.

   user-deeds make DIR [PLACE...]            as root on the host: for each deed files of each kind, or of those
   user-deeds try DIR UID GROUPS [PLACE...]  does them all as that user, of the group of the same number and of GROUPS
                                             (with commas, "-" for none); as "same" without becoming anybody.
                                             Prints each answer. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"

enum { ANN = 61001, BOB, CID, TEAM = 62001, CLUB, OTHERS };

/* The directory `d` and the file `f` in it. */
static const struct place {
    const char *name;
    int dir_uid, dir_gid, dir_mode;
    int uid, gid, mode;
} places[] = {
    {"ann", ANN, ANN, 0755, ANN, ANN, 0644},
    {"ann-private", ANN, ANN, 0700, BOB, BOB, 0666},
    {"team", ANN, TEAM, 0770, ANN, TEAM, 0660},
    {"team-reads", 0, TEAM, 0750, BOB, BOB, 0640},
    {"club-setgid", BOB, CLUB, 02775, BOB, CLUB, 0664},
    {"sticky", 0, 0, 01777, ANN, ANN, 0666},
    {"sticky-team", CID, TEAM, 01770, BOB, TEAM, 0660},
    {"root", 0, 0, 0755, 0, 0, 0600},
    {"open-to-all", 0, 0, 0777, 0, 0, 0666},
    {"group-only", ANN, TEAM, 0070, ANN, TEAM, 0060},
    {"setuid", ANN, ANN, 0777, ANN, TEAM, 06777},
    {"no-search", BOB, BOB, 0644, BOB, BOB, 0644},
    {"search-only", CID, CID, 0711, CID, CID, 0604},
    {"group-0", CID, 0, 0770, CID, 0, 0660},
    {"nobody", 65534, 65534, 0755, 65534, 65534, 0600},
};

/* An answer: what the call gave, or the errno. */
static char said[4096];

static int done(int result)
{
    if (result >= 0)
        strcpy(said, "ok");
    return result;
}

static int opened(const char *name, int flags, int mode)
{
    int fd = done(open(name, flags | O_CLOEXEC, mode));
    return fd;
}

static int closed(int result, int fd)
{
    int before = errno;
    if (fd >= 0)
        close(fd);
    errno = before;
    return result;
}

static int open_only(int flags, int mode)
{
    const char *name = mode ? "d/new" : "d/f";
    int fd = opened(name, flags, mode);
    return closed(fd, fd);
}

static int look(const char *name)
{
    struct stat st;
    if (lstat(name, &st) < 0)
        return -1;
    sprintf(said, "%o %d %d %ld %ld", st.st_mode, st.st_uid, st.st_gid, (long)st.st_nlink,
            S_ISREG(st.st_mode) ? (long)st.st_size : 0);
    return 0;
}

static int read_it(void)
{
    int fd = opened("d/f", O_RDONLY, 0);
    ssize_t length = fd < 0 ? -1 : read(fd, said, 100);
    if (length >= 0)
        said[strcspn(said, "\n")] = 0;
    return closed(length, fd);
}

static int write_it(int flags)
{
    int fd = opened("d/f", O_WRONLY | flags, 0);
    return closed(fd < 0 ? -1 : write(fd, "written", 7), fd);
}

static int cut_open(void)
{
    int fd = opened("d/f", O_WRONLY, 0);
    return closed(fd < 0 ? -1 : ftruncate(fd, 3), fd);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int list(void)
{
    DIR *dir = opendir("d");
    char *names[20];
    int count = 0;
    if (!dir)
        return -1;
    for (struct dirent *entry; count < 20 && (entry = readdir(dir));)
        names[count++] = strdup(entry->d_name);
    qsort(names, count, sizeof *names, by_name);
    for (int n = 0; n < count; n++) {
        strcat(said, " ");
        strcat(said, names[n]);
    }
    return closedir(dir);
}

static int bind_it(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "d/new"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return closed(done(bind(fd, (void *)&address, sizeof address)), fd);
}

static int read_link(void)
{
    ssize_t length = readlink("d/link", said, 100);
    if (length >= 0)
        said[length] = 0;
    return length;
}

static int get_xattr(void)
{
    ssize_t length = getxattr("d/f", "user.old", said, 100);
    if (length >= 0)
        said[length] = 0;
    return length;
}

static int list_xattr(void)
{
    char names[1000];
    ssize_t length = listxattr("d/f", names, sizeof names);
    if (length >= 0)
        sprintf(said, "%ld", (long)length);
    return length;
}

static int set_times(long seconds)
{
    struct timespec times[2] = {{seconds, seconds ? 0 : UTIME_NOW}, {seconds, seconds ? 0 : UTIME_NOW}};
    return done(utimensat(AT_FDCWD, "d/f", times, 0));
}

static int size_of_fs(void)
{
    struct statfs fs;
    return done(statfs("d/f", &fs));
}

static int lock_it(int flags, int type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_len = 3};
    int fd = opened("d/f", flags, 0);
    return closed(fd < 0 ? -1 : fcntl(fd, F_SETLK, &lock), fd);
}

static int flock_it(void)
{
    int fd = opened("d/f", O_RDONLY, 0);
    return closed(fd < 0 ? -1 : flock(fd, LOCK_EX | LOCK_NB), fd);
}

/* Changes what it made, too: of whom and with which rights it is shows in what comes of that. */
static int made_and_used(void)
{
    int fd = opened("d/new", O_CREAT | O_EXCL | O_RDWR, 0600);
    if (fd < 0)
        return -1;
    int result = write(fd, "mine", 4) == 4 && fchmod(fd, 0640) == 0 && mkdir("d/dir", 0700) == 0 &&
                 rename("d/new", "d/dir/file") == 0 && look("d/dir/file") == 0 ? 0 : -1;
    return closed(result, fd);
}

#define DEEDS                                                                            \
    DEED("stat", look("d/f"))                                                            \
    DEED("stat-dir", look("d"))                                                          \
    DEED("stat-dotdot", look("d/sub/../link"))                                           \
    DEED("read", read_it())                                                              \
    DEED("write", write_it(0))                                                           \
    DEED("append", write_it(O_APPEND))                                                   \
    DEED("write-synced", write_it(O_SYNC))                                               \
    DEED("open-both", open_only(O_RDWR, 0))                                              \
    DEED("open-cut", open_only(O_WRONLY | O_TRUNC, 0))                                   \
    DEED("open-or-create", open_only(O_RDWR | O_CREAT, 0))                               \
    DEED("list", list())                                                                 \
    DEED("read-link", read_link())                                                       \
    DEED("create", open_only(O_RDWR | O_CREAT | O_EXCL, 0644))                           \
    DEED("create-setgid", open_only(O_RDWR | O_CREAT | O_EXCL, 02771))                   \
    DEED("create-setuid", open_only(O_WRONLY | O_CREAT, 04755))                          \
    DEED("create-unreadable", open_only(O_WRONLY | O_CREAT | O_EXCL, 0200))              \
    DEED("create-again", closed(done(open("d/f", O_RDWR | O_CREAT | O_EXCL, 0600)), -1)) \
    DEED("make-and-use", made_and_used())                                                \
    DEED("mkdir", done(mkdir("d/new", 0775)))                                            \
    DEED("mkdir-below", done(mkdir("d/sub/new", 0755)))                                  \
    DEED("symlink", done(symlink("f", "d/new")))                                         \
    DEED("mkfifo", done(mkfifo("d/new", 0640)))                                          \
    DEED("mknod", done(mknod("d/new", S_IFCHR | 0666, makedev(1, 3))))                   \
    DEED("bind", bind_it())                                                              \
    DEED("link", done(link("d/f", "e/new")))                                             \
    DEED("link-here", done(link("d/f", "d/new")))                                        \
    DEED("rename", done(rename("d/f", "e/new")))                                         \
    DEED("rename-over", done(rename("d/f", "e/x")))                                      \
    DEED("rename-here", done(rename("d/f", "d/new")))                                    \
    DEED("rename-to-here", done(rename("e/x", "d/f")))                                   \
    DEED("rename-dir", done(rename("d/sub", "e/new")))                                   \
    DEED("unlink", done(unlink("d/f")))                                                  \
    DEED("rmdir", done(rmdir("d/sub")))                                                  \
    DEED("chmod", done(chmod("d/f", 0604)))                                              \
    DEED("chmod-setgid", done(chmod("d/f", 02755)))                                      \
    DEED("chmod-dir", done(chmod("d", 03777)))                                           \
    DEED("chown-to-bob", done(chown("d/f", BOB, -1)))                                    \
    DEED("chgrp-team", done(chown("d/f", -1, TEAM)))                                     \
    DEED("chgrp-club", done(chown("d/f", -1, CLUB)))                                     \
    DEED("chgrp-others", done(chown("d/f", -1, OTHERS)))                                 \
    DEED("chgrp-0", done(chown("d/f", -1, 0)))                                           \
    DEED("chown-link", done(lchown("d/link", -1, TEAM)))                                 \
    DEED("truncate", done(truncate("d/f", 2)))                                           \
    DEED("cut-open", cut_open())                                                         \
    DEED("set-times", set_times(1000000000))                                             \
    DEED("touch", set_times(0))                                                          \
    DEED("setxattr", done(setxattr("d/f", "user.new", "value", 5, 0)))                   \
    DEED("removexattr", done(removexattr("d/f", "user.old")))                            \
    DEED("getxattr", get_xattr())                                                        \
    DEED("listxattr", list_xattr())                                                      \
    DEED("statfs", size_of_fs())                                                         \
    DEED("lock", lock_it(O_RDWR, F_WRLCK))                                               \
    DEED("lock-shared", lock_it(O_RDONLY, F_RDLCK))                                      \
    DEED("flock", flock_it())

static const char *const deeds[] = {
#define DEED(name, does) name,
    DEEDS
#undef DEED
};

static int deed(size_t number)
{
    size_t n = 0;
#define DEED(name, does)                                                                 \
    if (n++ == number)                                                                   \
        return does;
    DEEDS
#undef DEED
    return -1;
}

static void content(const char *name, int uid, int gid, int mode)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    MUST(fd >= 0 && write(fd, "what was there\n", 15) == 15 && fsetxattr(fd, "user.old", "old", 3, 0) == 0);
    MUST(fchown(fd, uid, gid) == 0 && fchmod(fd, mode) == 0 && close(fd) == 0);
}

static void directory(const char *name, int uid, int gid, int mode)
{
    MUST(mkdir(name, 0700) == 0 && chown(name, uid, gid) == 0 && chmod(name, mode) == 0);
}

static void make(const struct place *place)
{
    directory("d", place->dir_uid, place->dir_gid, place->dir_mode);
    content("d/f", place->uid, place->gid, place->mode);
    directory("d/sub", place->uid, place->gid, 0755);
    MUST(symlink("f", "d/link") == 0 && lchown("d/link", place->uid, place->gid) == 0);
    directory("e", ANN, TEAM, 0775);
    content("e/x", BOB, BOB, 0644);
}

static void become(int uid, char *groups)
{
    gid_t list[10];
    int count = 0;
    for (char *group = strtok(groups, ",-"); group; group = strtok(NULL, ",-"))
        list[count++] = atoi(group);
    MUST(setgroups(count, list) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0);
}

static int chosen(char **names, const char *name)
{
    int wanted = !*names;
    for (; *names; names++)
        wanted |= !strcmp(*names, name);
    return wanted;
}

int main(int argc, char **argv)
{
    MUST(argc >= 3 && chdir(argv[2]) == 0);
    int making = !strcmp(argv[1], "make");
    MUST(making || argc >= 5);
    umask(0);
    if (!making && strcmp(argv[3], "same"))
        become(atoi(argv[3]), argv[4]);
    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
        if (!chosen(argv + (making ? 3 : 5), places[p].name))
            continue;
        for (size_t d = 0; d < sizeof deeds / sizeof *deeds; d++) {
            char name[200];
            sprintf(name, "%s-%s", places[p].name, deeds[d]);
            if (making)
                directory(name, 0, 0, 0755);
            MUST(chdir(name) == 0);
            if (making) {
                make(&places[p]);
            } else {
                strcpy(said, "");
                printf("%s: %s\n", name, deed(d) < 0 ? strerrorname_np(errno) : said);
            }
            MUST(chdir("..") == 0);
        }
    }
    return 0;
}
