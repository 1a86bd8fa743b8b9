# While the host renames, links, writes and removes, a guest without a cache sees each change at
# once, never a name that was never there, and never loses one that stays.
# caches: none
# seconds: 300

# Each change of the host is seen by the very next call.
on_host 'echo one >file && mkdir dir && echo deep >dir/deep'
same one "$(cat file)"
on_host 'echo longer text >file'
same 'longer text' "$(cat file)"
on_host 'echo cut >file; chmod 604 file; ln file link'
same 'cut 604 2' "$(cat file) $(stat -c '%a %h' link)"
same "$(stat -c %i file)" "$(stat -c %i link)" 'inode number'
on_host 'mv file moved'
[ ! -e file ]
same cut "$(cat moved)"
on_host 'echo new >other; mv other moved'
same new "$(cat moved)"
same 'cut 1' "$(cat link) $(stat -c %h link)"
on_host 'mv dir gone; mkdir dir'
same '' "$(ls -A dir)"
same deep "$(cat gone/deep)"
on_host 'rm moved link; touch moved; rmdir dir; echo now a file >dir'
same 'now a file' "$(cat dir)"

# A working directory that the host moved is still the same directory.
(cd gone && on_host 'mv gone elsewhere' && same deep "$(cat deep)" && echo made >made)
same made "$(on_host 'cat elsewhere/made')"

# An open file that the host renamed or replaced stays the file it was. As long as it is open the
# client knows the name too and does not ask.
echo opened >opened
exec 3<>opened
read -r first <&3
on_host 'mv opened renamed; echo impostor >opened'
echo more >&3
same opened "$first"
same 'opened
more' "$(on_host 'cat renamed')"
exec 3>&-
same impostor "$(cat opened)"

# Both at work on one directory: 200 names that stay, and the host's comings and goings.
rounds=${LONG:+100}
rounds=${rounds:-20}
mkdir busy
seq -f 'busy/stays-%03.0f' 200 | xargs touch
on_host '(n=0; while [ ! -e stop ]; do
    n=$((n + 1)); touch busy/a-$n; mv busy/a-$n busy/b-$n; ln busy/b-$n busy/c-$n
    rm busy/b-$n busy/c-$n; sleep 0.01
done) >/dev/null 2>&1 &'
round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    ls -1U busy >"$TMP/listed"
    same 200 "$(grep -c '^stays-' "$TMP/listed")" 'names that stay'
    same '' "$(grep '^stays-' "$TMP/listed" | sort | uniq -d)" 'names listed twice'
    refused grep -qv -e '^stays-[0-9]*$' -e '^[abc]-[0-9]*$' "$TMP/listed"
    mv busy/stays-100 busy/guest && ln busy/guest busy/guest-link
    same 2 "$(stat -c %h busy/guest)" 'link count in a busy directory'
    rm busy/guest-link && mv busy/guest busy/stays-100
done
touch stop
sleep 0.5
rm -r busy
