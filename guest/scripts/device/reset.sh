# The machine is reset in the middle of heavy writing: it boots again, mounts, and finds what it wrote.
# seconds: 60

if [ ! -e first-boot ]; then
    echo written before the reset >first-boot
    for n in 1 2 3; do
        (while :; do dd if=/dev/zero of=big-$n bs=1M count=64; done) >/dev/null 2>&1 &
        (while :; do cat big-$n; done) >/dev/null 2>&1 &
        (while :; do touch a-$n; mv a-$n b-$n; rm b-$n; done) >/dev/null 2>&1 &
    done
    sleep 2
    echo b >/proc/sysrq-trigger
    sleep 1000
fi
same 'written before the reset' "$(cat first-boot)"
rm -f big-* a-* b-* first-boot
same '' "$(ls -A)" 'what is left'
