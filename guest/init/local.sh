#!/bin/sh
# No guest at all: the items run on the host's own file system. An item that fails here is wrong
# itself. Runs in the launcher's mount namespace, with RUN as the host sees it.
RUN=$RUN/guest
set -a
. "$RUN/env"
set +a

mount -t tmpfs tmpfs /mnt
mkdir /mnt/9p /mnt/tmp
export LOCAL=1 POSIX= HOME=/mnt/tmp TMP=/mnt/tmp LANG=C LC_ALL=C
export MNT=/mnt/9p RUN SHARE SERVER= HOSTDATA="$HOST_DATA" BIN="$HOST_BIN"
cd /
exec sh "$RUN/init/run-items.sh"
