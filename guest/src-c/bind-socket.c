/* bind-socket NAME: binds a Unix socket to the name and leaves it there. */
#include "check.h"

#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    MUST(argc == 2 && strlen(argv[1]) < sizeof address.sun_path);
    strcpy(address.sun_path, argv[1]);
    MUST((fd = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    return checked();
}
