# Symlinks, hard links, FIFOs, device nodes, sockets, and renames of one over another.
# seconds: 60

kind() { stat -c '%F' "$1"; }

# symlinks
ln -s target link
refused cat link
echo text >target
same text "$(cat link)"
same target "$(readlink link)"
ln -s "$DIR/target" absolute
same text "$(cat absolute)"
long=$(printf '%04000d' 0 | tr 0 t)
ln -s "$long" long
same "$long" "$(readlink long)"
ln -s loop loop
refused cat loop
if keeps_owners; then
    chown -h 1234:1234 link
    same '1234:1234 0:0' "$(stat -c %u:%g link) $(stat -c %u:%g target)" 'owners of a link and its target'
fi
touch -h -d @1000000000 link
same 1000000000 "$(stat -c %Y link)" 'mtime of a link'

# hard links
ln target hard
same 2 "$(stat -c %h target)" 'link count'
same "$(stat -c %i target)" "$(stat -c %i hard)" 'inode number'
[ target -ef hard ]
echo more >>hard
same 2 "$(wc -l <target)" 'lines through the other name'
rm target
same 1 "$(stat -c %h hard)" 'link count after rm'
refused ln link/ directory
mkdir directory
refused ln directory hard-directory

# FIFOs, devices, sockets
mkfifo -m 640 fifo
same 'fifo 640' "$(kind fifo) $(stat -c %a fifo)"
echo through >fifo &
same through "$(cat fifo)"
wait
if keeps_owners; then
    mknod zero c 1 5
    mknod block b 7 200
    same 'character special file 1:5' "$(kind zero) $(stat -c %t:%T zero)"
    same 'block special file 7:c8' "$(kind block) $(stat -c %t:%T block)"
    wanted='regular empty file 0:0'
    ! shows_on_host || wanted='character special file 1:5'
    same "$wanted" "$(on_host "stat -c '%F %t:%T' zero")" 'device on the host'
    same 16 "$(head -c 16 zero | wc -c)" 'bytes of the device'
else
    refused mknod zero c 1 5
fi
"$BIN/bind-socket" socket
same socket "$(kind socket)"

# renames
echo one >one && echo two >two
mv -f one two
same one "$(cat two)"
[ ! -e one ]
mkdir empty full && touch full/file
mv -T empty directory
refused mv -T directory full
refused mv -T two directory
refused mv -T directory two
refused mv full full/inside
mv -T fifo two
same fifo "$(kind two)"
